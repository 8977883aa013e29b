//! The policy of a sandbox: base ⊕ grants in force, in the order of approval.
//!
//! Grants stay separate rules, each under a key of its own that is fixed at its approval and never given to
//! another proposal while the run lasts; nothing is folded into somebody else's rule. So undo, expiry and
//! revocation are exact (the same without that grant, byte for byte), and a key in a log line names one grant.
//! Called by `decide` and by the fold; decides nothing.

mod provenance;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::overlap::Conflict;
use super::{Policy, Rule};
use crate::id::{Digest, ProposalId, RuleName, RunId};
use crate::proposal::{Decision, Draft, Lease, Moment};
use crate::shared;
pub use provenance::{Provenance, Source};

/// An approved rule, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// The key of its rule in the policy.
    pub key: RuleName,
    /// The proposal that granted it.
    pub proposal: ProposalId,
    /// The wording that was approved: asked name and rule.
    pub draft: Draft,
    /// How long it lives.
    pub lease: Lease,
    /// Who approved it, when, and with which words.
    pub decision: Decision,
    /// The run in which it was approved.
    pub run: Option<RunId>,
    /// The hash of the base policy to which it was added.
    pub base: Digest,
    /// When it was undone, revoked or expired, if it was.
    pub ended: Option<DateTime<Utc>>,
}

impl Grant {
    /// Whether it is in force: neither ended nor past its lease.
    #[must_use]
    pub fn is_active(&self, at: &Moment) -> bool {
        let since = Moment { now: self.decision.at, run: self.run, base: self.base };
        self.ended.is_none() && self.lease.is_active(&since, at)
    }
}

/// Where a rule of the effective policy comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin<'a> {
    /// The policy file.
    Base,
    /// A grant.
    Grant(&'a Grant),
}

/// A base policy and what was granted beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Composition {
    #[serde(with = "shared::one")]
    base: Arc<Policy>,
    base_hash: Digest,
    /// In order of approval; those that have ended keep their keys from others until the run ends.
    #[serde(with = "shared::list")]
    grants: Vec<Arc<Grant>>,
}

impl Default for Composition {
    fn default() -> Self {
        Self::new(Policy::default())
    }
}

impl Composition {
    /// A base policy without grants.
    #[must_use]
    pub fn new(base: Policy) -> Self {
        Self { base_hash: base.hash(), base: Arc::new(base), grants: Vec::new() }
    }

    /// The policy file.
    #[must_use]
    pub fn base(&self) -> &Policy {
        &self.base
    }

    /// [`Policy::hash`] of the policy file.
    #[must_use]
    pub fn base_hash(&self) -> Digest {
        self.base_hash
    }

    /// The grants that nothing has ended, in order of approval.
    pub fn standing(&self) -> impl Iterator<Item = &Grant> {
        self.grants.iter().map(AsRef::as_ref).filter(|grant| grant.ended.is_none())
    }

    /// The grants of the run that have ended, in order of approval.
    pub fn ended(&self) -> impl Iterator<Item = &Grant> {
        self.grants.iter().map(AsRef::as_ref).filter(|grant| grant.ended.is_some())
    }

    /// The base policy and every standing grant.
    #[must_use]
    pub fn effective(&self) -> Policy {
        self.composed(self.standing())
    }

    /// The base policy and the grants whose leases last: what should be in force.
    #[must_use]
    pub fn effective_at(&self, at: &Moment) -> Policy {
        self.composed(self.standing().filter(|grant| grant.is_active(at)))
    }

    /// The key that a grant of `proposal` would get: the first of [`RuleName::keys`] that neither the base policy nor
    /// another proposal's grant has had in this run. `None` where there is none.
    #[must_use]
    pub fn key_for(&self, asked: &RuleName, proposal: ProposalId) -> Option<RuleName> {
        let is_taken = |key: &RuleName| {
            self.base.network_policies.contains_key(key)
                || self.grants.iter().any(|grant| grant.key == *key && grant.proposal != proposal)
        };
        asked.keys(proposal).find(|key| !is_taken(key))
    }

    /// The effective policy with one rule more.
    #[must_use]
    pub fn with(&self, key: RuleName, rule: &Rule) -> Policy {
        let mut policy = self.effective();
        policy.network_policies.entry(key).or_insert_with(|| rule.clone());
        policy
    }

    /// Adds a grant, as the last.
    pub fn grant(&mut self, grant: Grant) {
        self.grants.push(Arc::new(grant));
    }

    /// Ends the grant of a proposal: undo, revocation and expiry are the same to the policy.
    pub fn end(&mut self, proposal: ProposalId, at: DateTime<Utc>) {
        self.standing_of(proposal).for_each(|grant| grant.ended = Some(at));
    }

    fn standing_of(&mut self, proposal: ProposalId) -> impl Iterator<Item = &mut Grant> {
        let standing = move |grant: &&mut Arc<Grant>| grant.ended.is_none() && grant.proposal == proposal;
        self.grants.iter_mut().filter(standing).map(Arc::make_mut)
    }

    /// Begins a run with a policy file. Forgets what has ended, and gives back the proposals whose grants end with
    /// this: every lease but `always`, and `always` too where the file says something else.
    pub fn begin(&mut self, run: Option<RunId>, base: Policy) -> Vec<ProposalId> {
        let grants = std::mem::take(&mut self.grants);
        *self = Self::new(base);
        let (kept, ended): (Vec<_>, Vec<_>) =
            grants.into_iter().filter(|grant| grant.ended.is_none()).partition(|grant| {
                let at = Moment { now: grant.decision.at, run, base: self.base_hash };
                grant.is_active(&at)
            });
        self.grants = kept;
        ended.into_iter().map(|grant| grant.proposal).collect()
    }

    /// Where the rule with this key comes from; `None` where the effective policy has none.
    #[must_use]
    pub fn origin(&self, key: &RuleName) -> Option<Origin<'_>> {
        if self.base.network_policies.contains_key(key) {
            return Some(Origin::Base);
        }
        self.standing().find(|grant| grant.key == *key).map(Origin::Grant)
    }

    fn composed<'a>(&self, grants: impl Iterator<Item = &'a Grant>) -> Policy {
        let mut policy = Policy::clone(&self.base);
        for grant in grants {
            // Keys are unique; should a log say otherwise, what stands first stays as it is.
            policy.network_policies.entry(grant.key.clone()).or_insert_with(|| grant.draft.rule.clone());
        }
        policy
    }
}

/// Why a composed policy would not load, if it would not. `whence` says where a rule comes from.
///
/// # Errors
/// One line for each conflict, naming the rules and where they come from.
pub fn check(policy: &Policy, whence: impl Fn(&RuleName) -> Option<String>) -> Result<(), Vec<String>> {
    let line = |conflict: Conflict| {
        let rules = [&conflict.rule, &conflict.other];
        let known: Vec<String> = rules
            .into_iter()
            .filter_map(|rule| whence(rule).map(|from| format!("{rule} is from {from}")))
            .collect();
        if known.is_empty() { conflict.to_string() } else { format!("{conflict} ({})", known.join(", ")) }
    };
    let conflicts: Vec<String> = super::overlap::conflicts(policy).into_iter().map(line).collect();
    if conflicts.is_empty() { Ok(()) } else { Err(conflicts) }
}

#[cfg(test)]
mod tests;
