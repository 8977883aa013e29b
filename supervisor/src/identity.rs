//! Who is calling: from an accepted connection to the binaries behind it.
//!
//! Socket → inode (an exact `sock_diag` lookup) → the processes of this sandbox that hold it → executable and
//! ancestors up to the command, each the file that its path leads to in the tree as it was built. A connection that no
//! process of the sandbox holds has no caller and gets nothing. Each holder is pinned while it is read and looked at
//! again at the end. argv is never read; an interpreter is the binary. Blocking: called through `spawn_blocking`.

mod pinned;
mod process;
mod program;
mod remembered;
mod sock_diag;
mod sockets;
mod thread;

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::mpsc::Receiver;

use openshell_domain::policy::verdict::Caller;
pub(crate) use process::inode_in;
pub(crate) use remembered::DESCRIPTORS;

use pinned::Pinned;
use program::Programs;
pub use program::{FileHash, FirstUse};
use remembered::Remembered;

/// A process that holds a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Its pid.
    pub pid: i32,
    /// Its executable and ancestors.
    pub caller: Caller,
    /// The SHA-256 of the executable, once it has been read.
    pub sha256: FileHash,
}

impl Holder {
    /// One whose executable has not been read.
    #[must_use]
    pub fn new(pid: i32, caller: Caller) -> Self {
        Self { pid, caller, sha256: FileHash::default() }
    }
}

/// Why nobody was found behind a connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// The kernel does not know the socket (any more), or would not say.
    #[error("the connection's socket was not found: {0}")]
    NoSocket(String),
    /// No process below the supervisor has it open.
    #[error("the connection is not held by a process of this sandbox")]
    NotOurs,
    /// Who holds it changes faster than it can be looked at.
    #[error("the processes that hold the connection keep changing")]
    Unsettled,
    /// The sandbox has more processes than can be looked through.
    #[error("the sandbox has too many processes to tell who is calling")]
    TooMany,
    /// A process of the sandbox cannot be looked into, or its executable's file is gone.
    #[error("process {0} cannot be looked into")]
    Unreadable(i32),
}

/// How often the holders are looked for while they change: a shell's children come and go within microseconds.
const ATTEMPTS: usize = 32;

/// Tells callers apart: looks below one root process.
#[derive(Debug)]
pub struct Identifier {
    root: i32,
    tree: process::Tree,
    diag: Option<sock_diag::SockDiag>,
    programs: Programs,
    remembered: Remembered,
}

impl Identifier {
    /// Looks for callers among the descendants of this process, which must be a child subreaper for orphans to
    /// stay among them.
    #[must_use]
    pub fn new() -> Self {
        let root = i32::try_from(std::process::id()).unwrap_or_default();
        let diag = sock_diag::SockDiag::open().ok();
        Self {
            root,
            tree: process::Tree::Host,
            diag,
            programs: Programs::new(),
            remembered: Remembered::default(),
        }
    }

    /// Looks for callers among the descendants of the sandbox's first process, whose orphans it adopts; sockets are
    /// asked for through a `sock_diag` socket that was made inside.
    #[must_use]
    pub fn inside(init: i32, diag: Option<OwnedFd>) -> Self {
        let diag = diag.and_then(|socket| sock_diag::SockDiag::from_socket(socket).ok());
        Self {
            root: init,
            tree: process::Tree::Sandbox,
            diag,
            programs: Programs::new(),
            remembered: Remembered::default(),
        }
    }

    /// Every process that holds the client's end of a connection: `client` is its address, `listener` ours.
    ///
    /// # Errors
    /// [`IdentityError`]; the connection is to be refused then.
    pub fn identify(&self, client: SocketAddr, listener: SocketAddr) -> Result<Vec<Holder>, IdentityError> {
        let inode = match &self.diag {
            Some(diag) => {
                diag.inode(client, listener).map_err(|error| IdentityError::NoSocket(error.to_string()))
            }
            None => process::inode_from_proc(self.root, client, listener),
        }?;
        let settled = self.settle(inode)?;
        let holder = |pinned: Pinned| {
            let hashes: Vec<FileHash> =
                pinned.chain.iter().map(|program| self.programs.used(program)).collect();
            let chain = pinned.chain.into_iter().map(|program| program.path).collect();
            let sha256 = hashes.into_iter().next().unwrap_or_default();
            Holder { pid: pinned.pid, caller: Caller { chain }, sha256 }
        };
        Ok(settled.into_iter().map(holder).collect())
    }

    /// Looks until every process that holds the socket has been named, and then once more: one that came late is named
    /// too, one that is gone by the next look does not count, and one that is another by then is named anew.
    fn settle(&self, inode: u64) -> Result<Vec<Pinned>, IdentityError> {
        let (root, tree) = (self.root, self.tree);
        let mut named: Vec<Pinned> = Vec::new();
        let mut was_empty = false;
        let mut last = IdentityError::Unsettled;
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                // Whoever is coming or going may need a processor to get there.
                std::thread::yield_now();
            }
            let holding = match process::holders(root, inode, &self.remembered) {
                Ok(holding) => holding,
                Err(error) => {
                    last = error;
                    continue;
                }
            };
            if holding.is_empty() {
                if !std::mem::replace(&mut was_empty, true) {
                    // Whoever moves it to another descriptor while it is looked through may have been missed.
                    continue;
                }
                return Err(IdentityError::NotOurs);
            }
            named.retain(|pinned| holding.contains(&pinned.pid) && pinned.is_as_it_was(root, tree));
            let strangers: Vec<i32> =
                holding.into_iter().filter(|pid| named.iter().all(|pinned| pinned.pid != *pid)).collect();
            if strangers.is_empty() {
                return Ok(named);
            }
            for pid in strangers {
                match Pinned::open(root, pid, tree) {
                    Ok(pinned) => named.push(pinned),
                    Err(error) => last = error,
                }
            }
        }
        Err(last)
    }

    /// The programs that call for the first time, as they come, for the one who reads them; `None` where somebody
    /// does already.
    #[must_use]
    pub fn first_uses(&self) -> Option<Receiver<FirstUse>> {
        self.programs.unread()
    }
}

/// Whether the kernel can be asked exactly, tried on a connection of this process with itself.
#[must_use]
pub fn is_lookup_exact() -> bool {
    let try_it = || -> std::io::Result<u64> {
        let listener = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0))?;
        let stream = std::net::TcpStream::connect(listener.local_addr()?)?;
        sock_diag::SockDiag::open()?.inode(stream.local_addr()?, stream.peer_addr()?)
    };
    try_it().is_ok()
}

impl Default for Identifier {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
