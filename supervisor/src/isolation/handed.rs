//! The standard descriptors that the command gets as they are: files, pipes and connected pairs.
//!
//! A descriptor belongs to the mounts and the network in which it was made, and takes both along. So none is handed in
//! through which more can be reached than itself: a folder, or a socket that can be connected to something else.

use std::io::IsTerminal as _;
use std::os::fd::BorrowedFd;

use rustix::fs::FileType;
use rustix::net::{AddressFamily, SocketType, sockopt};

use super::IsolationError;

/// The standard descriptors that are not terminals, with their numbers.
pub(super) fn in_order() -> (Vec<u8>, Vec<BorrowedFd<'static>>) {
    standard()
        .into_iter()
        .filter(|(_, descriptor, _)| !descriptor.is_terminal())
        .map(|(n, d, _)| (n, d))
        .unzip()
}

/// Refuses what may not be handed in.
///
/// # Errors
/// [`IsolationError::Refused`], with the descriptor's name and why.
pub(super) fn check() -> Result<(), IsolationError> {
    for (_, descriptor, name) in standard() {
        if let Some(why) = objection(descriptor) {
            let hint = "give it a file, a pipe or /dev/null";
            return Err(IsolationError::Refused(format!("{name} is {why}; {hint}")));
        }
    }
    Ok(())
}

fn standard() -> [(u8, BorrowedFd<'static>, &'static str); 3] {
    [
        (0, rustix::stdio::stdin(), "standard input"),
        (1, rustix::stdio::stdout(), "standard output"),
        (2, rustix::stdio::stderr(), "standard error"),
    ]
}

fn objection(descriptor: BorrowedFd<'_>) -> Option<&'static str> {
    // One that is closed is nothing to hand in.
    let kind = FileType::from_raw_mode(rustix::fs::fstat(descriptor).ok()?.st_mode);
    match kind {
        FileType::Directory => Some("a folder, through which all of the host's files can be named"),
        FileType::Socket if !is_tied(descriptor) => {
            Some("a socket of the host's network, which can be connected to something else")
        }
        FileType::BlockDevice => Some("a disk"),
        _ => None,
    }
}

/// Whether a socket leads to its peer and nowhere else: a stream of `AF_UNIX` that is connected stays so, everything
/// else can be disconnected or given an address with each message (`connect(2)`, `send(2)`).
fn is_tied(socket: BorrowedFd<'_>) -> bool {
    sockopt::socket_domain(socket) == Ok(AddressFamily::UNIX)
        && matches!(sockopt::socket_type(socket), Ok(SocketType::STREAM | SocketType::SEQPACKET))
        && rustix::net::getpeername(socket).is_ok()
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::os::fd::AsFd as _;
    use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};

    use super::*;

    #[test]
    fn only_what_leads_nowhere_else_is_handed_in() {
        let folder = tempfile::tempdir().unwrap();
        let (one, _other) = UnixStream::pair().unwrap();
        assert_eq!(objection(one.as_fd()), None);
        assert_eq!(objection(File::open("/dev/null").unwrap().as_fd()), None);
        assert_eq!(objection(std::io::pipe().unwrap().0.as_fd()), None);
        let (datagrams, _other) = UnixDatagram::pair().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let door = UnixListener::bind(folder.path().join("door")).unwrap();
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let held = File::open(folder.path()).unwrap();
        for refused in
            [datagrams.as_fd(), listener.as_fd(), stream.as_fd(), door.as_fd(), udp.as_fd(), held.as_fd()]
        {
            assert!(objection(refused).is_some(), "{refused:?}");
        }
    }
}
