//! A disk in memory: what is synced survives a crash, and an append may fail, lie, or be the last thing that happens.

use std::sync::{Arc, Mutex, MutexGuard};

use openshell_domain::event::Envelope;
use openshell_domain::id::{Digest, Seq};
use openshell_domain::state::State;

use crate::store::account::Account;
use crate::store::record::Record;
use crate::store::snapshot::{self, Sealed, Snapshot};
use crate::store::{EventLog, EventReader, Head, StoreError};

/// So many events lie between two snapshots.
const KEPT: Seq = 10;

/// What becomes of the next append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Works,
    /// Nothing is stored, and that is said.
    Fails,
    /// Everything is stored, and it is said that it was not.
    Lies,
    /// The process ends before anything is synced.
    DiesBefore,
    /// The process ends after everything was synced.
    DiesAfter,
}

/// The end of the process, thrown out of an append.
pub(super) struct Death;

#[derive(Debug, Default)]
struct Content {
    synced: Vec<Record>,
    /// What a start may begin with, and at which event it was taken.
    kept: (Seq, Vec<u8>),
    fate: Option<Fate>,
}

/// The disk. It outlives the processes that use it.
#[derive(Debug, Clone, Default)]
pub(super) struct Disk(Arc<Mutex<Content>>);

impl Disk {
    fn lock(&self) -> MutexGuard<'_, Content> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// What the next append that stores something comes to.
    pub(super) fn doom(&self, fate: Fate) {
        self.lock().fate = Some(fate);
    }

    /// Everything that a crash would leave.
    pub(super) fn records(&self) -> Vec<Record> {
        self.lock().synced.clone()
    }

    /// What a start begins with, and the events after that.
    pub(super) fn snapshot(&self) -> Option<Snapshot> {
        let (_, kept) = self.lock().kept.clone();
        (!kept.is_empty())
            .then(|| Sealed::new(kept).and_then(|sealed| sealed.read()).expect("it was kept whole"))
    }

    /// The events that a crash would leave, after the first of them.
    pub(super) fn after(&self, seq: Seq) -> Vec<Arc<Envelope>> {
        let skipped = usize::try_from(seq).unwrap();
        self.lock().synced.iter().skip(skipped).map(|record| record.envelope.clone()).collect()
    }

    /// The event at a place, if it is synced.
    pub(super) fn at(&self, seq: Seq) -> Option<Arc<Envelope>> {
        self.after(seq.checked_sub(1)?).into_iter().next()
    }
}

impl EventLog for Disk {
    fn append(&mut self, records: &[Record]) -> Result<(), StoreError> {
        let mut content = self.lock();
        let fate = content.fate.take().unwrap_or(Fate::Works);
        if matches!(fate, Fate::Works | Fate::Lies | Fate::DiesAfter) {
            content.synced.extend(records.iter().cloned());
        }
        drop(content);
        match fate {
            Fate::Works => Ok(()),
            Fate::Fails | Fate::Lies => Err(StoreError::DiskFull),
            Fate::DiesBefore | Fate::DiesAfter => std::panic::resume_unwind(Box::new(Death)),
        }
    }

    fn recover(&mut self, seq: Seq) -> Result<Vec<Record>, StoreError> {
        Ok(self.records().into_iter().filter(|record| record.envelope.seq > seq).collect())
    }

    fn head(&self) -> Head {
        // What is signed is looked at elsewhere.
        Head { seq: u64::try_from(self.lock().synced.len()).unwrap(), hash: Digest([0; 32]) }
    }

    fn has_reserve(&mut self) -> bool {
        true
    }

    fn keep(&mut self, state: &Arc<State>, account: &Account) {
        let head = Head { seq: state.seq, hash: Digest([0; 32]) };
        let mut content = self.lock();
        if head.seq >= content.kept.0 + KEPT {
            let mut kept = Vec::new();
            snapshot::encode(&mut kept, head, state, account).expect("memory takes everything");
            content.kept = (head.seq, kept);
        }
    }
}

impl EventReader for Disk {
    fn read(&self, seq: Seq, limit: u32) -> Result<Vec<Envelope>, StoreError> {
        let after = self.after(seq).into_iter().take(usize::try_from(limit).unwrap());
        Ok(after.map(|event| (*event).clone()).collect())
    }
}
