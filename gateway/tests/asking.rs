//! What a supervisor asks for its agents: proofs that store nothing, and submissions that are done once.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod common;

use common::*;
use openshell_domain::review::Review;
use openshell_gateway::Limits;
use openshell_wire::pb::inbox::inbox_client::InboxClient;
use openshell_wire::pb::inbox::{self as pb, Verb};
use tonic::Code;
use tonic::transport::Channel;

async fn events(client: &mut InboxClient<Channel>) -> u64 {
    let request = pb::ReadLogRequest { from_seq: 0, sandbox: String::new() };
    let mut records = within(client.read_log(request)).await.unwrap().into_inner();
    let mut last = 0;
    while let Some(record) = within(records.message()).await.unwrap() {
        last = record.cursor;
    }
    last
}

async fn proven(agent: &mut Attached, paths: &[&str]) -> Vec<pb::ProveResult> {
    let request = agent.submission(paths);
    within(agent.client.prove_proposals(request)).await.unwrap().into_inner().results
}

async fn submitted(agent: &mut Attached, request: pb::SubmitProposalsRequest) -> Vec<pb::SubmitResult> {
    within(agent.client.submit_proposals(request)).await.unwrap().into_inner().results
}

#[tokio::test]
async fn a_proof_tells_what_a_submission_would_be_answered_and_stores_nothing() {
    let place = Place { limits: Limits { pending: 2, ..OPEN }, ..Place::new() };
    let running = place.start().await;
    let mut client = place.inbox().await;
    let mut agent = place.run("demo", 1).await;
    agent.complete().await;
    let before = events(&mut client).await;
    let mut request = agent.submission(&["/a", "/b", "/c"]);
    request.operations[1].rule_name = "_provider_x".into();
    // An L4 rule for a host that is inspected: no stream would pass unread.
    let opaque = &mut request.operations[2].rule.as_mut().unwrap().endpoints[0];
    (opaque.protocol, opaque.rules) = (String::new(), Vec::new());
    let proof = within(agent.client.prove_proposals(request.clone())).await.unwrap().into_inner().results;
    assert_eq!(events(&mut client).await, before, "nothing was stored");
    let results = submitted(&mut agent, request).await;
    for (proof, result) in proof.iter().zip(&results) {
        assert_eq!((&proof.code, &proof.error), (&result.code, &result.error));
    }
    let codes: Vec<&str> = proof.iter().map(|result| result.code.as_str()).collect();
    assert_eq!(codes, ["", "invalid", "changes_nothing"]);
    let shown = results[0].proposal.as_ref().unwrap();
    let (mut proof, shown_review): (Review, Review) =
        (serde_json::from_str(&proof[0].review).unwrap(), serde_json::from_str(&shown.review).unwrap());
    assert_ne!(proof.digest, shown_review.digest, "nobody can decide on a proof");
    proof.digest = shown_review.digest;
    assert_eq!(proof, shown_review);
    assert_eq!(proven(&mut agent, &["/a"]).await[0].validation_result, shown.validation_result);
    within(client.decide(decision(shown, Verb::Reject, ""))).await.unwrap();
    // What the policy file allows already would be closed at once.
    let mut read = agent.submission(&["/a"]);
    let endpoint = &mut read.operations[0].rule.as_mut().unwrap().endpoints[0];
    endpoint.rules[0].allow.as_mut().unwrap().method = "HEAD".into();
    let covered = within(agent.client.prove_proposals(read)).await.unwrap().into_inner().results.remove(0);
    assert_eq!(covered.covered_by, ["github"], "{covered:?}");
    agent.submit("/d").await;
    agent.submit("/e").await;
    assert_eq!(proven(&mut agent, &["/f"]).await[0].code, "limit");
    running.stop().await;
}

#[tokio::test]
async fn a_proof_costs_what_a_submission_costs_and_is_bounded_like_one() {
    let limits = Limits { submissions_burst: 3, submissions_per_minute: 1, ..OPEN };
    let place = Place { limits, ..Place::new() };
    let running = place.start().await;
    let mut agent = place.run("demo", 1).await;
    proven(&mut agent, &["/a", "/b"]).await;
    agent.submit("/a").await;
    let request = agent.submission(&["/c"]);
    let error = within(agent.client.prove_proposals(request)).await.unwrap_err();
    assert_eq!((error.code(), word(&error)), (Code::ResourceExhausted, "limit"));
    let request = agent.submission(&["/x"; 17]);
    let error = within(agent.client.prove_proposals(request)).await.unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
    running.stop().await;
}

#[tokio::test]
async fn a_submission_under_a_key_is_done_once_and_answered_with_the_same_ids() {
    let limits = Limits { submissions_burst: 6, submissions_per_minute: 1, ..OPEN };
    let place = Place { limits, ..Place::new() };
    let running = place.start().await;
    let mut client = place.inbox().await;
    let (mut agent, mut other) = (place.run("demo", 1).await, place.run("other", 2).await);
    agent.complete().await;
    other.complete().await;
    let keyed = |agent: &Attached, paths: &[&str], key: &str| pb::SubmitProposalsRequest {
        idempotency_key: key.into(),
        ..agent.submission(paths)
    };
    let ids = |results: &[pb::SubmitResult]| -> Vec<String> {
        assert!(results.iter().all(|result| result.error.is_empty()), "{results:?}");
        results.iter().map(|result| result.id.clone()).collect()
    };
    let request = keyed(&agent, &["/a", "/b"], "once");
    let first = ids(&submitted(&mut agent, request.clone()).await);
    let stored = events(&mut client).await;
    // Another binary, other denials meanwhile, and more often than the rate allows: the same request.
    let seen = pb::SeenDenial { host: "a.example".into(), port: 443, count: 1, ..Default::default() };
    for n in 0..10 {
        let again = pb::SubmitProposalsRequest {
            submitted_by: format!("/usr/bin/other-{n}"),
            evidence: vec![pb::Evidence { seen: vec![seen.clone()] }],
            ..request.clone()
        };
        assert_eq!(ids(&submitted(&mut agent, again).await), first);
    }
    assert_eq!(events(&mut client).await, stored, "nothing new was stored");
    // It is answered with what became of it.
    let shown = submitted(&mut agent, request.clone()).await.remove(0).proposal.unwrap();
    within(client.decide(decision(&shown, Verb::Reject, "no"))).await.unwrap();
    let decided = submitted(&mut agent, request.clone()).await.remove(0).proposal.unwrap();
    assert_eq!((decided.id == shown.id, decided.status.as_str()), (true, "rejected"));
    let stored = events(&mut client).await;
    for reused in [
        keyed(&agent, &["/a", "/c"], "once"),
        keyed(&agent, &["/a"], "once"),
        keyed(&agent, &["/a", "/b", "/c"], "once"),
        pb::SubmitProposalsRequest { rationale: "another".into(), ..request.clone() },
    ] {
        let error = within(agent.client.submit_proposals(reused)).await.unwrap_err();
        assert_eq!((error.code(), word(&error)), (Code::InvalidArgument, "key_reused"));
    }
    assert_eq!(events(&mut client).await, stored, "of a request that is refused nothing is stored");
    let elsewhere = keyed(&other, &["/x"], "once");
    assert_ne!(ids(&submitted(&mut other, elsewhere).await), first, "a key belongs to its sandbox");
    let twice = keyed(&agent, &["/a", "/b"], "twice");
    let anew = ids(&submitted(&mut agent, twice).await);
    assert!(anew.iter().all(|id| !first.contains(id)), "another key is another request");
    for wrong in ["a b", "ü", &"x".repeat(65)] {
        let request = keyed(&agent, &["/a"], wrong);
        let error = within(agent.client.submit_proposals(request)).await.unwrap_err();
        assert_eq!((error.code(), word(&error)), (Code::InvalidArgument, "invalid"));
    }
    running.stop().await;
}

#[tokio::test]
async fn a_key_is_remembered_over_a_restart_and_what_was_refused_is_tried_again() {
    let limits = Limits { pending: 1, run_grace: std::time::Duration::from_secs(60), ..OPEN };
    let place = Place { limits, ..Place::new() };
    let running = place.start().await;
    let mut agent = place.run("demo", 1).await;
    let request =
        pb::SubmitProposalsRequest { idempotency_key: "k".into(), ..agent.submission(&["/a", "/b"]) };
    let first = submitted(&mut agent, request.clone()).await;
    assert_eq!((first[0].code.as_str(), first[1].code.as_str()), ("", "limit"));
    running.stop().await;
    let running = place.start().await;
    let mut agent = place.attach(pb::Hello { run_secret: agent.secret, ..hello("demo", 1) }).await.unwrap();
    let mut client = place.inbox().await;
    let again = submitted(&mut agent, request.clone()).await;
    assert_eq!((&again[0].id, again[1].code.as_str()), (&first[0].id, "limit"));
    let proposal = again[0].proposal.clone().unwrap();
    within(client.decide(decision(&proposal, Verb::Reject, "no"))).await.unwrap();
    let last = submitted(&mut agent, request).await;
    assert_eq!((&last[0].id, last[1].error.as_str()), (&first[0].id, ""));
    running.stop().await;
}
