//! `GET /v1/proposals/{id}` and `…/wait`: answered from what was pushed, woken by push.

use std::collections::BTreeMap;
use std::time::Duration;

use http::{Response, StatusCode, header};
use openshell_domain::id::ProposalId;
use openshell_domain::proposal::{Proposal, Status};
use tokio::sync::watch;

use super::{answer, gateway_unavailable, parameter, put};
use crate::context::Context;
use crate::enforcement::{Enforcement, PolicySnapshot};
use crate::reply::{self, Body};

/// How long a wait is when the agent does not say, in seconds.
const DEFAULT_TIMEOUT: u64 = 60;
/// The longest wait, in seconds.
const MAX_TIMEOUT: u64 = 300;

/// Answers with the state now.
pub(super) fn status(context: &Context, id: &str) -> Response<Body> {
    match find(context, id) {
        Ok(_) if !context.gateway.is_attached() => gateway_unavailable(),
        Ok(watched) => {
            let body = answer::body(&watched.borrow(), &context.enforcement.snapshot());
            reply::json(StatusCode::OK, &body)
        }
        Err(response) => response,
    }
}

/// Answers as soon as the proposal is decided and, if it is approved, enforced; or when the time is up. Goes on
/// through a restart of the gateway.
pub(super) async fn wait(context: &Context, id: &str, query: Option<&str>) -> Response<Body> {
    let mut watched = match find(context, id) {
        Ok(watched) => watched,
        Err(response) => return response,
    };
    let (limit, proposal) = (context.settings.now().limit_waits, watched.borrow().id);
    let Some(_waiting) = Waiting::new(&context.waiting, proposal, limit) else {
        let detail = format!("{limit} waits are under way in this sandbox (limit_waits)");
        let response = reply::error(StatusCode::TOO_MANY_REQUESTS, "too_many_waits", &detail);
        return reply::with_header(response, header::RETRY_AFTER, "5");
    };
    let seconds = parameter(query, "timeout").and_then(|text| text.parse().ok()).unwrap_or(DEFAULT_TIMEOUT);
    let timeout = Duration::from_secs(seconds.clamp(1, MAX_TIMEOUT));
    let is_settled = tokio::time::timeout(timeout, settled(&context.enforcement, &mut watched)).await.is_ok();
    let proposal = watched.borrow().clone();
    let mut body = answer::body(&proposal, &context.enforcement.snapshot());
    if !is_settled && proposal.is_pending() {
        put(&mut body, "timed_out", true);
    }
    reply::json(StatusCode::OK, &body)
}

/// An agent that waits, for reviewers to see; also one that hangs up is seen to leave.
struct Waiting<'c> {
    all: &'c watch::Sender<BTreeMap<ProposalId, u32>>,
    proposal: ProposalId,
}

impl<'c> Waiting<'c> {
    /// None where so many wait already.
    fn new(
        all: &'c watch::Sender<BTreeMap<ProposalId, u32>>,
        proposal: ProposalId,
        limit: usize,
    ) -> Option<Self> {
        // Looked at and counted under one lock: of two that come at once one may be too many.
        let has_room = all.send_if_modified(|waiting| {
            let has_room = waiting.values().map(|agents| *agents as usize).sum::<usize>() < limit;
            if has_room {
                *waiting.entry(proposal).or_default() += 1;
            }
            has_room
        });
        // Not made at all where there is no room: what is dropped is counted as one that leaves.
        has_room.then(|| Self { all, proposal })
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.all.send_modify(|waiting| {
            if let Some(agents) = waiting.get_mut(&self.proposal) {
                *agents -= 1;
            }
            waiting.retain(|_, agents| *agents > 0);
        });
    }
}

/// Returns when there is nothing more to wait for.
async fn settled(enforcement: &Enforcement, watched: &mut watch::Receiver<Proposal>) {
    let mut reloads = enforcement.subscribe();
    loop {
        if is_settled(&watched.borrow_and_update(), &enforcement.snapshot()) {
            return;
        }
        tokio::select! {
            // The proposal was dropped from the list: there is nothing more to come.
            changed = watched.changed() => if changed.is_err() { return },
            reloaded = reloads.changed() => if reloaded.is_err() { return },
        }
    }
}

/// Decided, and if approved then enforced, or known not to be: a wait is answered.
#[must_use]
pub fn is_settled(proposal: &Proposal, snapshot: &PolicySnapshot) -> bool {
    match &proposal.status {
        Status::Pending => false,
        Status::Approved { revision, .. } | Status::Closed { revision, .. } => {
            answer::is_reloaded(proposal, snapshot)
                || (snapshot.load_error().is_some() && snapshot.latest() >= *revision)
        }
        Status::Rejected { .. }
        | Status::Superseded { .. }
        | Status::Withdrawn { .. }
        | Status::Expired { .. }
        | Status::Revoked { .. } => true,
    }
}

pub(super) fn find(context: &Context, id: &str) -> Result<watch::Receiver<Proposal>, Response<Body>> {
    let known = id.parse::<ProposalId>().ok().and_then(|id| context.proposals.watch(id));
    known.ok_or_else(|| if context.gateway.is_attached() { chunk_not_found() } else { gateway_unavailable() })
}

pub(super) fn chunk_not_found() -> Response<Body> {
    reply::error(StatusCode::NOT_FOUND, "chunk_not_found", "this sandbox has no proposal with that id")
}

#[cfg(test)]
mod tests;
