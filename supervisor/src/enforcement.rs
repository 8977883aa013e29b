//! The policy in force: one immutable snapshot, swapped with one store.
//!
//! A request takes the snapshot once and keeps it, so that its verdict, its log line and its reply tell of the
//! same revision. No policy, or one that does not load, is a snapshot too: it denies everything and says why. A
//! snapshot in which a lease has ended is replaced before anybody gets it, also while the gateway is away.

mod snapshot;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use openshell_domain::id::Revision;
use openshell_domain::policy::Policy;
use tokio::sync::watch;

use crate::clock::{self, Reading};
use crate::lease::{Budgets, Grant};

pub use snapshot::{Failed, Narrower, PolicySnapshot};

/// How often what is open looks whether its lease has ended, where one has an end.
const LOOK: Duration = Duration::from_secs(1);

/// Holds the snapshot in force and wakes those who wait for the next.
#[derive(Debug)]
pub struct Enforcement {
    held: Mutex<Held>,
    current: ArcSwap<PolicySnapshot>,
    changed: watch::Sender<Revision>,
}

/// What the gateway pushed last.
#[derive(Debug)]
struct Held {
    revision: Revision,
    policy: Result<Policy, String>,
    grants: Vec<Grant>,
    budgets: Budgets,
    failed: Option<Failed>,
}

/// A revision, as the gateway pushed it.
#[derive(Debug)]
pub struct Pushed {
    /// Its number.
    pub revision: Revision,
    /// What it says, or why that cannot be read.
    pub policy: Result<Policy, String>,
    /// The grants in it.
    pub grants: Vec<Grant>,
    /// The revision that may stay in force where this one does not load: it, or one after it.
    pub retain_since: Option<Revision>,
}

impl Pushed {
    /// A revision without grants that can be read.
    #[cfg(test)]
    pub(crate) fn of(revision: u64, policy: Policy) -> Self {
        let revision = Revision(revision);
        Self { revision, policy: Ok(policy), grants: Vec::new(), retain_since: None }
    }

    /// A revision that cannot be read, after which everything is denied.
    #[must_use]
    pub fn unread(revision: Revision, reason: String) -> Self {
        Self { revision, policy: Err(reason), grants: Vec::new(), retain_since: None }
    }
}

/// What a revision that does not load left in force.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotLoaded {
    /// Nothing: everything is denied.
    #[error("{0}")]
    Quarantined(String),
    /// The one before.
    #[error("{1}")]
    Retained(Revision, String),
}

impl Enforcement {
    /// Denies everything until the first policy is there.
    #[must_use]
    pub fn new() -> Self {
        let held = Held {
            revision: Revision::default(),
            policy: Err("no policy was received yet".to_owned()),
            grants: Vec::new(),
            budgets: Budgets::default(),
            failed: None,
        };
        // Without grants, no clock is asked.
        let never = Reading { wall: chrono::DateTime::UNIX_EPOCH, boot: std::time::Duration::ZERO };
        let current = ArcSwap::from_pointee(PolicySnapshot::of(&held, never));
        Self { held: Mutex::new(held), current, changed: watch::Sender::new(Revision::default()) }
    }

    /// The snapshot in force.
    #[must_use]
    pub fn snapshot(&self) -> Arc<PolicySnapshot> {
        let current = self.current.load_full();
        // Nothing in it ends: the clocks need not be asked.
        if current.ends.is_none() { current } else { self.snapshot_at(clock::reading()) }
    }

    /// The snapshot in force at this moment.
    #[must_use]
    pub fn snapshot_at(&self, at: Reading) -> Arc<PolicySnapshot> {
        let current = self.current.load_full();
        if !current.ends.is_some_and(|end| end.is_past(at)) {
            return current;
        }
        let mut held = self.lock();
        held.budgets.lapse(at);
        self.publish(&held, at)
    }

    /// Waits until a lease of the policy in force may have ended; for ever where none has an end.
    pub async fn lapse(&self) {
        match self.snapshot().ends {
            // Looked at again in between, because the time of day may be set.
            Some(end) => tokio::time::sleep(end.left(clock::reading()).min(LOOK)).await,
            None => std::future::pending().await,
        }
    }

    /// Is told after each swap.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Revision> {
        self.changed.subscribe()
    }

    /// Puts a revision in force. What cannot be enforced is put in force as a quarantine; or it is only told, where
    /// what is in force may stay.
    ///
    /// # Errors
    /// Why it is not in force.
    pub fn load(&self, pushed: Pushed, at: Reading) -> Result<(), NotLoaded> {
        let Pushed { revision, policy, grants, retain_since } = pushed;
        let mut held = self.lock();
        let mut budgets = held.budgets.clone();
        // What cannot be read tells of no grants: those that are known keep the time that they were given.
        if policy.is_ok() {
            budgets.receive(&grants, at);
        }
        let next = Held { revision, policy, grants, budgets, failed: None };
        let snapshot = PolicySnapshot::of(&next, at);
        let Some(reason) = snapshot.quarantine().map(ToOwned::to_owned) else {
            *held = next;
            self.put(snapshot);
            return Ok(());
        };
        // Looked at again: what was in force may have lapsed, and a quarantine is nothing to go on with.
        held.budgets.lapse(at);
        let failed = Failed { revision, reason: reason.clone() };
        // The gateway knows what a revision took away for as long as it is attached; of this one it has said it.
        let is_known = held.failed.as_ref() == Some(&failed);
        let may_stay = is_known || retain_since.is_some_and(|since| held.revision >= since);
        if may_stay && held.revision < revision && PolicySnapshot::of(&held, at).judge.is_ok() {
            held.failed = Some(failed);
            self.publish(&held, at);
            return Err(NotLoaded::Retained(held.revision, reason));
        }
        *held = next;
        self.put(snapshot);
        Err(NotLoaded::Quarantined(reason))
    }

    fn publish(&self, held: &Held, at: Reading) -> Arc<PolicySnapshot> {
        self.put(PolicySnapshot::of(held, at))
    }

    fn put(&self, snapshot: PolicySnapshot) -> Arc<PolicySnapshot> {
        let snapshot = Arc::new(snapshot);
        self.current.store(Arc::clone(&snapshot));
        self.changed.send_replace(snapshot.revision);
        snapshot
    }

    /// A panic elsewhere leaves what is held whole: it is changed as one.
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Enforcement {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
