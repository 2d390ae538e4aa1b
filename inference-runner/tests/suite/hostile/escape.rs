//! What hostile native code would try once it runs inside a model's process. The process is locked
//! as for any model and then makes the attempt by its system call, in a build with debug assertions
//! only.

use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::Duration;

use inference_runner::check::known_rows;
use inference_runner::{Attempt, Job, Layer, Limits, Outcome, SandboxLevel, Status, Task, Trial};

use super::shared_runner;
use crate::double::{COLUMNS, level_here, model, runner};

async fn attempted(attempt: Attempt, without: Option<Layer>) -> Outcome {
    let job = Job {
        task: Task::Trial(Trial { attempt, without }),
        model: Vec::new().into(),
        features: known_rows(1, COLUMNS),
        limits: Limits {
            address_space_bytes: 512 << 20,
            cpu: Duration::from_millis(300),
            wall: Duration::from_secs(1),
            ..Limits::DEFAULT
        },
    };
    let outcome = shared_runner().run(&job, job.limits.wall).await;
    println!("{attempt:?} without {without:?}: {}", outcome.detail());
    outcome
}

/// Killed by the filter; where the kernel has none, refused by what remains.
async fn fails(attempt: Attempt) {
    let outcome = attempted(attempt, None).await;
    if level_here() == SandboxLevel::Full {
        assert_eq!(outcome.status, Status::ForbiddenSyscall, "{outcome:?}");
    } else {
        assert!(is_held(&outcome), "{outcome:?}");
    }
    still_serves().await;
}

fn is_held(outcome: &Outcome) -> bool {
    outcome.status == Status::ForbiddenSyscall || outcome.reasons[0].code == "held"
}

async fn still_serves() {
    let job = Job {
        task: Task::Run,
        model: model("linear_n1").into(),
        features: known_rows(1, COLUMNS),
        limits: Limits::DEFAULT,
    };
    let neighbour = shared_runner().run(&job, job.limits.wall).await;
    assert_eq!(neighbour.status, Status::Ok, "{neighbour:?}");
}

macro_rules! fails {
    ($($name:ident $attempt:ident;)*) => { $(
        #[tokio::test]
        async fn $name() {
            fails(Attempt::$attempt).await;
        }
    )* };
}

fails! {
    openat OpenAt;
    openat2 OpenAt2;
    make_folder MakeFolder;
    unlink Unlink;
    truncate Truncate;
    rename Rename;
    stat Stat;
    ioctl Ioctl;
    duplicate Duplicate;
    memory_file MemoryFile;
    mount Mount;
    io_uring IoUring;
    other_convention OtherConvention;
    socket Socket;
    unix_socket UnixSocket;
    socket_pair SocketPair;
    send_message SendMessage;
    fork Fork;
    clone3 Clone3;
    thread Thread;
    exec Exec;
    execat ExecAt;
    ptrace Ptrace;
    read_parent ReadParent;
    write_parent WriteParent;
    kill_parent KillParent;
    abort_parent AbortParent;
    kill_itself_otherwise KillItselfOtherwise;
    kill_all KillAll;
    kill_group KillGroup;
    pid_descriptor PidDescriptor;
    become_root BecomeRoot;
    raise_limits RaiseLimits;
    outlive_parent OutliveParent;
    stop_timer StopTimer;
    ignore_timer IgnoreTimer;
    executable_memory ExecutableMemory;
    make_executable MakeExecutable;
    bpf Bpf;
    shared_memory SharedMemory;
    unshare Unshare;
    user_faults UserFaults;
    keys Keys;
    perf_events PerfEvents;
}

#[cfg(target_arch = "x86_64")]
#[tokio::test]
async fn open() {
    fails(Attempt::Open).await;
}

/// `write` is allowed, since the answer needs it: but nothing else is open, not even what the
/// runner's own parent left open.
#[tokio::test]
async fn write_inherited() {
    let file = tempfile::NamedTempFile::new().unwrap();
    #[expect(unsafe_code, reason = "std only makes descriptors that exec closes")]
    // SAFETY: takes an open descriptor and makes another one.
    let inherited = unsafe { libc::dup(file.as_raw_fd()) };
    assert!(inherited >= 0);
    let outcome = attempted(Attempt::WriteInherited, None).await;
    assert_eq!(outcome.reasons[0].code, "held", "{outcome:?}");
    assert!(outcome.detail().contains("os error 9"), "{outcome:?}");
    nix::unistd::close(inherited).unwrap();
    assert_eq!(file.as_file().metadata().unwrap().len(), 0);
}

/// Without the filter, Landlock alone keeps the process from files and from signals; without both,
/// the same call succeeds, so that this test can fail.
#[tokio::test]
async fn landlock_alone_holds() {
    if level_here() < SandboxLevel::Full {
        println!("skipped: this kernel has no Landlock");
        return;
    }
    let escaped = Path::new("/tmp/foretoken-escaped");
    std::fs::remove_dir(escaped).ok();
    for attempt in [Attempt::MakeFolder, Attempt::Exec, Attempt::KillParent] {
        let held = attempted(attempt, Some(Layer::Syscalls)).await;
        assert_eq!(held.reasons[0].code, "held", "{held:?}");
        let denied = ["os error 13", "os error 1)"];
        let detail = held.detail();
        assert!(
            denied.iter().any(|error| detail.contains(error)),
            "{detail}"
        );
    }
    assert!(!escaped.exists());
    let free = attempted(Attempt::MakeFolder, Some(Layer::Both)).await;
    assert_eq!(free.reasons[0].code, "escaped", "{free:?}");
    std::fs::remove_dir(escaped).unwrap();
}

/// Without Landlock the filter alone kills.
#[tokio::test]
async fn the_filter_alone_holds() {
    if level_here() < SandboxLevel::SeccompOnly {
        println!("skipped: this kernel has no seccomp filters");
        return;
    }
    for attempt in [Attempt::OpenAt, Attempt::Socket, Attempt::Exec] {
        let killed = attempted(attempt, Some(Layer::Landlock)).await;
        assert_eq!(killed.status, Status::ForbiddenSyscall, "{killed:?}");
    }
}

#[tokio::test]
async fn a_flood_of_answers_ends_at_its_first_lie() {
    let outcome = attempted(Attempt::FloodAnswer, None).await;
    assert_eq!(outcome.status, Status::RunError, "{outcome:?}");
    assert_eq!(outcome.reasons[0].code, "run-reply");
    still_serves().await;
}

#[tokio::test]
async fn a_flood_of_complaints_ends_at_a_limit() {
    let outcome = attempted(Attempt::FloodComplaints, None).await;
    let ends = [Status::LimitCpu, Status::LimitWall];
    assert!(ends.contains(&outcome.status), "{outcome:?}");
    still_serves().await;
}

#[tokio::test]
async fn one_that_never_answers_ends_at_a_limit() {
    let outcome = attempted(Attempt::Hang, None).await;
    let ends = [Status::LimitCpu, Status::LimitWall];
    assert!(ends.contains(&outcome.status), "{outcome:?}");
}

/// SIGTERM, the timer and whatever else can be blocked: what ends it cannot be.
#[tokio::test]
async fn one_that_takes_no_signal_ends_on_the_wall() {
    let outcome = attempted(Attempt::BlockSignals, None).await;
    assert_eq!(outcome.status, Status::LimitWall, "{outcome:?}");
    assert!(outcome.cost.wall_us < 10_000_000);
    still_serves().await;
}

/// A crash is a crash, not an attempt to escape.
#[tokio::test]
async fn crashes_are_named_so() {
    for attempt in [Attempt::Crash, Attempt::Overflow] {
        let outcome = attempted(attempt, None).await;
        assert_eq!(outcome.reasons[0].code, "load-crash", "{outcome:?}");
        assert!(outcome.detail().contains("signal 11"), "{outcome:?}");
    }
    still_serves().await;
}

#[tokio::test]
async fn one_that_blames_the_platform_is_not_believed() {
    let outcome = attempted(Attempt::BlamePlatform, None).await;
    assert_eq!(outcome.status, Status::RunError, "{outcome:?}");
}

/// The fork server is ours to lose: a runner whose fork server is killed starts another.
#[tokio::test]
async fn a_killed_fork_server_is_replaced() {
    let runner = runner();
    let job = Job {
        task: Task::Run,
        model: model("linear_n1").into(),
        features: known_rows(1, COLUMNS),
        limits: Limits::DEFAULT,
    };
    let first = runner.run(&job, job.limits.wall).await;
    assert_eq!(first.status, Status::Ok, "{first:?}");
    let server = runner.fork_server_id().await.unwrap();
    let server = nix::unistd::Pid::from_raw(i32::try_from(server).unwrap());
    nix::sys::signal::kill(server, nix::sys::signal::Signal::SIGKILL).unwrap();
    // A job that meets the dying one is our fault; soon every job is run again.
    for _ in 0..100 {
        let next = runner.run(&job, job.limits.wall).await;
        if next.status == Status::Ok {
            return;
        }
        assert_eq!(next.status, Status::PlatformError, "{next:?}");
    }
    panic!("no fork server after a hundred jobs");
}
