//! The supervisor as a row: a sandbox without isolation whose command is the client.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::HOST;
use super::client::{Ask, Told};
use super::origin::Origin;
use super::process::Running;

/// The client, wherever it runs.
pub(crate) struct Client {
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Client {
    /// On its own, outside of any sandbox.
    pub(crate) fn start() -> (Self, Running) {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let mut child = command.arg("client").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        (Self::of(&mut child), Running::new(child, false))
    }

    fn of(child: &mut Child) -> Self {
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { stdin, stdout: BufReader::new(stdout) }
    }

    /// Lets it do something, and waits until it has.
    pub(crate) fn ask(&mut self, ask: &Ask) -> Told {
        writeln!(self.stdin, "{}", serde_json::to_string(ask).unwrap()).unwrap();
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("the client has gone: {line:?}"))
    }
}

/// How many rules the policy has beside the one that lets the client through.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Rules {
    One,
    /// A thousand, each about a host of its own.
    Hosts,
    /// A thousand paths of the one host.
    Paths,
}

/// A sandbox and its client.
pub(crate) struct Sandbox {
    pub(crate) client: Client,
    pub(crate) running: Running,
    pub(crate) proxy: SocketAddr,
    pub(crate) roots: String,
}

impl Sandbox {
    pub(crate) fn start(folder: &Path, origin: &Origin, rules: Rules) -> Self {
        let own = folder.join(format!("{rules:?}"));
        std::fs::create_dir(&own).unwrap();
        std::fs::write(own.join("origin.pem"), &origin.pem).unwrap();
        std::fs::write(own.join("p.yaml"), policy(rules)).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_openshell-inbox"));
        command.args(["run", "--isolation", "none", "--sandbox", &format!("{rules:?}").to_lowercase()]);
        command.arg("--gateway").arg(folder.join("g.sock")).arg("--policy").arg(own.join("p.yaml"));
        command.arg("--log-dir").arg(own.join("log")).arg("--extra-ca").arg(own.join("origin.pem"));
        for (port, at) in [(80, origin.clear), (443, origin.tls), (8443, origin.http2), (9443, origin.hyper)]
        {
            command.args(["--resolve", &format!("{HOST}:{port}:{}:{}", at.ip(), at.port())]);
        }
        // The client tells where its proxy is, and whom it trusts, before it serves.
        command.args(["--", "/bin/sh", "-c", "echo $http_proxy; echo $SSL_CERT_FILE; exec \"$0\" client"]);
        command.arg(std::env::current_exe().unwrap());
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut child = child.unwrap();
        let mut client = Client::of(&mut child);
        let mut told = || {
            let mut line = String::new();
            client.stdout.read_line(&mut line).unwrap();
            line.trim().trim_end_matches('/').to_owned()
        };
        let (proxy, roots) = (told(), told());
        let proxy = proxy.trim_start_matches("http://").parse().unwrap();
        Self { client, running: Running::new(child, false), proxy, roots }
    }
}

fn policy(rules: Rules) -> String {
    let mut text = "version: 1\nnetwork_policies:\n".to_owned();
    if matches!(rules, Rules::Hosts) {
        for n in 0..999 {
            writeln!(
                text,
                "  r{n}: {{endpoints: [{{host: h{n}.invalid, port: 443, protocol: rest, enforcement: enforce, access: read-only}}], binaries: [{{path: \"/usr/bin/p{n}\"}}]}}"
            )
            .unwrap();
        }
    }
    text += "  web:\n    binaries: [{path: \"/**\"}]\n    endpoints:\n";
    for port in [80, 443, 8443, 9443] {
        writeln!(
            text,
            "      - {{host: {HOST}, port: {port}, protocol: rest, enforcement: enforce, rules: ["
        )
        .unwrap();
        if matches!(rules, Rules::Paths) {
            for n in 0..999 {
                writeln!(text, "          {{allow: {{method: GET, path: /api/v1/things/{n}}}}},").unwrap();
            }
        }
        text += "          {allow: {method: GET, path: /item}}]}\n";
    }
    text
}
