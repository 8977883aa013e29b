//! Asks: what becomes of one when it comes, and what ends it without a decision.
//!
//! An agent's ask is always a proposal of its own. The mapper's is one pending proposal for each thing that it asks
//! for: what comes again is counted there, and what a reviewer has just refused is not asked again for a while.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Circumstances, Orders, agent, by, once, revised, sandbox, with_grant};
use crate::command::{Refusal, Submit, Withdraw};
use crate::event::{Actor, ActorKind, Event, NewEvent};
use crate::id::ProposalId;
use crate::policy::authority::{Ground, Patience};
use crate::proposal::{Closure, Draft, Lease, Origin, Proposal, Status};
use crate::review::{Idle, Review};
use crate::setting::Key;
use crate::state::{Asked, Sandbox, State};

/// The mapper may add to a wording for this long after it was made: a reviewer may be reading it.
const FREEZE: TimeDelta = TimeDelta::seconds(10);

pub(super) fn submit(
    state: &State,
    submit: &Submit,
    at: Circumstances<'_>,
) -> Result<Vec<NewEvent>, Refusal> {
    let sandbox = sandbox(state, &submit.sandbox)?;
    if sandbox.live_run().is_none() {
        return Err(Refusal::NobodyRuns(submit.sandbox.clone()));
    }
    let actor = actor(sandbox, submit);
    once(state, &actor, &(&submit.sandbox).into())?;
    let draft = first(submit);
    if submit.origin == Origin::Mechanistic {
        let scope = state.scope(sandbox);
        if !scope.is_on(Key::MechanisticProposals) {
            return Err(Refusal::MapperOff(submit.sandbox.clone()));
        }
        if let Some(known) = latest(sandbox, &draft) {
            if known.is_pending() {
                return Ok(fold_into(sandbox, known, submit, draft, at.now));
            }
            snoozed(known, at.now)?;
        }
    } else if !sandbox.view.advisor {
        return Err(Refusal::AdvisorOff(submit.sandbox.clone()));
    }
    if state.owners.contains_key(&submit.proposal) {
        return Err(Refusal::DuplicateId(submit.proposal));
    }
    is_admitted(sandbox, submit)?;
    begin(state, submit, draft, (actor, at))
}

/// What a submission would come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// What a reviewer would be shown.
    pub review: Review,
    /// What would close it at once, if anything.
    pub closure: Option<Closure>,
}

/// What an agent's ask would be answered, and nothing of whether a person would be needed. For whoever has no more
/// `patience` everything is too complex.
///
/// # Errors
/// The [`Refusal`] that a submission would get.
pub fn prove(state: &State, submit: &Submit, orders: &Orders, patience: &Patience) -> Result<Proof, Refusal> {
    let sandbox = sandbox(state, &submit.sandbox)?;
    if sandbox.live_run().is_none() {
        return Err(Refusal::NobodyRuns(submit.sandbox.clone()));
    }
    if !sandbox.view.advisor {
        return Err(Refusal::AdvisorOff(submit.sandbox.clone()));
    }
    is_admitted(sandbox, submit)?;
    let ground = Ground { patience: patience.clone(), ..sandbox.ground() };
    look(&ground, sandbox, (submit, &first(submit)), orders)
}

/// Whether there is room for one more.
fn is_admitted(sandbox: &Sandbox, submit: &Submit) -> Result<(), Refusal> {
    match sandbox.pending(submit.origin) {
        pending if pending >= submit.pending_limit => {
            Err(Refusal::TooManyPending(pending, submit.pending_limit))
        }
        _ => Ok(()),
    }
}

/// The first wording of an ask.
fn first(submit: &Submit) -> Draft {
    Draft {
        number: 1,
        rule_name: submit.rule_name.clone(),
        rule: submit.rule.clone(),
        rationale: submit.rationale.clone(),
    }
}

/// Looks at the first wording of an ask, and refuses what nobody could decide about.
fn look(
    ground: &Ground<'_>,
    sandbox: &Sandbox,
    (submit, draft): (&Submit, &Draft),
    orders: &Orders,
) -> Result<Proof, Refusal> {
    with_grant(sandbox, submit.proposal, draft)?;
    let review = Review::on(ground, sandbox, (submit.proposal, draft), &submit.evidence);
    let closure = judge(&review)?;
    orders.admit(ground, &draft.rule)?;
    Ok(Proof { review, closure })
}

/// Who asks.
fn actor(sandbox: &Sandbox, submit: &Submit) -> Actor {
    match submit.origin {
        Origin::AgentAuthored | Origin::Reviewer => {
            agent(sandbox, &submit.submitted_by, submit.request.as_ref())
        }
        Origin::Mechanistic => Actor {
            kind: ActorKind::System,
            id: "mapper".to_owned(),
            ..agent(sandbox, "", submit.request.as_ref())
        },
    }
}

/// The mapper's latest proposal for the same thing.
fn latest<'s>(sandbox: &'s Sandbox, draft: &Draft) -> Option<&'s Proposal> {
    Asked::by(draft).and_then(|asked| sandbox.mapped.get(&asked)).and_then(|id| sandbox.proposals.get(id))
}

fn snoozed(known: &Proposal, now: DateTime<Utc>) -> Result<(), Refusal> {
    match known.status {
        Status::Rejected { snoozed_until: Some(until), .. } if now < until => Err(Refusal::Snoozed(until)),
        _ => Ok(()),
    }
}

/// Counts an ask that is pending already. A wording that asks for more replaces the one there, unless that has
/// been there for so long that somebody may be reading it.
fn fold_into(
    sandbox: &Sandbox,
    known: &Proposal,
    submit: &Submit,
    draft: Draft,
    now: DateTime<Utc>,
) -> Vec<NewEvent> {
    let seen = Event::DenialObserved { proposal: known.id, seen: submit.evidence.clone() };
    let since = known.earlier.last().map_or(known.submitted_at, |earlier| earlier.at);
    let draft = Draft { number: known.draft.number.saturating_add(1), ..draft };
    let is_open = now.signed_duration_since(since) < FREEZE && draft.rule != known.draft.rule;
    let review = Review::of(sandbox, known.id, &draft, &submit.evidence);
    let is_sound = is_open
        && with_grant(sandbox, known.id, &draft).is_ok()
        && judge(&review).is_ok_and(|closure| closure.is_none());
    let revised = is_sound.then(|| Event::DraftRevised {
        proposal: known.id,
        validation_result: review.validation_result(),
        draft,
    });
    by(&actor(sandbox, submit), &submit.sandbox, [seen].into_iter().chain(revised))
}

/// Whether something can be decided about it: a refusal, or what closes it at once.
pub(super) fn judge(review: &Review) -> Result<Option<Closure>, Refusal> {
    let refusals = review.refusals();
    if !refusals.is_empty() {
        return Err(Refusal::NeverGranted(refusals));
    }
    match (review.difference.is_some(), review.idle()) {
        (false, _) => Err(Refusal::TooComplex),
        (true, Some(Idle::InVain(reasons))) => Err(Refusal::ChangesNothing(reasons)),
        (true, Some(Idle::Covered(rules))) => Ok(Some(Closure::AlreadyCovered(rules))),
        (true, None) => Ok(None),
    }
}

fn begin(
    state: &State,
    submit: &Submit,
    draft: Draft,
    (actor, at): (Actor, Circumstances<'_>),
) -> Result<Vec<NewEvent>, Refusal> {
    let sandbox = sandbox(state, &submit.sandbox)?;
    let run = sandbox.run().ok_or_else(|| Refusal::UnknownSandbox(submit.sandbox.clone()))?;
    let Proof { review, closure } = look(&sandbox.ground(), sandbox, (submit, &draft), at.orders)?;
    let submitted = Event::ProposalSubmitted {
        proposal: submit.proposal,
        run,
        origin: submit.origin,
        submitted_by: submit.submitted_by.clone(),
        draft: draft.clone(),
        evidence: submit.evidence.clone(),
        validation_result: review.validation_result(),
    };
    let mut events = by(&actor, &submit.sandbox, [submitted]);
    if let Some(reason) = closure {
        let revision = sandbox.view.revision;
        let closed = Event::ProposalClosed { proposal: submit.proposal, reason, revision };
        events.extend(by(&Actor::gateway(), &submit.sandbox, [closed]));
        return Ok(events);
    }
    events.extend(by(&actor, &submit.sandbox, superseded(sandbox, submit)));
    if state.scope(sandbox).value(Key::ApprovalMode).to_string() == "auto"
        && let Some(grounds) = at.orders.grounds(&sandbox.ground(), &draft.rule, &review)
    {
        let granted = granted(state, submit, &draft, (review, grounds), at)?;
        events.extend(by(&Actor::auto(), &submit.sandbox, granted));
    }
    Ok(events)
}

/// The mapper's pending proposals of which an agent's asks for everything.
fn superseded<'s>(sandbox: &'s Sandbox, submit: &'s Submit) -> impl Iterator<Item = Event> + use<'s> {
    // Most often there are none, and then nobody has to look through thousands of others.
    let has_any = submit.origin == Origin::AgentAuthored && sandbox.mapped_pending > 0;
    let pending = has_any.then(|| sandbox.pending.iter()).into_iter().flatten();
    let mapped = pending.filter(|(_, origin)| **origin == Origin::Mechanistic);
    let known = mapped.filter_map(|(id, _)| sandbox.proposals.get(id));
    let ground = sandbox.ground();
    let covered =
        known.filter(move |known| matches!(ground.covers(&submit.rule, &known.draft.rule), Ok(true)));
    covered.map(|known| Event::ProposalSuperseded { proposal: known.id, by: submit.proposal })
}

fn granted(
    state: &State,
    submit: &Submit,
    draft: &Draft,
    (review, grounds): (Review, String),
    at: Circumstances<'_>,
) -> Result<[Event; 2], Refusal> {
    let sandbox = sandbox(state, &submit.sandbox)?;
    let (key, policy) = with_grant(sandbox, submit.proposal, draft)?;
    let scope = state.scope(sandbox);
    let lease = scope.lease(Key::DefaultLease).at(at.now).capped(scope.lease(Key::MaxLease).at(at.now));
    let approved = Event::ProposalApproved {
        proposal: submit.proposal,
        draft: draft.number,
        digest: review.digest,
        difference: review.difference,
        lease,
        reason: String::new(),
        revision: sandbox.view.revision.next(),
        key: Some(key),
        grounds: Some(grounds),
    };
    Ok([approved, revised(sandbox, &policy)])
}

pub(super) fn withdraw(state: &State, withdraw: &Withdraw) -> Result<Vec<NewEvent>, Refusal> {
    let sandbox = sandbox(state, &withdraw.sandbox)?;
    let known = sandbox.proposals.get(&withdraw.proposal);
    // The mapper's are not the agent's to take back.
    let own = known.filter(|known| known.origin == Origin::AgentAuthored);
    let own = own.ok_or(Refusal::UnknownProposal(withdraw.proposal))?;
    if !own.is_pending() {
        return Err(Refusal::AlreadyDecided(Box::new(own.clone())));
    }
    let withdrawn = Event::ProposalWithdrawn { proposal: own.id };
    Ok(by(&agent(sandbox, &withdraw.by, None), &withdraw.sandbox, [withdrawn]))
}

/// Closes a pending proposal of which another, that was granted just now, asked for everything.
pub(super) fn settle(state: &State, id: ProposalId, granted: ProposalId) -> Result<Vec<NewEvent>, Refusal> {
    let proposal = state.proposal(id).ok_or(Refusal::UnknownProposal(id))?;
    let sandbox = sandbox(state, &proposal.sandbox)?;
    let mut standing = sandbox.composition.standing();
    // What is granted for one request leaves the next one to be asked for.
    let grant = standing.find(|grant| grant.proposal == granted && grant.lease != Lease::Once);
    let (true, Some(grant)) = (proposal.is_pending(), grant) else { return Ok(Vec::new()) };
    if !matches!(sandbox.ground().covers(&grant.draft.rule, &proposal.draft.rule), Ok(true)) {
        return Ok(Vec::new());
    }
    let reason = Closure::AlreadyCovered(vec![grant.key.to_string()]);
    let closed = Event::ProposalClosed { proposal: id, reason, revision: sandbox.view.revision };
    Ok(by(&Actor::gateway(), &proposal.sandbox, [closed]))
}
