//! Measures what one model costs, with a child started for it and with a warm one.
//!
//!     cargo build -p inference-runner
//!     cargo run -p inference-runner --example child_cost -- target/debug/inference-runner

#![expect(clippy::print_stdout, reason = "prints its measurements")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use domain::WallClock;
use inference_runner::check::known_rows;
use inference_runner::{Job, Limits, ModelRunner, RunnerConfig, Runtime, Status, Task};

const ROUNDS: usize = 40;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let program = std::env::args().nth(1);
    let program = program.context("name the built inference-runner as the argument")?;
    let runtime = Runtime::find(None, |name| std::env::var_os(name))?;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/models");
    let model: Arc<[u8]> = std::fs::read(folder.join("dense_n2.onnx"))?.into();
    let job = Job {
        task: Task::Run,
        model,
        features: known_rows(1, 8),
        limits: Limits::DEFAULT,
    };
    for warm in [0, 1] {
        let runner = ModelRunner::start(RunnerConfig {
            runtime: runtime.clone(),
            executable: std::fs::canonicalize(PathBuf::from(&program))?,
            limits: Limits::DEFAULT,
            warm,
        })?;
        let start = runner.try_start().await?;
        measure(&runner, &job, if warm == 0 { "cold" } else { "warm" }).await?;
        println!(
            "     start {:.1} ms, of which runtime {:.1} ms; address space {} MiB",
            ms(start.wall_us),
            ms(start.runtime_us),
            start.address_space_bytes >> 20
        );
    }
    Ok(())
}

async fn measure(runner: &ModelRunner, job: &Job, name: &str) -> anyhow::Result<()> {
    let clock = WallClock::system();
    let mut whole_us = Vec::new();
    let mut inside_us = Vec::new();
    let mut peak_bytes = 0;
    let mut tick = tokio::time::interval(Duration::from_millis(250));
    for _ in 0..ROUNDS {
        // Leaves time for the next child to get warm.
        tick.tick().await;
        let start_us = clock.now_us();
        let outcome = runner.run(job, job.limits.wall).await;
        whole_us.push(u64::try_from(clock.now_us() - start_us)?);
        anyhow::ensure!(outcome.status == Status::Ok, "{}", outcome.detail());
        inside_us.push(outcome.cost.load_us + outcome.cost.run_us);
        peak_bytes = peak_bytes.max(outcome.cost.peak_bytes);
    }
    whole_us.sort_unstable();
    inside_us.sort_unstable();
    println!(
        "{name} p50 {:.1} ms, p95 {:.1} ms a model; load and run p50 {:.1} ms; peak {} MiB",
        ms(whole_us[ROUNDS / 2]),
        ms(whole_us[ROUNDS * 95 / 100]),
        ms(inside_us[ROUNDS / 2]),
        peak_bytes >> 20
    );
    Ok(())
}

#[expect(
    clippy::cast_precision_loss,
    reason = "durations of seconds, far below 2^53 µs"
)]
fn ms(us: u64) -> f64 {
    us as f64 / 1e3
}
