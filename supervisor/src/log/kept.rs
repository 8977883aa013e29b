//! The latest denials, in memory: what `/v1/denials` answers from, without reading a file.
//!
//! [`KEPT`] of them, each at most [`MAX_LINE`] bytes of text; the oldest makes room. Each has a number, and a cursor
//! names the last one that somebody has seen, of this run alone. Redacted and escaped when they are kept.

use std::collections::VecDeque;

use chrono::{DateTime, SecondsFormat, Utc};
use openshell_domain::untrusted::Untrusted;
use serde_json::{Value, json};

use super::line::{Line, cut, redact_queries};
use super::ocsf::{host_and_port, url_parts};
use crate::denial::Denial;

/// How many denials are kept: the most that `policy.local` gives at once.
pub const KEPT: usize = 100;
/// The longest line that is kept, in bytes.
pub const MAX_LINE: usize = 4096;

/// One denial.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    number: u64,
    /// Its line in the shorthand log.
    pub line: String,
    /// Its facts: `time, layer, method, host, port, path, binary, rule, reason, fixable, denial_id`.
    pub facts: Value,
}

/// Some denials, newest first, and where to go on.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The denials.
    pub denials: Vec<Kept>,
    /// What to ask for next.
    pub cursor: String,
    /// How many after the cursor are no longer kept.
    pub missed: u64,
}

/// The ring of them.
#[derive(Debug)]
pub struct Denials {
    /// What makes a cursor one of this run.
    run: i64,
    kept: VecDeque<Kept>,
    /// How many there were.
    seen: u64,
}

impl Denials {
    /// An empty ring of a run that began then.
    #[must_use]
    pub fn new(began: DateTime<Utc>) -> Self {
        Self { run: began.timestamp_micros(), kept: VecDeque::new(), seen: 0 }
    }

    /// Keeps one.
    pub fn push(&mut self, line: String, facts: Value) {
        if self.kept.len() == KEPT {
            self.kept.pop_front();
        }
        self.seen += 1;
        self.kept.push_back(Kept { number: self.seen, line, facts });
    }

    /// The latest, newest first.
    #[must_use]
    pub fn latest(&self, last: usize) -> Page {
        let denials: Vec<Kept> = self.kept.iter().rev().take(last).cloned().collect();
        Page { denials, cursor: self.cursor(self.seen), missed: 0 }
    }

    /// Those after a cursor, newest first: of more than `last` the oldest, so that the next cursor skips none. `None`
    /// where it is no cursor of this run.
    #[must_use]
    pub fn since(&self, cursor: &str, last: usize) -> Option<Page> {
        let (run, number) = cursor.split_once('-')?;
        let number: u64 = number.parse().ok()?;
        if i64::from_str_radix(run, 16) != Ok(self.run) || number > self.seen {
            return None;
        }
        let first = self.kept.front().map_or(number + 1, |kept| kept.number);
        let mut denials: Vec<Kept> =
            self.kept.iter().filter(|kept| kept.number > number).take(last).cloned().collect();
        denials.reverse();
        let reached = denials.first().map_or(number, |newest| newest.number);
        let missed = first.saturating_sub(number + 1);
        Some(Page { denials, cursor: self.cursor(reached), missed })
    }

    fn cursor(&self, number: u64) -> String {
        format!("{:x}-{number}", self.run)
    }
}

/// The facts of a line that tells of something that was refused; `denial` knows more of them, where there is one.
#[must_use]
pub fn facts(line: &Line, denial: Option<&Denial>, at: DateTime<Utc>) -> Value {
    let (layer, method, authority, path, actor, tag, reason) = match line {
        Line::Net { destination, actor, tag, reason, .. } => {
            ("l4", "CONNECT", destination.as_str(), None, actor, tag, reason)
        }
        Line::Http { method, url, actor, tag, reason, .. } => {
            let (_, authority, path) = url_parts(url);
            ("l7", method.as_str(), authority, Some(path), actor, tag, reason)
        }
        Line::Config { .. } => return Value::Null,
    };
    let (host, port) = host_and_port(authority);
    let port = port.or((path.is_some()).then_some(80));
    let known = |value: &&str| *value != "-";
    let rule = tag.as_ref().map(|(rule, _)| rule.as_str()).filter(known);
    let reason = denial.map(|denial| denial.refused.reason.as_str()).or(reason.as_deref());
    json!({
        "time": at.to_rfc3339_opts(SecondsFormat::Millis, true),
        "layer": denial.map_or(layer, Denial::layer),
        "method": text(method),
        "host": text(host),
        "port": port,
        "path": path.map(text),
        "binary": Some(actor.binary.as_str()).filter(known).map(text),
        "rule": rule.map(text),
        "reason": reason.map(text),
        "fixable": denial.is_some_and(Denial::is_fixable),
        "denial_id": denial.map(|denial| denial.id.to_string()),
    })
}

/// Text as it may be kept and given.
fn text(raw: &str) -> String {
    bounded(&Untrusted::new(&redact_queries(raw)).visible())
}

/// At most [`MAX_LINE`] bytes of a line, cut between characters; it says so where something is missing.
#[must_use]
pub fn bounded(line: &str) -> String {
    if line.len() > MAX_LINE { format!("{}[truncated]", cut(line, MAX_LINE)) } else { line.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(count: u64) -> Denials {
        let mut ring = Denials::new("2026-07-02T09:14:03Z".parse().unwrap());
        (1..=count).for_each(|n| ring.push(n.to_string(), Value::Null));
        ring
    }

    fn lines(page: &Page) -> Vec<&str> {
        page.denials.iter().map(|kept| kept.line.as_str()).collect()
    }

    /// Kills: a cursor that skips what did not fit, that gives something twice, or that hides what is gone.
    #[test]
    fn cursors_go_through_every_denial_once() {
        let mut ring = ring(3);
        let page = ring.latest(2);
        assert_eq!((lines(&page), page.missed), (vec!["3", "2"], 0));
        assert_eq!(lines(&ring.since(&page.cursor, 10).unwrap()), [""; 0]);
        (4..=6).for_each(|n| ring.push(n.to_string(), Value::Null));
        let next = ring.since(&page.cursor, 2).unwrap();
        assert_eq!(lines(&next), ["5", "4"]);
        assert_eq!(lines(&ring.since(&next.cursor, 2).unwrap()), ["6"]);
        (7..=205).for_each(|n| ring.push(n.to_string(), Value::Null));
        let late = ring.since(&next.cursor, 1).unwrap();
        assert_eq!((lines(&late), late.missed), (vec!["106"], 100), "6 to 105 are gone");
    }

    #[test]
    fn a_cursor_of_another_run_or_of_none_is_none() {
        let ring = ring(3);
        let cursor = ring.latest(1).cursor;
        assert!(ring.since(&cursor, 1).is_some());
        let run = cursor.split_once('-').unwrap().0;
        for wrong in ["", "3", "-3", "x-3", "0-3", &format!("{run}-4"), &format!("{run}--1")] {
            assert_eq!(ring.since(wrong, 1), None, "{wrong}");
        }
    }

    /// Kills: a ring without a bound, or one that keeps the oldest (W24: whole files read for each call).
    #[test]
    fn w24_denials_come_from_a_bounded_ring() {
        let page = ring(100_000).latest(usize::MAX);
        assert_eq!((page.denials.len(), lines(&page)[0], lines(&page)[99]), (KEPT, "100000", "99901"));
        let long = bounded(&"ü".repeat(MAX_LINE));
        assert_eq!(long, format!("{}...[truncated]", "ü".repeat(MAX_LINE / 2)));
    }
}
