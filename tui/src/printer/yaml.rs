//! Any answer as YAML 1.2: the same values under the same keys as its JSON.
//!
//! Written here and not by a library, because texts of others are in it: whatever a terminal would not plainly show
//! stands as an escape in double quotes, and a text is bare only where no reader could take it for something else.

use openshell_domain::untrusted::is_hidden;
use serde_json::Value;

/// The document, with a line break at its end.
#[must_use]
pub fn to_yaml(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Object(_) | Value::Array(_) if !is_empty(value) => block(&mut out, value, 0),
        _ => out.push_str(&format!("{}\n", scalar(value))),
    }
    out
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => true,
    }
}

/// A map or a list that is not empty, every line of it `indent` deep.
fn block(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                out.push_str(&format!("{:indent$}{}:", "", text(key)));
                if is_empty(value) {
                    out.push_str(&format!(" {}\n", scalar(value)));
                } else {
                    out.push('\n');
                    block(out, value, indent + 2);
                }
            }
        }
        Value::Array(list) => {
            for value in list {
                out.push_str(&format!("{:indent$}- ", ""));
                if is_empty(value) {
                    out.push_str(&format!("{}\n", scalar(value)));
                } else {
                    // The first line of what is inside begins behind the dash.
                    let mut inner = String::new();
                    block(&mut inner, value, indent + 2);
                    out.push_str(inner.trim_start_matches(' '));
                }
            }
        }
        _ => {}
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(words) => text(words),
        Value::Object(_) => "{}".to_owned(),
        Value::Array(_) => "[]".to_owned(),
        other => other.to_string(),
    }
}

fn text(words: &str) -> String {
    if is_plain(words) { words.to_owned() } else { quoted(words) }
}

/// What no version of YAML reads as anything but this text.
fn is_plain(words: &str) -> bool {
    const TAKEN: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let begins = words.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    let holds = |c: char| c.is_ascii_alphanumeric() || "_./*-".contains(c);
    begins && words.chars().all(holds) && !TAKEN.contains(&words.to_ascii_lowercase().as_str())
}

fn quoted(words: &str) -> String {
    let mut out = String::from("\"");
    for c in words.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_hidden(c) || matches!(c, '\u{fffe}' | '\u{ffff}') => match u32::from(c) {
                code @ 0..=0xff => out.push_str(&format!("\\x{code:02x}")),
                code @ 0x100..=0xffff => out.push_str(&format!("\\u{code:04x}")),
                code => out.push_str(&format!("\\U{code:08x}")),
            },
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use openshell_domain::node::{self, Node, from_yaml};
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(node: &Node) -> Value {
        match &node.value {
            node::Value::Null => Value::Null,
            node::Value::Bool(flag) => (*flag).into(),
            node::Value::Int(number) => i64::try_from(*number).unwrap().into(),
            node::Value::Float(number) => (*number).into(),
            node::Value::Text(text) => text.clone().into(),
            node::Value::List(items) => items.iter().map(read).collect(),
            node::Value::Map(entries) => {
                let name = |node: &Node| read(node).as_str().unwrap().to_owned();
                Value::Object(entries.iter().map(|(key, value)| (name(key), read(value))).collect())
            }
        }
    }

    fn back(value: &Value) -> Value {
        let yaml = to_yaml(value);
        read(&from_yaml(&yaml).unwrap_or_else(|error| panic!("{error}\n{yaml}")))
    }

    fn values() -> impl Strategy<Value = Value> {
        let words = prop_oneof![
            any::<String>(),
            "[-a-z0-9_.:# ~*&!|>'%@`,\\[\\]{}]{0,8}",
            "(yes|No|null|1e3|0x1f|~|---)"
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            words.clone().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, move |inner| {
            let entries = prop::collection::vec((words.clone(), inner.clone()), 0..4);
            prop_oneof![
                prop::collection::vec(inner, 0..4).prop_map(Value::from),
                entries.prop_map(|entries| Value::Object(entries.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_value_is_read_back_the_same_and_shows_nothing_hidden(value in values()) {
            prop_assert_eq!(back(&value), value.clone(), "{}", to_yaml(&value));
            prop_assert!(!to_yaml(&value).chars().any(|c| is_hidden(c) && c != '\n'));
        }
    }

    #[test]
    fn it_reads_as_a_person_would_write_it() {
        let value = json!({
            "id": "a1", "path": "/v1/**", "none": null, "empty": [], "odd": "no", "words": "a: b\n\u{202e}",
            "rows": [{"a": 1, "b": [true, {}]}, [["x"]]],
        });
        let wanted = "id: a1\npath: /v1/**\nnone: null\nempty: []\nodd: \"no\"\nwords: \"a: b\\n\\u202e\"\n\
                      rows:\n  - a: 1\n    b:\n      - true\n      - {}\n  - - - x\n";
        assert_eq!(to_yaml(&value), wanted);
        assert_eq!(back(&value), value);
        assert_eq!(to_yaml(&json!([])), "[]\n");
    }
}
