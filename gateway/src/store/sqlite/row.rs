//! One row of the table, between SQLite's types and the domain's.
//!
//! Owns the conversions. SQLite's integers are signed: numbers of the gateway are never negative, and a row
//! that holds one that is cannot be read. Called only by the SQLite log.

use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use openshell_domain::event::{Envelope, Event, HashedColumns};
use openshell_domain::id::{Digest, EventId, Seq};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::store::record::Record;
use crate::store::{Head, StoreError};

/// The columns of a row, in the order in which they are read.
pub(super) const COLUMNS: &str =
    "seq, id, sandbox, stream_seq, kind, schema_version, actor, at, payload, prev_hash, hash";

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

/// A row as it is exported.
#[derive(Serialize)]
struct Line<'a> {
    seq: Seq,
    id: uuid::Uuid,
    stream: &'a str,
    stream_seq: u64,
    at: String,
    actor: Box<RawValue>,
    kind: &'a str,
    schema_version: u32,
    payload: Box<RawValue>,
    prev_hash: Digest,
    hash: Digest,
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

    /// The text of the stream's name.
    pub(super) fn stream(&self) -> &str {
        &self.sandbox
    }

    pub(super) fn stream_seq(&self) -> Result<u64, StoreError> {
        self.number(self.stream_seq)
    }

    /// One line of JSON. Payload and actor stand in it byte for byte as they are stored, so that whoever has the
    /// lines can compute the hashes again.
    pub(super) fn to_json(&self) -> Result<String, StoreError> {
        let seq = self.seq()?;
        let raw = |text: &str| {
            let is_one_line = !text.contains(['\n', '\r']);
            let value = is_one_line.then(|| RawValue::from_string(text.to_owned()).ok()).flatten();
            value.ok_or_else(|| StoreError::Row { seq, why: "its text is not one line of JSON".to_owned() })
        };
        Ok(serde_json::to_string(&Line {
            seq,
            id: uuid::Uuid::from_bytes(self.id),
            stream: &self.sandbox,
            stream_seq: self.stream_seq()?,
            at: self.time()?.to_rfc3339_opts(SecondsFormat::Micros, true),
            actor: raw(&self.actor)?,
            kind: &self.kind,
            schema_version: self.schema_version,
            payload: raw(&self.payload)?,
            prev_hash: Digest(self.prev_hash),
            hash: Digest(self.hash),
        })?)
    }

    /// The head of the chain with this row on it.
    ///
    /// # Errors
    /// [`StoreError::Chain`] when the row does not follow from `before`.
    pub(super) fn link(&self, before: &Head) -> Result<Head, StoreError> {
        let columns = HashedColumns {
            seq: self.seq()?,
            id: &self.id,
            sandbox: &self.sandbox,
            stream_seq: self.stream_seq()?,
            kind: &self.kind,
            schema_version: self.schema_version,
            actor: &self.actor,
            at: self.at,
            payload: &self.payload,
        };
        chain(&columns, (&self.prev_hash, &self.hash), before)
    }

    pub(super) fn envelope(&self) -> Result<Envelope, StoreError> {
        let seq = self.seq()?;
        let unreadable = |why: String| StoreError::Row { seq, why };
        let at = self.time()?;
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

    pub(super) fn into_record(self) -> Result<Record, StoreError> {
        let envelope = Arc::new(self.envelope()?);
        Ok(Record { envelope, kind: self.kind, payload: self.payload, actor: self.actor })
    }

    fn time(&self) -> Result<DateTime<Utc>, StoreError> {
        DateTime::from_timestamp_micros(self.at).ok_or_else(|| StoreError::Row {
            seq: self.seq.unsigned_abs(),
            why: format!("{} µs is not a time", self.at),
        })
    }

    fn number(&self, number: i64) -> Result<u64, StoreError> {
        natural(self.seq, number)
    }
}

fn natural(seq: i64, number: i64) -> Result<u64, StoreError> {
    u64::try_from(number)
        .map_err(|_| StoreError::Row { seq: seq.unsigned_abs(), why: format!("{number} is negative") })
}

/// The head of the chain with a row on it of which nothing is kept: what [`Row::link`] proves, without its copies.
///
/// # Errors
/// [`StoreError::Chain`] when the row does not follow from `before`.
pub(super) fn follow(row: &rusqlite::Row<'_>, before: &Head) -> Result<Head, StoreError> {
    let text = |index| Ok::<_, StoreError>(row.get_ref(index)?.as_str().map_err(rusqlite::Error::from)?);
    let blob = |index| Ok::<_, StoreError>(row.get_ref(index)?.as_blob().map_err(rusqlite::Error::from)?);
    let seq: i64 = row.get(0)?;
    let number = |index| natural(seq, row.get(index)?);
    let columns = HashedColumns {
        seq: number(0)?,
        id: blob(1)?,
        sandbox: text(2)?,
        stream_seq: number(3)?,
        kind: text(4)?,
        schema_version: row.get(5)?,
        actor: text(6)?,
        at: row.get(7)?,
        payload: text(8)?,
    };
    chain(&columns, (blob(9)?, blob(10)?), before)
}

fn chain(
    columns: &HashedColumns<'_>,
    (prev, stored): (&[u8], &[u8]),
    before: &Head,
) -> Result<Head, StoreError> {
    let seq = columns.seq;
    let hash = columns.hash(&before.hash);
    let follows = seq == before.seq.saturating_add(1) && prev == before.hash.0;
    if follows && stored == hash.0 { Ok(Head { seq, hash }) } else { Err(StoreError::Chain(seq)) }
}
