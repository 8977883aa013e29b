//! How a run of the demo's agent ends.
//!
//! [`Outcome`] where the agent came to an end that it understands, a rejection included; [`AgentError`] where it
//! did not. Neither holds the token. Made by the agent's loop, read by the front binary for its exit code.

use super::client::ClientError;
use super::story::StoryError;

/// How a run ended that did not fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The first request was let through.
    AlreadyAllowed {
        /// The origin's status, 2xx.
        status: u16,
    },
    /// Denied, proposed, approved, and let through.
    Done {
        /// The origin's status, 2xx.
        status: u16,
        /// The proposal that was approved.
        proposal_id: String,
    },
    /// The reviewer said no.
    Rejected {
        /// The proposal.
        proposal_id: String,
        /// The reviewer's words; may be empty.
        reason: String,
    },
}

/// Why a run failed. No message holds the token.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// `GITHUB_TOKEN` is missing, or is no header value.
    #[error("GITHUB_TOKEN is not set, or holds characters that a header cannot")]
    Token,
    /// No answer.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// An answer that does not say what it must.
    #[error(transparent)]
    Story(#[from] StoryError),
    /// Neither 2xx nor a denial.
    #[error("{what} was answered {status}: {detail}")]
    Unexpected {
        /// What was asked.
        what: &'static str,
        /// The status.
        status: u16,
        /// `error`, `detail` or `message` of the body, else its beginning.
        detail: String,
    },
    /// The skill that the 403 names is not there.
    #[error("the skill {path:?}, which the 403 names, cannot be read: {source}")]
    Skill {
        /// As the 403 names it.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// Approved, and not in force after 30 more seconds.
    #[error("proposal {proposal_id} is approved, but the policy that contains it was not loaded: {reason}")]
    NotReloaded {
        /// The proposal.
        proposal_id: String,
        /// `reload_error`, where there is one.
        reason: String,
    },
    /// Nobody decided.
    #[error("proposal {0} was not decided in {max} waits", max = super::MAX_WAITS)]
    Undecided(String),
    /// Stdout is gone.
    #[error("a step cannot be printed: {0}")]
    Print(#[from] std::io::Error),
}
