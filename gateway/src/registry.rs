//! Who is connected now: the attached runs, in memory.
//!
//! Owns the rule that a sandbox has one attached run. Never stored: after a restart everybody attaches again.
//! Called by the supervisor's door, and by the inbox's door to say whether an approval will be seen at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use openshell_domain::id::{RunId, SandboxName};
use openshell_wire::pb::inbox as pb;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The attached runs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Registry(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    table: Mutex<Table>,
    /// Changes whenever somebody comes or goes.
    changes: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    attached: HashMap<SandboxName, Entry>,
}

#[derive(Debug)]
struct Entry {
    number: u64,
    run: RunId,
    replaced: CancellationToken,
    waiting: Vec<pb::Waiting>,
}

/// A place in the registry, given up when it is dropped.
#[derive(Debug)]
pub(crate) struct Attachment {
    registry: Registry,
    sandbox: SandboxName,
    number: u64,
    /// Cancelled when a newer stream of the same run took the place.
    pub(crate) replaced: CancellationToken,
}

impl Registry {
    /// Whether a supervisor of the sandbox is connected.
    pub(crate) fn is_attached(&self, sandbox: &SandboxName) -> bool {
        self.table().attached.contains_key(sandbox)
    }

    /// The run that is connected for a sandbox.
    pub(crate) fn attached(&self, sandbox: &SandboxName) -> Option<RunId> {
        self.table().attached.get(sandbox).map(|entry| entry.run)
    }

    /// Changes whenever somebody comes or goes.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    /// What is going on in a sandbox.
    pub(crate) fn live(&self, sandbox: &SandboxName) -> pb::Live {
        let table = self.table();
        let entry = table.attached.get(sandbox);
        pb::Live {
            sandbox: sandbox.to_string(),
            attached: entry.is_some(),
            waiting: entry.map(|entry| entry.waiting.clone()).unwrap_or_default(),
        }
    }

    /// How many agents wait, in all sandboxes.
    pub(crate) fn waits(&self) -> usize {
        let table = self.table();
        let waiting = table.attached.values().flat_map(|entry| &entry.waiting);
        waiting.map(|waiting| waiting.agents as usize).sum()
    }

    /// Takes the place of a sandbox for a new run.
    ///
    /// # Errors
    /// The run that has it.
    pub(crate) fn start(&self, sandbox: &SandboxName, run: RunId) -> Result<Attachment, RunId> {
        let mut table = self.table();
        match table.attached.get(sandbox) {
            Some(entry) => Err(entry.run),
            None => Ok(self.enter(&mut table, sandbox, run)),
        }
    }

    /// Takes the place of a sandbox for a run that proved who it is; an older stream is told to end.
    pub(crate) fn resume(&self, sandbox: &SandboxName, run: RunId) -> Attachment {
        let mut table = self.table();
        if let Some(older) = table.attached.remove(sandbox) {
            older.replaced.cancel();
        }
        self.enter(&mut table, sandbox, run)
    }

    fn enter(&self, table: &mut Table, sandbox: &SandboxName, run: RunId) -> Attachment {
        table.next = table.next.wrapping_add(1);
        let (number, replaced) = (table.next, CancellationToken::new());
        table
            .attached
            .insert(sandbox.clone(), Entry { number, run, replaced: replaced.clone(), waiting: Vec::new() });
        self.changed();
        Attachment { registry: self.clone(), sandbox: sandbox.clone(), number, replaced }
    }

    /// A panic elsewhere leaves the table whole: every change to it is one insert or one remove.
    fn changed(&self) {
        self.0.changes.send_modify(|changes| *changes = changes.wrapping_add(1));
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Attachment {
    /// Takes in for what agents wait now.
    pub(crate) fn set_waiting(&self, waiting: Vec<pb::Waiting>) {
        let mut table = self.registry.table();
        if let Some(entry) = table.attached.get_mut(&self.sandbox)
            && entry.number == self.number
            && entry.waiting != waiting
        {
            entry.waiting = waiting;
            self.registry.changed();
        }
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        let mut table = self.registry.table();
        if table.attached.get(&self.sandbox).is_some_and(|entry| entry.number == self.number) {
            table.attached.remove(&self.sandbox);
            self.registry.changed();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(n: u128) -> RunId {
        RunId(uuid::Uuid::from_u128(n))
    }

    #[test]
    fn one_run_at_a_time_and_its_own_newer_stream_replaces_the_older() {
        let registry = Registry::default();
        let name: SandboxName = "demo".parse().unwrap();
        let first = registry.start(&name, run(1)).unwrap();
        assert_eq!(registry.start(&name, run(2)).unwrap_err(), run(1));
        assert!(registry.start(&"other".parse().unwrap(), run(2)).is_ok());
        let second = registry.resume(&name, run(1));
        assert!(first.replaced.is_cancelled() && !second.replaced.is_cancelled());
        drop(first);
        assert!(registry.is_attached(&name), "the older one does not take the newer one's place with it");
        drop(second);
        assert!(!registry.is_attached(&name));
        assert!(registry.start(&name, run(2)).is_ok());
    }
}
