//! The life of one decision as its reviewer sees it: sent → recorded → revision → loaded, or why not.
//!
//! Fed from two sides, the gateway's answer and the events, in whichever order they come.

use std::time::Duration;

use chrono::{DateTime, Utc};
use openshell_domain::id::{Revision, SandboxName, Seq};
use openshell_domain::proposal::{Proposal, Status};

use crate::client::{ClientError, Decision, Recorded, Verb};
use crate::clock;
use crate::review;
use crate::screen::summary::Summary;

/// One decision that was made here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Life {
    /// The decision.
    pub decision: Decision,
    /// What was to be granted.
    pub subject: Summary,
    /// Whose policy.
    pub sandbox: SandboxName,
    /// How far it has come.
    pub stage: Stage,
    /// Together with which others it was sent, if it was.
    pub batch: Option<u32>,
    /// When it was first known here to be recorded.
    pub recorded_at: Option<DateTime<Utc>>,
}

/// How far a decision has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage {
    /// No answer yet.
    Sent,
    /// In the log. For a rejection this is the end.
    Recorded {
        /// The event.
        seq: Seq,
        /// When, by the gateway's clock; `None` until the event has come.
        at: Option<DateTime<Utc>>,
        /// The first revision with the grant.
        revision: Option<Revision>,
        /// Whether a supervisor is there to load it, as far as is known.
        is_attached: Option<bool>,
    },
    /// The sandbox enforces it.
    Loaded {
        /// Which revision.
        revision: Revision,
        /// How long that took from the decision.
        took: Option<Duration>,
    },
    /// The sandbox could not load it.
    NotLoaded {
        /// Which revision.
        revision: Revision,
        /// What the supervisor said.
        error: String,
    },
    /// It was not recorded.
    Failed {
        /// Why, and what to do.
        why: String,
    },
    /// The connection broke: nobody knows.
    Unknown {
        /// What broke.
        why: String,
    },
}

impl Life {
    /// A decision that leaves now.
    #[must_use]
    pub fn new(decision: Decision, subject: Summary, sandbox: SandboxName) -> Self {
        Self { decision, subject, sandbox, stage: Stage::Sent, batch: None, recorded_at: None }
    }

    /// Whether it grants or refuses, and takes nothing back.
    #[must_use]
    pub fn is_decision(&self) -> bool {
        matches!(self.decision.verb, Verb::Approve | Verb::Reject)
    }

    /// Whether somebody has taken it back: the decision with this digest is over.
    #[must_use]
    pub fn is_undone(&self, proposal: &Proposal) -> bool {
        let undone = proposal.earlier.iter().filter_map(|earlier| earlier.undone.as_ref());
        undone.map(|undone| undone.decision.digest).any(|digest| digest == self.decision.digest)
    }

    /// Whether the answer is still to come.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Sent)
    }

    /// Whether it was taken down by the gateway.
    #[must_use]
    pub fn is_recorded(&self) -> bool {
        matches!(self.stage, Stage::Recorded { .. } | Stage::Loaded { .. } | Stage::NotLoaded { .. })
    }

    /// Whether it did not do what it was meant to.
    #[must_use]
    pub fn is_trouble(&self) -> bool {
        matches!(self.stage, Stage::NotLoaded { .. } | Stage::Failed { .. } | Stage::Unknown { .. })
    }

    /// The gateway's answer.
    pub fn answered(&mut self, recorded: Recorded) {
        let known_at = match self.stage {
            Stage::Recorded { at, .. } => at,
            Stage::Loaded { .. } | Stage::NotLoaded { .. } => return,
            _ => None,
        };
        self.stage = Stage::Recorded {
            seq: recorded.seq,
            at: known_at,
            revision: recorded.revision,
            is_attached: Some(recorded.is_attached),
        };
    }

    /// The gateway's refusal, or a broken line. An event that came first knows better than the latter; the
    /// former knows that an event just like it was somebody else's.
    pub fn failed(&mut self, error: &ClientError) {
        if self.is_recorded() && !matches!(error, ClientError::AlreadyDecided(_)) {
            return;
        }
        let why = error.to_string();
        self.stage = match error {
            ClientError::Broken(_) | ClientError::Unreadable(_) => Stage::Unknown { why },
            ClientError::Stale(_) if !self.is_decision() => {
                Stage::Failed { why: "it was decided anew meanwhile: look again".to_owned() }
            }
            ClientError::Stale(_) => {
                Stage::Failed { why: "it was worded anew meanwhile: look again and decide".to_owned() }
            }
            ClientError::AlreadyDecided(Some(now)) => {
                Stage::Failed { why: format!("{} already", outcome(now)) }
            }
            _ => Stage::Failed { why },
        };
    }

    /// The event of the decision.
    pub fn recorded(&mut self, seq: Seq, at: DateTime<Utc>, revision: Option<Revision>) {
        let (is_attached, known) = match self.stage {
            Stage::Recorded { is_attached, revision, .. } => (is_attached, revision),
            Stage::Loaded { .. } | Stage::NotLoaded { .. } => return,
            _ => (None, None),
        };
        self.stage = Stage::Recorded { seq, at: Some(at), revision: revision.or(known), is_attached };
    }

    /// The sandbox enforces `loaded`, since `when` if that is known.
    pub fn loaded(&mut self, loaded: Revision, when: Option<DateTime<Utc>>) {
        let Some((revision, at)) = self.awaited().filter(|(revision, _)| *revision <= loaded) else { return };
        self.stage =
            Stage::Loaded { revision, took: at.zip(when).map(|(at, when)| clock::between(at, when)) };
    }

    /// The sandbox could not load `failed`.
    pub fn not_loaded(&mut self, failed: Revision, error: &str) {
        let Some((revision, _)) = self.awaited().filter(|(revision, _)| *revision <= failed) else { return };
        self.stage = Stage::NotLoaded { revision, error: error.to_owned() };
    }

    fn awaited(&self) -> Option<(Revision, Option<DateTime<Utc>>)> {
        match self.stage {
            Stage::Recorded { revision: Some(revision), at, .. } => Some((revision, at)),
            Stage::NotLoaded { revision, .. } => Some((revision, None)),
            _ => None,
        }
    }

    /// `approved`, `rejected`, `approve` …: the verb as far as it has come.
    #[must_use]
    pub fn headline(&self) -> &'static str {
        match (self.is_recorded(), self.decision.verb) {
            (true, verb) => verb.done(),
            (false, Verb::Approve) => "approve",
            (false, Verb::Reject) => "reject",
            (false, Verb::Undo) => "undo",
            (false, Verb::Revoke) => "revoke",
        }
    }

    /// What has become of it, for people: what matters most first, because a line may end before it does. Errors of the supervisor in it are not made safe.
    #[must_use]
    pub fn story(&self) -> String {
        let sandbox = &self.sandbox;
        match &self.stage {
            Stage::Sent => "sent, no answer yet".to_owned(),
            Stage::Recorded { seq, revision: None, .. } if self.decision.verb == Verb::Undo => {
                format!("→ it awaits a decision again, event {seq}")
            }
            Stage::Recorded { seq, revision: None, .. } => format!("recorded as event {seq}"),
            Stage::Recorded { seq, revision: Some(_), is_attached: Some(false), .. }
                if !self.is_decision() =>
            {
                format!("no supervisor of {sandbox} is connected; recorded as event {seq}")
            }
            Stage::Recorded { revision: Some(_), is_attached: Some(false), .. } => {
                let ends = matches!(self.decision.lease.as_str(), "" | "run");
                let end = if ends { "; the grant ends with its run" } else { "" };
                format!("→ not in force: no supervisor of {sandbox} is connected{end}")
            }
            Stage::Recorded { seq, revision: Some(revision), .. } if !self.is_decision() => {
                format!("→ loading the policy without it: {sandbox}, revision {revision}, event {seq}")
            }
            Stage::Recorded { seq, revision: Some(revision), .. } => {
                format!("→ {sandbox} is loading it, revision {revision}, event {seq}")
            }
            Stage::Loaded { revision, took: Some(took) } => {
                format!("→ loaded in {} by {sandbox}, revision {revision}", clock::precise(*took))
            }
            Stage::Loaded { revision, took: None } => format!("→ loaded by {sandbox}, revision {revision}"),
            Stage::NotLoaded { revision, error } => {
                format!("→ NOT loaded: {error} (by {sandbox}, revision {revision})")
            }
            Stage::Failed { why } => format!("not done: {why}"),
            Stage::Unknown { why } => format!("not known whether it was recorded: {why}"),
        }
    }
}

/// The words for what became of a proposal: `approved by uid:1000`. Names in it are not made safe.
#[must_use]
pub fn outcome(proposal: &Proposal) -> String {
    let word = proposal.status.as_str();
    if let Some(why) = review::closure(&proposal.status) {
        return format!("{word}: {why}");
    }
    match (&proposal.status, proposal.status.decision()) {
        (Status::Superseded { by, .. }, _) => format!("{word} by {}", by.short()),
        (Status::Pending | Status::Expired { .. }, _) | (_, None) => word.to_owned(),
        (_, Some(decision)) => format!("{word} by {}", decision.by.id),
    }
}
