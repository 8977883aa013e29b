//! A machine for tests of the real binary: a gateway of a few lines, a home with something to lose, a working
//! directory, and the supervisor started in it, as this user or as another.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    reason = "for tests, each of which uses its own part"
)]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::PathBuf;
use std::pin::Pin;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use openshell_domain::policy::read::policy_from_yaml;
use openshell_wire::pb::inbox as pb;
use openshell_wire::pb::inbox::directive::Directive as Told;
use openshell_wire::pb::inbox::supervisor_server::{Supervisor, SupervisorServer};
use tempfile::TempDir;
use tokio_stream::wrappers::{ReceiverStream, UnixListenerStream};
use tonic::{Request, Response, Status, Streaming};

/// The user that a test started as root plays as well.
pub(crate) const NOBODY: u32 = 65534;

/// A gateway that puts every policy in force and remembers who said hello.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gateway {
    pub(crate) hellos: Arc<Mutex<Vec<pb::Hello>>>,
}

#[tonic::async_trait]
impl Supervisor for Gateway {
    type AttachStream = Pin<Box<dyn tokio_stream::Stream<Item = Result<pb::Directive, Status>> + Send>>;

    async fn attach(
        &self,
        request: Request<Streaming<pb::Report>>,
    ) -> Result<Response<Self::AttachStream>, Status> {
        let mut reports = request.into_inner();
        let Some(pb::Report { report: Some(pb::report::Report::Hello(hello)) }) = reports.message().await?
        else {
            return Err(Status::invalid_argument("no hello"));
        };
        let policy = policy_from_yaml(&hello.policy_yaml).unwrap().policy;
        let revision = pb::PolicyRevision {
            revision: 1,
            hash: policy.hash().to_string(),
            policy: Some((&policy).into()),
            grants: Vec::new(),
            nothing_removed_since: 0,
        };
        let advisor = hello.advisor;
        self.hellos.lock().unwrap().push(hello);
        let (send, directives) = tokio::sync::mpsc::channel(8);
        let advisor = pb::Setting {
            key: "agent_policy_proposals_enabled".into(),
            value: advisor.to_string(),
            origin: "sandbox".into(),
        };
        let settings = pb::Settings { settings: vec![advisor] };
        for told in [
            Told::Accepted(pb::Accepted { run_secret: vec![1; 32] }),
            Told::Settings(settings),
            Told::Policy(revision),
            Told::Outcomes(pb::Outcomes { proposals: Vec::new(), complete: true }),
        ] {
            send.send(Ok(pb::Directive { directive: Some(told) })).await.unwrap();
        }
        tokio::spawn(async move {
            while let Ok(Some(_)) = reports.message().await {}
            drop(send);
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(directives))))
    }

    async fn submit_proposals(
        &self,
        _: Request<pb::SubmitProposalsRequest>,
    ) -> Result<Response<pb::SubmitProposalsResponse>, Status> {
        Err(Status::unavailable("not this one"))
    }

    async fn prove_proposals(
        &self,
        _: Request<pb::SubmitProposalsRequest>,
    ) -> Result<Response<pb::ProveProposalsResponse>, Status> {
        Err(Status::unavailable("not this one"))
    }

    async fn withdraw_proposal(
        &self,
        _: Request<pb::WithdrawProposalRequest>,
    ) -> Result<Response<pb::WithdrawProposalResponse>, Status> {
        Err(Status::unavailable("not this one"))
    }

    async fn spend_once(
        &self,
        _: Request<pb::SpendOnceRequest>,
    ) -> Result<Response<pb::SpendOnceResponse>, Status> {
        Err(Status::unavailable("not this one"))
    }

    async fn end_run(&self, _: Request<pb::EndRunRequest>) -> Result<Response<pb::EndRunResponse>, Status> {
        Ok(Response::new(pb::EndRunResponse {}))
    }
}

/// One machine.
pub(crate) struct World {
    pub(crate) folder: TempDir,
    pub(crate) gateway: Gateway,
    pub(crate) user: u32,
    pub(crate) runtime: tokio::runtime::Runtime,
    binary: PathBuf,
}

impl World {
    /// A machine on which `user` starts the supervisor; things belong to the user that the command will be.
    pub(crate) fn new(user: u32) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let folder = tempfile::Builder::new().prefix("osi-").tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let gateway = Gateway::default();
        let binary = folder.path().join("work/bin/openshell-supervisor");
        let world = Self { folder, gateway, user, runtime, binary };
        for name in [
            "home/.ssh",
            "home/.config",
            "home/.docker/run",
            "home/.local/state/openshell-inbox",
            "runtime",
            "work/.git/hooks",
            "work/bin",
            "doors",
        ] {
            fs::create_dir_all(world.at(name)).unwrap();
        }
        // As a developer of this repository would have it: in the working directory.
        // By another process: a thread that starts a program meanwhile would pass our open file on, and it could not
        // be executed ("text file busy").
        let copied =
            Command::new("cp").arg(env!("CARGO_BIN_EXE_openshell-supervisor")).arg(&world.binary).status();
        assert!(copied.unwrap().success());
        fs::write(world.at("home/.ssh/id"), "private key").unwrap();
        fs::write(world.at("home/.bashrc"), "# mine\n").unwrap();
        fs::write(world.at("work/.git/config"), "[core]\n").unwrap();
        fs::write(world.at("work/.git/HEAD"), "ref: refs/heads/main\n").unwrap();
        fs::write(world.at("policy.yaml"), include_str!("policy.yaml")).unwrap();
        let listener = world
            .runtime
            .block_on(async { tokio::net::UnixListener::bind(world.at("doors/g.sandbox")).unwrap() });
        // The reviewers' door: nobody answers there in these tests, but there is something to connect to.
        let reviewers = std::os::unix::net::UnixListener::bind(world.at("doors/g")).unwrap();
        std::thread::spawn(move || {
            for stream in reviewers.incoming() {
                let _ = stream.map(|mut stream| std::io::Write::write_all(&mut stream, b"hello\n"));
            }
        });
        let service = SupervisorServer::new(world.gateway.clone());
        world.runtime.spawn(
            tonic::transport::Server::builder()
                .add_service(service)
                .serve_with_incoming(UnixListenerStream::new(listener)),
        );
        world.give_away();
        world
    }

    /// Everything belongs to whom the command will be, also when root starts it.
    pub(crate) fn give_away(&self) {
        if rustix::process::geteuid().is_root() {
            let owner = if self.user == 0 { NOBODY } else { self.user };
            let status = Command::new("chown")
                .arg("-R")
                .arg(format!("{owner}:{owner}"))
                .arg(self.folder.path())
                .status();
            assert!(status.unwrap().success());
            chown(self.folder.path(), Some(0), Some(0)).unwrap();
        }
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `openshell-supervisor` with these arguments in the working directory, as the user of this world.
    pub(crate) fn supervisor(&self, arguments: &[&str]) -> Command {
        let mut command = self.plain(self.binary.to_str().unwrap());
        command.args(arguments);
        command
    }

    /// `openshell-supervisor run … -- command`, isolated as it is by default.
    pub(crate) fn run(&self, options: &[&str], command: &[&str]) -> Command {
        let mut run = self.supervisor(&["run", "--gateway", self.at("doors/g").to_str().unwrap()]);
        run.arg("--policy").arg(self.at("policy.yaml"));
        run.args(options).arg("--").args(command);
        run
    }

    /// Any program as the user of this world, in the same surroundings but outside.
    pub(crate) fn plain(&self, program: &str) -> Command {
        self.plain_as(self.user, program)
    }

    /// The same as somebody else, which only root can play.
    pub(crate) fn plain_as(&self, user: u32, program: &str) -> Command {
        let mut command = if user == rustix::process::geteuid().as_raw() {
            Command::new(program)
        } else {
            let mut command = Command::new("setpriv");
            command.args([&format!("--reuid={user}"), &format!("--regid={user}"), "--clear-groups", program]);
            command
        };
        command
            .current_dir(self.at("work"))
            .env("HOME", self.at("home"))
            .env("XDG_STATE_HOME", self.at("home/.local/state"))
            .env("XDG_RUNTIME_DIR", self.at("runtime"))
            .env_remove("XDG_CONFIG_HOME")
            .env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
            .stdin(Stdio::null());
        command
    }
}

/// Who the tests play: this user, and as root an ordinary one as well.
pub(crate) fn users() -> Vec<u32> {
    match rustix::process::geteuid().as_raw() {
        0 => vec![0, NOBODY],
        own => vec![own],
    }
}

/// Whether this machine can do what these tests are about; says so where it cannot. The kernel and the programs of a
/// machine are not this repository's to mend.
pub(crate) fn is_able() -> bool {
    let doctor = Command::new(env!("CARGO_BIN_EXE_openshell-supervisor")).arg("doctor").output().unwrap();
    let missing: Vec<&str> = ["/usr/bin/curl", "/usr/bin/bash", "/usr/bin/setpriv"]
        .into_iter()
        .filter(|program| !std::path::Path::new(program).exists())
        .collect();
    if doctor.status.success() && missing.is_empty() {
        return true;
    }
    eprintln!("skipped: missing {missing:?}\n{}", String::from_utf8_lossy(&doctor.stdout));
    false
}

/// This machine's own addresses, v4 and v6; empty where it has none.
pub(crate) fn own_addresses() -> (String, String) {
    let output =
        Command::new("hostname").arg("-I").output().map(|o| String::from_utf8_lossy(&o.stdout).into_owned());
    let all: Vec<String> = output.unwrap_or_default().split_whitespace().map(ToOwned::to_owned).collect();
    let pick = |v6: bool| all.iter().find(|a| a.contains(':') == v6).cloned().unwrap_or_default();
    (pick(false), pick(true))
}

/// Many scripts are written in it.
pub(crate) fn has_python() -> bool {
    let is_there = std::path::Path::new("/usr/bin/python3").exists();
    if !is_there {
        eprintln!("skipped: there is no /usr/bin/python3 on this machine");
    }
    is_there
}

/// Runs to the end, but not longer than `seconds`.
pub(crate) fn finish(mut command: Command, seconds: u64) -> Output {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    finish_child(child, seconds)
}

pub(crate) fn finish_child(child: Child, seconds: u64) -> Output {
    let pid = rustix::process::Pid::from_raw(child.id().cast_signed()).unwrap();
    let (done, wait) = std::sync::mpsc::sync_channel::<()>(1);
    let killer = std::thread::spawn(move || {
        if wait.recv_timeout(Duration::from_secs(seconds)).is_err() {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    });
    let output = child.wait_with_output().unwrap();
    let _ = done.send(());
    killer.join().unwrap();
    output
}

/// What was printed.
pub(crate) fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Waits until a claim holds.
pub(crate) fn until(what: &str, claim: impl Fn() -> bool) {
    for _ in 0..3000 {
        if claim() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("not in time: {what}");
}

/// Starts a command that says `ready`, and waits for the word.
pub(crate) fn started(mut command: Command) -> Child {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut word = [0; 6];
    child.stdout.as_mut().unwrap().read_exact(&mut word).unwrap();
    assert_eq!(&word, b"ready\n");
    child
}

/// Processes whose program, arguments or working directory is of this world.
pub(crate) fn processes(world: &World) -> Vec<String> {
    let ours = world.folder.path().to_string_lossy().into_owned();
    let all = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| {
        let line = fs::read(entry.path().join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        let exe =
            fs::read_link(entry.path().join("exe")).map(|exe| exe.display().to_string()).unwrap_or_default();
        let is_there = fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(&ours));
        (is_there || line.contains(&ours) || exe.contains(&ours)).then_some(line)
    });
    all.collect()
}

/// An origin that answers every request with `UPSTREAM`; gives the `--resolve` that leads to it.
pub(crate) fn origin() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || serve(stream));
        }
    });
    format!("up.example:80:127.0.0.1:{port}")
}

fn serve(mut stream: TcpStream) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    while let Some(Ok(line)) = lines.next() {
        if line.is_empty() {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nUPSTREAM\n");
        }
    }
}
