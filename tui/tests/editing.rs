//! An ask is worded anew on a real terminal, in the screen and in the reviewer's own editor.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod stage;
mod terminal;

use openshell_inbox::client::Client;
use pty_process::blocking::Command;
use stage::Stage;
use terminal::Screen;

/// Says that it has the terminal, reads one line from it and puts that in place of the path.
const EDITOR: &str = r#"sh -c 'echo the editor has it; read line; sed -i "s,/v1/first,/v1/$line," "$0"'"#;

#[tokio::test(flavor = "multi_thread")]
async fn an_ask_is_worded_anew_in_the_reviewers_own_editor_and_saved() {
    let stage = Stage::new().await;
    let mut supervisor = stage.supervisor().await;
    let id = supervisor.submit("/v1/first", "words of the agent").await;
    let program = Command::new(env!("CARGO_BIN_EXE_openshell-inbox"));
    let program = program.arg("--gateway").arg(stage.door());
    let program = program.env_remove("VISUAL").env("EDITOR", EDITOR).env("TMPDIR", stage.folder.path());
    let screen = Screen::run(program, 100, 30);
    screen.shows("all of it");
    screen.press("e");
    screen.shows("What it would change");
    screen.press("\u{5}");
    screen.shows("the editor has it");
    assert!(!screen.has_screen());
    // Every one of these keys is the editor's: `q`, `r` and `a` are commands of the screen.
    screen.press("aqra\r");
    screen.shows("path: /v1/aqra");
    screen.shows("changed");
    screen.shows("PUT api.example.com:443");
    screen.press("\u{13}");
    screen.shows("saved as draft 2");
    screen.shows("allow PUT /v1/aqra]");
    screen.press("q");
    assert_eq!(screen.ends().code(), Some(0));
    let mut client = Client::connect(&stage.door()).await.unwrap();
    let proposal = client.proposal(&id).await.unwrap().proposal;
    assert_eq!((proposal.draft.number, proposal.draft.rationale.as_str()), (2, "words of the agent"));
    let files = std::fs::read_dir(stage.folder.path()).unwrap();
    let is_left = |name: String| name.starts_with("proposal-");
    assert!(!files.map(|file| file.unwrap().file_name().into_string().unwrap()).any(is_left));
}
