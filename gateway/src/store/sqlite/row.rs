//! One row of the table, between SQLite's types and the domain's.
//!
//! Owns the conversions. SQLite's integers are signed: numbers of the gateway are never negative, and a row
//! that holds one that is cannot be read. Called only by the SQLite log.

use openshell_domain::event::{Envelope, Event, HashedColumns};
use openshell_domain::id::{Digest, EventId, Seq};

use crate::store::StoreError;

/// A row as it is stored.
pub(super) struct Row {
    seq: i64,
    id: [u8; 16],
    sandbox: String,
    stream_seq: i64,
    kind: String,
    schema_version: u32,
    actor: String,
    at: i64,
    payload: String,
    prev_hash: [u8; 32],
    hash: [u8; 32],
}

/// A number of ours as SQLite stores it.
pub(super) fn int(number: u64) -> Result<i64, StoreError> {
    i64::try_from(number)
        .map_err(|_| StoreError::Row { seq: number, why: "the number is too large".to_owned() })
}

impl Row {
    pub(super) fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            seq: row.get(0)?,
            id: row.get(1)?,
            sandbox: row.get(2)?,
            stream_seq: row.get(3)?,
            kind: row.get(4)?,
            schema_version: row.get(5)?,
            actor: row.get(6)?,
            at: row.get(7)?,
            payload: row.get(8)?,
            prev_hash: row.get(9)?,
            hash: row.get(10)?,
        })
    }

    pub(super) fn seq(&self) -> Result<Seq, StoreError> {
        self.number(self.seq)
    }

    pub(super) fn hash(&self) -> Digest {
        Digest(self.hash)
    }

    /// Whether this row was made from these columns after `previous`.
    pub(super) fn follows(&self, previous: &Digest) -> Result<bool, StoreError> {
        let columns = HashedColumns {
            seq: self.seq()?,
            id: &self.id,
            sandbox: &self.sandbox,
            stream_seq: self.number(self.stream_seq)?,
            kind: &self.kind,
            schema_version: self.schema_version,
            actor: &self.actor,
            at: self.at,
            payload: &self.payload,
        };
        Ok(self.prev_hash == previous.0 && columns.hash(previous).0 == self.hash)
    }

    pub(super) fn into_envelope(self) -> Result<Envelope, StoreError> {
        let seq = self.seq()?;
        let unreadable = |why: String| StoreError::Row { seq, why };
        let at = chrono::DateTime::from_timestamp_micros(self.at)
            .ok_or_else(|| unreadable(format!("{} µs is not a time", self.at)))?;
        Ok(Envelope {
            seq,
            id: EventId(uuid::Uuid::from_bytes(self.id)),
            stream_seq: self.number(self.stream_seq)?,
            at,
            actor: serde_json::from_str(&self.actor)
                .map_err(|error| unreadable(format!("actor: {error}")))?,
            event: Event::from_columns(seq, self.schema_version, &self.kind, &self.payload)?,
            stream: self.sandbox.parse().map_err(|error| unreadable(format!("{error}")))?,
        })
    }

    fn number(&self, number: i64) -> Result<u64, StoreError> {
        u64::try_from(number).map_err(|_| StoreError::Row {
            seq: self.seq.unsigned_abs(),
            why: format!("{number} is negative"),
        })
    }
}
