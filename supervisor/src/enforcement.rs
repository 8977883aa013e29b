//! The policy in force: one immutable snapshot, swapped with one store.
//!
//! A request takes the snapshot once and keeps it, so that its verdict, its log line and its reply tell of the
//! same revision. No policy, or one that does not load, is a snapshot too: it denies everything and says why.

use std::sync::Arc;

use arc_swap::ArcSwap;
use openshell_domain::id::{ProposalId, Revision};
use openshell_domain::policy::Policy;
use openshell_domain::policy::verdict::{self, CompiledPolicy};
use tokio::sync::watch;

/// One revision, as it is enforced.
#[derive(Debug)]
pub struct PolicySnapshot {
    /// Its number; 0 before the first.
    pub revision: Revision,
    /// What it says, as far as it could be read.
    pub policy: Option<Arc<Policy>>,
    /// The proposals whose grants are in it.
    pub grants: Vec<ProposalId>,
    /// What judges by it, or why everything is denied.
    pub judge: Result<CompiledPolicy, String>,
}

impl PolicySnapshot {
    /// Whether a grant is in force that was first part of `since`.
    #[must_use]
    pub fn has_grant(&self, proposal: ProposalId, since: Revision) -> bool {
        self.judge.is_ok() && self.revision >= since && self.grants.contains(&proposal)
    }

    /// Why everything is denied, if it is.
    #[must_use]
    pub fn quarantine(&self) -> Option<&str> {
        self.judge.as_ref().err().map(String::as_str)
    }
}

/// Holds the snapshot in force and wakes those who wait for the next.
#[derive(Debug)]
pub struct Enforcement {
    current: ArcSwap<PolicySnapshot>,
    changed: watch::Sender<Revision>,
}

impl Enforcement {
    /// Denies everything until the first policy is there.
    #[must_use]
    pub fn new() -> Self {
        let nothing = PolicySnapshot {
            revision: Revision::default(),
            policy: None,
            grants: Vec::new(),
            judge: Err("no policy was received yet".to_owned()),
        };
        Self { current: ArcSwap::from_pointee(nothing), changed: watch::Sender::new(Revision::default()) }
    }

    /// The snapshot in force.
    #[must_use]
    pub fn snapshot(&self) -> Arc<PolicySnapshot> {
        self.current.load_full()
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
        grants: Vec<ProposalId>,
    ) -> Result<(), String> {
        let judge = policy
            .as_ref()
            .map_err(Clone::clone)
            .and_then(|policy| verdict::compile(policy).map_err(|error| error.to_string()));
        let outcome = judge.as_ref().map(drop).map_err(Clone::clone);
        self.current.store(Arc::new(PolicySnapshot {
            revision,
            policy: policy.ok().map(Arc::new),
            grants,
            judge,
        }));
        self.changed.send_replace(revision);
        outcome
    }
}

impl Default for Enforcement {
    fn default() -> Self {
        Self::new()
    }
}
