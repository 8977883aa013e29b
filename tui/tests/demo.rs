//! The demo in its non-interactive form, once with each client, and for another host, path and method.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

use std::process::{Command, Output};

fn demo(arguments: &[&str]) -> (Output, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_openshell-inbox"));
    let output = command.arg("demo").args(arguments).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output, text)
}

/// What the narration must show, whoever the client is.
fn assert_told(output: &Output, text: &str) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{stderr}");
    for part in [
        "403",
        "policy_denied",
        "accepted_chunk_ids",
        "approved",
        "\"policy_reloaded\": true",
        "201 Created",
        "✓ Demo complete",
    ] {
        assert!(text.contains(part), "lacks {part:?}:\n{text}\n{stderr}");
    }
    let trace: Vec<&str> = text.lines().filter(|line| line.trim_start().starts_with("[t+")).collect();
    assert_eq!(trace.len(), 3, "{text}");
    assert!(
        trace[0].contains("[MED] DENIED")
            && trace[1].contains("CONFIG:LOADED")
            && trace[2].contains("[INFO] ALLOWED")
    );
    assert!(
        !text.contains("ghp_") && !text.contains("PRIVATE KEY") && !stderr.contains("ghp_"),
        "a secret was printed"
    );
}

#[test]
fn the_demo_ends_well_with_the_built_in_client() {
    let (output, text) = demo(&["--auto", "--client", "builtin"]);
    assert_told(&output, &text);
    assert!(
        text.contains("HTTP:PUT [MED] DENIED")
            && text.contains("/repos/octo-demo/openshell-policy-demo/contents/"),
        "{text}"
    );
}

#[test]
fn the_demo_ends_well_with_curl() {
    if !std::path::Path::new("/usr/bin/curl").exists() {
        eprintln!("/usr/bin/curl is not here: only the built-in client was tried");
        return;
    }
    let (output, text) = demo(&["--auto", "--client", "curl"]);
    assert_told(&output, &text);
    assert!(text.contains("/usr/bin/curl"), "{text}");
}

#[test]
fn another_host_path_and_method_end_just_as_well() {
    let arguments = [
        "--auto",
        "--client",
        "builtin",
        "--host",
        "files.example.org",
        "--path",
        "/v2/uploads/some%20file.txt",
        "--method",
        "POST",
    ];
    let (output, text) = demo(&arguments);
    assert_told(&output, &text);
    assert!(
        text.contains("files.example.org:443 [L7 rest, allow POST /v2/uploads/some%20file.txt]"),
        "{text}"
    );
}

#[test]
fn without_a_terminal_the_demo_plays_by_itself_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_openshell-inbox"));
    let output = command.args(["demo", "--client", "builtin"]).env("TMPDIR", folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        0,
        "files were left in the temporary folder"
    );
}

#[test]
fn a_flag_with_which_there_is_nothing_to_play_is_usage() {
    for (flag, value) in [
        ("--host", "bad host"),
        ("--host", "127.0.0.1"),
        ("--host", "https://api.github.com"),
        ("--host", "x.example:8443"),
        ("--path", "rel"),
        ("--path", "/a b"),
        ("--path", "/a?q=1"),
        ("--path", "/a/../b"),
        ("--method", "GET"),
        ("--method", "put"),
    ] {
        let (output, text) = demo(&["--auto", flag, value]);
        assert_eq!(output.status.code(), Some(2), "{flag} {value}: {text}");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(stderr.contains(flag) && text.is_empty(), "{flag} {value}: {stderr} {text}");
    }
}

#[test]
fn a_demo_that_is_told_to_end_takes_everything_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_openshell-inbox"))
        .args(["demo", "--auto", "--client", "builtin"])
        .env("TMPDIR", folder.path())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 16];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut first).unwrap();
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let code = child.wait().unwrap().code();
    // It may have come to its good end just before the signal.
    assert!(matches!(code, Some(143 | 0)), "{code:?}");
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        0,
        "files were left in the temporary folder"
    );
}
