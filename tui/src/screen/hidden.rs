//! What a reviewer has put aside for a while, on this screen only.
//!
//! Nothing is decided by that, and nobody is told: the row comes back by itself when its time is over, when it is
//! worded anew, and when an agent begins to wait for it. Agents that waited before are counted on the screen. Pure;
//! the time is handed in.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use openshell_domain::id::ProposalId;
use openshell_domain::proposal::Proposal;

/// For how long.
pub const WHILE: Duration = Duration::from_secs(15 * 60);

/// The rows that are put aside: until when, and in which wording.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hidden(BTreeMap<ProposalId, (DateTime<Utc>, u32)>);

impl Hidden {
    /// Puts one aside.
    pub fn put(&mut self, proposal: &Proposal, now: DateTime<Utc>) {
        self.0.insert(proposal.id, (now + WHILE, proposal.draft.number));
    }

    /// Whether one is put aside, as it is worded now.
    #[must_use]
    pub fn has(&self, proposal: &Proposal) -> bool {
        self.0.get(&proposal.id).is_some_and(|(_, draft)| *draft == proposal.draft.number)
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes one back; says whether it was put aside.
    pub fn take(&mut self, id: ProposalId) -> bool {
        self.0.remove(&id).is_some()
    }

    /// Takes all back.
    pub fn take_all(&mut self) -> Vec<ProposalId> {
        std::mem::take(&mut self.0).into_keys().collect()
    }

    /// Takes back those whose time is over.
    pub fn take_due(&mut self, now: DateTime<Utc>) -> Vec<ProposalId> {
        self.0.extract_if(.., |_, (until, _)| *until <= now).map(|(id, _)| id).collect()
    }
}
