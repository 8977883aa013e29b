//! What an agent may ask about its own proposals, over the real binaries.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

mod common;

use common::{Answer, Sandbox, World, proposal, until};
use serde_json::{Value, json};

const PROPOSALS: &str = "http://policy.local/v1/proposals";

fn prove(sandbox: &mut Sandbox, body: &Value) -> Answer {
    sandbox.post("http://policy.local/v1/prove", &body.to_string())
}

fn delete(sandbox: &mut Sandbox, id: &str) -> Answer {
    let asked = sandbox.ask("DELETE", &format!("{PROPOSALS}/{id}"), "");
    sandbox.answer(asked)
}

fn ids(answer: &Answer) -> Vec<&str> {
    answer.body["proposals"].as_array().unwrap().iter().map(|p| p["chunk_id"].as_str().unwrap()).collect()
}

#[test]
fn what_is_proven_is_what_would_be_granted_and_nothing_is_stored() {
    let world = World::start();
    let mut sandbox = world.sandbox("demo", &["--advisor"]);
    let answer = prove(&mut sandbox, &proposal("/a.md", "write it"));
    assert_eq!(answer.status, 200, "{answer:?}");
    let result = &answer.body["results"][0];
    assert_eq!(result["status"], "would_be_submitted", "{result}");
    assert!(result["widens"].to_string().contains("PUT /a.md"), "{result}");
    assert!(result["validation_result"].as_str().unwrap().starts_with("prover: "), "{result}");
    let mut reading = proposal("/x", "read it");
    reading["operations"][0]["addRule"]["rule"]["endpoints"][0]["rules"][0]["allow"]["method"] =
        json!("HEAD");
    let covered = prove(&mut sandbox, &reading).body["results"][0].clone();
    assert_eq!((&covered["status"], &covered["covered_by"]), (&json!("already_covered"), &json!(["docs"])));
    let mut broken = proposal("/a.md", "x");
    broken["operations"][0]["addRule"]["rule"]["endpoints"][0]["port"] = json!(0);
    assert_eq!(prove(&mut sandbox, &broken).status, 400);
    assert_eq!(ids(&sandbox.get(PROPOSALS)), [""; 0], "nothing was stored");
    assert!(!answer.body.to_string().contains("auto"), "nothing is said of who would approve: {answer:?}");
    let submitted = sandbox.post(PROPOSALS, &proposal("/a.md", "write it").to_string());
    assert_eq!(submitted.body["results"][0]["widens"], result["widens"]);
}

#[test]
fn own_proposals_are_listed_newest_first_and_taken_back_once() {
    let world = World::start();
    let mut sandbox = world.sandbox("demo", &["--advisor"]);
    let mut all: Vec<String> = (0..3).map(|n| sandbox.submit(&format!("/{n}.md"), "write it")).collect();
    all.reverse();
    assert_eq!(ids(&sandbox.get(PROPOSALS)), all);
    let first = sandbox.get(&format!("{PROPOSALS}?limit=2"));
    assert_eq!(ids(&first), all[..2]);
    let next = format!("http://policy.local{}", first.body["next"].as_str().unwrap());
    let last = sandbox.get(&next);
    assert_eq!((ids(&last), &last.body["next"]), (vec![all[2].as_str()], &Value::Null));
    assert_eq!(sandbox.get(&format!("{PROPOSALS}?before=x")).status, 404);

    let taken = delete(&mut sandbox, &all[0]);
    assert_eq!((taken.status, &taken.body["status_detail"]), (200, &json!("withdrawn")), "{taken:?}");
    let status = |sandbox: &mut Sandbox| sandbox.get(&format!("{PROPOSALS}/{}", all[0])).body;
    until("it is withdrawn", || (status(&mut sandbox)["status_detail"] == "withdrawn").then_some(()));
    let again = delete(&mut sandbox, &all[0]);
    assert_eq!((again.status, &again.body["error"]), (409, &json!("already_decided")), "{again:?}");
    let nobodys = delete(&mut sandbox, "0b5d2a1e-0000-4000-8000-000000000000");
    assert_eq!((nobodys.status, &nobodys.body["error"]), (404, &json!("chunk_not_found")));
    assert!(
        world.inbox(&["approve", &all[0]]).status.code() != Some(0),
        "what was withdrawn cannot be approved"
    );
}

#[test]
fn a_status_says_until_when_and_what_would_be_better_and_the_log_says_what_happened() {
    let world = World::start();
    let mut sandbox = world.sandbox("demo", &["--advisor"]);
    let (granted, refused) = (sandbox.submit("/a.md", "a"), sandbox.submit("/b.md", "b"));
    let waits = [sandbox.wait(&granted, 60), sandbox.wait(&refused, 60)];
    assert!(world.inbox(&["approve", &granted, "--for", "10m"]).status.success());
    let rejected = world.inbox(&["reject", &refused, "--reason", "too much", "--hint", "too_broad"]);
    assert!(rejected.status.success(), "{}", String::from_utf8_lossy(&rejected.stderr));
    let [granted, refused] = waits.map(|wait| sandbox.answer(wait).body);
    assert!(granted["lease_expires_at"].as_str().is_some_and(|end| end.ends_with('Z')), "{granted}");
    assert_eq!(refused["hints"], json!(["too_broad"]), "{refused}");
    assert!(refused.get("lease_expires_at").is_none() && granted.get("hints").is_none());
    let log = sandbox.get("http://policy.local/v1/logs?last=50").body["lines"].to_string();
    for word in ["CONFIG:PROPOSED", "CONFIG:APPROVED", "CONFIG:REJECTED", "CONFIG:LOADED"] {
        assert!(log.contains(word), "{word}: {log}");
    }
}

/// Kills: a rule that is wider than what was denied, one for what was denied elsewhere or is allowed by now, and a body
/// that cannot be sent as it is.
#[test]
fn a_proof_brings_the_narrowest_body_for_what_was_denied() {
    let world = World::start();
    let mut sandbox = world.sandbox("demo", &["--advisor"]);
    let denied = |sandbox: &mut Sandbox, url: &str| {
        let asked = sandbox.ask("PUT", url, "x");
        sandbox.answer(asked).body
    };
    let elsewhere = denied(&mut sandbox, "http://elsewhere.invalid/7/a.md");
    let mut wide = proposal("/**", "everything");
    wide["operations"][0]["addRule"]["rule"]["binaries"][0]["path"] = elsewhere["binary"].clone();
    let result = prove(&mut sandbox, &wide).body["results"][0].clone();
    assert_eq!((&result["status"], &result["narrowest"]), (&json!("would_be_submitted"), &Value::Null));
    assert!(result["narrowest_reason"].as_str().unwrap().starts_with("nothing was denied"), "{result}");
    denied(&mut sandbox, "http://docs.invalid/7/a.md");
    denied(&mut sandbox, "http://docs.invalid/8/b.md");
    let result = prove(&mut sandbox, &wide).body["results"][0].clone();
    let body = &result["narrowest"];
    let [operation] = &body["operations"].as_array().unwrap()[..] else { panic!("one rule: {result}") };
    let endpoint = &operation["addRule"]["rule"]["endpoints"][0];
    assert_eq!(
        (&endpoint["host"], &endpoint["rules"]),
        (
            &json!("docs.invalid"),
            &json!([
                {"allow": {"method": "PUT", "path": "/7/a.md"}},
                {"allow": {"method": "PUT", "path": "/8/b.md"}},
            ])
        )
    );
    assert!(result.get("narrowest_reason").is_none(), "{result}");
    let submitted = sandbox.post(PROPOSALS, &body.to_string());
    assert_eq!(submitted.status, 202, "{submitted:?}");
    let id = submitted.body["accepted_chunk_ids"][0].as_str().unwrap().to_owned();
    assert!(world.inbox(&["approve", &id]).status.success());
    let waiting = sandbox.wait(&id, 60);
    assert_eq!(sandbox.answer(waiting).body["policy_reloaded"], true);
    let result = prove(&mut sandbox, &wide).body["results"][0].clone();
    assert_eq!(result["narrowest"], Value::Null, "{result}");
    assert!(result["narrowest_reason"].as_str().unwrap().contains("allowed by now"), "{result}");
}
