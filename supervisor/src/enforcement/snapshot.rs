//! One revision as it is enforced, made of what was pushed and of what is over by now.
//!
//! Immutable; what cannot be enforced is a snapshot that denies everything and says why.

use std::sync::Arc;

use openshell_domain::id::{Digest, ProposalId, Revision};
use openshell_domain::policy::Policy;
use openshell_domain::policy::verdict::{self, CompiledPolicy};
use openshell_domain::proposal::Lease;

use super::Held;
use crate::clock::Reading;
use crate::lease::{self, End, Grant};

/// Ports of HTTP without TLS (IANA `http` and `http-alt`).
const CLEAR_PORTS: [u16; 2] = [80, 8080];
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
    pub(super) ends: Option<End>,
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
    pub(super) fn of(held: &Held, at: Reading) -> Self {
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
