//! The schema of the log file, and the checks that a file is one.
//!
//! Owns the table, the three triggers that make it append only, and the marks by which a file is known. The
//! triggers are part of the file and need no pragma, so they bind every program that opens it. They stop
//! accidents; whoever may write the file can drop them, and then the hash chain is the proof.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use super::StoreError;

/// `OSIX`: marks the file as ours.
pub(crate) const APPLICATION_ID: i32 = 0x4f53_4958;

/// The format of the file.
pub(crate) const FORMAT: i32 = 1;

/// Name and statement of each part. `INSERT OR REPLACE` deletes without firing a delete trigger (unless
/// `recursive_triggers` is on), so the insert trigger refuses whatever would replace a row.
const PARTS: [(&str, &str); 4] = [
    (
        "events",
        "CREATE TABLE events (
  seq INTEGER PRIMARY KEY,
  id BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
  sandbox TEXT NOT NULL,
  stream_seq INTEGER NOT NULL,
  kind TEXT NOT NULL,
  schema_version INTEGER NOT NULL,
  actor TEXT NOT NULL,
  at INTEGER NOT NULL,
  payload TEXT NOT NULL,
  prev_hash BLOB NOT NULL CHECK (length(prev_hash) = 32),
  hash BLOB NOT NULL CHECK (length(hash) = 32),
  UNIQUE (sandbox, stream_seq)
) STRICT",
    ),
    (
        "events_append",
        "CREATE TRIGGER events_append BEFORE INSERT ON events
WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM events)
  OR EXISTS (SELECT 1 FROM events WHERE id = NEW.id)
  OR EXISTS (SELECT 1 FROM events WHERE sandbox = NEW.sandbox AND stream_seq = NEW.stream_seq)
BEGIN SELECT RAISE(ABORT, 'events is append only: not the next event'); END",
    ),
    (
        "events_no_update",
        "CREATE TRIGGER events_no_update BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'events is append only: no update'); END",
    ),
    (
        "events_no_delete",
        "CREATE TRIGGER events_no_delete BEFORE DELETE ON events
BEGIN SELECT RAISE(ABORT, 'events is append only: no delete'); END",
    ),
];

/// Makes the schema in an empty file; in any other file checks that it is there and whole.
pub(crate) fn prepare(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    if inspect(connection, path)? { Ok(()) } else { create(connection) }
}

/// Whether the file has our schema, and all of it; an empty file has none yet.
pub(crate) fn inspect(connection: &Connection, path: &Path) -> Result<bool, StoreError> {
    let number = |name| connection.pragma_query_value(None, name, |row| row.get(0));
    let foreign = |error: rusqlite::Error| match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase) => StoreError::Foreign(path.into()),
        _ => error.into(),
    };
    let application: i32 = number("application_id").map_err(foreign)?;
    let format: i32 = number("user_version")?;
    let parts: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if (application, format, parts) == (0, 0, 0) {
        return Ok(false);
    }
    if application != APPLICATION_ID {
        return Err(StoreError::Foreign(path.into()));
    }
    if format != FORMAT {
        return Err(StoreError::Newer { path: path.into(), found: format, known: FORMAT });
    }
    check(connection, path)?;
    Ok(true)
}

fn create(connection: &mut Connection) -> Result<(), StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for (_, statement) in PARTS {
        transaction.execute_batch(statement)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", FORMAT)?;
    Ok(transaction.commit()?)
}

fn check(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    for (name, statement) in PARTS {
        let found: Option<String> = connection
            .query_row("SELECT sql FROM sqlite_schema WHERE name = ?1", [name], |row| row.get(0))
            .optional()?;
        if found.as_deref() != Some(statement) {
            return Err(StoreError::Altered { path: path.into(), name });
        }
    }
    Ok(())
}
