//! The demo's other processes: server, settler, runner. They die with it, also on kill −9.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::sync::oneshot;

/// A child may take this long to end after SIGTERM.
const PATIENCE: Duration = Duration::from_secs(10);

/// One running child.
pub(super) struct Child {
    name: &'static str,
    log: PathBuf,
    running: Arc<Mutex<Option<Pid>>>,
    ended: oneshot::Receiver<std::io::Result<ExitStatus>>,
    /// Whether `ended` has given its value, which it does once.
    is_over: bool,
}

/// Starts `command` with its output in `logs/<name>.log`.
pub(super) fn start(
    name: &'static str,
    mut command: Command,
    data: &Path,
) -> anyhow::Result<Child> {
    let log = data.join("logs").join(format!("{name}.log"));
    let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    command
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file);
    // A group of its own: Ctrl-C is for the demo, which then ends its children in order.
    command.process_group(0);
    die_with_parent(&mut command);
    let running = Arc::new(Mutex::new(None));
    let shared = Arc::clone(&running);
    let (end, ended) = oneshot::channel();
    // The death signal fires when the thread that forked ends, so this one stays with its child.
    std::thread::Builder::new()
        .name(name.into())
        .spawn(move || {
            end.send(hold(&mut command, &shared)).ok();
        })?;
    Ok(Child {
        name,
        log,
        running,
        ended,
        is_over: false,
    })
}

fn hold(command: &mut Command, running: &Mutex<Option<Pid>>) -> std::io::Result<ExitStatus> {
    let mut child = command.spawn()?;
    let pid = i32::try_from(child.id()).map(Pid::from_raw).ok();
    *running.lock().unwrap_or_else(PoisonError::into_inner) = pid;
    let ended = child.wait();
    *running.lock().unwrap_or_else(PoisonError::into_inner) = None;
    ended
}

fn die_with_parent(command: &mut Command) {
    let parent = std::process::id();
    #[expect(
        unsafe_code,
        reason = "pre_exec is how a child learns to die with its parent"
    )]
    // SAFETY: prctl and getppid are async-signal-safe and touch no memory of the parent.
    unsafe {
        command.pre_exec(move || {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            if u32::try_from(libc::getppid()) != Ok(parent) {
                return Err(std::io::Error::other("the parent is gone"));
            }
            Ok(())
        });
    }
}

impl Child {
    /// Fails when the child has ended, with the end of its log: the demo cannot go on without it.
    pub(super) fn must_run(&mut self) -> anyhow::Result<()> {
        let ended = match self.ended.try_recv() {
            Err(oneshot::error::TryRecvError::Empty) => return Ok(()),
            ended => ended,
        };
        self.is_over = true;
        match ended {
            Ok(Ok(status)) => {
                anyhow::bail!("{} ended with {status}\n{}", self.name, self.last_lines())
            }
            Ok(Err(error)) => anyhow::bail!("{} did not start: {error}", self.name),
            Err(_) => anyhow::bail!("{} was lost\n{}", self.name, self.last_lines()),
        }
    }

    /// Asks the child to end and waits for it; after a while it is killed.
    pub(super) async fn stop(mut self) {
        if self.is_over {
            return;
        }
        self.signal(Signal::SIGTERM);
        if tokio::time::timeout(PATIENCE, &mut self.ended)
            .await
            .is_err()
        {
            tracing::warn!(child = self.name, "does not end; killed");
            self.signal(Signal::SIGKILL);
            (&mut self.ended).await.ok();
        }
    }

    fn signal(&self, signal: Signal) {
        // Held while the id is known to be unreaped, so that it names nobody else.
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pid) = *running {
            kill(pid, signal).ok();
        }
    }

    fn last_lines(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().rev().take(8).collect();
        let tail: Vec<&str> = lines.into_iter().rev().collect();
        format!("the end of {}:\n{}", self.log.display(), tail.join("\n"))
    }
}
