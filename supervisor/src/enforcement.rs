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
    /// When the first of its grants is over.
    ends: Option<End>,
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

    /// Puts a revision in force. What cannot be enforced is put in force as a quarantine.
    ///
    /// # Errors
    /// Why it is quarantined.
    pub fn load(
        &self,
        revision: Revision,
        policy: Result<Policy, String>,
        grants: Vec<Grant>,
        at: Reading,
    ) -> Result<(), String> {
        let mut held = self.lock();
        held.budgets.receive(&grants, at);
        (held.revision, held.policy, held.grants) = (revision, policy, grants);
        let snapshot = self.publish(&held, at);
        snapshot.quarantine().map_or(Ok(()), |reason| Err(reason.to_owned()))
    }

    fn publish(&self, held: &Held, at: Reading) -> Arc<PolicySnapshot> {
        let snapshot = Arc::new(PolicySnapshot::of(held, at));
        self.current.store(Arc::clone(&snapshot));
        self.changed.send_replace(held.revision);
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
