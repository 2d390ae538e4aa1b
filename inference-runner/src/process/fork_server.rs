//! The runner's side of its fork server: a process that has loaded ONNX Runtime, never reads a
//! model, and forks a process for each job.

use std::collections::HashMap;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::sys::socket::{Shutdown, shutdown};
use nix::unistd::Pid;
use tokio::sync::oneshot;

use super::RunnerConfig;
use super::control::{self, End, News, Order};
use super::spawner::Spawner;
use crate::confine::{self, SandboxLevel};
use crate::limits::STDERR_BYTES_MAX;
use crate::stopwatch::Stopwatch;

/// Why no process can be made for models. Always our fault or the machine's.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the fork server {executable} cannot be started: {source}")]
    Spawn {
        executable: String,
        source: io::Error,
    },
    #[error("the fork server could not make itself ready: {0}")]
    NotReady(String),
    #[error("the fork server did not get ready: {0}")]
    Silent(String),
    #[error("the fork server cannot be reached: {0}")]
    Gone(io::Error),
}

/// What the fork server found at its start.
#[derive(Clone, Copy, Debug)]
pub struct StartCost {
    /// From the request to start until it was ready, in microseconds; once a runner, not a model.
    pub wall_us: u64,
    /// Of that, loading the runtime and creating its environment.
    pub runtime_us: u64,
    /// What the runtime itself takes of the address space.
    pub address_space_bytes: u64,
    /// What confines every model here.
    pub sandbox: SandboxLevel,
}

/// How long loading the runtime may take; it takes a twentieth of a second on a quiet machine.
const START_WALL: Duration = Duration::from_secs(20);

/// Dropping it ends the fork server, and with it every process that it forked.
#[derive(Debug)]
pub(super) struct ForkServer {
    socket: Arc<OwnedFd>,
    waiting: Waiting,
    next: AtomicU64,
    child: Option<Child>,
    spawner: Spawner,
    pub(super) cost: StartCost,
}

/// Who waits for the end of which process; `None` when the fork server has ended.
type Waiting = Arc<Mutex<Option<HashMap<u64, oneshot::Sender<End>>>>>;

impl ForkServer {
    pub(super) async fn start(
        spawner: &Spawner,
        config: &RunnerConfig,
    ) -> Result<Self, StartError> {
        let failed = |source| StartError::Spawn {
            executable: config.executable.display().to_string(),
            source,
        };
        let watch = Stopwatch::start();
        let (socket, theirs) = control::pair().map_err(failed)?;
        let child = spawner
            .spawn(command(config, theirs))
            .await
            .map_err(failed)?;
        let (first, ready) = oneshot::channel();
        let mut server = Self {
            socket: Arc::new(socket),
            waiting: Arc::new(Mutex::new(Some(HashMap::new()))),
            next: AtomicU64::new(0),
            child: Some(child),
            spawner: spawner.clone(),
            cost: StartCost {
                wall_us: 0,
                runtime_us: 0,
                address_space_bytes: 0,
                sandbox: SandboxLevel::Rlimits,
            },
        };
        let (socket, waiting) = (Arc::clone(&server.socket), Arc::clone(&server.waiting));
        std::thread::Builder::new()
            .name("fork-server".to_owned())
            .spawn(move || listen(&socket, &waiting, first))
            .map_err(failed)?;
        match tokio::time::timeout(START_WALL, ready).await {
            Ok(Ok(News::Ready {
                runtime_us,
                address_space_bytes,
                sandbox,
            })) => {
                server.cost = StartCost {
                    wall_us: watch.elapsed_us(),
                    runtime_us,
                    address_space_bytes,
                    sandbox,
                };
                Ok(server)
            }
            Ok(Ok(News::NotReady { what })) => Err(StartError::NotReady(what)),
            Ok(_) => Err(StartError::Silent(server.last_words())),
            Err(_) => Err(StartError::Silent(format!("nothing in {START_WALL:?}"))),
        }
    }

    /// Forks a process whose standard input, output and error are `pipes`. Answers its number and
    /// what tells how it ended; that side is dropped when the fork server ends first.
    pub(super) fn fork(
        &self,
        pipes: &[OwnedFd; 3],
    ) -> Result<(u64, oneshot::Receiver<End>), StartError> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, ended) = oneshot::channel();
        let gone = || StartError::Gone(io::ErrorKind::BrokenPipe.into());
        self.locked().as_mut().ok_or_else(gone)?.insert(id, sender);
        let numbers: Vec<RawFd> = pipes.iter().map(AsRawFd::as_raw_fd).collect();
        control::send(&self.socket, &Order::Fork { id }, &numbers).map_err(StartError::Gone)?;
        Ok((id, ended))
    }

    /// Ends a process; nothing happens when it has ended already.
    pub(super) fn kill(&self, id: u64) {
        if let Err(error) = control::send(&self.socket, &Order::Kill { id }, &[]) {
            // A fork server that does not listen must not leave a model running.
            tracing::error!(%error, "the fork server is ended");
            shutdown(self.socket.as_raw_fd(), Shutdown::Both).ok();
        }
    }

    pub(super) fn process_id(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    pub(super) fn is_alive(&self) -> bool {
        self.locked().is_some()
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, Option<HashMap<u64, oneshot::Sender<End>>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a fork server that has ended left on its standard error.
    fn last_words(&mut self) -> String {
        let mut said = Vec::new();
        let stderr = self.child.as_mut().and_then(|child| child.stderr.take());
        if let Some(stderr) = stderr {
            let most = STDERR_BYTES_MAX as u64;
            drop(stderr.take(most).read_to_end(&mut said));
        }
        format!("it ended: {}", String::from_utf8_lossy(&said).trim())
    }
}

impl Drop for ForkServer {
    fn drop(&mut self) {
        shutdown(self.socket.as_raw_fd(), Shutdown::Both).ok();
        if let Some(child) = self.child.take() {
            drop(self.spawner.reap(child, Duration::ZERO));
        }
    }
}

/// Until the fork server ends: its first word to `first`, each end to whoever waits for it.
fn listen(socket: &OwnedFd, waiting: &Waiting, first: oneshot::Sender<News>) {
    let locked = || waiting.lock().unwrap_or_else(PoisonError::into_inner);
    let mut first = Some(first);
    while let Ok(Some((news, _))) = control::receive::<News>(socket) {
        match (news, first.take()) {
            (News::Ended { id, end }, _) => {
                let waits = locked().as_mut().and_then(|waiting| waiting.remove(&id));
                if let Some(waits) = waits {
                    waits.send(end).ok();
                }
            }
            (news, Some(first)) => drop(first.send(news)),
            (news, None) => tracing::warn!(?news, "the fork server speaks out of turn"),
        }
    }
    locked().take();
}

fn command(config: &RunnerConfig, socket: OwnedFd) -> Command {
    let mut command = Command::new(&config.executable);
    command
        .arg("fork-server")
        .arg("--ort")
        .arg(&config.runtime.path)
        .env_clear()
        .env("ORT_DISABLE_TELEMETRY", "1")
        .current_dir(Path::new("/"))
        .stdin(Stdio::from(socket))
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    // A terminal's Ctrl-C goes to the whole group; the runner finishes its jobs first.
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    confine::arm(&mut command, Pid::this(), config.limits);
    command
}
