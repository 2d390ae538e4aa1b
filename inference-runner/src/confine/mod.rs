//! Confinement of a model's process, as ordered steps. The order matters: each step takes away
//! something that the step before still needed.
//!
//! In the fork server, between fork and exec ([`arm`]):
//! 1. die with the runner;
//! 2. close every other descriptor;
//! 3. limits that hold for every model: address space, no file writes, no core, few descriptors.
//!
//! In the fork server, before it loads ONNX Runtime ([`keep_to_itself`]):
//!
//! 4. nobody may look into its memory or gain rights by executing something.
//!
//! In the process of one model, after the fork ([`leave_the_server`]):
//!
//! 5. die with the fork server; the job's three pipes are all that is open.
//!
//! There, when the job's limits are known and before a byte of the model is read ([`lock`]):
//!
//! 6. processor time and address space of this job;
//! 7. not root: user and group `nobody`. The change clears the death signal, so it is asked for
//!    again;
//! 8. Landlock without a rule: no file, no TCP, no signal to a process outside;
//! 9. no new descriptor at all;
//! 10. the system-call filter, which kills.
//!
//! The runner's kill on the wall clock is not here: it needs nothing of the child.

mod landlock;
mod limits;
mod syscalls;

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sys::prctl;
use nix::sys::signal::{SigHandler, Signal, signal};
use nix::unistd::{Gid, Pid, Uid, getppid, getuid, setgroups, setresgid, setresuid};
use serde::{Deserialize, Serialize};

use crate::limits::Limits;
use crate::process::frame::JobHeader;

/// What really confines a model on this machine, weakest first. Found by locking a process and
/// looking at what the kernel granted, never by its version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SandboxLevel {
    /// Resource limits, another user where the runner is root, and the runner's kill.
    Rlimits,
    /// And Landlock without a rule, but no system-call filter.
    LandlockOnly,
    /// And the system-call filter, but no Landlock.
    SeccompOnly,
    /// Everything.
    Full,
}

impl SandboxLevel {
    /// The stable name in registrations, cards and receipts.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rlimits => "rlimits",
            Self::LandlockOnly => "landlock-only",
            Self::SeccompOnly => "seccomp-only",
            Self::Full => "full",
        }
    }

    /// What the kernel lacks, for the operator; empty for [`SandboxLevel::Full`].
    #[must_use]
    pub fn missing(self) -> &'static str {
        match self {
            Self::Rlimits => "Landlock (Linux 5.13, in the list lsm=) and seccomp filters",
            Self::LandlockOnly => "seccomp filters (CONFIG_SECCOMP_FILTER)",
            Self::SeccompOnly => "Landlock (Linux 5.13, in the list lsm=)",
            Self::Full => "",
        }
    }

    fn of(landlock: bool, seccomp: bool) -> Self {
        match (landlock, seccomp) {
            (false, false) => Self::Rlimits,
            (true, false) => Self::LandlockOnly,
            (false, true) => Self::SeccompOnly,
            (true, true) => Self::Full,
        }
    }
}

/// The user and the group without rights that every Linux knows by this number.
const NOBODY: u32 = 65_534;

/// Lets `command` take steps 1 to 3 between fork and exec. `parent` is this process, taken before
/// the fork.
pub(crate) fn arm(command: &mut Command, parent: Pid, limits: Limits) {
    let steps = move || -> io::Result<()> {
        die_with(parent)?;
        limits::close_on_exec()?;
        limits::for_every_model(limits)
    };
    #[expect(unsafe_code, reason = "the only place between fork and exec")]
    // SAFETY: the steps make system calls only; they allocate nothing, take no lock and touch no
    // memory but their own copies of two plain values.
    unsafe {
        command.pre_exec(steps);
    }
}

/// Step 4.
pub(crate) fn keep_to_itself() -> io::Result<()> {
    prctl::set_dumpable(false)?;
    prctl::set_no_new_privs()?;
    Ok(())
}

/// Step 5. `server` is the fork server; `pipes` become the standard input, output and error.
pub(crate) fn leave_the_server(server: Pid, pipes: [OwnedFd; 3]) -> io::Result<()> {
    die_with(server)?;
    for (place, pipe) in (0..).zip(&pipes) {
        #[expect(unsafe_code, reason = "the three standard places have no owner")]
        // SAFETY: both numbers are open descriptors or replaced ones; no memory is involved.
        let done = unsafe { libc::dup2(pipe.as_raw_fd(), place) };
        if done < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    drop(pipes);
    limits::close_rest()
}

/// Steps 6 to 10; answers what the kernel granted.
pub(crate) fn lock(job: &JobHeader) -> io::Result<SandboxLevel> {
    let server = getppid();
    limits::for_job(job)?;
    if getuid().is_root() {
        become_nobody()?;
        die_with(server)?;
        // The change of user made the process open to inspection by that user.
        prctl::set_dumpable(false)?;
    }
    crash_plainly()?;
    let landlock = !job.skips(Layer::Landlock) && landlock::restrict()?;
    limits::no_new_descriptor()?;
    let seccomp = !job.skips(Layer::Syscalls) && syscalls::filter()?;
    Ok(SandboxLevel::of(landlock, seccomp))
}

/// A layer that a test may leave out, to see that the other one holds by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Layer {
    Landlock,
    Syscalls,
    Both,
}

fn die_with(parent: Pid) -> io::Result<()> {
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    if getppid() != parent {
        // The parent died before the signal was asked for: it will never come.
        return Err(io::ErrorKind::BrokenPipe.into());
    }
    Ok(())
}

/// The standard library's handlers would end a crash by a system call that is not allowed, which
/// would look like an attempt to escape.
fn crash_plainly() -> io::Result<()> {
    for crash in [Signal::SIGSEGV, Signal::SIGBUS] {
        #[expect(unsafe_code, reason = "changing what a signal does can break others")]
        // SAFETY: the default action replaces a handler that nothing else relies on.
        unsafe {
            signal(crash, SigHandler::SigDfl)?;
        }
    }
    Ok(())
}

fn become_nobody() -> io::Result<()> {
    let (user, group) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
    setgroups(&[])?;
    setresgid(group, group, group)?;
    setresuid(user, user, user)?;
    Ok(())
}
