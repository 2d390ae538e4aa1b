//! What a test may let a locked process attempt instead of running a model. Exists in builds with
//! debug assertions only: a release has neither the words nor the code.

use serde::{Deserialize, Serialize};

pub use crate::confine::Layer;

/// One attempt, with both layers or with one of them left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    pub attempt: Attempt,
    pub without: Option<Layer>,
}

/// What hostile native code might try once it runs inside the process. The names say it; the
/// system calls are in `crate::child::attempt`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Attempt {
    Open,
    OpenAt,
    OpenAt2,
    MakeFolder,
    Unlink,
    Truncate,
    Rename,
    Stat,
    Ioctl,
    /// Write to every descriptor above the three pipes.
    WriteInherited,
    Duplicate,
    MemoryFile,
    Mount,
    IoUring,
    /// Open, by the system calls of 32-bit pointers.
    OtherConvention,
    Socket,
    UnixSocket,
    SocketPair,
    SendMessage,
    Fork,
    Clone3,
    Thread,
    Exec,
    ExecAt,
    Ptrace,
    ReadParent,
    WriteParent,
    KillParent,
    /// The one signal that may be sent, to another process.
    AbortParent,
    /// Another signal to the one process that may be sent one.
    KillItselfOtherwise,
    KillAll,
    KillGroup,
    PidDescriptor,
    BecomeRoot,
    RaiseLimits,
    OutliveParent,
    StopTimer,
    IgnoreTimer,
    ExecutableMemory,
    MakeExecutable,
    Bpf,
    SharedMemory,
    Unshare,
    UserFaults,
    Keys,
    PerfEvents,
    /// Write to the pipe of the answer without an end.
    FloodAnswer,
    /// Write to standard error without an end.
    FloodComplaints,
    /// Never answer.
    Hang,
    /// Never answer, with every signal blocked that can be.
    BlockSignals,
    /// Touch memory that is not there.
    Crash,
    /// Need more stack than there is.
    Overflow,
    /// Answer that the platform was at fault.
    BlamePlatform,
}
