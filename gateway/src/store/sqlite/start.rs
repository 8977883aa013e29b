//! What a log adds up to when it is opened: folded from its beginning, or from its snapshot.
//!
//! A snapshot spares the reading and folding of the events before it, and nothing else: the hashes of all of them are
//! still proven at each start, which takes a fraction of the time, so a log that was changed is refused as ever, and
//! a snapshot of any other history is found out. Called by the log.

use std::path::Path;

use openshell_domain::id::Seq;
use openshell_domain::state::State;
use rusqlite::{Connection, params};

use super::row::{COLUMNS, follow, int};
use super::{GENESIS, replay};
use crate::store::account::Account;
use crate::store::snapshot::{self, Doubt, Snapshot};
use crate::store::{Head, StoreError};

/// The end of a log, and what it adds up to there.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) state: State,
    pub(super) account: Account,
    pub(super) head: Head,
    /// Where the snapshot stands that this began with, and its size.
    pub(super) found: (Seq, u64),
}

/// Proves all of a log and folds what no snapshot knows.
///
/// # Errors
/// [`StoreError`].
pub(super) fn start(connection: &Connection, database: &Path) -> Result<Start, StoreError> {
    let mut start = match believed(connection, database)? {
        Some(Snapshot { head, state, account, bytes }) => {
            Start { state, account, head, found: (head.seq, bytes) }
        }
        None => Start { state: State::default(), account: Account::default(), head: GENESIS, found: (0, 0) },
    };
    let (state, account) = (&mut start.state, &mut start.account);
    start.head = replay(connection, start.head, |record| {
        state.fold(&record.envelope)?;
        account.add(&record);
        Ok(())
    })?;
    Ok(start)
}

/// The snapshot beside a log, if the log proves that it is its own.
fn believed(connection: &Connection, database: &Path) -> Result<Option<Snapshot>, StoreError> {
    let sealed = match snapshot::open(database) {
        Ok(Some(sealed)) => sealed,
        Ok(None) => return Ok(None),
        Err(doubt) => return Ok(drop_it(database, &doubt)),
    };
    let head = sealed.head();
    let (proven, read) = std::thread::scope(|scope| {
        let reading = scope.spawn(|| sealed.read());
        (prove(connection, head.seq), reading.join())
    });
    match read.unwrap_or(Err(Doubt::Torn)) {
        _ if proven? != head => Ok(drop_it(database, &Doubt::Log(head.seq))),
        Ok(snapshot) => Ok(Some(snapshot)),
        Err(doubt) => Ok(drop_it(database, &doubt)),
    }
}

fn drop_it(database: &Path, doubt: &Doubt) -> Option<Snapshot> {
    snapshot::discard(database, doubt);
    None
}

/// The head of the chain at `until`, or at the end of a log that is shorter.
fn prove(connection: &Connection, until: Seq) -> Result<Head, StoreError> {
    let query = format!("SELECT {COLUMNS} FROM events WHERE seq <= ?1 ORDER BY seq");
    let mut statement = connection.prepare(&query)?;
    let mut rows = statement.query(params![int(until)?])?;
    let mut head = GENESIS;
    while let Some(row) = rows.next()? {
        head = follow(row, &head)?;
    }
    Ok(head)
}
