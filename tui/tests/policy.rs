//! `policy check`: the program itself, without a gateway.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

struct Answer {
    code: i32,
    out: String,
    err: String,
}

/// Runs `policy check` with these arguments in `folder`, with `stdin` as its standard input.
fn check(folder: &Path, args: &[&str], stdin: &[u8]) -> Answer {
    let mut child = Command::new(env!("CARGO_BIN_EXE_openshell-inbox"))
        .current_dir(folder)
        .args(["policy", "check"])
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that does not read its input may be gone by now.
    let _ = child.stdin.take().unwrap().write_all(stdin);
    let output = child.wait_with_output().unwrap();
    Answer {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

const SOUND: &str = "version: 1\nnetwork_policies:\n  a: {endpoints: [{host: a.b, port: 1}, {host: c.d, port: 1}], binaries: [{path: /a}]}\n";
const AUDITS: &str = "version: 1\nnetwork_policies:\n  a: {endpoints: [{host: a.b, port: 1, protocol: rest, access: full}], binaries: [{path: /a}]}\n";
const BROKEN: &str = "version: 2\nlandlock: {compatibility: strict}\n\"x\\e[2J\": 1\n";

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &[u8]| std::fs::write(folder.path().join(name), text).unwrap();
    put("sound.yaml", SOUND.as_bytes());
    put("crlf.yaml", format!("\u{feff}{}", SOUND.replace('\n', "\r\n")).as_bytes());
    put("audits.yaml", AUDITS.as_bytes());
    put("broken.yaml", BROKEN.as_bytes());
    put("latin1.yaml", b"version: 1\n# \xe4\n");
    put("e\u{1b}vil.yaml", b"version: 2");
    folder
}

#[test]
fn sound_files_are_counted_and_warnings_have_a_place() {
    let folder = folder();
    let answer = check(folder.path(), &["sound.yaml", "crlf.yaml", "audits.yaml"], b"");
    assert_eq!(
        answer.out,
        "sound.yaml: ok, 1 rule, 2 endpoints\ncrlf.yaml: ok, 1 rule, 2 endpoints\naudits.yaml: ok, 1 rule, 1 endpoint\n"
    );
    let start = "audits.yaml:3:19: warning: network_policies.a.endpoints[0].enforcement: omitted";
    assert!(answer.err.starts_with(start), "{}", answer.err);
    assert_eq!((answer.code, answer.err.lines().count()), (0, 1));
}

#[test]
fn every_mistake_of_every_file_is_told_and_nothing_of_it_reaches_the_terminal_raw() {
    let folder = folder();
    let answer = check(folder.path(), &["broken.yaml", "sound.yaml", "latin1.yaml", "e\u{1b}vil.yaml"], b"");
    assert_eq!(
        answer.err,
        "broken.yaml:1:10: version: found the number 2, allowed is 1\n\
         broken.yaml:2:27: landlock.compatibility: found \"strict\", allowed are \"best_effort\", \"hard_requirement\"\n\
         broken.yaml:3:1: x\\u{1b}[2J: unknown key; known here are version, filesystem_policy, landlock, process, network_policies\n\
         latin1.yaml:2:3: the file is not UTF-8: save it as UTF-8\n\
         e\\u{1b}vil.yaml:1:10: version: found the number 2, allowed is 1\n"
    );
    assert_eq!((answer.code, answer.out.as_str()), (1, "sound.yaml: ok, 1 rule, 2 endpoints\n"));
}

#[test]
fn standard_input_is_a_file_and_endless_input_is_too_large() {
    let folder = folder();
    let answer = check(folder.path(), &["-"], SOUND.as_bytes());
    assert_eq!((answer.code, answer.out.as_str()), (0, "-: ok, 1 rule, 2 endpoints\n"));
    let answer = check(folder.path(), &["/dev/zero"], b"");
    assert_eq!(answer.err, "/dev/zero: the file is larger than a policy may be: at most 262144 bytes\n");
    assert_eq!(answer.code, 1);
}

#[test]
fn what_cannot_be_read_or_asked_is_exit_2() {
    let folder = folder();
    let answer = check(folder.path(), &["nowhere.yaml", "broken.yaml", "."], b"");
    assert_eq!(answer.code, 2, "{}", answer.err);
    assert!(answer.err.starts_with("nowhere.yaml: No such file"), "{}", answer.err);
    assert!(answer.err.contains("\n.: Is a directory"), "{}", answer.err);
    assert_eq!(check(folder.path(), &[], b"").code, 2);
    assert_eq!(check(folder.path(), &["--schema", "sound.yaml"], b"").code, 2);
}

#[test]
fn programs_get_the_same_as_json() {
    let folder = folder();
    let answer = check(folder.path(), &["audits.yaml", "broken.yaml", "--output", "json"], b"");
    assert_eq!((answer.code, answer.err.as_str()), (1, ""));
    let reports: Value = serde_json::from_str(&answer.out).unwrap();
    assert_eq!((&reports[0]["file"], &reports[0]["ok"]), (&json!("audits.yaml"), &json!(true)));
    assert_eq!((&reports[0]["rules"], &reports[0]["endpoints"]), (&json!(1), &json!(1)));
    assert_eq!((&reports[0]["warnings"][0]["line"], &reports[0]["errors"]), (&json!(3), &json!([])));
    assert_eq!((&reports[1]["ok"], &reports[1]["rules"]), (&json!(false), &Value::Null));
    let error =
        json!({"line": 1, "column": 10, "key": "version", "message": "found the number 2, allowed is 1"});
    assert_eq!(reports[1]["errors"][0], error);
    assert_eq!(reports[1]["errors"][2]["key"], "x\u{1b}[2J");
    assert!(!answer.out.contains('\u{1b}'));
}

#[test]
fn the_schema_is_printed_as_it_is_published() {
    let answer = check(folder().path(), &["--schema"], b"");
    assert_eq!((answer.code, answer.out.as_str()), (0, include_str!("../../fixtures/policy.schema.json")));
}
