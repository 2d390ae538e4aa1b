//! Descriptors and resource limits. Nothing here needs privileges.

use std::io;
use std::time::Duration;

use rlimit::Resource;

use crate::limits::Limits;
use crate::process::frame::JobHeader;

/// Descriptors of the fork server: its socket, three pipes on their way, the library, /proc.
const DESCRIPTORS: u64 = 32;

/// How far to look where the kernel has no close_range (before 5.9).
const OLD_KERNEL_DESCRIPTORS: libc::c_int = 4096;

/// Marks every descriptor above the first three to be closed by exec; closing at once would take
/// the pipe through which `Command` learns that exec failed.
pub(super) fn close_on_exec() -> io::Result<()> {
    close_range(libc::CLOSE_RANGE_CLOEXEC as libc::c_int, |descriptor| {
        #[expect(unsafe_code, reason = "the raw number is all there is after a fork")]
        // SAFETY: fcntl with F_SETFD takes integers only and fails on a closed descriptor, which
        // is as good as closed on exec.
        unsafe {
            libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC);
        }
    })
}

/// Closes every descriptor above the first three.
pub(super) fn close_rest() -> io::Result<()> {
    close_range(0, |descriptor| {
        #[expect(unsafe_code, reason = "descriptors that nobody owns any more")]
        // SAFETY: close takes an integer; nothing in this process uses what is closed.
        unsafe {
            libc::close(descriptor);
        }
    })
}

fn close_range(flags: libc::c_int, each: impl Fn(libc::c_int)) -> io::Result<()> {
    #[expect(unsafe_code, reason = "nix has no close_range")]
    // SAFETY: the call takes three integers; no memory is involved.
    let done = unsafe { libc::close_range(3, libc::c_uint::MAX, flags) };
    if done != 0 {
        (3..OLD_KERNEL_DESCRIPTORS).for_each(each);
    }
    Ok(())
}

/// What no job may exceed; set in the fork server and inherited by every model's process.
pub(super) fn for_every_model(limits: Limits) -> io::Result<()> {
    Resource::AS.set(limits.address_space_bytes, limits.address_space_bytes)?;
    Resource::FSIZE.set(0, 0)?;
    Resource::CORE.set(0, 0)?;
    Resource::NOFILE.set(DESCRIPTORS, DESCRIPTORS)
}

/// The limits of one job, which start to count at the fork.
pub(super) fn for_job(job: &JobHeader) -> io::Result<()> {
    let (_, most) = Resource::AS.get()?;
    let space = job.address_space_bytes.min(most);
    Resource::AS.set(space, space)?;
    let cpu = Duration::from_millis(job.cpu_ms);
    // Whole seconds only, and the hard one cannot be caught: the backstop of the timer.
    let seconds = cpu.as_secs() + u64::from(cpu.subsec_nanos() > 0);
    Resource::CPU.set(seconds, seconds + 1)?;
    alarm(cpu)
}

/// Ends the process by SIGPROF when it has used `cpu` of processor time.
fn alarm(cpu: Duration) -> io::Result<()> {
    let value = libc::timeval {
        tv_sec: libc::time_t::try_from(cpu.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_usec: libc::suseconds_t::from(cpu.subsec_micros().max(1)),
    };
    let once = libc::itimerval {
        it_interval: libc::timeval {
            tv_sec: 0,
            tv_usec: 0,
        },
        it_value: value,
    };
    #[expect(unsafe_code, reason = "nix has no setitimer")]
    // SAFETY: the kernel reads one complete itimerval and writes nothing.
    let done = unsafe { libc::setitimer(libc::ITIMER_PROF, &raw const once, std::ptr::null_mut()) };
    if done == 0 {
        return Ok(());
    }
    Err(io::Error::last_os_error())
}

pub(super) fn no_new_descriptor() -> io::Result<()> {
    Resource::NOFILE.set(0, 0)
}
