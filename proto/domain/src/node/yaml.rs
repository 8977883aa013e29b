//! YAML 1.2, read into [`Node`]s.
//!
//! Anchors and aliases are filled in, within limits. What has no single tree, or another one in another parser, is
//! refused: merge keys, custom tags, a second document, `yes` as a boolean, `1_000` as a number.

use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer};
use serde_saphyr::{Error, Spanned};

use super::{Node, Place, SyntaxError, Value, ValueVisitor};
use crate::untrusted::is_hidden;

/// The most values of a document, counted after its aliases are filled in.
const MAX_VALUES: usize = 100_000;

/// The deepest nesting.
const MAX_DEPTH: usize = 64;

/// Reads YAML 1.2 with strict booleans; merge keys and custom tags are errors, duplicate keys are kept.
///
/// # Errors
/// The first mistake of syntax, with its place.
pub fn from_yaml(text: &str) -> Result<Node, SyntaxError> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_nodes: MAX_VALUES, max_depth: MAX_DEPTH },
        strict_booleans: true,
        underscored_numbers_as_strings: true,
        reject_unsupported_tags: true,
        non_finite_float_policy: serde_saphyr::options::NonFiniteFloatPolicy::PassThrough,
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::PassThrough,
        merge_keys: serde_saphyr::options::MergeKeyPolicy::Error,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options::<Spanned<Yaml>>(text, options).map(Node::from).map_err(|error| {
        let place = error.location().map(|at| Place { line: at.line(), column: at.column() });
        SyntaxError { place, message: words(&error) }
    })
}

/// The parser's message without its place, on one line, and in words of this reader where there is something to do.
fn words(error: &Error) -> String {
    match error {
        Error::Budget { .. }
        | Error::AliasReplayCounterOverflow { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => too_large(),
        Error::MultipleDocuments { .. } => "a second document begins here: a file holds one".to_owned(),
        Error::MergeKeyNotAllowed { .. } => {
            "merge keys (`<<`) are not supported: write the keys out".to_owned()
        }
        other => {
            let message = other.to_string();
            if message.starts_with("budget breached") {
                return too_large();
            }
            let bare = message.split(" at line ").next().unwrap_or_default();
            bare.chars().map(|c| if is_hidden(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
        }
    }
}

fn too_large() -> String {
    format!(
        "too large: at most {MAX_VALUES} values in {MAX_DEPTH} levels are read, with all aliases filled in"
    )
}

/// A value as the YAML parser gives it: every part of it inside a `Spanned`.
struct Yaml(Value);

impl From<Spanned<Yaml>> for Node {
    fn from(spanned: Spanned<Yaml>) -> Self {
        let (line, column) = (spanned.referenced.line(), spanned.referenced.column());
        Self { place: (line > 0).then_some(Place { line, column }), value: spanned.value.0 }
    }
}

impl<'de> Deserialize<'de> for Yaml {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor::<Spanned<Self>>(PhantomData)).map(Self)
    }
}
