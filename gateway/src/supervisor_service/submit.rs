//! `SubmitProposals` and `ProveProposals`: agents' asks, handed in by their supervisor.
//!
//! Refuses the whole request for a wrong secret, a size or the rate; tells each unsound operation apart, so that
//! one does not sink the others. A rule is read again here: the supervisor stands next to the agent. A request under an
//! idempotency key that was done is answered from what came of it, and costs nothing of the rate.

mod bounds;
mod prove;

use openshell_domain::command::{Command, Refusal, Submit};
use openshell_domain::event::RequestKey;
use openshell_domain::id::{IdError, ProposalId, SandboxName};
use openshell_domain::policy::read::Source;
use openshell_domain::state::State;
use openshell_wire::pb::inbox as pb;
use openshell_wire::{WireError, policy, proposal};
use prost::Message;
use tonic::Status;

use super::{Buckets, authorise};
use crate::clock;
use crate::config::Limits;
use crate::gateway::Shared;
use crate::store::writer::{NotDone, Outcome, Reason};
use crate::{keys, status};
use bounds::{check, pay};
pub(super) use prove::{Proving, prove};

/// The largest rule, in bytes on the wire: whoever watches gets whole policies, which must fit into a message.
const MAX_RULE: usize = 64 * 1024;

/// Whose request it is, and what it may.
struct Asking {
    name: SandboxName,
    limits: Limits,
    key: Option<RequestKey>,
}

/// Submits every operation and answers for each, in their order.
pub(super) async fn submit(
    shared: &Shared,
    buckets: &Buckets,
    request: pb::SubmitProposalsRequest,
) -> Result<pb::SubmitProposalsResponse, Status> {
    let asking = asking(shared, &request)?;
    check(&request)?;
    if !is_done(&shared.ledger.state(), &asking, request.operations.len())? {
        pay(shared, buckets, (&asking.name, asking.limits), request.operations.len())?;
    }
    let mut queued = Vec::with_capacity(request.operations.len());
    for (index, operation) in request.operations.iter().enumerate() {
        queued.push(match command(&asking, &request, operation, index) {
            Ok(submit) => {
                let (id, command) = (submit.proposal, Command::Submit(Box::new(submit)));
                Ok((id, shared.ledger.enqueue(command).await.map_err(status::not_done)?))
            }
            Err(problem) => Err(problem),
        });
    }
    let mut results = Vec::with_capacity(queued.len());
    let mut unborne = Vec::new();
    for operation in queued {
        results.push(match operation {
            Ok((id, awaited)) => result(shared, id, awaited.outcome().await, &mut unborne).await?,
            Err(Unsound::Operation(error)) => refused("invalid", error),
            Err(Unsound::Gateway(status)) => return Err(status),
        });
    }
    // Nothing of it can be borne now: whoever asked is told when to come back.
    if let Some(reason) = unborne.pop()
        && unborne.len() + 1 == results.len()
    {
        return Err(status::not_done(NotDone::NotAdmitted(reason)));
    }
    Ok(pb::SubmitProposalsResponse { results })
}

/// Why an operation was not queued.
enum Unsound {
    Operation(String),
    Gateway(Status),
}

/// Who asks, if the secret is right.
fn asking(shared: &Shared, request: &pb::SubmitProposalsRequest) -> Result<Asking, Status> {
    let name: SandboxName =
        request.sandbox.parse().map_err(|error: IdError| status::invalid(&error.into()))?;
    let state = shared.ledger.state();
    let sandbox = authorise(&state, &name, &request.run_secret)?;
    let limits = shared.limits.under(state.scope(&sandbox));
    // Neither who carries it nor what was denied meanwhile makes it another request.
    let body = pb::SubmitProposalsRequest {
        rationale: request.rationale.clone(),
        operations: request.operations.clone(),
        ..pb::SubmitProposalsRequest::default()
    };
    Ok(Asking { key: keys::key(&request.idempotency_key, "submit", &body)?, name, limits })
}

/// Whether each operation was stored before, under the same key.
///
/// # Errors
/// The key was used for another request: nothing of this one is done then.
fn is_done(state: &State, asking: &Asking, operations: usize) -> Result<bool, Status> {
    let Some(key) = &asking.key else { return Ok(false) };
    let done = |index| state.requests.done_for(&asking.name, &keys::part(key, index).key);
    let known: Vec<_> = (0..bounds::MOST).filter_map(done).collect();
    if known.iter().any(|done| done.body != key.body) {
        return Err(status::not_done(NotDone::Refused(Refusal::KeyReused(key.key.clone()))));
    }
    Ok(known.len() == operations)
}

fn command(
    asking: &Asking,
    request: &pb::SubmitProposalsRequest,
    operation: &pb::AddRule,
    index: usize,
) -> Result<Submit, Unsound> {
    let unsound = |error: WireError| Unsound::Operation(error.to_string());
    let rule_name = operation.rule_name.parse().map_err(|error: IdError| unsound(error.into()))?;
    let rule = operation.rule.as_ref().ok_or_else(|| unsound(WireError::Missing("rule")))?;
    if rule.encoded_len() > MAX_RULE {
        let message = format!("rule: {} bytes large, at most {MAX_RULE} are allowed", rule.encoded_len());
        return Err(Unsound::Operation(message));
    }
    let key = format!("operations[{index}].addRule.rule");
    let rule = policy::rule(rule, Source::Proposal, &key).map_err(unsound)?;
    let told = request.evidence.get(index).map_or(&[][..], |evidence| &evidence.seen);
    let evidence = told.iter().map(proposal::seen).collect::<Result<_, _>>();
    let evidence = evidence.map_err(unsound)?;
    let origin = proposal::submitted_origin(&request.origin).map_err(unsound)?;
    let proposal =
        clock::proposal_id().map_err(|error| Unsound::Gateway(Status::unavailable(error.to_string())))?;
    Ok(Submit {
        sandbox: asking.name.clone(),
        proposal,
        origin,
        submitted_by: request.submitted_by.clone(),
        rule_name,
        rule,
        rationale: request.rationale.clone(),
        evidence,
        pending_limit: asking.limits.pending,
        request: asking.key.as_ref().map(|key| keys::part(key, index)),
    })
}

async fn result(
    shared: &Shared,
    id: ProposalId,
    outcome: Outcome,
    unborne: &mut Vec<Reason>,
) -> Result<pb::SubmitResult, Status> {
    match outcome {
        Ok(_) => Ok(stored(shared, id).await),
        Err(NotDone::Refused(Refusal::Repeated(done))) => {
            Ok(stored(shared, done.proposal.unwrap_or(id)).await)
        }
        Err(NotDone::Refused(refusal)) => Ok(refused(word(&refusal), refusal.to_string())),
        Err(NotDone::NotAdmitted(reason)) => {
            unborne.push(reason);
            Ok(refused(status::code_of_reason(reason).1, reason.to_string()))
        }
        Err(reason @ NotDone::Unavailable(_)) => Err(status::not_done(reason)),
    }
}

/// What is known of a stored proposal now.
async fn stored(shared: &Shared, id: ProposalId) -> pb::SubmitResult {
    let state = shared.ledger.state();
    let proposal = match state.proposal(id) {
        Some(proposal) => Some((&shared.reviews.with(&state, proposal).await).into()),
        None => None,
    };
    pb::SubmitResult { id: id.to_string(), proposal, ..pb::SubmitResult::default() }
}

/// The word of a refusal among those that `SubmitResult.code` may hold.
fn word(refusal: &Refusal) -> &'static str {
    match status::code_of(refusal).1 {
        word @ ("limit" | "would_not_load" | "too_complex" | "changes_nothing" | "never_granted"
        | "feature_disabled") => word,
        _ => "invalid",
    }
}

fn refused(code: &str, error: String) -> pb::SubmitResult {
    pb::SubmitResult { code: code.to_owned(), error, ..pb::SubmitResult::default() }
}
