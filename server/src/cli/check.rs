//! `foretoken check MODEL.onnx`: the runner's own check, so that a laptop and the server agree.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::Context;
use datasets::features::FEATURE_COUNT;
use datasets::version::Version;
use futures::TryStreamExt;

use super::dataset::DatasetStoreArgs;
use super::{DataArgs, Ended};
use crate::checks::{self, Verdict};
use crate::jobs::check_model::{TRIAL_ROWS, trial_features};
use crate::releases::Releases;
use crate::settings::runner_beside;

#[derive(Debug, clap::Args)]
pub(super) struct CheckArgs {
    /// The model
    #[arg(value_name = "MODEL.onnx")]
    model: PathBuf,
    /// Check on rows of this dataset: `bundled`, `newest` or a published version such as
    /// 1.1.0-20240305 [default: random rows of the bundled dataset's columns]
    #[arg(long, value_name = "NAME")]
    dataset: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// The runner's executable; else the one beside this
    #[arg(long, value_name = "PATH")]
    runner: Option<PathBuf>,
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    store: DatasetStoreArgs,
}

/// Rows for the runner, row by row.
struct Rows {
    columns: usize,
    features: Vec<f32>,
}

pub(super) async fn run(args: CheckArgs) -> anyhow::Result<Ended> {
    let runner = runner_beside(args.runner.as_deref())?;
    let rows = match args.dataset.as_deref() {
        None => None,
        Some("bundled") => Some(Rows {
            columns: FEATURE_COUNT,
            features: trial_features()?.to_vec(),
        }),
        Some(name) => Some(published(&args, name).await?),
    };
    let mut command = Command::new(&runner);
    command.args(checks::command_line(&args.model, args.json));
    if let Some(rows) = &rows {
        command.args(["--columns", &rows.columns.to_string()]);
        command
            .args(["--features", "/dev/stdin"])
            .stdin(Stdio::piped());
    }
    let starts = || format!("{} does not start", runner.display());
    let mut child = command.spawn().with_context(starts)?;
    if let (Some(rows), Some(mut stdin)) = (rows, child.stdin.take()) {
        let bytes: Vec<u8> = rows
            .features
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        // A runner that ends before it has read says itself why.
        drop(stdin.write_all(&bytes));
    }
    let status = child.wait().with_context(starts)?;
    match checks::verdict(status) {
        Some(Verdict::Accepted) => Ok(Ended::Done),
        Some(Verdict::Refused) => Ok(Ended::Refused),
        None => anyhow::bail!("the check could not be done ({status})"),
    }
}

/// The first rows of a version's first validation file: what no training saw.
async fn published(args: &CheckArgs, name: &str) -> anyhow::Result<Rows> {
    let releases = Releases::open(&args.data.data, args.store.url())?;
    let release = match name {
        "newest" => releases
            .newest()
            .await?
            .context("no dataset is published here")?,
        name => releases.release(name.parse::<Version>()?).await?,
    };
    let manifest = &release.manifest;
    let is_validation = |part: &str| part == "validation";
    let mut files = manifest.files.iter();
    let file = files.find(|file| {
        file.rows
            .as_ref()
            .is_some_and(|rows| is_validation(&rows.part))
    });
    let file = file.with_context(|| format!("{name} has no file of validation rows"))?;
    let chunks = releases.read(file, 0..file.bytes as u64).await?;
    let chunks: Vec<_> = chunks
        .try_collect()
        .await
        .context("the rows cannot be read")?;
    let columns = manifest
        .columns
        .iter()
        .filter(|column| column.kind == "float32");
    let columns: Vec<&str> = columns.map(|column| column.name.as_str()).collect();
    let features = datasets::dataset::first_features(&chunks.concat(), &columns, TRIAL_ROWS)?;
    Ok(Rows {
        columns: columns.len(),
        features,
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use datasets::split::Split;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: CheckArgs,
    }

    #[tokio::test]
    async fn the_rows_of_a_published_version_are_those_of_a_trial() {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().display().to_string();
        let line = Line::try_parse_from(["check", "model.onnx", "--data", &data]);
        let args = line.expect("a command").args;
        assert!(published(&args, "newest").await.is_err());
        let history = datasets::bundled::candles().expect("bundled");
        let export = datasets::export::build(&history, Split::BUNDLED, "test").expect("files");
        let version = export.manifest.version.to_string();
        let releases = Releases::open(folder.path(), None).expect("a store");
        releases.publish(export).await.expect("published");
        for name in ["newest", &version] {
            let rows = published(&args, name).await.expect("rows");
            assert_eq!(rows.columns, FEATURE_COUNT);
            assert_eq!(rows.features, trial_features().expect("rows of a trial"));
        }
        for unknown in ["yesterday", "1.1.0-19990101"] {
            assert!(published(&args, unknown).await.is_err(), "{unknown}");
        }
    }
}
