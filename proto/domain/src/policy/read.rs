//! The one door into [`super::Policy`]: every rule, from whatever document, is read and checked here.
//!
//! Policy files, proposal bodies and wire messages all become a [`Node`] tree first; this reader turns the tree
//! into typed rules and collects *every* mistake with its place and key. What it cannot give a meaning that is
//! enforced in full (other protocols, middlewares, credential rewriting) it refuses by name.

mod destination;
mod document;
mod endpoint;
mod limits;
mod request;
mod sections;

use std::collections::BTreeMap;
use std::fmt;

pub use document::{Fields, Reader};

use super::overlap::Conflict;
use super::{Binary, Policy, Rule};
use crate::id::RuleName;
use crate::node::{Node, Place, Value};
use crate::untrusted::{Untrusted, is_hidden};

/// Who wrote the rule: a person in a file, or an agent in a proposal, for which less is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A policy file, or a policy that the gateway pushed.
    File,
    /// A proposal: literals, `*` and `**` only; no denies, no `tls`, no `audit`.
    Proposal,
}

/// One mistake (or one warning) in a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where it stands, when the document is a file.
    pub place: Option<Place>,
    /// The key, as a path: `network_policies.github.endpoints[0].access`.
    pub key: String,
    /// What was found, what is allowed, how to mend it.
    pub message: String,
}

impl Problem {
    /// `FILE:line:column: key: message`, as editors and compilers have it.
    #[must_use]
    pub fn in_file(&self, file: &str) -> String {
        let gap = if self.place.is_some() { "" } else { " " };
        format!("{file}:{gap}{self}")
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Place { line, column }) = self.place {
            write!(f, "{line}:{column}: ")?;
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", Untrusted::new(&self.key))?;
        }
        f.write_str(&self.message)
    }
}

/// All mistakes of one document. Never empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

/// A policy and what its author should know about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// The policy.
    pub policy: Policy,
    /// What loads but is probably not meant, such as an endpoint that only audits.
    pub warnings: Vec<Problem>,
    /// Where the key of each rule stands, when the document is a file.
    pub places: BTreeMap<RuleName, Place>,
}

/// The largest policy file, in bytes.
pub const MAX_FILE: usize = 256 * 1024;

/// Reads a policy file from its bytes.
///
/// # Errors
/// That it is not UTF-8, with the place; else as [`policy_from_yaml`].
pub fn policy_from_bytes(bytes: &[u8]) -> Result<Loaded, Problems> {
    check_size(bytes.len())?;
    match str::from_utf8(bytes) {
        Ok(text) => policy_from_yaml(text),
        Err(error) => {
            let head = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let place = end_of(&String::from_utf8_lossy(head));
            let message = "the file is not UTF-8: save it as UTF-8".to_owned();
            Err(Problems(vec![Problem { place: Some(place), key: String::new(), message }]))
        }
    }
}

/// Reads a policy file.
///
/// # Errors
/// Every mistake in it (of syntax: the first), with line, column, key, what was found and what is allowed; or that
/// it is larger than [`MAX_FILE`].
pub fn policy_from_yaml(text: &str) -> Result<Loaded, Problems> {
    check_size(text.len())?;
    let node = crate::node::from_yaml(text).map_err(|error| {
        Problems(vec![Problem { place: error.place, key: String::new(), message: error.message }])
    })?;
    policy_from_node(&node)
}

fn check_size(found: usize) -> Result<(), Problems> {
    if found <= MAX_FILE {
        return Ok(());
    }
    let message = format!("the file is larger than a policy may be: at most {MAX_FILE} bytes");
    Err(Problems(vec![Problem { place: None, key: String::new(), message }]))
}

/// The place right behind `text`.
fn end_of(text: &str) -> Place {
    let last = text.rsplit('\n').next().unwrap_or_default();
    Place { line: 1 + text.matches('\n').count() as u64, column: 1 + last.chars().count() as u64 }
}

/// Reads a policy from a document tree.
///
/// # Errors
/// Every mistake in it.
pub fn policy_from_node(node: &Node) -> Result<Loaded, Problems> {
    let mut reader = Reader::new(Source::File);
    let (policy, places) = policy(&mut reader, node);
    if reader.problems.is_empty() {
        for conflict in super::overlap::conflicts(&policy) {
            let endpoint = endpoint_of(node, &conflict);
            let at = endpoint.and_then(|endpoint| endpoint.get(conflict.key)).or(endpoint);
            let key = format!("network_policies.{}.endpoints[{}]", conflict.rule, conflict.endpoint);
            reader.within(&key, |reader| reader.problem(at, conflict.key, &conflict.to_string()));
        }
    }
    let (policy, warnings) = reader.finish(policy)?;
    Ok(Loaded { policy, warnings, places })
}

fn endpoint_of<'n>(node: &'n Node, conflict: &Conflict) -> Option<&'n Node> {
    let rule = node.get("network_policies")?.get(conflict.rule.as_str())?;
    rule.get("endpoints")?.item(conflict.endpoint)
}

/// Reads one rule from a document tree. `key` is what problems call it.
///
/// # Errors
/// Every mistake in it.
pub fn rule_from_node(node: &Node, source: Source, key: &str) -> Result<Rule, Problems> {
    let mut reader = Reader::new(source);
    let rule = reader.within(key, |reader| rule(reader, node));
    Ok(reader.finish(rule)?.0)
}

type Places = BTreeMap<RuleName, Place>;

fn policy(reader: &mut Reader, node: &Node) -> (Policy, Places) {
    let mut fields = reader.fields(node);
    match fields.take("version") {
        Some(Node { value: Value::Int(1), .. }) => {}
        Some(other) => {
            let message = format!("found {}, allowed is 1", other.found());
            reader.problem(Some(other), "version", &message);
        }
        None => reader.problem(Some(node), "version", "missing: write `version: 1`"),
    }
    let filesystem_policy = fields.take("filesystem_policy").map(|node| sections::filesystem(reader, node));
    let landlock = fields.take("landlock").map(|node| sections::landlock(reader, node));
    let process = fields.take("process").map(|node| sections::process(reader, node));
    let (network_policies, places) = match fields.take("network_policies") {
        Some(node) => reader.within("network_policies", |reader| rules(reader, node)),
        None => Default::default(),
    };
    if let Some(node) = fields.take_unsupported("network_middlewares") {
        let message = "not supported: middlewares are not enforced here, remove it";
        reader.problem(Some(node), "network_middlewares", message);
    }
    fields.finish(reader);
    (Policy { version: 1, filesystem_policy, landlock, process, network_policies }, places)
}

fn rules(reader: &mut Reader, node: &Node) -> (BTreeMap<RuleName, Rule>, Places) {
    let mut rules = BTreeMap::new();
    let mut places = BTreeMap::new();
    let mut fields = reader.fields(node);
    for (key, key_node, value) in fields.take_all() {
        let rule = reader.within(&key, |reader| rule(reader, value));
        match RuleName::try_from(key.clone()) {
            Ok(name) => {
                places.extend(key_node.place.map(|place| (name.clone(), place)));
                rules.insert(name, rule);
            }
            Err(error) => reader.problem(Some(key_node), &key, &error.to_string()),
        }
    }
    (rules, places)
}

/// Reads one rule: `name`, `endpoints`, `binaries`.
fn rule(reader: &mut Reader, node: &Node) -> Rule {
    let mut fields = reader.fields(node);
    let name = fields.take("name").and_then(|node| reader.optional_text(node, "name", RuleName::MAX));
    let endpoints = match fields.take("endpoints") {
        Some(list) => reader.list(list, "endpoints", endpoint::read),
        None => Vec::new(),
    };
    if endpoints.is_empty() {
        reader.problem(
            fields.node_of("endpoints").or(Some(node)),
            "endpoints",
            "a rule needs at least one endpoint",
        );
    }
    let mut binaries = match fields.take("binaries") {
        Some(list) => reader.list(list, "binaries", binary),
        None => Vec::new(),
    };
    if binaries.is_empty() {
        let message = "a rule needs at least one binary; write `- path: /**` for any binary";
        reader.problem(fields.node_of("binaries").or(Some(node)), "binaries", message);
    }
    fields.finish(reader);
    if reader.is_proposal() {
        limits::check(reader, node, &endpoints, &binaries);
    }
    let mut seen = std::collections::BTreeSet::new();
    binaries.retain(|binary| seen.insert(binary.path.clone()));
    Rule { name, endpoints, binaries }
}

fn binary(reader: &mut Reader, node: &Node) -> Binary {
    let mut fields = reader.fields(node);
    let path = reader.required_text(&mut fields, "path", 4096);
    let place = fields.node_of("path");
    if !path.is_empty() && !path.starts_with('/') {
        reader.problem(place, "path", &format!("{path:?} is not absolute: it must begin with /"));
    } else if path.split('/').skip(1).any(|part| part == ".." || part == "." || part.is_empty()) {
        reader.problem(
            place,
            "path",
            &format!("{path:?} is not the path of a file: no `//`, `.` or `..` in it"),
        );
    }
    if !path.contains('*') && !super::pattern::is_simple(&path) {
        let message = format!(
            "{path:?} holds one of `? [ ] {{ }} \\` and no `*`: it would be compared literally in OpenShell; write one entry for each binary"
        );
        reader.problem(place, "path", &message);
    }
    reader.pattern(place, "path", &path, super::pattern::Separator::Slash);
    // OpenShell writes this mark on what its advisor proposed; it says nothing about who may do what.
    if let Some(mark) =
        fields.take_unsupported("harness").filter(|node| !matches!(node.value, Value::Bool(_)))
    {
        reader.unexpected(mark, "harness", "true or false");
    }
    fields.finish(reader);
    Binary { path }
}

/// The first character of `text` that a terminal would not show, if any.
fn hidden_character(text: &str) -> Option<char> {
    text.chars().find(|c| is_hidden(*c))
}

#[cfg(test)]
mod tests;
