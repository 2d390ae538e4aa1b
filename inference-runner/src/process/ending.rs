//! Names the outcome of a process that ended without its last frame.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use crate::limits::Limits;
use crate::outcome::{Outcome, Reason, Status, one_line};

/// What was seen of a process that did not answer.
pub(super) struct Silence<'a> {
    /// `None` when nobody knows: the fork server ended, or the kernel did not end it in time.
    pub(super) status: Option<ExitStatus>,
    /// Whether it had said that the model was loaded.
    pub(super) loaded: bool,
    pub(super) cpu: Duration,
    pub(super) stderr: &'a str,
    pub(super) limits: Limits,
}

/// The runner killed the process after `wall`: the model's own limit, or less when the answers of
/// its job were due before.
pub(super) fn wall(wall: Duration, limits: Limits, loaded: bool) -> Outcome {
    let phase = if loaded { "running" } else { "loading" };
    let why = if wall < limits.wall {
        "when the answers were due"
    } else {
        "which is its limit on the wall"
    };
    let message = format!(
        "the model was still {phase} after {} ms, {why}",
        wall.as_millis()
    );
    let fix = "make the model smaller, or remove the loop that does not end";
    Outcome::failed(Status::LimitWall, Reason::new("limit-wall", message, fix))
}

pub(crate) fn memory(limits_bytes: u64) -> Outcome {
    let message = format!(
        "the model needs more than its address space of {} MiB",
        limits_bytes >> 20
    );
    let fix = "use smaller layers, fewer trees or fewer rows per operator";
    Outcome::failed(Status::LimitMem, Reason::new("limit-mem", message, fix))
}

fn processor(limits: Limits) -> Outcome {
    let message = format!(
        "the model used its {} ms of processor time",
        limits.cpu.as_millis()
    );
    let fix = "make the model smaller, or remove the loop that does not end";
    Outcome::failed(Status::LimitCpu, Reason::new("limit-cpu", message, fix))
}

fn forbidden(loaded: bool) -> Outcome {
    let phase = if loaded { "running" } else { "loading" };
    let message =
        format!("the model's process was killed for a system call that no model needs, {phase}");
    let fix = "remove what reaches outside of the model: files, custom operators, threads";
    let reason = Reason::new("forbidden-syscall", message, fix);
    Outcome::failed(Status::ForbiddenSyscall, reason)
}

/// Any other end without an answer.
pub(super) fn silent(silence: &Silence<'_>) -> Outcome {
    let limits = silence.limits;
    let signal = silence.status.and_then(|status| status.signal());
    if signal == Some(libc::SIGSYS) {
        return forbidden(silence.loaded);
    }
    let is_timer = matches!(signal, Some(libc::SIGPROF | libc::SIGXCPU));
    if is_timer || silence.cpu >= limits.cpu {
        return processor(limits);
    }
    if ran_out_of_memory(silence.stderr) {
        return memory(limits.address_space_bytes);
    }
    let Some(status) = silence.status else {
        return Outcome::platform("the runner lost the model's process");
    };
    if signal == Some(libc::SIGKILL) {
        return Outcome::platform(
            "the process was killed from outside, perhaps because the machine ran out of memory",
        );
    }
    let how = signal.map_or_else(|| status.to_string(), |signal| format!("signal {signal}"));
    let last = silence.stderr.lines().last().unwrap_or_default();
    let message = one_line(&format!("the model's process crashed ({how}) {last}"), 300);
    let (status, code) = if silence.loaded {
        (Status::RunError, "run-crash")
    } else {
        (Status::LoadError, "load-crash")
    };
    let fix = "the same file must run in Python with onnxruntime 1.31.1; export it again";
    Outcome::failed(status, Reason::new(code, message, fix))
}

/// Whether `text` is what an allocator says when the address space is spent: ours, C++'s or ONNX
/// Runtime's.
pub(crate) fn ran_out_of_memory(text: &str) -> bool {
    const SIGNS: [&str; 4] = [
        "bad_alloc",
        "memory allocation of",
        "Failed to allocate memory",
        "cannot allocate memory",
    ];
    SIGNS.iter().any(|sign| text.contains(sign))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(signal: i32, loaded: bool, cpu_seconds: u64, stderr: &str) -> Status {
        let silence = Silence {
            status: Some(ExitStatus::from_raw(signal)),
            loaded,
            cpu: Duration::from_secs(cpu_seconds),
            stderr,
            limits: Limits::DEFAULT,
        };
        silent(&silence).status
    }

    #[test]
    fn each_end_has_its_name() {
        assert_eq!(end(libc::SIGXCPU, true, 0, ""), Status::LimitCpu);
        assert_eq!(end(libc::SIGPROF, false, 0, ""), Status::LimitCpu);
        let syscall = end(libc::SIGSYS, true, 0, "bad_alloc");
        assert_eq!(syscall, Status::ForbiddenSyscall);
        assert_eq!(end(libc::SIGKILL, true, 10, ""), Status::LimitCpu);
        assert_eq!(end(libc::SIGKILL, true, 1, ""), Status::PlatformError);
        let thrown = "terminate called after throwing an instance of 'std::bad_alloc'";
        assert_eq!(end(libc::SIGABRT, false, 0, thrown), Status::LimitMem);
        let ours = "memory allocation of 68719476736 bytes failed";
        assert_eq!(end(libc::SIGABRT, true, 0, ours), Status::LimitMem);
        assert_eq!(end(libc::SIGSEGV, false, 0, ""), Status::LoadError);
        assert_eq!(end(libc::SIGSEGV, true, 0, ""), Status::RunError);
    }

    #[test]
    fn the_wall_limit_says_whose_it_was() {
        let limits = Limits::DEFAULT;
        let own = wall(limits.wall, limits, true).detail();
        assert!(
            own.contains("running after 15000 ms, which is its limit"),
            "{own}"
        );
        let due = wall(Duration::from_secs(1), limits, false).detail();
        assert!(
            due.contains("loading after 1000 ms, when the answers were due"),
            "{due}"
        );
    }
}
