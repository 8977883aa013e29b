//! Where events are kept: the seam between the gateway and a database.
//!
//! Owns what a log must do ([`EventLog`], [`EventReader`]) and how it can fail. SQLite is the only
//! implementation; nothing outside this module may know that. Called by the writer (append, recover) and by
//! streams that fell behind (read).

pub(crate) mod account;
pub(crate) mod archive;
mod budget;
pub(crate) mod key;
pub(crate) mod record;
mod reserve;
pub(crate) mod schema;
pub(crate) mod snapshot;
pub(crate) mod sqlite;
pub(crate) mod writer;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use openshell_domain::event::{Envelope, EventError};
use openshell_domain::id::{Digest, Seq};
use openshell_domain::state::{FoldError, State};
use rusqlite::{ErrorCode, ffi};

use crate::lock::LockError;
use account::Account;
use key::KeyError;
use record::Record;

/// The end of the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    /// The last event; 0 is none.
    pub(crate) seq: Seq,
    /// Its hash.
    pub(crate) hash: Digest,
}

/// The one writer's side of a log.
pub(crate) trait EventLog: Send + 'static {
    /// Appends all of them or none. When this returns `Ok`, they are on the disk.
    ///
    /// After an error the log may or may not hold them: [`Self::recover`] says.
    fn append(&mut self, records: &[Record]) -> Result<(), StoreError>;

    /// Makes the log usable after a failed append, and returns what it holds after `seq`.
    fn recover(&mut self, seq: Seq) -> Result<Vec<Record>, StoreError>;

    /// The end of what is on the disk.
    fn head(&self) -> Head;

    /// Whether the disk that is kept for decisions is there; makes it whole again if it can.
    fn has_reserve(&mut self) -> bool;

    /// Is told what the log adds up to now, for a later start to begin with. A log may forget it.
    fn keep(&mut self, _state: &Arc<State>, _account: &Account) {}

    /// Is told the same for the last time: nothing is appended any more.
    fn close(&mut self, _state: &Arc<State>, _account: &Account) {}
}

/// Anybody's side of a log.
pub(crate) trait EventReader: Send + Sync + 'static {
    /// The events after `seq`, at most `limit`.
    fn read(&self, seq: Seq, limit: u32) -> Result<Vec<Envelope>, StoreError>;
}

/// The name of a file beside a database.
fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut name: OsString = database.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Why a log cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// Another gateway has it.
    #[error("{0}")]
    Lock(#[from] LockError),
    /// The file or its directory cannot be made or opened.
    #[error("cannot open {}: {error}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The database refused for a reason of its own.
    #[error("the event log: {0}")]
    Sqlite(rusqlite::Error),
    /// No room.
    #[error("the disk of the event log is full: free some space, the gateway goes on by itself")]
    DiskFull,
    /// Nothing can be written.
    #[error(
        "the event log cannot be written ({0}): make its disk and file writable, the gateway goes on by itself"
    )]
    ReadOnly(rusqlite::Error),
    /// Somebody else is writing.
    #[error("another program has held the event log locked for {} s: let it finish or stop it (a gateway needs nobody beside it that writes), the gateway goes on by itself", .0.as_secs())]
    Busy(Duration),
    /// The disk failed.
    #[error(
        "the disk of the event log fails ({}): see the system's log; the gateway goes on by itself once it works", failed(.0)
    )]
    Io(rusqlite::Error),
    /// Pages are not what SQLite wrote.
    #[error("the file of the event log is damaged ({}): restore a backup", .0.as_deref().unwrap_or("SQLite cannot read a page of it"))]
    Damaged(Option<String>),
    /// A file of some other program.
    #[error("{} is not an openshell-inbox event log: choose another --db", .0.display())]
    Foreign(PathBuf),
    /// Written by a newer version.
    #[error("{} has format {found}, this program knows up to {known}: use a newer one", .path.display())]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Its format.
        found: i32,
        /// The newest known one.
        known: i32,
    },
    /// The table or a trigger is not what it was made as.
    #[error("{}: {name} has been altered, so the log is no longer append only", .path.display())]
    Altered {
        /// Which file.
        path: PathBuf,
        /// Which part of its schema.
        name: &'static str,
    },
    /// An event does not follow from the one before it.
    #[error("the hash chain breaks at event {0}: the log was changed after it was written")]
    Chain(Seq),
    /// A column holds what the gateway never writes.
    #[error("event {seq} cannot be read: {why}")]
    Row {
        /// Where.
        seq: Seq,
        /// What is wrong.
        why: String,
    },
    /// The payload cannot be read.
    #[error("{0}")]
    Event(#[from] EventError),
    /// The payload or the actor cannot be written.
    #[error("an event cannot be written: {0}")]
    Json(#[from] serde_json::Error),
    /// An event does not follow from those before it.
    #[error("{0}")]
    Fold(#[from] FoldError),
    /// The log ends before what was already answered.
    #[error("the log ends before event {0}, which had been stored: the file was replaced")]
    Shorter(Seq),
    /// The file under this name is another one now.
    #[error("{} was moved, deleted or replaced while the gateway ran: put it back, or start the gateway anew", .0.display())]
    Replaced(PathBuf),
    /// An event's number in its stream is not the next one.
    #[error("event {seq} is number {found} of the stream {stream:?}, and should be number {wanted}")]
    Stream {
        /// Where.
        seq: Seq,
        /// Whose stream.
        stream: String,
        /// The number after the last one of the stream.
        wanted: u64,
        /// The number found.
        found: u64,
    },
    /// A checkpoint in the log proves nothing.
    #[error("the checkpoint in event {seq}: {why}")]
    Checkpoint {
        /// Where.
        seq: Seq,
        /// What is wrong.
        why: String,
    },
    /// Another history than the one that a checkpoint from elsewhere signs.
    #[error("event {seq} has the hash {found}, the checkpoint signs {signed}: the log was written anew")]
    Rewritten {
        /// Where.
        seq: Seq,
        /// The hash in the log.
        found: Digest,
        /// The hash in the checkpoint.
        signed: Digest,
    },
    /// Less than a checkpoint from elsewhere signs.
    #[error(
        "the log ends with event {end} and does not hold the checkpoint after event {signed}: it was cut off, or is another log"
    )]
    Truncated {
        /// The last event in the log.
        end: Seq,
        /// The event that the checkpoint signs.
        signed: Seq,
    },
    /// The snapshot is not what the log makes.
    #[error(
        "the snapshot of event {0} is not what the log adds up to there: stop the gateway and remove the .snapshot file beside the database, and the next start folds the log itself"
    )]
    Snapshot(Seq),
    /// Asked for an event that is not there.
    #[error("the log has no event {0} yet")]
    NotYet(Seq),
    /// There is a file already.
    #[error("{} is there already: choose another name, nothing is overwritten", .0.display())]
    Taken(PathBuf),
    /// The key that signs checkpoints.
    #[error("{0}")]
    Key(#[from] KeyError),
}

/// What the disk could not do: SQLite says `disk I/O error` for everything.
fn failed(error: &rusqlite::Error) -> String {
    let code = error.sqlite_error().map_or(0, |error| error.extended_code);
    match code {
        ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC => {
            "fsync: what was written is not safe".to_owned()
        }
        ffi::SQLITE_IOERR_WRITE => "write".to_owned(),
        ffi::SQLITE_IOERR_READ | ffi::SQLITE_IOERR_SHORT_READ => "read".to_owned(),
        _ => format!("{error}, code {code}"),
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::Error;
        if let Error::InvalidColumnType(..)
        | Error::FromSqlConversionFailure(..)
        | Error::IntegralValueOutOfRange(..)
        | Error::Utf8Error(..) = &error
        {
            return Self::Damaged(Some(format!("a column holds what no gateway writes: {error}")));
        }
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::DiskFull,
            Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
                Self::ReadOnly(error)
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy(sqlite::BUSY),
            Some(ErrorCode::SystemIoFailure) => Self::Io(error),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged(None),
            _ => Self::Sqlite(error),
        }
    }
}

impl StoreError {
    /// The event that is wrong, where it is one.
    pub(crate) fn place(&self) -> Option<Seq> {
        match self {
            Self::Chain(seq)
            | Self::Row { seq, .. }
            | Self::Stream { seq, .. }
            | Self::Checkpoint { seq, .. }
            | Self::Rewritten { seq, .. }
            | Self::Event(
                EventError::NewerSchema { seq, .. }
                | EventError::NotLifted { seq, .. }
                | EventError::Unreadable { seq, .. },
            ) => Some(*seq),
            _ => None,
        }
    }

    /// Whether everything before the place that it names is still proven.
    pub(crate) fn is_partial(&self) -> bool {
        !matches!(self, Self::Rewritten { .. } | Self::Truncated { .. })
    }

    /// Whether this says something of what is stored, and not of the way to it.
    pub(crate) fn is_damage(&self) -> bool {
        matches!(
            self,
            Self::Damaged(_)
                | Self::Altered { .. }
                | Self::Chain(_)
                | Self::Row { .. }
                | Self::Event(EventError::Unreadable { .. } | EventError::NotLifted { .. })
                | Self::Fold(_)
                | Self::Shorter(_)
                | Self::Replaced(_)
                | Self::Stream { .. }
                | Self::Checkpoint { .. }
                | Self::Rewritten { .. }
                | Self::Truncated { .. }
                | Self::Snapshot(_)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_disk_and_a_full_one_are_told_apart_and_neither_is_damage() {
        let told = |extended_code| {
            let error = rusqlite::Error::SqliteFailure(ffi::Error::new(extended_code), None);
            StoreError::from(error)
        };
        let fsync = told(ffi::SQLITE_IOERR_FSYNC);
        assert!(fsync.to_string().contains("fails (fsync"), "{fsync}");
        assert!(told(ffi::SQLITE_IOERR_WRITE).to_string().contains("fails (write)"));
        assert!(told(ffi::SQLITE_IOERR_LOCK).to_string().contains("code 3850"));
        let full = told(ffi::SQLITE_FULL);
        assert!(full.to_string().contains("is full: free some space"), "{full}");
        let read_only = told(ffi::SQLITE_READONLY);
        assert!(read_only.to_string().contains("make its disk and file writable"), "{read_only}");
        assert!(![fsync, full, read_only].iter().any(StoreError::is_damage));
    }
}
