//! `Decide`, `DecideMany`, `ReviseDraft`: a reviewer's acts, read and handed to the writer.
//!
//! Decides nothing. A request with an idempotency key is bound to a hash of all that it asks for: asked again, it
//! is answered the same; another request under the same key is refused.

use openshell_domain::command::{Answer, Command, Decide, Refusal, Revise};
use openshell_domain::event::{Actor, Envelope, Event};
use openshell_domain::id::IdError;
use openshell_domain::policy::read::Source;
use openshell_domain::proposal::{Hint, LeaseAsk};
use openshell_domain::state::Done;
use openshell_wire::pb::inbox::{self as pb, Verb, decide_result};
use openshell_wire::{policy, proposal};
use std::sync::Arc;
use tonic::Status;

use crate::gateway::Shared;
use crate::keys::key;
use crate::status;
use crate::store::writer::{NotDone, Outcome};

/// The most decisions at once.
const MAX_MANY: usize = 500;

pub(super) async fn one(
    shared: &Shared,
    reviewer: Actor,
    request: pb::DecideRequest,
) -> Result<pb::DecideResponse, Status> {
    let outcome = shared.ledger.execute(command(&reviewer, request)?).await;
    answer(shared, outcome).map_err(status::not_done)
}

pub(super) async fn many(
    shared: &Shared,
    reviewer: Actor,
    request: pb::DecideManyRequest,
) -> Result<pb::DecideManyResponse, Status> {
    let count = request.decisions.len();
    if !(1..=MAX_MANY).contains(&count) {
        let message = format!("decisions: {count} of them, from 1 to {MAX_MANY} are allowed");
        return Err(status::invalid_text(&message));
    }
    let commands = request.decisions.into_iter().map(|decision| command(&reviewer, decision));
    let commands = commands.collect::<Result<Vec<_>, _>>()?;
    let outcomes = shared.ledger.execute_all(commands).await.map_err(status::not_done)?;
    let mut results = Vec::with_capacity(outcomes.len());
    for outcome in outcomes {
        let result = match answer(shared, outcome) {
            Ok(done) => decide_result::Result::Done(done),
            Err(NotDone::Refused(refusal)) => decide_result::Result::Refused(refused(&refusal)),
            Err(reason) => return Err(status::not_done(reason)),
        };
        results.push(pb::DecideResult { result: Some(result) });
    }
    Ok(pb::DecideManyResponse { results })
}

pub(super) async fn revise(
    shared: &Shared,
    reviewer: Actor,
    request: pb::ReviseDraftRequest,
) -> Result<pb::ReviseDraftResponse, Status> {
    let body = pb::ReviseDraftRequest { idempotency_key: String::new(), ..request.clone() };
    let request_key = key(&request.idempotency_key, "revise", &body)?;
    let reviewer = Actor { request: request_key, ..reviewer };
    let decision = quoted(reviewer, &request.id, &request.digest, String::new())?;
    let rule = request.rule.as_ref().ok_or_else(|| status::invalid_text("rule: it is missing"))?;
    let rule = policy::rule(rule, Source::Proposal, "rule").map_err(|error| status::invalid(&error))?;
    let rule_name = request.rule_name.parse().map_err(|error: IdError| status::invalid(&error.into()))?;
    let id = decision.proposal;
    let revise = Command::Revise(Box::new(Revise { decision, rule_name, rule }));
    let seq = match shared.ledger.execute(revise).await {
        Ok(events) => events.first().map_or(0, |event| event.seq),
        Err(NotDone::Refused(Refusal::Repeated(done))) => done.seq,
        Err(reason) => return Err(status::not_done(reason)),
    };
    let state = shared.ledger.state();
    let known = match state.proposal(id) {
        Some(known) => Some((&shared.reviews.with(&state, known).await).into()),
        None => None,
    };
    Ok(pb::ReviseDraftResponse { seq, proposal: known })
}

fn command(reviewer: &Actor, request: pb::DecideRequest) -> Result<Command, Status> {
    let body = pb::DecideRequest { idempotency_key: String::new(), ..request.clone() };
    let reviewer = Actor { request: key(&request.idempotency_key, "decide", &body)?, ..reviewer.clone() };
    let decision = quoted(reviewer, &request.id, &request.digest, request.reason)?;
    let verb = Verb::try_from(request.verb).unwrap_or(Verb::Unspecified);
    if verb != Verb::Approve && !request.lease.is_empty() {
        return Err(status::invalid_text("lease: only an approval has one"));
    }
    if verb != Verb::Reject && !(request.hints.is_empty() && request.snooze.is_empty()) {
        return Err(status::invalid_text("hints, snooze: only a rejection has them"));
    }
    match verb {
        Verb::Approve => Ok(Command::Approve(decision, lease(&request.lease)?)),
        Verb::Reject => Ok(Command::Reject(decision, said(&request.hints, &request.snooze)?)),
        Verb::Undo => Ok(Command::Undo(decision)),
        Verb::Revoke => Ok(Command::Revoke(decision)),
        Verb::Unspecified => {
            Err(status::invalid_text("verb: none of VERB_APPROVE, VERB_REJECT, VERB_UNDO and VERB_REVOKE"))
        }
    }
}

fn quoted(reviewer: Actor, id: &str, digest: &str, reason: String) -> Result<Decide, Status> {
    let proposal = id.parse().map_err(|error: IdError| status::invalid(&error.into()))?;
    let digest = digest.parse().map_err(|error: IdError| status::invalid(&error.into()))?;
    Ok(Decide { proposal, digest, reviewer, reason })
}

fn lease(text: &str) -> Result<Option<LeaseAsk>, Status> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|error| status::invalid_text(&format!("lease: {error}")))
}

fn said(hints: &[String], snooze: &str) -> Result<Answer, Status> {
    let read = |hint: &String| {
        hint.parse::<Hint>().map_err(|error| status::invalid_text(&format!("hints: {error}")))
    };
    let mut hints = hints.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    hints.sort_unstable();
    hints.dedup();
    let snooze = match lease(snooze)? {
        None => None,
        Some(LeaseAsk::For(time)) => Some(time),
        Some(_) => return Err(status::invalid_text("snooze: a duration such as 15m or 1h")),
    };
    Ok(Answer { hints, snooze })
}

fn answer(shared: &Shared, outcome: Outcome) -> Result<pb::DecideResponse, NotDone> {
    match outcome {
        Ok(events) => Ok(recorded(shared, &events)),
        Err(NotDone::Refused(Refusal::Repeated(done))) => Ok(repeated(shared, &done)),
        Err(reason) => Err(reason),
    }
}

fn recorded(shared: &Shared, events: &[Arc<Envelope>]) -> pb::DecideResponse {
    let Some(decided) = events.first() else { return pb::DecideResponse::default() };
    let revision = events.iter().find_map(|event| match event.event {
        Event::PolicyRevised { revision, .. } => Some(revision.0),
        _ => None,
    });
    let lease = match &decided.event {
        Event::ProposalApproved { lease, .. } => proposal::lease_text(*lease),
        _ => String::new(),
    };
    let attached = decided.sandbox().is_some_and(|name| shared.registry.is_attached(name));
    pb::DecideResponse { seq: decided.seq, revision: revision.unwrap_or_default(), attached, lease }
}

fn repeated(shared: &Shared, done: &Done) -> pb::DecideResponse {
    let state = shared.ledger.state();
    let known = done.proposal.and_then(|id| state.proposal(id));
    let attached = known.is_some_and(|known| shared.registry.is_attached(&known.sandbox));
    pb::DecideResponse { seq: done.seq, revision: done.revision.0, attached, lease: String::new() }
}

fn refused(refusal: &Refusal) -> pb::Refused {
    let proposal = match refusal {
        Refusal::Stale(fresh)
        | Refusal::AlreadyDecided(fresh)
        | Refusal::NotDecided(fresh)
        | Refusal::NotGranted(fresh) => Some((&**fresh).into()),
        _ => None,
    };
    let word = status::code_of(refusal).1.to_owned();
    pb::Refused { word, message: refusal.to_string(), proposal }
}
