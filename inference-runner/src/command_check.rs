//! The command `check`: reads the file, prints the card.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use inference_runner::{Features, Limits, ModelRunner, RunnerConfig, Runtime, Status, check};

use crate::{COULD_NOT, DONE, REFUSED};

#[derive(Args)]
pub(crate) struct Check {
    model: PathBuf,
    /// Feature columns of the tournament.
    #[arg(long, value_name = "F", default_value_t = datasets::features::FEATURE_COUNT)]
    columns: usize,
    /// Rows to check on, float32, little-endian, row by row [default: 256 known random rows].
    #[arg(long, value_name = "FILE")]
    features: Option<PathBuf>,
    /// The ONNX Runtime library [default: $FORETOKEN_ORT, else where `cargo xtask setup` puts it].
    #[arg(long, value_name = "PATH")]
    ort: Option<PathBuf>,
    /// Print the card as JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(arguments: Check) -> anyhow::Result<u8> {
    let runtime = Runtime::find(arguments.ort.as_deref(), |name| std::env::var_os(name))?;
    let model = read_file(&arguments.model, "model")?;
    let features = match &arguments.features {
        Some(path) => read_features(path, arguments.columns)?,
        None => check::known_rows(check::ROWS, arguments.columns),
    };
    let limits = Limits::DEFAULT;
    let runner = ModelRunner::start(RunnerConfig {
        runtime: runtime.clone(),
        executable: RunnerConfig::THIS_PROGRAM.into(),
        limits,
    })?;
    runner.try_start().await?;
    let card = check::check_on(&runner, &runtime, model, features, limits).await;
    let text = if arguments.json {
        serde_json::to_string_pretty(&card)?
    } else {
        card.text()
    };
    writeln!(std::io::stdout(), "{text}")?;
    Ok(match card.status {
        Status::Ok => DONE,
        Status::PlatformError => COULD_NOT,
        _ => REFUSED,
    })
}

/// Largest file that is read at all; the check itself refuses what is above the model's limit.
const FILE_BYTES_MAX: u64 = 1 << 30;

fn read_features(path: &Path, columns: usize) -> anyhow::Result<Features> {
    let bytes = read_file(path, "file of rows")?;
    let row = columns * size_of::<f32>();
    anyhow::ensure!(
        row > 0 && !bytes.is_empty() && bytes.len() % row == 0,
        "{} has {} bytes: no whole number of rows of {columns} float32",
        path.display(),
        bytes.len()
    );
    Ok(Features {
        rows: bytes.len() / row,
        columns,
        bytes: bytes.into(),
    })
}

pub(crate) fn read_file(path: &Path, what: &str) -> anyhow::Result<Vec<u8>> {
    let named = || format!("the {what} {} cannot be read", path.display());
    let file = std::fs::File::open(path).with_context(named)?;
    let mut content = Vec::new();
    let read = file.take(FILE_BYTES_MAX + 1).read_to_end(&mut content);
    let bytes = read.with_context(named)? as u64;
    anyhow::ensure!(
        bytes <= FILE_BYTES_MAX,
        "{} has more than {FILE_BYTES_MAX} bytes: no {what} is that large",
        path.display()
    );
    Ok(content)
}
