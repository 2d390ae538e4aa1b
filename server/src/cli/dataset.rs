//! `foretoken dataset`: the files that data scientists train on.

use std::path::PathBuf;

use super::{Ended, print};

#[derive(Debug, clap::Args)]
pub(super) struct DatasetArgs {
    /// Folder for the Parquet files, features.json and manifest.json
    #[arg(long, value_name = "DIR", default_value = "datasets-out")]
    out: PathBuf,
}

pub(super) fn run(args: &DatasetArgs) -> anyhow::Result<Ended> {
    std::fs::create_dir_all(&args.out)?;
    datasets::write_datasets(&args.out)?;
    print(&format!(
        "written to {}",
        args.out.join("manifest.json").display()
    ))?;
    Ok(Ended::Done)
}
