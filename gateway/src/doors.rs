//! The two sockets: where they may be, who may open them, and what is served behind each.
//!
//! Role = door: `PATH` serves only the reviewers' service and `PATH.sandbox` only the supervisors', so that no
//! check in a handler can be forgotten. Refuses a directory that others could swap the socket in, a path that
//! does not fit, and a socket that somebody listens on. Stale sockets are removed; the caller holds the
//! database's lock by then. Called by [`crate::gateway`].

use std::fs::DirBuilder;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::fs::Mode;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use openshell_wire::door;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 128;

/// Why a socket cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum DoorError {
    /// The path does not fit into a socket address.
    #[error(
        "{} is {found} bytes long, a socket's path may have at most {}: choose a shorter --socket",
        .path.display(), door::MAX_SOCKET_PATH
    )]
    TooLong {
        /// The path of the longer of the two sockets.
        path: PathBuf,
        /// Its length in bytes.
        found: usize,
    },
    /// Others could put a socket of theirs in its place.
    #[error("{} {why}: choose a --socket in a directory that only you can write to", .directory.display())]
    Directory {
        /// The directory.
        directory: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// There is something that is not a socket.
    #[error("{} exists and is not a socket: remove it, or choose another --socket", .0.display())]
    NotASocket(PathBuf),
    /// Somebody listens there.
    #[error("{} is in use by another gateway: stop it, or choose another --socket", .0.display())]
    Live(PathBuf),
    /// The system refused.
    #[error("cannot listen on {}: {error}", .path.display())]
    Io {
        /// The socket or directory.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

/// A listening socket, removed when it is dropped unless somebody put another one there.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) path: PathBuf,
    identity: (u64, u64),
}

/// Opens both doors: reviewers', supervisors'.
pub(crate) fn open(socket: &Path) -> Result<[(Door, UnixListener); 2], DoorError> {
    let failed = |error| DoorError::Io { path: socket.into(), error };
    let socket = std::path::absolute(socket).map_err(failed)?;
    let sandbox = door::sandbox_door(&socket);
    let found = sandbox.as_os_str().as_bytes().len();
    if found > door::MAX_SOCKET_PATH {
        return Err(DoorError::TooLong { path: sandbox, found });
    }
    let directory = socket.parent().ok_or_else(|| DoorError::NotASocket(socket.clone()))?;
    settle(directory)?;
    // Both are free before either is taken, so that a refusal leaves nothing behind.
    clear(&socket)?;
    clear(&sandbox)?;
    // The reviewers' door last: whoever waited for it finds the other one open too.
    let sandbox = bind(sandbox)?;
    Ok([bind(socket)?, sandbox])
}

/// Makes the directory, or checks that nobody else may change what is in it.
fn settle(directory: &Path) -> Result<(), DoorError> {
    let failed = |error| DoorError::Io { path: directory.into(), error };
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
    let metadata = directory.metadata().map_err(failed)?;
    let refuse = |why| Err(DoorError::Directory { directory: directory.into(), why });
    let (owner, us) = (metadata.uid(), rustix::process::geteuid().as_raw());
    if owner != us && owner != 0 {
        return refuse(format!("belongs to uid {owner}, not to you (uid {us})"));
    }
    let mode = metadata.mode();
    if mode & 0o022 != 0 && mode & 0o1000 == 0 {
        return refuse(format!("can be written by others (mode {:04o})", mode & 0o7777));
    }
    Ok(())
}

/// Removes a socket that nobody listens on.
fn clear(path: &Path) -> Result<(), DoorError> {
    let failed = |error| DoorError::Io { path: path.into(), error };
    match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
        Ok(metadata) if !metadata.file_type().is_socket() => return Err(DoorError::NotASocket(path.into())),
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            tracing::info!(path = %path.display(), "removing a socket that a dead gateway left behind");
            std::fs::remove_file(path).map_err(failed)
        }
        // A full backlog is somebody who listens, too; anything else is for a person to look at.
        Ok(_) => Err(DoorError::Live(path.into())),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(DoorError::Live(path.into())),
        Err(error) => Err(failed(error)),
    }
}

fn bind(path: PathBuf) -> Result<(Door, UnixListener), DoorError> {
    let failed = |error: io::Error| DoorError::Io { path: path.clone(), error };
    let listen = || -> rustix::io::Result<_> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        // Linux gives the file the mode of the unbound socket: no moment in which others could connect, and
        // no umask, which belongs to the whole process.
        rustix::fs::fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
        rustix::net::bind(&socket, &SocketAddrUnix::new(path.as_path())?)?;
        rustix::net::listen(&socket, BACKLOG)?;
        Ok(socket)
    };
    let socket = listen().map_err(|error| failed(error.into()))?;
    let metadata = path.symlink_metadata().map_err(failed)?;
    let identity = (metadata.dev(), metadata.ino());
    Ok((Door { path, identity }, UnixListener::from(socket)))
}

impl Drop for Door {
    fn drop(&mut self) {
        let is_ours = self.path.symlink_metadata().is_ok_and(|m| (m.dev(), m.ino()) == self.identity);
        if is_ours && let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove the socket");
        }
    }
}

#[cfg(test)]
mod tests;
