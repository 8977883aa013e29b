//! The gateway as a process of this machine: is one running, start one, stop it.
//!
//! Owns what `gateway status` and `gateway stop` print and their exit codes. Talks to the gateway's socket alone:
//! a pid in a file may be anybody's by now, the peer of a socket is whoever listens there. Called by
//! [`crate::compose`].

mod process;
pub mod start;

use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use crate::client::ClientError;
use crate::printer::Printer;
use crate::{clock, shown};
use process::Running;

/// Why a gateway was not stopped, or what it is could not be told.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// None runs there, or it is not to be understood.
    #[error("{0}")]
    Client(#[from] ClientError),
    /// The process behind the socket cannot be reached.
    #[error("the process that listens on the gateway's socket {0}")]
    Process(String),
    /// It was told to stop and still runs.
    #[error("the gateway (pid {0}) was told to stop and still runs after {seconds} s", seconds = STOP_DEADLINE.as_secs())]
    Slow(u32),
    /// Nobody reads what would be printed.
    #[error("cannot write: {0}")]
    Output(#[from] std::io::Error),
}

/// How long a gateway may take to end: its own deadlines, twice.
const STOP_DEADLINE: Duration = Duration::from_secs(15);

impl GatewayError {
    /// 3 none runs, else 1.
    #[must_use]
    pub fn code(&self) -> u8 {
        if matches!(self, Self::Client(ClientError::Unreachable { .. } | ClientError::Broken(_))) {
            3
        } else {
            1
        }
    }

    /// What to do about it; empty where there is nothing to say.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Client(ClientError::Unreachable { .. }) => {
                "openshell-inbox and openshell-inbox run start one; so does openshell-gateway serve"
            }
            Self::Slow(_) => "openshell-inbox gateway stop, once more, makes it hurry",
            _ => "",
        }
    }
}

/// `gateway status --output json`. Fields are added, never renamed.
#[derive(Debug, Serialize)]
struct Record<'a> {
    version: &'a str,
    pid: u32,
    uptime_ms: u64,
    socket: &'a str,
    db: &'a str,
    /// The last event of the log.
    events: u64,
    /// Whether the last append reached the disk.
    log_writable: bool,
    attached: u32,
    watchers: u32,
    pending: u64,
    /// Where the metrics are; `null`: off.
    metrics: Option<&'a str>,
    /// `null`: never.
    idle_exit_ms: Option<u64>,
}

impl<'a> Record<'a> {
    fn new(running: &'a Running) -> Self {
        let status = &running.status;
        Self {
            version: &status.version,
            pid: running.pid,
            uptime_ms: status.uptime_ms,
            socket: &status.socket,
            db: &status.db,
            events: status.events,
            log_writable: status.log_writable,
            attached: status.supervisors_attached,
            watchers: status.watchers,
            pending: status.pending,
            metrics: Some(status.metrics_address.as_str()).filter(|address| !address.is_empty()),
            idle_exit_ms: status.idle_exit_ms,
        }
    }

    fn lines(&self) -> Vec<(&'static str, String)> {
        let brief = |ms| clock::brief(Duration::from_millis(ms));
        let log = if self.log_writable { "" } else { " · the last append failed" };
        vec![
            ("gateway", format!("pid {}, up {}, version {}", self.pid, brief(self.uptime_ms), self.version)),
            ("socket", self.socket.to_owned()),
            ("log", format!("{} · {}{log}", self.db, counted(self.events, "event", "events"))),
            ("attached", counted(self.attached.into(), "sandbox", "sandboxes")),
            ("watching", counted(self.watchers.into(), "inbox", "inboxes")),
            ("pending", counted(self.pending, "proposal", "proposals")),
            ("metrics", self.metrics.map_or_else(|| "off".to_owned(), |at| format!("http://{at}/metrics"))),
            (
                "idle exit",
                self.idle_exit_ms.map_or_else(|| "never".to_owned(), |ms| format!("after {}", brief(ms))),
            ),
        ]
    }
}

fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// Prints how the gateway at `door` stands.
///
/// # Errors
/// [`GatewayError`], with code 3 where none runs.
pub async fn status(door: &Path, printer: &mut Printer<'_>) -> Result<(), GatewayError> {
    let running = process::find(door).await?;
    let record = Record::new(&running);
    if !printer.is_table() {
        return Ok(printer.data(&record)?);
    }
    let line = |(name, text): (_, String)| format!("{name:10} {}\n", shown::visible(&text));
    Ok(printer.text(&record.lines().into_iter().map(line).collect::<String>())?)
}

/// Tells the gateway at `door` to stop and waits until it has.
///
/// # Errors
/// [`GatewayError`], with code 3 where none runs.
pub async fn stop(door: &Path, printer: &mut Printer<'_>) -> Result<(), GatewayError> {
    let running = process::find(door).await?;
    let pid = running.pid;
    running.terminate()?;
    if !running.ended(STOP_DEADLINE).await? {
        return Err(GatewayError::Slow(pid));
    }
    match printer.is_table() {
        true => printer.text(&format!("stopped the gateway (pid {pid})\n"))?,
        false => printer.data(&serde_json::json!({"stopped": pid}))?,
    }
    Ok(())
}
