//! The shape of every verb's JSON, as files: a key that goes away or is named anew is a change of a snapshot, seen in a
//! review. And that YAML and JSON lines say the same.

use std::path::Path;

use openshell_domain::node::{self, Node, from_yaml};
use serde_json::Value;

use super::asks::{POLICY, loaded, world};
use super::codes::RULE;
use super::stage::{DEADLINE, Stage};
use super::{answer, inbox, json, program};

/// Keys whose values are not the same each time.
const VARYING: [&str; 8] = ["seq", "loaded_ms", "pid", "uptime_ms", "socket", "db", "stopped", "version"];

/// A value with everything in its place that is not the same each time.
fn settled(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let entry = |(key, value): (&String, &Value)| match (VARYING.contains(&key.as_str()), value) {
                (true, Value::Number(_)) => (key.clone(), Value::from(0)),
                (true, Value::String(_)) => (key.clone(), Value::from("…")),
                _ => (key.clone(), settled(value)),
            };
            Value::Object(map.iter().map(entry).collect())
        }
        Value::Array(items) => items.iter().map(settled).collect(),
        Value::String(text) => word(text).into(),
        other => other.clone(),
    }
}

fn word(text: &str) -> String {
    let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    if (text.len() == 36 || text.len() == 64 || text.len() == 128) && is_hex(text) {
        return format!("<{} digits>", text.len());
    }
    if text.contains('T') && text.parse::<chrono::DateTime<chrono::Utc>>().is_ok() {
        return "<time>".to_owned();
    }
    match text.strip_prefix("uid:") {
        Some(_) => "uid:<n>".to_owned(),
        None => text.to_owned(),
    }
}

fn read(node: &Node) -> Value {
    match &node.value {
        node::Value::Null => Value::Null,
        node::Value::Bool(flag) => (*flag).into(),
        node::Value::Int(number) => i64::try_from(*number).unwrap().into(),
        node::Value::Float(number) => (*number).into(),
        node::Value::Text(text) => text.clone().into(),
        node::Value::List(items) => items.iter().map(read).collect(),
        node::Value::Map(entries) => {
            let name = |node: &Node| read(node).as_str().unwrap().to_owned();
            Value::Object(entries.iter().map(|(key, value)| (name(key), read(value))).collect())
        }
    }
}

/// The shape of one answer; it is the same as JSON, as YAML and as JSON lines where asking changes nothing.
async fn same(door: &Path, name: &str, args: &[&str]) {
    let told = json(door, &[args, &["--output", "json"]].concat()).await;
    let yaml = inbox(door, &[args, &["--output", "yaml"]].concat()).await.out;
    assert_eq!(settled(&read(&from_yaml(&yaml).unwrap())), settled(&told), "{args:?}");
    let lines = inbox(door, &[args, &["--output", "jsonl"]].concat()).await.out;
    let items: Vec<Value> = lines.lines().map(|line| settled(&serde_json::from_str(line).unwrap())).collect();
    match settled(&told) {
        Value::Array(list) => assert_eq!(items, list, "{args:?}"),
        one => assert_eq!(items, [one], "{args:?}"),
    }
    shape(name, &told);
}

fn shape(name: &str, told: &Value) {
    insta::assert_snapshot!(name, serde_json::to_string_pretty(&settled(told)).unwrap());
}

/// Does something once, and looks at the shape of its answer.
async fn once(door: &Path, name: &str, args: &[&str]) {
    shape(name, &json(door, &[args, &["--output", "json"]].concat()).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_json_of_what_is_looked_at_keeps_its_shape() {
    let (stage, mut supervisor) = world().await;
    let door = stage.door();
    let one = supervisor.submit("/v1/a", "one \u{202e} file").await;
    let two = supervisor.submit("/v1/b", "").await;
    inbox(&door, &["approve", &one, "--reason", "fine"]).await;
    inbox(&door, &["reject", &two, "--reason", "no", "--hint", "too_broad"]).await;
    supervisor.submit("/v1/c", "").await;
    loaded(&door).await;
    same(&door, "list", &["list"]).await;
    same(&door, "show", &["show", &one]).await;
    let pending = json(&door, &["list", "--status", "pending", "--output", "json"]).await;
    same(&door, "show_pending", &["show", pending[0]["id"].as_str().unwrap()]).await;
    same(&door, "history", &["history"]).await;
    same(&door, "log", &["log", "--kind", "ProposalApproved", "--kind", "PolicyRevised"]).await;
    same(&door, "log_verify", &["log", "verify"]).await;
    same(&door, "policy_show", &["policy", "show"]).await;
    same(&door, "policy_show_difference", &["policy", "show", "--difference"]).await;
    same(&door, "why_allowed", &["why", "docs.example", "GET", "/", "--binary", "/usr/bin/curl"]).await;
    same(&door, "why_denied", &["why", "docs.example", "PUT", "/", "--binary", "/usr/bin/curl"]).await;
    same(&door, "sandboxes", &["sandboxes"]).await;
    same(&door, "settings", &["settings"]).await;
    let file = stage.folder.path().join("p.yaml");
    std::fs::write(&file, POLICY).unwrap();
    let mut check = program(&door, &["policy", "check", "p.yaml", "--output", "json"]);
    check.current_dir(stage.folder.path());
    shape("policy_check", &serde_json::from_str(&answer(check).await.out).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_json_of_what_is_done_keeps_its_shape() {
    let stage = Stage::new().await;
    let door = stage.door();
    let mut supervisor = stage.supervisor().await;
    let (one, two) = (supervisor.submit("/v1/a", "").await, supervisor.submit("/v1/b", "").await);
    let file = stage.folder.path().join("rule.yaml");
    std::fs::write(&file, RULE.replace("PATH", "/v1/narrow")).unwrap();
    once(&door, "approve", &["approve", &one, "--for", "run"]).await;
    once(&door, "reject", &["reject", &two, "--reason", "no"]).await;
    once(&door, "undo", &["undo", &two]).await;
    once(&door, "edit", &["edit", &two, "--file", file.to_str().unwrap()]).await;
    once(&door, "revoke", &["revoke", &one]).await;
    once(&door, "settings_set", &["settings", "limit_pending", "7"]).await;
    drop(supervisor);
    let released = async {
        loop {
            let gone = inbox(&door, &["release", "demo", "--output", "json"]).await;
            if gone.code == 0 {
                return shape("release", &serde_json::from_str(&gone.out).unwrap());
            }
            assert!(gone.err.contains("is connected"), "{}", gone.err);
        }
    };
    tokio::time::timeout(DEADLINE, released).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_of_the_gateway_itself_keeps_its_shape_too() {
    let (stage, _supervisor) = world().await;
    let door = stage.door();
    same(&door, "gateway_status", &["gateway", "status"]).await;
    let config = ["gateway", "config", "show", "--db", "/a/b.db"];
    let told = json(&door, &[&config[..], &["--output", "json"]].concat()).await;
    let yaml = inbox(&door, &[&config[..], &["--output", "yaml"]].concat()).await;
    assert_eq!((yaml.code, read(&from_yaml(&yaml.out).unwrap())), (0, told));
    let odd = inbox(&door, &["gateway", "config", "show", "--idle-exit", "soon", "--output", "yaml"]).await;
    assert_eq!((odd.code, odd.out.as_str()), (2, ""), "{}", odd.err);
}
