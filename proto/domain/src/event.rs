//! Facts: what was stored, by whom, when, and how each is chained to the one before.
//!
//! Names and shapes are final once shipped; a newer meaning is a newer `schema_version`. An event of an unknown
//! kind or a newer version stops its reader with an error and is never skipped.

mod upcast;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::id::{Digest, EventId, ProposalId, Revision, RuleName, RunId, Seq, Stream};
use crate::node::Place;
use crate::policy::Policy;
use crate::policy::authority::Difference;
use crate::policy::risk::{Credential, Seen};
use crate::proposal::{Closure, Draft, Lease, Origin};

/// The version in which events are written now.
pub const SCHEMA_VERSION: u32 = 1;

/// Who did something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// Which kind of somebody.
    pub kind: ActorKind,
    /// Who exactly: `uid:1000`, a binary, a component of the system.
    pub id: String,
    /// How that is known: `door` for a peer of a Unix socket.
    pub authenticated: String,
    /// Set where agent and reviewer could not be told apart, because the sandbox was not isolated.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unisolated: bool,
}

/// Which kind of somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActorKind {
    /// A person or service that may decide.
    Reviewer,
    /// A program in a sandbox.
    Agent,
    /// A supervisor, or the gateway itself.
    System,
}

impl Actor {
    /// The gateway itself.
    #[must_use]
    pub fn gateway() -> Self {
        Self {
            kind: ActorKind::System,
            id: "gateway".to_owned(),
            authenticated: "itself".to_owned(),
            unisolated: false,
        }
    }
}

impl ActorKind {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reviewer => "reviewer",
            Self::Agent => "agent",
            Self::System => "system",
        }
    }
}

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
    /// A setting of the sandbox has a new value.
    SettingChanged {
        /// The key, such as `agent_policy_proposals_enabled`.
        key: String,
        /// The value.
        value: bool,
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
    /// A reviewer said yes.
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
    /// A grant ended with its lease.
    GrantExpired {
        /// The proposal that granted it.
        proposal: ProposalId,
    },
    /// The sandbox has a new policy.
    PolicyRevised {
        /// Its number.
        revision: Revision,
        /// [`Policy::hash`].
        hash: Digest,
        /// All of it.
        policy: Policy,
        /// Whose grants are in it, in order of approval.
        grants: Vec<ProposalId>,
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
    /// The kind and the payload, as two columns: a name, and JSON text.
    ///
    /// # Errors
    /// The serializer's; no event is known to cause one.
    pub fn to_columns(&self) -> Result<(String, String), serde_json::Error> {
        let value = serde_json::to_value(self)?;
        let kind = value.get("kind").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
        let payload = value.get("payload").map_or_else(|| "{}".to_owned(), ToString::to_string);
        Ok((kind, payload))
    }

    /// Reads the two columns back.
    ///
    /// # Errors
    /// [`EventError`], with the event's place in the log.
    pub fn from_columns(
        seq: Seq,
        schema_version: u32,
        kind: &str,
        payload: &str,
    ) -> Result<Self, EventError> {
        if schema_version > SCHEMA_VERSION {
            return Err(EventError::NewerSchema { seq, found: schema_version });
        }
        let unreadable = |error| EventError::Unreadable { seq, error };
        let payload: serde_json::Value = serde_json::from_str(payload).map_err(unreadable)?;
        let (kind, payload) = upcast::lift(upcast::STEPS, schema_version, kind, payload)
            .map_err(|why| EventError::NotLifted { seq, found: schema_version, why })?;
        serde_json::from_value(serde_json::json!({"kind": kind, "payload": payload})).map_err(unreadable)
    }

    /// The proposal that the event is about, if it is about one.
    #[must_use]
    pub fn proposal(&self) -> Option<ProposalId> {
        match self {
            Self::ProposalSubmitted { proposal, .. }
            | Self::ProposalApproved { proposal, .. }
            | Self::ProposalRejected { proposal, .. }
            | Self::ProposalClosed { proposal, .. }
            | Self::GrantExpired { proposal } => Some(*proposal),
            _ => None,
        }
    }
}

/// An event that somebody wants to append.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEvent {
    /// Whose stream.
    pub stream: Stream,
    /// Who did it.
    pub actor: Actor,
    /// What.
    pub event: Event,
}

/// An event as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Envelope {
    /// Its place in the log.
    pub seq: Seq,
    /// Its id.
    pub id: EventId,
    /// Whose stream.
    pub stream: Stream,
    /// Its place in that stream, from 1.
    pub stream_seq: u64,
    /// When, in UTC with microseconds.
    pub at: DateTime<Utc>,
    /// Who did it.
    pub actor: Actor,
    /// What.
    pub event: Event,
}

/// The columns of a stored event from which its hash is made, in the order of the table.
#[derive(Debug, Clone, Copy)]
pub struct HashedColumns<'a> {
    /// The place in the log.
    pub seq: Seq,
    /// The id's 16 bytes.
    pub id: &'a [u8],
    /// The stream.
    pub sandbox: &'a str,
    /// The place in the stream.
    pub stream_seq: u64,
    /// The event's name.
    pub kind: &'a str,
    /// The version it is written in.
    pub schema_version: u32,
    /// The actor, as JSON text.
    pub actor: &'a str,
    /// Microseconds since 1970.
    pub at: i64,
    /// The payload, as JSON text.
    pub payload: &'a str,
}

impl HashedColumns<'_> {
    /// `SHA-256(tag ‖ prev_hash ‖ every column)`, each with its length in front; numbers are 8 bytes, big-endian.
    #[must_use]
    pub fn hash(&self, previous: &Digest) -> Digest {
        let mut hash = Sha256::new();
        for part in [
            b"openshell-inbox/event/1".as_slice(),
            &previous.0,
            &self.seq.to_be_bytes(),
            self.id,
            self.sandbox.as_bytes(),
            &self.stream_seq.to_be_bytes(),
            self.kind.as_bytes(),
            &u64::from(self.schema_version).to_be_bytes(),
            self.actor.as_bytes(),
            &self.at.to_be_bytes(),
            self.payload.as_bytes(),
        ] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        Digest(hash.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_survive_their_columns_and_strangers_do_not() {
        let event = Event::SettingChanged { key: "agent_policy_proposals_enabled".into(), value: true };
        let (kind, payload) = event.to_columns().unwrap();
        assert_eq!(
            (kind.as_str(), payload.as_str()),
            ("SettingChanged", r#"{"key":"agent_policy_proposals_enabled","value":true}"#)
        );
        assert_eq!(Event::from_columns(1, 1, &kind, &payload).unwrap(), event);
        let (kind, payload) = Event::SandboxRegistered {}.to_columns().unwrap();
        assert_eq!(Event::from_columns(1, 1, &kind, &payload).unwrap(), Event::SandboxRegistered {});
        assert!(matches!(
            Event::from_columns(7, 2, &kind, &payload),
            Err(EventError::NewerSchema { seq: 7, found: 2 })
        ));
        assert!(matches!(
            Event::from_columns(7, 1, "Unheard", "{}"),
            Err(EventError::Unreadable { seq: 7, .. })
        ));
    }

    #[test]
    fn a_run_that_was_stored_before_root_was_told_is_read_and_written_as_it_was() {
        let stored = format!(
            r#"{{"isolation":"netns","run":"018f0000-0000-7000-8000-000000000001","secret_hash":"{}","supervisor_version":"0"}}"#,
            "07".repeat(32)
        );
        let mut event = Event::from_columns(1, 1, "RunStarted", &stored).unwrap();
        let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(json(&event.to_columns().unwrap().1), json(&stored));
        let Event::RunStarted { host_root, .. } = &mut event else { panic!("{event:?}") };
        assert!(!*host_root);
        *host_root = true;
        let (kind, payload) = event.to_columns().unwrap();
        assert!(payload.contains(r#""host_root":true"#), "{payload}");
        assert_eq!(Event::from_columns(1, 1, &kind, &payload).unwrap(), event);
    }

    #[test]
    fn every_column_is_in_the_hash_and_lengths_keep_them_apart() {
        let base = HashedColumns {
            seq: 1,
            id: &[1; 16],
            sandbox: "a",
            stream_seq: 1,
            kind: "K",
            schema_version: 1,
            actor: "x",
            at: 5,
            payload: "{}",
        };
        let previous = Digest([0; 32]);
        let hash = base.hash(&previous);
        let others = [
            HashedColumns { seq: 2, ..base },
            HashedColumns { id: &[2; 16], ..base },
            HashedColumns { sandbox: "aK", kind: "", ..base },
            HashedColumns { stream_seq: 2, ..base },
            HashedColumns { kind: "L", ..base },
            HashedColumns { schema_version: 2, ..base },
            HashedColumns { actor: "y", ..base },
            HashedColumns { at: 6, ..base },
            HashedColumns { payload: "{ }", ..base },
        ];
        for other in others {
            assert_ne!(other.hash(&previous), hash, "{other:?}");
        }
        assert_ne!(base.hash(&Digest([1; 32])), hash);
    }
}
