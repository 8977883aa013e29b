//! Completions and man pages, as the shells and `man` take them.

use std::process::Command;

use serde_json::Value;

use crate::inbox;

fn made(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_openshell-inbox")).args(args).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// What a real bash completes the words with, the last of them.
fn completed(words: &str) -> Vec<String> {
    let script = format!(
        "source <(\"$1\" completions bash)\nspec=($(complete -p openshell-inbox))\n\
         COMP_WORDS=(openshell-inbox {words})\nCOMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))\n\
         while [ \"${{spec[0]}}\" != -F ]; do spec=(\"${{spec[@]:1}}\"); done\n\
         \"${{spec[1]}}\" openshell-inbox \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD-1]}}\"\n\
         printf '%s\\n' \"${{COMPREPLY[@]}}\"\n"
    );
    let bash = Command::new("bash")
        .args(["--norc", "-c", &script, "bash", env!("CARGO_BIN_EXE_openshell-inbox")])
        .output()
        .unwrap();
    assert!(bash.status.success() && bash.stderr.is_empty(), "{bash:?}");
    String::from_utf8(bash.stdout).unwrap().split_whitespace().map(str::to_owned).collect()
}

#[test]
fn a_real_bash_completes_verbs_options_and_values() {
    assert_eq!(completed("app"), ["approve"]);
    assert_eq!(completed("policy s"), ["show"]);
    assert_eq!(completed("list --stat"), ["--status"]);
    assert_eq!(completed("list --output y"), ["yaml"]);
    assert_eq!(completed("completions z"), ["zsh"]);
    assert_eq!(completed("gateway config s"), ["show"]);
    assert_eq!(completed("_"), [""; 0], "what is hidden stays hidden");
}

#[test]
fn every_shell_gets_a_script_that_it_can_read() {
    for (shell, mark) in [
        ("bash", "complete -F"),
        ("zsh", "#compdef openshell-inbox"),
        ("fish", "complete -c openshell-inbox"),
    ] {
        assert!(made(&["completions", shell]).contains(mark), "{shell}");
    }
}

#[test]
fn there_is_a_man_page_for_each_verb() {
    let first = made(&["man"]);
    assert!(
        first.contains(".TH openshell-inbox 1") && first.contains("openshell\\-inbox\\-approve(1)"),
        "{first}"
    );
    assert!(!first.contains("demo-agent"), "{first}");
    let folder = tempfile::tempdir().unwrap();
    made(&["man", "--dir", folder.path().join("man1").to_str().unwrap()]);
    for verb in [
        "list",
        "approve",
        "edit",
        "history",
        "watch",
        "log",
        "log-verify",
        "why",
        "policy-show",
        "doctor",
        "completions",
    ] {
        let page = std::fs::read_to_string(folder.path().join(format!("man1/openshell-inbox-{verb}.1")));
        let page = page.unwrap();
        assert!(page.contains(".SH SYNOPSIS"), "{verb}");
        let has_codes = page.contains("Exit codes: 0 ");
        assert!(has_codes || verb == "completions", "{verb}: no exit codes\n{page}");
    }
}

/// Kills: a verb that takes `--output` and does not do it.
#[tokio::test(flavor = "multi_thread")]
async fn doctor_says_as_data_what_its_table_says() {
    let nowhere = std::path::Path::new("/nonexistent/gateway.sock");
    let table = inbox(nowhere, &["doctor"]).await;
    let told = inbox(nowhere, &["doctor", "--output", "json"]).await;
    let told_as_data: Value = serde_json::from_str(&told.out).unwrap();
    assert_eq!(told.code, table.code);
    assert_eq!(told_as_data["isolates"], Value::from(table.code == 0));
    assert_eq!(told_as_data["failure"].is_null(), table.code == 0);
    let kernel = told_as_data["facts"]["kernel"].as_str().unwrap();
    assert!(table.out.contains(kernel), "{}", table.out);
}
