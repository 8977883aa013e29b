//! The log in one SQLite file: WAL, `synchronous=FULL`, one writing connection, readers with their own.
//!
//! Owns the hash chain: it computes each hash when it appends and proves all of them when it opens. Refuses a
//! file that is foreign, newer, altered or broken, and a second gateway on the same file (the lock lives as
//! long as the writing connection). Called by the writer and, through [`SqliteReader`], by streams.

use std::fs::{DirBuilder, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use openshell_domain::event::{Envelope, HashedColumns, SCHEMA_VERSION};
use openshell_domain::id::{Digest, Seq};
use openshell_domain::state::State;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior, params};

use super::account::Account;
use super::key::Signer;
use super::record::Record;
use super::reserve::Reserve;
use super::snapshot::Keeper;
use super::{EventLog, EventReader, Head, StoreError, beside, schema};
use crate::lock::DatabaseLock;

mod archive;
pub(crate) mod audit;
pub(crate) mod backup;
pub(crate) mod export;
mod row;
mod start;

use row::{COLUMNS, Row, int};
use start::{Start, start};

/// How long another program (`sqlite3`, a backup) may hold the file before commands are refused. The writer
/// waits this long, and every command with it.
pub(super) const BUSY: Duration = Duration::from_secs(2);

/// How many events are decoded at once when the log is replayed: bounds memory, not correctness.
const PAGE: u32 = 256;

/// The first event's `prev_hash`.
const GENESIS: Head = Head { seq: 0, hash: Digest([0; 32]) };

/// The writing side.
#[derive(Debug)]
pub(crate) struct SqliteLog {
    connection: Connection,
    head: Head,
    path: PathBuf,
    keeper: Keeper,
    /// After the connection: closing its descriptor takes away the locks of every connection of this process.
    reserve: Reserve,
    _lock: DatabaseLock,
}

/// A log that was just opened, and what its events made.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) log: SqliteLog,
    pub(crate) state: State,
    pub(crate) account: Account,
}

/// The reading side: a connection for each read, because reads are rare (a stream resumed or fell behind).
#[derive(Debug, Clone)]
pub(crate) struct SqliteReader(PathBuf);

impl SqliteLog {
    /// Opens the log, making the file and its directory if they are missing, and replays all of it.
    pub(crate) fn open(path: &Path) -> Result<Opened, StoreError> {
        let path = settle(path)?;
        let lock = DatabaseLock::take(&path)?;
        let failed = |error| StoreError::File { path: path.clone(), error };
        // SQLite would make the file with the process's umask; the log is nobody else's to read.
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let reserve = Reserve::new(options.open(&path).map_err(failed)?);
        let connection = connect(&path)?;
        let Start { state, account, head, found } = start(&connection, &path)?;
        let keeper = Keeper::new(&path, found);
        let mut log = Self { connection, head, path, keeper, reserve, _lock: lock };
        log.has_reserve();
        Ok(Opened { log, state, account })
    }

    /// Takes a snapshot after so many events; 0: never.
    pub(crate) fn snapshot_every(&mut self, events: u64) {
        self.keeper.set(events);
    }

    /// The key that signs checkpoints of this log.
    pub(crate) fn signer(&self) -> Result<Signer, StoreError> {
        Ok(Signer::open(&self.path)?)
    }

    /// Whether the path still leads to the file that is open: what is written to another one is lost.
    fn is_in_place(&self) -> Result<(), StoreError> {
        let is_same = self.path.metadata().is_ok_and(|found| self.reserve.is_file(&found));
        if is_same { Ok(()) } else { Err(StoreError::Replaced(self.path.clone())) }
    }

    /// A reader of the same log.
    pub(crate) fn reader(&self) -> SqliteReader {
        SqliteReader(self.path.clone())
    }
}

impl EventLog for SqliteLog {
    fn append(&mut self, records: &[Record]) -> Result<(), StoreError> {
        self.is_in_place()?;
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut head = self.head;
        for record in records {
            head = insert(&transaction, &head, record)?;
        }
        transaction.commit()?;
        self.head = head;
        Ok(())
    }

    fn recover(&mut self, seq: Seq) -> Result<Vec<Record>, StoreError> {
        self.is_in_place()?;
        // A new connection: after an I/O error the old one may refuse everything. The lock stays.
        let mut connection = connect(&self.path)?;
        prove_writable(&mut connection)?;
        let stored: Option<i64> =
            connection.query_row("SELECT max(seq) FROM events", [], |row| row.get(0))?;
        if stored.unwrap_or(0) < int(seq)? {
            return Err(StoreError::Shorter(seq));
        }
        let mut records = Vec::new();
        self.head = replay(&connection, self.head, |record| {
            records.push(record);
            Ok(())
        })?;
        self.connection = connection;
        Ok(records)
    }

    fn head(&self) -> Head {
        self.head
    }

    fn has_reserve(&mut self) -> bool {
        self.reserve.fill(&wal(&self.path))
    }

    fn keep(&mut self, state: &Arc<State>, account: &Account) {
        self.keeper.keep(self.head, state, account);
    }

    fn close(&mut self, state: &Arc<State>, account: &Account) {
        self.keeper.close(self.head, state, account);
    }
}

impl EventReader for SqliteReader {
    fn read(&self, seq: Seq, limit: u32) -> Result<Vec<Envelope>, StoreError> {
        let connection = read_only(&self.0)?;
        let rows = page(&connection, seq, limit)?;
        rows.iter().map(Row::envelope).collect()
    }
}

/// The path as every process names it: two names of one file must lead to one lock.
fn settle(path: &Path) -> Result<PathBuf, StoreError> {
    let failed = |error| StoreError::File { path: path.into(), error };
    let path = std::path::absolute(path).map_err(failed)?;
    if let Ok(real) = path.canonicalize() {
        return Ok(real);
    }
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(StoreError::Foreign(path));
    };
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
    Ok(directory.canonicalize().map_err(failed)?.join(name))
}

/// A writing connection to an existing file whose schema is ours. Without `CREATE`, so that a file that was
/// deleted under a running gateway is not silently begun anew.
fn connect(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    schema::prepare(&mut connection, path)?;
    connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "recursive_triggers", true)?;
    Ok(connection)
}

/// Writes durably what is there already: a log can be read on a disk that is full, fails or is locked, and whoever
/// takes that for recovery says that it is ready when it is not.
fn prove_writable(connection: &mut Connection) -> Result<(), StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.pragma_update(None, "user_version", schema::FORMAT)?;
    Ok(transaction.commit()?)
}

/// A connection that cannot write, to an existing file.
fn read_only(path: &Path) -> Result<Connection, StoreError> {
    path.metadata().map_err(|error| StoreError::File { path: path.into(), error })?;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    match connection.pragma_query_value(None, "schema_version", |row| row.get::<_, i64>(0)) {
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::CannotOpen) => frozen(path),
        _ => Ok(connection),
    }
}

/// The same where nothing can be written beside the file, as on a read-only disk: right only as long as nobody
/// writes, and nobody does where there is no write-ahead log.
fn frozen(path: &Path) -> Result<Connection, StoreError> {
    if wal(path).exists() {
        let error = std::io::Error::other("its -wal file can be read only where a -shm file can be written");
        return Err(StoreError::File { path: path.into(), error });
    }
    let escaped: String =
        path.as_os_str().as_encoded_bytes().iter().map(|byte| format!("%{byte:02x}")).collect();
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    Ok(Connection::open_with_flags(format!("file:{escaped}?immutable=1"), flags)?)
}

/// The write-ahead log of a database.
fn wal(database: &Path) -> PathBuf {
    beside(database, "-wal")
}

/// Puts one event after `head`, and returns the new head.
fn insert(connection: &Connection, head: &Head, record: &Record) -> Result<Head, StoreError> {
    let envelope = &record.envelope;
    let columns = HashedColumns {
        seq: envelope.seq,
        id: envelope.id.0.as_bytes(),
        sandbox: envelope.stream.as_str(),
        stream_seq: envelope.stream_seq,
        kind: &record.kind,
        schema_version: SCHEMA_VERSION,
        actor: &record.actor,
        at: envelope.at.timestamp_micros(),
        payload: &record.payload,
    };
    let hash = columns.hash(&head.hash);
    let mut statement = connection.prepare_cached(
        "INSERT INTO events (seq, id, sandbox, stream_seq, kind, schema_version, actor, at, payload, prev_hash, \
         hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )?;
    statement.execute(params![
        int(columns.seq)?,
        columns.id,
        columns.sandbox,
        int(columns.stream_seq)?,
        columns.kind,
        columns.schema_version,
        columns.actor,
        columns.at,
        columns.payload,
        head.hash.0,
        hash.0
    ])?;
    Ok(Head { seq: envelope.seq, hash })
}

fn page(connection: &Connection, seq: Seq, limit: u32) -> Result<Vec<Row>, StoreError> {
    let query = format!("SELECT {COLUMNS} FROM events WHERE seq > ?1 ORDER BY seq LIMIT ?2");
    let mut statement = connection.prepare_cached(&query)?;
    let rows = statement.query_map(params![int(seq)?, limit], Row::read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Reads every event after `head`, proves that each follows from the one before, and returns the new head.
fn replay(
    connection: &Connection,
    mut head: Head,
    mut visit: impl FnMut(Record) -> Result<(), StoreError>,
) -> Result<Head, StoreError> {
    loop {
        let rows = page(connection, head.seq, PAGE)?;
        if rows.is_empty() {
            return Ok(head);
        }
        for row in rows {
            head = row.link(&head)?;
            visit(row.into_record()?)?;
        }
    }
}

#[cfg(test)]
mod tests;
