//! The sandbox's own proposals: all of them, newest first, and taking one back.

use http::{Response, StatusCode};
use openshell_domain::id::ProposalId;
use openshell_domain::proposal::Proposal;
use serde_json::{Value, json};
use tonic::Code;

use super::wait::{chunk_not_found, find};
use super::{answer, gateway_unavailable, parameter};
use crate::context::Context;
use crate::identity::Holder;
use crate::reply::{self, Body};

/// How many a page has when the agent does not say.
const PAGE: usize = 50;
/// The most that a page has.
const MAX_PAGE: usize = 100;

/// One page.
pub(super) fn list(context: &Context, query: Option<&str>) -> Response<Body> {
    if !context.gateway.is_attached() {
        return gateway_unavailable();
    }
    let limit = parameter(query, "limit").and_then(|text| text.parse().ok()).unwrap_or(PAGE);
    let before = match parameter(query, "before").map(str::parse::<ProposalId>) {
        None => None,
        Some(Ok(id)) => Some(id),
        Some(Err(_)) => return chunk_not_found(),
    };
    let Some((page, next)) = page(context.proposals.all(), before, limit.clamp(1, MAX_PAGE)) else {
        return chunk_not_found();
    };
    let snapshot = context.enforcement.snapshot();
    let proposals: Vec<Value> = page.iter().map(|proposal| answer::body(proposal, &snapshot)).collect();
    let mut body = json!({"proposals": proposals});
    if let Some(next) = next {
        super::put(&mut body, "next", format!("/v1/proposals?limit={limit}&before={next}"));
    }
    reply::json(StatusCode::OK, &body)
}

/// The newest behind `before`, and behind which one the next page begins, if there is one.
fn page(
    mut all: Vec<Proposal>,
    before: Option<ProposalId>,
    limit: usize,
) -> Option<(Vec<Proposal>, Option<ProposalId>)> {
    all.sort_by_key(|proposal| std::cmp::Reverse((proposal.submitted_at, proposal.id)));
    let from = match before {
        Some(id) => all.iter().position(|proposal| proposal.id == id)? + 1,
        None => 0,
    };
    let has_more = all.len() > from + limit;
    let page: Vec<Proposal> = all.into_iter().skip(from).take(limit).collect();
    let next = page.last().filter(|_| has_more).map(|last| last.id);
    Some((page, next))
}

/// Takes a pending proposal back. One that is over already is told as it is.
pub(super) async fn withdraw(context: &Context, holders: &[Holder], id: &str) -> Response<Body> {
    let watched = match find(context, id) {
        Ok(watched) => watched,
        Err(response) => return response,
    };
    let proposal = watched.borrow().id;
    let by = holders.first().and_then(|holder| holder.caller.binary()).unwrap_or_default();
    match context.gateway.withdraw(proposal, by).await {
        Ok(()) => {
            let body =
                json!({"chunk_id": proposal.to_string(), "status": "rejected", "status_detail": "withdrawn"});
            reply::json(StatusCode::OK, &body)
        }
        Err(status) if matches!(status.code(), Code::FailedPrecondition | Code::Aborted) => {
            reply::error(StatusCode::CONFLICT, "already_decided", status.message())
        }
        Err(status) if status.code() == Code::NotFound => chunk_not_found(),
        Err(_) => gateway_unavailable(),
    }
}
