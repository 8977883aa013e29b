//! The stage: a folder, and in it a gateway, an origin and a supervisor with the agent, each a real process.
//!
//! All of them are this same program, started anew, so that the demo needs one binary. Nothing outlives the stage.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use openshell_supervisor::isolation::doctor;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

use super::agent::{ClientKind, Step, client::CURL};
use super::mask::Mask;
use super::origin::{Origin, base64};
use super::{DemoArgs, DemoError};
use crate::client::Client;

/// The sandbox's name.
pub(super) const SANDBOX: &str = "policy-demo";
/// The agent's working directory.
const WORK: &str = "work";
/// How long the gateway may take to open its doors.
const DOOR_DEADLINE: Duration = Duration::from_secs(10);
/// How long a process may take to end when it is asked to.
const GRACE: Duration = Duration::from_secs(3);

/// Everything that runs.
pub(super) struct Stage {
    folder: TempDir,
    origin: Origin,
    gateway: Child,
    supervisor: Child,
    token: String,
    host: String,
    path: String,
    method: String,
    client: ClientKind,
    content: Vec<u8>,
    is_isolated: bool,
}

impl Stage {
    /// Starts everything; the agent's steps come through the receiver, which ends with the agent.
    pub(super) async fn set(args: &DemoArgs) -> Result<(Self, mpsc::Receiver<Step>), DemoError> {
        let folder = tempfile::Builder::new().prefix("openshell-demo-").tempdir().map_err(stage_error)?;
        let run_id = random_hex(4)?;
        let token = format!("ghp_{}", random_hex(18)?);
        let path = args.path.clone().unwrap_or_else(|| {
            format!(
                "/repos/octo-demo/openshell-policy-demo/contents/openshell-policy-advisor-demo/{run_id}.md"
            )
        });
        let client = args.client.unwrap_or_else(ClientKind::detect);
        let content =
            format!("# openshell-inbox\n\nWritten by the demo's agent, run {run_id}.\n").into_bytes();
        let origin = Origin::start(&args.host, &token).map_err(stage_error)?;
        let program = install_program(folder.path())?;
        write_files(folder.path(), args, (client, &program), &origin, &content)?;
        let is_isolated =
            tokio::task::spawn_blocking(|| doctor::examine().is_supported()).await.map_err(stage_error)?;
        let gateway = start_gateway(folder.path())?;
        wait_for_door(&folder.path().join("gateway.sock")).await?;
        let url = format!("https://{}{path}", args.host);
        let scene = Scene {
            folder: folder.path(),
            program: &program,
            origin: &origin,
            token: &token,
            url: &url,
            client,
            is_isolated,
        };
        let (supervisor, steps) = start_supervisor(&scene, args)?;
        let method = args.method.to_ascii_uppercase();
        let host = args.host.clone();
        let stage = Self {
            folder,
            origin,
            gateway,
            supervisor,
            token,
            host,
            path,
            method,
            client,
            content,
            is_isolated,
        };
        Ok((stage, steps))
    }

    pub(super) fn door(&self) -> PathBuf {
        self.folder.path().join("gateway.sock")
    }

    pub(super) fn origin(&self) -> &Origin {
        &self.origin
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn method(&self) -> &str {
        &self.method
    }

    pub(super) fn client(&self) -> ClientKind {
        self.client
    }

    /// Whether the proxy is the agent's only way out.
    pub(super) fn is_isolated(&self) -> bool {
        self.is_isolated
    }

    pub(super) fn content(&self) -> &[u8] {
        &self.content
    }

    /// The sandbox's policy log.
    pub(super) fn policy_log(&self) -> String {
        let files = std::fs::read_dir(self.folder.path().join("log")).into_iter().flatten().flatten();
        let mut paths: Vec<PathBuf> = files.map(|file| file.path()).collect();
        paths.sort();
        paths.iter().filter_map(|path| std::fs::read_to_string(path).ok()).collect()
    }

    /// The ends of all logs, without secrets.
    pub(super) fn log_tails(&self) -> Vec<(&'static str, String)> {
        let mask = Mask::new([self.token.as_str()]);
        let read = |name: &str| std::fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
        [
            ("gateway", read("gateway.log")),
            ("supervisor and agent", read("supervisor.log")),
            ("policy log", self.policy_log()),
        ]
        .map(|(name, text)| (name, mask.tail(&text, 20)))
        .to_vec()
    }

    /// Ends everything, the supervisor first.
    pub(super) async fn strike(&mut self) {
        for child in [&mut self.supervisor, &mut self.gateway] {
            end(child).await;
        }
    }
}

/// Asks a process to end, and ends it when it does not.
async fn end(child: &mut Child) {
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(rustix::process::Pid::from_raw);
    if let Some(pid) = pid {
        // It may have ended by itself just now.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    }
    if tokio::time::timeout(GRACE, child.wait()).await.is_err() {
        child.kill().await.unwrap_or_default();
    }
}

fn stage_error(error: impl std::fmt::Display) -> DemoError {
    DemoError::Stage(error.to_string())
}

fn random_hex(bytes: usize) -> Result<String, DemoError> {
    let mut random = vec![0; bytes];
    getrandom::fill(&mut random).map_err(stage_error)?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// This program, as it was started; under its own name also where it was replaced meanwhile.
fn this_program() -> Result<PathBuf, DemoError> {
    std::env::current_exe().map_err(stage_error)
}

/// This program, to be started anew. Where the demo is killed and cannot clean up, the kernel ends it too.
fn this_program_anew() -> Result<Command, DemoError> {
    let mut command = Command::new(this_program()?);
    command.arg("--with-parent").arg(std::process::id().to_string());
    Ok(command)
}

/// Puts this program into the agent's working directory, the one place of ours that it sees.
fn install_program(folder: &Path) -> Result<PathBuf, DemoError> {
    let work = folder.join(WORK);
    std::fs::create_dir(&work).map_err(stage_error)?;
    let program = work.join("demo-agent");
    std::fs::copy(this_program()?, &program).map_err(stage_error)?;
    std::fs::canonicalize(program).map_err(stage_error)
}

fn write_files(
    folder: &Path,
    args: &DemoArgs,
    (client, program): (ClientKind, &Path),
    origin: &Origin,
    content: &[u8],
) -> Result<(), DemoError> {
    let host = &args.host;
    let binary = match client {
        ClientKind::Curl => std::fs::canonicalize(CURL).map_err(stage_error)?,
        ClientKind::Builtin => program.to_owned(),
    };
    // JSON texts are YAML texts too.
    let quote = |text: &str| serde_json::Value::from(text).to_string();
    let policy = format!(
        "version: 1\nnetwork_policies:\n  {}:\n    endpoints:\n      - host: {}\n        port: 443\n        protocol: rest\n        enforcement: enforce\n        access: read-only\n    binaries:\n      - path: {}\n",
        policy_name(host),
        quote(host),
        quote(&binary.to_string_lossy()),
    );
    let body = serde_json::json!({"message": "demo: one file", "content": base64::encode(content), "branch": "main"});
    for (name, text) in [
        ("policy.yaml", policy),
        ("origin-ca.pem", origin.ca_pem().to_owned()),
        ("work/body.json", body.to_string()),
    ] {
        std::fs::write(folder.join(name), text).map_err(stage_error)?;
    }
    Ok(())
}

/// `github_api_readonly` for the host that everybody knows, else a name made of the host.
fn policy_name(host: &str) -> String {
    if host == "api.github.com" {
        return "github_api_readonly".to_owned();
    }
    let plain: String =
        host.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).take(50).collect();
    format!("{plain}_readonly")
}

fn start_gateway(folder: &Path) -> Result<Child, DemoError> {
    let log = std::fs::File::create(folder.join("gateway.log")).map_err(stage_error)?;
    this_program_anew()?
        .args(["gateway", "serve", "--db"])
        .arg(folder.join("inbox.db"))
        .arg("--socket")
        .arg(folder.join("gateway.sock"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .map_err(stage_error)
}

async fn wait_for_door(door: &Path) -> Result<(), DemoError> {
    let opened = async {
        while Client::connect(door).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(DOOR_DEADLINE, opened)
        .await
        .map_err(|_| stage_error("the gateway did not open its door"))
}

/// What the supervisor is started with.
struct Scene<'a> {
    folder: &'a Path,
    program: &'a Path,
    origin: &'a Origin,
    token: &'a str,
    url: &'a str,
    client: ClientKind,
    is_isolated: bool,
}

fn start_supervisor(scene: &Scene<'_>, args: &DemoArgs) -> Result<(Child, mpsc::Receiver<Step>), DemoError> {
    let log = std::fs::File::create(scene.folder.join("supervisor.log")).map_err(stage_error)?;
    let file = |name: &str| scene.folder.join(name);
    let mut child = this_program_anew()?
        .current_dir(scene.folder.join(WORK))
        .arg("run")
        .arg("--gateway")
        .arg(file("gateway.sock"))
        .arg("--policy")
        .arg(file("policy.yaml"))
        .args(["--sandbox", SANDBOX, "--advisor", "--resolve"])
        .arg(format!("{}:443:127.0.0.1:{}", args.host, scene.origin.addr().port()))
        .arg("--credential")
        .arg(format!("GITHUB_TOKEN={}", args.host))
        .arg("--extra-ca")
        .arg(file("origin-ca.pem"))
        .arg("--log-dir")
        .arg(file("log"))
        .args(["--isolation", if scene.is_isolated { "netns" } else { "none" }])
        .arg("--")
        .arg(scene.program)
        .args([
            "__demo-agent",
            "--client",
            scene.client.as_str(),
            "--method",
            &args.method,
            "--url",
            scene.url,
            "--body",
        ])
        .arg("body.json")
        .env("GITHUB_TOKEN", scene.token)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .map_err(stage_error)?;
    let out = child.stdout.take().ok_or_else(|| stage_error("the agent has no output"))?;
    let (inlet, steps) = mpsc::channel(64);
    tokio::spawn(async move {
        let mut lines = BufReader::new(out).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            if let Ok(step) = serde_json::from_str::<Step>(&line)
                && inlet.send(step).await.is_err()
            {
                return;
            }
        }
    });
    Ok((child, steps))
}
