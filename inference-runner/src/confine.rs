//! Confinement of a child, as ordered steps. The order matters: each step takes away something
//! that the step before still needed.
//!
//! Before the new program starts ([`before_exec`]):
//! 1. die with the parent;
//! 2. close every other descriptor;
//! 3. resource limits: address space, processor time, no file writes, no core, few descriptors.
//!
//! In the child, when ONNX Runtime is loaded and its environment exists ([`after_runtime`]):
//!
//! 4. no new descriptor at all. (Dropping the user id, Landlock and the system-call filter belong
//!    here and are not done yet; [`SandboxLevel`] says so to everybody who asks.)
//!
//! When the job's limits are known, before a byte of the model is read ([`for_job`]):
//!
//! 5. the limits of this job, counted from what the start-up already used.
//!
//! The parent's wall-clock kill is not here: it needs nothing of the child.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::{Pid, getppid};
use rlimit::Resource;

use crate::limits::Limits;

/// What confines a model on this runner, reported with every registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SandboxLevel {
    /// Resource limits and the parent's kill. A model that takes over the child can still make
    /// system calls with the runner's rights.
    Rlimits,
}

impl SandboxLevel {
    /// What this build reaches.
    pub const REACHED: Self = Self::Rlimits;

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rlimits => "rlimits",
        }
    }
}

/// Descriptors while the runtime is being loaded: the three pipes, the library, tables of /proc.
const DESCRIPTORS_WHILE_LOADING: u64 = 32;

/// Processor seconds of the start-up; it takes a twentieth of one.
const START_CPU_SECONDS: u64 = 5;

/// Lets `command` take steps 1 to 3 between fork and exec. `parent` is this process, taken before
/// the fork.
pub(crate) fn arm(command: &mut Command, parent: Pid, limits: Limits) {
    let steps = move || before_exec(parent, limits);
    #[expect(unsafe_code, reason = "the only place between fork and exec")]
    // SAFETY: `before_exec` makes system calls only; it allocates nothing, takes no lock and
    // touches no memory but its own copies of two plain values.
    unsafe {
        command.pre_exec(steps);
    }
}

fn before_exec(parent: Pid, limits: Limits) -> io::Result<()> {
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    if getppid() != parent {
        // The parent died before the signal was asked for: it will never come.
        return Err(io::ErrorKind::BrokenPipe.into());
    }
    close_on_exec()?;
    Resource::AS.set(limits.address_space_bytes, limits.address_space_bytes)?;
    set_cpu(START_CPU_SECONDS.saturating_add(limits.cpu_seconds), false)?;
    Resource::FSIZE.set(0, 0)?;
    Resource::CORE.set(0, 0)?;
    Resource::NOFILE.set(DESCRIPTORS_WHILE_LOADING, DESCRIPTORS_WHILE_LOADING)
}

/// Marks every descriptor above the three pipes to be closed by exec; closing at once would take
/// the pipe through which `Command` learns that exec failed.
fn close_on_exec() -> io::Result<()> {
    #[expect(unsafe_code, reason = "nix has no close_range")]
    // SAFETY: the call takes three integers and marks descriptors; no memory is involved.
    let done = unsafe { libc::close_range(3, libc::c_uint::MAX, CLOEXEC) };
    if done == 0 {
        return Ok(());
    }
    for descriptor in 3..OLD_KERNEL_DESCRIPTORS {
        #[expect(unsafe_code, reason = "the raw number is all there is after a fork")]
        // SAFETY: fcntl with F_SETFD takes integers only and fails on a closed descriptor, which
        // is as good as closed on exec.
        unsafe {
            libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC);
        }
    }
    Ok(())
}

const CLOEXEC: libc::c_int = libc::CLOSE_RANGE_CLOEXEC as libc::c_int;

/// How far to look where the kernel has no close_range (before 5.11).
const OLD_KERNEL_DESCRIPTORS: libc::c_int = 4096;

/// Step 4: from here on nothing can be opened.
pub(crate) fn after_runtime() -> io::Result<()> {
    Resource::NOFILE.set(0, 0)
}

/// Step 5. `cpu_seconds_used` is what the start-up took, rounded up.
pub(crate) fn for_job(
    address_space_bytes: u64,
    cpu_seconds: u64,
    cpu_seconds_used: u64,
) -> io::Result<()> {
    let (_, most) = Resource::AS.get()?;
    let space = address_space_bytes.min(most);
    Resource::AS.set(space, space)?;
    set_cpu(cpu_seconds.saturating_add(cpu_seconds_used), true)
}

/// The soft limit sends SIGXCPU, which tells the parent what happened; the hard one, a second
/// later, cannot be caught.
fn set_cpu(seconds: u64, keep_below: bool) -> io::Result<()> {
    let hard = seconds.saturating_add(1);
    let hard = if keep_below {
        hard.min(Resource::CPU.get()?.1)
    } else {
        hard
    };
    Resource::CPU.set(seconds.min(hard), hard)
}
