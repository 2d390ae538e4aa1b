//! How fast this machine runs models, measured at the start through the real sandbox: a fixed block
//! of rows, a tree ensemble and a dense net, a process for each run. The server splits rounds by it.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::check::known_rows;
use crate::device::DeviceRunner;
use crate::digest::Digest;
use crate::limits::Limits;
use crate::outcome::{Outcome, Status};
use crate::process::{Job, ModelRunner, Task};
use crate::stopwatch::Stopwatch;

/// Reference models of the datasets, trained on the columns that tournaments give.
const TREE: &[u8] = include_bytes!("../../../datasets/models/forest.onnx");
const DENSE: &[u8] = include_bytes!("../../../datasets/models/mlp.onnx");

/// Rows of the block.
const ROWS: usize = 256;

/// Runs, at least; two for each worker.
const RUNS_MIN: usize = 8;

/// For one run on a machine that is busy with something else.
const WALL: Duration = Duration::from_secs(10);

/// For a device that starts.
const DEVICE_WALL: Duration = Duration::from_secs(60);

/// What was measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Benchmark {
    /// All workers at work, a process for each model.
    pub models_per_s: f64,
    /// Half of the tree ensemble's runs over the block took at most this.
    pub tree_ms: f64,
    /// The same of the dense net.
    pub dense_ms: f64,
}

/// A reference model did not run: this machine can run nothing.
#[derive(Debug, thiserror::Error)]
#[error("the benchmark's {model} does not run here ({detail})")]
pub struct BenchmarkError {
    model: &'static str,
    detail: String,
}

/// Measures with `workers` models at once.
///
/// # Errors
/// When a reference model does not run.
pub async fn measure(
    runner: &ModelRunner,
    workers: usize,
    limits: Limits,
) -> Result<Benchmark, BenchmarkError> {
    let features = known_rows(ROWS, datasets::features::FEATURE_COUNT);
    let job = |model: &[u8]| Job {
        task: Task::Run,
        model: model.into(),
        features: features.clone(),
        limits,
    };
    let (tree, dense) = (job(TREE), job(DENSE));
    let places = Arc::new(Semaphore::new(workers.max(1)));
    let runs = RUNS_MIN.max(2 * workers);
    let watch = Stopwatch::start();
    let mut running = JoinSet::new();
    for run in 0..runs {
        let is_tree = run.is_multiple_of(2);
        let job = if is_tree { tree.clone() } else { dense.clone() };
        let (runner, places) = (runner.clone(), Arc::clone(&places));
        running.spawn(async move {
            let _place = places.acquire().await;
            (is_tree, runner.run(&job, WALL).await)
        });
    }
    let (mut trees, mut denses) = (Vec::new(), Vec::new());
    while let Some(ended) = running.join_next().await {
        let Ok((is_tree, outcome)) = ended else {
            continue;
        };
        let model = if is_tree {
            "tree ensemble"
        } else {
            "dense net"
        };
        let times = if is_tree { &mut trees } else { &mut denses };
        times.push(run_us(model, &outcome)?);
    }
    let wall_us = watch.elapsed_us().max(1);
    Ok(Benchmark {
        models_per_s: ratio(runs as u64 * 1_000_000, wall_us),
        tree_ms: ratio(median(trees), 1_000),
        dense_ms: ratio(median(denses), 1_000),
    })
}

/// Runs the dense net on a device: without one, or without its libraries, the runner must not join.
///
/// # Errors
/// Why it does not run.
pub async fn try_device(device: &DeviceRunner) -> Result<(), BenchmarkError> {
    let job = Job {
        task: Task::Run,
        model: DENSE.into(),
        features: known_rows(ROWS, datasets::features::FEATURE_COUNT),
        limits: Limits::DEFAULT,
    };
    let outcome = device.run(Digest::of(DENSE), &job, DEVICE_WALL).await;
    run_us("dense net (on the device)", &outcome).map(drop)
}

fn run_us(model: &'static str, outcome: &Outcome) -> Result<u64, BenchmarkError> {
    if outcome.status != Status::Ok {
        let detail = outcome.detail();
        return Err(BenchmarkError { model, detail });
    }
    Ok(outcome.cost.run_us)
}

fn median(mut times: Vec<u64>) -> u64 {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

#[expect(clippy::cast_precision_loss, reason = "microseconds of a few seconds")]
fn ratio(of: u64, to: u64) -> f64 {
    of as f64 / to as f64
}
