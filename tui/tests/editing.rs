//! An ask is worded anew on a real terminal, in the screen and in the reviewer's own editor.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod stage;

use std::io::{Read, Write};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use openshell_inbox::client::Client;
use pty_process::Size;
use pty_process::blocking::{Command, Pty, open};
use stage::{DEADLINE, Stage};

/// Says that it has the terminal, reads one line from it and puts that in place of the path.
const EDITOR: &str = r#"sh -c 'echo the editor has it; read line; sed -i "s,/v1/first,/v1/$line," "$0"'"#;

struct Screen {
    pty: Arc<Pty>,
    parser: Arc<Mutex<vt100::Parser>>,
}

impl Screen {
    #[expect(clippy::disallowed_methods, reason = "a deadline of a test")]
    fn shows(&self, text: &str) {
        let begun = Instant::now();
        loop {
            let shown = self.parser.lock().unwrap().screen().contents();
            if shown.contains(text) {
                return;
            }
            assert!(begun.elapsed() < DEADLINE, "{text:?} is not shown:\n{shown}");
            std::thread::yield_now();
        }
    }

    fn press(&self, keys: &str) {
        (&*self.pty).write_all(keys.as_bytes()).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ask_is_worded_anew_in_the_reviewers_own_editor_and_saved() {
    let stage = Stage::new().await;
    let mut supervisor = stage.supervisor().await;
    let id = supervisor.submit("/v1/first", "words of the agent").await;
    let (pty, pts) = open().unwrap();
    pty.resize(Size::new(30, 100)).unwrap();
    let program = Command::new(env!("CARGO_BIN_EXE_openshell-inbox"));
    let program = program.arg("--gateway").arg(stage.door()).env("TERM", "xterm-256color");
    let program = program.env_remove("VISUAL").env("EDITOR", EDITOR).env("TMPDIR", stage.folder.path());
    let mut child = program.spawn(pts).unwrap();
    let pty = Arc::new(pty);
    let (lines, columns) = (30.try_into().unwrap(), 100.try_into().unwrap());
    let parser = Arc::new(Mutex::new(vt100::Parser::new(lines, columns, 0)));
    let (reader, sink) = (Arc::clone(&pty), Arc::clone(&parser));
    std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = (&*reader).read(&mut bytes) {
            sink.lock().unwrap().process(&bytes[..count]);
        }
    });
    let screen = Screen { pty, parser };
    screen.shows("all of it");
    screen.press("e");
    screen.shows("What it would change");
    screen.press("\u{5}");
    screen.shows("the editor has it");
    assert!(!screen.parser.lock().unwrap().screen().alternate_screen());
    // Every one of these keys is the editor's: `q`, `r` and `a` are commands of the screen.
    screen.press("aqra\r");
    screen.shows("path: /v1/aqra");
    screen.shows("changed");
    screen.shows("PUT api.example.com:443");
    screen.press("\u{13}");
    screen.shows("saved as draft 2");
    screen.shows("allow PUT /v1/aqra]");
    screen.press("q");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let mut client = Client::connect(&stage.door()).await.unwrap();
    let proposal = client.proposal(&id).await.unwrap().proposal;
    assert_eq!((proposal.draft.number, proposal.draft.rationale.as_str()), (2, "words of the agent"));
    let files = std::fs::read_dir(stage.folder.path()).unwrap();
    let is_left = |name: String| name.starts_with("proposal-");
    assert!(!files.map(|file| file.unwrap().file_name().into_string().unwrap()).any(is_left));
}
