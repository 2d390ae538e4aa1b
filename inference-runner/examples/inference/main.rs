//! Measures a round's worth of hosted models, each isolated, beside the same models in one bare
//! process and in one process each. Prints a table on standard error and JSON on standard output.
//!
//!     cargo xtask bench --only inference
//!
//! Half of the models are ensembles of 100 trees of depth 5, half are 64-32 nets; all weights
//! differ. Every model runs over the same block of features. Isolated and cold use two workers, the
//! bare loop one thread.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "prints its measurements"
)]

mod bare;
mod honest;
#[path = "../../tests/suite/onnx_writer.rs"]
#[expect(dead_code, reason = "the tests write more than the benchmark does")]
mod onnx_writer;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;

use anyhow::{Context, ensure};
use domain::WallClock;
use inference_runner::check::known_rows;
use inference_runner::{Features, Job, Limits, ModelRunner, RunnerConfig, Runtime, Status, Task};
use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use serde_json::json;
use tokio::task::JoinSet;

const MODELS: usize = 1_000;
const ROWS: usize = 500;
const COLUMNS: usize = 64;
const WORKERS: usize = 2;

/// The argument that makes this program one cold process for the model on standard input.
const ONE: &str = "one-model";

fn main() -> anyhow::Result<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    let argument = arguments.next();
    if argument.as_deref() == Some(ONE) {
        let library = arguments.next().context("the library")?;
        bare::one_from_stdin(Path::new(&library), ROWS, COLUMNS)?;
        return Ok(ExitCode::SUCCESS);
    }
    let runtime = Runtime::find(None, |name| std::env::var_os(name))?;
    let count = argument.map_or(Ok(MODELS), |count| count.parse())?;
    measure(&runtime, count)?;
    Ok(ExitCode::SUCCESS)
}

fn measure(runtime: &Runtime, count: usize) -> anyhow::Result<()> {
    let models: Vec<Arc<[u8]>> = (0..count as u64)
        .map(|seed| match seed % 2 {
            0 => honest::trees(COLUMNS, 100, seed).into(),
            _ => honest::dense(COLUMNS, seed).into(),
        })
        .collect();
    let features = known_rows(ROWS, COLUMNS);
    let isolated = timed(|| isolated(runtime, &models, &features))?;
    let bare = timed(|| bare::every_model(&runtime.path, &models, &features))?;
    ensure!(isolated.answer.0 == bare.answer, "the answers differ");
    let cold = timed(|| cold(&runtime.path, &models))?;
    let each = |cpu_ms: f64| cpu_ms / f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    let over = each(isolated.cpu_ms) - each(bare.cpu_ms);
    let peak_rss_mb = isolated.answer.1.div_ceil(1_000_000);
    for (name, one) in [
        ("isolated", (isolated.wall_s, isolated.cpu_ms)),
        ("bare loop", (bare.wall_s, bare.cpu_ms)),
        ("cold processes", (cold.wall_s, cold.cpu_ms)),
    ] {
        eprintln!(
            "{name:<15} {:>7.2} s wall, {:>6.2} ms processor a model",
            one.0,
            each(one.1)
        );
    }
    let result = json!({
        "models": count,
        "rows": ROWS,
        "isolated_wall_s": isolated.wall_s,
        "bare_loop_wall_s": bare.wall_s,
        "cold_process_wall_s": cold.wall_s,
        "cpu_ms_over_bare_per_model": over,
        "peak_rss_mb": peak_rss_mb,
    });
    println!("{result}");
    Ok(())
}

/// The answers of all models in order, and the most memory that one process held.
type Isolated = (Vec<Vec<f64>>, u64);

fn isolated(
    runtime: &Runtime,
    models: &[Arc<[u8]>],
    features: &Features,
) -> anyhow::Result<Isolated> {
    let tokio = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let answers = tokio.block_on(async {
        let runner = ModelRunner::start(RunnerConfig {
            runtime: runtime.clone(),
            executable: built_runner()?,
            limits: Limits::DEFAULT,
        })?;
        let workers = Arc::new(tokio::sync::Semaphore::new(WORKERS));
        let mut running = JoinSet::new();
        for (place, model) in models.iter().enumerate() {
            let (runner, workers) = (runner.clone(), Arc::clone(&workers));
            let job = Job {
                task: Task::Run,
                model: Arc::clone(model),
                features: features.clone(),
                limits: Limits::DEFAULT,
            };
            running.spawn(async move {
                let _worker = workers.acquire().await;
                (place, runner.run(&job, job.limits.wall).await)
            });
        }
        let mut outcomes = running.join_all().await;
        outcomes.sort_unstable_by_key(|(place, _)| *place);
        let mut answers: Isolated = (Vec::new(), 0);
        for (place, outcome) in outcomes {
            let status = outcome.status;
            ensure!(status == Status::Ok, "model {place}: {}", outcome.detail());
            answers.0.push(outcome.p);
            answers.1 = answers.1.max(outcome.cost.peak_bytes);
        }
        Ok(answers)
    });
    drop(tokio);
    wait_for_children();
    answers
}

/// The program beside this example's folder; the benchmark's command builds it first.
fn built_runner() -> anyhow::Result<PathBuf> {
    let here = std::env::current_exe()?;
    let folder = here.parent().and_then(Path::parent);
    let program = folder.context("no target folder")?.join("inference-runner");
    ensure!(
        program.exists(),
        "build it first: cargo build -p inference-runner"
    );
    Ok(program)
}

/// One process a model, two at a time, each loading the runtime anew.
fn cold(library: &Path, models: &[Arc<[u8]>]) -> anyhow::Result<()> {
    let next = std::sync::atomic::AtomicUsize::new(0);
    let work = || -> anyhow::Result<()> {
        loop {
            let place = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let Some(model) = models.get(place) else {
                return Ok(());
            };
            let mut command = Command::new(std::env::current_exe()?);
            bare::give(command.arg(ONE).arg(library), model)?;
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| {
            worker
                .join()
                .map_err(|_| anyhow::anyhow!("a worker panicked"))?
        })
    })
}

struct Timed<T> {
    answer: T,
    wall_s: f64,
    /// Of this process and of every process that it waited for.
    cpu_ms: f64,
}

fn timed<T>(work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<Timed<T>> {
    let clock = WallClock::system();
    let (start_us, start_cpu) = (clock.now_us(), cpu_us()?);
    let answer = work()?;
    Ok(Timed {
        answer,
        wall_s: seconds(clock.now_us() - start_us),
        cpu_ms: seconds(cpu_us()? - start_cpu) * 1e3,
    })
}

fn cpu_us() -> anyhow::Result<i64> {
    let of = |usage: Usage| usage.user_time() + usage.system_time();
    let own = of(getrusage(UsageWho::RUSAGE_SELF)?);
    let children = of(getrusage(UsageWho::RUSAGE_CHILDREN)?);
    Ok((own + children).num_microseconds())
}

/// Until the fork server has been waited for: only then is its processor time in the sum.
fn wait_for_children() {
    let clock = WallClock::system();
    let end_us = clock.now_us() + 5_000_000;
    let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    while clock.now_us() < end_us && waitid(Id::All, look).is_ok() {
        std::thread::yield_now();
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "durations of minutes, far below 2^53 µs"
)]
fn seconds(us: i64) -> f64 {
    us as f64 / 1e6
}
