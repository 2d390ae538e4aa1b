//! Profile `gpu-v1`: dense models on a CUDA device, several admitted ones in one process.
//!
//! Owns that process. It is confined by a memory limit of the device and nothing else, since CUDA
//! needs what the sandbox forbids: only models that passed their check in the sandbox come here. A
//! crash is never blamed on whoever was running: the model is run again alone, and only one that
//! crashes a process of its own is the culprit. Never TensorRT. Not measured on a device yet.

mod wire;
mod worker;

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::Mutex;

use crate::digest::Digest;
use crate::environment::Environment;
use crate::outcome::{Outcome, Reason, Status};
use crate::process::Job;
use crate::runtime::Runtime;

pub(crate) use wire::{Held, Told, read, write};
use worker::{Crash, Worker};

/// Where dense models run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Device {
    /// Profile `cpu-v1`.
    #[default]
    Cpu,
    /// Profile `gpu-v1`.
    Cuda,
}

impl Device {
    /// As the wire has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
        }
    }
}

/// How the process of a device is started.
#[derive(Clone, Debug)]
pub struct DeviceConfig {
    /// The library; for CUDA the one of the wheel `onnxruntime-gpu`.
    pub runtime: Runtime,
    /// The program with the `device` command.
    pub executable: PathBuf,
    /// [`Device::Cpu`] is for trying the process itself where there is no device.
    pub device: Device,
    /// Of the device's memory, in bytes.
    pub memory_bytes: usize,
    /// Models held at once; the one that was not used for longest goes first.
    pub held_max: usize,
}

/// Runs models one after another in the process of one device.
#[derive(Debug)]
pub struct DeviceRunner {
    config: DeviceConfig,
    worker: Mutex<Option<Worker>>,
}

impl DeviceRunner {
    /// Starts nothing yet.
    #[must_use]
    pub fn new(config: DeviceConfig) -> Self {
        Self {
            config,
            worker: Mutex::new(None),
        }
    }

    /// What executes models there, for their receipts.
    #[must_use]
    pub fn environment(&self) -> Environment {
        Environment::of_device(&self.config.runtime, self.config.memory_bytes)
    }

    /// Runs one job within `wall`. Never fails: what goes wrong is in the outcome.
    pub async fn run(&self, digest: Digest, job: &Job, wall: Duration) -> Outcome {
        let mut place = self.worker.lock().await;
        let shared = match place.take() {
            Some(worker) => Ok(worker),
            None => Worker::start(&self.config).await,
        };
        let mut shared = match shared {
            Ok(worker) => worker,
            Err(error) => return not_started(&error),
        };
        match shared.run(digest, job, wall).await {
            Ok(outcome) => {
                *place = Some(shared);
                outcome
            }
            // The process is gone, and with it what it held; nobody else is to blame.
            Err(Crash::Wall) => too_slow(wall),
            Err(Crash::Ended) => {
                tracing::warn!(%digest, held = shared.held(), "the device's process ended; running the model alone");
                drop(shared);
                self.alone(&mut place, digest, job, wall).await
            }
        }
    }

    /// The same model in a fresh process: it crashes again, or it was another one's fault.
    async fn alone(
        &self,
        place: &mut Option<Worker>,
        digest: Digest,
        job: &Job,
        wall: Duration,
    ) -> Outcome {
        let mut alone = match Worker::start(&self.config).await {
            Ok(worker) => worker,
            Err(error) => return not_started(&error),
        };
        match alone.run(digest, job, wall).await {
            Ok(outcome) => {
                *place = Some(alone);
                outcome
            }
            Err(Crash::Wall) => too_slow(wall),
            Err(Crash::Ended) => {
                let message = "the model ends the process of its device, also alone";
                let fix = "export it with other operators; `foretoken check` shows which are known";
                Outcome::failed(Status::RunError, Reason::new("device-crash", message, fix))
            }
        }
    }
}

fn not_started(error: &std::io::Error) -> Outcome {
    tracing::error!(%error, "no process for the device");
    Outcome::platform("the runner could not start the process of its device")
}

fn too_slow(wall: Duration) -> Outcome {
    let message = format!("the model took more than {:.1} s", wall.as_secs_f64());
    let fix = "use fewer or smaller layers";
    Outcome::failed(Status::LimitWall, Reason::new("wall", message, fix))
}
