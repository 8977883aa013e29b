//! A gateway that starts by itself, is asked, stopped, killed, and ends by itself: with the real binary.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use rustix::process::{Pid, Signal, geteuid, getsid, kill_process};
use serde_json::Value;

/// Somebody's home, with its own runtime and state folders. No gateway outlives it.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        fs::create_dir(home.0.path().join("work")).unwrap();
        fs::write(home.path("policy.yaml"), common::POLICY).unwrap();
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn program(&self) -> Command {
        self.program_in(env!("CARGO_BIN_EXE_openshell-inbox"))
    }

    /// Any program, in this home.
    fn program_in(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env_remove("OPENSHELL_INBOX_GATEWAY");
        command.env("HOME", self.0.path()).env("TMPDIR", self.0.path()).current_dir(self.path("work"));
        for (name, folder) in
            [("XDG_RUNTIME_DIR", "run"), ("XDG_STATE_HOME", "state"), ("XDG_CONFIG_HOME", "config")]
        {
            command.env(name, self.path(folder));
        }
        command.stdin(Stdio::null());
        command
    }

    /// `run … -- true` in a sandbox of that name.
    fn run(&self, sandbox: &str) -> Command {
        let mut command = self.program();
        command.args(["run", "--sandbox", sandbox, "--isolation", "none", "--policy"]);
        command.arg(self.path("policy.yaml")).args(["--", "true"]);
        command
    }

    fn gateway(&self, verb: &str) -> Output {
        self.program().args(["--output", "json", "gateway", verb]).output().unwrap()
    }

    fn status(&self) -> Option<Value> {
        let output = self.gateway("status");
        match output.status.code() {
            Some(0) => Some(serde_json::from_slice(&output.stdout).unwrap()),
            code => {
                assert_eq!(code, Some(3), "{}", stderr(&output));
                None
            }
        }
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.status().unwrap()["pid"].as_i64().unwrap().try_into().unwrap()).unwrap()
    }

    /// How many gateways have served since the beginning.
    fn served(&self) -> usize {
        fs::read_to_string(self.path("state/openshell-inbox/gateway.log")).unwrap().matches("ready").count()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        self.gateway("stop");
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

const STARTED: &str = "so one was started (pid ";

#[test]
fn of_eight_that_start_at_once_one_starts_the_gateway_and_all_are_served() {
    let home = Home::new();
    let names: Vec<String> = (0..8).map(|n| format!("box-{n}")).collect();
    let starters: Vec<_> = names
        .iter()
        .map(|name| home.run(name).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap())
        .collect();
    let outputs: Vec<Output> = starters.into_iter().map(|child| child.wait_with_output().unwrap()).collect();
    for output in &outputs {
        assert_eq!(output.status.code(), Some(0), "{}", stderr(output));
    }
    let told = outputs.iter().filter(|output| stderr(output).contains(STARTED)).count();
    assert_eq!((told, home.served()), (1, 1), "exactly one was started, and who started it says so");
    let pid = home.pid();
    assert!(
        outputs.iter().any(|output| stderr(output).contains(&format!("(pid {}).", pid.as_raw_nonzero())))
    );
    let listed = home.status().unwrap();
    assert_eq!(listed["log_writable"], true);
    assert!(listed["events"].as_u64().unwrap() >= 8, "each run is in the one log: {listed}");
}

#[test]
fn it_is_a_session_of_its_own_that_keeps_nothing_of_its_starter() {
    let home = Home::new();
    let run = home.run("demo");
    let mut shell = home.program_in("bash");
    // A descriptor for which somebody may wait.
    shell.args(["-c", "exec 7>held; exec \"$@\"", "bash"]).arg(run.get_program()).args(run.get_args());
    let output = shell.env("GITHUB_TOKEN", "ghp_not_for_the_gateway").output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let pid = home.pid();
    assert_eq!(getsid(Some(pid)).unwrap(), pid);
    let proc = PathBuf::from(format!("/proc/{}", pid.as_raw_nonzero()));
    assert_eq!(home.status().unwrap()["idle_exit_ms"], 600_000);
    if !geteuid().is_root() {
        // Nobody of the same user looks into it either, so there is nothing more to see.
        assert!(fs::read(proc.join("environ")).is_err() && fs::read_dir(proc.join("fd")).is_err());
        return;
    }
    let environment = fs::read(proc.join("environ")).unwrap();
    let has = |text: &str| environment.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(!has("ghp_not") && has("XDG_RUNTIME_DIR"));
    assert_eq!(fs::read_link(proc.join("cwd")).unwrap(), PathBuf::from("/"));
    assert_eq!(fs::read_link(proc.join("fd/0")).unwrap(), PathBuf::from("/dev/null"));
    let held = home.path("work/held").canonicalize().unwrap();
    let open = fs::read_dir(proc.join("fd")).unwrap().flatten();
    assert!(open.map(|fd| fs::read_link(fd.path()).unwrap_or_default()).all(|file| file != held));
}

#[test]
fn status_and_stop_tell_what_they_found_and_a_stopped_gateway_is_gone() {
    let home = Home::new();
    assert_eq!(home.gateway("stop").status.code(), Some(3), "there is none");
    assert!(home.run("demo").output().unwrap().status.success());
    common::until("the run to be gone", || (home.status()?["attached"] == 0).then_some(()));
    let table = home.program().args(["gateway", "status"]).output().unwrap();
    let text = String::from_utf8(table.stdout).unwrap();
    for wanted in [
        "gateway    pid ",
        "/run/openshell-inbox/gateway.sock",
        "inbox.db · ",
        "attached   0 sandboxes",
        "idle exit  after 10m",
    ] {
        assert!(text.contains(wanted), "{wanted}: {text}");
    }
    let pid = home.pid();
    let stopped = home.gateway("stop");
    assert_eq!(stopped.status.code(), Some(0), "{}", stderr(&stopped));
    let told: Value = serde_json::from_slice(&stopped.stdout).unwrap();
    assert_eq!(told["stopped"], pid.as_raw_nonzero().get());
    assert!(home.status().is_none() && !home.path("run/openshell-inbox/gateway.sock").exists());
    // The log is closed and free: the next one has it at once.
    assert!(home.run("demo").output().unwrap().status.success());
    assert_ne!(home.pid(), pid);
}

#[test]
fn a_killed_gateway_leaves_sockets_that_are_in_nobodys_way() {
    let home = Home::new();
    assert!(home.run("demo").output().unwrap().status.success());
    let events = home.status().unwrap()["events"].as_u64().unwrap();
    kill_process(home.pid(), Signal::KILL).unwrap();
    common::until("the gateway to be gone", || home.status().is_none().then_some(()));
    assert!(home.path("run/openshell-inbox/gateway.sock").exists(), "it had no time to clean up");
    let again = home.run("demo").output().unwrap();
    assert!(again.status.success() && stderr(&again).contains(STARTED), "{}", stderr(&again));
    assert!(home.status().unwrap()["events"].as_u64().unwrap() > events, "the log goes on where it was");
}

#[test]
fn it_ends_by_itself_when_nobody_needs_it_and_the_settings_say_when() {
    let home = Home::new();
    // Long enough for a supervisor to attach on a busy machine.
    let run = home.run("demo").env("OPENSHELL_GATEWAY_IDLE_EXIT", "5s").output().unwrap();
    assert!(run.status.success(), "{}", stderr(&run));
    common::until("the gateway's own end", || home.status().is_none().then_some(()));
    let log = common::until("the log to be closed", || {
        let log = fs::read_to_string(home.path("state/openshell-inbox/gateway.log")).unwrap();
        log.trim_end().ends_with("stopped").then_some(log)
    });
    assert!(log.contains("nobody was here"), "{log}");
    assert!(!home.path("run/openshell-inbox/gateway.sock").exists());
}

#[test]
fn a_mistake_in_the_configuration_is_told_before_a_gateway_is_started() {
    let home = Home::new();
    fs::create_dir_all(home.path("config/openshell-inbox")).unwrap();
    fs::write(home.path("config/openshell-inbox/config.toml"), "[keys]\nno-such-action = \"x\"\n").unwrap();
    let (mut pty, pts) = pty_process::blocking::open().unwrap();
    let mut screen = pty_process::blocking::Command::new(env!("CARGO_BIN_EXE_openshell-inbox"));
    for (name, value) in home.program().get_envs() {
        screen = match value {
            Some(value) => screen.env(name, value),
            None => screen.env_remove(name),
        };
    }
    let mut child = screen.spawn(pts).unwrap();
    let mut told = Vec::new();
    // A terminal whose other end is closed ends with an error, after all that was written to it.
    let _: std::io::Result<usize> = std::io::Read::read_to_end(&mut pty, &mut told);
    let told = String::from_utf8_lossy(&told);
    assert_eq!(child.wait().unwrap().code(), Some(2), "{told}");
    assert!(told.contains("config.toml:2:") && !told.contains(STARTED), "{told}");
    assert!(home.status().is_none() && !home.path("state/openshell-inbox/gateway.log").exists());
}

#[test]
fn a_gateway_that_was_named_is_never_started() {
    let home = Home::new();
    let nobody = home.path("nobody.sock");
    let mut flag = home.program();
    flag.arg("--gateway").arg(&nobody).args(["run", "--isolation", "none", "--policy"]);
    flag.arg(home.path("policy.yaml")).args(["--", "true"]);
    let mut variable = home.run("demo");
    variable.env("OPENSHELL_INBOX_GATEWAY", &nobody);
    let mut list = home.program();
    list.arg("list");
    for mut command in [flag, variable, list] {
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
        assert!(stderr(&output).contains("openshell-gateway serve"), "{}", stderr(&output));
    }
    assert!(!home.path("state/openshell-inbox/gateway.log").exists(), "nothing was started");
}

#[test]
fn why_it_could_not_be_started_is_told_at_once() {
    let home = Home::new();
    let state = home.path("state/openshell-inbox");
    fs::create_dir_all(&state).unwrap();
    fs::write(state.join("inbox.db"), "some other program's file, and long enough for a header".repeat(20))
        .unwrap();
    let output = home.run("demo").output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let text = stderr(&output);
    assert!(text.contains("is not an openshell-inbox event log") && text.contains("gateway.log"), "{text}");
}

#[test]
fn a_demo_that_is_killed_takes_its_processes_with_it() {
    let home = Home::new();
    let mut demo = home
        .program()
        .args(["demo", "--auto", "--client", "builtin"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 16];
    std::io::Read::read_exact(demo.stdout.as_mut().unwrap(), &mut first).unwrap();
    demo.kill().unwrap();
    demo.wait().unwrap();
    // Whatever belongs to it names the demo's folder on its command line.
    let folder = home.path("openshell-demo-");
    common::until("the demo's processes to end", || {
        let is_ours = |command: Vec<u8>| String::from_utf8_lossy(&command).contains(folder.to_str().unwrap());
        let processes = fs::read_dir("/proc").unwrap().flatten();
        let mut commands = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
        (!commands.any(is_ours)).then_some(())
    });
}
