//! The log as lines of JSON, from any event on, also while a gateway writes to it.
//!
//! Proves the chain as it goes: nothing is handed on that does not follow from what is before it. Called by
//! `log export`, which decides when to look again.

use std::path::{Path, PathBuf};

use openshell_domain::id::{Digest, Seq};
use rusqlite::{Connection, OptionalExtension, params};

use super::row::int;
use super::{GENESIS, PAGE, page, read_only};
use crate::store::{Head, StoreError, schema};

/// A place in a log, with a connection that cannot write.
#[derive(Debug)]
pub(crate) struct Export {
    connection: Connection,
    path: PathBuf,
    head: Head,
}

impl Export {
    /// Begins with the event `from`.
    ///
    /// # Errors
    /// [`StoreError`] when the file is not a log, or ends before the event in front of `from`.
    pub(crate) fn open(path: &Path, from: Seq) -> Result<Self, StoreError> {
        let connection = read_only(path)?;
        if !schema::inspect(&connection, path)? {
            return Err(StoreError::Foreign(path.into()));
        }
        let before = from.saturating_sub(1);
        let head = if before == 0 { GENESIS } else { place(&connection, before)? };
        Ok(Self { connection, path: path.into(), head })
    }

    /// The next lines; none when there are no more for now.
    ///
    /// # Errors
    /// [`StoreError`] at the first event that does not follow, and when the file was replaced by a shorter one.
    pub(crate) fn lines(&mut self) -> Result<Vec<String>, StoreError> {
        let rows = page(&self.connection, self.head.seq, PAGE)?;
        rows.into_iter()
            .map(|row| {
                let head = row.link(&self.head)?;
                let line = row.to_json()?;
                self.head = head;
                Ok(line)
            })
            .collect()
    }

    /// A number that changes when another program has committed; `None` once the file has another name.
    ///
    /// # Errors
    /// [`StoreError`] when SQLite cannot tell.
    pub(crate) fn version(&self) -> Result<Option<i64>, StoreError> {
        if !self.path.exists() {
            return Ok(None);
        }
        Ok(Some(self.connection.pragma_query_value(None, "data_version", |row| row.get(0))?))
    }
}

/// The event at `seq` as what the next one follows.
fn place(connection: &Connection, seq: Seq) -> Result<Head, StoreError> {
    let hash: Option<[u8; 32]> = connection
        .query_row("SELECT hash FROM events WHERE seq = ?1", params![int(seq)?], |row| row.get(0))
        .optional()?;
    hash.map(|hash| Head { seq, hash: Digest(hash) }).ok_or(StoreError::NotYet(seq))
}
