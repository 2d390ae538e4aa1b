//! The check of an ONNX file: `inference-runner check` as a child, for the command and for the API.
//!
//! Owns no table and writes no file: a file that comes over the network reaches the child through a
//! pipe, is held in memory until the child has read it, and is gone with the caller. Never opens a
//! model itself; only the runner's sandbox reads one.

#[cfg(test)]
pub(crate) mod tests;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::sync::{Semaphore, SemaphorePermit};

/// Files that are read from callers at once: each may hold 64 MB of memory.
const READING: usize = 4;
/// Children at once: each may use a core for as long as a model may run.
const RUNNING: usize = 2;
/// Longer than the runner needs to find its runtime and let a model run into its limits.
const TIME_LIMIT: Duration = Duration::from_secs(60);
/// Far above any card.
const CARD_BYTES: u64 = 1 << 20;
/// What is kept of what a child says to the log.
const SAID_BYTES: u64 = 16 << 10;
/// Under this name every Linux process finds what was piped to it.
const PIPED: &str = "/dev/stdin";
/// What the runner looks for its runtime by; it is handed nothing else of our environment.
const KEPT: [&str; 3] = ["FORETOKEN_ORT", "XDG_CACHE_HOME", "HOME"];

/// How a check ended that could be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The model may take part.
    Accepted,
    /// It may not; the card says why.
    Refused,
}

/// Why there is no card.
#[derive(Debug, Error)]
pub enum CheckError {
    /// Too many at once.
    #[error("every place for a check is taken")]
    Busy,
    /// There is no runner's program.
    #[error("the program inference-runner is not there")]
    NoRunner,
    /// The runner could not check, mostly because ONNX Runtime is missing; what it said at last.
    #[error("the runner could not check: {0}")]
    CouldNot(String),
    /// The child was ended at the time limit.
    #[error("the check was not done within 60 s")]
    TimeLimit,
    /// The child does not start or cannot be heard.
    #[error("the runner does not start: {0}")]
    Start(#[from] std::io::Error),
}

/// The command line of a check: the model's file, and whether the card comes as JSON.
#[must_use]
pub fn command_line(model: &Path, is_json: bool) -> Vec<OsString> {
    let mut line = vec![OsString::from("check"), model.as_os_str().to_owned()];
    line.extend(is_json.then(|| OsString::from("--json")));
    line
}

/// What the end of a check means; `None`: it could not be done.
#[must_use]
pub fn verdict(status: ExitStatus) -> Option<Verdict> {
    match status.code() {
        Some(0) => Some(Verdict::Accepted),
        Some(2) => Some(Verdict::Refused),
        _ => None,
    }
}

/// Checks files that come over the network, a few at a time.
#[derive(Debug)]
pub struct Checker {
    runner: Option<PathBuf>,
    reading: Semaphore,
    running: Semaphore,
    patience: Duration,
}

impl Checker {
    /// A checker that starts `runner`, and lets a caller wait `patience` for a place.
    #[must_use]
    pub fn new(runner: Option<PathBuf>, patience: Duration) -> Self {
        Self {
            runner,
            reading: Semaphore::new(READING),
            running: Semaphore::new(RUNNING),
            patience,
        }
    }

    /// A place to read a file into memory, to be held until the check is done.
    ///
    /// # Errors
    /// [`CheckError::NoRunner`] before anything is read for nothing, [`CheckError::Busy`].
    pub fn place(&self) -> Result<SemaphorePermit<'_>, CheckError> {
        if self.runner.is_none() {
            return Err(CheckError::NoRunner);
        }
        self.reading.try_acquire().map_err(|_| CheckError::Busy)
    }

    /// The card of a model, JSON as the runner wrote it. The child ends with the caller: when this
    /// future is dropped it is killed.
    ///
    /// # Errors
    /// [`CheckError`].
    pub async fn check(&self, model: &[u8]) -> Result<Vec<u8>, CheckError> {
        let runner = self.runner.as_deref().ok_or(CheckError::NoRunner)?;
        let place = tokio::time::timeout(self.patience, self.running.acquire()).await;
        let Ok(Ok(_place)) = place else {
            return Err(CheckError::Busy);
        };
        let child = start(runner)?;
        let done = tokio::time::timeout(TIME_LIMIT, heard(child, model)).await;
        let (status, card, said) = done.map_err(|_| CheckError::TimeLimit)??;
        match verdict(status) {
            Some(_) => Ok(card),
            None => Err(CheckError::CouldNot(last_line(&said))),
        }
    }
}

fn start(runner: &Path) -> Result<Child, CheckError> {
    let kept = KEPT.iter().filter_map(|name| {
        let value = std::env::var_os(name)?;
        Some((*name, value))
    });
    let child = Command::new(runner)
        .args(command_line(Path::new(PIPED), true))
        .env_clear()
        .envs(kept)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    Ok(child)
}

/// Hands the model over and hears the child out; both at once, so that no pipe fills up.
async fn heard(
    mut child: Child,
    model: &[u8],
) -> Result<(ExitStatus, Vec<u8>, Vec<u8>), CheckError> {
    let (mut stdin, stdout, stderr) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let feed = async {
        if let Some(pipe) = &mut stdin {
            // A runner that ends before it has read says itself why.
            pipe.write_all(model).await.ok();
        }
        drop(stdin);
    };
    let ((), card, said) = tokio::join!(feed, read(stdout, CARD_BYTES), read(stderr, SAID_BYTES));
    let status = child.wait().await?;
    Ok((status, card?, said?))
}

async fn read(pipe: Option<impl AsyncRead + Unpin>, most: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        pipe.take(most).read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}

fn last_line(said: &[u8]) -> String {
    let said = String::from_utf8_lossy(said);
    let last = said.lines().rev().find(|line| !line.trim().is_empty());
    last.unwrap_or("it said nothing").to_owned()
}
