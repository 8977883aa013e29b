//! The socket between the supervisor and its two stages: small JSON messages, descriptors beside them.
//!
//! `SOCK_SEQPACKET`, so that a message is whole or absent and the death of one end is seen at the other. What may be
//! long (the specification) travels in a memory file. Never inherited by the command.

use std::io::{self, IoSlice, IoSliceMut, Read as _, Seek as _, SeekFrom, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::fs::MemfdFlags;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::failure::Failure;

/// The longest message, in bytes.
const MAX_MESSAGE: usize = 16 * 1024;
/// The most descriptors beside one message.
const MAX_DESCRIPTORS: usize = 4;

/// What the supervisor tells the stages.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Order {
    /// To stage 1: the specification, a memory file, is beside it.
    Build,
    /// To stage 2: start the command; which of its descriptors 0 to 2 are beside it, in their order.
    Start {
        /// The descriptors that are not the fresh terminal.
        given: Vec<u8>,
    },
    /// To stage 2: pass this signal on to the command.
    Signal(i32),
}

/// What the stages tell the supervisor.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum News {
    /// From stage 1: the namespaces stand; the listener and, if there is one, the `sock_diag` socket are beside it.
    Ready {
        /// Stage 2, as the host numbers it.
        init: i32,
    },
    /// From stage 2: everything is in place; the fresh terminal is beside it if one was asked for.
    Built,
    /// From stage 2: the command runs.
    Running,
    /// From stage 2: the command did not start; the error's number.
    NotStarted(i32),
    /// From either: it cannot be done.
    Failed(Failure),
}

/// One end of the socket.
#[derive(Debug)]
pub(crate) struct Control<F: AsFd = OwnedFd>(F);

impl Control {
    /// Both ends. Neither survives an `exec` unless it is made a standard descriptor.
    pub(crate) fn pair() -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) =
            rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        Ok((Self(ours), theirs))
    }

    /// Waits at most this long for a message.
    pub(crate) fn set_deadline(&self, deadline: Duration) -> io::Result<()> {
        let timeout = rustix::net::sockopt::Timeout::Recv;
        Ok(rustix::net::sockopt::set_socket_timeout(&self.0, timeout, Some(deadline))?)
    }
}

impl<F: AsFd> Control<F> {
    /// The end of a stage: its standard input.
    pub(crate) fn new(socket: F) -> Self {
        Self(socket)
    }

    /// Sends a message and descriptors.
    pub(crate) fn send<T: Serialize>(&self, message: &T, beside: &[BorrowedFd<'_>]) -> io::Result<()> {
        let bytes = serde_json::to_vec(message)?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        let mut rights = SendAncillaryBuffer::new(&mut space);
        if !beside.is_empty() && !rights.push(SendAncillaryMessage::ScmRights(beside)) {
            return Err(io::Error::other("too many descriptors for one message"));
        }
        rustix::net::sendmsg(&self.0, &[IoSlice::new(&bytes)], &mut rights, SendFlags::NOSIGNAL)?;
        Ok(())
    }

    /// The next message and its descriptors; none when the other end is gone.
    pub(crate) fn receive<T: DeserializeOwned>(&self) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
        let mut bytes = vec![0; MAX_MESSAGE];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        let mut rights = RecvAncillaryBuffer::new(&mut space);
        let received = rustix::io::retry_on_intr(|| {
            rustix::net::recvmsg(
                &self.0,
                &mut [IoSliceMut::new(&mut bytes)],
                &mut rights,
                RecvFlags::CMSG_CLOEXEC,
            )
        })?;
        if received.bytes == 0 {
            return Ok(None);
        }
        if received.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
            return Err(io::Error::other("a message was cut short"));
        }
        bytes.truncate(received.bytes);
        let mut beside = Vec::new();
        for message in rights.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                beside.extend(descriptors);
            }
        }
        Ok(Some((serde_json::from_slice(&bytes)?, beside)))
    }
}

impl<F: AsFd> AsFd for Control<F> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Writes a value into a memory file.
pub(crate) fn to_memory<T: Serialize>(value: &T) -> io::Result<OwnedFd> {
    let memory = rustix::fs::memfd_create("openshell-spec", MemfdFlags::CLOEXEC)?;
    let mut file = std::fs::File::from(memory);
    file.write_all(&serde_json::to_vec(value)?)?;
    Ok(file.into())
}

/// Reads a value from a memory file, from its beginning.
pub(crate) fn from_memory<T: DeserializeOwned>(memory: OwnedFd) -> io::Result<T> {
    let mut file = std::fs::File::from(memory);
    file.seek(SeekFrom::Start(0))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(serde_json::from_slice(&bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_and_descriptors_arrive_whole_and_the_end_is_seen() {
        let (ours, theirs) = Control::pair().unwrap();
        let theirs = Control::new(theirs);
        let memory = to_memory(&vec!["x".repeat(100_000)]).unwrap();
        ours.send(&Order::Signal(15), &[]).unwrap();
        ours.send(&Order::Build, &[memory.as_fd()]).unwrap();
        assert!(matches!(theirs.receive().unwrap(), Some((Order::Signal(15), beside)) if beside.is_empty()));
        let (order, mut beside) = theirs.receive::<Order>().unwrap().unwrap();
        assert!(matches!(order, Order::Build));
        let text: Vec<String> = from_memory(beside.remove(0)).unwrap();
        assert_eq!(text[0].len(), 100_000);
        drop(ours);
        assert!(theirs.receive::<Order>().unwrap().is_none());
    }
}
