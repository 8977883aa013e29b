//! Who is on the other end of a socket: only processes of the gateway's own PID namespace come in.
//!
//! A second wall, should the path of a door ever leak into a sandbox: whoever lives in a namespace of its own is
//! refused, and so is whoever cannot be looked at. The peer is asked for as a pidfd where Linux has that (6.5),
//! because a number can be another process by now. Called for each connection, before a byte is read.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use tokio::net::UnixStream;

/// Why a peer is not let in.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Stranger {
    /// It has a number in another namespace as well.
    #[error("the peer lives in another PID namespace")]
    Elsewhere,
    /// It cannot be looked at.
    #[error("the peer cannot be looked at: {0}")]
    Unknown(String),
}

/// Lets in whoever lives in the namespace of this process.
pub(crate) fn check(stream: &UnixStream) -> Result<(), Stranger> {
    let unknown = |error: std::io::Error| Stranger::Unknown(error.to_string());
    let place = match peer_pidfd(stream.as_fd()) {
        Ok(pidfd) => {
            let place = format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd());
            return judge(&std::fs::read_to_string(place).map_err(unknown)?);
        }
        Err(error) if error.raw_os_error() == Some(libc::ENOPROTOOPT) => {
            let pid = stream.peer_cred().map_err(unknown)?.pid();
            let pid = pid.filter(|pid| *pid > 0).ok_or(Stranger::Elsewhere)?;
            format!("/proc/{pid}/status")
        }
        Err(error) => return Err(unknown(error)),
    };
    judge(&std::fs::read_to_string(place).map_err(unknown)?)
}

/// Reads `NSpid:`: one number for each namespace from this one down to the process's own.
fn judge(status: &str) -> Result<(), Stranger> {
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    let numbers = numbers.ok_or_else(|| Stranger::Unknown("it has ended".to_owned()))?;
    match numbers.split_whitespace().collect::<Vec<_>>()[..] {
        [number] if number.parse::<u32>().is_ok_and(|number| number > 0) => Ok(()),
        [] | [_] => Err(Stranger::Unknown("it has ended".to_owned())),
        [_, ..] => Err(Stranger::Elsewhere),
    }
}

/// `SO_PEERPIDFD`, which no library of the tree has.
#[expect(unsafe_code, reason = "getsockopt writes one descriptor, which is ours then")]
fn peer_pidfd(socket: BorrowedFd<'_>) -> std::io::Result<OwnedFd> {
    const SO_PEERPIDFD: libc::c_int = 77;
    let mut descriptor: libc::c_int = -1;
    let mut length: libc::socklen_t = 4;
    // SAFETY: both pointers are to locals of the sizes that are named, and live until it returns.
    let answer = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            SO_PEERPIDFD,
            (&raw mut descriptor).cast(),
            &raw mut length,
        )
    };
    if answer != 0 {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_number_is_a_neighbour_and_everything_else_a_stranger() {
        assert_eq!(judge("pos:\t0\nPid:\t12\nNSpid:\t12\n"), Ok(()));
        assert_eq!(judge("Pid:\t12\nNSpid:\t12\t1\n"), Err(Stranger::Elsewhere));
        assert_eq!(judge("Pid:\t12\nNSpid:\t12\t7\t1\n"), Err(Stranger::Elsewhere));
        for ended in ["", "Pid:\t-1\n", "NSpid:\t-1\n", "NSpid:\t0\n", "NSpid:\t\n", "NSpid:\tx\n"] {
            assert!(matches!(judge(ended), Err(Stranger::Unknown(_))), "{ended:?}");
        }
    }

    #[tokio::test]
    async fn this_process_is_its_own_neighbour() {
        let (one, _other) = UnixStream::pair().unwrap();
        assert_eq!(check(&one), Ok(()));
    }
}
