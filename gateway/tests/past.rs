//! What a reviewer asks of the past: the revisions of a sandbox, and whether the log is whole.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod common;

use std::process::Command;

use common::*;
use openshell_wire::pb::inbox::inbox_client::InboxClient;
use openshell_wire::pb::inbox::{self as pb, Verb};
use tonic::Code;
use tonic::transport::Channel;

async fn page(client: &mut InboxClient<Channel>, limit: u32, page: &str) -> pb::ListRevisionsResponse {
    let request = pb::ListRevisionsRequest { sandbox: "demo".into(), limit, page: page.into() };
    within(client.list_revisions(request)).await.unwrap().into_inner()
}

/// All of them, in pages.
async fn all(client: &mut InboxClient<Channel>, limit: u32) -> Vec<pb::RevisionRecord> {
    let mut told = Vec::new();
    let mut next = String::new();
    loop {
        let answer = page(client, limit, &next).await;
        assert!(limit == 0 || answer.revisions.len() <= limit as usize);
        told.extend(answer.revisions);
        next = answer.next_page;
        if next.is_empty() {
            return told;
        }
    }
}

#[tokio::test]
async fn every_revision_is_told_with_what_made_it_whatever_the_page() {
    let place = Place::new();
    let running = place.start().await;
    let mut client = place.inbox().await;
    let mut agent = place.run("demo", 1).await;
    agent.complete().await;
    let (a, b, c) = (agent.submit("/a").await, agent.submit("/b").await, agent.submit("/c").await);
    for n in 0..80 {
        agent.submit(&format!("/more/{n}")).await;
    }
    // Taken back: a rejection, which makes no revision, and then an approval.
    within(client.decide(decision(&c, Verb::Reject, ""))).await.unwrap();
    within(client.decide(decision(&c, Verb::Undo, ""))).await.unwrap();
    within(client.decide(decision(&a, Verb::Approve, ""))).await.unwrap();
    within(client.decide(decision(&b, Verb::Approve, ""))).await.unwrap();
    within(client.decide(decision(&a, Verb::Undo, ""))).await.unwrap();
    within(client.decide(decision(&b, Verb::Revoke, ""))).await.unwrap();
    let (a, b) = (a.id.as_str(), b.id.as_str());
    let key_of_b = format!("put_file~{}", b.split('-').next().unwrap());
    let wanted = [
        (5, vec![("revoked", b, "")]),
        (4, vec![("undone", a, "")]),
        (3, vec![("granted", b, key_of_b.as_str())]),
        (2, vec![("granted", a, "put_file")]),
        (1, vec![("policy_file", "", "policy.yaml")]),
    ];
    for limit in [0, 1, 2, 5] {
        let told = all(&mut client, limit).await;
        let read: Vec<_> = told
            .iter()
            .map(|made| {
                let change =
                    |it: &'_ pb::RevisionChange| (it.what.clone(), it.proposal.clone(), it.name.clone());
                (made.revision, made.changes.iter().map(change).collect::<Vec<_>>())
            })
            .collect();
        let wanted: Vec<_> = wanted
            .iter()
            .map(|(revision, changes)| {
                let own = |(what, id, name): &(&str, &str, &str)| {
                    ((*what).to_owned(), (*id).to_owned(), (*name).to_owned())
                };
                (*revision, changes.iter().map(own).collect::<Vec<_>>())
            })
            .collect();
        assert_eq!(read, wanted, "in pages of {limit}");
        assert_eq!(told[4].hash, told[0].hash, "undo and revoke restore the policy");
        assert_ne!(told[1].hash, told[0].hash);
        assert_eq!(told[0].actor.as_ref().unwrap().kind, "reviewer");
        assert!(told.windows(2).all(|pair| pair[0].seq > pair[1].seq && pair[0].at_us >= pair[1].at_us));
    }
    let request = pb::ListRevisionsRequest { sandbox: "demo".into(), limit: 0, page: "x".into() };
    let error = within(client.list_revisions(request)).await.unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
    running.stop().await;
}

async fn verify(client: &mut InboxClient<Channel>, checkpoint: &str) -> pb::VerifyLogResponse {
    let request = pb::VerifyLogRequest { checkpoint: checkpoint.into() };
    within(client.verify_log(request)).await.unwrap().into_inner()
}

/// More than a thousand events, so that the head was signed.
async fn signed(place: &Place) -> Attached {
    let mut agent = place.run("demo", 1).await;
    for n in 0..70 {
        let paths: Vec<String> = (0..16).map(|part| format!("/{n}/{part}")).collect();
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        let request = agent.submission(&paths);
        within(agent.client.submit_proposals(request)).await.unwrap();
    }
    agent
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_gateway_proves_its_log_and_names_the_first_event_that_was_changed() {
    let place = Place::new();
    let running = place.start().await;
    let mut client = place.inbox().await;
    // Its run goes on: the end of it would be one more event.
    let _agent = signed(&place).await;
    let whole = verify(&mut client, "").await;
    assert_eq!((whole.problems.len(), whole.broken_at), (0, 0), "{whole:?}");
    assert!(whole.seq > 1100 && whole.signed >= 1000 && whole.streams == 2, "{whole:?}");
    assert_eq!((whole.checkpoints, whole.signers.len()), (1, 1));
    assert_eq!((whole.signers[0].until, whole.signers[0].public_key.len()), (whole.signed, 64));
    let kept = Command::new(env!("CARGO_BIN_EXE_openshell-gateway"))
        .args(["log", "checkpoint", "--db"])
        .arg(place.db())
        .output()
        .unwrap();
    let kept = String::from_utf8(kept.stdout).unwrap();
    assert_eq!(verify(&mut client, &kept).await, whole);
    for wrong in ["{".to_owned(), kept.replace(&whole.signed.to_string(), "7"), "x".repeat(100_000)] {
        let request = pb::VerifyLogRequest { checkpoint: wrong };
        let error = within(client.verify_log(request)).await.unwrap_err();
        assert_eq!((error.code(), word(&error)), (Code::InvalidArgument, "invalid"));
    }
    // Somebody who may write the file.
    let stranger = rusqlite::Connection::open(place.db()).unwrap();
    let trigger: String = stranger
        .query_row("SELECT sql FROM sqlite_master WHERE name = 'events_no_update'", [], |row| row.get(0))
        .unwrap();
    let altered = "DROP TRIGGER events_no_update;
        UPDATE events SET payload = replace(payload, 'write one file', 'write two files') WHERE seq = 500;";
    stranger.execute_batch(altered).unwrap();
    stranger.execute_batch(&trigger).unwrap();
    let broken = verify(&mut client, "").await;
    assert_eq!((broken.seq, broken.broken_at), (499, 500));
    assert!(broken.problems[0].contains("the hash chain breaks at event 500"), "{broken:?}");
    // Reads and decisions go on meanwhile; a person has to decide what to do.
    let list = pb::ListProposalsRequest { limit: 1, ..Default::default() };
    let newest = within(client.list_proposals(list)).await.unwrap().into_inner().proposals.remove(0);
    within(client.decide(decision(&newest, Verb::Reject, "no"))).await.unwrap();
    running.stop().await;
}
