//! The client that most agents have: `/usr/bin/curl`, one process a request.
//!
//! Everything about a request goes to curl's stdin as configuration: what stands in its arguments, every process
//! of the machine can read in `ps`, and a file would outlive a crash. Refuses bodies that do not fit into one
//! line of curl's configuration. Called through [`HttpClient`](super::client::HttpClient).

use std::process::Stdio;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

use super::client::{CURL, ClientError, MAX_ANSWER, Request, Response, Surroundings};

/// The largest body, in bytes. curl before 8.2 refuses configuration lines over 100 KiB, and escapes double.
pub(super) const MAX_BODY: usize = 48 << 10;

/// curl, with the proxy and the roots of the sandbox.
pub(super) struct Curl {
    surroundings: Surroundings,
}

impl Curl {
    pub(super) fn new(surroundings: Surroundings) -> Self {
        Self { surroundings }
    }

    pub(super) async fn send(&self, request: &Request) -> Result<Response, ClientError> {
        if request.body.len() > MAX_BODY {
            return Err(ClientError::BodyTooLarge);
        }
        let mut child = self.spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            // A curl that ends before it has read says why on stderr.
            let _ = stdin.write_all(&configuration(request)).await;
        }
        let mut printed = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            // The status stands behind the body, so a longer answer is noticed as one without a status.
            let limit = u64::try_from(MAX_ANSWER + 16).unwrap_or(u64::MAX);
            stdout.take(limit).read_to_end(&mut printed).await.map_err(ClientError::Run)?;
        }
        let ended = child.wait_with_output().await.map_err(ClientError::Run)?;
        if !ended.status.success() {
            let words = String::from_utf8_lossy(&ended.stderr).trim().to_owned();
            return Err(ClientError::Curl(if words.is_empty() { ended.status.to_string() } else { words }));
        }
        let split =
            printed.iter().rposition(|byte| *byte == b'\n').and_then(|at| printed.split_at_checked(at));
        let (body, status) = split.ok_or_else(|| ClientError::Answer("curl printed no status".into()))?;
        let status = String::from_utf8_lossy(status).trim().parse();
        let status = status.map_err(|_| ClientError::Answer("it is longer than 1 MiB".into()))?;
        Ok(Response { status, body: body.to_vec() })
    }

    fn spawn(&self) -> Result<Child, ClientError> {
        let here = &self.surroundings;
        Command::new(CURL)
            // `-q` must be first: no ~/.curlrc.
            .args(["-q", "-sS", "--config", "-", "-w", "\\n%{http_code}"])
            .env("http_proxy", &here.http_proxy)
            .env("https_proxy", &here.https_proxy)
            .env("CURL_CA_BUNDLE", &here.ca_file)
            .env_remove("ALL_PROXY")
            .env_remove("all_proxy")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(ClientError::Run)
    }
}

fn configuration(request: &Request) -> Vec<u8> {
    let mut lines = Vec::new();
    let seconds = request.time.as_secs().to_string();
    option(&mut lines, "url", request.url.as_bytes());
    option(&mut lines, "request", request.method.as_bytes());
    option(&mut lines, "max-time", seconds.as_bytes());
    for (name, value) in &request.headers {
        option(&mut lines, "header", format!("{name}: {value}").as_bytes());
    }
    if !request.body.is_empty() {
        // Not `data-binary`: that one would read a file for a body that begins with `@`.
        option(&mut lines, "data-raw", &request.body);
    }
    lines
}

/// `name = "value"`, escaped as curl's manual says under `--config`.
fn option(lines: &mut Vec<u8>, name: &str, value: &[u8]) {
    lines.extend_from_slice(name.as_bytes());
    lines.extend_from_slice(b" = \"");
    for byte in value {
        match byte {
            b'"' => lines.extend_from_slice(b"\\\""),
            b'\\' => lines.extend_from_slice(b"\\\\"),
            b'\n' => lines.extend_from_slice(b"\\n"),
            b'\r' => lines.extend_from_slice(b"\\r"),
            b'\t' => lines.extend_from_slice(b"\\t"),
            other => lines.push(*other),
        }
    }
    lines.extend_from_slice(b"\"\n");
}
