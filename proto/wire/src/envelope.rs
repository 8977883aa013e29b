//! Events on the wire.

use openshell_domain::event::{Envelope, Event, SCHEMA_VERSION};
use openshell_domain::id::EventId;

use crate::pb::inbox as pb;
use crate::{WireError, time};

/// An event for the wire. `prev_cursor` is the event before it in the same stream of answers.
///
/// # Errors
/// The serializer's; no event is known to cause one.
pub fn record(envelope: &Envelope, prev_cursor: u64) -> Result<pb::EventRecord, serde_json::Error> {
    let (kind, payload) = envelope.event.to_columns()?;
    Ok(pb::EventRecord {
        prev_cursor,
        cursor: envelope.seq,
        id: envelope.id.to_string(),
        sandbox: envelope.stream.as_str().to_owned(),
        stream_seq: envelope.stream_seq,
        at_us: envelope.at.timestamp_micros(),
        actor: Some((&envelope.actor).into()),
        kind,
        schema_version: SCHEMA_VERSION,
        payload,
    })
}

impl TryFrom<&pb::EventRecord> for Envelope {
    type Error = WireError;
    fn try_from(record: &pb::EventRecord) -> Result<Self, WireError> {
        let actor = record.actor.as_ref().ok_or(WireError::Missing("actor"))?;
        Ok(Self {
            seq: record.cursor,
            id: record.id.parse::<EventId>()?,
            stream: record.sandbox.parse()?,
            stream_seq: record.stream_seq,
            at: time(record.at_us)?,
            actor: actor.try_into()?,
            event: Event::from_columns(record.cursor, record.schema_version, &record.kind, &record.payload)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use openshell_domain::event::{Actor, ActorKind};

    use super::*;

    #[test]
    fn an_event_crosses_the_wire_unchanged() {
        let before = Envelope {
            seq: 7,
            id: "018f0000-0000-7000-8000-000000000001".parse().unwrap(),
            stream: "demo".parse().unwrap(),
            stream_seq: 3,
            at: time(1_800_000_000_123_456).unwrap(),
            actor: Actor {
                kind: ActorKind::Reviewer,
                id: "uid:0".into(),
                authenticated: "door".into(),
                unisolated: true,
                request: None,
            },
            event: Event::SettingChanged { key: "k".into(), value: None },
        };
        let record = record(&before, 6).unwrap();
        assert_eq!((record.prev_cursor, record.cursor), (6, 7));
        assert_eq!(Envelope::try_from(&record).unwrap(), before);
        assert!(Envelope::try_from(&pb::EventRecord { schema_version: 99, ..record }).is_err());
    }
}
