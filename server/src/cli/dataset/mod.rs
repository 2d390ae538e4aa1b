//! `foretoken dataset`: the files that data scientists train on, and the candles behind them.

mod backfill;
mod publish;

use std::path::PathBuf;

use super::{DataArgs, Ended, print, refuse};

/// `foretoken dataset --out DIR` alone is an export, as it always was.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct DatasetArgs {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    export: ExportArgs,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Write the dataset of the bundled candles into a folder
    Export(ExportArgs),
    /// Do the daily job now: publish a version unless it is published
    Publish(publish::PublishArgs),
    /// Fill candles from a venue's history
    Backfill(backfill::BackfillArgs),
}

#[derive(Debug, clap::Args)]
struct ExportArgs {
    /// Folder for the Parquet files, features.json, distributions.json and manifest.json
    #[arg(long, value_name = "DIR", default_value = "datasets-out")]
    out: PathBuf,
}

/// Where published versions lie.
#[derive(Debug, clap::Args)]
pub(super) struct DatasetStoreArgs {
    /// Keep published datasets in an S3-compatible store, s3://BUCKET/PREFIX, whose endpoint and keys
    /// the usual AWS_… variables name [default: `datasets` in the data folder]
    #[arg(long, value_name = "URL", env = "FORETOKEN_DATASETS_URL")]
    datasets_url: Option<String>,
}

impl DatasetStoreArgs {
    /// The address; an empty variable names none.
    pub(super) fn url(&self) -> Option<&str> {
        self.datasets_url.as_deref().filter(|url| !url.is_empty())
    }
}

pub(super) async fn run(args: DatasetArgs) -> anyhow::Result<Ended> {
    match args.command {
        None => export(&args.export),
        Some(Command::Export(args)) => export(&args),
        Some(Command::Publish(args)) => publish::run(args).await,
        Some(Command::Backfill(args)) => backfill::run(args).await,
    }
}

fn export(args: &ExportArgs) -> anyhow::Result<Ended> {
    std::fs::create_dir_all(&args.out)?;
    datasets::write_datasets(&args.out)?;
    print(&format!(
        "written to {}",
        args.out.join("manifest.json").display()
    ))?;
    Ok(Ended::Done)
}
