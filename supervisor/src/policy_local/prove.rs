//! `POST /v1/prove`: what a proposal would change, without asking anybody for it.
//!
//! The gateway computes it and stores nothing; it says nothing of whether anybody would approve. It costs the rate of
//! a submission, so that an agent cannot have its ideas weighed without end. Beside each operation stands the narrowest
//! body for what was denied in this run of what the operation is about: that is known here, and costs nobody anything.

use http::{Response, StatusCode};
use openshell_domain::mapper;
use openshell_domain::policy::verdict::CompiledPolicy;
use openshell_domain::proposal::body::AddRule;
use openshell_wire::pb::inbox as pb;
use openshell_wire::proposal;
use serde_json::{Value, json};

use super::put;
use super::submit::{self, Read, gateway_refused, reviewed};
use crate::context::Context;
use crate::evidence::{self, Kept};
use crate::identity::Holder;
use crate::reply::{self, Body};

/// Proves every operation of a body, and answers for each.
pub(super) async fn prove(context: &Context, holders: &[Holder], bytes: &[u8]) -> Response<Body> {
    let read = match submit::read(bytes) {
        Ok(read) => read,
        Err(response) => return response,
    };
    let latest = context.evidence.latest();
    let request = read.request(context, holders, String::new(), &latest).await;
    let results = match context.gateway.prove(request).await {
        Ok(results) => results,
        Err(status) => return gateway_refused(&status),
    };
    let snapshot = context.enforcement.snapshot();
    // Patterns are compiled: that must not hold up anybody's denial.
    let answered = tokio::task::spawn_blocking(move || {
        let mut body = answer(&read, results);
        let judge = snapshot.judge.as_ref().ok();
        let all = body.get_mut("results").and_then(Value::as_array_mut).into_iter().flatten();
        for (result, operation) in all.zip(read.operations()) {
            narrowest(result, operation.as_ref().ok(), (&latest, judge));
        }
        body
    });
    match answered.await {
        Ok(body) => reply::json(StatusCode::OK, &body),
        Err(error) => reply::error(StatusCode::INTERNAL_SERVER_ERROR, "internal", &error.to_string()),
    }
}

/// Adds the body that covers what was denied of what an operation is about, or why there is none.
fn narrowest(
    result: &mut Value,
    operation: Option<&AddRule>,
    (latest, judge): (&[Kept], Option<&CompiledPolicy>),
) {
    let denied = operation.map(|add| evidence::concerning(add, latest));
    let found = match (denied, judge) {
        (None, _) => Err("the operation cannot be read"),
        (_, None) => Err("no policy is in force, so everything is denied"),
        (Some(denied), _) if denied.is_empty() => {
            Err("nothing was denied in this run to these programs at these hosts and ports")
        }
        (Some(denied), Some(judge)) => mapper::covering(&denied, judge)
            .ok_or("what was denied there is allowed by now, or no rule can allow it"),
    };
    match found {
        Ok(body) => put(result, "narrowest", body),
        Err(why) => {
            put(result, "narrowest", Value::Null);
            put(result, "narrowest_reason", why);
        }
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
