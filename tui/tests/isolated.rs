//! Isolation in the loop: what a run is without being asked, and how its decisions are marked as what they are.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

mod common;

use std::process::Output;

use common::{NONE, World};
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The stored events of this kind: who did each, and its payload.
fn events(world: &World, kind: &str) -> Vec<(Value, Value)> {
    let log = Connection::open_with_flags(world.path("inbox.db"), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let mut query = log.prepare("SELECT actor, payload FROM events WHERE kind = ?1 ORDER BY seq").unwrap();
    let read = |text: String| serde_json::from_str::<Value>(&text).unwrap();
    let rows = query.query_map([kind], |row| Ok((read(row.get(0)?), read(row.get(1)?)))).unwrap();
    rows.map(Result::unwrap).collect()
}

/// Plays the loop once for each verb; gives both proposals as `show` and as `list` have them, and as tables.
fn decided(world: &World, options: &[&str]) -> (Vec<Value>, String) {
    let mut sandbox = world.sandbox("demo", &[&["--advisor"], options].concat());
    let (granted, refused) = (sandbox.submit("/a.md", "write"), sandbox.submit("/b.md", "write"));
    let waiting = sandbox.wait(&granted, 60);
    assert!(world.inbox(&["approve", &granted]).status.success());
    assert!(world.inbox(&["reject", &refused, "--reason", "no"]).status.success());
    let answer = sandbox.answer(waiting).body;
    assert_eq!((&answer["status"], &answer["policy_reloaded"]), (&json!("approved"), &json!(true)));
    let mut records: Vec<Value> = world.inbox_json(&["list"]).as_array().unwrap().clone();
    records.extend([&granted, &refused].map(|id| world.inbox_json(&["show", id])));
    assert_eq!(records.len(), 4);
    (records, text(&world.inbox(&["list"])) + &text(&world.inbox(&["show", &granted])))
}

#[test]
fn a_run_is_isolated_by_default_and_its_decisions_are_not_marked_unisolated() {
    if !common::is_able() {
        return;
    }
    let world = World::start();
    let (records, tables) = decided(&world, &[]);
    for record in records {
        assert_eq!((&record["isolation"], &record["host_root"]), (&json!("netns"), &json!(false)));
        assert_eq!(
            (&record["unisolated"], &record["decision"]["unisolated"]),
            (&json!(false), &json!(false))
        );
    }
    assert!(tables.contains("demo, netns, supervisor connected") && !tables.contains('!'), "{tables}");
    assert_eq!(events(&world, "RunStarted")[0].1["isolation"], "netns");
    for kind in ["ProposalSubmitted", "ProposalApproved", "ProposalRejected"] {
        let events = events(&world, kind);
        assert!(!events.is_empty() && events.iter().all(|(actor, _)| actor["unisolated"].is_null()));
    }
}

#[test]
fn without_isolation_every_decision_is_marked_unisolated_everywhere() {
    let world = World::start();
    let (records, tables) = decided(&world, &NONE);
    for record in records {
        assert_eq!((&record["isolation"], &record["host_root"]), (&json!("none"), &json!(false)));
        assert_eq!((&record["unisolated"], &record["decision"]["unisolated"]), (&json!(true), &json!(true)));
    }
    assert_eq!(tables.matches("demo ! unisolated").count(), 2, "each row of the list: {tables}");
    assert!(tables.contains("demo, ! unisolated: it can bypass the proxy"), "{tables}");
    assert!(tables.contains("(unisolated)"), "{tables}");
    assert_eq!(events(&world, "RunStarted")[0].1["isolation"], "none");
    for kind in ["ProposalSubmitted", "ProposalApproved", "ProposalRejected"] {
        let events = events(&world, kind);
        assert!(!events.is_empty() && events.iter().all(|(actor, _)| actor["unisolated"] == true), "{kind}");
    }
}

#[test]
fn a_command_that_is_root_of_the_host_is_shown_as_such() {
    if !common::is_able() || !rustix::process::geteuid().is_root() {
        return;
    }
    let world = World::start();
    let (records, tables) = decided(&world, &["--allow-root-uid"]);
    for record in records {
        assert_eq!((&record["isolation"], &record["host_root"]), (&json!("netns"), &json!(true)));
        assert_eq!(record["unisolated"], false, "it is kept in all the same");
    }
    assert_eq!(tables.matches("demo ! host root").count(), 2, "each row of the list: {tables}");
    assert!(tables.contains("demo, ! host root: isolated, but as uid 0, supervisor connected"), "{tables}");
    assert_eq!(events(&world, "RunStarted")[0].1["host_root"], true);
}
