//! The screen as a terminal sees it: the program itself in a pty against a real gateway.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod bell;
mod resize;
#[path = "../stage/mod.rs"]
mod stage;
mod suspend;
#[path = "../terminal/mod.rs"]
mod terminal;

use pty_process::blocking::Command;
use rustix::process::Signal;
use stage::Stage;
use terminal::{Screen, wait_until};

#[tokio::test(flavor = "multi_thread")]
async fn from_a_proposal_to_a_loaded_policy() {
    let stage = Stage::new().await;
    let mut supervisor = stage.supervisor().await;
    for (columns, lines) in [(80, 24), (120, 40)] {
        let screen = Screen::open(&stage, columns, lines);
        screen.shows("No agent is waiting");
        let path = format!("/v1/run-{columns}");
        supervisor.submit(&path, "write\u{1b}[2J it\u{202e}").await;
        screen.shows(&format!("allow PUT {path}]"));
        screen.shows("write\\u{1b}[2J it\\u{202e}");
        // Nothing is approved before it is known what it would allow.
        screen.shows("all of it");
        screen.is_armed();
        screen.press("a");
        screen.shows("→ loaded in");
        screen.shows("Nothing is waiting.");
        screen.press("q");
        assert_eq!(screen.ends().code(), Some(0));
    }
}

/// Kills: an answer to OSC 11 that is read as keys: the `r` of `rgb` opens a prompt, and the rest goes into it.
#[tokio::test(flavor = "multi_thread")]
async fn a_late_answer_about_the_background_is_no_keys() {
    let stage = Stage::new().await;
    let mut supervisor = stage.supervisor().await;
    let screen = Screen::open(&stage, 80, 24);
    supervisor.submit("/v1/late", "words").await;
    screen.shows("all of it");
    screen.press("\u{1b}]11;rgb:ffff/ffff/ffff\u{1b}\\");
    screen.press("5");
    screen.shows("[5 Log]");
    screen.press("v");
    screen.shows("whole up to event");
    screen.press("3");
    screen.shows("p.yaml");
    screen.press("q");
    assert_eq!(screen.ends().code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pasted_reason_goes_out_as_it_is() {
    let stage = Stage::new().await;
    let mut supervisor = stage.supervisor().await;
    let id = supervisor.submit("/v1/x", "").await;
    let screen = Screen::open(&stage, 80, 24);
    screen.shows("allow PUT /v1/x]");
    screen.is_armed();
    screen.press("r");
    screen.shows("reason for the agent");
    screen.press("\u{1b}[200~use \"release/*\",\rnot üq\u{1b}[201~");
    screen.shows("use \"release/*\",⏎not üq");
    screen.press("\r");
    screen.shows(&format!("rejected {} PUT api.example.com/v1/x", id.get(..8).unwrap()));
    screen.press("q");
    assert!(screen.ends().success());
    let mut client = openshell_inbox::client::Client::connect(&stage.door()).await.unwrap();
    let proposal = client.proposal(&id).await.unwrap().proposal;
    assert_eq!(proposal.status.decision().unwrap().reason, "use \"release/*\",\nnot üq");
}

/// As terminals send it (SGR 1006): press and release, columns and rows from one.
#[tokio::test(flavor = "multi_thread")]
async fn a_click_chooses_and_a_key_decides() {
    let stage = Stage::new().await;
    let mut supervisor = stage.supervisor().await;
    supervisor.submit("/v1/one", "").await;
    let screen = Screen::open(&stage, 80, 24);
    screen.shows("allow PUT /v1/one]");
    supervisor.submit("/v1/two", "").await;
    let row = |path: &str| screen.text().lines().position(|line| line.contains(path));
    wait_until(|| screen.text(), || row("api.example.com /v1/two").is_some());
    let line = row("api.example.com /v1/two").unwrap() + 1;
    screen.press(&format!("\u{1b}[<0;20;{line}M\u{1b}[<0;20;{line}m"));
    screen.shows("allow PUT /v1/two]");
    screen.is_armed();
    screen.press("a");
    screen.shows("api.example.com/v1/two → loaded in");
    screen.shows("allow PUT /v1/one]");
    screen.press("q");
    assert!(screen.ends().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn it_comes_back_by_itself_and_knows_what_it_missed() {
    let mut stage = Stage::new().await;
    let mut supervisor = stage.supervisor().await;
    let id = supervisor.submit("/v1/before", "").await;
    let screen = Screen::open(&stage, 80, 24);
    screen.shows("allow PUT /v1/before]");
    screen.shows("all of it");
    screen.shows("● live");
    drop(supervisor);
    stage.stop().await;
    screen.shows("reconnecting");
    screen.press("a");
    screen.shows("the gateway is away: nothing was sent");
    stage.start().await;
    screen.shows("● live");
    // The same key again might be one that is held down since.
    screen.press("?");
    screen.shows("any key closes");
    screen.press("?");
    screen.is_armed();
    screen.press("a");
    screen.shows(&format!("approved {} PUT api.example.com", id.get(..8).unwrap()));
    screen.press("q");
    assert!(screen.ends().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn signals_give_the_terminal_back() {
    let stage = Stage::new().await;
    for signal in [Signal::TERM, Signal::HUP, Signal::INT] {
        let screen = Screen::open(&stage, 80, 24);
        screen.shows("No agent is waiting");
        screen.signal(signal);
        assert_eq!(screen.ends().code(), Some(128 + signal.as_raw()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_screen_comes_back() {
    let stage = Stage::new().await;
    let screen = Screen::open(&stage, 80, 24);
    screen.shows("No agent is waiting");
    screen.signal(Signal::STOP);
    screen.signal(Signal::CONT);
    screen.press("?");
    screen.shows("any key closes");
    screen.press("\u{3}");
    assert!(screen.ends().success());
}

/// Played by this very test program, in a pty of its own, for the test below.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a part of `a_panic_gives_the_terminal_back`"]
async fn a_screen_that_panics() {
    let Some(folder) = std::env::var_os("SCREEN_THAT_PANICS").map(std::path::PathBuf::from) else { return };
    let (say, notices) = tokio::sync::mpsc::channel(1);
    say.send(openshell_inbox::screen::Notice("the screen is open".to_owned())).await.unwrap();
    std::thread::spawn(move || {
        wait_until(|| "the test never said so".to_owned(), || folder.join("now").exists());
        panic!("as it was told");
    });
    let options = openshell_inbox::screen::ScreenOptions {
        gateway: "/nonexistent/gateway.sock".into(),
        title: "panics".to_owned(),
        look: openshell_inbox::screen::Look::default(),
        keys: openshell_inbox::screen::keys::Keymap::default(),
        notices: Some(notices),
    };
    let exit = openshell_inbox::screen::run(options).await.unwrap();
    println!("the screen ended: {exit:?}");
}

#[test]
fn a_panic_gives_the_terminal_back() {
    let folder = tempfile::tempdir().unwrap();
    let program = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_screen_that_panics", "--ignored", "--nocapture", "--test-threads", "1"])
        .env("SCREEN_THAT_PANICS", folder.path());
    let screen = Screen::run(program, 100, 30);
    screen.shows("the screen is open");
    assert!(screen.has_screen());
    std::fs::write(folder.path().join("now"), "").unwrap();
    screen.shows("as it was told");
    screen.shows("the screen ended: Signal(6)");
    screen.ends();
}

#[test]
fn the_gateway_that_it_started_outlives_the_screen() {
    let home = tempfile::tempdir().unwrap();
    let folder = |name: &str| home.path().join(name);
    let screen = Screen::run(
        Command::new(env!("CARGO_BIN_EXE_openshell-inbox"))
            .env_remove("OPENSHELL_INBOX_GATEWAY")
            .env("XDG_RUNTIME_DIR", folder("run"))
            .env("XDG_STATE_HOME", folder("state"))
            .env("XDG_CONFIG_HOME", folder("config")),
        100,
        30,
    );
    screen.shows("● live");
    // As when the terminal's window is closed.
    screen.signal(Signal::HUP);
    assert_eq!(screen.ends().code(), Some(128 + 1));
    let gateway = |verb: &str| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_openshell-inbox"));
        command.arg("--gateway").arg(folder("run/openshell-inbox/gateway.sock")).args(["gateway", verb]);
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, text) = gateway("status");
    assert!(code == Some(0) && text.contains("idle exit  after 10m"), "{text}");
    assert_eq!(gateway("stop").0, Some(0));
}
