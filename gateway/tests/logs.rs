//! `openshell-gateway log` and `backup`, the real program, beside a running gateway and without one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use common::*;
use openshell_domain::event::HashedColumns;
use openshell_domain::id::Digest;
use openshell_wire::pb::inbox::Verb;
use serde_json::Value;

fn program(arguments: &[&str], db: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_openshell-gateway"));
    command.args(arguments).arg("--db").arg(db);
    command
}

async fn output(mut command: Command) -> Output {
    within(tokio::task::spawn_blocking(move || command.output().unwrap())).await.unwrap()
}

/// Exit code, standard output and standard error.
async fn told(arguments: &[&str], db: &Path) -> (i32, String, String) {
    let output = output(program(arguments, db)).await;
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// A log with some history, made by a gateway that is still running.
async fn history(place: &Place) -> (Running, Attached) {
    let running = place.start().await;
    let mut agent = place.run("demo", 1).await;
    agent.complete().await;
    let proposal = agent.submit("/a").await;
    let mut client = place.inbox().await;
    within(client.decide(decision(&proposal, Verb::Approve, "fine"))).await.unwrap();
    agent.until(&proposal.id, "approved").await;
    (running, agent)
}

fn count(db: &Path) -> u64 {
    let connection = rusqlite::Connection::open(db).unwrap();
    let count: i64 = connection.query_row("SELECT count(*) FROM events", [], |row| row.get(0)).unwrap();
    count.unsigned_abs()
}

/// The hash of an exported line, computed from what is in the line alone.
fn hash(line: &str) -> Digest {
    let value: Value = serde_json::from_str(line).unwrap();
    let raw = |key: &str, next: &str| {
        let (_, rest) = line.split_once(&format!("\"{key}\":")).unwrap();
        rest.split_once(&format!(",\"{next}\":")).unwrap().0.to_owned()
    };
    let (actor, payload) = (raw("actor", "kind"), raw("payload", "prev_hash"));
    let at: chrono::DateTime<chrono::Utc> = value["at"].as_str().unwrap().parse().unwrap();
    let id: uuid::Uuid = value["id"].as_str().unwrap().parse().unwrap();
    let columns = HashedColumns {
        seq: value["seq"].as_u64().unwrap(),
        id: id.as_bytes(),
        sandbox: value["stream"].as_str().unwrap(),
        stream_seq: value["stream_seq"].as_u64().unwrap(),
        kind: value["kind"].as_str().unwrap(),
        schema_version: value["schema_version"].as_u64().unwrap().try_into().unwrap(),
        actor: &actor,
        at: at.timestamp_micros(),
        payload: &payload,
    };
    columns.hash(&value["prev_hash"].as_str().unwrap().parse().unwrap())
}

#[tokio::test]
async fn a_log_is_verified_beside_its_gateway_and_says_what_a_chain_cannot_prove() {
    let place = Place::new();
    let (running, _agent) = history(&place).await;
    let events = count(&place.db());
    for _ in 0..2 {
        let (code, out, err) = told(&["log", "verify"], &place.db()).await;
        assert_eq!((code, err.as_str()), (0, ""), "{out}");
        for wanted in
            ["the log is whole", &format!("{events}, in"), "none yet", "kept elsewhere", "--checkpoint FILE"]
        {
            assert!(out.contains(wanted), "{wanted}: {out}");
        }
    }
    running.stop().await;
    assert_eq!(told(&["log", "verify"], &place.db()).await.0, 0, "and without one");
}

#[tokio::test]
async fn what_is_broken_what_is_unreadable_and_wrong_usage_have_their_exit_codes() {
    let place = Place::new();
    let (running, _agent) = history(&place).await;
    running.stop().await;
    let missing = place.directory.path().join("none.db");
    for arguments in [&["log", "verify"][..], &["log", "export"], &["log", "checkpoint"], &["backup", "x"]] {
        let (code, _, err) = told(arguments, &missing).await;
        assert_eq!(code, 3, "{arguments:?}: {err}");
        assert!(err.contains("none.db") && err.contains("No such file"), "{err}");
        assert!(!missing.exists());
    }
    std::fs::write(&missing, "x".repeat(5000)).unwrap();
    let (code, _, err) = told(&["log", "verify"], &missing).await;
    assert_eq!(code, 3);
    assert!(err.contains("is not an openshell-inbox event log"), "{err}");
    let (code, _, err) = told(&["log", "checkpoint"], &place.db()).await;
    assert_eq!(code, 3, "{err}");
    assert!(err.contains("no checkpoint yet"), "{err}");
    assert_eq!(told(&["log", "export", "--from", "0"], &place.db()).await.0, 2);
    let (code, _, err) = told(&["log", "export", "--from", "1000"], &place.db()).await;
    assert_eq!(code, 3);
    assert!(err.contains("has no event 999 yet"), "{err}");
    let tamper = rusqlite::Connection::open(place.db()).unwrap();
    tamper
        .execute_batch("DROP TRIGGER events_no_update; UPDATE events SET payload = '{}' WHERE seq = 3")
        .unwrap();
    drop(tamper);
    let (code, out, err) = told(&["log", "verify"], &place.db()).await;
    assert_eq!((code, out.as_str()), (1, ""));
    for wanted in ["events_no_update has been altered", "breaks at event 3", "the chain holds up to event 2"]
    {
        assert!(err.contains(wanted), "{wanted}: {err}");
    }
    let copy = place.directory.path().join("copy.db");
    let (code, out, _) = told(&["backup", copy.to_str().unwrap()], &place.db()).await;
    assert_eq!((code, out.as_str(), copy.exists()), (1, "", false), "what is broken is no backup");
}

#[tokio::test]
async fn an_export_holds_all_that_is_needed_to_prove_it_again() {
    let place = Place::new();
    let (running, _agent) = history(&place).await;
    let (code, out, err) = told(&["log", "export"], &place.db()).await;
    assert_eq!((code, err.as_str()), (0, ""));
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines.len() as u64, count(&place.db()));
    let mut previous = "0".repeat(64);
    for (index, line) in lines.iter().enumerate() {
        let value: Value = serde_json::from_str(line).unwrap();
        assert_eq!(
            (value["seq"].as_u64(), &value["prev_hash"]),
            (Some(index as u64 + 1), &previous.clone().into())
        );
        previous = value["hash"].as_str().unwrap().to_owned();
        assert_eq!(hash(line).to_string(), previous, "{line}");
    }
    let (_, from, _) = told(&["log", "export", "--from", "4", "--format", "jsonl"], &place.db()).await;
    assert_eq!(from.lines().collect::<Vec<_>>(), lines[3..]);
    let after = format!("{}", lines.len() + 1);
    assert_eq!(told(&["log", "export", "--from", &after], &place.db()).await.1, "", "the end is no error");
    running.stop().await;
}

#[tokio::test]
async fn a_follower_is_handed_each_event_while_the_gateway_writes() {
    let place = Place::new();
    let (running, mut agent) = history(&place).await;
    let from = (count(&place.db()) + 1).to_string();
    let mut follower = program(&["log", "export", "--follow", "--from", &from], &place.db())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    let mut seen = Vec::new();
    for path in ["/b", "/c"] {
        let proposal = agent.submit(path).await;
        let (line, rest) = within(tokio::task::spawn_blocking(move || (lines.next(), lines))).await.unwrap();
        lines = rest;
        let value: Value = serde_json::from_str(&line.unwrap().unwrap()).unwrap();
        assert_eq!(value["payload"]["proposal"], proposal.id);
        seen.push(value["seq"].as_u64().unwrap());
    }
    assert_eq!(seen[1], seen[0] + 1);
    follower.kill().unwrap();
    follower.wait().unwrap();
    running.stop().await;
}

#[tokio::test]
async fn a_backup_is_made_beside_the_gateway_is_whole_and_can_be_served() {
    let place = Place::new();
    let (running, mut agent) = history(&place).await;
    let copy = place.directory.path().join("copy.db");
    let events = count(&place.db());
    let (code, out, err) = told(&["backup", copy.to_str().unwrap()], &place.db()).await;
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.contains(&format!("{events} events")) && out.contains("not part of a copy"), "{out}");
    agent.submit("/later").await;
    let (code, _, err) = told(&["backup", copy.to_str().unwrap()], &place.db()).await;
    assert_eq!(code, 3);
    assert!(err.contains("copy.db is there already"), "{err}");
    running.stop().await;
    let (code, out, _) = told(&["log", "verify"], &copy).await;
    assert_eq!(code, 0);
    assert!(out.contains(&format!("{events}, in")), "{out}");
    let names = |path: &Path| -> Vec<PathBuf> {
        let is_ours = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with("copy.db");
        std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).filter(is_ours).collect()
    };
    assert_eq!(names(place.directory.path()), std::slice::from_ref(&copy), "one file, and nothing beside it");
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(copy.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let mut restored = Place::new();
    std::fs::rename(&copy, restored.db()).unwrap();
    restored.limits = OPEN;
    restored.start().await.stop().await;
}

#[tokio::test]
async fn a_log_on_a_disk_that_cannot_be_written_is_read_all_the_same() {
    // Who may write everywhere does so, and finds out nothing.
    if !read_only_is_possible() {
        eprintln!("skipped: this machine forbids mount namespaces");
        return;
    }
    let place = Place::new();
    let (running, _agent) = history(&place).await;
    running.stop().await;
    let script = r#"mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$1" log verify --db "$0/inbox.db""#;
    let mut command = Command::new("unshare");
    command.args(["-Urm", "sh", "-c", script]).arg(place.directory.path());
    command.arg(env!("CARGO_BIN_EXE_openshell-gateway"));
    let output = output(command).await;
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("the log is whole"), "{text}");
}

fn read_only_is_possible() -> bool {
    let made = Command::new("unshare").args(["-Urm", "true"]).output();
    made.is_ok_and(|output| output.status.success())
}

/// `fixtures/logs/v1.sql` as the file that the first gateways left.
fn first_log(place: &Place) {
    let sql =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/logs/v1.sql")).unwrap();
    rusqlite::Connection::open(place.db()).unwrap().execute_batch(&sql).unwrap();
}

#[tokio::test]
async fn a_log_of_the_first_gateways_is_proven_served_and_written_on() {
    let place = Place::new();
    first_log(&place);
    assert_eq!(told(&["log", "verify"], &place.db()).await.0, 0);
    let running = place.start().await;
    let mut client = place.inbox().await;
    let request = openshell_wire::pb::inbox::ListProposalsRequest::default();
    let answer = within(client.list_proposals(request)).await.unwrap().into_inner();
    let mut found: Vec<(&str, &str)> =
        answer.proposals.iter().map(|p| (p.sandbox.as_str(), p.status.as_str())).collect();
    found.sort_unstable();
    let demo = ["closed", "expired", "expired", "rejected"].map(|status| ("demo", status));
    assert_eq!(found, [&demo[..], &[("other", "pending")]].concat());
    let pending = answer.proposals.iter().find(|p| p.status == "pending").unwrap();
    within(client.decide(decision(pending, Verb::Reject, "late"))).await.unwrap();
    running.stop().await;
    assert_eq!(told(&["log", "verify"], &place.db()).await.0, 0);
    assert!(count(&place.db()) >= 31 + 2, "the rejection, and a checkpoint because it was high time");
}

#[tokio::test]
async fn a_checkpoint_kept_elsewhere_shows_that_a_log_was_cut_off() {
    let place = Place::new();
    first_log(&place);
    // Its events are old, so the gateway signs them at once.
    place.start().await.stop().await;
    let (code, checkpoint, err) = told(&["log", "checkpoint"], &place.db()).await;
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(checkpoint.starts_with(r#"{"seq":31,"head":"419cde48"#), "{checkpoint}");
    let kept = place.directory.path().join("kept.json");
    std::fs::write(&kept, &checkpoint).unwrap();
    let against = ["log", "verify", "--checkpoint", kept.to_str().unwrap()];
    let (code, out, _) = told(&against, &place.db()).await;
    assert_eq!(code, 0);
    assert!(
        out.contains("the checkpoint after event 31 is in the log") && !out.contains("cut events off"),
        "{out}"
    );
    std::fs::write(&kept, checkpoint.replace("\"seq\":31", "\"seq\":30")).unwrap();
    let (code, _, err) = told(&against, &place.db()).await;
    assert_eq!(code, 3);
    assert!(err.contains("kept.json") && err.contains("signature"), "{err}");
    std::fs::write(&kept, &checkpoint).unwrap();
    // The same log, before it was signed.
    let cut = Place::new();
    first_log(&cut);
    let (code, out, err) = told(&against, &cut.db()).await;
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.contains("ends with event 31 and does not hold the checkpoint"), "{err}");
    assert_eq!(told(&["log", "verify"], &cut.db()).await.0, 0, "alone it looks whole");
}

#[tokio::test]
async fn a_gateway_that_cannot_keep_its_key_to_itself_does_not_start() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    place.start().await.stop().await;
    let key = place.directory.path().join("inbox.db.key");
    assert_eq!(key.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let error = openshell_gateway::Gateway::start(place.args()).await.unwrap_err().to_string();
    assert!(
        error.contains("inbox.db.key") && error.contains("0644") && error.contains("chmod 600"),
        "{error}"
    );
}
