//! What an agent is told of what it asks for, and what a reviewer is shown beside it, over the real binaries.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

mod common;

use common::{Answer, Sandbox, World, proposal, until};
use openshell_domain::proposal::Proposal;
use openshell_inbox::client::Client;
use serde_json::{Value, json};

const PROPOSALS: &str = "http://policy.local/v1/proposals";

/// Asks for a rule with one endpoint at `docs.invalid:80` and one binary.
fn ask(sandbox: &mut Sandbox, endpoint: &Value, binary: &str) -> Answer {
    let mut body = proposal("/a.md", "because");
    let rule = &mut body["operations"][0]["addRule"]["rule"];
    rule["endpoints"][0] = endpoint.clone();
    rule["binaries"][0]["path"] = binary.into();
    sandbox.post(PROPOSALS, &body.to_string())
}

fn rest(method: &str, path: &str) -> Value {
    json!({"host": "docs.invalid", "port": 80, "protocol": "rest", "enforcement": "enforce",
        "rules": [{"allow": {"method": method, "path": path}}]})
}

/// The proposal as a reviewer's client gets it.
fn shown(world: &World, id: &str) -> Proposal {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut client = Client::connect(world.door()).await.unwrap();
        client.proposal(id).await.unwrap().proposal
    })
}

fn id_of(answer: &Answer) -> String {
    answer.body["accepted_chunk_ids"][0].as_str().unwrap().to_owned()
}

#[test]
fn what_is_allowed_already_is_answered_at_once() {
    let world = World::start();
    let mut sandbox = world.sandbox("demo", &["--advisor"]);
    let answer = ask(&mut sandbox, &rest("HEAD", "/a.md"), "/usr/bin/curl");
    assert_eq!(answer.status, 202, "{answer:?}");
    let id = id_of(&answer);
    let want =
        json!({"operation": 0, "status": "already_covered", "chunk_id": id, "widens": [], "findings": []});
    assert_eq!(answer.body["results"], json!([want]));
    let status = sandbox.get(&format!("{PROPOSALS}/{id}"));
    for (key, want) in [
        ("status", json!("approved")),
        ("status_detail", json!("already_covered")),
        ("policy_reloaded", json!(true)),
        ("validation_result", json!("prover: no new findings")),
    ] {
        assert_eq!(status.body[key], want, "{key}: {status:?}");
    }
    let waiting = sandbox.wait(&id, 60);
    assert_eq!(sandbox.answer(waiting).body, status.body, "there is nothing to wait for");
    assert_eq!(world.inbox_json(&["list", "--status", "pending"]), json!([]), "nobody has to decide it");
}

#[test]
fn what_would_not_help_is_refused_with_its_code_and_why() {
    let world = World::start();
    let mut sandbox = world.sandbox("demo", &["--advisor"]);
    let l4 = json!({"host": "docs.invalid", "port": 80});
    let answer = ask(&mut sandbox, &l4, "/usr/bin/curl");
    assert_eq!((answer.status, &answer.body["accepted_chunks"]), (422, &json!(0)), "{answer:?}");
    let result = &answer.body["results"][0];
    assert_eq!((&result["status"], &result["error"]), (&json!("rejected"), &json!("changes_nothing")));
    assert!(result["hint"].as_str().unwrap().contains("docs"), "{result}");
    assert_eq!(world.inbox_json(&["list"]), json!([]));
}

#[test]
fn the_agent_reads_what_it_would_widen_and_the_findings() {
    let world = World::start();
    let tool = world.work("tool");
    let tool = std::fs::canonicalize(tool.parent().unwrap()).unwrap().join("tool");
    let options = ["--advisor", "--credential", "DOCS_TOKEN=docs.invalid,*.docs.invalid"];
    let mut sandbox = world.sandbox("demo", &options);
    let answer = ask(&mut sandbox, &rest("PUT", "/a.md"), &tool.display().to_string());
    assert_eq!(answer.status, 202, "{answer:?}");
    let result = &answer.body["results"][0];
    assert_eq!(result["status"], "submitted");
    assert_eq!(result["widens"], json!([format!("docs.invalid:80 PUT /a.md by {}", tool.display())]));
    assert!(result.get("latent").is_none() && result.get("narrows").is_none(), "{result}");
    let findings = result["findings"].as_array().unwrap();
    let codes: Vec<&str> = findings.iter().filter_map(|finding| finding["code"].as_str()).collect();
    assert_eq!(codes, ["capability_expansion", "mutating_method", "writable_binary", "no_evidence"]);
    assert!(findings[0]["sentence"].as_str().unwrap().starts_with("May do more"), "{findings:?}");
    let status = sandbox.get(&format!("{PROPOSALS}/{}", id_of(&answer)));
    let validation = status.body["validation_result"].as_str().unwrap();
    assert!(validation.starts_with("prover: 1 new finding\n  capability_expansion: "), "{validation}");
}

#[test]
fn what_narrows_is_told_as_what_is_lost() {
    let world = World::start();
    let mut sandbox = world.sandbox("demo", &["--advisor"]);
    let wide = json!({"host": "wide.invalid", "port": 80});
    let first = ask(&mut sandbox, &wide, "/usr/bin/curl");
    assert!(world.inbox(&["approve", &id_of(&first)]).status.success());
    let narrow = json!({"host": "wide.invalid", "port": 80, "protocol": "rest", "enforcement": "enforce",
        "rules": [{"allow": {"method": "PUT", "path": "/a.md"}}]});
    let answer = ask(&mut sandbox, &narrow, "/usr/bin/curl");
    let result = &answer.body["results"][0];
    assert!(result["narrows"][0].as_str().unwrap().starts_with("wide.invalid:80 any bytes by "), "{result}");
    assert!(result["latent"][0].as_str().unwrap().contains("PUT /a.md"), "{result}");
}

#[test]
fn denials_of_the_run_are_the_evidence_of_a_proposal() {
    let world = World::start();
    let mut sandbox = world.sandbox("demo", &["--advisor"]);
    let put = |sandbox: &mut Sandbox, url: &str| {
        let asked = sandbox.ask("PUT", url, "x");
        sandbox.answer(asked)
    };
    put(&mut sandbox, "http://docs.invalid/x/../a.md?token=hunter2");
    let denied = put(&mut sandbox, "http://docs.invalid/a.md");
    put(&mut sandbox, "http://elsewhere.invalid/a.md");
    let answer = sandbox.post(PROPOSALS, &denied.body["proposal"].to_string());
    assert_eq!(answer.status, 202, "{answer:?}");
    let proposal = shown(&world, &id_of(&answer));
    let [seen] = &proposal.evidence[..] else { panic!("one kind of denial: {:?}", proposal.evidence) };
    assert_eq!(seen.binary, denied.body["binary"].as_str().unwrap());
    assert_eq!((seen.host.as_str(), seen.port, seen.count), ("docs.invalid", 80, 2));
    assert_eq!((seen.method.as_deref(), seen.path.as_deref()), (Some("PUT"), Some("/a.md")));
    let codes: Vec<&str> =
        proposal.review.as_ref().unwrap().findings.iter().map(|f| f.code.as_str()).collect();
    assert!(!codes.contains(&"no_evidence"), "{codes:?}");
    let mut other = world.sandbox("other", &["--advisor"]);
    let answer = other.post(PROPOSALS, &denied.body["proposal"].to_string());
    assert!(shown(&world, &id_of(&answer)).evidence.is_empty(), "another sandbox's denials are not its own");
    for file in ["inbox.db", "inbox.db-wal"] {
        let bytes = std::fs::read(world.path(file)).unwrap_or_default();
        assert!(!bytes.windows(7).any(|part| part == b"hunter2"), "no query is ever stored: {file}");
    }
}

#[test]
fn a_credential_that_is_none_is_usage_with_how_to_write_it() {
    let world = World::start();
    for wrong in ["T=https://docs.invalid", "T=docs.invalid, x.invalid", "T", "T=a.invalid,*"] {
        let output = world.run("demo", common::POLICY, &["--credential", wrong], &["true"]);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{wrong}: {stderr}");
        assert!(stderr.contains("write NAME=HOST[,HOST...]"), "{wrong}: {stderr}");
    }
}

/// Kills: keeping the place of an agent that has hung up until its time is over.
#[test]
fn w11_an_agent_that_hangs_up_while_it_waits_is_seen_to_leave() {
    let world = World::start();
    let mut sandbox = world.sandbox("demo", &["--advisor"]);
    let id = sandbox.submit("/a", "to write it");
    let waiting = sandbox.wait(&id, 300);
    let waiters = |number: u64| {
        let told = || world.inbox_json(&["sandboxes"]);
        until("that many to wait", || (told()[0]["agents_waiting"] == number).then_some(()));
    };
    waiters(1);
    sandbox.hang_up(waiting);
    waiters(0);
    assert!(!sandbox.has_answer(waiting), "it has left, nothing was answered");
}

/// Kills: waits without an end to their number.
#[test]
fn w11_a_limit_of_waits_holds_at_once_for_those_that_come_after_it() {
    let world = World::start();
    let mut sandbox = world.sandbox("demo", &["--advisor"]);
    let id = sandbox.submit("/a", "to write it");
    let set = |value| {
        assert!(world.inbox(&["settings", "limit_waits", value, "--sandbox", "demo"]).status.success());
    };
    let first = sandbox.wait(&id, 60);
    until("the first to wait", || {
        let told = world.inbox_json(&["sandboxes"]);
        (told[0]["agents_waiting"] == 1).then_some(())
    });
    set("1");
    let refused = until("the second wait to be one too many", || {
        let second = sandbox.wait(&id, 1);
        Some(sandbox.answer(second)).filter(|answer| answer.status == 429)
    });
    assert_eq!(refused.body["error"], "too_many_waits");
    assert!(refused.head.to_ascii_lowercase().contains("retry-after:"), "{}", refused.head);
    set("2");
    until("room for another one", || {
        let second = sandbox.wait(&id, 1);
        Some(()).filter(|()| sandbox.answer(second).body["timed_out"] == true)
    });
    assert!(!sandbox.has_answer(first), "the one that waits goes on");
}
