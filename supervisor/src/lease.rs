//! Leases, as the supervisor ends them: by itself, whether the gateway is there or not.
//!
//! Pure: what the clocks say is an argument. A lease with an end is over at the earlier of two moments: when the time
//! of day reaches it, or when as much time has passed since the machine's start as was left at receipt. So a clock
//! that is set back cannot lengthen it; and what was over once stays over. Called by [`crate::enforcement`].

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use openshell_domain::id::{ProposalId, RuleName};
use openshell_domain::policy::Policy;
use openshell_domain::proposal::Lease;

use crate::clock::Reading;

/// A grant that is part of a policy, as the gateway told it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The proposal that granted it.
    pub proposal: ProposalId,
    /// The key of its rule.
    pub rule: RuleName,
    /// How long it lives.
    pub lease: Lease,
}

/// By when the grants of a policy are over, in time since the machine's start.
#[derive(Debug, Clone, Default)]
pub struct Budgets(BTreeMap<(ProposalId, DateTime<Utc>), Duration>);

/// The next moment at which a grant is over, by either clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    wall: DateTime<Utc>,
    boot: Duration,
}

impl End {
    /// Whether it has come.
    #[must_use]
    pub fn is_past(&self, at: Reading) -> bool {
        at.wall >= self.wall || at.boot >= self.boot
    }

    /// How long it is until then, if nobody sets a clock.
    #[must_use]
    pub fn left(&self, at: Reading) -> Duration {
        let wall = self.wall.signed_duration_since(at.wall).to_std().unwrap_or_default();
        wall.min(self.boot.saturating_sub(at.boot))
    }
}

impl Budgets {
    /// Takes in the grants of a policy. One that is known never gets more time than it was given at first.
    pub fn receive(&mut self, grants: &[Grant], at: Reading) {
        let known = std::mem::take(&mut self.0);
        self.0 = grants
            .iter()
            .filter_map(|grant| {
                let Lease::Until(end) = grant.lease else { return None };
                let key = (grant.proposal, end);
                let left = end.signed_duration_since(at.wall).to_std().unwrap_or_default();
                let deadline = at.boot.saturating_add(left);
                Some((key, known.get(&key).map_or(deadline, |known| deadline.min(*known))))
            })
            .collect();
    }

    /// Ends what is over now, so that no later reading can bring it back.
    pub fn lapse(&mut self, at: Reading) {
        for ((_, end), deadline) in &mut self.0 {
            if *end <= at.wall {
                *deadline = at.boot.min(*deadline);
            }
        }
    }

    /// Whether a grant is over. `once`, `run` and `always` are ended by the gateway alone.
    #[must_use]
    pub fn is_over(&self, grant: &Grant, at: Reading) -> bool {
        self.end(grant).is_some_and(|end| end.is_past(at))
    }

    /// The first moment at which one of these grants is over.
    #[must_use]
    pub fn first_end<'g>(&self, grants: impl Iterator<Item = &'g Grant>) -> Option<End> {
        grants
            .filter_map(|grant| self.end(grant))
            .reduce(|first, next| End { wall: first.wall.min(next.wall), boot: first.boot.min(next.boot) })
    }

    fn end(&self, grant: &Grant) -> Option<End> {
        let Lease::Until(wall) = grant.lease else { return None };
        // What was never received has no time left.
        let boot = self.0.get(&(grant.proposal, wall)).copied().unwrap_or_default();
        Some(End { wall, boot })
    }
}

/// A policy without the rules of some of its grants: exactly what the gateway makes of it when those have ended.
pub(crate) fn without<'g>(policy: &Policy, grants: impl Iterator<Item = &'g Grant>) -> Policy {
    let mut policy = policy.clone();
    for grant in grants {
        policy.network_policies.remove(&grant.rule);
    }
    policy
}

#[cfg(test)]
mod tests;
