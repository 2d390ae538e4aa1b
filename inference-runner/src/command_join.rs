//! The command `join`: arguments, signals, exit code.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use domain::WallClock;
use inference_runner::device::{Device, DeviceConfig, DeviceRunner};
use inference_runner::join::{self, JoinConfig, JoinError, Server};
use inference_runner::{Limits, ModelRunner, RunnerConfig, Runtime, SandboxLevel, runtime};
use nix::unistd::{Pid, getppid};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::{DONE, REFUSED};

/// Largest sum of cached artifacts.
const CACHE_BYTES: u64 = 4 << 30;

/// Models held by the process of a device.
const DEVICE_MODELS_MAX: usize = 1_024;

#[derive(Args)]
pub(crate) struct Join {
    /// Address of the server, for instance https://foretoken.example.
    #[arg(long, value_name = "URL")]
    server: String,
    /// The runner's key.
    #[arg(long, env = "FORETOKEN_RUNNER_KEY", hide_env_values = true)]
    key: String,
    /// Name shown to the server's operator [default: the host's name]; two runners of one machine
    /// need two names.
    #[arg(long)]
    name: Option<String>,
    /// The ONNX Runtime library [default: $FORETOKEN_ORT, else where `cargo xtask setup` puts it].
    #[arg(long, value_name = "PATH")]
    ort: Option<PathBuf>,
    /// Where dense models run; `cuda` needs the library of the wheel onnxruntime-gpu, named by
    /// $FORETOKEN_ORT_GPU or --ort.
    #[arg(long, value_enum, default_value_t)]
    device: Device,
    /// Of the device's memory, MB.
    #[arg(long, value_name = "MB", default_value_t = 4_096)]
    device_memory_mb: usize,
    /// Models run at once [default: processor cores].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    workers: Option<u16>,
    /// Folder for downloaded models [default: ~/.cache/foretoken/artifacts].
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// End when the process that started this one ends.
    #[arg(long)]
    parent_dies: bool,
    /// Run models also where the kernel confines them less than fully: for trials, with models of
    /// people you trust.
    #[arg(long)]
    allow_weaker_sandbox: bool,
}

pub(crate) async fn run(arguments: Join) -> anyhow::Result<u8> {
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
    })?;
    let start = runner.try_start().await?;
    if !is_enough(start.sandbox, arguments.allow_weaker_sandbox) {
        return Ok(REFUSED);
    }
    let device = device_runner(&arguments)?;
    let name = arguments.name.unwrap_or_else(default_name);
    let server = Server::new(
        &arguments.server,
        arguments.key,
        name.clone(),
        &runtime,
        start.sandbox,
    )?;
    let benchmark = join::measure(&runner, workers, limits).await?;
    if let Some(device) = &device {
        join::try_device(device).await?;
    }
    let config = JoinConfig {
        name,
        workers,
        device,
        benchmark,
        cache_folder: arguments.cache.map_or_else(default_cache, Ok)?,
        cache_bytes: CACHE_BYTES,
        limits,
    };
    tracing::info!(
        start_ms = start.wall_us / 1_000,
        runtime_address_space_mib = start.address_space_bytes >> 20,
        sandbox = start.sandbox.name(),
        "models run with {}",
        runtime.description()
    );
    tell(&config, &arguments.server);
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
        Err(JoinError::Server(error)) if error.is_final() => {
            tracing::error!("{error}");
            Ok(REFUSED)
        }
        Err(error) => Err(error.into()),
    }
}

fn tell(config: &JoinConfig, server: &str) {
    let benchmark = &config.benchmark;
    tracing::info!(
        runner = config.name,
        server,
        workers = config.workers,
        models_per_s = benchmark.models_per_s.round(),
        tree_ms = benchmark.tree_ms,
        dense_ms = benchmark.dense_ms,
        "joining"
    );
}

/// Says what is missing where a model is not fully confined.
fn is_enough(sandbox: SandboxLevel, weaker_is_allowed: bool) -> bool {
    if sandbox == SandboxLevel::Full {
        return true;
    }
    let (level, missing) = (sandbox.name(), sandbox.missing());
    if weaker_is_allowed {
        tracing::warn!(
            "models are confined by {level} only: this kernel lacks {missing}; run no model of \
             anybody whom you do not trust"
        );
    } else {
        tracing::error!(
            "models would be confined by {level} only, since this kernel lacks {missing}; use \
             another machine, or --allow-weaker-sandbox for models of people you trust"
        );
    }
    weaker_is_allowed
}

/// The process of a CUDA device, from the library that has the provider; none where none is asked
/// for.
fn device_runner(arguments: &Join) -> anyhow::Result<Option<DeviceRunner>> {
    if arguments.device == Device::Cpu {
        return Ok(None);
    }
    let named = std::env::var_os("FORETOKEN_ORT_GPU").map(PathBuf::from);
    let path = named.or_else(|| arguments.ort.clone()).context(
        "--device cuda needs the library of the wheel onnxruntime-gpu: name it with \
         FORETOKEN_ORT_GPU or --ort",
    )?;
    Ok(Some(DeviceRunner::new(DeviceConfig {
        runtime: Runtime::find(Some(&path), |_| None)?,
        executable: RunnerConfig::THIS_PROGRAM.into(),
        device: arguments.device,
        memory_bytes: arguments.device_memory_mb << 20,
        held_max: DEVICE_MODELS_MAX,
    })))
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
async fn parent_ends(parent: Pid) {
    let mut tick = tokio::time::interval(Duration::from_millis(200));
    while getppid() == parent {
        tick.tick().await;
    }
}

/// The host's name in the letters that the server takes.
fn default_name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let allowed = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let name: String = host.chars().filter(allowed).take(64).collect();
    if name.is_empty() {
        return "runner".to_owned();
    }
    name
}

fn default_cache() -> anyhow::Result<PathBuf> {
    runtime::cache_folder(|name| std::env::var_os(name))
        .map(|folder| folder.join("artifacts"))
        .context("neither XDG_CACHE_HOME nor HOME is set: name a folder with --cache DIR")
}
