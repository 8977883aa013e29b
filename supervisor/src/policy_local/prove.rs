//! `POST /v1/prove`: what a proposal would change, without asking anybody for it.
//!
//! The gateway computes it and stores nothing; it says nothing of whether anybody would approve. It costs the rate of
//! a submission, so that an agent cannot have its ideas weighed without end.

use http::{Response, StatusCode};
use openshell_wire::pb::inbox as pb;
use openshell_wire::proposal;
use serde_json::{Value, json};

use super::put;
use super::submit::{self, Read, gateway_refused, reviewed};
use crate::context::Context;
use crate::identity::Holder;
use crate::reply::{self, Body};

/// Proves every operation of a body, and answers for each.
pub(super) async fn prove(context: &Context, holders: &[Holder], bytes: &[u8]) -> Response<Body> {
    let read = match submit::read(bytes) {
        Ok(read) => read,
        Err(response) => return response,
    };
    let request = read.request(context, holders, String::new(), &context.evidence.latest()).await;
    match context.gateway.prove(request).await {
        Ok(results) => reply::json(StatusCode::OK, &answer(&read, results)),
        Err(status) => gateway_refused(&status),
    }
}

fn answer(read: &Read, results: Vec<pb::ProveResult>) -> Value {
    let mut results = results.into_iter();
    let all: Vec<Value> = read
        .operations()
        .enumerate()
        .map(|(index, operation)| match operation {
            Err(problems) => refused(index, "invalid_proposal", &problems.to_string()),
            Ok(_) => proven(index, results.next()),
        })
        .collect();
    json!({"status": "proven", "results": all})
}

fn proven(index: usize, result: Option<pb::ProveResult>) -> Value {
    let Some(result) = result else {
        return refused(index, "gateway", "the gateway gave no answer for it");
    };
    if !result.code.is_empty() {
        return refused(index, &result.code, &result.error);
    }
    let status = if result.covered_by.is_empty() { "would_be_submitted" } else { "already_covered" };
    let mut body =
        json!({"operation": index, "status": status, "validation_result": result.validation_result});
    match proposal::review(&result.review) {
        Ok(review) => reviewed(&mut body, Some(&review)),
        Err(error) => return refused(index, "gateway", &error.to_string()),
    }
    if !result.covered_by.is_empty() {
        put(&mut body, "covered_by", result.covered_by);
    }
    body
}

fn refused(index: usize, code: &str, error: &str) -> Value {
    json!({"operation": index, "status": "rejected", "error": code, "hint": error})
}

#[cfg(test)]
mod tests {
    use openshell_domain::id::Digest;
    use openshell_domain::review::Review;

    use super::*;

    #[test]
    fn what_is_proven_says_what_a_submission_would_say() {
        let review =
            Review { digest: Digest([7; 32]), difference: None, findings: Vec::new(), breadth: Vec::new() };
        let covered = pb::ProveResult {
            review: proposal::review_text(&review),
            validation_result: "prover: no new findings".to_owned(),
            covered_by: vec!["docs".to_owned()],
            ..pb::ProveResult::default()
        };
        let body = proven(1, Some(covered));
        assert_eq!(body["status"], "already_covered", "{body}");
        assert_eq!((&body["operation"], &body["covered_by"]), (&json!(1), &json!(["docs"])));
        let refusal =
            pb::ProveResult { code: "limit".into(), error: "32 pending".into(), ..Default::default() };
        let body = proven(0, Some(refusal));
        assert_eq!((&body["status"], &body["error"]), (&json!("rejected"), &json!("limit")));
        assert_eq!(proven(0, None)["error"], "gateway");
    }
}
