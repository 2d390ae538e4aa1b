//! The program `inference-runner`: `join` runs a server's jobs, `check` tries a model locally.
//!
//! Exit codes: 0 done or accepted, 1 could not, 2 refused, 64 wrong usage.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use domain::WallClock;
use inference_runner::join::{JoinConfig, JoinError, Server, ServerError};
use inference_runner::{Limits, ModelRunner, RunnerConfig, Runtime, check, child, join, runtime};
use nix::unistd::getppid;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing_subscriber::EnvFilter;

const DONE: u8 = 0;
const COULD_NOT: u8 = 1;
const REFUSED: u8 = 2;
const WRONG_USAGE: u8 = 64;

/// Largest sum of cached artifacts.
const CACHE_BYTES: u64 = 4 << 30;

/// Runs ONNX models for a foretoken server, each in a confined process of its own.
#[derive(Parser)]
#[command(name = "inference-runner", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Take jobs from a server until SIGTERM or Ctrl-C, then finish the current ones.
    Join(Join),
    /// Try a model here, as a server's runner would. Exit code 0 accepted, 2 refused.
    Check(Check),
    /// One model process; started by the other commands.
    #[command(hide = true)]
    Child {
        #[arg(long)]
        ort: PathBuf,
    },
}

#[derive(Args)]
struct Join {
    /// Address of the server, for instance https://foretoken.example.
    #[arg(long, value_name = "URL")]
    server: String,
    /// The runner's key.
    #[arg(long, env = "FORETOKEN_RUNNER_KEY", hide_env_values = true)]
    key: String,
    /// Name shown to the server's operator [default: host name and process id].
    #[arg(long)]
    name: Option<String>,
    /// The ONNX Runtime library [default: $FORETOKEN_ORT, else where `cargo xtask setup` puts it].
    #[arg(long, value_name = "PATH")]
    ort: Option<PathBuf>,
    /// Models run at once [default: processor cores].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    workers: Option<u16>,
    /// Processes kept ready with the runtime loaded, about 40 MB each [default: workers + 2].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(0..=256))]
    warm: Option<u16>,
    /// Folder for downloaded models [default: ~/.cache/foretoken/artifacts].
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// End when the process that started this one ends.
    #[arg(long)]
    parent_dies: bool,
}

#[derive(Args)]
struct Check {
    model: PathBuf,
    /// Feature columns of the tournament.
    #[arg(long, value_name = "F", default_value_t = datasets::features::FEATURE_COUNT)]
    columns: usize,
    /// The ONNX Runtime library [default: $FORETOKEN_ORT, else where `cargo xtask setup` puts it].
    #[arg(long, value_name = "PATH")]
    ort: Option<PathBuf>,
    /// Print the card as JSON.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            drop(error.print());
            return ExitCode::from(if error.use_stderr() {
                WRONG_USAGE
            } else {
                DONE
            });
        }
    };
    start_log(!matches!(cli.command, Command::Child { .. }));
    let result = match cli.command {
        Command::Child { ort } => Ok(if child::serve(&ort) { DONE } else { COULD_NOT }),
        Command::Join(arguments) => in_tokio(run_join(arguments)),
        Command::Check(arguments) => in_tokio(run_check(arguments)),
    };
    ExitCode::from(result.unwrap_or_else(|error| {
        tracing::error!("{error:#}");
        COULD_NOT
    }))
}

/// To standard error. ONNX Runtime is talkative: only its warnings are kept.
fn start_log(for_people: bool) {
    let default = if for_people {
        "info,ort=warn"
    } else {
        "error,ort=error"
    };
    let filter = EnvFilter::try_from_env("FORETOKEN_LOG").unwrap_or_else(|_| default.into());
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(for_people && std::io::stderr().is_terminal())
        .with_target(false);
    if for_people {
        log.init();
    } else {
        log.without_time().init();
    }
}

fn in_tokio(work: impl Future<Output = anyhow::Result<u8>>) -> anyhow::Result<u8> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("no tokio runtime")?;
    runtime.block_on(work)
}

async fn run_join(arguments: Join) -> anyhow::Result<u8> {
    // Taken first: what is watched is the parent that started us.
    let parent = getppid();
    let runtime = Runtime::find(arguments.ort.as_deref(), |name| std::env::var_os(name))?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let workers = arguments.workers.map_or(cores, usize::from);
    let limits = Limits::DEFAULT;
    let runner = ModelRunner::start(RunnerConfig {
        runtime: runtime.clone(),
        executable: RunnerConfig::THIS_PROGRAM.into(),
        limits,
        warm: arguments.warm.map_or(workers + 2, usize::from),
    })?;
    let start_us = runner.try_start().await?;
    let name = arguments.name.unwrap_or_else(default_name);
    let server = Server::new(&arguments.server, arguments.key, name.clone(), &runtime)?;
    let config = JoinConfig {
        name,
        workers,
        cache_folder: arguments.cache.map_or_else(default_cache, Ok)?,
        cache_bytes: CACHE_BYTES,
        limits,
    };
    tracing::info!(
        runner = config.name,
        server = arguments.server,
        workers,
        sandbox = inference_runner::SandboxLevel::REACHED.name(),
        child_start_ms = start_us / 1_000,
        "starting with {}",
        runtime.description()
    );
    let (stop, stopping) = watch::channel(false);
    let asked = tokio::spawn(watch_signals(stop));
    let joined = join::join(server, runner, config, WallClock::system(), stopping);
    let result = if arguments.parent_dies {
        tokio::select! {
            result = joined => result,
            () = parent_ends(parent) => {
                tracing::info!("the parent process ended");
                Ok(())
            }
        }
    } else {
        joined.await
    };
    asked.abort();
    match result {
        Ok(()) => Ok(DONE),
        Err(JoinError::Server(error @ ServerError::KeyRefused { .. })) => {
            tracing::error!("{error}");
            Ok(REFUSED)
        }
        Err(error) => Err(error.into()),
    }
}

async fn watch_signals(stop: watch::Sender<bool>) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping");
    stop.send_replace(true);
    // Keeps the channel open until the work is done.
    std::future::pending().await
}

/// Ends when `parent` is no longer the parent. The kernel's own death signal is not used here: it
/// follows the thread that started us, not the process.
async fn parent_ends(parent: nix::unistd::Pid) {
    let mut tick = tokio::time::interval(Duration::from_millis(200));
    while getppid() == parent {
        tick.tick().await;
    }
}

fn default_name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = host.trim();
    let host = if host.is_empty() { "runner" } else { host };
    format!("{host}-{}", std::process::id())
}

fn default_cache() -> anyhow::Result<PathBuf> {
    runtime::cache_folder(|name| std::env::var_os(name))
        .map(|folder| folder.join("artifacts"))
        .context("neither XDG_CACHE_HOME nor HOME is set: name a folder with --cache DIR")
}

async fn run_check(arguments: Check) -> anyhow::Result<u8> {
    let runtime = Runtime::find(arguments.ort.as_deref(), |name| std::env::var_os(name))?;
    let model = read_model(&arguments.model)?;
    let limits = Limits::DEFAULT;
    let runner = ModelRunner::start(RunnerConfig {
        runtime: runtime.clone(),
        executable: RunnerConfig::THIS_PROGRAM.into(),
        limits,
        warm: 0,
    })?;
    runner.try_start().await?;
    let card = check::check(&runner, &runtime, model, arguments.columns, limits).await;
    let text = if arguments.json {
        serde_json::to_string_pretty(&card)?
    } else {
        card.text()
    };
    writeln!(std::io::stdout(), "{text}")?;
    Ok(match card.status {
        inference_runner::Status::Ok => DONE,
        inference_runner::Status::PlatformError => COULD_NOT,
        _ => REFUSED,
    })
}

/// Reads a little more than is allowed, so that the check itself refuses what is too large.
fn read_model(path: &std::path::Path) -> anyhow::Result<Vec<u8>> {
    use std::io::Read;
    let named = || format!("the model {} cannot be read", path.display());
    let file = std::fs::File::open(path).with_context(named)?;
    let mut model = Vec::new();
    file.take(Limits::DEFAULT.model_bytes + 1)
        .read_to_end(&mut model)
        .with_context(named)?;
    Ok(model)
}
