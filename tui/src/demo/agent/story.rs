//! What the supervisor's answers say, and the proposal that follows from a denial.
//!
//! Pure: bytes in, meaning out. Everything about the proposal comes from the 403 ([`Denial`]); nothing is filled
//! in that it does not say. Refuses denials that no proposal can fix and answers that lack a field, naming it.
//! Called by the agent's loop.

use serde::Deserialize;
use serde_json::{Value, json};

/// The longest rule name (`RuleName::MAX` of the domain; an agent would have it from the skill).
const MAX_RULE_NAME: usize = 64;

/// Why an answer could not be acted upon.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoryError {
    /// Not JSON, or a field has the wrong type.
    #[error("{what} is not readable: {reason}")]
    Unreadable {
        /// Which answer.
        what: &'static str,
        /// The parser's words.
        reason: String,
    },
    /// Somebody else's 403.
    #[error("the 403 says {0:?}, not \"policy_denied\": no proposal can change it")]
    NotPolicy(String),
    /// A deny rule, a blocked address, a malformed request.
    #[error("the 403 says that no proposal can fix it: {0}")]
    NotFixable(String),
    /// A field that the next step needs.
    #[error("{what} lacks {field}")]
    Missing {
        /// Which answer.
        what: &'static str,
        /// The field.
        field: &'static str,
    },
    /// A value that the next step cannot use.
    #[error("{what}: {field} cannot be used: {value:?}")]
    Unusable {
        /// Which answer.
        what: &'static str,
        /// The field.
        field: &'static str,
        /// What stands there.
        value: String,
    },
    /// The gateway took none of the proposal.
    #[error("the proposal was not accepted: {0}")]
    NotAccepted(String),
}

const DENIAL: &str = "the 403";
const SUBMISSION: &str = "the answer to the proposal";
const WAIT: &str = "the answer to the wait";

#[derive(Deserialize)]
struct DenialBody {
    error: String,
    #[serde(default)]
    detail: String,
    fixable: Option<bool>,
    rule_missing: Option<Missing>,
    #[serde(default)]
    next_steps: Vec<NextStep>,
}

#[derive(Deserialize)]
struct NextStep {
    action: String,
    path: Option<String>,
    url: Option<String>,
}

#[derive(Deserialize)]
struct Missing {
    r#type: String,
    host: Option<String>,
    port: Option<u16>,
    method: Option<String>,
    path: Option<String>,
    binary: Option<String>,
}

/// A denial that a proposal can fix.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Denial {
    /// The file that `read_skill` names.
    pub(super) skill: String,
    /// The URL that `submit_proposal` names, without a trailing slash.
    pub(super) proposals_url: String,
    host: String,
    port: u16,
    binary: String,
    /// Method and path; `None` where the stream is not HTTP.
    request: Option<(String, String)>,
}

impl Denial {
    /// Reads the body of a 403.
    pub(super) fn read(body: &[u8]) -> Result<Self, StoryError> {
        let body: DenialBody = parse(DENIAL, body)?;
        if body.error != "policy_denied" {
            return Err(StoryError::NotPolicy(body.error));
        }
        if body.fixable == Some(false) {
            return Err(StoryError::NotFixable(body.detail));
        }
        let missing = body.rule_missing.ok_or_else(|| lacks(DENIAL, "rule_missing"))?;
        let step = |action: &str| body.next_steps.iter().find(|step| step.action == action);
        let skill = step("read_skill").and_then(|step| step.path.clone());
        let url = step("submit_proposal").and_then(|step| step.url.clone());
        let url = url.ok_or_else(|| lacks(DENIAL, "the url of next_steps[submit_proposal]"))?;
        Ok(Self {
            skill: skill.ok_or_else(|| lacks(DENIAL, "the path of next_steps[read_skill]"))?,
            proposals_url: url.trim_end_matches('/').to_owned(),
            request: missing.request()?,
            host: missing.host.ok_or_else(|| lacks(DENIAL, "rule_missing.host"))?,
            port: missing.port.ok_or_else(|| lacks(DENIAL, "rule_missing.port"))?,
            binary: missing.binary.ok_or_else(|| lacks(DENIAL, "rule_missing.binary"))?,
        })
    }

    /// The body of `POST /v1/proposals`: what was missing and nothing more.
    pub(super) fn proposal(&self) -> Value {
        let name = self.rule_name();
        json!({
            "intent_summary": self.intent(),
            "operations": [{ "addRule": { "ruleName": name, "rule": {
                "name": name,
                "endpoints": [self.endpoint()],
                "binaries": [{ "path": self.binary }],
            }}}],
        })
    }

    fn endpoint(&self) -> Value {
        match &self.request {
            Some((method, path)) => json!({
                "host": self.host,
                "port": self.port,
                "protocol": "rest",
                "enforcement": "enforce",
                "rules": [{ "allow": { "method": method, "path": path } }],
            }),
            None => json!({ "host": self.host, "port": self.port }),
        }
    }

    fn intent(&self) -> String {
        let Self { host, port, binary, .. } = self;
        match &self.request {
            Some((method, path)) => format!(
                "Allow {binary} to send {method} requests to the one path {path} on {host}:{port}, which the task needs and the policy denied."
            ),
            None => format!(
                "Allow {binary} to connect to {host}:{port}, which the task needs and the policy denied."
            ),
        }
    }

    /// `put-api.github.com`: the charset of a rule name, cut to its length.
    fn rule_name(&self) -> String {
        let verb = self.request.as_ref().map_or("connect", |(method, _)| method.as_str());
        let is_allowed = |c: &char| c.is_ascii_alphanumeric() || "._~-".contains(*c);
        let spelled = format!("{}-{}", verb.to_ascii_lowercase(), self.host);
        spelled.chars().map(|c| if is_allowed(&c) { c } else { '-' }).take(MAX_RULE_NAME).collect()
    }
}

impl Missing {
    fn request(&self) -> Result<Option<(String, String)>, StoryError> {
        if self.r#type == "l4_allow" {
            return Ok(None);
        }
        if self.r#type != "rest_allow" {
            return Err(unusable(DENIAL, "rule_missing.type", &self.r#type));
        }
        let method = self.method.clone().ok_or_else(|| lacks(DENIAL, "rule_missing.method"))?;
        let path = self.path.clone().ok_or_else(|| lacks(DENIAL, "rule_missing.path"))?;
        // In a rule a star is a wildcard: this path cannot be asked for without asking for more.
        if path.contains('*') {
            return Err(unusable(DENIAL, "rule_missing.path", &path));
        }
        Ok(Some((method, path)))
    }
}

/// The first accepted id of a 202.
pub(super) fn accepted_id(body: &[u8]) -> Result<String, StoryError> {
    #[derive(Deserialize)]
    struct Submission {
        #[serde(default)]
        accepted_chunk_ids: Vec<String>,
        #[serde(default)]
        rejection_reasons: Vec<String>,
    }
    let body: Submission = parse(SUBMISSION, body)?;
    let Some(id) = body.accepted_chunk_ids.into_iter().next() else {
        if body.rejection_reasons.is_empty() {
            return Err(lacks(SUBMISSION, "accepted_chunk_ids"));
        }
        return Err(StoryError::NotAccepted(body.rejection_reasons.join("; ")));
    };
    let is_plain = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    if !is_plain || id.is_empty() || id.len() > 128 {
        return Err(unusable(SUBMISSION, "accepted_chunk_ids", &id));
    }
    Ok(id)
}

/// How a wait ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Waited {
    /// A reviewer said yes.
    Approved {
        /// Whether the supervisor's loaded policy contains it.
        is_reloaded: bool,
        /// Why not, where it said so.
        reload_error: String,
    },
    /// A reviewer said no, or something closed the proposal.
    Rejected { reason: String },
    /// Nobody said anything.
    TimedOut,
}

impl Waited {
    /// Reads the body of a wait.
    pub(super) fn read(body: &[u8]) -> Result<Self, StoryError> {
        #[derive(Deserialize)]
        struct Body {
            status: String,
            policy_reloaded: Option<bool>,
            rejection_reason: Option<String>,
            reload_error: Option<String>,
            #[serde(default)]
            timed_out: bool,
        }
        let body: Body = parse(WAIT, body)?;
        match body.status.as_str() {
            "approved" => Ok(Self::Approved {
                is_reloaded: body.policy_reloaded.ok_or_else(|| lacks(WAIT, "policy_reloaded"))?,
                reload_error: body.reload_error.unwrap_or_else(|| "no reason was given".to_owned()),
            }),
            "rejected" => Ok(Self::Rejected { reason: body.rejection_reason.unwrap_or_default() }),
            "pending" if body.timed_out => Ok(Self::TimedOut),
            other => Err(unusable(WAIT, "status", other)),
        }
    }
}

fn parse<'b, T: Deserialize<'b>>(what: &'static str, body: &'b [u8]) -> Result<T, StoryError> {
    serde_json::from_slice(body).map_err(|error| StoryError::Unreadable { what, reason: error.to_string() })
}

fn lacks(what: &'static str, field: &'static str) -> StoryError {
    StoryError::Missing { what, field }
}

fn unusable(what: &'static str, field: &'static str, value: &str) -> StoryError {
    StoryError::Unusable { what, field, value: value.to_owned() }
}
