//! A document before it has a meaning: values with the place where each of them stands.
//!
//! Policy files (YAML) and proposal bodies (JSON) are both read into this tree first, so that one reader can
//! name line, column and key of *every* mistake instead of stopping at the first. Refuses duplicate keys, YAML
//! aliases to huge documents (the parser's budget) and numbers that are not whole.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

/// Where a value stands in its file, counted from 1. Documents that did not come from a file have none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
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

    /// What kind of value this is, for "expected …, found …".
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "true or false",
            Value::Int(_) => "a whole number",
            Value::Float(_) => "a number with a fraction",
            Value::Text(_) => "text",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }
}

/// A document that could not be read at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SyntaxError {
    /// Where reading stopped, if known.
    pub place: Option<Place>,
    /// What stood there.
    pub message: String,
}

/// Reads YAML 1.2 with strict booleans; duplicate keys, merge keys and custom tags are errors.
///
/// # Errors
/// The first mistake of syntax, with its place.
pub fn from_yaml(text: &str) -> Result<Node, SyntaxError> {
    let options = serde_saphyr::options! {
        strict_booleans: true,
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::Error,
        merge_keys: serde_saphyr::options::MergeKeyPolicy::Error,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options::<Spanned<Yaml>>(text, options).map(Node::from).map_err(|error| {
        let place = error.location().map(|at| Place { line: at.line(), column: at.column() });
        SyntaxError { place, message: error.to_string() }
    })
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

/// A value as the YAML parser gives it: every part of it inside a `Spanned`.
struct Yaml(Value);

/// A value as the JSON parser gives it: without places.
struct Json(Value);

impl From<Spanned<Yaml>> for Node {
    fn from(spanned: Spanned<Yaml>) -> Self {
        let (line, column) = (spanned.referenced.line(), spanned.referenced.column());
        Self { place: (line > 0).then_some(Place { line, column }), value: spanned.value.0 }
    }
}

impl From<Json> for Node {
    fn from(json: Json) -> Self {
        Self::bare(json.0)
    }
}

impl<'de> Deserialize<'de> for Yaml {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor::<Spanned<Self>>(PhantomData)).map(Self)
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
mod tests {
    use super::*;

    fn first(node: &Node) -> (&Node, &Node) {
        match &node.value {
            Value::Map(entries) => (&entries[0].0, &entries[0].1),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn yaml_keys_and_values_know_their_places() {
        let node = from_yaml("# comment\nouter:\n  inner: [1, yes]\n").unwrap();
        let (key, value) = first(&node);
        assert_eq!(key.place, Some(Place { line: 2, column: 1 }));
        let (key, value) = first(value);
        assert_eq!(key.value, Value::Text("inner".into()));
        assert_eq!(key.place, Some(Place { line: 3, column: 3 }));
        let Value::List(items) = &value.value else { panic!() };
        assert_eq!(items[0].value, Value::Int(1));
        assert_eq!(items[1].value, Value::Text("yes".into()), "`yes` is text, not true");
        assert_eq!(items[1].place, Some(Place { line: 3, column: 14 }));
    }

    #[test]
    fn yaml_duplicate_keys_are_refused_with_their_place() {
        let error = from_yaml("a: 1\nb: 2\na: 3\n").unwrap_err();
        assert_eq!(error.place.map(|p| p.line), Some(3), "{error}");
    }

    #[test]
    fn json_keeps_duplicates_for_the_reader_to_report() {
        let node = from_json(br#"{"a":1,"a":2}"#).unwrap();
        let Value::Map(entries) = node.value else { panic!() };
        assert_eq!(entries.len(), 2);
        assert!(from_json(b"{").is_err());
        assert!(from_json(b"{} x").is_err());
    }

    #[test]
    fn deep_nesting_ends_in_an_error() {
        assert!(from_yaml(&"[".repeat(20_000)).is_err());
        assert!(from_json("[".repeat(20_000).as_bytes()).is_err());
    }
}
