//! Facts: what was stored, by whom, when, and how each is chained to the one before.
//!
//! Names and shapes are final once shipped; a newer meaning is a newer `schema_version`. An event of an unknown
//! kind or a newer version stops its reader with an error and is never skipped.

mod actor;
mod columns;
mod stored;
mod upcast;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::id::{Digest, ProposalId, Revision, RuleName, RunId, Seq};
use crate::node::Place;
use crate::policy::Policy;
use crate::policy::authority::Difference;
use crate::policy::risk::{Credential, Seen};
use crate::proposal::{Closure, Draft, Hint, Lease, Origin};
use crate::setting::Value;
pub use actor::{Actor, ActorKind, RequestKey};
pub use stored::{Envelope, HashedColumns, NewEvent};

/// The version in which events are written now.
pub const SCHEMA_VERSION: u32 = 1;

/// How a sandbox is kept in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Isolation {
    /// Not at all: the command is asked to use the proxy.
    None,
    /// In namespaces of its own: the proxy is the only way out.
    Netns,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "payload")]
pub enum Event {
    /// A sandbox name was seen for the first time.
    SandboxRegistered {},
    /// A supervisor started for the sandbox.
    RunStarted {
        /// The run.
        run: RunId,
        /// SHA-256 of the secret that every later call of this run carries.
        secret_hash: Digest,
        /// The supervisor's version.
        supervisor_version: String,
        /// How the command is kept in.
        isolation: Isolation,
        /// Set where an isolated command is root outside as well. Absent from logs written before it was known.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        host_root: bool,
        /// The credentials that are usable in the sandbox: names and hosts, never values.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        credentials: Vec<Credential>,
        /// Absolute paths that the command can write.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        writable: Vec<String>,
    },
    /// The policy file that the run was started with.
    BasePolicySet {
        /// The file's name, as it was given.
        file: String,
        /// SHA-256 of the file's bytes.
        file_hash: Digest,
        /// What it says.
        policy: Policy,
        /// Where the key of each of its rules stands.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        places: BTreeMap<RuleName, Place>,
    },
    /// The run is over, and with it every grant of its leases.
    RunEnded {
        /// Which.
        run: RunId,
        /// Why.
        reason: RunEnd,
    },
    /// A setting of the stream's scope (one sandbox, or all) has a new value.
    SettingChanged {
        /// The key, such as `agent_policy_proposals_enabled`.
        key: String,
        /// The value; none takes the scope's value away.
        value: Option<Value>,
    },
    /// Somebody asked for something.
    ProposalSubmitted {
        /// The proposal's id.
        proposal: ProposalId,
        /// The run that it came from.
        run: RunId,
        /// Who drafted it.
        origin: Origin,
        /// The binary that submitted it.
        submitted_by: String,
        /// Its first wording.
        draft: Draft,
        /// What was denied before it and looks like it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        evidence: Vec<Seen>,
        /// The findings in OpenShell's words, as they were then.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        validation_result: String,
    },
    /// Requests that belong to a pending proposal of the mapper were denied again.
    DenialObserved {
        /// The proposal's id.
        proposal: ProposalId,
        /// What was denied.
        seen: Vec<Seen>,
    },
    /// The proposal has a new wording.
    DraftRevised {
        /// The proposal's id.
        proposal: ProposalId,
        /// The wording.
        draft: Draft,
        /// The findings in OpenShell's words, as they were then.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        validation_result: String,
    },
    /// A reviewer said yes, or standing orders did.
    ProposalApproved {
        /// The proposal's id.
        proposal: ProposalId,
        /// Which wording.
        draft: u32,
        /// What was on the screen.
        digest: Digest,
        /// What it would change, as it was shown.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        difference: Option<Difference>,
        /// How long the grant lives.
        lease: Lease,
        /// The reviewer's words.
        reason: String,
        /// The first revision with the grant.
        revision: Revision,
        /// The key of the rule in the policy. Events without it are older: the key follows from those before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<RuleName>,
        /// On what grounds it was granted without a person.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        grounds: Option<String>,
    },
    /// A reviewer said no.
    ProposalRejected {
        /// The proposal's id.
        proposal: ProposalId,
        /// Which wording.
        draft: u32,
        /// What was on the screen.
        digest: Digest,
        /// The reviewer's words, for the agent to read.
        reason: String,
        /// What would be better.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        hints: Vec<Hint>,
        /// Until then the mapper does not ask for it again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        snoozed_until: Option<DateTime<Utc>>,
    },
    /// A reviewer took a decision back; the same wording is open again under a new number.
    DecisionUndone {
        /// The proposal's id.
        proposal: ProposalId,
        /// The wording that had been decided on.
        draft: u32,
        /// The digest of that decision.
        digest: Digest,
        /// The reviewer's words.
        reason: String,
        /// The number of the wording that is open now.
        reopened: u32,
    },
    /// Another proposal asks for all of it and more.
    ProposalSuperseded {
        /// The proposal's id.
        proposal: ProposalId,
        /// The other one.
        by: ProposalId,
    },
    /// Whoever asked takes it back.
    ProposalWithdrawn {
        /// The proposal's id.
        proposal: ProposalId,
    },
    /// Nothing was left to decide.
    ProposalClosed {
        /// The proposal's id.
        proposal: ProposalId,
        /// Why.
        reason: Closure,
        /// The revision that made it so.
        revision: Revision,
    },
    /// The one request of a `once` lease is about to be sent.
    LeaseSpent {
        /// The proposal that granted it.
        proposal: ProposalId,
    },
    /// A reviewer ended a grant.
    GrantRevoked {
        /// The proposal that granted it.
        proposal: ProposalId,
        /// The digest of its approval.
        digest: Digest,
        /// The reviewer's words.
        reason: String,
    },
    /// A grant ended with its lease.
    GrantExpired {
        /// The proposal that granted it.
        proposal: ProposalId,
    },
    /// The sandbox has a new policy.
    PolicyRevised {
        /// Its number.
        revision: Revision,
        /// [`Policy::hash`] of base ⊕ grants, which the fold computes and checks against this.
        hash: Digest,
    },
    /// The supervisor enforces this revision.
    PolicyLoaded {
        /// Which.
        revision: Revision,
        /// In which run.
        run: RunId,
    },
    /// The supervisor could not load this revision.
    PolicyLoadFailed {
        /// Which.
        revision: Revision,
        /// In which run.
        run: RunId,
        /// Why.
        error: String,
        /// The one before stays in force, as `policy_load_failure` asks; otherwise everything is denied.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        is_retained: bool,
    },
    /// The log up to here, signed.
    Checkpoint {
        /// The last event that it covers.
        seq: Seq,
        /// The hash of that event.
        head: Digest,
        /// The Ed25519 key that signs: 64 hexadecimal digits.
        public_key: String,
        /// Over tag, `seq` and `head`: 128 hexadecimal digits.
        signature: String,
    },
}

/// Why a run is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunEnd {
    /// Its supervisor said so.
    Finished,
    /// Its supervisor was gone for too long.
    Lost,
    /// A reviewer freed the sandbox's name.
    Released,
}

/// An event that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// Written by a newer version of this program.
    #[error(
        "event {seq} has schema version {found}, this program reads up to {SCHEMA_VERSION}: use a newer one"
    )]
    NewerSchema {
        /// Where.
        seq: Seq,
        /// The version found.
        found: u32,
    },
    /// Written by an older version, in a way that it never wrote.
    #[error("event {seq} of schema version {found} cannot be read as version {SCHEMA_VERSION}: {why}")]
    NotLifted {
        /// Where.
        seq: Seq,
        /// The version found.
        found: u32,
        /// What could not be read.
        why: String,
    },
    /// Not an event of this version.
    #[error("event {seq} cannot be read: {error}")]
    Unreadable {
        /// Where.
        seq: Seq,
        /// What the parser said.
        error: serde_json::Error,
    },
}

impl Event {
    /// The proposal that the event is about, if it is about one.
    #[must_use]
    pub fn proposal(&self) -> Option<ProposalId> {
        match self {
            Self::ProposalSubmitted { proposal, .. }
            | Self::ProposalApproved { proposal, .. }
            | Self::ProposalRejected { proposal, .. }
            | Self::ProposalClosed { proposal, .. }
            | Self::DenialObserved { proposal, .. }
            | Self::DraftRevised { proposal, .. }
            | Self::DecisionUndone { proposal, .. }
            | Self::ProposalSuperseded { proposal, .. }
            | Self::ProposalWithdrawn { proposal }
            | Self::LeaseSpent { proposal }
            | Self::GrantRevoked { proposal, .. }
            | Self::GrantExpired { proposal } => Some(*proposal),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
