//! Which of the pending proposals have a row, and in which order: what a reviewer has made of the list.
//!
//! Those without a row are kept by id and counted, so that none of them, and above all no agent that waits, is ever
//! out of sight without a word. Changed by `update`.

use std::collections::BTreeSet;

use openshell_domain::id::ProposalId;
use openshell_domain::proposal::Proposal;

use super::filter::Filter;
use super::hidden::Hidden;
use super::model::Model;
use super::order::Order;

/// What a reviewer has made of the list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listing {
    /// What is looked for.
    pub filter: Filter,
    /// What comes first.
    pub order: Order,
    /// What is put aside.
    pub hidden: Hidden,
    /// What awaits a decision and has no row.
    pub apart: BTreeSet<ProposalId>,
    /// What awaits a decision and is in the row of the same ask.
    pub folded: BTreeSet<ProposalId>,
}

/// How many of those that await a decision have no row, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Apart {
    /// Put aside.
    pub hidden: usize,
    /// Left out by the filter.
    pub filtered: usize,
    /// For how many of both agents wait.
    pub waiting: usize,
}

impl Model {
    /// Whether a proposal has a row, or a part in one, as far as the reviewer says.
    #[must_use]
    pub fn passes(&self, proposal: &Proposal) -> bool {
        !self.list.hidden.has(proposal) && self.list.filter.passes(proposal, || self.agents_waiting(proposal))
    }

    /// What has no row.
    #[must_use]
    pub fn apart(&self) -> Apart {
        let apart = &self.list.apart;
        let is_hidden = |id: &&ProposalId| self.proposal(**id).is_some_and(|one| self.list.hidden.has(one));
        let hidden = if self.list.hidden.is_empty() { 0 } else { apart.iter().filter(is_hidden).count() };
        let waited = self.waiting.values().flat_map(|waiting| waiting.keys());
        Apart {
            hidden,
            filtered: apart.len() - hidden,
            waiting: waited.filter(|id| apart.contains(id)).count(),
        }
    }
}
