//! What each pending proposal would change now, computed once for everybody who looks.
//!
//! A review holds for one revision of its sandbox's policy: base and grants change with the revision only. Nothing
//! here is stored; after a restart everything is looked at again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use openshell_domain::id::{ProposalId, Revision};
use openshell_domain::proposal::Proposal;
use openshell_domain::review::Review;
use openshell_domain::state::{Sandbox, State};
use tokio::sync::watch;

use crate::metrics::Metrics;

/// From this many on, reviews that nobody needs any more are looked for and dropped.
const MANY: usize = 1024;

/// The reviews. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Reviews {
    table: Arc<Mutex<Table>>,
    metrics: Arc<Metrics>,
}

#[derive(Debug)]
struct Table {
    known: HashMap<ProposalId, Known>,
    /// At this size it is swept: twice what was left the last time, so that sweeping costs nothing in the long run.
    sweep_at: usize,
}

#[derive(Debug, Clone)]
struct Known {
    of: Wording,
    /// Filled by a task of its own: a watcher that is not read from stops in the middle of anything it waits for,
    /// and nobody else may have to wait for that one.
    review: Looked,
}

type Looked = watch::Receiver<Option<Arc<Review>>>;

/// What a review depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Wording {
    draft: u32,
    revision: Revision,
    /// Evidence grows while a proposal is pending.
    since: u64,
}

impl Reviews {
    pub(crate) fn new(metrics: Arc<Metrics>) -> Self {
        let table = Table { known: HashMap::new(), sweep_at: MANY };
        Self { table: Arc::new(Mutex::new(table)), metrics }
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
        let sandbox = state.sandboxes.get(&proposal.sandbox)?;
        let (draft, revision) = (proposal.draft.number, sandbox.view.revision);
        let of = Wording { draft, revision, since: proposal.since };
        let mut looked = self.look(state, proposal, (of, sandbox));
        // An error is a look that failed: the next one begins anew.
        looked.wait_for(Option::is_some).await.ok()?.clone()
    }

    /// The place of a review, shared by all who look at the same.
    fn look(&self, state: &State, proposal: &Proposal, (of, sandbox): (Wording, &Arc<Sandbox>)) -> Looked {
        let id = proposal.id;
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let is_good = |looked: &Looked| looked.has_changed().is_ok() || looked.borrow().is_some();
        if let Some(known) = table.known.get(&id).filter(|known| known.of == of && is_good(&known.review)) {
            return known.review.clone();
        }
        if table.known.len() >= table.sweep_at {
            table.known.retain(|id, _| state.proposal(*id).is_some_and(Proposal::is_pending));
            table.sweep_at = MANY.max(table.known.len() * 2);
        }
        let (done, review) = watch::channel(None);
        table.known.insert(id, Known { of, review: review.clone() });
        let (sandbox, draft, seen) = (sandbox.clone(), proposal.draft.clone(), proposal.evidence.clone());
        let metrics = self.metrics.clone();
        // A hard one takes long enough to hold up everybody else on this thread.
        tokio::task::spawn_blocking(move || {
            let review = Review::of(&sandbox, id, &draft, &seen);
            metrics.reviewed();
            done.send_replace(Some(Arc::new(review)));
        });
        review
    }
}
