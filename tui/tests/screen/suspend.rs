//! ctrl-z and what the shell does then; a terminal that goes away.

use pty_process::blocking::Command;
use rustix::process::Signal;

use crate::stage::Stage;
use crate::terminal::{Screen, wait_until};

const PROMPT: &str = "ready> ";

/// A shell with jobs. bash puts the modes of the terminal right by itself, sh leaves them as the program did.
fn shell(name: &str, columns: u16, lines: u16) -> Screen {
    let command = Command::new(name).env("PS1", PROMPT).env_remove("ENV").env_remove("HISTFILE");
    let command = match name {
        "bash" => command.args(["--norc", "--noprofile", "--noediting", "-i"]),
        _ => command.arg("-i"),
    };
    let screen = Screen::run(command, columns, lines);
    screen.shows(PROMPT.trim_end());
    screen
}

fn inbox(stage: &Stage) -> String {
    format!("{} --gateway {}", env!("CARGO_BIN_EXE_openshell-inbox"), stage.door().display())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_screen_leaves_the_terminal_to_the_shell_and_comes_back() {
    let stage = Stage::new().await;
    let mut supervisor = stage.supervisor().await;
    for name in ["bash", "sh"] {
        let screen = shell(name, 80, 24);
        screen.press(&format!("{}\n", inbox(&stage)));
        let path = format!("/v1/{name}-before");
        supervisor.submit(&path, "").await;
        screen.shows(&format!("allow PUT {path}]"));
        screen.press("\u{1a}");
        screen.shows("Stopped");
        screen.is_given_back();
        screen.press("echo al''ive\n");
        screen.shows("alive");
        // What is decided by somebody else, and how large the window is, has changed meanwhile.
        screen.resize(120, 40);
        screen.press("fg\n");
        screen.shows("1 pending");
        screen.is_armed();
        assert!(screen.has_screen() && !screen.text().contains("alive"), "{}", screen.text());
        screen.press("a");
        screen.shows("→ loaded in");
        screen.press("q");
        // Until the shell asks again, what is typed may still go to the program.
        let asked = || screen.text().matches(PROMPT.trim_end()).count();
        wait_until(|| format!("no prompt:\n{}", screen.text()), || asked() == 4);
        screen.is_given_back();
        screen.press("exit\n");
        assert!(screen.ends().success());
    }
}

/// As under `cargo run` and in scripts. Kills: a stop of this process alone, for which no shell looks: the terminal
/// is nobody's then.
#[tokio::test(flavor = "multi_thread")]
async fn what_started_the_screen_is_suspended_with_it() {
    let stage = Stage::new().await;
    let screen = shell("bash", 100, 30);
    screen.press(&format!("sh -c '{}; echo o''ver'\n", inbox(&stage)));
    screen.shows("No agent is waiting");
    screen.press("\u{1a}");
    screen.shows("Stopped");
    screen.is_given_back();
    screen.press("fg\n");
    screen.shows("No agent is waiting");
    screen.press("q");
    screen.shows("over");
    screen.press("exit\n");
    assert!(screen.ends().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_that_goes_away_ends_the_screen() {
    let stage = Stage::new().await;
    let screen = Screen::open(&stage, 80, 24);
    screen.shows("No agent is waiting");
    assert_eq!(screen.hangs_up().code(), Some(128 + Signal::HUP.as_raw()));
}

/// The process of the screen, as the shell numbers it.
fn job(screen: &Screen) -> String {
    screen.press("echo beg''in; jobs -p; echo e''nd\n");
    screen.shows("end");
    let text = screen.text();
    text.split("begin").nth(1).and_then(|rest| rest.split("end").next()).unwrap().trim().to_owned()
}

/// Waits until a process is no more, or is only waited for.
fn is_over(process: &str) {
    let state = || std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    wait_until(
        || format!("it does not end: {}", state()),
        || {
            let state = state();
            state.is_empty() || state.contains(") Z ")
        },
    );
}

/// Kills: a screen that takes the terminal before it looks at why it goes on: the kernel stops it again.
#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_screen_can_be_told_to_end() {
    let stage = Stage::new().await;
    for signal in ["TERM", "HUP"] {
        let screen = shell("bash", 100, 30);
        screen.press(&format!("{}\n", inbox(&stage)));
        screen.shows("No agent is waiting");
        screen.press("\u{1a}");
        screen.shows("Stopped");
        let job = job(&screen);
        screen.press(&format!("kill -{signal} %1\n"));
        is_over(&job);
        screen.is_given_back();
        screen.hangs_up();
    }
}

/// As when `bg` is typed by mistake.
#[tokio::test(flavor = "multi_thread")]
async fn a_screen_behind_the_shell_leaves_it_alone_until_it_is_in_front() {
    let stage = Stage::new().await;
    let screen = shell("bash", 100, 30);
    screen.press(&format!("{}\n", inbox(&stage)));
    screen.shows("No agent is waiting");
    screen.press("\u{1a}");
    screen.shows("Stopped");
    screen.press("bg\necho al''ive\n");
    screen.shows("alive");
    assert!(!screen.has_screen());
    screen.press("fg\n");
    screen.shows("No agent is waiting");
    screen.press("q");
    let asked = || screen.text().matches(PROMPT.trim_end()).count();
    wait_until(|| format!("no prompt:\n{}", screen.text()), || asked() == 5);
    screen.press("exit\n");
    assert!(screen.ends().success());
}

/// Kills: an inbox that nobody sees any more and that stays stopped for ever, with its connection to the gateway.
#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_screen_ends_with_its_terminal() {
    let stage = Stage::new().await;
    for is_told_first in [false, true] {
        for name in ["bash", "sh"] {
            let screen = shell(name, 100, 30);
            screen.press(&format!("{}\n", inbox(&stage)));
            screen.shows("No agent is waiting");
            screen.press("\u{1a}");
            screen.shows("Stopped");
            let job = job(&screen);
            if is_told_first {
                // As xterm does it: the shell ends while the terminal is still there.
                screen.signal(Signal::HUP);
                is_over(&job);
            } else {
                screen.hangs_up();
                is_over(&job);
            }
        }
    }
}
