//! What is asked: streams that are not read, methods that change something, paths that are open early.
//!
//! `opaque_upgrade` is about rules, not requests: an upgrade is forwarded where an explicit rule (not a preset)
//! allows GET, and a WebSocket is then opened that nobody reads. Every explicit GET would be one, and a finding
//! on every ask is a finding on none. It is said where the *asker* can choose what is upgraded: the method is
//! `*`, the path holds a wildcard, or the path names a socket. GET of one ordinary resource opens a
//! WebSocket only where the server makes that resource one, and that server is sent any query and any header
//! as it is. It is looked for in the rule, because a request that a preset allowed already is in no difference
//! and its upgrade would still be new.

use super::marks::{Mark, Marks};
use super::{Code, Scene};
use crate::policy::authority::{Item, What};
use crate::policy::pattern::{Pattern, Separator, is_glob};
use crate::policy::{Endpoint, RequestPattern, Rule};

/// Methods that read (RFC 9110 §9.2.1, without TRACE).
const READING: [&str; 3] = ["GET", "HEAD", "OPTIONS"];

/// How many segments of a path must be literal before a wildcard is not early: `/repos/o/**` names an owner,
/// `/repos/**` does not.
const LITERAL_SEGMENTS: usize = 2;

/// Words in paths of WebSockets.
const SOCKET_WORDS: [&str; 12] = [
    "ws",
    "wss",
    "websocket",
    "websockets",
    "socket",
    "sockets",
    "socket.io",
    "sockjs",
    "cable",
    "realtime",
    "subscriptions",
    "graphql-ws",
];

pub(super) fn find(scene: &Scene<'_>, marks: &mut Marks) {
    let mut is_added = false;
    for item in scene.items() {
        is_added = true;
        match &item.what {
            What::Stream => stream(item, marks),
            What::OtherRequests => requests(item, &["*".to_owned()], "**", marks),
            What::Requests { methods, path, scope, .. } => {
                let narrowest = if is_early(path) && !scope.is_empty() { scope } else { path };
                requests(item, methods, narrowest, marks);
            }
        }
    }
    if is_added {
        let before = explicit_before(scene);
        scene.rule.endpoints.iter().for_each(|endpoint| upgrades(endpoint, &before, marks));
    }
}

fn stream(item: &Item, marks: &mut Marks) {
    for binary in &item.binaries {
        let place = Mark::place(&item.host, item.port, binary);
        marks.add(Code::L4Only, place.clone());
        marks.add(Code::OpaqueStream, place);
    }
}

fn requests(item: &Item, methods: &[String], path: &str, marks: &mut Marks) {
    for method in methods {
        if !READING.contains(&method.as_str()) {
            marks.add(Code::MutatingMethod, Mark::request(&item.host, item.port, method, path));
        }
    }
    if is_early(path) {
        marks.add(Code::BroadPath, Mark::request(&item.host, item.port, &methods.join(", "), path));
    }
}

/// Whether a path is open before it has named anything.
fn is_early(path: &str) -> bool {
    path.trim_start_matches('/').split('/').take(LITERAL_SEGMENTS).any(is_glob)
}

fn upgrades(endpoint: &Endpoint, before: &[&Endpoint], marks: &mut Marks) {
    for port in &endpoint.ports {
        let is_known = |known: &&&Endpoint| {
            known.ports.contains(port) && covers(&known.host, &endpoint.host, Separator::Dot)
        };
        let before: Vec<&&Endpoint> = before.iter().filter(is_known).collect();
        for allow in endpoint.rules.iter().map(|rule| &rule.allow) {
            let is_choice = allow.method == "*" || is_glob(&allow.path) || names_socket(&allow.path);
            if is_get(allow) && is_choice && !before.iter().any(|known| has_explicit(known, &allow.path)) {
                let mark = Mark::request(&endpoint.host, *port, &allow.method, &allow.path);
                marks.add(Code::OpaqueUpgrade, mark);
            }
        }
    }
}

fn is_get(allow: &RequestPattern) -> bool {
    allow.method == "GET" || allow.method == "*"
}

fn names_socket(path: &str) -> bool {
    path.split('/').any(|segment| SOCKET_WORDS.iter().any(|word| segment.eq_ignore_ascii_case(word)))
}

/// The endpoints in force with explicit rules for everybody who asks.
fn explicit_before<'a>(scene: &Scene<'a>) -> Vec<&'a Endpoint> {
    let base = scene.ground.base.network_policies.values();
    let rules = base.chain(scene.ground.grants.iter().map(|(_, rule)| *rule));
    let endpoints = rules.filter(|rule| has_all_binaries(rule, scene.rule)).flat_map(|rule| &rule.endpoints);
    endpoints.filter(|endpoint| !endpoint.rules.is_empty()).collect()
}

/// Whether the endpoint has an explicit GET for all of `path`, so that nothing can be upgraded that could not be.
fn has_explicit(known: &Endpoint, path: &str) -> bool {
    let is_on = |known: &str| covers(known, path, Separator::Slash);
    let is_explicit = |allow: &RequestPattern| is_get(allow) && allow.query.is_empty() && is_on(&allow.path);
    (known.path.is_empty() || is_on(&known.path)) && known.rules.iter().any(|rule| is_explicit(&rule.allow))
}

fn has_all_binaries(rule: &Rule, asked: &Rule) -> bool {
    let is_known = |path: &str| rule.binaries.iter().any(|known| covers(&known.path, path, Separator::Slash));
    asked.binaries.iter().all(|binary| is_known(&binary.path))
}

/// Whether `wide` certainly covers `narrow`: it is the same, or a glob that matches it as a literal.
fn covers(wide: &str, narrow: &str, separator: Separator) -> bool {
    let matches = || Pattern::compile(wide, separator).is_ok_and(|pattern| pattern.matches(narrow));
    wide == narrow || (is_glob(wide) && !is_glob(narrow) && !narrow.is_empty() && matches())
}
