//! The loop inside a sandbox: the same as beside one, and its decisions are marked as what they are.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use common::{POLICY, World, proposal};
use serde_json::Value;

/// Submits `$1` and waits for the decision; prints what the wait answered.
const SCRIPT: &str = r#"
proxy=${http_proxy#http://}
ask() {
  exec 3<>"/dev/tcp/${proxy%:*}/${proxy##*:}"
  printf '%s http://policy.local%s HTTP/1.1\r\nHost: policy.local\r\nConnection: close\r\nContent-Length: %s\r\n\r\n%s' "$1" "$2" "${#3}" "$3" >&3
  cat <&3
  exec 3>&-
}
answer=$(ask POST /v1/proposals "$1")
[[ $answer =~ accepted_chunk_ids\":\[\"([0-9a-f-]+) ]] || { echo "$answer" >&2; exit 1; }
test -r "$OPENSHELL_SKILL" || exit 2
ask GET "/v1/proposals/${BASH_REMATCH[1]}/wait?timeout=60" ""
"#;

#[test]
fn the_loop_runs_isolated_and_its_decision_is_not_marked_unisolated() {
    let doctor = common::program().arg("doctor").output().unwrap();
    if !doctor.status.success() {
        eprintln!("this machine cannot isolate:\n{}", String::from_utf8_lossy(&doctor.stdout));
        return;
    }
    let world = World::start();
    let work = world.path("work");
    fs::create_dir(&work).unwrap();
    fs::set_permissions(&work, fs::Permissions::from_mode(0o777)).unwrap();
    let policy = world.path("p.yaml");
    fs::write(&policy, POLICY).unwrap();
    let body = proposal("/a.md", "write").to_string();
    let child = world
        .supervisor("inside", &policy, &["--advisor", "--isolation", "netns"])
        .args(["--", "bash", "-c", SCRIPT, "asker", &body])
        .current_dir(&work)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let id = common::until("the proposal", || {
        world.inbox_json(&["list"])[0]["id"].as_str().map(ToOwned::to_owned)
    });
    assert!(world.inbox(&["approve", &id]).status.success());
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text} {}", String::from_utf8_lossy(&output.stderr));
    let answer: Value = serde_json::from_str(text.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(
        (&answer["status"], &answer["policy_reloaded"]),
        (&"approved".into(), &true.into()),
        "{answer}"
    );
    assert_eq!(world.inbox_json(&["show", &id])["unisolated"], false);
}
