//! One request pattern: method, path, query.

use std::collections::BTreeMap;

use super::document::{Fields, Reader};
use crate::node::{Node, Value};
use crate::policy::pattern::{Separator, is_simple};
use crate::policy::{AllowRule, QueryPattern, RequestPattern, path};

/// The longest path pattern, in bytes.
pub(super) const MAX_PATH: usize = 2048;

/// Keys of OpenShell's request patterns that belong to protocols which are not enforced here.
const UNSUPPORTED: [&str; 6] = ["command", "operation_type", "operation_name", "fields", "params", "tool"];

/// Methods that no rule opens: they turn a request into a tunnel or send it back to its sender.
const NEVER: [&str; 2] = ["CONNECT", "TRACE"];

/// What OpenShell knows; with others it warns too.
const KNOWN: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "*"];

pub(super) fn allow_rule(reader: &mut Reader, node: &Node) -> AllowRule {
    let mut fields = reader.fields(node);
    let allow = match fields.take("allow") {
        Some(node) => reader.within("allow", |reader| pattern(reader, node)),
        None => {
            reader.problem(Some(node), "allow", "missing: each rule is `allow: {method, path}`");
            RequestPattern { method: String::new(), path: String::new(), query: BTreeMap::new() }
        }
    };
    fields.finish(reader);
    AllowRule { allow }
}

pub(super) fn pattern(reader: &mut Reader, node: &Node) -> RequestPattern {
    let mut fields = reader.fields(node);
    let method = method(reader, &mut fields, node);
    let path = match fields.take("path") {
        None => {
            reader.problem(
                Some(node),
                "path",
                "missing: a rule without a path never matches; write `path: \"**\"` for every path",
            );
            String::new()
        }
        Some(node) => match reader.text(node, "path", MAX_PATH) {
            Some(text) => {
                check_path(reader, node, &text);
                text
            }
            None => String::new(),
        },
    };
    let query = match fields.take("query") {
        Some(node) => reader.within("query", |reader| query(reader, node)),
        None => BTreeMap::new(),
    };
    for key in UNSUPPORTED {
        let is_blank = |node: &Node| matches!(&node.value, Value::Text(text) if text.is_empty());
        if let Some(node) = fields.take_unsupported(key).filter(|node| !is_blank(node)) {
            reader.problem(Some(node), key, "belongs to a protocol that is not supported: remove it");
        }
    }
    fields.finish(reader);
    RequestPattern { method, path, query }
}

fn method(reader: &mut Reader, fields: &mut Fields<'_>, rule: &Node) -> String {
    let Some(node) = fields.take("method") else {
        reader.problem(
            Some(rule),
            "method",
            "missing: write a method such as GET, or `\"*\"` for every method",
        );
        return String::new();
    };
    let Some(text) = reader.text(node, "method", 32) else { return String::new() };
    let method = text.to_ascii_uppercase();
    let is_token = !method.is_empty()
        && method.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'+-.^_`|~".contains(&b));
    if method != "*" && !is_token {
        reader.problem(Some(node), "method", &format!("{text:?} is not a method: write GET, PUT … or `*`"));
    } else if NEVER.contains(&method.as_str()) {
        reader.problem(Some(node), "method", &format!("{method} is never forwarded, whatever a rule says"));
    } else if !KNOWN.contains(&method.as_str()) {
        let message = format!("{method} is not one of {}: it is compared letter by letter", KNOWN.join(", "));
        reader.warning(Some(node), "method", &message);
    }
    method
}

/// Checks a path pattern: begins with `/` (a file may also write `**`), no query, canonical where it is literal.
pub(super) fn check_path(reader: &mut Reader, node: &Node, text: &str) {
    if text == "**" && !reader.is_proposal() {
        return;
    }
    if !text.starts_with('/') {
        let or_all = if reader.is_proposal() { "" } else { ", or be `**` for every path" };
        let message = format!("{text:?} must begin with /{or_all}");
        return reader.problem(Some(node), "path", &message);
    }
    if text.contains('?') && reader.is_proposal() {
        return reader.problem(Some(node), "path", "holds a `?`: a query is not part of a path; use `query`");
    }
    reader.pattern(Some(node), "path", text, Separator::Slash);
    if !is_simple(text) {
        return;
    }
    match path::canonical(text, true) {
        Ok(target) if target.path == text => {}
        Ok(target) => {
            let message = format!(
                "{text:?} never matches, because paths are judged in canonical form: write {:?}",
                target.path
            );
            reader.problem(Some(node), "path", &message);
        }
        Err(error) => reader.problem(Some(node), "path", &format!("{text:?} never matches: {error}")),
    }
}

fn query(reader: &mut Reader, node: &Node) -> BTreeMap<String, QueryPattern> {
    let mut fields = reader.fields(node);
    let mut query = BTreeMap::new();
    for (key, key_node, value) in fields.take_all() {
        if super::hidden_character(&key).is_some() || key.len() > 256 {
            reader.problem(
                Some(key_node),
                "",
                "a query key holds hidden characters or is longer than 256 bytes",
            );
            continue;
        }
        if let Some(pattern) = query_pattern(reader, value, &key) {
            query.insert(key, pattern);
        }
    }
    query
}

fn query_pattern(reader: &mut Reader, node: &Node, key: &str) -> Option<QueryPattern> {
    let Value::Map(_) = &node.value else {
        return glob(reader, node, key).map(QueryPattern::Glob);
    };
    reader.within(key, |reader| {
        let before = reader.problems.len();
        let mut fields = reader.fields(node);
        let single = fields.take("glob").and_then(|node| glob(reader, node, "glob"));
        let any: Option<Vec<String>> = fields.take("any").map(|list| {
            reader.list(list, "any", |reader, node| glob(reader, node, "")).into_iter().flatten().collect()
        });
        fields.finish(reader);
        match (single, any) {
            (Some(glob), None) => Some(QueryPattern::Glob(glob)),
            (None, Some(any)) if !any.is_empty() => Some(QueryPattern::Any { any }),
            _ if reader.problems.len() > before => None,
            _ => {
                reader.problem(Some(node), "", "write a glob, or `any: [glob, …]` with at least one");
                None
            }
        }
    })
}

fn glob(reader: &mut Reader, node: &Node, key: &str) -> Option<String> {
    let text = reader.text(node, key, 1024)?;
    reader.pattern(Some(node), key, &text, Separator::Dot);
    Some(text)
}
