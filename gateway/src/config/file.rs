//! The configuration file: flat TOML, read with every mistake named by file, line, column and key.
//!
//! Refuses unknown keys (with the known ones), values of a wrong type, and files that are too large. A file that
//! is not at the usual place is no mistake; one that was named and is not there is.

use std::ffi::OsString;
use std::io::{ErrorKind, Read as _};
use std::ops::Range;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::keys::{KEYS, Key, Kind, NONE};
use super::{Origin, Told, beside};

/// The largest file, in bytes.
const MAX: u64 = 64 * 1024;

/// Takes in what a file says.
pub(super) fn read(path: &Path, must_exist: bool, told: &mut Told) {
    let text = match load(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound && !must_exist => return,
        Err(error) => return told.problems.push(format!("{}: {error}", path.display())),
    };
    let at = |span: Range<usize>| {
        let (line, column) = place(&text, span.start);
        (line, format!("{}:{line}:{column}", path.display()))
    };
    let (table, mistakes) = DeTable::parse_recoverable(&text);
    for mistake in mistakes {
        let (_, place) = at(mistake.span().unwrap_or_default());
        told.problems.push(format!("{place}: {}", mistake.message()));
    }
    // Beside a mistake in the syntax, what was understood of the rest may be wrong.
    if !told.problems.is_empty() {
        return;
    }
    // In the order of the file, which is the order in which somebody mends it.
    let mut rows: Vec<_> = table.get_ref().iter().collect();
    rows.sort_by_key(|(name, _)| name.span().start);
    for (name, value) in rows {
        let Some(key) = KEYS.iter().find(|key| key.name == name.get_ref().as_ref()) else {
            let (_, place) = at(name.span());
            told.problems.push(format!("{place}: {:?} is no key: {}", name.get_ref(), names()));
            continue;
        };
        let (line, place) = at(value.span());
        match text_of(key, value.get_ref(), path) {
            Ok(value) => {
                let origin = Origin::File { path: path.to_owned(), line };
                told.take(key, &value, origin, &format!("{place}: {}", key.name));
            }
            Err(problem) => told.problems.push(format!("{place}: {}: {problem}", key.name)),
        }
    }
}

fn load(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    std::fs::File::open(path)?.take(MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX {
        return Err(std::io::Error::other(format!("larger than {MAX} bytes")));
    }
    Ok(text)
}

/// A value as the key reads it from anywhere else.
fn text_of(key: &Key, value: &DeValue<'_>, file: &Path) -> Result<OsString, String> {
    match (key.kind, value) {
        (Kind::PathOrNone, DeValue::String(text)) if text == NONE => Ok(OsString::from(NONE)),
        (Kind::Path | Kind::PathOrNone, DeValue::String(text)) if !text.is_empty() => Ok(beside(file, text)),
        (Kind::Path | Kind::PathOrNone | Kind::Text, DeValue::String(text)) => {
            Ok(OsString::from(text.as_ref()))
        }
        (Kind::Count, DeValue::Integer(number)) if number.radix() == 10 => Ok(number.as_str().into()),
        (Kind::Count, found) => {
            Err(format!("found {}, allowed is a whole number such as {}", kind(found), key.default))
        }
        (_, found) => Err(format!("found {}, allowed is a string such as {:?}", kind(found), key.default)),
    }
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(number) if number.radix() != 10 => "an integer that is not decimal",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

fn names() -> String {
    let names: Vec<_> = KEYS.iter().map(|key| key.name).collect();
    format!("there are {}", names.join(", "))
}

/// Line and column, from 1, in characters.
fn place(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
    (line, column)
}
