//! Which of the asks in the list are the same: one row stands for them, with ×N.
//!
//! The same are asks of one sandbox for the same endpoints and programs, drafted in the same way; names and words
//! beside them may differ. Nothing is decided by that: each keeps its id and digest. Pure; kept by `update`, and asked
//! for every row of every frame: no answer takes a walk over the others.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
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
    known: HashMap<ProposalId, Ask>,
    /// What the reviewer lets into the list, by its hash.
    groups: HashMap<u64, Group>,
}

/// Asks that are the same.
#[derive(Debug, Clone, Default)]
struct Group {
    /// For which agents wait first, then the oldest.
    asks: Vec<(Rank, ProposalId)>,
    /// How many agents wait for all of them.
    agents: u64,
}

/// Where an ask stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stand {
    /// In a row of its own.
    Row,
    /// In the row of the same ask.
    Folded,
    /// Not in the list, as the reviewer wishes.
    Apart,
}

/// What an ask is known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ask {
    hash: u64,
    rank: Rank,
    agents: u32,
    is_in: bool,
}

/// Who comes first among the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    is_without_agents: bool,
    submitted_at: DateTime<Utc>,
}

impl Repeats {
    /// Takes in an ask as it is now: for how many agents wait for it, whether the reviewer lets it into the list.
    pub fn put(&mut self, proposal: &Proposal, agents: u32, is_in: bool) {
        let rule = &proposal.draft.rule;
        let asked = (&proposal.sandbox, proposal.origin, &rule.endpoints, &rule.binaries);
        let rank = Rank { is_without_agents: agents == 0, submitted_at: proposal.submitted_at };
        self.set(proposal.id, Ask { hash: self.hasher.hash_one(asked), rank, agents, is_in });
    }

    /// Lets one that is known into the list, or takes it out.
    pub fn admit(&mut self, id: ProposalId, is_in: bool) {
        if let Some(known) = self.known.get(&id).copied() {
            self.set(id, Ask { is_in, ..known });
        }
    }

    /// Forgets one that awaits nothing any more.
    pub fn take(&mut self, id: ProposalId) {
        if let Some(was) = self.known.remove(&id) {
            self.leave(id, was);
        }
    }

    fn set(&mut self, id: ProposalId, now: Ask) {
        let was = self.known.insert(id, now);
        if was == Some(now) {
            return;
        }
        if let Some(was) = was {
            self.leave(id, was);
        }
        if now.is_in {
            let group = self.groups.entry(now.hash).or_default();
            let at = group.asks.partition_point(|known| *known < (now.rank, id));
            group.asks.insert(at, (now.rank, id));
            group.agents += u64::from(now.agents);
        }
    }

    fn leave(&mut self, id: ProposalId, was: Ask) {
        let Some(group) = self.groups.get_mut(&was.hash).filter(|_| was.is_in) else { return };
        if let Ok(at) = group.asks.binary_search(&(was.rank, id)) {
            group.asks.remove(at);
            group.agents -= u64::from(was.agents);
        }
        if group.asks.is_empty() {
            self.groups.remove(&was.hash);
        }
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.known.clear();
        self.groups.clear();
    }

    /// Where one stands that awaits a decision.
    #[must_use]
    pub fn stand(&self, id: ProposalId) -> Option<Stand> {
        let known = self.known.get(&id)?;
        Some(match known.is_in {
            false => Stand::Apart,
            true if self.of(known).next() == Some(id) => Stand::Row,
            true => Stand::Folded,
        })
    }

    /// Those in the list that are the same as this one, the first of them first, itself among them if it is there.
    pub fn same(&self, id: ProposalId) -> impl Iterator<Item = ProposalId> + '_ {
        self.known.get(&id).into_iter().flat_map(|known| self.of(known))
    }

    /// How many these are, and how many agents wait for them.
    #[must_use]
    pub fn count(&self, id: ProposalId) -> Option<(usize, u64)> {
        let group = self.groups.get(&self.known.get(&id)?.hash)?;
        Some((group.asks.len(), group.agents))
    }

    fn of(&self, known: &Ask) -> impl Iterator<Item = ProposalId> + use<'_> {
        self.groups.get(&known.hash).into_iter().flat_map(|group| &group.asks).map(|(_, id)| *id)
    }
}

impl Model {
    /// For how many asks its row stands, and how many agents wait for all of them.
    #[must_use]
    pub fn repeated(&self, proposal: &Proposal) -> (usize, u64) {
        let alone = (1, u64::from(self.agents_waiting(proposal)));
        self.repeats.count(proposal.id).filter(|(asks, _)| *asks > 1).unwrap_or(alone)
    }
}
