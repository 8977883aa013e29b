//! A proposal: an ask to widen one sandbox's policy, its wordings, and what became of it.
//!
//! Owns the life cycle (`domain.md` §5) as a fold over its own events. A draft is immutable; nothing here decides.

pub mod body;
mod hint;
mod lease;
mod life;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::event::Actor;
use crate::id::{Digest, ProposalId, Revision, RuleName, RunId, SandboxName};
use crate::policy::Rule;
use crate::policy::risk::Seen;
use crate::review::Review;
pub use hint::Hint;
pub use lease::{Lease, LeaseAsk, LeaseError, Moment};

/// Who drafted a proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// An agent, through `policy.local`. Never deduplicated.
    AgentAuthored,
    /// The mapper, from denials.
    Mechanistic,
    /// A reviewer.
    Reviewer,
}

impl Origin {
    /// The word on the wire and on screens.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AgentAuthored => "agent_authored",
            Self::Mechanistic => "mechanistic",
            Self::Reviewer => "reviewer",
        }
    }
}

/// One immutable wording of a proposal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draft {
    /// 1, 2, 3 … within the proposal.
    pub number: u32,
    /// The name that was asked for.
    pub rule_name: RuleName,
    /// What was asked for.
    pub rule: Rule,
    /// Why, in the words of whoever asked. Untrusted, at most 4096 bytes.
    pub rationale: String,
}

impl Draft {
    /// The first binary of the rule: what one-line displays name.
    #[must_use]
    pub fn binary(&self) -> &str {
        self.rule.binaries.first().map_or("", |binary| &binary.path)
    }
}

/// Who decided, when, and with which words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Who.
    pub by: Actor,
    /// When.
    pub at: DateTime<Utc>,
    /// The reviewer's words; may be empty.
    pub reason: String,
    /// What was on the screen.
    pub digest: Digest,
}

/// Where a proposal is in its life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Status {
    /// Nobody has decided.
    Pending,
    /// Granted from this revision on.
    Approved {
        /// The decision.
        decision: Decision,
        /// The first revision with the grant.
        revision: Revision,
        /// How long it lives.
        lease: Lease,
    },
    /// Refused.
    Rejected {
        /// The decision.
        decision: Decision,
        /// What would be better.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        hints: Vec<Hint>,
        /// Until then the mapper does not ask for it again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        snoozed_until: Option<DateTime<Utc>>,
    },
    /// Nothing was left to decide.
    Closed {
        /// Why.
        reason: Closure,
        /// When.
        at: DateTime<Utc>,
        /// The revision that made it so.
        revision: Revision,
    },
    /// Another proposal asks for all of it and more.
    Superseded {
        /// The other one.
        by: ProposalId,
        /// When.
        at: DateTime<Utc>,
    },
    /// Whoever asked took it back.
    Withdrawn {
        /// When.
        at: DateTime<Utc>,
    },
    /// The grant has ended with its lease.
    Expired {
        /// The decision that granted it.
        decision: Decision,
        /// When it ended.
        at: DateTime<Utc>,
    },
    /// A reviewer ended the grant.
    Revoked {
        /// The decision that granted it.
        decision: Decision,
        /// The one that ended it.
        by: Decision,
    },
}

/// Why a proposal was closed without a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Closure {
    /// Everything that it asks for is allowed already, by these rules.
    AlreadyCovered(Vec<String>),
}

impl Closure {
    /// The word for it.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::AlreadyCovered(_) => "already_covered",
        }
    }
}

impl Status {
    /// The word for it.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved { .. } => "approved",
            Self::Rejected { .. } => "rejected",
            Self::Closed { .. } => "closed",
            Self::Superseded { .. } => "superseded",
            Self::Withdrawn { .. } => "withdrawn",
            Self::Expired { .. } => "expired",
            Self::Revoked { .. } => "revoked",
        }
    }

    /// The decision, if there was one.
    #[must_use]
    pub fn decision(&self) -> Option<&Decision> {
        match self {
            Self::Pending | Self::Closed { .. } | Self::Superseded { .. } | Self::Withdrawn { .. } => None,
            Self::Approved { decision, .. }
            | Self::Rejected { decision, .. }
            | Self::Expired { decision, .. }
            | Self::Revoked { decision, .. } => Some(decision),
        }
    }
}

/// A wording that is no longer in force, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Earlier {
    /// The wording.
    pub draft: Draft,
    /// When it was replaced.
    pub at: DateTime<Utc>,
    /// By whom.
    pub by: Actor,
    /// What had been decided on it and was taken back, if anything was.
    pub undone: Option<Undone>,
}

/// A decision that was taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undone {
    /// What the proposal was: `approved` or `rejected`.
    pub was: String,
    /// The decision.
    pub decision: Decision,
    /// Why it was taken back, in the reviewer's words.
    pub reason: String,
}

/// A proposal as its events have made it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// Its stable id.
    pub id: ProposalId,
    /// Whose policy it would widen.
    pub sandbox: SandboxName,
    /// The run that it came from.
    pub run: RunId,
    /// Who drafted it.
    pub origin: Origin,
    /// The binary that submitted it, as the supervisor identified it; empty when nobody did.
    pub submitted_by: String,
    /// When it was submitted.
    pub submitted_at: DateTime<Utc>,
    /// Its wording in force.
    pub draft: Draft,
    /// The wordings before it, oldest first.
    #[serde(default)]
    pub earlier: Vec<Earlier>,
    /// What was denied before it and looks like it.
    pub evidence: Vec<Seen>,
    /// How many of these requests were denied after the wording in force was made.
    #[serde(default)]
    pub since: u64,
    /// The findings in OpenShell's words, as they were when its wording in force was made.
    pub validation_result: String,
    /// Where it is in its life.
    pub status: Status,
    /// What a reviewer is shown beside it, for as long as it is pending and once somebody has looked.
    #[serde(skip)]
    pub review: Option<Arc<Review>>,
}

impl Proposal {
    /// What a decision must quote, or has quoted; `None` until somebody has looked at it.
    #[must_use]
    pub fn digest(&self) -> Option<Digest> {
        let decided = self.status.decision().map(|decision| decision.digest);
        decided.or_else(|| self.review.as_ref().map(|review| review.digest))
    }

    /// Whether a decision is still wanted.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        matches!(self.status, Status::Pending)
    }
}
