//! What is asked without any effect: why a request would pass (`ExplainVerdict`), what a wording would change
//! (`PreviewDraft`).

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use common::*;
use openshell_wire::pb::inbox::{self as pb, Verb};
use openshell_wire::pb::sandbox::{NetworkEndpoint, NetworkPolicyRule};
use serde_json::Value;
use tonic::Code;

fn ask(target: &str) -> pb::ExplainVerdictRequest {
    pb::ExplainVerdictRequest {
        sandbox: "demo".into(),
        chain: vec!["/usr/bin/curl".into()],
        host: "API.github.com".into(),
        port: 443,
        method: "PUT".into(),
        target: target.into(),
        websocket: false,
    }
}

#[tokio::test]
async fn what_is_denied_can_be_asked_for_and_what_was_granted_names_its_grant() {
    let place = Place::new();
    let running = place.start().await;
    let mut agent = place.run("demo", 1).await;
    agent.complete().await;
    let mut inbox = place.inbox().await;
    let denied = inbox.explain_verdict(ask("/a?x=1")).await.unwrap().into_inner();
    let told: Value = serde_json::from_str(&denied.explanation).unwrap();
    assert_eq!(told["verdict"], "denied", "{told}");
    assert_eq!(told["ask"]["endpoints"][0]["rules"][0]["allow"]["path"], "/a", "{told}");
    assert!(denied.text.contains("a proposal could allow it"), "{}", denied.text);
    // The base's preset lets it be read, and not become a WebSocket.
    let get = pb::ExplainVerdictRequest { method: "get".into(), ..ask("/a") };
    let read = inbox.explain_verdict(get.clone()).await.unwrap().into_inner();
    let upgrade = inbox.explain_verdict(pb::ExplainVerdictRequest { websocket: true, ..get }).await.unwrap();
    let told = [read.explanation, upgrade.into_inner().explanation];
    let [read, upgrade] = told.map(|json| serde_json::from_str::<Value>(&json).unwrap());
    assert_eq!((&read["verdict"], &upgrade["missing"]["kind"]), (&"allowed".into(), &"not_written".into()));
    let proposal = agent.submit("/a").await;
    inbox.decide(decision(&proposal, Verb::Approve, "fine")).await.unwrap();
    let allowed = inbox.explain_verdict(ask("/x/../a?x=1")).await.unwrap().into_inner();
    let told: Value = serde_json::from_str(&allowed.explanation).unwrap();
    assert_eq!((&told["verdict"], allowed.revision), (&"allowed".into(), denied.revision + 1), "{told}");
    assert_eq!(told["decided"]["provenance"]["proposal"], proposal.id, "{told}");
    assert_eq!(told["decided"]["provenance"]["reason"], "fine", "{told}");
    running.stop().await;
}

#[tokio::test]
async fn a_question_that_makes_no_sense_is_refused_with_what_is_wrong() {
    let place = Place::new();
    let running = place.start().await;
    place.run("demo", 1).await.complete().await;
    let mut inbox = place.inbox().await;
    for (wrong, what) in [
        (pb::ExplainVerdictRequest { chain: Vec::new(), ..ask("/") }, "chain: "),
        (pb::ExplainVerdictRequest { chain: vec!["curl".into()], ..ask("/") }, "chain: "),
        (pb::ExplainVerdictRequest { host: "a b".into(), ..ask("/") }, "host: "),
        (pb::ExplainVerdictRequest { port: 0, ..ask("/") }, "port: "),
        (pb::ExplainVerdictRequest { port: 65_536, ..ask("/") }, "port: "),
        (pb::ExplainVerdictRequest { method: "G ET".into(), ..ask("/") }, "method: "),
        (pb::ExplainVerdictRequest { websocket: true, ..ask("/") }, "method: "),
        (ask("a"), "target: "),
        (ask("/%c0%af"), "target: "),
    ] {
        let status = inbox.explain_verdict(wrong).await.unwrap_err();
        assert_eq!((status.code(), word(&status)), (Code::InvalidArgument, "invalid"), "{what}");
        assert!(status.message().starts_with(what), "{}", status.message());
    }
    running.stop().await;
}

/// Kills: a preview that says something else than what a decision is then bound to, or that leaves anything behind.
#[tokio::test]
async fn a_wording_is_tried_out_as_it_would_be_reviewed_and_nothing_stays_of_it() {
    let place = Place::new();
    let running = place.start().await;
    let mut agent = place.run("demo", 1).await;
    let asked = agent.submit("/a/**").await;
    let mut inbox = place.inbox().await;
    let rule_name = "narrow".to_owned();
    let preview = pb::PreviewDraftRequest { id: asked.id.clone(), rule_name, rule: Some(put("/a/b")) };
    let told = inbox.preview_draft(preview.clone()).await.unwrap().into_inner().review;
    let request = pb::GetProposalRequest { id: asked.id.clone() };
    let now = inbox.get_proposal(request).await.unwrap().into_inner().proposal;
    assert_eq!(now, Some(asked.clone()));
    let pb::PreviewDraftRequest { id, rule_name, rule } = preview.clone();
    let digest = asked.digest.clone();
    let request = pb::ReviseDraftRequest { id, digest, rule_name, rule, ..Default::default() };
    let revised = inbox.revise_draft(request).await.unwrap().into_inner().proposal.unwrap();
    assert_eq!(told, revised.review);
    let host = vec![pb_endpoint(&preview, "")];
    let rule = preview.rule.clone().map(|rule| NetworkPolicyRule { endpoints: host, ..rule });
    let error = inbox.preview_draft(pb::PreviewDraftRequest { rule, ..preview.clone() }).await.unwrap_err();
    assert_eq!((error.code(), error.message().contains("host")), (Code::InvalidArgument, true), "{error}");
    inbox.decide(decision(&revised, Verb::Reject, "no")).await.unwrap();
    let error = inbox.preview_draft(preview).await.unwrap_err();
    assert_eq!((error.code(), word(&error)), (Code::FailedPrecondition, "already_decided"));
    running.stop().await;
}

fn pb_endpoint(of: &pb::PreviewDraftRequest, host: &str) -> NetworkEndpoint {
    NetworkEndpoint { host: host.into(), ..of.rule.as_ref().unwrap().endpoints[0].clone() }
}
