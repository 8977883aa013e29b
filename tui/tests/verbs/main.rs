//! The inbox without a screen: the program itself against a real gateway.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test that cannot go on has failed"
)]

mod asks;
mod codes;
mod edit;
mod golden;
mod manual;
mod plain;
#[path = "../stage/mod.rs"]
mod stage;
mod tables;
mod watch;

use std::path::Path;

use serde_json::Value;
use stage::Stage;

struct Answer {
    code: i32,
    out: String,
    err: String,
}

/// The program, told where the gateway is.
fn program(door: &Path, args: &[&str]) -> tokio::process::Command {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_openshell-inbox"));
    command.arg("--gateway").arg(door).args(args).stdin(std::process::Stdio::null()).kill_on_drop(true);
    command
}

async fn inbox(door: &Path, args: &[&str]) -> Answer {
    answer(program(door, args)).await
}

async fn answer(mut command: tokio::process::Command) -> Answer {
    let output = command.output().await.unwrap();
    Answer {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

async fn json(door: &Path, args: &[&str]) -> Value {
    let answer = inbox(door, args).await;
    assert_eq!(answer.code, 0, "{}", answer.err);
    serde_json::from_str(&answer.out).unwrap()
}

/// `ID@digest6` of a proposal as it is now.
async fn quoted(door: &Path, id: &str) -> String {
    let shown = json(door, &["show", id, "--output", "json"]).await;
    format!("{id}@{}", &shown["digest"].as_str().unwrap()[..6])
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_says_seq_revision_and_that_it_is_loaded() {
    let stage = Stage::new().await;
    let door = stage.door();
    let empty = inbox(&door, &["list"]).await;
    assert_eq!((empty.code, empty.out.as_str()), (0, "no proposals\n"));
    let mut supervisor = stage.supervisor().await;
    let id = supervisor.submit("/v1/run-1", "one \u{1b}[2J file\r").await;
    let list = json(&door, &["list", "--output", "json"]).await;
    let row = &list[0];
    assert_eq!(row["id"], Value::from(id.clone()));
    assert_eq!(row["endpoints"][0], "api.example.com:443 [L7 rest, allow PUT /v1/run-1]");
    assert_eq!((&row["sandbox"], &row["status"]), (&Value::from("demo"), &Value::from("pending")));
    assert_eq!((&row["rule_name"], &row["origin"]), (&"put_file".into(), &"agent_authored".into()));
    assert_eq!(row["rule"]["endpoints"][0]["host"], "api.example.com", "the rule itself is there too");
    assert_eq!(row["rule"]["endpoints"][0]["rules"][0]["allow"]["path"], "/v1/run-1");
    assert_eq!(row["unisolated"], Value::Null);
    assert_eq!(row["rationale"], "one \u{1b}[2J file\r");
    let table = inbox(&door, &["list"]).await.out;
    assert!(table.contains("api.example.com:443 [L7 rest, allow PUT /v1/run-1]"), "{table}");
    let shown = inbox(&door, &["show", &id]).await.out;
    assert!(shown.contains("one \\u{1b}[2J file\\r") && !shown.contains('\u{1b}'), "{shown}");
    for told in [
        "\nNewly allowed:\n  all of it: PUT, 1 path, any query, any body\n",
        "      e.g. PUT api.example.com:443 /v1/run-1 by ",
        "\nEvidence:\n  nothing like it was denied\n",
        "  - mutating_method: ",
        "\nprover      prover: no new findings\n",
    ] {
        assert!(shown.contains(told), "{told}\n{shown}");
    }
    let full = json(&door, &["show", &id, "--output", "json"]).await;
    assert_eq!(full["review"]["digest"], row["digest"]);
    assert_eq!(full["review"]["difference"]["added"][0]["host"], "api.example.com");
    assert!(full["review"]["findings"].as_array().is_some_and(|found| !found.is_empty()));
    assert_eq!((&full["evidence"], &full["closure"]), (&Value::Array(Vec::new()), &Value::Null));
    assert_eq!(full["validation_result"], "prover: no new findings");
    let codes: Vec<&Value> =
        full["review"]["findings"].as_array().unwrap().iter().map(|found| &found["code"]).collect();
    assert_eq!(row["findings"].as_array().unwrap().iter().collect::<Vec<_>>(), codes);
    let digest = row["digest"].as_str().unwrap().get(..6).unwrap();
    let target = format!("{}@{digest}", id.get(..8).unwrap());
    let done = inbox(&door, &["approve", &target]).await;
    assert_eq!(done.code, 0, "{}", done.err);
    let first = done.out.lines().next().unwrap();
    assert!(first.starts_with(&format!("approved  {}  seq ", id.get(..8).unwrap())), "{first}");
    assert!(first.ends_with("  policy revision 2"), "{first}");
    assert!(done.out.contains("\nloaded by demo in "), "{}", done.out);
    assert!(done.out.contains("\nNewly allowed:\n  all of it: PUT, 1 path"), "{}", done.out);
    let again = inbox(&door, &["approve", &id]).await;
    assert_eq!(again.code, 1, "{}", again.err);
    assert!(again.err.contains("already approved"), "{}", again.err);
    let pending = json(&door, &["list", "--status", "pending", "--output", "json"]).await;
    assert_eq!(pending, Value::Array(Vec::new()));
    let all = json(&door, &["--output", "json", "list"]).await;
    assert_eq!((&all[0]["status"], &all[0]["revision"]), (&"approved".into(), &2.into()));
    assert!(all[0]["unisolated"].is_boolean());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bare_id_prints_the_difference_that_it_approves() {
    let stage = Stage::new().await;
    let door = stage.door();
    let mut supervisor = stage.supervisor().await;
    let id = supervisor.submit("/v1/run-1", "").await;
    let done = inbox(&door, &["approve", &id]).await;
    assert_eq!(done.code, 0, "{}", done.err);
    assert!(done.out.starts_with(&format!("approving {}@", id.get(..8).unwrap())), "{}", done.out);
    let parts = ["\nNewly allowed:\n  all of it", "\nFindings:\n  ", "\napproved  ", "\nloaded by demo in "];
    let places: Vec<Option<usize>> = parts.iter().map(|part| done.out.find(part)).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{}", done.out);
    let second = supervisor.submit("/v1/run-2", "").await;
    let answer = json(&door, &["approve", &second, "--output", "json"]).await;
    assert_eq!(answer["difference"]["added"][0]["what"]["path"], "/v1/run-2");
    let none = inbox(&door, &["list", "--status", "closed"]).await;
    assert_eq!((none.code, none.out.as_str()), (0, "no closed proposals\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_approved_that_nobody_could_read() {
    let stage = Stage::new().await;
    let door = stage.door();
    let mut supervisor = stage.supervisor().await;
    let id = supervisor.submit("/v1/run-1", "").await;
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status =
        program(&door, &["approve", &id]).stdout(writer).stderr(std::process::Stdio::null()).status();
    assert_eq!(status.await.unwrap().code(), Some(1));
    assert_eq!(json(&door, &["show", &id, "--output", "json"]).await["status"], "pending");
    // What was shown is quoted: that is decided, and who went away has seen enough.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let target = quoted(&door, &id).await;
    let status = program(&door, &["approve", &target]).stdout(writer).status().await.unwrap();
    assert_eq!(status.code(), Some(0));
    assert_eq!(json(&door, &["show", &id, "--output", "json"]).await["status"], "approved");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reason_arrives_byte_for_byte() {
    let stage = Stage::new().await;
    let door = stage.door();
    let mut supervisor = stage.supervisor().await;
    let id = supervisor.submit("/v1/run-1", "").await;
    let reason = "-no: \"üse\" 'release/*'\n\tnot \\main\u{200b} 漢字 \u{1b}[0m\r\n";
    let done = json(&door, &["reject", &id, "--reason", reason, "--output", "json"]).await;
    assert_eq!((&done["status"], &done["revision"]), (&"rejected".into(), &Value::Null));
    let shown = json(&door, &["show", &id, "--output", "json"]).await;
    assert_eq!(shown["decision"]["reason"], reason);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_supervisor_an_approval_waits_and_says_so() {
    let stage = Stage::new().await;
    let mut supervisor = stage.supervisor().await;
    let id = supervisor.submit("/v1/run-1", "").await;
    drop(supervisor);
    let ended = async {
        let mut client = openshell_inbox::client::Client::connect(&stage.door()).await.unwrap();
        while client.proposal(&id).await.unwrap().is_attached {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(stage::DEADLINE, ended).await.unwrap();
    let done = inbox(&stage.door(), &["approve", &id]).await;
    assert_eq!(done.code, 0);
    let wanted = "recorded, not in force: no supervisor of demo is connected\n";
    assert!(done.out.ends_with(wanted), "{}", done.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_codes_tell_what_went_wrong() {
    let stage = Stage::new().await;
    let door = stage.door();
    let mut supervisor = stage.supervisor().await;
    let id = supervisor.submit("/v1/run-1", "").await;
    for (args, code) in [
        (vec!["approve", &format!("{id}@000000")], 4),
        (vec!["approve", "ffffffff"], 1),
        (vec!["approve", "not-an-id"], 2),
        (vec!["approve", "3f0"], 2),
        (vec!["approve", &format!("{id}@00000")], 2),
        (vec!["reject", &id], 2),
        (vec!["list", "--output", "xml"], 2),
        (vec![], 2),
    ] {
        let answer = inbox(&door, &args).await;
        assert_eq!((answer.code, answer.out.as_str()), (code, ""), "{args:?}: {}", answer.err);
        assert!(answer.err.starts_with("error: "), "{}", answer.err);
    }
    let gone = inbox(&stage.folder.path().join("gone.sock"), &["list"]).await;
    assert_eq!(gone.code, 3);
    assert!(
        gone.err.contains("no gateway answers at") && gone.err.contains("openshell-gateway serve --socket")
    );
}
