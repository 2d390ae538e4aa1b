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
    // Whole seconds by ticks only, and the hard one cannot be caught: the backstop of the timer.
    let seconds = cpu.as_secs() + 1 + u64::from(cpu.subsec_nanos() > 0);
    Resource::CPU.set(seconds, seconds + 1)?;
    alarm(cpu)
}

/// Ends the process by SIGPROF when it has used `cpu` of processor time. The clock is the
/// scheduler's own: ITIMER_PROF counts ticks, and on a busy or virtual machine it charged up to
/// twice what was used.
fn alarm(cpu: Duration) -> io::Result<()> {
    #[expect(unsafe_code, reason = "nix has no timers of other clocks")]
    // SAFETY: sigevent is plain integers and pointers, for all of which zero is a value.
    let mut event: libc::sigevent = unsafe { std::mem::zeroed() };
    event.sigev_notify = libc::SIGEV_SIGNAL;
    event.sigev_signo = libc::SIGPROF;
    let mut timer: libc::timer_t = std::ptr::null_mut();
    let clock = libc::CLOCK_PROCESS_CPUTIME_ID;
    #[expect(unsafe_code, reason = "as above")]
    // SAFETY: both point to complete values that live through the call.
    let made = unsafe { libc::timer_create(clock, &raw mut event, &raw mut timer) };
    if made != 0 {
        return Err(io::Error::last_os_error());
    }
    let once = libc::itimerspec {
        it_interval: libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        },
        it_value: libc::timespec {
            tv_sec: libc::time_t::try_from(cpu.as_secs()).unwrap_or(libc::time_t::MAX),
            tv_nsec: libc::c_long::from(cpu.subsec_nanos().max(1)),
        },
    };
    #[expect(unsafe_code, reason = "as above")]
    // SAFETY: the timer was made above; the kernel reads one complete itimerspec, writes nothing.
    let set = unsafe { libc::timer_settime(timer, 0, &raw const once, std::ptr::null_mut()) };
    if set == 0 {
        return Ok(());
    }
    Err(io::Error::last_os_error())
}

pub(super) fn no_new_descriptor() -> io::Result<()> {
    Resource::NOFILE.set(0, 0)
}
