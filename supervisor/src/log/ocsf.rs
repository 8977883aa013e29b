//! One record of the log as an OCSF 1.8.0 event: the same [`Line`] that the shorthand is made of, and nothing beside it.
//!
//! Network Activity (4001), HTTP Activity (4002) and Device Config State Change (5019), with the profiles
//! `security_control` and `host`. Everything that somebody else may have written is redacted and escaped as in the
//! shorthand; a query is never in it. What no attribute of the class fits stands in `unmapped`. Called by the log.

use std::net::IpAddr;
use std::path::Path;

use chrono::{DateTime, Utc};
use openshell_domain::untrusted::Untrusted;
use serde_json::{Map, Value, json};

use super::line::{Actor, Line, MAX_REASON, Severity, cut, redact_queries};

/// The version of the schema that the events follow.
pub const VERSION: &str = "1.8.0";

/// Where events come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The sandbox.
    pub sandbox: String,
    /// The machine's name.
    pub hostname: String,
}

/// The event of a line at a time.
#[must_use]
pub fn event(line: &Line, at: DateTime<Utc>, source: &Source) -> Value {
    let mut event = Map::new();
    let (class, activity) = match line {
        Line::Net { activity, actor, destination, tag, reason, action, .. } => {
            verdict(&mut event, action, tag.as_ref(), reason.as_ref());
            who(&mut event, actor, source);
            event.insert("dst_endpoint".to_owned(), endpoint(destination));
            event.insert("is_src_dst_assignment_known".to_owned(), true.into());
            (NETWORK, network_activity(activity))
        }
        Line::Http { method, actor, url, tag, reason, action, .. } => {
            verdict(&mut event, action, tag.as_ref(), reason.as_ref());
            who(&mut event, actor, source);
            request(&mut event, method, url);
            (HTTP, http_activity(method))
        }
        Line::Config { state, facts, proposal, .. } => {
            let proposal = proposal.map(|id| ("proposal_id", id.to_string()));
            config(&mut event, state, facts.iter().cloned().chain(proposal));
            (CONFIG, (1, "Log"))
        }
    };
    classified(&mut event, class, activity);
    let (severity_id, severity) = severity(line.severity());
    put(&mut event, "severity_id", severity_id);
    put(&mut event, "severity", severity);
    put(&mut event, "time", at.timestamp_millis());
    put(&mut event, "message", line.to_string());
    put(&mut event, "device", device(source));
    put(&mut event, "metadata", metadata());
    Value::Object(event)
}

/// A class: its uid and name, and those of its category.
type Class = (u32, &'static str, u32, &'static str);

const NETWORK: Class = (4001, "Network Activity", 4, "Network Activity");
const HTTP: Class = (4002, "HTTP Activity", 4, "Network Activity");
const CONFIG: Class = (5019, "Device Config State Change", 5, "Discovery");

fn classified(event: &mut Map<String, Value>, class: Class, (id, activity): (u32, &str)) {
    let (class_uid, class_name, category_uid, category_name) = class;
    put(event, "class_uid", class_uid);
    put(event, "class_name", class_name);
    put(event, "category_uid", category_uid);
    put(event, "category_name", category_name);
    put(event, "activity_id", id);
    put(event, "activity_name", activity);
    put(event, "type_uid", class_uid * 100 + id);
    put(event, "type_name", format!("{class_name}: {activity}"));
}

fn network_activity(activity: &str) -> (u32, &'static str) {
    match activity {
        "OPEN" => (1, "Open"),
        "CLOSE" => (2, "Close"),
        "FAIL" => (4, "Fail"),
        "REFUSE" => (5, "Refuse"),
        _ => (99, "Other"),
    }
}

/// Methods are case-sensitive: `get` is another one than `GET` (RFC 9110 §9.1).
fn http_activity(method: &str) -> (u32, &'static str) {
    match method {
        "CONNECT" => (1, "Connect"),
        "DELETE" => (2, "Delete"),
        "GET" => (3, "Get"),
        "HEAD" => (4, "Head"),
        "OPTIONS" => (5, "Options"),
        "POST" => (6, "Post"),
        "PUT" => (7, "Put"),
        "TRACE" => (8, "Trace"),
        "PATCH" => (9, "Patch"),
        _ => (99, "Other"),
    }
}

fn severity(severity: Severity) -> (u32, &'static str) {
    match severity {
        Severity::Info => (1, "Informational"),
        Severity::Low => (2, "Low"),
        Severity::Medium => (3, "Medium"),
        Severity::High => (4, "High"),
    }
}

/// What was done: action, disposition, status, the rule and the reason.
fn verdict(
    event: &mut Map<String, Value>,
    action: &str,
    tag: Option<&(String, &'static str)>,
    reason: Option<&String>,
) {
    let (action, disposition, status) = match action {
        "ALLOWED" => ((1, "Allowed"), (1, "Allowed"), (1, "Success")),
        // Let through by an audit: it is allowed, and the line is all that happened.
        "ALLOWED [AUDIT]" => ((1, "Allowed"), (17, "Logged"), (1, "Success")),
        "CLOSED" => ((2, "Denied"), (24, "Access Revoked"), (1, "Success")),
        _ => ((2, "Denied"), (2, "Blocked"), (2, "Failure")),
    };
    for (name, (id, caption)) in [("action", action), ("disposition", disposition), ("status", status)] {
        put(event, &format!("{name}_id"), id);
        put(event, name, caption);
    }
    if let Some((rule, engine)) = tag {
        put(event, "firewall_rule", json!({"name": text(rule), "type": engine}));
    }
    if let Some(reason) = reason {
        put(event, "status_detail", text(&cut(reason, MAX_REASON)));
    }
}

/// The program that asked. Where nobody is known there is no actor: an actor has to be somebody.
fn who(event: &mut Map<String, Value>, actor: &Actor, source: &Source) {
    if *actor == Actor::unknown() {
        return;
    }
    let name =
        Path::new(&actor.binary).file_name().map_or_else(String::new, |name| text(&name.to_string_lossy()));
    let path = text(&actor.binary);
    let mut file = json!({"name": name, "path": path, "type_id": 1, "type": "Regular File"});
    if let (Some(hash), Some(file)) = (actor.sha256.get(), file.as_object_mut()) {
        let hash = json!({"algorithm": "SHA-256", "algorithm_id": 3, "value": hash.to_string()});
        put(file, "hashes", vec![hash]);
    }
    let process =
        json!({"pid": actor.pid, "name": name, "path": path, "file": file, "sandbox": source.sandbox});
    put(event, "actor", json!({"process": process}));
}

/// `host:port` as an endpoint; what has no port, or is no address, is told as it is.
fn endpoint(destination: &str) -> Value {
    let (host, port) = host_and_port(destination);
    let key = if host.parse::<IpAddr>().is_ok() { "ip" } else { "domain" };
    let mut endpoint = Map::new();
    put(&mut endpoint, key, text(host));
    if let Some(port) = port {
        put(&mut endpoint, "port", port);
    }
    Value::Object(endpoint)
}

/// The request's method and the parts of its URL, without a query, and its destination.
fn request(event: &mut Map<String, Value>, method: &str, url: &str) {
    let (scheme, authority, path) = url_parts(url);
    let (host, port) = host_and_port(authority);
    let port = port.unwrap_or(80);
    put(event, "dst_endpoint", endpoint(authority));
    if let Some(Value::Object(destination)) = event.get_mut("dst_endpoint") {
        put(destination, "port", port);
    }
    let url = json!({"scheme": scheme, "hostname": text(host), "port": port, "path": text(path)});
    put(event, "http_request", json!({"http_method": text(method), "url": url}));
}

/// A change of policy, or of what is asked for.
fn config(event: &mut Map<String, Value>, state: &str, facts: impl Iterator<Item = (&'static str, String)>) {
    let is_failure = state == "FAIL_CLOSED";
    put(event, "state_id", 99);
    put(event, "state", state.to_ascii_lowercase());
    put(event, "status_id", if is_failure { 2 } else { 1 });
    put(event, "status", if is_failure { "Failure" } else { "Success" });
    let (mut policy, mut unmapped) = (Map::new(), Map::new());
    for (key, value) in facts {
        match key {
            "version" => put(&mut policy, "version", text(&value)),
            "hash" => put(&mut policy, "uid", text(&value)),
            "error" => put(event, "status_detail", text(&cut(&value, MAX_REASON))),
            "by" => put(&mut unmapped, "reviewer_kind", text(&value)),
            _ => put(&mut unmapped, key, text(&value)),
        }
    }
    if !policy.is_empty() {
        put(&mut policy, "name", "network_policies");
        if matches!(state, "LOADED" | "FAIL_CLOSED") {
            put(&mut policy, "is_applied", !is_failure);
        }
        put(event, "policy", policy);
    }
    if !unmapped.is_empty() {
        put(event, "unmapped", unmapped);
    }
}

fn device(source: &Source) -> Value {
    json!({
        "hostname": text(&source.hostname),
        "name": source.sandbox,
        "type_id": 99,
        "type": "Sandbox",
        "os": {"name": "Linux", "type_id": 200, "type": "Linux"},
    })
}

fn metadata() -> Value {
    let product = json!({
        "name": "openshell-supervisor",
        "vendor_name": "openshell-inbox",
        "version": env!("CARGO_PKG_VERSION"),
    });
    json!({"version": VERSION, "product": product, "profiles": ["security_control", "host"]})
}

/// Text as it may be written: without queries, with every character plain.
fn text(raw: &str) -> String {
    Untrusted::new(&redact_queries(raw)).visible()
}

/// `scheme://authority/path` in its parts, the path without a query.
pub(super) fn url_parts(url: &str) -> (&str, &str, &str) {
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    let rest = rest.split_once('?').map_or(rest, |(before, _)| before);
    match rest.split_once('/') {
        Some((authority, _)) => (scheme, authority, rest.strip_prefix(authority).unwrap_or("/")),
        None => (scheme, rest, "/"),
    }
}

/// `host:port` in its parts; an IPv6 address without its brackets.
pub(super) fn host_and_port(text: &str) -> (&str, Option<u16>) {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => match port.parse() {
            Ok(port) => (host, Some(port)),
            Err(_) => (text, None),
        },
        _ => (text, None),
    };
    (host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host), port)
}

fn put(fields: &mut Map<String, Value>, key: &str, value: impl Into<Value>) {
    fields.insert(key.to_owned(), value.into());
}

#[cfg(test)]
mod tests;
