//! The words between the runner and its fork server: one JSON text a packet, at most three
//! descriptors beside it. The fork server is ours and never reads a byte of a model, so that both
//! sides believe each other; the model's process does not hold this socket.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use nix::cmsg_space;
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg,
    sendmsg, socketpair,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::confine::SandboxLevel;

/// Largest packet; the longest is an error message.
const PACKET_BYTES_MAX: usize = 8 << 10;

/// Runner to fork server.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Order {
    /// Fork a process for one model; its standard input, output and error come beside this.
    Fork { id: u64 },
    /// End the process of `id` if it still runs.
    Kill { id: u64 },
}

/// Fork server to runner.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum News {
    /// The runtime is loaded and a process on trial was locked.
    Ready {
        runtime_us: u64,
        address_space_bytes: u64,
        sandbox: SandboxLevel,
    },
    /// It cannot be used here.
    NotReady { what: String },
    /// The process of `id` has ended, or could not be made.
    Ended { id: u64, end: End },
}

/// How a process ended and what the kernel says that it took.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct End {
    /// As `wait` gives it; absent when there never was a process.
    pub(crate) status: Option<i32>,
    pub(crate) cpu_us: u64,
    pub(crate) peak_bytes: u64,
}

/// Two connected sockets that keep packets apart and notice when the other side ends.
pub(crate) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let kind = SockType::SeqPacket;
    Ok(socketpair(
        AddressFamily::Unix,
        kind,
        None,
        SockFlag::SOCK_CLOEXEC,
    )?)
}

/// Never waits: a side that does not read is as good as dead.
pub(crate) fn send(
    socket: &impl AsRawFd,
    words: &impl Serialize,
    descriptors: &[RawFd],
) -> io::Result<()> {
    let text = serde_json::to_vec(words)?;
    let beside = [ControlMessage::ScmRights(descriptors)];
    let beside = if descriptors.is_empty() {
        &[]
    } else {
        &beside[..]
    };
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
    let parts = [IoSlice::new(&text)];
    sendmsg::<()>(socket.as_raw_fd(), &parts, beside, flags, None)?;
    Ok(())
}

/// Waits for the next packet; `None` when the other side has ended.
pub(crate) fn receive<T: DeserializeOwned>(
    socket: &impl AsRawFd,
) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
    let mut text = vec![0; PACKET_BYTES_MAX];
    let mut space = cmsg_space!([RawFd; 3]);
    let mut parts = [IoSliceMut::new(&mut text)];
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let got = recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut space), flags)?;
    let mut descriptors = Vec::new();
    for beside in got.cmsgs()? {
        if let ControlMessageOwned::ScmRights(numbers) = beside {
            #[expect(unsafe_code, reason = "the kernel has just made these descriptors")]
            // SAFETY: each number is a new descriptor of this process that nobody else owns.
            descriptors.extend(
                numbers
                    .into_iter()
                    .map(|number| unsafe { OwnedFd::from_raw_fd(number) }),
            );
        }
    }
    let length = got.bytes;
    if length == 0 {
        return Ok(None);
    }
    Ok(Some((
        serde_json::from_slice(&text[..length])?,
        descriptors,
    )))
}
