//! The system-call filter: what ONNX Runtime needs to load a model from memory and run it on one
//! thread, measured over the models of the tests, and nothing else. Everything else kills.
//!
//! Not on the list, on purpose: every call that opens, connects, starts, signals or traces
//! something, and memory that can be executed.

use std::collections::BTreeMap;
use std::io;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

/// Allowed with any arguments.
const FREE: [libc::c_long; 19] = [
    // The job and the answer; only the three pipes are open.
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_writev,
    // Memory.
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    // Locks, yielding, time, randomness, processors and own costs.
    libc::SYS_futex,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_clock_gettime,
    libc::SYS_getrandom,
    libc::SYS_getrusage,
    // Ending, also by abort.
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// Installs the filter for good. `false` when the kernel has no such filters.
pub(super) fn filter() -> io::Result<bool> {
    let program = program().map_err(|error| io::Error::other(format!("seccomp: {error}")))?;
    match seccompiler::apply_filter(&program) {
        Ok(()) => Ok(true),
        Err(seccompiler::Error::Seccomp(error))
            if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOSYS)) =>
        {
            Ok(false)
        }
        Err(error) => Err(io::Error::other(format!("seccomp: {error}"))),
    }
}

fn program() -> Result<BpfProgram, seccompiler::BackendError> {
    let mut rules: BTreeMap<libc::c_long, Vec<SeccompRule>> = BTreeMap::new();
    for call in FREE {
        rules.insert(call, Vec::new());
    }
    // Private memory without a file that is never executable.
    let not_executable = masked(2, libc::PROT_EXEC, 0)?;
    let no_file = masked(3, libc::MAP_ANONYMOUS, libc::MAP_ANONYMOUS)?;
    let map = SeccompRule::new(vec![not_executable.clone(), no_file])?;
    rules.insert(libc::SYS_mmap, vec![map]);
    rules.insert(
        libc::SYS_mprotect,
        vec![SeccompRule::new(vec![not_executable])?],
    );
    // abort() sends itself SIGABRT; nobody else may be sent anything.
    let me = u64::from(std::process::id());
    let to_itself = SeccompRule::new(vec![
        equals(0, me)?,
        equals(2, u64::from(libc::SIGABRT.unsigned_abs()))?,
    ])?;
    rules.insert(libc::SYS_tgkill, vec![to_itself]);
    SeccompFilter::new(
        rules,
        SeccompAction::KillProcess,
        SeccompAction::Allow,
        TargetArch::try_from(std::env::consts::ARCH)?,
    )?
    .try_into()
}

/// The bits `mask` of argument `place` are `bits`.
fn masked(
    place: u8,
    mask: libc::c_int,
    bits: libc::c_int,
) -> Result<SeccompCondition, seccompiler::BackendError> {
    let mask = u64::from(mask.unsigned_abs());
    let bits = u64::from(bits.unsigned_abs());
    let compare = SeccompCmpOp::MaskedEq(mask);
    SeccompCondition::new(place, SeccompCmpArgLen::Dword, compare, bits)
}

fn equals(place: u8, value: u64) -> Result<SeccompCondition, seccompiler::BackendError> {
    SeccompCondition::new(place, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)
}
