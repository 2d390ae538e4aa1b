//! Processes of a test: started, waited for, ended. They die with the test, also on kill −9.

use std::fs::File;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;

use crate::{binaries, scratch, wait};

/// What others might have set and a test must not inherit.
const FOREIGN_VARIABLES: [&str; 6] = [
    "DATABASE_URL",
    "FORETOKEN_DATA",
    "FORETOKEN_RPC",
    "FORETOKEN_COMMITTER_KEY",
    "FORETOKEN_OPERATOR_KEY",
    "RUST_LOG",
];

/// How a command ended and what it said.
#[derive(Clone, Debug)]
pub struct Finished {
    /// Exit code, or minus the signal that ended it.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// A running process. Dropping it kills it and waits until it is gone.
pub struct Running {
    pid: Pid,
    shared: Arc<Mutex<Option<ExitStatus>>>,
    thread: Option<JoinHandle<()>>,
    stdout: PathBuf,
    stderr: PathBuf,
}

/// The command `foretoken` with nothing inherited that decides what it does.
///
/// # Errors
/// When the program cannot be built.
pub fn foretoken<I, S>(args: I) -> anyhow::Result<Command>
where
    I: IntoIterator<Item = S>,
    S: AsRef<std::ffi::OsStr>,
{
    let mut command = Command::new(binaries::foretoken()?);
    command.args(args).env("RUST_BACKTRACE", "1");
    for name in FOREIGN_VARIABLES {
        command.env_remove(name);
    }
    Ok(command)
}

/// Runs a command to its end.
///
/// # Errors
/// When it does not start, or does not end within `limit` (it is killed then).
pub async fn run(command: Command, limit: Duration) -> anyhow::Result<Finished> {
    let logs = scratch::folder("command")?;
    Running::start(command, logs.path(), "command")?
        .finish(limit)
        .await
}

impl Running {
    /// Starts `command` with its output in `<name>.out` and `<name>.err` of `logs`.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(mut command: Command, logs: &Path, name: &str) -> anyhow::Result<Self> {
        let (stdout, stderr) = (
            logs.join(format!("{name}.out")),
            logs.join(format!("{name}.err")),
        );
        command
            .stdin(Stdio::null())
            .stdout(File::create(&stdout)?)
            .stderr(File::create(&stderr)?);
        die_with_test(&mut command);
        let shared = Arc::new(Mutex::new(None));
        let (report, started) = mpsc::channel();
        let status = Arc::clone(&shared);
        // The death signal fires when the thread that forked ends, so this one stays with its child.
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || hold(&mut command, &report, &status))?;
        let pid = started.recv().context("the thread of a process ended")??;
        Ok(Self {
            pid,
            shared,
            thread: Some(thread),
            stdout,
            stderr,
        })
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid.as_raw()
    }

    /// How it ended, if it has.
    #[must_use]
    pub fn ended(&self) -> Option<ExitStatus> {
        *self.status()
    }

    /// What it has said on standard error until now.
    #[must_use]
    pub fn stderr(&self) -> String {
        std::fs::read_to_string(&self.stderr).unwrap_or_default()
    }

    /// Sends a signal, unless it has ended.
    pub fn signal(&self, signal: Signal) {
        // The lock is held while the id is known to be unreaped, so that it names nobody else.
        let status = self.status();
        if status.is_none() {
            kill(self.pid, signal).ok();
        }
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it does not end within `limit`; the message has the end of what it said.
    pub async fn finish(self, limit: Duration) -> anyhow::Result<Finished> {
        let ended = wait::until("a process to end", limit, async || Ok(self.ended())).await;
        let status = ended.with_context(|| format!("it said:\n{}", last_lines(&self.stderr())))?;
        let signal = status.signal().map(|signal| -signal);
        let code = status
            .code()
            .or(signal)
            .context("a process ends with a code or a signal")?;
        let stdout = std::fs::read_to_string(&self.stdout)?;
        Ok(Finished {
            code,
            stdout,
            stderr: self.stderr(),
        })
    }

    fn status(&self) -> MutexGuard<'_, Option<ExitStatus>> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

/// The end of a log, for a message.
#[must_use]
pub fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines
        .get(lines.len().saturating_sub(15)..)
        .unwrap_or_default()
        .join("\n")
}

/// Spawns, reports the id, and stays until the child has ended.
fn hold(
    command: &mut Command,
    report: &mpsc::Sender<anyhow::Result<Pid>>,
    status: &Mutex<Option<ExitStatus>>,
) {
    let spawned = command
        .spawn()
        .with_context(|| format!("{command:?} does not start"));
    let mut child = match spawned {
        Ok(child) => child,
        Err(error) => {
            report.send(Err(error)).ok();
            return;
        }
    };
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX));
    report.send(Ok(pid)).ok();
    // Not reaped yet: until the lock is held nobody else may get this id.
    while waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT)
        == Err(nix::errno::Errno::EINTR)
    {}
    let mut shared = status.lock().unwrap_or_else(PoisonError::into_inner);
    *shared = child.wait().ok();
}

fn die_with_test(command: &mut Command) {
    let parent = std::process::id();
    #[expect(
        unsafe_code,
        reason = "pre_exec is how a child learns to die with its parent"
    )]
    // SAFETY: prctl and getppid are async-signal-safe and touch no memory of the parent.
    unsafe {
        command.pre_exec(move || {
            nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
            if u32::try_from(nix::unistd::getppid().as_raw()) != Ok(parent) {
                return Err(std::io::Error::other("the test is gone"));
            }
            Ok(())
        });
    }
}
