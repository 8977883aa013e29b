//! The demo's agent: what a coding agent does after a 403, without a model.
//!
//! Send; on a denial read the skill, propose exactly what was missing, wait for the decision, send again. It
//! knows its [`Task`] and the 403 it received, and no policy, host or path besides. Refuses to guess: a 403 that
//! lacks something ends the run with the name of what is missing. Runs inside the sandbox, called by the front
//! binary's hidden subcommand; prints one [`Step`] a line on stdout and never the token.

pub mod client;
pub mod step;

mod builtin;
mod curl;
mod outcome;
mod story;
#[cfg(test)]
mod tests;

use std::io::Write;
use std::time::Duration;

use http::StatusCode;
use serde_json::Value;

use crate::demo::mask::Mask;
use client::{ClientError, HttpClient, Request, Response, Surroundings};
use step::{Report, StepKind};
use story::{Denial, Waited};

pub use client::ClientKind;
pub use outcome::{AgentError, Outcome};
pub use step::Step;
pub use story::StoryError;

/// How long an ordinary request may take.
const REQUEST_TIME: Duration = Duration::from_secs(60);
/// What `/wait` is asked for, in seconds: the most that it grants.
const WAIT: u64 = 300;
/// What `/wait` is asked for when the approval is there and the policy is not.
const RELOAD_WAIT: u64 = 30;
/// Waits of [`WAIT`] seconds before the agent gives up; also ends a server that answers `timed_out` at once.
const MAX_WAITS: u32 = 48;

/// What the agent is to do.
#[derive(Clone)]
pub struct Task {
    /// The method.
    pub method: String,
    /// `https://host/path`.
    pub url: String,
    /// JSON; empty for no body.
    pub body: Vec<u8>,
    /// The bearer token for the URL's origin.
    pub token: String,
}

impl std::fmt::Debug for Task {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Task({} {})", self.method, self.url)
    }
}

impl Task {
    /// A task whose token is `GITHUB_TOKEN` of the environment.
    ///
    /// # Errors
    /// [`AgentError::Token`].
    pub fn from_env(method: String, url: String, body: Vec<u8>) -> Result<Self, AgentError> {
        let token = std::env::var("GITHUB_TOKEN").map_err(|_| AgentError::Token)?;
        Ok(Self { method, url, body, token })
    }
}

/// Runs the loop with the proxy and the roots of the environment, and prints its steps on stdout.
///
/// # Errors
/// [`AgentError`], after a step `failed` with the same text.
pub async fn run(task: Task, client: ClientKind) -> Result<Outcome, AgentError> {
    run_in(&task, client, Surroundings::from_env(), std::io::stdout()).await
}

async fn run_in(
    task: &Task,
    client: ClientKind,
    surroundings: Result<Surroundings, ClientError>,
    out: impl Write,
) -> Result<Outcome, AgentError> {
    let mut report = Report::new(out, Mask::new([task.token.as_str()]));
    let ended = begin(task, client, surroundings, &mut report).await;
    if let Err(error) = &ended
        && !matches!(error, AgentError::Print(_))
    {
        report.text(StepKind::Failed, &error.to_string())?;
    }
    ended
}

async fn begin<W: Write>(
    task: &Task,
    client: ClientKind,
    surroundings: Result<Surroundings, ClientError>,
    report: &mut Report<W>,
) -> Result<Outcome, AgentError> {
    // A token that ends a header would begin another one.
    if task.token.is_empty() || http::HeaderValue::from_str(&task.token).is_err() {
        return Err(AgentError::Token);
    }
    let client = HttpClient::new(client, surroundings?)?;
    Agent { task, client, report }.run().await
}

struct Agent<'t, W> {
    task: &'t Task,
    client: HttpClient,
    report: &'t mut Report<W>,
}

impl<W: Write> Agent<'_, W> {
    async fn run(&mut self) -> Result<Outcome, AgentError> {
        self.report.text(StepKind::Request, &format!("{} {}", self.task.method, self.task.url))?;
        let first = self.client.send(&self.task_request()).await?;
        if first.is_success() {
            self.report.answer(StepKind::Done, &first)?;
            return Ok(Outcome::AlreadyAllowed { status: first.status });
        }
        if first.status != StatusCode::FORBIDDEN.as_u16() {
            return Err(self.unexpected("the request", &first));
        }
        self.report.answer(StepKind::Denied, &first)?;
        let denial = Denial::read(&first.body)?;
        self.read_skill(&denial)?;
        let proposal_id = self.propose(&denial).await?;
        match self.wait(&denial, &proposal_id).await? {
            Waited::Approved { .. } => self.retry(proposal_id).await,
            Waited::Rejected { reason } => Ok(Outcome::Rejected { proposal_id, reason }),
            Waited::TimedOut => Err(AgentError::Undecided(proposal_id)),
        }
    }

    /// The only request that carries the token.
    fn task_request(&self) -> Request {
        let mut headers = vec![
            ("Accept".to_owned(), "application/json".to_owned()),
            ("Authorization".to_owned(), format!("Bearer {}", self.task.token)),
        ];
        if !self.task.body.is_empty() {
            headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
        }
        Request {
            method: self.task.method.clone(),
            url: self.task.url.clone(),
            headers,
            body: self.task.body.clone(),
            time: REQUEST_TIME,
        }
    }

    fn read_skill(&mut self, denial: &Denial) -> Result<(), AgentError> {
        let failed = |source| AgentError::Skill { path: denial.skill.clone(), source };
        let text = std::fs::read_to_string(&denial.skill).map_err(failed)?;
        let heading = text.lines().find(|line| line.starts_with('#')).unwrap_or("(no heading)");
        self.report.text(StepKind::Skill, &format!("{}: {heading}", denial.skill))?;
        Ok(())
    }

    async fn propose(&mut self, denial: &Denial) -> Result<String, AgentError> {
        let proposal = denial.proposal();
        self.report.value(StepKind::Proposal, &proposal)?;
        let request = Request {
            method: "POST".to_owned(),
            url: denial.proposals_url.clone(),
            headers: vec![("Content-Type".to_owned(), "application/json".to_owned())],
            body: proposal.to_string().into_bytes(),
            time: REQUEST_TIME,
        };
        let answer = self.client.send(&request).await?;
        if answer.status != StatusCode::ACCEPTED.as_u16() {
            return Err(self.unexpected("the proposal", &answer));
        }
        self.report.answer(StepKind::Submitted, &answer)?;
        Ok(story::accepted_id(&answer.body)?)
    }

    /// Blocks until the proposal is decided and, if approved, in force.
    async fn wait(&mut self, denial: &Denial, proposal_id: &str) -> Result<Waited, AgentError> {
        let mut waited = Waited::TimedOut;
        for _ in 0..MAX_WAITS {
            waited = self.wait_once(denial, proposal_id, WAIT).await?;
            if !matches!(waited, Waited::TimedOut) {
                break;
            }
        }
        if let Waited::Approved { is_reloaded: false, .. } = waited {
            waited = self.wait_once(denial, proposal_id, RELOAD_WAIT).await?;
        }
        match waited {
            Waited::Approved { is_reloaded: false, reload_error } => {
                Err(AgentError::NotReloaded { proposal_id: proposal_id.to_owned(), reason: reload_error })
            }
            decided => Ok(decided),
        }
    }

    async fn wait_once(&mut self, denial: &Denial, id: &str, seconds: u64) -> Result<Waited, AgentError> {
        let url = format!("{}/{id}/wait?timeout={seconds}", denial.proposals_url);
        self.report.text(StepKind::Waiting, &url)?;
        // Longer than the server's own limit, so that its answer comes first.
        let time = Duration::from_secs(seconds + 30);
        let request = Request { method: "GET".to_owned(), url, headers: Vec::new(), body: Vec::new(), time };
        let answer = self.client.send(&request).await?;
        if !answer.is_success() {
            return Err(self.unexpected("the wait", &answer));
        }
        let waited = Waited::read(&answer.body)?;
        if !matches!(waited, Waited::TimedOut) {
            self.report.answer(StepKind::Decision, &answer)?;
        }
        Ok(waited)
    }

    async fn retry(&mut self, proposal_id: String) -> Result<Outcome, AgentError> {
        self.report.text(StepKind::Retry, &format!("{} {}", self.task.method, self.task.url))?;
        let answer = self.client.send(&self.task_request()).await?;
        if !answer.is_success() {
            return Err(self.unexpected("the retry", &answer));
        }
        self.report.answer(StepKind::Done, &answer)?;
        Ok(Outcome::Done { status: answer.status, proposal_id })
    }

    /// An origin may echo what it was sent, so its words are masked here.
    fn unexpected(&self, what: &'static str, answer: &Response) -> AgentError {
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let named: Vec<&str> =
            ["error", "detail", "message"].iter().filter_map(|key| body.get(key)?.as_str()).collect();
        let text = if named.is_empty() {
            String::from_utf8_lossy(&answer.body).chars().take(200).collect()
        } else {
            named.join(": ")
        };
        AgentError::Unexpected { what, status: answer.status, detail: self.report.mask(&text) }
    }
}
