//! Which sockets a process has open: its descriptors, looked through no further than needed.
//!
//! A descriptor costs a `readlink` of two to five microseconds, and this is where the time goes. That a process holds a
//! socket is told by one descriptor; that it does not, by all of them. Where the socket was found is noted too: the
//! next look asks there first.

use std::mem::MaybeUninit;

use rustix::fs::{CWD, Mode, OFlags, RawDir};
use rustix::io::Errno;

use super::IdentityError;
use super::process::gone;

/// The most sockets of a process that are remembered, so that all of them together have a bound.
const MAX_SOCKETS: usize = 256;

/// What was found among the descriptors of one process.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    found: Vec<Socket>,
    /// Whether there are no others.
    is_all: bool,
}

#[derive(Debug)]
struct Socket {
    inode: u64,
    descriptor: i32,
}

impl Sockets {
    /// Looks through the descriptors of `pid` until the socket is found; there are none where the process has ended.
    pub(super) fn look_for(pid: i32, inode: u64) -> Result<Self, IdentityError> {
        let mut sockets = Self::default();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = match rustix::fs::openat(CWD, format!("/proc/{pid}/fd"), flags, Mode::empty()) {
            Ok(folder) => folder,
            Err(error) => return gone(pid, &error.into()).map(|()| Self { is_all: true, ..sockets }),
        };
        // By their numbers in an open folder, without a path made for each, and few at a time: most programs call on
        // one of their first.
        let mut entries = [MaybeUninit::uninit(); 1024];
        let mut descriptors = RawDir::new(&folder, &mut entries);
        while let Some(descriptor) = descriptors.next() {
            let name = match &descriptor {
                Ok(descriptor) => descriptor.file_name(),
                // It would be said again for ever.
                Err(error) => {
                    return gone(pid, &(*error).into()).map(|()| Self { is_all: true, ..sockets });
                }
            };
            // Longer than any socket's; what is cut is not one.
            let mut link = [MaybeUninit::uninit(); 64];
            match rustix::fs::readlinkat_raw(&folder, name, &mut link[..]) {
                Ok((link, _)) => {
                    let Some(socket) = Socket::new(link, name.to_bytes()) else { continue };
                    let is_it = socket.inode == inode;
                    sockets.found.push(socket);
                    if is_it {
                        return Ok(sockets);
                    }
                }
                // The folder itself and the one above it.
                Err(Errno::INVAL) => {}
                Err(error) => gone(pid, &error.into())?,
            }
        }
        Ok(Self { is_all: true, ..sockets })
    }

    /// Whether the process had the socket open; `None` where it was not looked for far enough.
    pub(super) fn has(&self, inode: u64) -> Option<bool> {
        let has = self.found.iter().any(|socket| socket.inode == inode);
        (has || self.is_all).then_some(has)
    }

    /// Whether the socket is where it was found, whatever else has changed since.
    pub(super) fn is_still_at_its_place(&self, pid: i32, inode: u64) -> bool {
        self.found.iter().filter(|socket| socket.inode == inode).any(|found| {
            let path = format!("/proc/{pid}/fd/{}", found.descriptor);
            let mut link = [MaybeUninit::uninit(); 64];
            rustix::fs::readlinkat_raw(CWD, path, &mut link[..])
                .is_ok_and(|(link, _)| socket(link) == Some(inode))
        })
    }

    /// As many as may be remembered.
    pub(super) fn bounded(mut self) -> Self {
        if self.found.len() > MAX_SOCKETS {
            // The last one is the one that was asked for.
            self.found.drain(..self.found.len() - MAX_SOCKETS);
            self.is_all = false;
        }
        self
    }
}

impl Socket {
    fn new(link: &[u8], name: &[u8]) -> Option<Self> {
        let descriptor = std::str::from_utf8(name).ok()?.parse().ok()?;
        Some(Self { inode: socket(link)?, descriptor })
    }
}

/// The inode in `socket:[inode]`.
fn socket(link: &[u8]) -> Option<u64> {
    let inode = link.strip_prefix(b"socket:[")?.strip_suffix(b"]")?;
    std::str::from_utf8(inode).ok()?.parse().ok()
}

#[cfg(test)]
impl Sockets {
    pub(super) fn all_of(inodes: &[u64]) -> Self {
        let found = inodes.iter().map(|inode| Socket { inode: *inode, descriptor: 0 }).collect();
        Self { found, is_all: true }
    }
}

#[cfg(test)]
mod tests;
