//! A disk in memory: what is synced survives a crash, and an append may fail, lie, or be the last thing that happens.

use std::sync::{Arc, Mutex, MutexGuard};

use openshell_domain::event::Envelope;
use openshell_domain::id::Seq;

use crate::store::{EventLog, EventReader, StoreError};

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
    synced: Vec<Arc<Envelope>>,
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
    pub(super) fn synced(&self) -> Vec<Arc<Envelope>> {
        self.lock().synced.clone()
    }

    /// The event at a place, if it is synced.
    pub(super) fn at(&self, seq: Seq) -> Option<Arc<Envelope>> {
        let index = usize::try_from(seq).unwrap().checked_sub(1)?;
        self.lock().synced.get(index).cloned()
    }
}

impl EventLog for Disk {
    fn append(&mut self, events: &[Arc<Envelope>]) -> Result<(), StoreError> {
        let mut content = self.lock();
        let fate = content.fate.take().unwrap_or(Fate::Works);
        if matches!(fate, Fate::Works | Fate::Lies | Fate::DiesAfter) {
            content.synced.extend(events.iter().cloned());
        }
        drop(content);
        match fate {
            Fate::Works => Ok(()),
            Fate::Fails | Fate::Lies => Err(StoreError::Shorter(0)),
            Fate::DiesBefore | Fate::DiesAfter => std::panic::resume_unwind(Box::new(Death)),
        }
    }

    fn recover(&mut self, seq: Seq) -> Result<Vec<Envelope>, StoreError> {
        let synced = self.synced();
        Ok(synced.iter().filter(|event| event.seq > seq).map(|event| (**event).clone()).collect())
    }
}

impl EventReader for Disk {
    fn read(&self, seq: Seq, limit: u32) -> Result<Vec<Envelope>, StoreError> {
        let synced = self.synced();
        let after = synced.iter().filter(|event| event.seq > seq).map(|event| (**event).clone());
        Ok(after.take(usize::try_from(limit).unwrap()).collect())
    }
}
