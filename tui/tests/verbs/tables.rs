//! Tables: hostile text cannot act on a terminal or break them, they fit the terminal, and a pipe gets all of it.

use std::io::Read as _;

use pty_process::Size;
use pty_process::blocking::{Command, open};

use super::stage::{Stage, Supervisor};
use super::{answer, inbox, program, quoted};

const HOSTILE: &str = "\u{1b}[2J\u{1b}]52;c;AAAA\u{7}\u{9b}31m\r\n\u{202e}evil\u{2066}\u{200b}\u{e0041}\u{301}\u{301}\u{301}\u{301}\u{301}漢字👩‍👩‍👧";

async fn world() -> (Stage, Supervisor, String) {
    let stage = Stage::new().await;
    let mut supervisor = stage.supervisor_under(super::asks::POLICY).await;
    let id = supervisor.submit(&format!("/v1/{}end.md", "a-long-way/".repeat(12)), HOSTILE).await;
    let door = stage.door();
    for (verb, target) in [("reject", supervisor.submit("/v1/b", HOSTILE).await), ("approve", id.clone())] {
        assert_eq!(inbox(&door, &[verb, &target, "--reason", HOSTILE]).await.code, 0);
    }
    (stage, supervisor, id)
}

/// Every verb that shows something, with the arguments that it needs.
fn looks(id: &str) -> Vec<Vec<&str>> {
    let lists: [&[&str]; 8] = [
        &["list"],
        &["history"],
        &["log"],
        &["sandboxes"],
        &["settings"],
        &["policy", "show"],
        &["policy", "show", "--difference"],
        &["why", "api.example.com", "GET", "/"],
    ];
    lists.iter().map(|args| args.to_vec()).chain([vec!["show", id]]).collect()
}

fn acts(c: char) -> bool {
    c != '\n' && (c.is_control() || openshell_domain::untrusted::is_hidden(c))
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_somebody_wrote_acts_on_a_terminal_in_any_form() {
    let (stage, _supervisor, id) = world().await;
    for args in looks(&id) {
        for form in ["table", "json", "jsonl", "yaml"] {
            let shown = inbox(&stage.door(), &[&args[..], &["--output", form]].concat()).await;
            assert_eq!(shown.code, 0, "{args:?}: {}", shown.err);
            assert!(!shown.out.is_empty() && !shown.out.contains(acts), "{args:?} {form}: {:?}", shown.out);
        }
    }
    let told = inbox(&stage.door(), &["show", "\u{1b}[2J"]).await;
    assert!(told.code == 2 && !told.err.contains(acts), "{:?}", told.err);
}

/// What a terminal of this many columns is sent.
fn on_a_terminal(stage: &Stage, args: &[&str], columns: u16) -> String {
    let (mut pty, pts) = open().unwrap();
    pty.resize(Size::new(24, columns)).unwrap();
    let command = Command::new(env!("CARGO_BIN_EXE_openshell-inbox")).arg("--gateway").arg(stage.door());
    let mut child = command.args(args).env("TERM", "xterm-256color").spawn(pts).unwrap();
    let mut sent = Vec::new();
    let mut bytes = [0; 4096];
    // Linux ends the stream of a pty with an error.
    while let Ok(count @ 1..) = pty.read(&mut bytes) {
        sent.extend_from_slice(&bytes[..count]);
    }
    child.wait().unwrap();
    String::from_utf8(sent).unwrap().replace("\r\n", "\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_fits_a_terminal_of_80_and_a_pipe_gets_all_of_it() {
    let (stage, _supervisor, id) = world().await;
    let path = format!("{}end.md", "a-long-way/".repeat(12));
    for verb in ["list", "history", "log", "sandboxes"] {
        let shown = on_a_terminal(&stage, &[verb], 80);
        assert!(!shown.is_empty() && !shown.contains(acts), "{verb}: {shown:?}");
        let widest = shown.lines().map(openshell_inbox::screen::text::width).max();
        assert!(widest <= Some(80), "{verb}: {widest:?}\n{shown}");
        let piped = inbox(&stage.door(), &[verb]).await.out;
        assert!(!piped.contains("…+"), "{verb}: {piped}");
        assert!(verb == "sandboxes" || piped.contains(&path), "{verb}: {piped}");
    }
    let list = on_a_terminal(&stage, &["list"], 80);
    let named = quoted(&stage.door(), &id).await;
    let named = format!("{}{}", &named[..8], &named[36..]);
    assert!(list.contains(&named) && list.contains("end.md]") && list.contains("…+"), "{list}");
    assert!(inbox(&stage.door(), &["list"]).await.out.contains(&named));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_colours_help_and_mistakes_have_no_escapes_either() {
    let stage = Stage::new().await;
    for args in [&["--help"][..], &["list", "--output", "xml"], &["approve", "--help"]] {
        let mut bare = program(&stage.door(), args);
        bare.env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE");
        let bare = answer(bare).await;
        assert!(!bare.out.contains('\u{1b}') && !bare.err.contains('\u{1b}'), "{args:?}");
    }
    let (mut pty, pts) = open().unwrap();
    pty.resize(Size::new(24, 80)).unwrap();
    let command = Command::new(env!("CARGO_BIN_EXE_openshell-inbox")).arg("--help");
    let mut child = command.env("TERM", "xterm-256color").env("NO_COLOR", "1").spawn(pts).unwrap();
    let mut sent = Vec::new();
    let mut bytes = [0; 4096];
    while let Ok(count @ 1..) = pty.read(&mut bytes) {
        sent.extend_from_slice(&bytes[..count]);
    }
    child.wait().unwrap();
    assert!(!sent.is_empty() && !sent.contains(&0x1b), "{}", String::from_utf8_lossy(&sent));
}
