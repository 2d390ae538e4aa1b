//! The processes that the fork server made: who runs, how each ended and what it took.

use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, kill, sigaction};
use nix::unistd::Pid;

use crate::process::control::{self, End, News};

/// Running processes by their numbers. A process that has ended keeps its number in the kernel
/// until [`Children::report_ended`], so that no other one can be killed in its place.
#[derive(Default)]
pub(super) struct Children(HashMap<Pid, u64>);

impl Children {
    pub(super) fn add(
        &mut self,
        id: u64,
        forked: &io::Result<Pid>,
        socket: &OwnedFd,
    ) -> io::Result<()> {
        if let Ok(pid) = forked {
            self.0.insert(*pid, id);
            return Ok(());
        }
        let end = End {
            status: None,
            cpu_us: 0,
            peak_bytes: 0,
        };
        control::send(socket, &News::Ended { id, end }, &[])
    }

    pub(super) fn kill(&self, id: u64) {
        let found = self.0.iter().find(|(_, other)| **other == id);
        if let Some((pid, _)) = found {
            // It cannot be gone: it has not been waited for.
            kill(*pid, Signal::SIGKILL).ok();
        }
    }

    /// Tells the runner of each process that has ended since the last call.
    pub(super) fn report_ended(&mut self, socket: &OwnedFd) -> io::Result<()> {
        while let Some((pid, end)) = next_ended() {
            if let Some(id) = self.0.remove(&pid) {
                control::send(socket, &News::Ended { id, end }, &[])?;
            }
        }
        Ok(())
    }
}

/// Lets the end of a child interrupt a wait that lets SIGCHLD through, and nothing else.
pub(super) fn wake_on_end() -> io::Result<()> {
    extern "C" fn nothing(_: libc::c_int) {}
    let only = SigSet::from(Signal::SIGCHLD);
    only.thread_block()?;
    let action = SigAction::new(
        SigHandler::Handler(nothing),
        SaFlags::empty(),
        SigSet::empty(),
    );
    #[expect(
        unsafe_code,
        reason = "a handler is a function that may run at any time"
    )]
    // SAFETY: the handler does nothing at all.
    unsafe {
        sigaction(Signal::SIGCHLD, &action)?;
    }
    Ok(())
}

/// A child that has ended and has not been waited for.
fn next_ended() -> Option<(Pid, End)> {
    let mut status = 0;
    #[expect(unsafe_code, reason = "nix has no wait4, which alone tells the costs")]
    // SAFETY: both structures are plain numbers that the kernel fills in.
    let (pid, usage) = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        let pid = libc::wait4(-1, &raw mut status, libc::WNOHANG, &raw mut usage);
        (pid, usage)
    };
    if pid <= 0 {
        return None;
    }
    let end = End {
        status: Some(status),
        cpu_us: microseconds(usage.ru_utime).saturating_add(microseconds(usage.ru_stime)),
        peak_bytes: u64::try_from(usage.ru_maxrss).unwrap_or_default() << 10,
    };
    Some((Pid::from_raw(pid), end))
}

fn microseconds(time: libc::timeval) -> u64 {
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let rest = u64::try_from(time.tv_usec).unwrap_or_default();
    seconds.saturating_mul(1_000_000).saturating_add(rest)
}
