//! The command `run`: one model over one block of features, in the child of every other run; prints
//! what a runner would send. `foretoken verify --model` runs a model again with it.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use inference_runner::environment::Environment;
use inference_runner::{
    Digest, Features, Job, Limits, ModelRunner, RunnerConfig, Runtime, Status, Task,
};
use serde_json::json;

use crate::command_check::read_file;
use crate::{COULD_NOT, DONE, REFUSED};

#[derive(Args)]
pub(crate) struct Run {
    model: PathBuf,
    /// The features: float32, little-endian, row-major.
    #[arg(long, value_name = "FILE")]
    features: PathBuf,
    /// Rows of the features.
    #[arg(long, value_name = "N")]
    rows: usize,
    /// Columns of the features.
    #[arg(long, value_name = "F")]
    columns: usize,
    /// The ONNX Runtime library [default: $FORETOKEN_ORT, else where `cargo xtask setup` puts it].
    #[arg(long, value_name = "PATH")]
    ort: Option<PathBuf>,
}

pub(crate) async fn run(arguments: Run) -> anyhow::Result<u8> {
    let runtime = Runtime::find(arguments.ort.as_deref(), |name| std::env::var_os(name))?;
    let model = read_file(&arguments.model, "model")?;
    let features = Features {
        rows: arguments.rows,
        columns: arguments.columns,
        bytes: read_features(&arguments.features, arguments.rows, arguments.columns)?.into(),
    };
    let limits = Limits::DEFAULT;
    let runner = ModelRunner::start(RunnerConfig {
        runtime: runtime.clone(),
        executable: RunnerConfig::THIS_PROGRAM.into(),
        limits,
    })?;
    let start = runner.try_start().await?;
    let sha256 = Digest::of(&model);
    let job = Job {
        task: Task::Run,
        model: model.into(),
        features,
        limits,
    };
    let outcome = runner.run(&job, limits.wall).await;
    let answer = json!({
        "status": outcome.status,
        "detail": outcome.detail(),
        "sha256": sha256,
        "p": outcome.p,
        "cpu_ms": outcome.cost.cpu_us.div_ceil(1_000),
        // The digest of the canonical re-encoding, where the child made one.
        "canonical_digest": outcome.facts.as_ref().and_then(|facts| facts.canonical_digest),
        "environment": Environment::of(&runtime, start.sandbox.name()),
    });
    writeln!(std::io::stdout(), "{answer}")?;
    Ok(match outcome.status {
        Status::Ok => DONE,
        Status::PlatformError => COULD_NOT,
        _ => REFUSED,
    })
}

fn read_features(path: &Path, rows: usize, columns: usize) -> anyhow::Result<Vec<u8>> {
    let named = || format!("the features {} cannot be read", path.display());
    let length = rows
        .checked_mul(columns)
        .and_then(|values| values.checked_mul(size_of::<f32>()))
        .context("so many features do not exist")?;
    let file = std::fs::File::open(path).with_context(named)?;
    let mut bytes = Vec::new();
    file.take(length as u64 + 1)
        .read_to_end(&mut bytes)
        .with_context(named)?;
    anyhow::ensure!(
        bytes.len() == length,
        "{} is not {rows} rows of {columns} float32",
        path.display()
    );
    Ok(bytes)
}
