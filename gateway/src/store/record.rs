//! An event with the texts in which it is stored, written once.
//!
//! The writer counts their bytes, the log hashes and stores them. Called by both.

use std::sync::Arc;

use openshell_domain::event::Envelope;

/// An event and its text columns.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    /// What is stored.
    pub(crate) envelope: Arc<Envelope>,
    /// Its name.
    pub(crate) kind: String,
    /// Its payload, as JSON text.
    pub(crate) payload: String,
    /// Its actor, as JSON text.
    pub(crate) actor: String,
}

impl Record {
    /// Writes the texts.
    pub(crate) fn of(envelope: Arc<Envelope>) -> Result<Self, serde_json::Error> {
        let (kind, payload) = envelope.event.to_columns()?;
        let actor = serde_json::to_string(&envelope.actor)?;
        Ok(Self { envelope, kind, payload, actor })
    }

    /// How much of the log it takes, without the fixed part of a row.
    pub(crate) fn bytes(&self) -> u64 {
        let texts = self.kind.len() + self.payload.len() + self.actor.len();
        u64::try_from(texts).unwrap_or(u64::MAX)
    }
}
