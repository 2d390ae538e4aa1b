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

/// Allowed with any arguments. Honest models were seen to use the first three groups; the rest is
/// what the same code uses when memory is short, a lock is contended or a check of its own fails.
const FREE: [libc::c_long; 17] = [
    // The job and the answer; only the three pipes are open.
    libc::SYS_read,
    libc::SYS_write,
    // Memory.
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    // Locks and the end.
    libc::SYS_futex,
    libc::SYS_exit,
    libc::SYS_exit_group,
    // Yielding, time where the kernel must be asked, seeds of hash tables.
    libc::SYS_sched_yield,
    libc::SYS_clock_gettime,
    libc::SYS_getrandom,
    // The last words of abort() and what it needs for sending itself SIGABRT.
    libc::SYS_writev,
    libc::SYS_rt_sigprocmask,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_restart_syscall,
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
