//! A reviewer's acts on a proposal. Each quotes the digest of what was on the screen.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::submit::judge;
use super::{Circumstances, by, once, revised, revised_without, sandbox, with_grant};
use crate::command::{Answer, Decide, Refusal, Revise};
use crate::event::{Actor, Event, NewEvent};
use crate::id::Stream;
use crate::proposal::{Draft, Lease, LeaseAsk, Proposal, Status};
use crate::review::Review;
use crate::setting::Key;
use crate::state::{Sandbox, State};

/// The longest reason, in bytes.
pub const MAX_REASON: usize = 4096;

pub(super) fn approve(
    state: &State,
    decision: &Decide,
    ask: Option<LeaseAsk>,
    at: Circumstances<'_>,
) -> Result<Vec<NewEvent>, Refusal> {
    let (proposal, review) = decidable(state, decision)?;
    let sandbox = sandbox(state, &proposal.sandbox)?;
    if review.difference.is_none() {
        return Err(Refusal::TooComplex);
    }
    at.orders.admit(&sandbox.ground(), &proposal.draft.rule)?;
    let lease = lease(state, sandbox, proposal, (ask, at.now))?;
    let (key, policy) = with_grant(sandbox, proposal.id, &proposal.draft)?;
    let approved = Event::ProposalApproved {
        proposal: proposal.id,
        draft: proposal.draft.number,
        digest: decision.digest,
        difference: review.difference,
        lease,
        reason: decision.reason.clone(),
        revision: sandbox.view.revision.next(),
        key: Some(key),
        grounds: None,
    };
    Ok(by_reviewer(sandbox, proposal, decision, [approved, revised(sandbox, &policy)]))
}

/// The lease to grant: the one asked for or the default, at most the longest allowed.
fn lease(
    state: &State,
    sandbox: &Sandbox,
    proposal: &Proposal,
    (ask, now): (Option<LeaseAsk>, DateTime<Utc>),
) -> Result<Lease, Refusal> {
    let scope = state.scope(sandbox);
    let wanted = ask.unwrap_or_else(|| scope.lease(Key::DefaultLease)).at(now);
    let lease = wanted.capped(scope.lease(Key::MaxLease).at(now));
    if lease == Lease::Once && !proposal.draft.rule.endpoints.iter().all(crate::policy::Endpoint::is_l7) {
        return Err(Refusal::OnceNeedsL7);
    }
    match lease {
        Lease::Until(end) if end <= now => Err(Refusal::LeaseOver(end)),
        lease if lease != Lease::Always && sandbox.live_run().is_none() => {
            Err(Refusal::NobodyRuns(proposal.sandbox.clone()))
        }
        lease => Ok(lease),
    }
}

pub(super) fn reject(
    state: &State,
    decision: &Decide,
    answer: &Answer,
    at: Circumstances<'_>,
) -> Result<Vec<NewEvent>, Refusal> {
    let (proposal, _) = decidable(state, decision)?;
    let sandbox = sandbox(state, &proposal.sandbox)?;
    let snooze = match (answer.snooze, state.scope(sandbox).lease(Key::SnoozeAfterReject)) {
        (Some(time), _) | (None, LeaseAsk::For(time)) => Some(time),
        (None, _) => None,
    };
    let rejected = Event::ProposalRejected {
        proposal: proposal.id,
        draft: proposal.draft.number,
        digest: decision.digest,
        reason: decision.reason.clone(),
        hints: answer.hints.clone(),
        snoozed_until: snooze.and_then(|time| at.now.checked_add_signed(time)),
    };
    Ok(by_reviewer(sandbox, proposal, decision, [rejected]))
}

pub(super) fn revise(
    state: &State,
    revise: &Revise,
    at: Circumstances<'_>,
) -> Result<Vec<NewEvent>, Refusal> {
    let (proposal, _) = decidable(state, &revise.decision)?;
    let sandbox = sandbox(state, &proposal.sandbox)?;
    let draft = Draft {
        number: proposal.draft.number.saturating_add(1),
        rule_name: revise.rule_name.clone(),
        rule: revise.rule.clone(),
        rationale: proposal.draft.rationale.clone(),
    };
    with_grant(sandbox, proposal.id, &draft)?;
    let review = Review::of(sandbox, proposal.id, &draft, &proposal.evidence);
    if let Some(closure) = judge(&review)? {
        return Err(Refusal::ChangesNothing(vec![closure.as_str().to_owned()]));
    }
    at.orders.admit(&sandbox.ground(), &draft.rule)?;
    let validation_result = review.validation_result();
    let revised = Event::DraftRevised { proposal: proposal.id, draft, validation_result };
    Ok(by_reviewer(sandbox, proposal, &revise.decision, [revised]))
}

/// Takes back an approval in force or a rejection; the wording is open again under a new number.
pub(super) fn undo(
    state: &State,
    decision: &Decide,
    at: Circumstances<'_>,
) -> Result<Vec<NewEvent>, Refusal> {
    let proposal = decided(state, decision)?;
    let sandbox = sandbox(state, &proposal.sandbox)?;
    let undone = Event::DecisionUndone {
        proposal: proposal.id,
        draft: proposal.draft.number,
        digest: decision.digest,
        reason: decision.reason.clone(),
        reopened: proposal.draft.number.saturating_add(1),
    };
    let revised = match proposal.status {
        Status::Approved { .. } => Some(revised_without(sandbox, &[proposal.id], at.now)),
        Status::Rejected { .. } => None,
        _ => return Err(Refusal::NotDecided(Box::new(proposal.clone()))),
    };
    Ok(by_reviewer(sandbox, proposal, decision, [undone].into_iter().chain(revised)))
}

pub(super) fn revoke(
    state: &State,
    decision: &Decide,
    at: Circumstances<'_>,
) -> Result<Vec<NewEvent>, Refusal> {
    let proposal = decided(state, decision)?;
    let sandbox = sandbox(state, &proposal.sandbox)?;
    if !matches!(proposal.status, Status::Approved { .. }) {
        return Err(Refusal::NotGranted(Box::new(proposal.clone())));
    }
    let revoked = Event::GrantRevoked {
        proposal: proposal.id,
        digest: decision.digest,
        reason: decision.reason.clone(),
    };
    let revised = revised_without(sandbox, &[proposal.id], at.now);
    Ok(by_reviewer(sandbox, proposal, decision, [revoked, revised]))
}

/// The proposal, with whatever may be wrong with the words.
fn known<'s>(state: &'s State, decision: &Decide) -> Result<&'s Proposal, Refusal> {
    // A reviewer's key is the reviewer's, wherever it is used.
    once(state, &decision.reviewer, &Stream::Gateway)?;
    let proposal = state.proposal(decision.proposal).ok_or(Refusal::UnknownProposal(decision.proposal))?;
    if decision.reason.len() > MAX_REASON {
        return Err(Refusal::ReasonTooLong(decision.reason.len(), MAX_REASON));
    }
    Ok(proposal)
}

/// The proposal, if this decision may be made on it, as it looks now.
fn decidable<'s>(state: &'s State, decision: &Decide) -> Result<(&'s Proposal, Review), Refusal> {
    let proposal = known(state, decision)?;
    if !proposal.is_pending() {
        return Err(Refusal::AlreadyDecided(Box::new(proposal.clone())));
    }
    let sandbox = sandbox(state, &proposal.sandbox)?;
    let review = Review::of(sandbox, proposal.id, &proposal.draft, &proposal.evidence);
    if review.digest == decision.digest {
        return Ok((proposal, review));
    }
    let fresh = Proposal { review: Some(Arc::new(review)), ..proposal.clone() };
    Err(Refusal::Stale(Box::new(fresh)))
}

/// The proposal, if this is the digest of the decision that was made on it.
fn decided<'s>(state: &'s State, decision: &Decide) -> Result<&'s Proposal, Refusal> {
    let proposal = known(state, decision)?;
    match proposal.status.decision() {
        None => Err(Refusal::NotDecided(Box::new(proposal.clone()))),
        Some(made) if made.digest == decision.digest => Ok(proposal),
        Some(_) => Err(Refusal::Stale(Box::new(proposal.clone()))),
    }
}

fn by_reviewer(
    sandbox: &Sandbox,
    proposal: &Proposal,
    decision: &Decide,
    events: impl IntoIterator<Item = Event>,
) -> Vec<NewEvent> {
    let actor = Actor { unisolated: !sandbox.is_isolated(), ..decision.reviewer.clone() };
    by(&actor, &proposal.sandbox, events)
}
