//! What the agent reports: one JSON object a line, for the narrator of the demo.
//!
//! [`Step`] is both written here and read by the narrator. Every line passes the mask, so that an origin that
//! echoes the token cannot put it on a screen. Called by the agent's loop.

use std::io::Write;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;

use super::client::Response;
use crate::demo::mask::Mask;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// The task's request is sent for the first time; `text` is method and URL.
    Request,
    /// The supervisor refused it; `status` and `body` are its answer.
    Denied,
    /// The skill was read; `text` is its path and first heading.
    Skill,
    /// A proposal was drafted; `body` is what will be sent.
    Proposal,
    /// It was accepted for review; `status` and `body`.
    Submitted,
    /// A wait begins; `text` is its URL.
    Waiting,
    /// A wait ended with a decision; `status` and `body`.
    Decision,
    /// The request is sent again; `text` is method and URL.
    Retry,
    /// The origin answered 2xx; `status` and `body`.
    Done,
    /// The run ends here; `text` says why.
    Failed,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What happened.
    pub kind: StepKind,
    /// Milliseconds since the agent started.
    pub elapsed_ms: u64,
    /// The HTTP status, where there was an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// JSON that was received or will be sent; text in quotes where it was not JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
    /// Words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// Where the steps go.
pub(super) struct Report<W> {
    out: W,
    mask: Mask,
    started: Instant,
}

impl<W: Write> Report<W> {
    pub(super) fn new(out: W, mask: Mask) -> Self {
        Self { out, mask, started: Instant::now() }
    }

    pub(super) fn text(&mut self, kind: StepKind, text: &str) -> std::io::Result<()> {
        self.print(kind, None, None, Some(text.to_owned()))
    }

    pub(super) fn value(&mut self, kind: StepKind, body: &Value) -> std::io::Result<()> {
        self.print(kind, None, Some(body.clone()), None)
    }

    pub(super) fn answer(&mut self, kind: StepKind, answer: &Response) -> std::io::Result<()> {
        let body = serde_json::from_slice(&answer.body)
            .unwrap_or_else(|_| Value::from(String::from_utf8_lossy(&answer.body).into_owned()));
        self.print(kind, Some(answer.status), Some(body), None)
    }

    /// `text` without the token.
    pub(super) fn mask(&self, text: &str) -> String {
        self.mask.known(text)
    }

    fn print(
        &mut self,
        kind: StepKind,
        status: Option<u16>,
        body: Option<Value>,
        text: Option<String>,
    ) -> std::io::Result<()> {
        let elapsed_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let line = serde_json::to_string(&Step { kind, elapsed_ms, status, body, text })?;
        writeln!(self.out, "{}", self.mask.known(&line))?;
        self.out.flush()
    }
}
