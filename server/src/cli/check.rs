//! `foretoken check MODEL.onnx`: the runner's own check, so that a laptop and the server agree.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;

use super::Ended;
use crate::settings::runner_beside;

#[derive(Debug, clap::Args)]
pub(super) struct CheckArgs {
    /// The model
    #[arg(value_name = "MODEL.onnx")]
    model: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// The runner's executable; else the one beside this
    #[arg(long, value_name = "PATH")]
    runner: Option<PathBuf>,
}

pub(super) fn run(args: &CheckArgs) -> anyhow::Result<Ended> {
    let runner = runner_beside(args.runner.as_deref())?;
    let mut command = Command::new(&runner);
    command.arg("check").arg(&args.model);
    if args.json {
        command.arg("--json");
    }
    let status = command
        .status()
        .with_context(|| format!("{} does not start", runner.display()))?;
    match status.code() {
        Some(0) => Ok(Ended::Done),
        Some(2) => Ok(Ended::Refused),
        _ => anyhow::bail!("the check could not be done ({status})"),
    }
}
