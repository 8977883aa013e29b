//! An event as it is stored: its place, its time, its actor, and the hash that chains it to the one before.

use chrono::{DateTime, Utc};
use sha2::{Digest as _, Sha256};

use super::{Actor, Event};
use crate::id::{Digest, EventId, SandboxName, Seq, Stream};

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

impl Envelope {
    /// The sandbox in whose stream it is, if it is in one.
    #[must_use]
    pub fn sandbox(&self) -> Option<&SandboxName> {
        self.stream.sandbox()
    }
}

/// The columns of a stored event from which its hash is made, in the order of the table.
#[derive(Debug, Clone, Copy)]
pub struct HashedColumns<'a> {
    /// The place in the log.
    pub seq: Seq,
    /// The id's 16 bytes.
    pub id: &'a [u8],
    /// The stream's text.
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
