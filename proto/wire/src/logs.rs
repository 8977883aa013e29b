//! How a program of this workspace writes its logs: to standard error, as text or as JSON, from a level on.
//!
//! The one set-up for gateway and supervisor, which may not know each other. Owns the spelling of levels: a filter
//! of `tracing` takes a misspelt level for a module's name, so it is checked here first. Called once by each
//! program; off without the feature `logs`.

use std::io::IsTerminal as _;
use std::str::FromStr;

use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::prelude::*;

/// The levels, from silent to everything.
pub const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// How a log line looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl LogFormat {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
    }
}

impl FromStr for LogFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(format!("{text:?} is neither text nor json")),
        }
    }
}

/// How much is logged: a level, or levels by module (`info,openshell_gateway=debug`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLevel(String);

impl LogLevel {
    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for LogLevel {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_level = |level: &str| LEVELS.contains(&level.to_ascii_lowercase().as_str());
        let is_sound = |part: &str| {
            part.split_once('=')
                .map_or(is_level(part), |(module, level)| !module.is_empty() && is_level(level))
        };
        if text.split(',').all(is_sound) && text.parse::<Targets>().is_ok() {
            return Ok(Self(text.to_owned()));
        }
        let levels = LEVELS.join(", ");
        Err(format!("{text:?} is no level: {levels}, or such as info,openshell_gateway=debug"))
    }
}

/// Logs to standard error from now on. Does nothing in a program that logs already.
pub fn start(level: &LogLevel, format: LogFormat) {
    // A `LogLevel` is only ever made of what parses.
    let targets: Targets = level.0.parse().unwrap_or_default();
    let lines = fmt::layer().with_writer(std::io::stderr);
    let registry = tracing_subscriber::registry().with(targets);
    let started = match format {
        LogFormat::Text => registry.with(lines.with_ansi(std::io::stderr().is_terminal())).try_init(),
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).try_init(),
    };
    // Whoever was first keeps the log.
    started.unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_level_is_not_taken_for_a_module() {
        for sound in ["info", "OFF", "warn,openshell_gateway=debug", "tonic=trace"] {
            assert_eq!(sound.parse::<LogLevel>().unwrap().as_str(), sound);
        }
        for wrong in ["inof", "", "info,", "a=b", "=info", "info,openshell_gateway=verbose"] {
            assert!(wrong.parse::<LogLevel>().unwrap_err().contains("off, error, warn"), "{wrong}");
        }
        assert!("xml".parse::<LogFormat>().unwrap_err().contains("neither text nor json"));
    }
}
