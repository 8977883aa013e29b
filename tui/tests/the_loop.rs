//! The loop without a model, over the real binaries: submit, wait, decide, wake.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

mod common;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use common::{NONE, Sandbox, World, proposal};
use serde_json::{Value, json};

fn advised(world: &World, name: &str) -> Sandbox {
    world.sandbox(name, &["--advisor"])
}

/// Beside the supervisor, so that the test is on the same network and sees the same files.
fn beside(world: &World) -> Sandbox {
    world.sandbox("demo", &[&["--advisor"], &NONE[..]].concat())
}

#[test]
fn submit_wait_approve() {
    let world = World::start();
    let mut sandbox = advised(&world, "demo");
    let id = sandbox.submit("/a.md", "write one file");
    let waiting = sandbox.wait(&id, 60);
    let listed = world.inbox_json(&["list"]);
    assert_eq!(listed[0]["id"], json!(id));
    assert_eq!(listed[0]["sandbox"], "demo");
    assert_eq!(listed[0]["status"], "pending");
    assert_eq!(listed[0]["rule_name"], "put_docs");
    assert_eq!(listed[0]["origin"], "agent_authored");
    assert_eq!(listed[0]["rationale"], "write one file");
    assert_eq!(listed[0]["endpoints"], json!(["docs.invalid:80 [L7 rest, allow PUT /a.md]"]));
    assert!(!sandbox.has_answer(waiting), "nobody has decided");
    let approved = world.inbox(&["approve", &id]);
    let text = String::from_utf8(approved.stdout).unwrap();
    assert!(approved.status.success() && text.contains("revision 2") && text.contains("loaded"), "{text}");
    let answer = sandbox.answer(waiting);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body["status"], "approved", "{answer:?}");
    assert_eq!(answer.body["policy_reloaded"], true);
    assert_eq!(answer.body["decided_by"], "human");
    assert!(answer.body.get("timed_out").is_none() && answer.body.get("review_token").is_none());
    let status = sandbox.get(&format!("http://policy.local/v1/proposals/{id}"));
    assert_eq!(status.body, answer.body, "status computes policy_reloaded too");
    let policy = sandbox.get("http://policy.local/v1/policy/current");
    assert_eq!(policy.body["revision"], 2);
    assert!(policy.body["policy_yaml"].as_str().unwrap().contains("/a.md"), "{policy:?}");
}

#[test]
fn submit_wait_reject_and_the_reason_comes_back_byte_for_byte() {
    let world = World::start();
    let mut sandbox = advised(&world, "demo");
    let id = sandbox.submit("/a.md", "write");
    let waiting = sandbox.wait(&id, 60);
    let reason = "too \"broad\" — nur 'eine' Datei\nzweite Zeile\\n\t漢字 🦀 \u{202e}";
    assert!(world.inbox(&["reject", &id, "--reason", reason]).status.success());
    let answer = sandbox.answer(waiting);
    assert_eq!(answer.body["status"], "rejected");
    assert_eq!(answer.body["rejection_reason"], reason);
    assert!(answer.body.get("policy_reloaded").is_none());
}

#[test]
fn a_wait_that_times_out_says_so_and_is_still_pending() {
    let world = World::start();
    let mut sandbox = advised(&world, "demo");
    let id = sandbox.submit("/a.md", "write");
    let waiting = sandbox.wait(&id, 1);
    let answer = sandbox.answer(waiting);
    assert_eq!(
        (answer.status, &answer.body["status"], &answer.body["timed_out"]),
        (200, &json!("pending"), &json!(true))
    );
}

/// Kills: `policy_reloaded` that is told by `/wait` alone, or made up of the decision instead of what is in force.
#[test]
fn w23_a_plain_get_tells_policy_reloaded() {
    let world = World::start();
    let mut sandbox = advised(&world, "demo");
    let id = sandbox.submit("/a.md", "write");
    let url = format!("http://policy.local/v1/proposals/{id}");
    assert!(sandbox.get(&url).body.get("policy_reloaded").is_none(), "nothing is approved");
    assert!(world.inbox(&["approve", &id]).status.success());
    // Nobody waits: the plain GET is all that the agent asks.
    let told = common::until("the approval to be told", || {
        let body = sandbox.get(&url).body;
        (body["status"] == "approved").then_some(body)
    });
    assert_eq!(told["policy_reloaded"], true, "it was loaded before the approval was told: {told}");
    assert!(world.inbox(&["revoke", &id]).status.success());
    let told = common::until("the revocation to be told", || {
        let body = sandbox.get(&url).body;
        (body["status"] == "rejected").then_some(body)
    });
    assert!(told.get("policy_reloaded").is_none(), "{told}");
}

/// Kills: no thread that reads them; a line for each connection; the hash of another file.
#[test]
fn a_program_that_calls_is_logged_once_with_the_hash_of_its_file() {
    let world = World::start();
    let mut sandbox = advised(&world, "demo");
    let mut lines = || sandbox.get("http://policy.local/v1/logs?last=100").body["lines"].clone();
    let told = common::until("the line", || {
        let lines = lines();
        let line = lines.as_array()?.iter().find(|line| line.to_string().contains("CONFIG:PROGRAM"))?;
        Some(line.as_str()?.to_owned())
    });
    let path = told.split("First use of ").nth(1).unwrap().split(' ').next().unwrap().to_owned();
    let sum = std::process::Command::new("sha256sum").arg(&path).output().unwrap().stdout;
    let sum = String::from_utf8(sum).unwrap();
    assert!(told.contains(&format!("[sha256:{} size:", sum.split(' ').next().unwrap())), "{told} {sum}");
    let first_use = format!("First use of {path} ");
    assert_eq!(lines().to_string().matches(&first_use).count(), 1);
}

/// Kills: a hash that stays in the log, and never comes to the reviewer with what the program was denied.
#[test]
fn what_a_program_was_denied_names_the_hash_of_its_file() {
    let world = World::start();
    let mut sandbox = advised(&world, "demo");
    let denied = sandbox.get("http://elsewhere.invalid/x");
    let path = denied.body["binary"].as_str().unwrap().to_owned();
    let first_use = format!("First use of {path} ");
    common::until("the file to be read", || {
        let lines = sandbox.get("http://policy.local/v1/logs?last=100").body["lines"].to_string();
        lines.contains(&first_use).then_some(())
    });
    let posted = sandbox.post("http://policy.local/v1/proposals", &denied.body["proposal"].to_string());
    let id = posted.body["accepted_chunk_ids"][0].as_str().unwrap().to_owned();
    let sum = std::process::Command::new("sha256sum").arg(&path).output().unwrap().stdout;
    let sum = String::from_utf8(sum).unwrap().split(' ').next().unwrap().to_owned();
    let shown = world.inbox(&["show", &id, "--output", "json"]).stdout;
    let shown: Value = serde_json::from_slice(&shown).unwrap();
    assert_eq!(
        (&shown["evidence"][0]["binary"], &shown["evidence"][0]["sha256"]),
        (&json!(path), &json!(sum))
    );
    let shown = String::from_utf8(world.inbox(&["show", &id]).stdout).unwrap();
    let short: String = sum.chars().take(12).collect();
    assert!(shown.contains(&format!("{path} (sha256 {short})")), "{shown}");
}

/// Kills: anything that puts the policy of the start in force again once another one was.
#[test]
fn w14_nothing_reverts_to_the_policy_of_the_start() {
    let mut world = World::start();
    let mut sandbox = advised(&world, "demo");
    let id = sandbox.submit("/a.md", "write");
    assert!(world.inbox(&["approve", &id]).status.success());
    world.kill_gateway();
    let url = format!("http://policy.local/v1/proposals/{id}");
    common::until("the supervisor to notice", || (sandbox.get(&url).status == 503).then_some(()));
    world.restart_gateway();
    common::until("the supervisor to come back", || (sandbox.get(&url).status == 200).then_some(()));
    assert_eq!(sandbox.get(&url).body["policy_reloaded"], true);
    let current = sandbox.get("http://policy.local/v1/policy/current").body;
    assert_eq!(
        (&current["revision"], current["policy_yaml"].as_str().unwrap().contains("/a.md")),
        (&json!(2), true)
    );
    let lines = sandbox.get("http://policy.local/v1/logs?last=100").body["lines"].to_string();
    assert_eq!(
        (lines.matches("version:v1").count(), lines.matches("CONFIG:LOADED").count()),
        (1, 2),
        "{lines}"
    );
}

#[test]
fn two_waiters_on_one_id_both_wake_and_a_wrong_id_is_404() {
    let world = World::start();
    let mut sandbox = advised(&world, "demo");
    let id = sandbox.submit("/a.md", "write");
    let waiting = [sandbox.wait(&id, 60), sandbox.wait(&id, 60)];
    assert!(world.inbox(&["approve", &id]).status.success());
    for asked in waiting {
        assert_eq!(sandbox.answer(asked).body["policy_reloaded"], true);
    }
    for wrong in ["3f0c5c1e-6f0b-4a52-9c33-1f5b2d4c7e10", "nonsense"] {
        for route in ["", "/wait?timeout=1"] {
            let answer = sandbox.get(&format!("http://policy.local/v1/proposals/{wrong}{route}"));
            assert_eq!(
                (answer.status, &answer.body["error"]),
                (404, &json!("chunk_not_found")),
                "{wrong}{route}"
            );
        }
    }
}

#[test]
fn a_rejected_proposal_and_its_redraft_are_two_and_both_are_found() {
    let world = World::start();
    let mut sandbox = advised(&world, "demo");
    let first = sandbox.submit("/docs/**", "everything");
    assert!(world.inbox(&["reject", &first, "--reason", "narrower"]).status.success());
    let second = sandbox.submit("/docs/a.md", "one file");
    assert_ne!(first, second);
    let status = |sandbox: &mut Sandbox, id: &str| {
        sandbox.get(&format!("http://policy.local/v1/proposals/{id}")).body["status"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(status(&mut sandbox, &first), "rejected");
    assert_eq!(status(&mut sandbox, &second), "pending");
    assert_eq!(world.inbox_json(&["show", &first])["status"], "rejected");
    assert_eq!(world.inbox_json(&["show", &second])["status"], "pending");
}

/// Kills: ending a wait with the first error of the gateway's.
#[test]
fn w10_a_killed_gateway_loses_nothing_and_the_waiting_agent_is_still_woken() {
    let mut world = World::start();
    let mut sandbox = advised(&world, "demo");
    let id = sandbox.submit("/a.md", "write");
    let waiting = sandbox.wait(&id, 120);
    world.kill_gateway();
    common::until("the supervisor to notice", || {
        let answer = sandbox.get(&format!("http://policy.local/v1/proposals/{id}"));
        (answer.status == 503).then(|| {
            assert_eq!(answer.body["error"], "gateway_unavailable");
            assert!(answer.head.to_ascii_lowercase().contains("retry-after:"), "{}", answer.head);
        })
    });
    assert_eq!(world.inbox(&["list"]).status.code(), Some(3), "nobody answers");
    world.restart_gateway();
    assert_eq!(world.inbox_json(&["show", &id])["status"], "pending");
    assert!(world.inbox(&["approve", &id]).status.success());
    let answer = sandbox.answer(waiting);
    assert_eq!((&answer.body["status"], &answer.body["policy_reloaded"]), (&json!("approved"), &json!(true)));
}

/// Kills: reasons and ids that cannot be paired with the operation that they are about.
#[test]
fn w22_one_bad_operation_does_not_sink_the_others_and_each_is_answered() {
    let world = World::start();
    let mut sandbox = advised(&world, "demo");
    let mut body = proposal("/a.md", "write");
    let mut bad = body["operations"][0].clone();
    bad["addRule"]["rule"]["endpoints"][0]["quary"] = json!({"a": "b"});
    body["operations"].as_array_mut().unwrap().insert(0, bad);
    let answer = sandbox.post("http://policy.local/v1/proposals", &body.to_string());
    assert_eq!(answer.status, 202, "{answer:?}");
    assert_eq!((&answer.body["accepted_chunks"], &answer.body["rejected_chunks"]), (&json!(1), &json!(1)));
    assert!(
        answer.body["rejection_reasons"][0].as_str().unwrap().contains("quary: unknown key"),
        "{answer:?}"
    );
    assert_eq!(answer.body["results"][0]["status"], "rejected");
    assert_eq!(answer.body["results"][1]["chunk_id"], answer.body["accepted_chunk_ids"][0]);
    for (body, wanted) in [("{", "EOF"), ("{\"operations\":[]}", "at least one operation")] {
        let answer = sandbox.post("http://policy.local/v1/proposals", body);
        assert_eq!((answer.status, &answer.body["error"]), (400, &json!("invalid_proposal")));
        assert!(answer.body["detail"].as_str().unwrap().contains(wanted), "{answer:?}");
    }
    let long = sandbox.post("http://policy.local/v1/proposals", &"x".repeat(70_000));
    assert_eq!(long.status, 413);
    let wrong = sandbox.ask("DELETE", "http://policy.local/v1/denials", "");
    let wrong = sandbox.answer(wrong);
    assert_eq!(wrong.status, 405);
    assert!(wrong.head.to_ascii_lowercase().contains("allow: get"), "{}", wrong.head);
}

#[test]
fn the_switch_is_off_by_default_on_every_route() {
    let world = World::start();
    let mut sandbox = world.sandbox("quiet", &[]);
    for (method, path) in [
        ("GET", "/v1/policy/current"),
        ("GET", "/v1/denials"),
        ("POST", "/v1/proposals"),
        ("GET", "/v1/proposals/x"),
        ("GET", "/v1/proposals/x/wait"),
        ("GET", "/nowhere"),
    ] {
        let asked = sandbox.ask(method, &format!("http://policy.local{path}"), "");
        let answer = sandbox.answer(asked);
        assert_eq!(
            (answer.status, &answer.body["error"]),
            (404, &json!("feature_disabled")),
            "{method} {path}"
        );
    }
    let denied = sandbox.get("http://elsewhere.invalid/x");
    assert_eq!(denied.status, 403);
    assert_eq!(denied.body["next_steps"], json!([]));
    assert!(denied.body.get("agent_guidance").is_none());
}

#[test]
fn forward_denials_of_both_layers_have_one_shape_and_become_evidence() {
    let world = World::start();
    let mut sandbox = beside(&world);
    let l7 = sandbox.ask("PUT", "http://docs.invalid/v1/../a.md?secret=1", "hello");
    let l7 = sandbox.answer(l7);
    assert_eq!(l7.status, 403);
    assert!(l7.head.to_ascii_lowercase().contains("x-openshell-policy: docs"), "{}", l7.head);
    assert_eq!(
        (&l7.body["layer"], &l7.body["path"], &l7.body["policy"]),
        (&json!("l7"), &json!("/a.md"), &json!("docs"))
    );
    let skill = l7.body["next_steps"][0]["path"].as_str().unwrap();
    assert!(
        std::fs::read_to_string(skill).unwrap().contains("policy.local"),
        "read_skill names a file that exists"
    );
    let l4 = sandbox.get("http://elsewhere.invalid/x");
    assert_eq!(
        (l4.status, &l4.body["layer"], &l4.body["rule_missing"]["type"]),
        (403, &json!("l4"), &json!("rest_allow"))
    );
    let keys = |body: &Value| body.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&l7.body), keys(&l4.body));
    let posted = sandbox.post("http://policy.local/v1/proposals", &l7.body["proposal"].to_string());
    assert_eq!(posted.status, 202, "the ready-made proposal can be sent as it is: {posted:?}");
    let denials = sandbox.get("http://policy.local/v1/denials?last=5");
    let lines: Vec<&str> =
        denials.body["denials"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(
        lines[0].contains(" OCSF HTTP:GET [MED] DENIED ") && lines[0].contains("elsewhere.invalid/x"),
        "{lines:?}"
    );
    assert!(lines[1].contains(" OCSF HTTP:PUT [MED] DENIED ") && !lines[1].contains("secret"), "{lines:?}");
}

/// Kills: answering `policy.local` to whoever reaches the port, without asking who it is.
#[test]
fn w20_a_process_that_the_command_did_not_start_is_refused_on_every_route() {
    let world = World::start();
    let sandbox = beside(&world);
    for request in [
        "GET http://policy.local/v1/policy/current HTTP/1.1\r\nHost: policy.local\r\n",
        "GET http://docs.invalid/x HTTP/1.1\r\nHost: docs.invalid\r\n",
        "CONNECT docs.invalid:443 HTTP/1.1\r\nHost: docs.invalid:443\r\n",
    ] {
        let mut stream = TcpStream::connect(sandbox.proxy()).unwrap();
        stream.write_all(format!("{request}Connection: close\r\n\r\n").as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        assert!(text.starts_with("HTTP/1.1 403") && text.contains("peer_refused"), "{request} {text}");
    }
}

#[test]
fn two_sandboxes_do_not_see_each_other() {
    let world = World::start();
    let (mut one, mut two) = (advised(&world, "one"), advised(&world, "two"));
    let id = one.submit("/a.md", "mine");
    assert_eq!(two.get(&format!("http://policy.local/v1/proposals/{id}")).status, 404);
    assert_eq!(world.inbox_json(&["list"]).as_array().unwrap().len(), 1);
}

#[test]
fn a_decision_is_bound_to_the_digest_and_made_once() {
    let world = World::start();
    let mut sandbox = advised(&world, "demo");
    let id = sandbox.submit("/a.md", "write");
    let stale = world.inbox(&["approve", &format!("{id}@000000")]);
    assert_eq!(stale.status.code(), Some(4), "{}", String::from_utf8_lossy(&stale.stderr));
    assert!(world.inbox(&["approve", &id]).status.success());
    let again = world.inbox(&["reject", &id, "--reason", "no"]);
    assert!(!again.status.success());
    assert!(
        String::from_utf8_lossy(&again.stderr).contains("approved"),
        "the loser learns how it was decided"
    );
    assert_eq!(world.inbox(&["show", "3f0c5c1e-6f0b-4a52-9c33-1f5b2d4c7e10"]).status.code(), Some(1));
    assert_eq!(world.inbox(&["approve"]).status.code(), Some(2));
}
