//! Attempts of a locked process to do what a model must not, made by the real system calls. Exists
//! in builds with debug assertions only.

#![expect(
    unsafe_code,
    reason = "hostile code makes system calls by their numbers"
)]

use std::io::{self, Write};
use std::ptr::{null, null_mut};

use crate::limits::HEADER_BYTES_MAX;
use crate::outcome::{Outcome, Reason, Status};
use crate::process::Attempt;

const HERE: libc::c_int = libc::AT_FDCWD;
const FILE: &std::ffi::CStr = c"/etc/passwd";
const PROGRAM: &std::ffi::CStr = c"/bin/true";
/// Made by nobody but an attempt that succeeds.
const FOLDER: &std::ffi::CStr = c"/tmp/foretoken-escaped";

/// Makes `attempt` and says what came of it, if the process still lives.
pub(super) fn make(attempt: Attempt, answer: &mut impl Write) -> Outcome {
    if let Some(outcome) = refuse_to_end(attempt, answer) {
        return outcome;
    }
    let done = files(attempt)
        .or_else(|| sockets(attempt))
        .or_else(|| processes(attempt))
        .or_else(|| rights(attempt))
        .unwrap_or(0);
    if done < 0 {
        let error = io::Error::last_os_error();
        let reason = Reason::new("held", format!("{attempt:?}: {error}"), "");
        return Outcome::failed(Status::RunError, reason);
    }
    let reason = Reason::new("escaped", format!("{attempt:?} answered {done}"), "");
    Outcome::failed(Status::RunError, reason)
}

/// `None` when `attempt` is another one; each of the calls below follows this rule.
fn refuse_to_end(attempt: Attempt, answer: &mut impl Write) -> Option<Outcome> {
    let block = [b'a'; 4096];
    match attempt {
        // No frame ever ends: the length is the largest that is believed.
        Attempt::FloodAnswer => loop {
            let length = u32::try_from(HEADER_BYTES_MAX).unwrap_or_default();
            drop(answer.write_all(&length.to_le_bytes()));
            drop(answer.write_all(&block));
        },
        Attempt::FloodComplaints => loop {
            drop(io::stderr().write_all(&block));
        },
        Attempt::BlamePlatform => Some(Outcome::platform("it was you")),
        Attempt::Hang => spin(),
        // SAFETY: ends this process by SIGSEGV, as it should.
        Attempt::Crash => unsafe {
            std::ptr::without_provenance_mut::<u8>(8).write_volatile(1);
            None
        },
        Attempt::Overflow => {
            let deep = descend(1);
            Some(Outcome::platform(deep.to_string()))
        }
        Attempt::BlockSignals => {
            let all = [u64::MAX; 16];
            call(
                libc::SYS_rt_sigprocmask,
                [word(libc::SIG_BLOCK), address(&all), 0, 8, 0],
            );
            spin()
        }
        _ => None,
    }
}

#[expect(unconditional_recursion, reason = "ends when the stack does")]
fn descend(level: u64) -> u64 {
    let block = std::hint::black_box([level; 4096]);
    descend(block[7] + 1) + block[9]
}

fn spin() -> ! {
    loop {
        std::hint::spin_loop();
    }
}

fn files(attempt: Attempt) -> Option<i64> {
    let how = [0_u64; 3];
    let path = FILE.as_ptr() as u64;
    Some(match attempt {
        #[cfg(target_arch = "x86_64")]
        Attempt::Open => call(libc::SYS_open, [path, 0, 0, 0, 0]),
        Attempt::OpenAt => call(libc::SYS_openat, [word(HERE), path, 0, 0, 0]),
        Attempt::OpenAt2 => call(libc::SYS_openat2, [word(HERE), path, address(&how), 24, 0]),
        Attempt::MakeFolder => call(
            libc::SYS_mkdirat,
            [word(HERE), FOLDER.as_ptr() as u64, 0o777, 0, 0],
        ),
        Attempt::Unlink => call(libc::SYS_unlinkat, [word(HERE), path, 0, 0, 0]),
        Attempt::Truncate => call(libc::SYS_truncate, [path, 0, 0, 0, 0]),
        Attempt::Rename => call(
            libc::SYS_renameat2,
            [word(HERE), path, word(HERE), FOLDER.as_ptr() as u64, 0],
        ),
        Attempt::Stat => call(
            libc::SYS_statx,
            [word(HERE), path, 0, 0, address(&[0_u64; 64])],
        ),
        Attempt::Ioctl => call(libc::SYS_ioctl, [1, libc::TIOCSTI, address(&[0_u64]), 0, 0]),
        Attempt::WriteInherited => (3..4096)
            .map(|descriptor| call(libc::SYS_write, [descriptor, path, 1, 0, 0]))
            .max()
            .unwrap_or(-1),
        Attempt::Duplicate => call(libc::SYS_dup, [0; 5]),
        Attempt::MemoryFile => call(libc::SYS_memfd_create, [path, 0, 0, 0, 0]),
        Attempt::Mount => call(libc::SYS_mount, [path, path, path, 0, 0]),
        Attempt::IoUring => call(
            libc::SYS_io_uring_setup,
            [1, address(&[0_u64; 32]), 0, 0, 0],
        ),
        // The same number in the convention of 32-bit pointers.
        Attempt::OtherConvention => {
            call(0x4000_0000 | libc::SYS_openat, [word(HERE), path, 0, 0, 0])
        }
        _ => return None,
    })
}

fn sockets(attempt: Attempt) -> Option<i64> {
    let two = [0_u64; 2];
    Some(match attempt {
        Attempt::Socket => call(
            libc::SYS_socket,
            [word(libc::AF_INET), word(libc::SOCK_STREAM), 0, 0, 0],
        ),
        Attempt::UnixSocket => call(
            libc::SYS_socket,
            [word(libc::AF_UNIX), word(libc::SOCK_STREAM), 0, 0, 0],
        ),
        Attempt::SocketPair => call(
            libc::SYS_socketpair,
            [
                word(libc::AF_UNIX),
                word(libc::SOCK_STREAM),
                0,
                address(&two),
                0,
            ],
        ),
        Attempt::SendMessage => call(libc::SYS_sendmsg, [1, address(&two), 0, 0, 0]),
        _ => return None,
    })
}

fn processes(attempt: Attempt) -> Option<i64> {
    let server = u64::try_from(nix::unistd::getppid().as_raw()).unwrap_or_default();
    let me = u64::from(std::process::id());
    let nothing = [0_u64; 16];
    let path = PROGRAM.as_ptr() as u64;
    let arguments: [*const libc::c_char; 2] = [PROGRAM.as_ptr(), null()];
    let list = arguments.as_ptr() as u64;
    let part = libc::iovec {
        iov_base: null_mut(),
        iov_len: 8,
    };
    let part = &raw const part as u64;
    Some(match attempt {
        Attempt::Fork => call(libc::SYS_clone, [word(libc::SIGCHLD), 0, 0, 0, 0]),
        Attempt::Clone3 => call(libc::SYS_clone3, [address(&nothing), 64, 0, 0, 0]),
        Attempt::Thread => match std::thread::Builder::new().spawn(|| ()) {
            Ok(_) => 1,
            Err(_) => -1,
        },
        Attempt::Exec => call(libc::SYS_execve, [path, list, 0, 0, 0]),
        Attempt::ExecAt => call(libc::SYS_execveat, [word(HERE), path, list, 0, 0]),
        Attempt::Ptrace => call(
            libc::SYS_ptrace,
            [u64::from(libc::PTRACE_SEIZE), server, 0, 0, 0],
        ),
        Attempt::ReadParent => call(libc::SYS_process_vm_readv, [server, part, 1, part, 1]),
        Attempt::WriteParent => call(libc::SYS_process_vm_writev, [server, part, 1, part, 1]),
        Attempt::KillParent => call(libc::SYS_kill, [server, 9, 0, 0, 0]),
        Attempt::AbortParent => call(
            libc::SYS_tgkill,
            [server, server, word(libc::SIGABRT), 0, 0],
        ),
        Attempt::KillItselfOtherwise => call(libc::SYS_tgkill, [me, me, word(libc::SIGKILL), 0, 0]),
        Attempt::KillAll => call(libc::SYS_kill, [u64::MAX, 9, 0, 0, 0]),
        Attempt::KillGroup => call(libc::SYS_kill, [0, 9, 0, 0, 0]),
        Attempt::PidDescriptor => call(libc::SYS_pidfd_open, [server, 0, 0, 0, 0]),
        _ => return None,
    })
}

fn rights(attempt: Attempt) -> Option<i64> {
    let nothing = [0_u64; 16];
    let page = 4096;
    Some(match attempt {
        Attempt::BecomeRoot => call(libc::SYS_setresuid, [0; 5]),
        Attempt::RaiseLimits => call(
            libc::SYS_prlimit64,
            [0, u64::from(libc::RLIMIT_NOFILE), address(&[64, 64]), 0, 0],
        ),
        Attempt::OutliveParent => call(libc::SYS_prctl, [word(libc::PR_SET_PDEATHSIG), 0, 0, 0, 0]),
        Attempt::StopTimer => call(libc::SYS_timer_settime, [0, 0, address(&nothing), 0, 0]),
        Attempt::IgnoreTimer => call(
            libc::SYS_rt_sigaction,
            [word(libc::SIGPROF), address(&[1, 0, 0, 0]), 0, 8, 0],
        ),
        Attempt::ExecutableMemory => call(
            libc::SYS_mmap,
            [
                0,
                page,
                word(libc::PROT_READ | libc::PROT_EXEC),
                word(libc::MAP_PRIVATE | libc::MAP_ANONYMOUS),
                u64::MAX,
            ],
        ),
        Attempt::MakeExecutable => {
            let place = address(&nothing) & !(page - 1);
            let all = libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC;
            call(libc::SYS_mprotect, [place, page, word(all), 0, 0])
        }
        Attempt::Bpf => call(libc::SYS_bpf, [0, address(&nothing), 64, 0, 0]),
        Attempt::SharedMemory => call(libc::SYS_shmget, [0, page, 0o1600, 0, 0]),
        Attempt::Unshare => call(libc::SYS_unshare, [word(libc::CLONE_NEWUSER), 0, 0, 0, 0]),
        Attempt::UserFaults => call(libc::SYS_userfaultfd, [0; 5]),
        Attempt::Keys => call(libc::SYS_keyctl, [0, u64::MAX, 0, 0, 0]),
        Attempt::PerfEvents => call(
            libc::SYS_perf_event_open,
            [address(&nothing), 0, u64::MAX, u64::MAX, 0],
        ),
        _ => return None,
    })
}

fn call(number: libc::c_long, arguments: [u64; 5]) -> i64 {
    let [a, b, c, d, e] = arguments;
    // SAFETY: this process is thrown away after one attempt, and its only harm would be what the
    // confinement is there to prevent.
    unsafe { libc::syscall(number, a, b, c, d, e, 0_u64) }
}

fn word(number: libc::c_int) -> u64 {
    i64::from(number).cast_unsigned()
}

fn address<T>(of: &[T]) -> u64 {
    of.as_ptr() as u64
}
