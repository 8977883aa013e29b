//! `POST /v1/proposals`: checked here, stored by the gateway, answered for each operation.

use http::{HeaderMap, Response, StatusCode, header};
use openshell_domain::policy::authority::{Difference, Item};
use openshell_domain::policy::read::Problems;
use openshell_domain::policy::render::first_line;
use openshell_domain::policy::risk::Seen;
use openshell_domain::proposal::body::{self, AddRule};
use openshell_domain::proposal::{Proposal, Status};
use openshell_domain::review::Review;
use openshell_wire::pb::inbox as pb;
use serde_json::{Value, json};
use tonic::Code;

use super::{gateway_unavailable, put};
use crate::context::Context;
use crate::evidence::{self, Kept};
use crate::identity::Holder;
use crate::link;
use crate::log::line::{Line, Severity};
use crate::reply::{self, Body};

/// What became of one operation.
enum Outcome {
    Accepted(Box<Proposal>),
    Refused { code: String, error: String },
}

/// A body with at least one operation that is sound.
pub(super) struct Read {
    body: body::Body,
}

/// Reads a body.
pub(super) fn read(bytes: &[u8]) -> Result<Read, Response<Body>> {
    let body = body::read(bytes).map_err(|problems| invalid(&problems))?;
    if body.operations.iter().any(Result::is_ok) {
        return Ok(Read { body });
    }
    let all = body.operations.into_iter().filter_map(Result::err).flat_map(|problems| problems.0).collect();
    Err(invalid(&Problems(all)))
}

impl Read {
    /// Every operation, in their order.
    pub(super) fn operations(&self) -> impl Iterator<Item = &Result<AddRule, Problems>> {
        self.body.operations.iter()
    }

    /// What the gateway is asked: the operations that are sound, with what was denied before.
    pub(super) async fn request(
        &self,
        context: &Context,
        holders: &[Holder],
        idempotency_key: String,
        latest: &[Kept],
    ) -> pb::SubmitProposalsRequest {
        let sound: Vec<&AddRule> =
            self.operations().filter_map(|operation| operation.as_ref().ok()).collect();
        let submitted_by = holders.first().and_then(|holder| holder.caller.binary()).unwrap_or_default();
        pb::SubmitProposalsRequest {
            sandbox: context.sandbox.to_string(),
            run_secret: Vec::new(),
            submitted_by: submitted_by.to_owned(),
            rationale: self.body.intent_summary.clone(),
            evidence: evidence(latest.to_vec(), &sound).await,
            operations: sound.into_iter().map(operation).collect(),
            idempotency_key,
            origin: String::new(),
        }
    }
}

/// Submits a body.
pub(super) async fn submit(
    context: &Context,
    holders: &[Holder],
    bytes: &[u8],
    idempotency_key: String,
) -> Response<Body> {
    let read = match read(bytes) {
        Ok(read) => read,
        Err(response) => return response,
    };
    let latest = context.evidence.latest();
    let request = read.request(context, holders, idempotency_key, &latest).await;
    let given: Vec<pb::SeenDenial> = request.evidence.iter().flat_map(|of| of.seen.clone()).collect();
    let mut answers = match context.gateway.submit(request).await {
        Ok(results) => results.into_iter(),
        Err(status) => return gateway_refused(&status),
    };
    let outcomes: Vec<Outcome> = read
        .operations()
        .map(|operation| match operation {
            Err(problems) => {
                Outcome::Refused { code: "invalid_proposal".to_owned(), error: problems.to_string() }
            }
            Ok(_) => answered(answers.next()),
        })
        .collect();
    if outcomes.iter().any(|outcome| matches!(outcome, Outcome::Accepted(_))) {
        // Or the mapper would tell them too, and they would count twice.
        let is_given = |kept: &Kept| given.contains(&(&Seen::from(kept)).into());
        context.evidence.told(&latest.into_iter().filter(is_given).collect::<Vec<_>>());
    }
    for outcome in &outcomes {
        if let Outcome::Accepted(proposal) = outcome {
            context.log.write(&proposed(proposal));
            if context.proposals.add((**proposal).clone()) {
                link::decided(proposal).iter().for_each(|line| context.log.write(line));
            }
        }
    }
    accepted(&outcomes)
}

/// What was denied in this run and looks like each operation.
async fn evidence(latest: Vec<Kept>, sound: &[&AddRule]) -> Vec<pb::Evidence> {
    let adds: Vec<AddRule> = sound.iter().map(|add| (*add).clone()).collect();
    // Patterns are compiled: that must not hold up anybody's denial.
    let found = tokio::task::spawn_blocking(move || {
        let of = |add: &AddRule| evidence::of(add, &latest).iter().map(Into::into).collect();
        adds.iter().map(|add| pb::Evidence { seen: of(add) }).collect()
    });
    // Without it a proposal stands worse and is still one.
    found.await.unwrap_or_default()
}

fn operation(add: &AddRule) -> pb::AddRule {
    pb::AddRule { rule_name: add.rule_name.to_string(), rule: Some((&add.rule).into()) }
}

fn answered(result: Option<pb::SubmitResult>) -> Outcome {
    let Some(result) = result else {
        return Outcome::Refused {
            code: "gateway".to_owned(),
            error: "the gateway gave no answer for it".to_owned(),
        };
    };
    match result.proposal.as_ref().map(Proposal::try_from) {
        Some(Ok(proposal)) => Outcome::Accepted(Box::new(proposal)),
        Some(Err(error)) => Outcome::Refused { code: "gateway".to_owned(), error: error.to_string() },
        None => Outcome::Refused { code: result.code, error: result.error },
    }
}

/// The body of 202, and of 422 where the gateway refused every operation.
fn accepted(outcomes: &[Outcome]) -> Response<Body> {
    let mut ids = Vec::new();
    let mut reasons = Vec::new();
    let mut results = Vec::new();
    for (index, outcome) in outcomes.iter().enumerate() {
        match outcome {
            Outcome::Accepted(proposal) => {
                results.push(result(index, proposal));
                ids.push(proposal.id.to_string());
            }
            Outcome::Refused { code, error } => {
                reasons.push(format!("operations[{index}]: {error}"));
                results.push(json!({"operation": index, "status": "rejected", "error": code, "hint": error}));
            }
        }
    }
    let status = if ids.is_empty() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::ACCEPTED };
    let word = if ids.is_empty() { "rejected" } else { "submitted" };
    let body = json!({
        "status": word,
        "accepted_chunks": ids.len(),
        "rejected_chunks": reasons.len(),
        "rejection_reasons": reasons,
        "accepted_chunk_ids": ids,
        "results": results,
    });
    reply::json(status, &body)
}

/// The result of an accepted operation.
fn result(index: usize, proposal: &Proposal) -> Value {
    let status = match &proposal.status {
        Status::Closed { reason, .. } => reason.as_str(),
        _ => "submitted",
    };
    let mut result = json!({"operation": index, "status": status, "chunk_id": proposal.id.to_string()});
    reviewed(&mut result, proposal.review.as_deref());
    result
}

/// What it would change, and the findings, in the words that the reviewer reads.
pub(super) fn reviewed(result: &mut Value, review: Option<&Review>) {
    let difference = review.and_then(|review| review.difference.as_ref());
    let lines = |list: fn(&Difference) -> &Vec<Item>| -> Vec<String> {
        difference.map(list).into_iter().flatten().map(ToString::to_string).collect()
    };
    let findings: Vec<Value> = review
        .into_iter()
        .flat_map(|review| &review.findings)
        .map(|finding| json!({"code": finding.code.as_str(), "sentence": finding.sentence}))
        .collect();
    put(result, "widens", lines(|difference| &difference.added));
    put(result, "findings", findings);
    for (key, lines) in [
        ("latent", lines(|difference| &difference.latent)),
        ("narrows", lines(|difference| &difference.removed)),
    ] {
        if !lines.is_empty() {
            put(result, key, lines);
        }
    }
}

fn invalid(problems: &Problems) -> Response<Body> {
    let mut body = json!({"error": "invalid_proposal", "detail": problems.to_string()});
    if let Some(first) = problems.0.iter().find(|problem| !problem.key.is_empty()) {
        put(&mut body, "field", first.key.clone());
    }
    reply::json(StatusCode::BAD_REQUEST, &body)
}

pub(super) fn gateway_refused(status: &tonic::Status) -> Response<Body> {
    let http = match status.code() {
        Code::ResourceExhausted => {
            let word = match word(status) {
                b"log_budget" => "log_budget",
                b"disk_reserve" => "disk_reserve",
                _ => "limit",
            };
            let response = reply::error(StatusCode::TOO_MANY_REQUESTS, word, status.message());
            return reply::with_header(response, header::RETRY_AFTER, &retry_after(status));
        }
        Code::InvalidArgument if word(status) == b"key_reused" => {
            return reply::error(
                StatusCode::UNPROCESSABLE_ENTITY,
                "idempotency_key_reused",
                status.message(),
            );
        }
        Code::InvalidArgument => StatusCode::BAD_REQUEST,
        Code::FailedPrecondition | Code::NotFound => StatusCode::UNPROCESSABLE_ENTITY,
        _ => return gateway_unavailable(),
    };
    reply::error(http, "proposal_refused", status.message())
}

/// The word by which the gateway says why not.
fn word(status: &tonic::Status) -> &[u8] {
    status.metadata().get("openshell-refusal").map_or(&[], tonic::metadata::MetadataValue::as_bytes)
}

/// The gateway's own number of seconds, else two.
fn retry_after(status: &tonic::Status) -> String {
    let headers: HeaderMap = status.metadata().clone().into_headers();
    let seconds = headers.get("retry-after").and_then(|value| value.to_str().ok()?.parse::<u32>().ok());
    seconds.unwrap_or(2).max(1).to_string()
}

/// The line that tells of a proposal that the gateway has taken.
pub(crate) fn proposed(proposal: &Proposal) -> Line {
    Line::Config {
        state: "PROPOSED",
        severity: Severity::Info,
        message: format!("{} proposal chunk:{} {}", proposal.origin.as_str(), proposal.id, summary(proposal)),
        facts: Vec::new(),
        proposal: Some(proposal.id),
    }
}

/// `on <first endpoint line> by <binary>`: what log lines call a proposal.
#[must_use]
pub(crate) fn summary(proposal: &Proposal) -> String {
    format!("on {} by {}", first_line(&proposal.draft.rule), proposal.draft.binary())
}

#[cfg(test)]
mod tests;
