//! Where events are kept: the seam between the gateway and a database.
//!
//! Owns what a log must do ([`EventLog`], [`EventReader`]) and how it can fail. SQLite is the only
//! implementation; nothing outside this module may know that. Called by the writer (append, recover) and by
//! streams that fell behind (read).

pub(crate) mod schema;
pub(crate) mod sqlite;
pub(crate) mod writer;

use std::path::PathBuf;
use std::sync::Arc;

use openshell_domain::event::{Envelope, EventError};
use openshell_domain::id::Seq;
use openshell_domain::state::FoldError;

use crate::lock::LockError;

/// The one writer's side of a log.
pub(crate) trait EventLog: Send + 'static {
    /// Appends all of them or none. When this returns `Ok`, they are on the disk.
    ///
    /// After an error the log may or may not hold them: [`Self::recover`] says.
    fn append(&mut self, events: &[Arc<Envelope>]) -> Result<(), StoreError>;

    /// Makes the log usable after a failed append, and returns what it holds after `seq`.
    fn recover(&mut self, seq: Seq) -> Result<Vec<Envelope>, StoreError>;
}

/// Anybody's side of a log.
pub(crate) trait EventReader: Send + Sync + 'static {
    /// The events after `seq`, at most `limit`.
    fn read(&self, seq: Seq, limit: u32) -> Result<Vec<Envelope>, StoreError>;
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
    /// The database refused.
    #[error("the event log: {0}")]
    Sqlite(#[from] rusqlite::Error),
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
}
