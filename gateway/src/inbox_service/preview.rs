//! `PreviewDraft`: what a pending proposal would change if it were worded otherwise.
//!
//! Looked at beside the reviews that decisions are bound to, and forgotten: nothing can be decided on it. A hard wording
//! takes long, and every key of a reviewer may ask for one: there are few places, and no queue behind them.

use std::sync::Arc;

use openshell_domain::command::Refusal;
use openshell_domain::id::{IdError, ProposalId};
use openshell_domain::policy::read::Source;
use openshell_domain::proposal::Draft;
use openshell_domain::review::Review;
use openshell_wire::pb::inbox as pb;
use openshell_wire::{policy, proposal};
use tokio::sync::Semaphore;
use tonic::{Code, Status};

use crate::gateway::Shared;
use crate::status;
use crate::store::writer::NotDone;

/// How many wordings are looked at at the same time.
pub(super) const PLACES: usize = 2;

pub(super) async fn draft(
    shared: &Shared,
    places: &Arc<Semaphore>,
    request: pb::PreviewDraftRequest,
) -> Result<pb::PreviewDraftResponse, Status> {
    let invalid = |error: IdError| status::invalid(&error.into());
    let id: ProposalId = request.id.parse().map_err(invalid)?;
    let rule = request.rule.as_ref().ok_or_else(|| status::invalid_text("rule: it is missing"))?;
    let rule = policy::rule(rule, Source::Proposal, "rule").map_err(|error| status::invalid(&error))?;
    let rule_name = request.rule_name.parse().map_err(invalid)?;
    let refused = |refusal| status::not_done(NotDone::Refused(refusal));
    let state = shared.ledger.state();
    let known = state.proposal(id).ok_or_else(|| refused(Refusal::UnknownProposal(id)))?;
    if !known.is_pending() {
        return Err(refused(Refusal::AlreadyDecided(Box::new(known.clone()))));
    }
    let sandbox = state.sandboxes.get(&known.sandbox).ok_or_else(|| refused(Refusal::UnknownProposal(id)))?;
    let number = known.draft.number.saturating_add(1);
    let draft = Draft { number, rule_name, rule, ..known.draft.clone() };
    let (sandbox, seen) = (sandbox.clone(), known.evidence.clone());
    let review = in_place(places, move || Review::of(&sandbox, id, &draft, &seen)).await?;
    Ok(pb::PreviewDraftResponse { review: proposal::review_text(&review) })
}

/// Does the work, where there is a place for it, on a thread that serves no streams.
async fn in_place<T: Send + 'static>(
    places: &Arc<Semaphore>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Status> {
    let Ok(place) = places.clone().try_acquire_owned() else {
        let message = "other wordings are being looked at right now: ask again in a moment";
        return Err(status::refuse(Code::ResourceExhausted, "limit", message));
    };
    // The place is given up when the work is done, also where whoever asked has typed on and gone.
    let work = move || (work(), place).0;
    tokio::task::spawn_blocking(work).await.map_err(|error| Status::internal(error.to_string()))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Kills: a place that is free again as soon as whoever asked has gone, while the work goes on.
    #[tokio::test]
    async fn work_has_its_place_until_it_is_done_also_when_nobody_waits_for_it() {
        let places = Arc::new(Semaphore::new(1));
        let (begun, has_begun) = mpsc::sync_channel(1);
        let (go, may_end) = mpsc::sync_channel::<()>(1);
        let held = places.clone();
        let asker = tokio::spawn(async move {
            let work = move || (begun.send(()).unwrap(), may_end.recv().unwrap());
            in_place(&held, work).await
        });
        tokio::task::spawn_blocking(move || has_begun.recv().unwrap()).await.unwrap();
        asker.abort();
        assert!(asker.await.unwrap_err().is_cancelled());
        let refused = in_place(&places, || ()).await.unwrap_err();
        assert_eq!((refused.code(), status::WORD), (Code::ResourceExhausted, "openshell-refusal"));
        go.send(()).unwrap();
        drop(places.acquire().await.unwrap());
        assert_eq!(in_place(&places, || 7).await.unwrap(), 7);
    }
}
