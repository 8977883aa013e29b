//! What each pending proposal would change now, computed once for everybody who looks.
//!
//! A review holds for one revision of its sandbox's policy: base and grants change with the revision only. Nothing
//! here is stored; after a restart everything is looked at again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use openshell_domain::id::{ProposalId, Revision};
use openshell_domain::proposal::Proposal;
use openshell_domain::review::Review;
use openshell_domain::state::State;

use crate::metrics::Metrics;

/// From this many on, reviews that nobody needs any more are looked for and dropped.
const MANY: usize = 1024;

/// The reviews. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Reviews {
    known: Arc<Mutex<HashMap<ProposalId, Known>>>,
    metrics: Arc<Metrics>,
}

#[derive(Debug)]
struct Known {
    draft: u32,
    revision: Revision,
    review: Arc<Review>,
}

impl Reviews {
    pub(crate) fn new(metrics: Arc<Metrics>) -> Self {
        Self { known: Arc::default(), metrics }
    }

    /// The proposal as reviewers see it: with its review while it is pending.
    pub(crate) async fn with(&self, state: &Arc<State>, proposal: &Proposal) -> Proposal {
        Proposal { review: self.of(state, proposal).await, ..proposal.clone() }
    }

    /// What a pending proposal would change; `None` for any other.
    pub(crate) async fn of(&self, state: &Arc<State>, proposal: &Proposal) -> Option<Arc<Review>> {
        if !proposal.is_pending() {
            return None;
        }
        let sandbox = state.sandboxes.get(&proposal.sandbox)?.clone();
        let (id, draft, revision) = (proposal.id, proposal.draft.clone(), sandbox.view.revision);
        let seen = proposal.evidence.clone();
        let known = self.lock().get(&id).map(|known| (known.draft, known.revision, known.review.clone()));
        if let Some((number, at, review)) = known
            && (number, at) == (draft.number, revision)
        {
            return Some(review);
        }
        let number = draft.number;
        // A hard one takes long enough to hold up everybody else on this thread.
        let looked = tokio::task::spawn_blocking(move || Review::of(&sandbox, id, &draft, &seen)).await;
        let review = Arc::new(looked.ok()?);
        self.metrics.reviewed();
        self.remember(state, id, Known { draft: number, revision, review: review.clone() });
        Some(review)
    }

    fn remember(&self, state: &State, id: ProposalId, known: Known) {
        let mut reviews = self.lock();
        if reviews.len() >= MANY {
            reviews.retain(|id, _| state.proposal(*id).is_some_and(Proposal::is_pending));
        }
        reviews.insert(id, known);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ProposalId, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
