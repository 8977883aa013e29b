//! The composition root: the command line on one side, screen, verbs and (here only) other crates on the other.
//!
//! The verbs of the gateway (`gateway serve`), the supervisor (`run`) and the demo (`demo`) are dispatched here
//! and nowhere else; screen and verbs know nothing of them.

mod command;

use std::io::{IsTerminal as _, Write};
use std::path::{Path, PathBuf};

use clap::CommandFactory as _;
use openshell_gateway::{ServeArgs, ShowFormat};
use openshell_supervisor::RunArgs;
use openshell_supervisor::isolation::doctor;
use openshell_wire::door::{DoorError, default_door};

use crate::cli::{self, Options, Output};
use crate::client::Client;
use crate::config;
use crate::demo::{self, DemoArgs, Ending};
use crate::gateway::{self, GatewayError, start};
use crate::manual;
use crate::plain;
use crate::printer::Printer;
use crate::screen::keys::Keymap;
use crate::screen::{self, Exit, Look, ScreenError, ScreenOptions};
use crate::verbs::policy::{self, Checked};
use crate::verbs::{self, VerbError};
pub use command::Cli;
use command::{ConfigVerb, GatewayVerb, Verb};

/// Done.
pub const DONE: u8 = 0;
/// Not done.
pub const REFUSED: u8 = 1;
/// The command line makes no sense, or there is no terminal.
pub const USAGE: u8 = 2;
/// No gateway answers.
pub const UNREACHABLE: u8 = 3;

/// A stage of a sandbox, when this process was started as one.
#[must_use]
pub fn reentry() -> Option<u8> {
    openshell_supervisor::isolation::reentry()
}

/// Does what was asked and says how it went, as an exit code.
pub fn dispatch(cli: Cli) -> u8 {
    let Options { gateway, output } = cli.options;
    if let Some(parent) = cli.with_parent
        && let Err(error) = end_with(parent)
    {
        return fail(&error, "", USAGE);
    }
    if output != Output::Table
        && let Some(what) = wordless(cli.verb.as_ref())
    {
        let hint = "leave --output away; openshell-inbox watch --output jsonl tells what happens as data";
        return fail(&format!("{what} has no answer that could be written as data"), hint, USAGE);
    }
    match cli.verb {
        None if cli.plain => on_runtime(reviewing(gateway, Start::Always, read_aloud)),
        None => show_screen(gateway, cli.look),
        Some(Verb::Reviewer(verb)) => {
            on_runtime(reviewing(gateway, Start::Never, move |door| act(verb, output, door)))
        }
        Some(Verb::Policy { verb: cli::PolicyVerb::Check(ask) }) => check(&ask, output),
        Some(Verb::Policy { verb: cli::PolicyVerb::Show(ask) }) => {
            on_runtime(reviewing(gateway, Start::Never, move |door| show_policy(ask, output, door)))
        }
        Some(Verb::Run(args)) => run(gateway, *args),
        Some(Verb::Doctor) => examine(output),
        Some(Verb::Gateway { verb }) => of_gateway(verb, gateway, output),
        Some(Verb::Demo(args)) => on_runtime(play(args)),
        Some(Verb::Completions { shell }) => {
            written(manual::completions(shell, &Cli::command(), &mut std::io::stdout()))
        }
        Some(Verb::Man(ask)) => {
            written(manual::man(Cli::command(), ask.dir.as_deref(), &mut std::io::stdout()))
        }
        Some(Verb::DemoAgent(args)) => on_runtime(async {
            demo::play_agent(args).await.unwrap_or_else(|error| fail(&error, "", REFUSED))
        }),
    }
}

/// What answers in no form of `--output`, because it is for people or is no answer at all.
fn wordless(verb: Option<&Verb>) -> Option<&'static str> {
    match verb {
        None => Some("the inbox for a person"),
        Some(Verb::Run(_)) => Some("run, whose output is the command's own,"),
        Some(Verb::Demo(_)) => Some("demo, which is told to a person,"),
        Some(Verb::Gateway { verb: GatewayVerb::Serve(_) }) => {
            Some("gateway serve, which serves and writes a log,")
        }
        Some(Verb::Completions { .. }) => Some("completions, which is a script for a shell,"),
        Some(Verb::Man(_)) => Some("man, which is a page,"),
        Some(
            Verb::Reviewer(_)
            | Verb::Policy { .. }
            | Verb::Doctor
            | Verb::Gateway { .. }
            | Verb::DemoAgent(_),
        ) => None,
    }
}

/// Whether a gateway is started where none answers. Never one that was named: who names one means that one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    Never,
    /// For a screen, and a screen needs a terminal.
    WhereSeen,
    Always,
}

/// Asks the kernel to end this process with its parent.
fn end_with(parent: i32) -> Result<(), String> {
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM))
        .map_err(|error| format!("--with-parent: {error}"))?;
    // It may have ended before the kernel was asked.
    let now = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get());
    if now == Some(parent) { Ok(()) } else { Err(format!("--with-parent: {parent} is not the parent")) }
}

fn of_gateway(verb: GatewayVerb, door: Option<PathBuf>, output: Output) -> u8 {
    let told = |done: Result<(), GatewayError>| {
        done.map_or_else(|error| fail(&error.to_string(), error.hint(), error.code()), |()| DONE)
    };
    match verb {
        GatewayVerb::Serve(args) => openshell_gateway::program(args),
        GatewayVerb::Status => on_runtime(reviewing(door, Start::Never, |door| async move {
            told(gateway::status(&door, &mut Printer::new(output, None, &mut std::io::stdout())).await)
        })),
        GatewayVerb::Stop => on_runtime(reviewing(door, Start::Never, |door| async move {
            told(gateway::stop(&door, &mut Printer::new(output, None, &mut std::io::stdout())).await)
        })),
        GatewayVerb::Config { verb: ConfigVerb::Show(args) } => show_config(&args, output),
    }
}

/// Says what this machine can isolate; 1 where it cannot.
fn examine(output: Output) -> u8 {
    if output == Output::Table {
        return doctor::print(std::io::stdout()).unwrap_or(REFUSED);
    }
    let found = doctor::examine();
    let facts: serde_json::Map<String, serde_json::Value> =
        found.facts().map(|(name, fact)| (name.to_owned(), fact.into())).collect();
    let (failure, remedy) = found.failure().unzip();
    let told = serde_json::json!({
        "isolates": found.is_supported(), "facts": facts, "failure": failure, "remedy": remedy,
    });
    let code = written(Printer::new(output, None, &mut std::io::stdout()).data(&told));
    code.max(if found.is_supported() { DONE } else { REFUSED })
}

fn show_config(args: &ServeArgs, output: Output) -> u8 {
    let mut out = std::io::stdout();
    if output == Output::Table {
        return openshell_gateway::show_config(args, ShowFormat::Toml, &mut out);
    }
    let mut json = Vec::new();
    let code = openshell_gateway::show_config(args, ShowFormat::Json, &mut json);
    match serde_json::from_slice::<serde_json::Value>(&json) {
        Ok(settings) => code.max(written(Printer::new(output, None, &mut out).data(&settings))),
        // It has said on standard error why there is nothing.
        Err(_) => code,
    }
}

/// Done, unless the output is broken. A reader that went away has seen enough.
fn written(done: std::io::Result<()>) -> u8 {
    match done {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            fail(&format!("cannot write: {error}"), "", REFUSED)
        }
        _ => DONE,
    }
}

/// Starts a command, and before it a gateway where none answers.
fn run(door: Option<PathBuf>, args: RunArgs) -> u8 {
    let mut found = None;
    let code = on_runtime(reviewing(door, Start::Always, |door| {
        found = Some(door);
        async { DONE }
    }));
    // The runtime is over by now: the supervisor has one of its own.
    found.map_or(code, |door| openshell_supervisor::program(Some(&door), args))
}

fn on_runtime(work: impl Future<Output = u8>) -> u8 {
    match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => {
            let code = runtime.block_on(work);
            // The thread that reads the terminal does not end by itself.
            runtime.shutdown_background();
            code
        }
        Err(error) => fail(&error.to_string(), "", REFUSED),
    }
}

async fn reviewing<F: Future<Output = u8>>(
    door: Option<PathBuf>,
    start: Start,
    work: impl FnOnce(PathBuf) -> F,
) -> u8 {
    // What a reviewer's process holds is the reviewer's.
    if let Err(error) = openshell_supervisor::isolation::close_to_others() {
        return fail(&format!("this process cannot be closed to others: {error}"), "", REFUSED);
    }
    if let Some(door) = door {
        return work(door).await;
    }
    let door = match default_socket() {
        Ok(door) => door,
        Err(error) => return fail(&error.to_string(), "", USAGE),
    };
    let is_seen = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    if start == Start::Always || (start == Start::WhereSeen && is_seen) {
        match start::ensure(&door).await {
            Ok(None) => {}
            Ok(Some(pid)) => announce(pid, &door),
            Err(error) => return fail(&error.to_string(), &error.hint(), UNREACHABLE),
        }
    }
    work(door).await
}

/// Says that something was left running, and how to be rid of it.
fn announce(pid: u32, door: &Path) {
    let door = crate::shown::visible(&door.display().to_string());
    eprintln!(
        "openshell-inbox: no gateway answered at {door}, so one was started (pid {pid}). It ends by itself when \
         nobody needs it, or with: openshell-inbox gateway stop"
    );
}

async fn act(verb: cli::Verb, output: Output, door: PathBuf) -> u8 {
    let mut out = std::io::stdout();
    let mut printer = Printer::new(output, cells(), &mut out);
    verbs::run(verb, &door, &mut printer).await.map_or_else(|error| failed(&error), |()| DONE)
}

async fn show_policy(ask: cli::PolicyShow, output: Output, door: PathBuf) -> u8 {
    let mut out = std::io::stdout();
    let mut printer = Printer::new(output, cells(), &mut out);
    verbs::show_policy(&ask, &door, &mut printer).await.map_or_else(|error| failed(&error), |()| DONE)
}

/// How wide the terminal is; nothing else has a width.
fn cells() -> Option<usize> {
    let is_terminal = std::io::stdout().is_terminal();
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok().filter(|_| is_terminal)?;
    Some(usize::from(size.ws_col)).filter(|cells| *cells > 0)
}

fn check(ask: &cli::PolicyCheck, output: Output) -> u8 {
    let (mut out, mut err) = (std::io::stdout().lock(), std::io::stderr().lock());
    let checked = policy::check(ask, output, &mut std::io::stdin().lock(), (&mut out, &mut err));
    drop(err);
    checked.map_or_else(|error| failed(&VerbError::from(error)), Checked::code)
}

async fn play(args: DemoArgs) -> u8 {
    match demo::run(args).await {
        Ok(Ending::Written | Ending::Rejected) => DONE,
        Ok(Ending::Left) => REFUSED,
        Err(error) => fail(&error.to_string(), "", error.exit_code()),
    }
}

/// Where the gateway listens when nobody says otherwise.
///
/// # Errors
/// [`DoorError::Homeless`] where the environment names no place for it.
pub fn default_socket() -> Result<PathBuf, DoorError> {
    default_door(|key| std::env::var_os(key))
}

/// The screen, once it is known with which keys: a mistake there is told before anything is started for it.
fn show_screen(door: Option<PathBuf>, look: Look) -> u8 {
    match config::keys() {
        Ok(keys) => on_runtime(reviewing(door, Start::WhereSeen, move |door| open(door, look, keys))),
        Err(problems) => {
            fail(&problems.join("\n"), "without the file the keys are those of the README", USAGE)
        }
    }
}

/// Tells what happens line by line, if there is a gateway that says so. Later it may go and come back.
async fn read_aloud(gateway: PathBuf) -> u8 {
    match Client::connect(&gateway).await {
        Ok(_) => written(plain::run(gateway).await),
        Err(error) => failed(&VerbError::from(error)),
    }
}

/// Opens the screen, if there is a gateway to show. Later it may go and come back.
async fn open(gateway: PathBuf, look: Look, keys: Keymap) -> u8 {
    if let Err(error) = Client::connect(&gateway).await {
        return failed(&VerbError::from(error));
    }
    let title = "openshell-inbox".to_owned();
    let options = ScreenOptions { gateway, title, look, keys, notices: None };
    match screen::run(options).await {
        Ok(Exit::Quit) => DONE,
        Ok(Exit::Signal(number)) => u8::try_from(number).unwrap_or(0).saturating_add(128),
        Err(error @ ScreenError::NoTerminal) => {
            fail(&error.to_string(), "without one: openshell-inbox list, show, approve, reject", USAGE)
        }
        Err(error) => fail(&error.to_string(), "openshell-inbox list works without a screen", 1),
    }
}

fn failed(error: &VerbError) -> u8 {
    fail(&error.to_string(), &error.hint(), error.code())
}

fn fail(message: &str, hint: &str, code: u8) -> u8 {
    let message = crate::shown::visible_lines(message).join("\n");
    let mut err = std::io::stderr().lock();
    // Where even the complaint cannot be written, the exit code says it all.
    writeln!(err, "error: {message}").unwrap_or_default();
    if !hint.is_empty() {
        writeln!(err, "hint: {}", crate::shown::visible(hint)).unwrap_or_default();
    }
    code
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
        let cli =
            Cli::try_parse_from(["x", "reject", "3f0c@abcdef", "--reason", "-no\n\"ü\"", "--gateway", "g"])
                .unwrap();
        assert_eq!(cli.options.gateway, Some(PathBuf::from("g")));
        let Some(Verb::Reviewer(cli::Verb::Reject(reject))) = cli.verb else { panic!() };
        assert_eq!(reject.reason, "-no\n\"ü\"");
        assert!(Cli::try_parse_from(["x", "reject", "3f0c"]).is_err());
        assert!(
            Cli::try_parse_from(["x", "--gateway", "g", "run", "--policy", "p", "--", "true", "--gateway"])
                .is_ok()
        );
        assert!(Cli::try_parse_from(["x", "run", "--gateway", "g", "--policy", "p", "--", "true"]).is_ok());
    }

    /// The verbs that the README shows, as they are typed.
    fn shown() -> Vec<Vec<&'static str>> {
        let lines = include_str!("../../README.md").lines();
        lines
            .filter_map(|line| line.strip_prefix("openshell-inbox "))
            .map(|line| line.split(' ').collect())
            .collect()
    }

    #[test]
    fn the_readme_shows_every_verb_and_no_other() {
        let command = Cli::command();
        let shown = shown();
        for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
            let is_named = |line: &Vec<&str>| line.first() == Some(&verb.get_name());
            let elsewhere = ["demo", "doctor", "revoke", "release"].contains(&verb.get_name());
            assert!(elsewhere || shown.iter().any(is_named), "{} is not in the README", verb.get_name());
        }
        for line in shown.iter().filter(|line| !line.first().is_none_or(|word| word.is_empty())) {
            let verb = line.first().and_then(|name| command.find_subcommand(name));
            let verb = verb.unwrap_or_else(|| panic!("{line:?} is no verb"));
            let options = line.iter().map(|word| word.trim_start_matches('[').trim_end_matches(']'));
            for option in
                options.filter_map(|word| word.strip_prefix("--")).filter(|option| !option.is_empty())
            {
                let mut known = command.get_arguments().chain(verb.get_arguments());
                let nested = |option| {
                    let mut inner = verb.get_subcommands().flat_map(clap::Command::get_arguments);
                    inner.any(|argument| argument.get_long() == Some(option))
                };
                let is_known = known.any(|argument| argument.get_long() == Some(option)) || nested(option);
                assert!(is_known, "{line:?} has --{option}, which there is not");
            }
        }
    }
}
