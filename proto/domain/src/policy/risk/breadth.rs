//! What was asked for against what was denied before: every wildcard beside what it would have been for.
//!
//! Denials are what the agent did, so they are shown and never count in its favour: a denial makes one note go
//! away, and it lowers no other finding.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::marks::{Mark, Marks, visible};
use super::{Code, Scene, Seen, secrets};
use crate::policy::authority::What;
use crate::policy::pattern::{Pattern, Separator, is_glob};
use crate::policy::{Access, Endpoint, Rule};

/// The most examples of one wildcard.
const MAX_EXAMPLES: usize = 3;

/// A wildcard that was asked for, and what was denied in this run that it matches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breadth {
    /// What it stands for.
    pub kind: Wildcard,
    /// The pattern, visible, without secrets.
    pub asked: String,
    /// How many different ones were denied.
    pub seen: usize,
    /// The first of them, visible, without secrets.
    pub examples: Vec<String>,
}

/// What a wildcard stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wildcard {
    /// Programs.
    Binary,
    /// Hosts.
    Host,
    /// Methods.
    Method,
    /// Paths.
    Path,
}

impl fmt::Display for Breadth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (one, many) = match self.kind {
            Wildcard::Binary => ("binary", "binaries"),
            Wildcard::Host => ("host", "hosts"),
            Wildcard::Method => ("method", "methods"),
            Wildcard::Path => ("path", "paths"),
        };
        let noun = if self.seen == 1 { one } else { many };
        write!(f, "asks `{}`, seen {} {noun}", self.asked, self.seen)
    }
}

/// Every wildcard of the rule, in its order: binaries, then each endpoint's host, scope, methods and paths.
#[must_use]
pub fn breadth(rule: &Rule, seen: &[Seen]) -> Vec<Breadth> {
    let mut found = Vec::new();
    let binaries: Vec<Matcher> = rule.binaries.iter().map(|binary| Matcher::binary(&binary.path)).collect();
    let hosts: Vec<Matcher> = rule.endpoints.iter().map(|endpoint| Matcher::host(&endpoint.host)).collect();
    let is_at = |endpoint: &Endpoint, host: &Matcher, seen: &Seen| {
        endpoint.ports.contains(&seen.port) && host.matches(&seen.host)
    };
    let is_anywhere =
        |seen: &&Seen| rule.endpoints.iter().zip(&hosts).any(|(endpoint, host)| is_at(endpoint, host, seen));
    let reached: Vec<&Seen> = seen.iter().filter(is_anywhere).collect();
    for (binary, matcher) in rule.binaries.iter().zip(&binaries).filter(|(binary, _)| is_glob(&binary.path)) {
        let here = reached.iter().map(|seen| seen.binary.as_str()).filter(|seen| matcher.matches(seen));
        push(&mut found, Wildcard::Binary, &binary.path, here);
    }
    let asked: Vec<&Seen> =
        reached.into_iter().filter(|seen| binaries.iter().any(|by| by.matches(&seen.binary))).collect();
    for (endpoint, host) in rule.endpoints.iter().zip(&hosts) {
        let here: Vec<&Seen> = asked.iter().copied().filter(|seen| is_at(endpoint, host, seen)).collect();
        if endpoint.host.is_empty() || is_glob(&endpoint.host) {
            let name = if endpoint.host.is_empty() { "*" } else { &endpoint.host };
            push(&mut found, Wildcard::Host, name, here.iter().map(|seen| seen.host.as_str()));
        }
        requests(endpoint, &here, &mut found);
    }
    found
}

/// The wildcards in methods and paths; a preset is a wildcard over paths.
fn requests(endpoint: &Endpoint, here: &[&Seen], found: &mut Vec<Breadth>) {
    let mut path = |methods: &[&str], pattern: &str| {
        let matcher = Matcher::path(pattern);
        let of = here.iter().filter(|seen| methods.iter().any(|method| is_method(method, seen)));
        let paths = of.filter_map(|seen| seen.path.as_deref()).filter(|path| matcher.matches(path));
        push(found, Wildcard::Path, pattern, paths);
    };
    if is_glob(&endpoint.path) {
        path(&["*"], &endpoint.path);
    }
    if let Some(methods) = endpoint.access.map(Access::methods) {
        path(methods, "**");
    }
    for allow in endpoint.rules.iter().map(|rule| &rule.allow).filter(|allow| is_glob(&allow.path)) {
        path(&[&allow.method], &allow.path);
    }
    for allow in endpoint.rules.iter().map(|rule| &rule.allow).filter(|allow| allow.method == "*") {
        let matcher = Matcher::path(&allow.path);
        let on_path =
            here.iter().filter(|seen| seen.path.as_deref().is_none_or(|path| matcher.matches(path)));
        push(found, Wildcard::Method, "*", on_path.filter_map(|seen| seen.method.as_deref()));
    }
}

fn push<'a>(found: &mut Vec<Breadth>, kind: Wildcard, asked: &str, seen: impl Iterator<Item = &'a str>) {
    let seen: BTreeSet<&str> = seen.collect();
    let shown = |text: &str| visible(&secrets::masked(text));
    let examples = seen.iter().take(MAX_EXAMPLES).map(|text| shown(text)).collect();
    let breadth = Breadth { kind, asked: shown(asked), seen: seen.len(), examples };
    if !found.contains(&breadth) {
        found.push(breadth);
    }
}

pub(super) fn find(scene: &Scene<'_>, marks: &mut Marks) {
    for item in scene.items() {
        let (host, what) = (Matcher::host(&item.host), Asked::of(&item.what));
        let is_like = |seen: &&Seen| item.port == seen.port && host.matches(&seen.host) && what.is_like(seen);
        let like: Vec<&Seen> = scene.seen.iter().filter(is_like).collect();
        for binary in &item.binaries {
            let matcher = Matcher::binary(binary);
            if !like.iter().any(|seen| matcher.matches(&seen.binary)) {
                marks.add(Code::NoEvidence, Mark::place(&item.host, item.port, binary));
            }
        }
    }
}

/// A pattern that is compared with many denials. One that does not compile matches none of them.
pub(super) enum Matcher {
    Anything,
    Pattern(Option<Pattern>),
}

impl Matcher {
    fn new(text: &str, separator: Separator) -> Self {
        if text.is_empty() { Self::Anything } else { Self::Pattern(Pattern::compile(text, separator).ok()) }
    }

    pub(super) fn host(text: &str) -> Self {
        Self::new(text, Separator::Dot)
    }

    pub(super) fn binary(text: &str) -> Self {
        Self::new(text, Separator::Slash)
    }

    pub(super) fn path(text: &str) -> Self {
        Self::new(text, Separator::Slash)
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        match self {
            Self::Anything => true,
            Self::Pattern(pattern) => pattern.as_ref().is_some_and(|pattern| pattern.matches(text)),
        }
    }
}

/// What an item allows, to be compared with many denials.
enum Asked<'a> {
    Anything,
    Requests { methods: Vec<&'a str>, path: Matcher, scope: Matcher },
}

impl<'a> Asked<'a> {
    fn of(what: &'a What) -> Self {
        match what {
            What::Stream | What::OtherRequests => Self::Anything,
            What::Requests { methods, path, scope, .. } => {
                let methods = methods.iter().map(String::as_str).collect();
                Self::Requests { methods, path: Matcher::path(path), scope: Matcher::path(scope) }
            }
            What::WebSockets { path, scope, .. } => Self::Requests {
                methods: vec!["GET"],
                path: Matcher::path(path),
                scope: Matcher::path(scope),
            },
        }
    }

    /// A denial whose request was not read may have been any.
    fn is_like(&self, seen: &Seen) -> bool {
        match self {
            Self::Anything => true,
            Self::Requests { methods, path, scope } => {
                let is_on = |text: &str| path.matches(text) && scope.matches(text);
                methods.iter().any(|method| is_method(method, seen)) && seen.path.as_deref().is_none_or(is_on)
            }
        }
    }
}

/// `GET` stands for `GET` and `HEAD`.
pub(super) fn is_method(method: &str, seen: &Seen) -> bool {
    let is_it = |seen: &str| method == "*" || method == seen || (method == "GET" && seen == "HEAD");
    seen.method.as_deref().is_none_or(is_it)
}
