//! The program `inference-runner`: `join` runs a server's jobs, `check` tries a model locally.
//!
//! Exit codes: 0 done or accepted, 1 could not, 2 refused, 64 wrong usage.

mod command_check;
mod command_join;
mod command_run;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use command_check::Check;
use command_join::Join;
use command_run::Run;
use inference_runner::child::{self, DeviceOptions};
use inference_runner::device::Device;
use tracing_subscriber::EnvFilter;

const DONE: u8 = 0;
const COULD_NOT: u8 = 1;
const REFUSED: u8 = 2;
const WRONG_USAGE: u8 = 64;

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
    /// Run a model over a file of features and print its answers as JSON.
    Run(Run),
    /// The process of a device; started by `join --device`.
    #[command(hide = true)]
    Device {
        #[arg(long)]
        ort: PathBuf,
        #[arg(long, value_enum)]
        device: Device,
        #[arg(long)]
        memory_bytes: usize,
        #[arg(long)]
        parent: u32,
    },
    /// Makes the processes of models; started by the other commands.
    #[command(hide = true)]
    ForkServer {
        #[arg(long)]
        ort: PathBuf,
    },
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
    start_log(!matches!(
        cli.command,
        Command::ForkServer { .. } | Command::Device { .. }
    ));
    let result = match cli.command {
        Command::ForkServer { ort } => Ok(if child::serve(&ort) { DONE } else { COULD_NOT }),
        Command::Device {
            ort,
            device,
            memory_bytes,
            parent,
        } => {
            let options = DeviceOptions {
                device,
                memory_bytes,
                parent,
            };
            let is_done = child::serve_device(&ort, options);
            Ok(if is_done { DONE } else { COULD_NOT })
        }
        Command::Join(arguments) => in_tokio(command_join::run(arguments)),
        Command::Check(arguments) => in_tokio(command_check::run(arguments)),
        Command::Run(arguments) => in_tokio(command_run::run(arguments)),
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
