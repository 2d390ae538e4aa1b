//! The process of one model: forked, given one job, ended.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::unix::pipe::{Receiver, Sender, pipe};
use tokio::sync::oneshot;

use super::Job;
use super::control::End;
use super::conversation::{Pipes, believe, converse, keep_start, refuse, talk_while_listening};
use super::ending::{self, Silence};
use super::fork_server::{ForkServer, StartError};
use crate::outcome::Outcome;
use crate::stopwatch::Stopwatch;

/// How long a process whose answer has ended may go on to complain.
const LAST_BREATH: Duration = Duration::from_millis(500);

/// How long the kernel may take to end a process that was killed or has closed its pipes; so long,
/// its own signal is waited for.
const BURIAL: Duration = Duration::from_secs(5);

/// A process that waits for its one job. Dropping it kills it.
#[derive(Debug)]
pub(super) struct ModelProcess {
    server: Arc<ForkServer>,
    id: u64,
    stdin: Sender,
    stdout: Receiver,
    stderr: Receiver,
    /// Until the end is known, or will never be.
    ended: Option<oneshot::Receiver<End>>,
    /// What the kernel said of its end, once it has ended.
    end: Option<End>,
}

impl ModelProcess {
    pub(super) fn fork(server: Arc<ForkServer>) -> Result<Self, StartError> {
        let (stdin, their_stdin) = pipe().map_err(StartError::Gone)?;
        let (their_stdout, stdout) = pipe().map_err(StartError::Gone)?;
        let (their_stderr, stderr) = pipe().map_err(StartError::Gone)?;
        let pipes: [io::Result<OwnedFd>; 3] = [
            their_stdin.into_blocking_fd(),
            their_stdout.into_blocking_fd(),
            their_stderr.into_blocking_fd(),
        ];
        let [Ok(read), Ok(write), Ok(complain)] = pipes else {
            return Err(StartError::Gone(io::Error::other("a pipe is missing")));
        };
        let (id, ended) = server.fork(&[read, write, complain])?;
        Ok(Self {
            server,
            id,
            stdin,
            stdout,
            stderr,
            ended: Some(ended),
            end: None,
        })
    }

    /// Runs `job` and ends the process, `wall` later at the latest.
    pub(super) async fn run(mut self, job: &Job, wall: Duration) -> Outcome {
        let watch = Stopwatch::start();
        let mut loaded = false;
        let mut said = Vec::new();
        let expected = self.server.cost.sandbox;
        let reply = {
            let pipes = Pipes {
                stdin: &mut self.stdin,
                stdout: &mut self.stdout,
            };
            let talk = converse(pipes, job, expected, &mut loaded);
            let listen = keep_start(&mut self.stderr, &mut said);
            tokio::time::timeout(wall, talk_while_listening(talk, listen)).await
        };
        let wall_us = watch.elapsed_us();
        let mut outcome = match reply {
            Ok(Ok(answer)) => believe(answer, job),
            Ok(Err(error)) if error.kind() == io::ErrorKind::InvalidData => refuse(&error),
            Ok(Err(_)) => self.autopsy(job, loaded, said).await,
            Err(_) => ending::wall(wall, job.limits, loaded),
        };
        self.bury().await;
        if let Some(end) = self.end {
            // The kernel's numbers, which a process that was taken over cannot change.
            outcome.cost.cpu_us = end.cpu_us;
            outcome.cost.peak_bytes = end.peak_bytes;
        }
        outcome.cost.wall_us = wall_us;
        outcome
    }

    /// The pipe closed without an answer: waits for the end and names it.
    async fn autopsy(&mut self, job: &Job, loaded: bool, mut said: Vec<u8>) -> Outcome {
        let rest = keep_start(&mut self.stderr, &mut said);
        // A process that keeps the pipe open without ending is not worth waiting for.
        drop(tokio::time::timeout(LAST_BREATH, rest).await);
        self.wait(BURIAL).await;
        let stderr = String::from_utf8_lossy(&said).into_owned();
        let status = self.end.and_then(|end| end.status);
        ending::silent(&Silence {
            status: status.map(ExitStatus::from_raw),
            loaded,
            cpu: Duration::from_micros(self.end.map_or(0, |end| end.cpu_us)),
            stderr: &stderr,
            limits: job.limits,
        })
    }

    /// Waits until the process is gone, so that its place is really free; kills it if it must.
    async fn bury(&mut self) {
        if self.ended.is_some() {
            self.server.kill(self.id);
            self.wait(BURIAL).await;
        }
    }

    /// Waits for the end, `patience` at most; there is none to wait for without a fork server.
    async fn wait(&mut self, patience: Duration) {
        let Some(ended) = &mut self.ended else { return };
        if let Ok(end) = tokio::time::timeout(patience, ended).await {
            self.end = end.ok();
            self.ended = None;
        }
    }
}

impl Drop for ModelProcess {
    fn drop(&mut self) {
        if self.ended.is_some() {
            self.server.kill(self.id);
        }
    }
}
