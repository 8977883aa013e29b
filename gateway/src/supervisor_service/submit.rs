//! `SubmitProposals`: agents' asks, handed in by their supervisor.
//!
//! Refuses the whole request for a wrong secret, a size or the rate; tells each unsound operation apart, so that
//! one does not sink the others. A rule is read again here: the supervisor stands next to the agent.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use openshell_domain::command::{Command, Refusal, Submit};
use openshell_domain::id::{IdError, ProposalId, SandboxName};
use openshell_domain::policy::host::MAX_HOST;
use openshell_domain::policy::path::MAX_TARGET;
use openshell_domain::policy::read::Source;
use openshell_domain::policy::risk::{MAX_EVIDENCE, MAX_METHOD};
use openshell_domain::proposal::body::{MAX_OPERATIONS, MAX_SUMMARY};
use openshell_wire::pb::inbox as pb;
use openshell_wire::{WireError, policy, proposal};
use prost::Message;
use tonic::{Code, Status};

use super::{MAX_BINARY, authorise};
use crate::bucket::{Bucket, Empty};
use crate::clock;
use crate::config::Limits;
use crate::gateway::Shared;
use crate::status;
use crate::store::writer::{NotDone, Outcome, Reason};

/// The largest rule, in bytes on the wire: whoever watches gets whole policies, which must fit into a message.
const MAX_RULE: usize = 64 * 1024;

/// Submits every operation and answers for each, in their order.
pub(super) async fn submit(
    shared: &Shared,
    buckets: &Mutex<HashMap<SandboxName, Bucket>>,
    request: pb::SubmitProposalsRequest,
) -> Result<pb::SubmitProposalsResponse, Status> {
    let name: SandboxName =
        request.sandbox.parse().map_err(|error: IdError| status::invalid(&error.into()))?;
    let state = shared.ledger.state();
    let sandbox = authorise(&state, &name, &request.run_secret)?;
    let limits = shared.limits.under(state.scope(&sandbox));
    drop((state, sandbox));
    check(&request)?;
    pay(shared, buckets, (&name, limits), request.operations.len())?;
    let mut queued = Vec::with_capacity(request.operations.len());
    for (index, operation) in request.operations.iter().enumerate() {
        queued.push(match command(&name, &request, operation, index, limits) {
            Ok((id, command)) => Ok((id, shared.ledger.enqueue(command).await.map_err(status::not_done)?)),
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

fn check(request: &pb::SubmitProposalsRequest) -> Result<(), Status> {
    let operations = request.operations.len();
    if !(1..=MAX_OPERATIONS).contains(&operations) {
        let message = format!("operations: {operations} of them, from 1 to {MAX_OPERATIONS} are allowed");
        return Err(status::invalid_text(&message));
    }
    for (field, text, limit) in
        [("rationale", &request.rationale, MAX_SUMMARY), ("submitted_by", &request.submitted_by, MAX_BINARY)]
    {
        if text.len() > limit {
            let message = format!("{field}: {} bytes long, at most {limit} are allowed", text.len());
            return Err(status::invalid_text(&message));
        }
    }
    if request.evidence.len() > operations {
        let message = format!("evidence: of {} operations, there are {operations}", request.evidence.len());
        return Err(status::invalid_text(&message));
    }
    request
        .evidence
        .iter()
        .enumerate()
        .try_for_each(|(index, evidence)| check_evidence(index, &evidence.seen))
}

/// Denials are stored with the proposal: there are few of them, and none is long.
fn check_evidence(operation: usize, seen: &[pb::SeenDenial]) -> Result<(), Status> {
    if seen.len() > MAX_EVIDENCE {
        let message =
            format!("evidence[{operation}]: {} denials, at most {MAX_EVIDENCE} are allowed", seen.len());
        return Err(status::invalid_text(&message));
    }
    for (index, seen) in seen.iter().enumerate() {
        for (field, text, limit) in [
            ("binary", &seen.binary, MAX_BINARY),
            ("host", &seen.host, MAX_HOST),
            ("method", &seen.method, MAX_METHOD),
            ("path", &seen.path, MAX_TARGET),
        ] {
            if text.len() > limit {
                let length = text.len();
                let message = format!(
                    "evidence[{operation}].seen[{index}].{field}: {length} bytes long, at most {limit} are allowed"
                );
                return Err(status::invalid_text(&message));
            }
        }
    }
    Ok(())
}

/// Takes a token for each operation, or says when there will be enough.
fn pay(
    shared: &Shared,
    buckets: &Mutex<HashMap<SandboxName, Bucket>>,
    (name, limits): (&SandboxName, Limits),
    operations: usize,
) -> Result<(), Status> {
    let now = shared.clock.uptime();
    let Limits { submissions_burst: burst, submissions_per_minute: per_minute, .. } = limits;
    let mut buckets = buckets.lock().unwrap_or_else(PoisonError::into_inner);
    let bucket = buckets.entry(name.clone()).or_insert_with(|| Bucket::new(burst, per_minute, now));
    bucket.set(burst, per_minute);
    let tokens = u32::try_from(operations).unwrap_or(u32::MAX);
    let Err(empty) = bucket.take(tokens, now) else { return Ok(()) };
    let limit = format!("a sandbox may submit {burst} proposals at once and {per_minute} a minute");
    match empty {
        Empty::Always => {
            let message = format!("{limit}: {operations} at once never pass, submit fewer");
            Err(status::refuse(Code::ResourceExhausted, "limit", &message))
        }
        Empty::For(time) => {
            let seconds = time.as_millis().div_ceil(1000);
            let message = format!("{limit}: try again in {seconds} s");
            let mut status = status::refuse(Code::ResourceExhausted, "limit", &message);
            if let Ok(value) = seconds.to_string().parse() {
                status.metadata_mut().insert("retry-after", value);
            }
            Err(status)
        }
    }
}

fn command(
    name: &SandboxName,
    request: &pb::SubmitProposalsRequest,
    operation: &pb::AddRule,
    index: usize,
    limits: Limits,
) -> Result<(ProposalId, Command), Unsound> {
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
    let submit = Submit {
        sandbox: name.clone(),
        proposal,
        origin,
        submitted_by: request.submitted_by.clone(),
        rule_name,
        rule,
        rationale: request.rationale.clone(),
        evidence,
        pending_limit: limits.pending,
        request: None,
    };
    Ok((proposal, Command::Submit(Box::new(submit))))
}

async fn result(
    shared: &Shared,
    id: ProposalId,
    outcome: Outcome,
    unborne: &mut Vec<Reason>,
) -> Result<pb::SubmitResult, Status> {
    match outcome {
        Ok(_) => {
            let state = shared.ledger.state();
            let proposal = match state.proposal(id) {
                Some(proposal) => Some((&shared.reviews.with(&state, proposal).await).into()),
                None => None,
            };
            Ok(pb::SubmitResult { id: id.to_string(), proposal, ..pb::SubmitResult::default() })
        }
        Err(NotDone::Refused(refusal)) => Ok(refused(word(&refusal), refusal.to_string())),
        Err(NotDone::NotAdmitted(reason)) => {
            unborne.push(reason);
            Ok(refused(status::code_of_reason(reason).1, reason.to_string()))
        }
        Err(reason @ NotDone::Unavailable(_)) => Err(status::not_done(reason)),
    }
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
