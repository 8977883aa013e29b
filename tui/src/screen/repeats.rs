//! Which of the asks that await a decision are the same: one row stands for them, with ×N.
//!
//! The same are asks of one sandbox for the same endpoints and programs, drafted in the same way; names and words
//! beside them may differ. Nothing is decided by that: each keeps its id and digest. Pure; kept by `update`.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::BuildHasher;

use chrono::{DateTime, Utc};
use openshell_domain::id::ProposalId;
use openshell_domain::proposal::Proposal;

use super::model::Model;

/// What awaits a decision, by what is asked for.
#[derive(Debug, Clone, Default)]
pub struct Repeats {
    /// Of keys of its own, so that nobody who asks can tell which asks fall together.
    hasher: RandomState,
    known: HashMap<ProposalId, Standing>,
    /// Those for which agents wait first, then the oldest.
    order: BTreeSet<(u64, Rank, ProposalId)>,
    /// The hashes that several have.
    several: HashSet<u64>,
}

/// What an ask is known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Standing {
    hash: u64,
    rank: Rank,
}

/// Who comes first among the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    is_without_agents: bool,
    submitted_at: DateTime<Utc>,
}

impl Repeats {
    /// Takes in an ask, for which agents wait or do not, as it is now.
    pub fn put(&mut self, proposal: &Proposal, agents: u32) {
        let rule = &proposal.draft.rule;
        let asked = (&proposal.sandbox, proposal.origin, &rule.endpoints, &rule.binaries);
        let rank = Rank { is_without_agents: agents == 0, submitted_at: proposal.submitted_at };
        let now = Standing { hash: self.hasher.hash_one(asked), rank };
        if self.known.get(&proposal.id) == Some(&now) {
            return;
        }
        self.take(proposal.id);
        if self.with(now.hash).next().is_some() {
            self.several.insert(now.hash);
        }
        self.known.insert(proposal.id, now);
        self.order.insert((now.hash, rank, proposal.id));
    }

    /// Forgets one that awaits nothing any more.
    pub fn take(&mut self, id: ProposalId) {
        let Some(was) = self.known.remove(&id) else { return };
        self.order.remove(&(was.hash, was.rank, id));
        if self.with(was.hash).nth(1).is_none() {
            self.several.remove(&was.hash);
        }
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.known.clear();
        self.order.clear();
        self.several.clear();
    }

    /// The two that come first of those that may be the same as this one, as far as `passes` says.
    #[must_use]
    pub fn first(&self, id: ProposalId, passes: impl Fn(ProposalId) -> bool) -> Vec<ProposalId> {
        self.like(id).filter(|other| passes(*other)).take(2).collect()
    }

    /// Those that may be the same as this one, in their order, itself among them; none where it is the only one.
    fn like(&self, id: ProposalId) -> impl Iterator<Item = ProposalId> + '_ {
        let hash = self.known.get(&id).map(|known| known.hash).filter(|hash| self.several.contains(hash));
        hash.into_iter().flat_map(|hash| self.with(hash))
    }

    fn with(&self, hash: u64) -> impl Iterator<Item = ProposalId> + '_ {
        let least = Rank { is_without_agents: false, submitted_at: DateTime::<Utc>::MIN_UTC };
        let from = self.order.range((hash, least, ProposalId(uuid::Uuid::nil()))..);
        from.take_while(move |(of, ..)| *of == hash).map(|(.., id)| *id)
    }
}

/// Whether two asks are for the same.
fn is_same(one: &Proposal, other: &Proposal) -> bool {
    let (this, that) = (&one.draft.rule, &other.draft.rule);
    one.sandbox == other.sandbox
        && one.origin == other.origin
        && this.endpoints == that.endpoints
        && this.binaries == that.binaries
}

impl Model {
    /// The same asks that the reviewer lets have a row, the one that has it first; empty where it is the only one.
    pub fn same<'m>(&'m self, proposal: &'m Proposal) -> impl Iterator<Item = &'m Proposal> + 'm {
        let like = self.repeats.like(proposal.id).filter_map(|id| self.proposal(id));
        like.filter(move |other| is_same(proposal, other) && self.passes(other))
    }

    /// The ask whose row stands for this one, where that is another.
    #[must_use]
    pub fn stands_for(&self, proposal: &Proposal) -> Option<ProposalId> {
        let first = self.same(proposal).next().map(|first| first.id);
        first.filter(|first| *first != proposal.id)
    }

    /// For how many asks its row stands, and how many agents wait for all of them.
    #[must_use]
    pub fn repeated(&self, proposal: &Proposal) -> (usize, u32) {
        let mut same = self.same(proposal).map(|other| self.agents_waiting(other)).peekable();
        if same.peek().is_none() {
            return (1, self.agents_waiting(proposal));
        }
        same.fold((0, 0), |(asks, agents), waiting| (asks + 1, agents.saturating_add(waiting)))
    }
}
