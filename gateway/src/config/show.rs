//! `config show`: the settings in force, and where each came from.
//!
//! As TOML, which is a configuration file that says the same, or as JSON. Writes nothing that is not in the table
//! of keys.

use std::io::Write;

use openshell_domain::untrusted::{Untrusted, visible_json};
use serde_json::{Map, Value, json};

use super::keys::{KEYS, Key, Kind};
use super::{Effective, Origin};

/// The origins stand in one column, as long as it is not further out than this.
const WIDEST: usize = 80;

/// How the settings are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ShowFormat {
    /// A configuration file, with the origins as comments.
    Toml,
    /// One object: key, value, origin.
    Json,
}

impl Effective {
    /// Writes every key with its value and its origin.
    ///
    /// # Errors
    /// What `out` says.
    pub(crate) fn show(&self, format: ShowFormat, out: &mut dyn Write) -> std::io::Result<()> {
        match format {
            ShowFormat::Toml => self.toml(out),
            ShowFormat::Json => self.json(out),
        }?;
        out.flush()
    }

    fn toml(&self, out: &mut dyn Write) -> std::io::Result<()> {
        let entry = |key: &Key| match self.value(key) {
            Some(value) => format!("{} = {}", key.name, visible_json(&value.to_string())),
            None => format!("# {} has no default where neither HOME nor the XDG folders are set", key.name),
        };
        let entries: Vec<String> = KEYS.iter().map(entry).collect();
        let widest = entries.iter().map(|entry| entry.chars().count()).max().unwrap_or_default().min(WIDEST);
        for (key, entry) in KEYS.iter().zip(entries) {
            let origin = Untrusted::new(&self.origin(key.name).to_string()).visible();
            writeln!(out, "{entry:widest$}  # {origin}")?;
        }
        Ok(())
    }

    fn json(&self, out: &mut dyn Write) -> std::io::Result<()> {
        let entry = |key: &Key| {
            let (origin, place) = self.origin(key.name).parts();
            (key.name.to_owned(), json!({"value": self.value(key), "origin": origin, "place": place}))
        };
        let all: Map<String, Value> = KEYS.iter().map(entry).collect();
        writeln!(out, "{}", visible_json(&serde_json::to_string_pretty(&all)?))
    }

    /// A JSON text is a TOML string too, and so is a number.
    fn value(&self, key: &Key) -> Option<Value> {
        let text = (key.get)(&self.settings)?;
        Some(match key.kind {
            Kind::Count => text.parse::<u64>().map_or(Value::Null, Value::from),
            Kind::Path | Kind::PathOrNone | Kind::Text => Value::from(text),
        })
    }
}

impl Origin {
    fn parts(&self) -> (&'static str, Option<String>) {
        match self {
            Self::Default => ("default", None),
            Self::File { path, line } => ("file", Some(format!("{}:{line}", path.display()))),
            Self::Environment(name) => ("environment", Some(name.clone())),
            Self::Flag(name) => ("flag", Some(name.clone())),
        }
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.parts() {
            (origin, None) => f.write_str(origin),
            (origin, Some(place)) => write!(f, "{origin} {place}"),
        }
    }
}
