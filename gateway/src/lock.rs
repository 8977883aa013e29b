//! One gateway per database: an advisory lock on `<database>.lock`, held as long as the log is open for writing.
//!
//! The file stays behind and only its lock means anything, so a killed gateway leaves nothing to clean up. It
//! holds the pid of the holder, for people. Called by the store before it opens a database.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Why the lock was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LockError {
    /// Another process has it.
    #[error("{} is in use by another gateway (pid {holder}): stop it, or choose another --db", .database.display())]
    Held {
        /// What it is a lock for.
        database: PathBuf,
        /// Who has it, as that process wrote it.
        holder: String,
    },
    /// The lock file cannot be used.
    #[error("cannot lock {}: {error}", .path.display())]
    Io {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
}

/// The lock, released when it is dropped.
#[derive(Debug)]
pub(crate) struct DatabaseLock {
    file: File,
}

impl Drop for DatabaseLock {
    /// Unlocks by name: a child that was forked a moment ago holds a copy of the descriptor until it executes,
    /// and closing ours alone would leave the lock with it.
    fn drop(&mut self) {
        if let Err(error) = self.file.unlock() {
            tracing::warn!(%error, "the database's lock was not released");
        }
    }
}

impl DatabaseLock {
    /// Takes the lock of a database, or says who has it.
    pub(crate) fn take(database: &Path) -> Result<Self, LockError> {
        let mut name = database.as_os_str().to_owned();
        name.push(".lock");
        let path = PathBuf::from(name);
        let failed = |error| LockError::Io { path: path.clone(), error };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LockError::Held { database: database.into(), holder: holder(&mut file) });
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let write = |file: &mut File| {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "{}", std::process::id())
        };
        write(&mut file).map_err(failed)?;
        Ok(Self { file })
    }
}

/// The pid in a lock file. It is text that anybody with access could have written: digits only.
fn holder(file: &mut File) -> String {
    let mut text = String::new();
    let read = file.take(32).read_to_string(&mut text).is_ok();
    let pid: String = text.chars().take_while(char::is_ascii_digit).collect();
    if read && !pid.is_empty() { pid } else { "unknown".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_gateway_learns_who_is_first_and_a_dead_one_leaves_no_trace() {
        let directory = tempfile::tempdir().unwrap();
        let database = directory.path().join("inbox.db");
        let first = DatabaseLock::take(&database).unwrap();
        let error = DatabaseLock::take(&database).unwrap_err().to_string();
        assert!(error.contains(&format!("(pid {})", std::process::id())), "{error}");
        drop(first);
        DatabaseLock::take(&database).unwrap();
    }

    #[test]
    fn a_copy_of_the_descriptor_in_a_forked_child_does_not_keep_a_released_lock() {
        let directory = tempfile::tempdir().unwrap();
        let database = directory.path().join("inbox.db");
        let first = DatabaseLock::take(&database).unwrap();
        let _copy = first.file.try_clone().unwrap();
        drop(first);
        DatabaseLock::take(&database).unwrap();
    }
}
