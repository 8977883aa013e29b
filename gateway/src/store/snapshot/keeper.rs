//! When a snapshot is taken: on a thread of its own, so seldom that it costs little beside the log itself.
//!
//! The state is a persistent map, so what the thread needs is there at once and nobody waits for it. Called by the
//! log after each group, and once more when the writer ends.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use openshell_domain::id::Seq;
use openshell_domain::state::State;

use super::{Account, Head, write};

/// After so many events a snapshot is taken, where nobody says otherwise.
pub(crate) const EVERY: u64 = 10_000;
/// For each KiB of a snapshot, one event at least lies between it and the next: what snapshots write stays in
/// proportion to what the log does, however large the state is.
const BYTES_AN_EVENT: u64 = 1024;

/// Takes the snapshots of one log.
#[derive(Debug)]
pub(crate) struct Keeper {
    database: PathBuf,
    /// After so many events; 0: never.
    every: u64,
    /// The last one that was taken.
    last: Taken,
    /// The one that is being written.
    writing: Option<JoinHandle<Taken>>,
}

/// One that was taken.
#[derive(Debug, Clone, Copy)]
struct Taken {
    seq: Seq,
    bytes: u64,
}

impl Keeper {
    /// For a log whose snapshot stands at this event and is so large; 0 where there is none.
    pub(crate) fn new(database: &Path, (seq, bytes): (Seq, u64)) -> Self {
        Self { database: database.into(), every: EVERY, last: Taken { seq, bytes }, writing: None }
    }

    /// Takes one after so many events, or never: 0.
    pub(crate) fn set(&mut self, every: u64) {
        self.every = every;
    }

    /// Takes a snapshot if it is time.
    pub(crate) fn keep(&mut self, head: Head, state: &Arc<State>, account: &Account) {
        let span = self.every.max(self.last.bytes / BYTES_AN_EVENT);
        if !self.is_due(head, span) || self.writing.as_ref().is_some_and(|writing| !writing.is_finished()) {
            return;
        }
        self.settle();
        if !self.is_due(head, span) || state.seq != head.seq {
            return;
        }
        let (database, state, account) = (self.database.clone(), state.clone(), account.clone());
        let take = move || take(&database, head, &state, &account);
        match Builder::new().name("log-snapshot".to_owned()).spawn(take) {
            Ok(writing) => self.writing = Some(writing),
            Err(error) => tracing::warn!(%error, "no snapshot is taken"),
        }
    }

    /// Takes the last one: nothing is appended any more.
    pub(crate) fn close(&mut self, head: Head, state: &State, account: &Account) {
        self.settle();
        // A tenth of the usual span is folded at a start without anybody noticing.
        if self.is_due(head, self.every.div_ceil(10)) && state.seq == head.seq {
            take(&self.database, head, state, account);
        }
    }

    fn is_due(&self, head: Head, span: u64) -> bool {
        self.every > 0 && head.seq.saturating_sub(self.last.seq) >= span
    }

    /// Waits for the one that is being written.
    fn settle(&mut self) {
        if let Some(taken) = self.writing.take().and_then(|writing| writing.join().ok()) {
            self.last = taken;
        }
    }
}

/// What cannot be taken counts as taken: it is tried again when the next one is due.
fn take(database: &Path, head: Head, state: &State, account: &Account) -> Taken {
    let bytes = write(database, head, state, account).unwrap_or_else(|error| {
        tracing::warn!(%error, "no snapshot was taken: the next start folds more events");
        0
    });
    Taken { seq: head.seq, bytes }
}
