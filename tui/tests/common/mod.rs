//! The real binaries for a test: a gateway, a supervisor, and inside it a shell that asks what the test says.
//!
//! The shell speaks HTTP over `/dev/tcp`, so that the tests need no client program. What is waited for is a
//! condition with a deadline. The command is isolated, as it is by default, where this machine can do that; what must
//! not be isolated says so.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part")]
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_debug_implementations,
    reason = "a test's deadline is real time, and a test that cannot go on has failed"
)]

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long a condition may take before the test fails.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// The front binary, which is gateway and supervisor too: always the one of this build.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_openshell-inbox"));
    command.env_remove("OPENSHELL_INBOX_GATEWAY");
    command
}

/// Without a wall: for what is about that, or needs the host's own paths.
pub const NONE: [&str; 2] = ["--isolation", "none"];

/// Whether this machine can isolate; asked once.
pub fn is_able() -> bool {
    static ABLE: OnceLock<bool> = OnceLock::new();
    *ABLE.get_or_init(|| {
        let doctor = program().arg("doctor").output().unwrap();
        if !doctor.status.success() {
            eprintln!("this machine cannot isolate:\n{}", String::from_utf8_lossy(&doctor.stdout));
        }
        doctor.status.success()
    })
}

/// A folder that everybody may write, since an isolated command is not root even where the test is.
pub fn shared_folder(path: PathBuf) -> PathBuf {
    fs::create_dir_all(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
    path
}

/// Waits until `check` gives something.
pub fn until<T>(what: &str, mut check: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = check() {
            return found;
        }
        assert!(Instant::now() < end, "waited too long: {what}");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

/// A folder with a gateway in it.
pub struct World {
    pub folder: tempfile::TempDir,
    gateway: Child,
}

impl World {
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let gateway = start_gateway(folder.path());
        let world = Self { folder, gateway };
        shared_folder(world.work(""));
        world
    }

    pub fn door(&self) -> PathBuf {
        self.folder.path().join("gateway.sock")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A place in the working directory, which an isolated command sees.
    pub fn work(&self, name: &str) -> PathBuf {
        self.path("work").join(name)
    }

    pub fn gateway_pid(&self) -> u32 {
        self.gateway.id()
    }

    /// `kill -9`.
    pub fn kill_gateway(&mut self) {
        self.gateway.kill().unwrap();
        self.gateway.wait().unwrap();
    }

    pub fn restart_gateway(&mut self) {
        self.gateway = start_gateway(self.folder.path());
    }

    /// A verb of the inbox, without a screen.
    pub fn inbox(&self, arguments: &[&str]) -> Output {
        program().arg("--gateway").arg(self.door()).args(arguments).output().unwrap()
    }

    /// Like [`Self::inbox`], which must succeed and print JSON.
    pub fn inbox_json(&self, arguments: &[&str]) -> Value {
        let output = self.inbox(&[&["--output", "json"], arguments].concat());
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// A supervisor with the asking shell in it.
    pub fn sandbox(&self, name: &str, options: &[&str]) -> Sandbox {
        Sandbox::start(self, name, options)
    }

    /// `openshell-supervisor run … -- COMMAND`, to its end.
    pub fn run(&self, name: &str, policy: &str, options: &[&str], command: &[&str]) -> Output {
        let file = self.path(&format!("{name}.yaml"));
        fs::write(&file, policy).unwrap();
        self.supervisor(name, &file, options).arg("--").args(command).stdin(Stdio::null()).output().unwrap()
    }

    pub fn supervisor(&self, name: &str, policy: &Path, options: &[&str]) -> Command {
        let mut command = program();
        // What a supervisor that is killed leaves behind goes away with the world.
        command.env("TMPDIR", self.folder.path()).current_dir(self.work(""));
        command.arg("run").arg("--gateway").arg(self.door()).arg("--policy").arg(policy);
        command.arg("--sandbox").arg(name).arg("--log-dir").arg(self.path(&format!("log-{name}")));
        if !is_able() && !options.contains(&"--isolation") {
            command.args(NONE);
        }
        command.args(options);
        command
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.gateway.kill();
        let _ = self.gateway.wait();
    }
}

fn start_gateway(folder: &Path) -> Child {
    let door = folder.join("gateway.sock");
    let gateway = program()
        // Shorter than DEADLINE, and long enough for a supervisor to come back to a gateway that was started anew.
        .args(["gateway", "serve", "--run-grace", "10s", "--db"])
        .arg(folder.join("inbox.db"))
        .arg("--socket")
        .arg(&door)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(fs::File::create(folder.join("gateway.log")).unwrap())
        .spawn()
        .unwrap();
    until("the gateway's doors", || UnixStream::connect(&door).ok());
    until("the sandbox door", || UnixStream::connect(folder.join("gateway.sock.sandbox")).ok());
    gateway
}

/// Reads `N METHOD TARGET HOST BODYFILE` lines and sends each as a request through the proxy, all at once; the
/// answer goes to the file `N`. `0 HANGUP N` ends what asks for the N-th.
const SHELL: &str = r#"
proxy=${http_proxy#http://}
echo "$proxy" > "$1/proxy.tmp"; mv "$1/proxy.tmp" "$1/proxy"
while read -r n method target host body; do
  if [ "$method" = HANGUP ]; then kill "${asking[$target]}"; continue; fi
  (
    # From here on nothing but builtins: a child would hold the connection too, and be a caller beside the shell.
    content=$(cat "$body"; printf x); content=${content%x}
    LC_ALL=C size=${#content}
    [ "$method" != CONNECT ] || size=0
    exec 3<>"/dev/tcp/${proxy%:*}/${proxy##*:}"
    printf '%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\nContent-Length: %s\r\n\r\n%s' "$method" "$target" "$host" "$size" "$content" >&3
    # Line by line, so that a part of an answer can be waited for.
    { while IFS= read -r -u 3 line; do printf '%s\n' "$line"; done; printf %s "$line"; } > "$1/$n.tmp"
    mv "$1/$n.tmp" "$1/$n"
  ) &
  asking[n]=$!
done
wait
"#;

/// A supervisor with a shell that asks.
pub struct Sandbox {
    child: Child,
    stdin: Option<ChildStdin>,
    folder: PathBuf,
    next: usize,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Value,
}

/// A request under way.
#[derive(Debug, Clone, Copy)]
pub struct Asked(usize);

impl Asked {
    /// Its place among the requests of its sandbox.
    pub fn number(self) -> usize {
        self.0
    }
}

/// A policy under which one host may be read and nothing else happens.
pub const POLICY: &str = "version: 1\nnetwork_policies:\n  docs:\n    endpoints:\n      - {host: docs.invalid, port: 80, protocol: rest, enforcement: enforce, access: read-only}\n    binaries: [{path: \"/**\"}]\n";

impl Sandbox {
    fn start(world: &World, name: &str, options: &[&str]) -> Self {
        let folder = shared_folder(world.work(&format!("answers-{name}")));
        let policy = world.path(&format!("{name}.yaml"));
        fs::write(&policy, POLICY).unwrap();
        let mut child = world
            .supervisor(name, &policy, options)
            .args(["--", "bash", "-c", SHELL, "asker"])
            .arg(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(fs::File::create(world.path(&format!("{name}.log"))).unwrap())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take();
        let sandbox = Self { child, stdin, folder, next: 0 };
        until("the sandbox's shell", || sandbox.folder.join("proxy").exists().then_some(()));
        sandbox
    }

    /// Where the proxy listens.
    pub fn proxy(&self) -> String {
        fs::read_to_string(self.folder.join("proxy")).unwrap().trim().to_owned()
    }

    /// Sends a request; its answer is waited for with [`Self::answer`].
    pub fn ask(&mut self, method: &str, url: &str, body: &str) -> Asked {
        self.next += 1;
        let file = self.folder.join(format!("{}.body", self.next));
        fs::write(&file, body).unwrap();
        let host = url.trim_start_matches("http://").split('/').next().unwrap().to_owned();
        let line = format!("{} {method} {url} {host} {}\n", self.next, file.display());
        self.stdin.as_mut().unwrap().write_all(line.as_bytes()).unwrap();
        Asked(self.next)
    }

    /// Ends what asks, in the middle of its question.
    pub fn hang_up(&mut self, asked: Asked) {
        let line = format!("0 HANGUP {} - -\n", asked.0);
        self.stdin.as_mut().unwrap().write_all(line.as_bytes()).unwrap();
    }

    pub fn has_answer(&self, asked: Asked) -> bool {
        self.folder.join(asked.0.to_string()).exists()
    }

    pub fn answer(&self, asked: Asked) -> Answer {
        let path = self.folder.join(asked.0.to_string());
        let text = until("an answer", || fs::read_to_string(&path).ok());
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or_default();
        Answer { status, head: head.to_owned(), body: serde_json::from_str(body).unwrap_or(Value::Null) }
    }

    pub fn get(&mut self, url: &str) -> Answer {
        let asked = self.ask("GET", url, "");
        self.answer(asked)
    }

    pub fn post(&mut self, url: &str, body: &str) -> Answer {
        let asked = self.ask("POST", url, body);
        self.answer(asked)
    }

    /// Submits a rule for one path and gives the proposal's id.
    pub fn submit(&mut self, path: &str, summary: &str) -> String {
        let answer = self.post("http://policy.local/v1/proposals", &proposal(path, summary).to_string());
        assert_eq!(answer.status, 202, "{answer:?}");
        answer.body["accepted_chunk_ids"][0].as_str().unwrap().to_owned()
    }

    /// Begins to wait for a decision.
    pub fn wait(&mut self, id: &str, seconds: u32) -> Asked {
        self.ask("GET", &format!("http://policy.local/v1/proposals/{id}/wait?timeout={seconds}"), "")
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The body of a proposal to PUT one path of `docs.invalid`.
pub fn proposal(path: &str, summary: &str) -> Value {
    serde_json::json!({"intent_summary": summary, "operations": [{"addRule": {"ruleName": "put_docs", "rule": {
        "endpoints": [{"host": "docs.invalid", "port": 80, "protocol": "rest", "enforcement": "enforce",
            "rules": [{"allow": {"method": "PUT", "path": path}}]}],
        "binaries": [{"path": "/usr/bin/curl"}],
    }}}]})
}
