//! Proof of a whole log: its pages, its schema, its chain, the numbers of its streams, its checkpoints, its snapshot.
//!
//! Reads through a connection that cannot write and in one transaction, so it works beside a running gateway.
//! Goes on where it can, so that one run tells every kind of damage; stops at the first event that does not
//! follow, because nothing after it means anything. Called by `log verify`, `log checkpoint` and `backup`.

use std::collections::BTreeMap;
use std::path::Path;

use openshell_domain::checkpoint::{Checkpoint, PublicKey};
use openshell_domain::event::Envelope;
use openshell_domain::id::Seq;
use openshell_domain::state::State;
use rusqlite::Connection;

use super::row::Row;
use super::{GENESIS, PAGE, page, read_only};
use crate::store::account::Account;
use crate::store::record::Record;
use crate::store::snapshot::{self, Snapshot};
use crate::store::{Head, StoreError, schema};

/// The most problems of SQLite's own check that are told.
const MAX_PROBLEMS: u32 = 10;

/// What was found in a log.
#[derive(Debug)]
pub(crate) struct Audit {
    /// The last event that follows from all before it.
    pub(crate) head: Head,
    /// How many events each stream has.
    pub(crate) streams: BTreeMap<String, u64>,
    /// The checkpoints whose signature holds.
    pub(crate) checkpoints: u64,
    /// The latest of them.
    pub(crate) latest: Option<Checkpoint>,
    /// Who signed, and up to which event.
    pub(crate) signers: Vec<(PublicKey, Seq)>,
    /// What is wrong. Empty: the log is whole.
    pub(crate) problems: Vec<StoreError>,
    /// What the checkpoint from elsewhere is compared with.
    against: Option<Checkpoint>,
    /// Whether the event that recorded that checkpoint was met.
    is_recorded: bool,
    /// What the events add up to.
    sum: (State, Account),
    /// What a start would begin with, until its event was met.
    snapshot: Option<Snapshot>,
}

/// Audits a log, and compares it with a checkpoint that was kept elsewhere.
///
/// # Errors
/// [`StoreError`] when it cannot be read at all; damage is in [`Audit::problems`].
pub(crate) fn audit(path: &Path, against: Option<Checkpoint>) -> Result<Audit, StoreError> {
    let connection = read_only(path)?;
    connection.execute_batch("BEGIN")?;
    let mut audit = Audit {
        head: GENESIS,
        streams: BTreeMap::new(),
        checkpoints: 0,
        latest: None,
        signers: Vec::new(),
        problems: Vec::new(),
        against,
        is_recorded: false,
        sum: Default::default(),
        // A start drops one that is in doubt, so it can mislead nobody.
        snapshot: snapshot::open(path).ok().flatten().and_then(|sealed| sealed.read().ok()),
    };
    match schema::inspect(&connection, path) {
        Ok(true) => {}
        Ok(false) => return Err(StoreError::Foreign(path.into())),
        Err(error @ StoreError::Altered { .. }) => audit.problems.push(error),
        Err(error) => return Err(error),
    }
    audit.pages(&connection)?;
    match audit.walk(&connection) {
        Ok(()) => audit.compare(),
        Err(error) => audit.blame(error)?,
    }
    Ok(audit)
}

impl Audit {
    /// SQLite's own check: torn pages, and indexes that no longer say what the table says.
    fn pages(&mut self, connection: &Connection) -> Result<(), StoreError> {
        let check = || -> rusqlite::Result<Vec<String>> {
            let mut statement = connection.prepare(&format!("PRAGMA integrity_check({MAX_PROBLEMS})"))?;
            let rows = statement.query_map([], |row| row.get(0))?;
            rows.collect()
        };
        match check() {
            Ok(told) => self.problems.extend(
                told.into_iter().filter(|line| line != "ok").map(|line| StoreError::Damaged(Some(line))),
            ),
            Err(error) => self.blame(error.into())?,
        }
        Ok(())
    }

    /// Notes what is wrong with the log; what is wrong with the way to it ends the audit.
    fn blame(&mut self, error: StoreError) -> Result<(), StoreError> {
        if !error.is_damage() {
            return Err(error);
        }
        self.problems.push(error);
        Ok(())
    }

    fn walk(&mut self, connection: &Connection) -> Result<(), StoreError> {
        loop {
            let rows = page(connection, self.head.seq, PAGE)?;
            if rows.is_empty() {
                return Ok(());
            }
            for row in rows {
                self.take(row)?;
            }
        }
    }

    fn take(&mut self, row: Row) -> Result<(), StoreError> {
        let before = self.head;
        let head = row.link(&before)?;
        let (stream, found) = (row.stream().to_owned(), row.stream_seq()?);
        let wanted = self.streams.get(&stream).copied().unwrap_or(0).saturating_add(1);
        if found != wanted {
            return Err(StoreError::Stream { seq: head.seq, stream, wanted, found });
        }
        if let Some(against) = self.against.as_ref().filter(|against| against.seq == head.seq)
            && against.head != head.hash
        {
            return Err(StoreError::Rewritten { seq: head.seq, found: head.hash, signed: against.head });
        }
        self.streams.insert(stream, found);
        let record = row.into_record()?;
        self.head = head;
        self.checkpoint(&record.envelope, &before)?;
        self.add(&record)
    }

    /// Folds the event, and compares what that makes with the snapshot that was taken there.
    fn add(&mut self, record: &Record) -> Result<(), StoreError> {
        let (state, account) = &mut self.sum;
        state.fold(&record.envelope)?;
        account.add(record);
        let Some(taken) = self.snapshot.take_if(|taken| taken.head == self.head) else { return Ok(()) };
        if taken.state != *state || taken.account != *account {
            self.problems.push(StoreError::Snapshot(taken.head.seq));
        }
        Ok(())
    }

    /// Proves a checkpoint that stands in the log: over the event right before it, or an earlier one.
    fn checkpoint(&mut self, envelope: &Envelope, before: &Head) -> Result<(), StoreError> {
        let Some(checkpoint) = Checkpoint::of(&envelope.event) else { return Ok(()) };
        let wrong = |why: String| StoreError::Checkpoint { seq: envelope.seq, why };
        let checkpoint = checkpoint.map_err(|error| wrong(error.to_string()))?;
        checkpoint.verify().map_err(|error| wrong(error.to_string()))?;
        if (checkpoint.seq, checkpoint.head) != (before.seq, before.hash) {
            return Err(wrong(format!(
                "it signs event {} with the hash {}, but stands after event {} with the hash {}",
                checkpoint.seq, checkpoint.head, before.seq, before.hash
            )));
        }
        match self.signers.last_mut() {
            Some((key, until)) if *key == checkpoint.public_key => *until = checkpoint.seq,
            _ => self.signers.push((checkpoint.public_key, checkpoint.seq)),
        }
        self.is_recorded |= self.against.as_ref() == Some(&checkpoint);
        self.checkpoints += 1;
        self.latest = Some(checkpoint);
        Ok(())
    }

    /// Whether the checkpoint from elsewhere, which the walk did not contradict, is one of this log.
    fn compare(&mut self) {
        let Some(against) = &self.against else { return };
        if self.is_recorded {
            return;
        }
        self.problems.push(StoreError::Truncated { end: self.head.seq, signed: against.seq });
    }

    /// How many events no checkpoint covers yet.
    pub(crate) fn unsigned(&self) -> u64 {
        self.head.seq.saturating_sub(self.latest.as_ref().map_or(0, |latest| latest.seq))
    }
}

#[cfg(test)]
mod tests;
