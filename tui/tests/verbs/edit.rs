//! `edit`: a new draft from an editor or a file, shown with its difference; nothing that was typed is lost.

use serde_json::Value;

use super::codes::RULE;
use super::stage::{Stage, Supervisor};
use super::{Answer, answer, inbox, json, program, quoted};

async fn edited(stage: &Stage, id: &str, editor: &str, more: &[&str]) -> Answer {
    let mut command = program(&stage.door(), &[&["edit", id], more].concat());
    command.env_remove("VISUAL").env("EDITOR", editor).env("TMPDIR", stage.folder.path());
    answer(command).await
}

async fn world() -> (Stage, Supervisor, String) {
    let stage = Stage::new().await;
    let mut supervisor = stage.supervisor().await;
    let id = supervisor.submit("/v1/run-1", "why").await;
    (stage, supervisor, id)
}

/// The files that an editor was given.
fn left(stage: &Stage) -> usize {
    let entries = std::fs::read_dir(stage.folder.path()).unwrap();
    entries
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("proposal-"))
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_editor_makes_a_new_draft_and_its_difference_is_shown() {
    let (stage, _supervisor, id) = world().await;
    let shown = quoted(&stage.door(), &id).await;
    let done = edited(&stage, &shown, "sed -i s,/v1/run-1,/v1/run-2,", &[]).await;
    assert_eq!(done.code, 0, "{}", done.err);
    let fresh = quoted(&stage.door(), &id).await;
    assert_ne!(fresh, shown);
    let first = done.out.lines().next().unwrap();
    assert!(first.starts_with(&format!("revised  {}@{}  seq ", &id[..8], &fresh[37..])), "{first}");
    assert!(first.ends_with("  draft 2"), "{first}");
    assert!(done.out.contains("\nNewly allowed:\n  all of it: PUT, 1 path"), "{}", done.out);
    assert!(done.out.contains("e.g. PUT api.example.com:443 /v1/run-2 by "), "{}", done.out);
    assert_eq!(left(&stage), 0, "what was sent is not kept");
    let shown = json(&stage.door(), &["show", &id, "--output", "json"]).await;
    assert_eq!((&shown["draft"], &shown["rationale"]), (&2.into(), &"why".into()));
    let data = edited(&stage, &id, "sed -i s,/v1/run-2,/v1/run-3,", &["--output", "json"]).await;
    let data: Value = serde_json::from_str(&data.out).unwrap();
    assert_eq!((&data["proposal"]["draft"], data["seq"].is_u64()), (&3.into(), true));
    assert_eq!(data["proposal"]["review"]["difference"]["added"][0]["what"]["path"], "/v1/run-3");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_as_it_is_sends_nothing_and_neither_does_an_editor_that_fails() {
    let (stage, _supervisor, id) = world().await;
    let same = edited(&stage, &id, "true", &[]).await;
    assert_eq!((same.code, same.out.starts_with("unchanged  ")), (0, true), "{}", same.err);
    let failed = edited(&stage, &id, "false", &[]).await;
    assert_eq!((failed.code, failed.out.as_str()), (1, ""));
    assert!(failed.err.contains("so nothing was sent"), "{}", failed.err);
    assert_eq!(json(&stage.door(), &["show", &id, "--output", "json"]).await["draft"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wording_that_is_refused_is_told_by_line_and_kept() {
    let (stage, _supervisor, id) = world().await;
    let odd = edited(&stage, &id, "sed -i s,port,prot,", &[]).await;
    assert_eq!((odd.code, odd.out.as_str()), (2, ""), "{}", odd.err);
    assert!(odd.err.contains("the new wording:") && odd.err.contains("prot"), "{}", odd.err);
    assert!(odd.err.contains("hint: your text is kept: openshell-inbox edit "), "{}", odd.err);
    assert_eq!(left(&stage), 1);
    let path = odd.err.trim().rsplit(' ').next().unwrap();
    let kept = std::fs::read_to_string(path).unwrap();
    let mended = kept.replace("prot", "port").replace("portocol", "protocol").replace("run-1", "run-9");
    std::fs::write(path, mended).unwrap();
    let done = inbox(&stage.door(), &["edit", &id, "--file", path]).await;
    assert_eq!(done.code, 0, "{}\n{}", done.err, std::fs::read_to_string(path).unwrap());
    // Somebody else words it anew while the editor is open.
    let other = stage.folder.path().join("other.yaml");
    std::fs::write(&other, RULE.replace("PATH", "/v1/other")).unwrap();
    let race = format!(
        "{} --gateway {} edit {id} --file {}; sed -i s,run-9,run-10,",
        env!("CARGO_BIN_EXE_openshell-inbox"),
        stage.door().display(),
        other.display()
    );
    let stale = edited(&stage, &id, &race, &[]).await;
    assert_eq!(stale.code, 4, "{}", stale.err);
    assert!(stale.err.contains("hint: your text is kept"), "{}", stale.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_or_standard_input_can_be_the_wording() {
    let (stage, _supervisor, id) = world().await;
    let mut command = program(&stage.door(), &["edit", &id, "--file", "-"]);
    command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let text = RULE.replace("PATH", "/v1/piped");
    tokio::io::AsyncWriteExt::write_all(&mut child.stdin.take().unwrap(), text.as_bytes()).await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8(output.stdout).unwrap().contains("/v1/piped"));
    let none = inbox(&stage.door(), &["edit", &id, "--file", "/nowhere/at/all"]).await;
    assert_eq!((none.code, none.err.contains("/nowhere/at/all: ")), (2, true), "{}", none.err);
}
