//! A document before it has a meaning: values with the place where each of them stands.
//!
//! Policy files (YAML) and proposal bodies (JSON) are both read into this tree first, so that one reader can
//! name line, column and key of *every* mistake instead of stopping at the first. Keeps what a reader must see to
//! refuse it (duplicate keys, numbers that are not whole); the YAML reader refuses what has no tree.

mod yaml;

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

pub use yaml::from_yaml;

/// Where a value stands in its file, counted from 1. Documents that did not come from a file have none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// The line, from 1.
    pub line: u64,
    /// The column in characters, from 1.
    pub column: u64,
}

/// One value and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Where it begins.
    pub place: Option<Place>,
    /// What it is.
    pub value: Value,
}

/// The kinds of value that both YAML and JSON have.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `null`, `~` or nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i128),
    /// Any other number: read so that it can be refused by name.
    Float(f64),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A map in the order of its document, with duplicates kept so that they can be reported.
    Map(Vec<(Node, Node)>),
}

impl Node {
    /// A value that came from no file.
    #[must_use]
    pub fn bare(value: Value) -> Self {
        Self { place: None, value }
    }

    /// A text that came from no file.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::bare(Value::Text(text.into()))
    }

    /// What stands here, for "expected …, found …": short, on one line.
    #[must_use]
    pub fn found(&self) -> String {
        match &self.value {
            Value::Null => "nothing".to_owned(),
            Value::Bool(flag) => flag.to_string(),
            Value::Int(number) => format!("the number {number}"),
            Value::Float(number) => format!("the number {number:?}"),
            Value::Text(text) if text.chars().count() > MAX_FOUND => {
                format!("the text {:?}…", text.chars().take(MAX_FOUND).collect::<String>())
            }
            Value::Text(text) => format!("the text {text:?}"),
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a map".to_owned(),
        }
    }

    /// The value of `key`, where this is a map that has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        let Value::Map(entries) = &self.value else { return None };
        entries.iter().find(|(k, _)| matches!(&k.value, Value::Text(text) if text == key)).map(|(_, v)| v)
    }

    /// The item at `index`, where this is a list that has it.
    #[must_use]
    pub fn item(&self, index: usize) -> Option<&Self> {
        let Value::List(items) = &self.value else { return None };
        items.get(index)
    }
}

/// How many characters of a text [`Node::found`] shows.
const MAX_FOUND: usize = 50;

/// A document that could not be read at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SyntaxError {
    /// Where reading stopped, if known.
    pub place: Option<Place>,
    /// What stood there.
    pub message: String,
}

/// Reads JSON (RFC 8259).
///
/// # Errors
/// The first mistake of syntax, with its place.
pub fn from_json(bytes: &[u8]) -> Result<Node, SyntaxError> {
    serde_json::from_slice::<Json>(bytes).map(Node::from).map_err(|error| SyntaxError {
        place: Some(Place { line: error.line() as u64, column: error.column() as u64 }),
        message: error.to_string(),
    })
}

/// A value as the JSON parser gives it: without places.
struct Json(Value);

impl From<Json> for Node {
    fn from(json: Json) -> Self {
        Self::bare(json.0)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor::<Self>(PhantomData)).map(Self)
    }
}

/// Builds a [`Value`] whose parts are read as `P`.
struct ValueVisitor<P>(PhantomData<P>);

impl<'de, P: Deserialize<'de> + Into<Node>> Visitor<'de> for ValueVisitor<P> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        Ok(Value::Bool(v))
    }
    fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
        Ok(Value::Int(i128::from(v)))
    }
    fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
        Ok(Value::Int(i128::from(v)))
    }
    fn visit_i128<E>(self, v: i128) -> Result<Value, E> {
        Ok(Value::Int(v))
    }
    fn visit_f64<E>(self, v: f64) -> Result<Value, E> {
        Ok(Value::Float(v))
    }
    fn visit_str<E>(self, v: &str) -> Result<Value, E> {
        Ok(Value::Text(v.to_owned()))
    }
    fn visit_string<E>(self, v: String) -> Result<Value, E> {
        Ok(Value::Text(v))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element::<P>()? {
            items.push(item.into());
        }
        Ok(Value::List(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<P>()? {
            let value = map.next_value::<P>()?;
            entries.push((key.into(), value.into()));
        }
        Ok(Value::Map(entries))
    }
}

#[cfg(test)]
mod tests;
