//! `GET /v1/denials` and `GET /v1/logs`: what was denied and done lately, from memory, newest first.
//!
//! Denials as lines of the shorthand log, or as facts (`format=json`), and since a cursor that each answer brings. What
//! is kept is bounded and redacted already; it is redacted once more here.

use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::{parameter, put};
use crate::context::Context;
use crate::log::Log;
use crate::log::kept::{Page, bounded};
use crate::log::line::redact_queries;
use crate::reply::{self, Body};

/// The latest denials, or those since a cursor.
pub(super) fn denials(context: &Context, query: Option<&str>) -> Response<Body> {
    match answer(&context.log, query) {
        Ok(mut body) => {
            note(&mut body, &context.log, context.evidence.dropped());
            reply::json(StatusCode::OK, &body)
        }
        Err((error, detail)) => reply::error(StatusCode::BAD_REQUEST, error, detail),
    }
}

/// The latest lines of the log.
pub(super) fn lines(context: &Context, query: Option<&str>) -> Response<Body> {
    let lines: Vec<String> = context.log.latest(last(query)).iter().map(|line| plain(line)).collect();
    let mut body = json!({"lines": lines, "log_available": context.log.is_available()});
    note(&mut body, &context.log, 0);
    reply::json(StatusCode::OK, &body)
}

fn answer(log: &Log, query: Option<&str>) -> Result<Value, (&'static str, &'static str)> {
    let is_json = match parameter(query, "format") {
        None | Some("text") => false,
        Some("json") => true,
        Some(_) => return Err(("invalid_format", "format is json or text; leave it out for text")),
    };
    let page = match parameter(query, "since") {
        None => log.denials(last(query)),
        Some(cursor) => log.denials_since(cursor, last(query)).ok_or((
            "invalid_cursor",
            "since is no cursor of this run: take `cursor` from the last answer, or leave since out to begin with the latest",
        ))?,
    };
    Ok(told(page, is_json, log.is_available()))
}

fn told(page: Page, is_json: bool, is_available: bool) -> Value {
    let Page { denials, cursor, missed } = page;
    let denials: Vec<Value> =
        denials.into_iter().map(|kept| if is_json { kept.facts } else { plain(&kept.line).into() }).collect();
    let mut body = json!({"denials": denials, "cursor": cursor, "log_available": is_available});
    if missed > 0 {
        put(&mut body, "missed", missed);
    }
    body
}

fn last(query: Option<&str>) -> usize {
    parameter(query, "last").and_then(|text| text.parse::<usize>().ok()).unwrap_or(10).clamp(1, 100)
}

fn plain(line: &str) -> String {
    bounded(&redact_queries(line))
}

/// What is missing, where something is.
fn note(body: &mut Value, log: &Log, dropped: u64) {
    let mut notes = Vec::new();
    if !log.is_available() {
        notes.push("the log file cannot be written; this is what is kept in memory of this run".to_owned());
    } else if log.unwritten() > 0 {
        notes.push(format!("{} lines of this run could not be written to the log files", log.unwritten()));
    }
    if dropped > 0 {
        notes.push(format!("{dropped} kinds of denials made room for others and are no evidence any more"));
    }
    if !notes.is_empty() {
        put(body, "note", notes.join("; "));
    }
}

#[cfg(test)]
mod tests;
