//! The sandbox's own proposals, as the gateway last told them: what `policy.local` answers from.
//!
//! Updated by push and by nothing else; each proposal has a channel of its own, so that a decision wakes those who
//! wait for it and nobody else. Survives a lost gateway: what was told stays told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use openshell_domain::id::ProposalId;
use openshell_domain::proposal::Proposal;
use tokio::sync::watch;

/// The proposals of one sandbox.
#[derive(Debug, Default)]
pub struct Proposals {
    known: Mutex<BTreeMap<ProposalId, watch::Sender<Proposal>>>,
}

impl Proposals {
    /// A receiver of one proposal's state, if there is such a proposal.
    #[must_use]
    pub fn watch(&self, id: ProposalId) -> Option<watch::Receiver<Proposal>> {
        self.lock().get(&id).map(watch::Sender::subscribe)
    }

    /// All of them, as they are now.
    #[must_use]
    pub fn all(&self) -> Vec<Proposal> {
        self.lock().values().map(|sender| sender.borrow().clone()).collect()
    }

    /// Adds what the gateway has just acknowledged, unless it was pushed already. Says whether its decision is news:
    /// it came with the acknowledgement.
    pub fn add(&self, proposal: Proposal) -> bool {
        let mut known = self.lock();
        let is_news = !known.contains_key(&proposal.id) && !proposal.is_pending();
        known.entry(proposal.id).or_insert_with(|| watch::Sender::new(proposal));
        is_news
    }

    /// Takes over what the gateway pushed. A complete push drops what is not in it. Returns those whose decision is
    /// news: known as pending before, or unknown where the push is about what has just changed. What is unknown in a
    /// complete one was decided before this run.
    pub fn update(&self, pushed: Vec<Proposal>, is_complete: bool) -> Vec<Proposal> {
        let mut known = self.lock();
        if is_complete {
            let ids: BTreeSet<ProposalId> = pushed.iter().map(|p| p.id).collect();
            known.retain(|id, _| ids.contains(id));
        }
        let mut decided = Vec::new();
        for proposal in pushed {
            match known.get(&proposal.id) {
                Some(sender) => {
                    let was_pending = sender.borrow().is_pending();
                    if was_pending && !proposal.is_pending() {
                        decided.push(proposal.clone());
                    }
                    sender.send_if_modified(|held| {
                        let is_new = *held != proposal;
                        *held = proposal;
                        is_new
                    });
                }
                None => {
                    if !is_complete && !proposal.is_pending() {
                        decided.push(proposal.clone());
                    }
                    known.insert(proposal.id, watch::Sender::new(proposal));
                }
            }
        }
        decided
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ProposalId, watch::Sender<Proposal>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
pub(crate) mod tests;
