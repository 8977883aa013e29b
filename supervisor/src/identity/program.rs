//! What programs have called: each file's SHA-256, taken once, beside the verdicts and never before one.
//!
//! No rule is about a hash, so no verdict waits for one: a program that calls for the first time is put on a bounded
//! list, and a thread of its own reads the file and writes the line. The file is opened while its process is held, so
//! that it is the one that called. What a file is, is its device, inode, size and times: a program that is upgraded
//! inside is another file, with a hash of its own, and is never denied for being new.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use openshell_domain::id::Digest;
use sha2::{Digest as _, Sha256};

use crate::log::line::{Line, Severity};

/// The most files that are remembered; the one that was seen first makes room.
const MAX_KNOWN: usize = 1024;
/// The most files that may wait to be read. What finds no room is put there at its next use.
const MAX_WAITING: usize = 64;
/// The longest file that is read, in bytes.
const MAX_BYTES: u64 = 1024 * 1024 * 1024;

/// One state of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FileId {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl FileId {
    /// The file that a path leads to.
    pub(super) fn at(path: &str) -> Option<Self> {
        std::fs::metadata(path).ok().map(|data| Self::of(&data))
    }

    fn of(data: &Metadata) -> Self {
        Self {
            device: data.dev(),
            inode: data.ino(),
            size: data.size(),
            modified: (data.mtime(), data.mtime_nsec()),
            changed: (data.ctime(), data.ctime_nsec()),
        }
    }

    /// Whether it is the same file, whatever was written to it in between.
    pub(super) fn is_same_file(self, other: Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }
}

/// A program that a process runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Program {
    pub(super) path: String,
    pub(super) file: FileId,
    pub(super) pid: i32,
}

/// A program that called for the first time, to be read.
#[derive(Debug)]
pub struct FirstUse {
    path: String,
    file: FileId,
    open: File,
    hash: FileHash,
}

/// What everybody who asks for the hash of one file holds: nothing, until the file has been read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileHash(Arc<OnceLock<Digest>>);

impl FileHash {
    /// The SHA-256, where it is known by now.
    #[must_use]
    pub fn get(&self) -> Option<Digest> {
        self.0.get().copied()
    }

    /// Tells everybody who holds it.
    pub(crate) fn set(&self, hash: Digest) {
        // It is the hash of one state of one file: whoever sets it again says the same.
        let _ = self.0.set(hash);
    }
}

/// The programs that have called.
#[derive(Debug)]
pub(super) struct Programs {
    known: Mutex<Known>,
    waiting: SyncSender<FirstUse>,
    unread: Mutex<Option<Receiver<FirstUse>>>,
}

/// Those that are read or wait for it, and in which order they came.
#[derive(Debug, Default)]
struct Known {
    files: BTreeMap<FileId, FileHash>,
    order: VecDeque<FileId>,
}

impl Programs {
    pub(super) fn new() -> Self {
        let (waiting, unread) = mpsc::sync_channel(MAX_WAITING);
        Self { known: Mutex::default(), waiting, unread: Mutex::new(Some(unread)) }
    }

    /// Notes that a program calls, and gives where its hash will be. Of many that call at once for the first time,
    /// one is read.
    pub(super) fn used(&self, program: &Program) -> FileHash {
        let (hash, is_new) = self.known().insert(program.file);
        if !is_new {
            return hash;
        }
        let put = || -> Option<()> {
            let open = File::open(format!("/proc/{}/exe", program.pid)).ok()?;
            // Another one by now: its own use notes it.
            let is_it = open.metadata().is_ok_and(|data| FileId::of(&data) == program.file);
            let (path, hash) = (program.path.clone(), hash.clone());
            let first = FirstUse { path, file: program.file, open, hash };
            is_it.then(|| self.waiting.try_send(first).ok()).flatten()
        };
        if put().is_none() {
            self.known().forget(program.file);
        }
        hash
    }

    /// Those that wait to be read, for the one who reads them.
    pub(super) fn unread(&self) -> Option<Receiver<FirstUse>> {
        self.unread.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Where its hash is, and whether it is new.
    fn insert(&mut self, file: FileId) -> (FileHash, bool) {
        if let Some(hash) = self.files.get(&file) {
            return (hash.clone(), false);
        }
        let hash = FileHash::default();
        self.files.insert(file, hash.clone());
        self.order.push_back(file);
        if self.order.len() > MAX_KNOWN
            && let Some(first) = self.order.pop_front()
        {
            self.files.remove(&first);
        }
        (hash, true)
    }

    fn forget(&mut self, file: FileId) {
        self.files.remove(&file);
        self.order.retain(|known| *known != file);
    }
}

impl FirstUse {
    /// Reads the file, tells its hash to whoever has asked for it and to the log, or there why there is none.
    #[must_use]
    pub fn line(self) -> Line {
        let size = self.file.size;
        let (severity, hash) = match self.read() {
            Ok(hash) => {
                self.hash.set(hash);
                (Severity::Info, hash.to_string())
            }
            Err(error) => (Severity::Low, format!("none, {error}")),
        };
        Line::Config {
            state: "PROGRAM",
            severity,
            message: format!("First use of {}", self.path),
            facts: vec![("sha256", hash), ("size", size.to_string())],
            proposal: None,
        }
    }

    fn read(&self) -> io::Result<Digest> {
        if self.file.size > MAX_BYTES {
            return Err(io::Error::other("the file is longer than 1 GiB"));
        }
        let mut hash = Sha256::new();
        let mut part = vec![0; 256 * 1024];
        // No more than it had: a file that grows under the reader would never end.
        let mut rest = (&self.open).take(self.file.size);
        loop {
            match rest.read(&mut part)? {
                0 => break,
                read => hash.update(part.get(..read).unwrap_or_default()),
            }
        }
        if FileId::of(&self.open.metadata()?) != self.file {
            return Err(io::Error::other("the file was changed while it was read"));
        }
        Ok(Digest(hash.finalize().into()))
    }
}

#[cfg(test)]
mod tests;
