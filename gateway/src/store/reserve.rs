//! Disk that is kept for decisions: an agent may fill the log's disk, and a reviewer can still refuse it.
//!
//! The reserve is allocated, not counted: blocks past the end of the database file and of its write-ahead log
//! belong to those files, so nobody who fills the disk (an agent's own files lie on it as well) can take them.
//! A file to be deleted in need could be taken the moment it is given up, and a look at the free space promises
//! nothing. Where a file system cannot allocate, the free space has to do. While the reserve is not whole,
//! submissions are refused; decisions use it. Called by the SQLite log and, through it, by the writer.

use std::fs::{File, Metadata, OpenOptions};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{FallocateFlags, fallocate, fstatvfs};
use rustix::io::Errno;

/// How much is kept for the database file, in bytes.
pub(crate) const RESERVE: u64 = 64 * 1024 * 1024;

/// How much is kept for the write-ahead log. SQLite moves it into the database at 4 MiB; a group of decisions
/// with large policies comes on top.
const WAL_RESERVE: u64 = 8 * 1024 * 1024;

/// How far ahead it is allocated, so that not every group has to.
const STEP: u64 = 4 * 1024 * 1024;

/// The reserve of one log.
#[derive(Debug)]
pub(crate) struct Reserve {
    /// Opened before SQLite opens the file, and closed after it: closing any descriptor of a file drops all locks
    /// that the process has on it.
    database: File,
    /// Up to where it is allocated; 0 where nothing is.
    until: u64,
    /// What was found the last time; at first what is hoped for, so that the opposite is told.
    is_whole: bool,
}

impl Reserve {
    /// Over a database file that nobody has opened yet.
    pub(crate) fn new(database: File) -> Self {
        Self { database, until: 0, is_whole: true }
    }

    /// Whether this is the file.
    pub(crate) fn is_file(&self, found: &Metadata) -> bool {
        let is_same = |own: Metadata| (own.dev(), own.ino()) == (found.dev(), found.ino());
        self.database.metadata().is_ok_and(is_same)
    }

    /// Makes the reserve whole again where it can, and tells whether it is.
    pub(crate) fn fill(&mut self, wal: &Path) -> bool {
        let (is_whole, why) = match self.try_fill(wal) {
            Ok(is_whole) => (is_whole, "there is no room".to_owned()),
            Err(error) => (false, error.to_string()),
        };
        match (self.is_whole, is_whole) {
            (true, false) => {
                tracing::warn!(why, "the disk kept for decisions is not all there: agents are refused");
            }
            (false, true) => tracing::info!("the disk kept for decisions is there again"),
            _ => {}
        }
        self.is_whole = is_whole;
        is_whole
    }

    fn try_fill(&mut self, wal: &Path) -> std::io::Result<bool> {
        let size = self.database.metadata()?.size();
        if size.saturating_add(RESERVE) <= self.until {
            return Ok(true);
        }
        let until = size.saturating_add(RESERVE + STEP);
        if !(allocate(&self.database, until)? && allocate_wal(wal)?) {
            return has_room(&self.database);
        }
        self.until = until;
        Ok(true)
    }
}

/// Keeps blocks for a file up to `until`, past its end; false where the file system cannot.
fn allocate(file: &File, until: u64) -> std::io::Result<bool> {
    match fallocate(file, FallocateFlags::KEEP_SIZE, 0, until) {
        Ok(()) => Ok(true),
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// SQLite's locks are on the database and on the `-shm` file: this one can be opened and closed.
fn allocate_wal(wal: &Path) -> std::io::Result<bool> {
    match OpenOptions::new().write(true).open(wal) {
        Ok(file) => allocate(&file, WAL_RESERVE),
        // There is none before the first write.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}

fn has_room(file: &File) -> std::io::Result<bool> {
    let disk = fstatvfs(file)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize) >= RESERVE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_taken_past_the_end_and_the_file_stays_as_long_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, "x").unwrap();
        let mut reserve = Reserve::new(OpenOptions::new().write(true).open(&path).unwrap());
        assert!(reserve.fill(&folder.path().join("a-wal")));
        let metadata = path.metadata().unwrap();
        assert_eq!(metadata.size(), 1);
        assert!(metadata.blocks() * 512 >= RESERVE, "{}", metadata.blocks());
    }
}
