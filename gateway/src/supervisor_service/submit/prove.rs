//! `ProveProposals`: what a submission would be answered, computed beside the writer on the state as it is now.
//!
//! Costs the rate of a submission, and takes a place of which each sandbox has one: a difference takes time, and an
//! agent could ask for many. After [`COMPUTING`] it ends, whatever is left of it.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use openshell_domain::command::Submit;
use openshell_domain::decide::{self, Orders, Proof};
use openshell_domain::id::SandboxName;
use openshell_domain::policy::authority::Patience;
use openshell_domain::proposal::Closure;
use openshell_domain::state::State;
use openshell_wire::pb::inbox as pb;
use openshell_wire::proposal::review_text;
use tonic::{Code, Status};

use super::super::Buckets;
use super::{Unsound, asking, check, command, pay, word};
use crate::gateway::Shared;
use crate::{clock, status};

/// How long one request may compute, in time of the processor: a busy machine makes nobody's proof fail. Without
/// optimisation everything takes many times as long.
const COMPUTING: Duration = Duration::from_millis(if cfg!(debug_assertions) { 2_000 } else { 50 });

/// The sandboxes for which something is proven right now.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct Proving(Arc<Mutex<HashSet<SandboxName>>>);

/// A sandbox's place, given up when it is dropped.
struct Place(Proving, SandboxName);

impl Proving {
    fn enter(&self, name: &SandboxName) -> Option<Place> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        taken.insert(name.clone()).then(|| Place(self.clone(), name.clone()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.1);
    }
}

/// Proves every operation and answers for each, in their order.
pub(in super::super) async fn prove(
    shared: &Shared,
    (buckets, proving): (&Buckets, &Proving),
    request: pb::SubmitProposalsRequest,
) -> Result<pb::ProveProposalsResponse, Status> {
    let request = pb::SubmitProposalsRequest { idempotency_key: String::new(), ..request };
    let asking = asking(shared, &request)?;
    check(&request)?;
    let Some(place) = proving.enter(&asking.name) else {
        let message = format!("something is proven for sandbox {} right now: wait for that", asking.name);
        return Err(status::refuse(Code::ResourceExhausted, "limit", &message));
    };
    pay(shared, buckets, (&asking.name, asking.limits), request.operations.len())?;
    let mut asked = Vec::with_capacity(request.operations.len());
    for (index, operation) in request.operations.iter().enumerate() {
        asked.push(match command(&asking, &request, operation, index) {
            Ok(submit) => Ok(submit),
            Err(Unsound::Operation(error)) => Err(refused("invalid", error)),
            Err(Unsound::Gateway(status)) => return Err(status),
        });
    }
    let (state, orders) = (shared.ledger.state(), shared.orders.clone());
    let work = move || {
        let began = clock::computed();
        let patience = Patience::until(move || clock::computed().saturating_sub(began) >= COMPUTING);
        let one = |asked: Result<Submit, _>| {
            asked.map_or_else(|refused| refused, |submit| proven(&state, &submit, &orders, &patience))
        };
        // The place is given up when the work is done, also where whoever asked has gone away.
        (asked.into_iter().map(one).collect(), place).0
    };
    let results = tokio::task::spawn_blocking(work).await;
    let results = results.map_err(|error| Status::internal(error.to_string()))?;
    Ok(pb::ProveProposalsResponse { results })
}

fn proven(state: &State, submit: &Submit, orders: &Orders, patience: &Patience) -> pb::ProveResult {
    match decide::prove(state, submit, orders, patience) {
        _ if patience.is_over() => refused(
            "took_too_long",
            format!(
                "proving takes at most {} ms of computing, and this takes longer: write it with literals, `*` and `**`, or prove fewer operations at once",
                COMPUTING.as_millis()
            ),
        ),
        Ok(Proof { review, closure }) => pb::ProveResult {
            validation_result: review.validation_result(),
            review: review_text(&review),
            covered_by: match closure {
                Some(Closure::AlreadyCovered(rules)) => rules,
                None => Vec::new(),
            },
            ..pb::ProveResult::default()
        },
        Err(refusal) => refused(word(&refusal), refusal.to_string()),
    }
}

fn refused(code: &str, error: String) -> pb::ProveResult {
    pb::ProveResult { code: code.to_owned(), error, ..pb::ProveResult::default() }
}

#[cfg(test)]
mod tests;
