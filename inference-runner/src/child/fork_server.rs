//! The loop of the fork server: one thread, one socket, its children. A process that has more than
//! one thread must not fork, since locks held by the others would stay held in the child.

use std::fs::File;
use std::io::{self, Write};
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::unistd::{ForkResult, Pid, fork, getpid, pipe};
use ort::environment::Environment;

use super::reaping::{Children, wake_on_end};
use crate::confine::{self, SandboxLevel};
use crate::limits::Limits;
use crate::process::control::{self, News, Order};
use crate::process::frame::JobHeader;
use crate::stopwatch::Stopwatch;

/// Serves the runner at the other end of standard input until it ends. `false` when the runtime
/// cannot be used here.
#[must_use]
pub fn serve(ort: &Path) -> bool {
    let Ok(socket) = io::stdin().as_fd().try_clone_to_owned() else {
        return false;
    };
    let watch = Stopwatch::start();
    let environment = match prepare(ort) {
        Ok(environment) => environment,
        Err(what) => return control::send(&socket, &News::NotReady { what }, &[]).is_ok(),
    };
    let runtime_us = watch.elapsed_us();
    let ready = match try_lock() {
        Ok(sandbox) => News::Ready {
            runtime_us,
            address_space_bytes: status_number("VmSize:") << 10,
            sandbox,
        },
        Err(error) => News::NotReady {
            what: format!("a process cannot be confined: {error}"),
        },
    };
    control::send(&socket, &ready, &[]).is_ok() && take_orders(&socket, &environment).is_ok()
}

/// Loads the runtime; afterwards this is still the only thread.
fn prepare(ort: &Path) -> Result<Environment, String> {
    if std::env::var("ORT_DISABLE_TELEMETRY").as_deref() != Ok("1") {
        return Err("ORT_DISABLE_TELEMETRY=1 must be set before the runtime is loaded".to_owned());
    }
    confine::keep_to_itself().map_err(|error| error.to_string())?;
    let environment = ort::init_from(ort)
        .map_err(|error| error.to_string())?
        .with_name("foretoken")
        .with_telemetry(false)
        .build()
        .map_err(|error| error.to_string())?;
    super::execution::warm_up(&environment).map_err(|error| error.to_string())?;
    match status_number("Threads:") {
        1 => Ok(environment),
        threads => Err(format!(
            "the runtime started threads ({threads}); it must not be forked"
        )),
    }
}

/// Locks a process on trial and answers what the kernel granted.
fn try_lock() -> io::Result<SandboxLevel> {
    let limits = Limits::DEFAULT;
    let header = JobHeader {
        address_space_bytes: limits.address_space_bytes,
        cpu_ms: 10_000,
        rows: 0,
        columns: 0,
        model_bytes: 0,
        repeats: 0,
        probe: false,
        #[cfg(debug_assertions)]
        unscanned: false,
        #[cfg(debug_assertions)]
        trial: None,
    };
    let (from, to) = pipe()?;
    let said = in_child(|| {
        let said = match confine::lock(&header) {
            Ok(sandbox) => serde_json::to_vec(&Ok::<_, String>(sandbox))?,
            Err(error) => serde_json::to_vec(&Err::<SandboxLevel, _>(error.to_string()))?,
        };
        // Closing it is not allowed any more.
        ManuallyDrop::new(File::from(to)).write_all(&said)
    });
    let pid = said?;
    let text = io::read_to_string(File::from(from))?;
    nix::sys::wait::waitpid(pid, None)?;
    let found: Result<SandboxLevel, String> = serde_json::from_str(&text)
        .map_err(|_| io::Error::other("the process on trial ended before it was locked"))?;
    found.map_err(io::Error::other)
}

/// Until the runner ends.
fn take_orders(socket: &OwnedFd, environment: &Environment) -> io::Result<()> {
    wake_on_end()?;
    let server = getpid();
    let mut children = Children::default();
    loop {
        children.report_ended(socket)?;
        let mut ready = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
        // Children end only here, while the signal is let through.
        match ppoll(&mut ready, None, Some(SigSet::empty())) {
            Err(Errno::EINTR) => continue,
            other => other?,
        };
        let Some((order, pipes)) = control::receive::<Order>(socket)? else {
            return Ok(());
        };
        match (order, <[OwnedFd; 3]>::try_from(pipes)) {
            (Order::Fork { id }, Ok(pipes)) => {
                let forked = in_child(|| {
                    confine::leave_the_server(server, pipes)?;
                    super::run_job(environment)
                });
                children.add(id, &forked, socket)?;
            }
            (Order::Fork { id }, Err(_)) => {
                children.add(id, &Err(io::ErrorKind::InvalidInput.into()), socket)?;
            }
            (Order::Kill { id }, _) => children.kill(id),
        }
    }
}

/// Forks; the child does `work` and ends without running anything of the parent's.
fn in_child(work: impl FnOnce() -> io::Result<()>) -> io::Result<Pid> {
    #[expect(unsafe_code, reason = "a fork server forks")]
    // SAFETY: this process has one thread (checked after the runtime was loaded), so that no lock
    // can be held by a thread that the child lacks.
    match unsafe { fork() }? {
        ForkResult::Parent { child } => Ok(child),
        ForkResult::Child => {
            let unblocked = sigprocmask(
                SigmaskHow::SIG_UNBLOCK,
                Some(&SigSet::from(Signal::SIGCHLD)),
                None,
            );
            let done = unblocked.map_err(io::Error::from).and_then(|()| work());
            #[expect(unsafe_code, reason = "exit handlers belong to the fork server")]
            // SAFETY: ends this process at once; nothing runs after it.
            unsafe {
                libc::_exit(i32::from(done.is_err()))
            }
        }
    }
}

/// A number of /proc/self/status; zero when the kernel does not show it.
fn status_number(field: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(field));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number.and_then(|n| n.parse().ok()).unwrap_or_default()
}
