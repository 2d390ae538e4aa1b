//! One child: started, warm, given one job, ended.

use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::unistd::Pid;
use tokio::process::{ChildStderr, ChildStdin, ChildStdout};

use super::conversation::{believe, converse, keep_start, refuse, talk_while_listening};
use super::ending::{self, Silence};
use super::frame::{self, Message};
use super::spawner::Spawner;
use super::{Job, RunnerConfig};
use crate::confine;
use crate::outcome::Outcome;
use crate::stopwatch::Stopwatch;

/// Why no child could be started. Always our fault or the machine's.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the child {executable} cannot be started: {source}")]
    Spawn {
        executable: String,
        source: io::Error,
    },
    #[error("the child could not make itself ready: {0}")]
    NotReady(String),
    #[error("the child did not get ready: {0}")]
    Silent(String),
}

/// What a child costs before it has a model.
#[derive(Clone, Copy, Debug, Default)]
pub struct StartCost {
    /// From the request to start until it was ready, in microseconds.
    pub wall_us: u64,
    /// Of that, loading the runtime and creating its environment.
    pub runtime_us: u64,
    /// What the runtime itself takes of the address space.
    pub address_space_bytes: u64,
}

/// How long loading the runtime may take; it takes a twentieth of a second on a quiet machine.
const START_WALL: Duration = Duration::from_secs(20);

/// How long a child whose pipe has closed may take to end by itself, so that its own signal is
/// seen and not our kill.
const LAST_BREATH: Duration = Duration::from_millis(500);

/// A child that has loaded the runtime and waits for its one job. Dropping it kills it.
#[derive(Debug)]
pub(super) struct ModelProcess {
    child: Option<Child>,
    stdin: ChildStdin,
    stdout: ChildStdout,
    stderr: ChildStderr,
    spawner: Spawner,
    cost: StartCost,
}

impl ModelProcess {
    pub(super) async fn start(
        spawner: &Spawner,
        config: &RunnerConfig,
    ) -> Result<Self, StartError> {
        let failed = |source| StartError::Spawn {
            executable: config.executable.display().to_string(),
            source,
        };
        let watch = Stopwatch::start();
        let mut child = spawner.spawn(command(config)).await.map_err(failed)?;
        let (Some(stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(StartError::Silent("a pipe is missing".to_owned()));
        };
        let mut process = Self {
            stdin: ChildStdin::from_std(stdin).map_err(failed)?,
            stdout: ChildStdout::from_std(stdout).map_err(failed)?,
            stderr: ChildStderr::from_std(stderr).map_err(failed)?,
            child: Some(child),
            spawner: spawner.clone(),
            cost: StartCost::default(),
        };
        let first = tokio::time::timeout(START_WALL, frame::receive(&mut process.stdout)).await;
        match first {
            Ok(Ok(Message::Ready {
                start_us,
                address_space_bytes,
            })) => {
                process.cost = StartCost {
                    wall_us: watch.elapsed_us(),
                    runtime_us: start_us,
                    address_space_bytes,
                };
                Ok(process)
            }
            Ok(Ok(Message::NotReady { what })) => Err(StartError::NotReady(what)),
            Ok(Ok(_)) => Err(StartError::Silent("it spoke out of turn".to_owned())),
            Ok(Err(error)) => {
                let said = process.rest_of_stderr(Vec::new()).await;
                Err(StartError::Silent(format!("{error} {}", said.trim())))
            }
            Err(_) => Err(StartError::Silent(format!("nothing in {START_WALL:?}"))),
        }
    }

    pub(super) fn cost(&self) -> StartCost {
        self.cost
    }

    /// Whether it still waits for its job.
    pub(super) fn is_alive(&mut self) -> bool {
        let state = self.child.as_mut().map(Child::try_wait);
        matches!(state, Some(Ok(None)))
    }

    /// Runs `job` and ends the child, `wall` later at the latest.
    pub(super) async fn run(mut self, job: &Job, wall: Duration) -> Outcome {
        let watch = Stopwatch::start();
        let mut loaded = false;
        let mut said = Vec::new();
        let reply = {
            let talk = converse(&mut self.stdin, &mut self.stdout, job, &mut loaded);
            let listen = keep_start(&mut self.stderr, &mut said);
            tokio::time::timeout(wall, talk_while_listening(talk, listen)).await
        };
        let wall_us = watch.elapsed_us();
        let mut outcome = match reply {
            Ok(Ok((header, p))) => believe(header, &p, job),
            Ok(Err(error)) if error.kind() == io::ErrorKind::InvalidData => refuse(&error),
            Ok(Err(_)) => self.autopsy(job, loaded, said).await,
            Err(_) => {
                let mut outcome = ending::wall(wall, job.limits, loaded);
                outcome.cost.cpu_us = self.cpu_us();
                outcome
            }
        };
        outcome.cost.wall_us = wall_us;
        outcome
    }

    /// The pipe closed without an answer: waits for the end and names it.
    async fn autopsy(&mut self, job: &Job, loaded: bool, said: Vec<u8>) -> Outcome {
        let stderr = self.rest_of_stderr(said).await;
        let cpu_us = self.cpu_us();
        let status = match self.child.take() {
            Some(child) => self.spawner.reap(child, LAST_BREATH).await.ok(),
            None => None,
        };
        let mut outcome = ending::silent(&Silence {
            status,
            loaded,
            cpu: Duration::from_micros(cpu_us),
            stderr: &stderr,
            limits: job.limits,
        });
        outcome.cost.cpu_us = cpu_us;
        outcome
    }

    async fn rest_of_stderr(&mut self, mut said: Vec<u8>) -> String {
        let rest = keep_start(&mut self.stderr, &mut said);
        // A child that keeps the pipe open without ending is not worth waiting for.
        drop(tokio::time::timeout(LAST_BREATH, rest).await);
        String::from_utf8_lossy(&said).into_owned()
    }

    fn cpu_us(&self) -> u64 {
        let id = self.child.as_ref().map(Child::id);
        id.and_then(cpu_us_of).unwrap_or_default()
    }
}

impl Drop for ModelProcess {
    fn drop(&mut self) {
        if let Some(child) = self.child.take() {
            drop(self.spawner.reap(child, Duration::ZERO));
        }
    }
}

fn command(config: &RunnerConfig) -> Command {
    let mut command = Command::new(&config.executable);
    command
        .arg("child")
        .arg("--ort")
        .arg(&config.runtime.path)
        .env_clear()
        .env("ORT_DISABLE_TELEMETRY", "1")
        .current_dir(Path::new("/"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    // A terminal's Ctrl-C goes to the whole group; the parent finishes its jobs first.
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    confine::arm(&mut command, Pid::this(), config.limits);
    command
}

/// User and system time of a process that has not been waited for, from /proc.
fn cpu_us_of(pid: u32) -> Option<u64> {
    /// /proc counts in hundredths of a second on every Linux.
    const TICK_US: u64 = 10_000;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in brackets, may hold anything; the fields after it are numbers.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_whitespace().skip(11);
    let user: u64 = times.next()?.parse().ok()?;
    let system: u64 = times.next()?.parse().ok()?;
    Some((user + system) * TICK_US)
}
