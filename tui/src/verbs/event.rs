//! An event as data: raw texts under stable names.

use chrono::SecondsFormat;
use openshell_domain::event::Envelope;
use serde::Serialize;
use serde_json::Value;

use super::VerbError;

/// An event. Fields are added, never renamed; `payload` is what the log stores for its kind.
#[derive(Debug, Serialize)]
pub(super) struct EventRow {
    seq: u64,
    at: String,
    /// `null`: of the gateway itself.
    sandbox: Option<String>,
    kind: String,
    actor: ActorRow,
    payload: Value,
}

#[derive(Debug, Serialize)]
struct ActorRow {
    kind: &'static str,
    id: String,
    authenticated: String,
    unisolated: bool,
}

impl EventRow {
    pub(super) fn new(envelope: &Envelope) -> Result<Self, VerbError> {
        let (kind, payload) = envelope.event.to_columns().map_err(std::io::Error::from)?;
        Ok(Self {
            seq: envelope.seq,
            at: envelope.at.to_rfc3339_opts(SecondsFormat::Micros, true),
            sandbox: envelope.sandbox().map(ToString::to_string),
            kind,
            actor: ActorRow {
                kind: envelope.actor.kind.as_str(),
                id: envelope.actor.id.clone(),
                authenticated: envelope.actor.authenticated.clone(),
                unisolated: envelope.actor.unisolated,
            },
            payload: serde_json::from_str(&payload).map_err(std::io::Error::from)?,
        })
    }
}
