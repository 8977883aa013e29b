//! An event as two columns, its kind and its payload, and back: what the log stores and the wire carries.
//!
//! Written once and read once, without a tree of values in between: this is most of what an append and a replay
//! cost. Only an event of an older version becomes a tree, for the steps that lift it.

use serde::de::value::StrDeserializer;
use serde::de::{DeserializeSeed, IntoDeserializer, MapAccess};
use serde::{Deserialize, de};
use serde_json::{Deserializer, Error, Value};

use super::{Event, EventError, SCHEMA_VERSION, upcast};
use crate::id::Seq;

impl Event {
    /// The kind and the payload, as two columns: a name, and JSON text.
    ///
    /// # Errors
    /// The serializer's; no event is known to cause one.
    pub fn to_columns(&self) -> Result<(String, String), Error> {
        let text = serde_json::to_string(self)?;
        // The kind is a name of this program and comes first: no escape is in it, and nothing before it.
        let parts = || {
            let (kind, rest) = text.strip_prefix(r#"{"kind":""#)?.split_once('"')?;
            Some((kind.to_owned(), rest.strip_prefix(r#","payload":"#)?.strip_suffix('}')?.to_owned()))
        };
        parts().ok_or_else(|| de::Error::custom("an event is not written as its kind and its payload"))
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
        let unreadable = |error| EventError::Unreadable { seq, error };
        if schema_version > SCHEMA_VERSION {
            return Err(EventError::NewerSchema { seq, found: schema_version });
        }
        if schema_version == SCHEMA_VERSION {
            return read(kind, payload).map_err(unreadable);
        }
        let payload: Value = serde_json::from_str(payload).map_err(unreadable)?;
        let (kind, payload) = upcast::lift(upcast::STEPS, schema_version, kind, payload)
            .map_err(|why| EventError::NotLifted { seq, found: schema_version, why })?;
        read(&kind, &payload.to_string()).map_err(unreadable)
    }
}

fn read(kind: &str, payload: &str) -> Result<Event, Error> {
    let columns = Columns { kind, payload, given: 0 };
    Event::deserialize(de::value::MapAccessDeserializer::new(columns))
}

/// The two columns, as the map that [`Event`] is written as. Neither text can reach into the other.
struct Columns<'a> {
    kind: &'a str,
    payload: &'a str,
    /// How many keys were given out.
    given: u8,
}

impl<'de> MapAccess<'de> for Columns<'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        self.given += 1;
        let key = match self.given {
            1 => "kind",
            2 => "payload",
            _ => return Ok(None),
        };
        let key: StrDeserializer<'_, Error> = key.into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        if self.given == 1 {
            let kind: StrDeserializer<'_, Error> = self.kind.into_deserializer();
            return seed.deserialize(kind);
        }
        let mut payload = Deserializer::from_str(self.payload);
        let value = seed.deserialize(&mut payload)?;
        payload.end()?;
        Ok(value)
    }
}
