//! The policy in force: one immutable snapshot, swapped with one store.
//!
//! A request takes the snapshot once and keeps it, so that its verdict, its log line and its reply tell of the
//! same revision. No policy, or one that does not load, is a snapshot too: it denies everything and says why. A
//! snapshot in which a lease has ended is replaced before anybody gets it, also while the gateway is away.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use openshell_domain::id::{Digest, ProposalId, Revision};
use openshell_domain::policy::Policy;
use openshell_domain::policy::verdict::{self, CompiledPolicy};
use openshell_domain::proposal::Lease;
use tokio::sync::watch;

use crate::clock::{self, Reading};
use crate::lease::{self, Budgets, End, Grant};

/// Ports of HTTP without TLS (IANA `http` and `http-alt`).
const CLEAR_PORTS: [u16; 2] = [80, 8080];
/// How often what is open looks whether its lease has ended, where one has an end.
const LOOK: Duration = Duration::from_secs(1);

/// One revision, as it is enforced.
#[derive(Debug)]
pub struct PolicySnapshot {
    /// Its number; 0 before the first.
    pub revision: Revision,
    /// What it says, without what is over, as far as it could be read.
    pub policy: Option<Arc<Policy>>,
    /// [`Policy::hash`] of the policy as it was pushed.
    pub pushed: Option<Digest>,
    /// The grants in it that are not over.
    pub grants: Vec<Grant>,
    /// What judges by it, or why everything is denied.
    pub judge: Result<CompiledPolicy, String>,
    /// Where grants of `once` are in it: the same without any of them, and then with one at a time.
    pub narrower: Vec<Narrower>,
    /// A later revision, which does not load, where this one stays in force meanwhile.
    pub failed: Option<Failed>,
    /// When the first of its grants is over.
    ends: Option<End>,
}

/// A revision that does not load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// Its number.
    pub revision: Revision,
    /// Why it does not.
    pub reason: String,
}

/// A policy that allows no more than the one in force.
#[derive(Debug)]
pub struct Narrower {
    /// The proposal whose `once` is in it; what passes without has none.
    pub spends: Option<ProposalId>,
    /// What judges by it.
    pub judge: CompiledPolicy,
}

impl PolicySnapshot {
    /// Whether a grant is in force that was first part of `since`.
    #[must_use]
    pub fn has_grant(&self, proposal: ProposalId, since: Revision) -> bool {
        self.judge.is_ok()
            && self.revision >= since
            && self.grants.iter().any(|grant| grant.proposal == proposal)
    }

    /// Whether the policy has requests at this port that are read, and that do not come in the clear.
    #[must_use]
    pub fn reads_tls_at(&self, port: u16) -> bool {
        let rules = self.policy.iter().flat_map(|policy| policy.network_policies.values());
        let mut endpoints = rules.flat_map(|rule| &rule.endpoints);
        !CLEAR_PORTS.contains(&port)
            && endpoints.any(|endpoint| endpoint.is_l7() && endpoint.ports.contains(&port))
    }

    /// Why everything is denied, if it is.
    #[must_use]
    pub fn quarantine(&self) -> Option<&str> {
        self.judge.as_ref().err().map(String::as_str)
    }

    /// Why the latest revision is not in force, if it is not: everything is denied, or the one before stays.
    #[must_use]
    pub fn load_error(&self) -> Option<&str> {
        self.quarantine().or(self.failed.as_ref().map(|failed| failed.reason.as_str()))
    }

    /// The latest revision that came, in force or not.
    #[must_use]
    pub fn latest(&self) -> Revision {
        self.failed.as_ref().map_or(self.revision, |failed| failed.revision)
    }

    /// A revision without what is over.
    fn of(held: &Held, at: Reading) -> Self {
        let (over, grants): (Vec<&Grant>, Vec<&Grant>) =
            held.grants.iter().partition(|grant| held.budgets.is_over(grant, at));
        let policy = held.policy.as_ref().map(|policy| lease::without(policy, over.into_iter()));
        let judges =
            policy.as_ref().map_err(|error| (*error).clone()).and_then(|policy| judges(policy, &grants));
        let (judge, narrower) = match judges {
            Ok((judge, narrower)) => (Ok(judge), narrower),
            Err(error) => (Err(error), Vec::new()),
        };
        Self {
            revision: held.revision,
            policy: policy.ok().map(Arc::new),
            pushed: held.policy.as_ref().ok().map(Policy::hash),
            ends: held.budgets.first_end(grants.iter().copied()),
            grants: grants.into_iter().cloned().collect(),
            judge,
            narrower,
            failed: held.failed.clone(),
        }
    }
}

/// What judges by a policy, and by what is left of it without its grants of `once`.
fn judges(policy: &Policy, grants: &[&Grant]) -> Result<(CompiledPolicy, Vec<Narrower>), String> {
    let compile = |policy: &Policy| verdict::compile(policy).map_err(|error| error.to_string());
    for grant in grants {
        if !policy.network_policies.contains_key(&grant.rule) {
            return Err(format!("the policy has no rule {} for the grant of {}", grant.rule, grant.proposal));
        }
    }
    let once: Vec<&Grant> = grants.iter().copied().filter(|grant| grant.lease == Lease::Once).collect();
    let mut narrower = Vec::new();
    if !once.is_empty() {
        let judge = compile(&lease::without(policy, once.iter().copied()))?;
        narrower.push(Narrower { spends: None, judge });
    }
    for grant in &once {
        let others = once.iter().copied().filter(|other| other.proposal != grant.proposal);
        let judge = compile(&lease::without(policy, others))?;
        narrower.push(Narrower { spends: Some(grant.proposal), judge });
    }
    Ok((compile(policy)?, narrower))
}

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
