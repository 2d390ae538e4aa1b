//! The process of a device from the runner's side: started, told one job after another, killed.

use std::collections::VecDeque;
use std::io;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::DeviceConfig;
use super::wire::{Held, Told, encode, header_length};
use crate::digest::Digest;
use crate::outcome::{Outcome, Status};
use crate::process::Job;
use crate::stopwatch::Stopwatch;

/// Why the process is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Crash {
    /// It ended, or said something that is no answer.
    Ended,
    /// The time was over; it was killed.
    Wall,
}

/// A process that holds models. Dropping it kills it.
#[derive(Debug)]
pub(super) struct Worker {
    _child: Child,
    stdin: ChildStdin,
    stdout: ChildStdout,
    /// Last used, last.
    held: VecDeque<Digest>,
    held_max: usize,
}

/// Variables by which a CUDA library and its device are found.
const KEPT: [&str; 4] = [
    "PATH",
    "LD_LIBRARY_PATH",
    "CUDA_VISIBLE_DEVICES",
    "CUDA_DEVICE_ORDER",
];

impl Worker {
    pub(super) async fn start(config: &DeviceConfig) -> io::Result<Self> {
        let mut child = Command::new(&config.executable)
            .arg("device")
            .arg("--ort")
            .arg(&config.runtime.path)
            .args(["--device", config.device.name()])
            .args(["--memory-bytes", &config.memory_bytes.to_string()])
            .args(["--parent", &std::process::id().to_string()])
            // Models share this process: it must not be handed the runner's key.
            .env_clear()
            .envs(
                KEPT.iter()
                    .filter_map(|name| Some((*name, std::env::var_os(name)?))),
            )
            .env("ORT_DISABLE_TELEMETRY", "1")
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("a pipe is missing"));
        };
        Ok(Self {
            _child: child,
            stdin,
            stdout,
            held: VecDeque::new(),
            held_max: config.held_max.max(1),
        })
    }

    /// Models in the process.
    pub(super) fn held(&self) -> usize {
        self.held.len()
    }

    pub(super) async fn run(
        &mut self,
        digest: Digest,
        job: &Job,
        wall: Duration,
    ) -> Result<Outcome, Crash> {
        let watch = Stopwatch::start();
        let told = tokio::time::timeout(wall, self.tell(digest, job)).await;
        let mut outcome = match told {
            Err(_) => return Err(Crash::Wall),
            Ok(Err(_)) => return Err(Crash::Ended),
            Ok(Ok(outcome)) => outcome,
        };
        outcome.cost.wall_us = watch.elapsed_us();
        Ok(outcome)
    }

    async fn tell(&mut self, digest: Digest, job: &Job) -> io::Result<Outcome> {
        let known = self.held.iter().position(|held| *held == digest);
        let is_known = known.and_then(|place| self.held.remove(place)).is_some();
        let let_go = if !is_known && self.held.len() >= self.held_max {
            self.held.pop_front()
        } else {
            None
        };
        let model: &[u8] = if is_known { &[] } else { &job.model };
        let header = Held {
            digest: digest.to_string(),
            let_go: let_go.map(|digest| digest.to_string()).unwrap_or_default(),
            model_bytes: model.len(),
            rows: job.features.rows,
            columns: job.features.columns,
        };
        self.stdin.write_all(&encode(&header)?).await?;
        self.stdin.write_all(model).await?;
        self.stdin.write_all(&job.features.bytes).await?;
        self.stdin.flush().await?;
        let outcome = self.answer(job).await?;
        // A model that does not load is not held.
        if outcome.status == Status::Ok {
            self.held.push_back(digest);
        }
        Ok(outcome)
    }

    async fn answer(&mut self, job: &Job) -> io::Result<Outcome> {
        let mut length = [0; 4];
        self.stdout.read_exact(&mut length).await?;
        let mut json = vec![0; header_length(length)?];
        self.stdout.read_exact(&mut json).await?;
        let told: Told = serde_json::from_slice(&json)?;
        let rows = told.rows.min(job.features.rows);
        let mut bytes = vec![0; rows * size_of::<f64>()];
        self.stdout.read_exact(&mut bytes).await?;
        let (chunks, _) = bytes.as_chunks::<8>();
        let p: Vec<f64> = chunks
            .iter()
            .map(|chunk| f64::from_le_bytes(*chunk))
            .collect();
        let is_whole = p.len() == job.features.rows && p.iter().all(|p| (0.0..=1.0).contains(p));
        // Models of others share the process: it may lie.
        if (told.status == Status::Ok) != is_whole {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(Outcome {
            status: told.status,
            reasons: told.reasons,
            p,
            cost: told.cost,
            facts: None,
        })
    }
}
