//! How what was denied before resembles what is asked for, counted.
//!
//! Shown to the reviewer, never counted in the agent's favour (`domain.md` §3): denials are what the agent did.

use super::Seen;
use super::breadth::{Matcher, is_method};
use crate::policy::pattern::is_glob;
use crate::policy::{Access, Endpoint, RequestPattern, Rule};

/// Denials by how much they are like an ask. Each denial counts in one field, as often as it happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Likeness {
    /// The asked method and path, to the letter; of an L4 ask the asked host and port.
    pub exact: u64,
    /// What the ask's patterns match, or what may have been it, because the request was not read.
    pub like: u64,
    /// The same host and port, and something else.
    pub near: u64,
}

/// Compares denials with a rule.
#[must_use]
pub fn likeness(rule: &Rule, seen: &[Seen]) -> Likeness {
    let binaries: Vec<Matcher> = rule.binaries.iter().map(|binary| Matcher::binary(&binary.path)).collect();
    let asked: Vec<Asked<'_>> = rule.endpoints.iter().map(Asked::of).collect();
    let mut found = Likeness::default();
    for seen in seen {
        let is_caller = binaries.iter().any(|binary| binary.matches(&seen.binary));
        let field = match asked.iter().filter_map(|asked| asked.degree(seen)).max() {
            None => continue,
            Some(Degree::Exact) if is_caller => &mut found.exact,
            Some(Degree::Like) if is_caller => &mut found.like,
            Some(_) => &mut found.near,
        };
        *field = field.saturating_add(seen.count);
    }
    found
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Degree {
    Near,
    Like,
    Exact,
}

/// An endpoint with its patterns, compiled once for all denials.
struct Asked<'a> {
    endpoint: &'a Endpoint,
    host: Matcher,
    scope: Matcher,
    allows: Vec<(&'a RequestPattern, Matcher)>,
}

impl<'a> Asked<'a> {
    fn of(endpoint: &'a Endpoint) -> Self {
        let allows = endpoint.rules.iter().map(|rule| (&rule.allow, Matcher::path(&rule.allow.path)));
        Self {
            endpoint,
            host: Matcher::host(&endpoint.host),
            scope: Matcher::path(&endpoint.path),
            allows: allows.collect(),
        }
    }

    fn degree(&self, seen: &Seen) -> Option<Degree> {
        let endpoint = self.endpoint;
        if !endpoint.ports.contains(&seen.port) || !self.host.matches(&seen.host) {
            return None;
        }
        let is_literal = !endpoint.host.is_empty() && !is_glob(&endpoint.host);
        if !endpoint.is_l7() {
            return Some(if is_literal { Degree::Exact } else { Degree::Like });
        }
        let Some(path) = seen.path.as_deref() else { return Some(Degree::Like) };
        if !self.scope.matches(path) {
            return Some(Degree::Near);
        }
        let preset = endpoint.access.map(Access::methods).unwrap_or_default();
        if preset.iter().any(|method| is_method(method, seen)) {
            return Some(Degree::Like);
        }
        let matching =
            self.allows.iter().filter(|(allow, on)| is_method(&allow.method, seen) && on.matches(path));
        let degrees = matching.map(|(allow, _)| {
            let is_exact = is_literal && allow.path == path && seen.method.as_ref() == Some(&allow.method);
            if is_exact { Degree::Exact } else { Degree::Like }
        });
        Some(degrees.max().unwrap_or(Degree::Near))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::from_yaml;
    use crate::policy::read::{Source, rule_from_node};

    fn seen(host: &str, request: Option<(&str, &str)>, count: u64) -> Seen {
        let (method, path) = request.map(|(method, path)| (method.to_owned(), path.to_owned())).unzip();
        Seen {
            binary: "/usr/bin/curl".into(),
            host: host.into(),
            port: 443,
            method,
            path,
            count,
            sha256: None,
        }
    }

    fn of(endpoint: &str, seen: &[Seen]) -> (u64, u64, u64) {
        let yaml = format!("endpoints: [{{port: 443, {endpoint}}}]\nbinaries: [{{path: /usr/bin/curl}}]");
        let rule = rule_from_node(&from_yaml(&yaml).unwrap(), Source::File, "r").unwrap();
        let found = likeness(&rule, seen);
        (found.exact, found.like, found.near)
    }

    #[test]
    fn each_denial_counts_once_and_as_often_as_it_happened() {
        let denied = [
            seen("a.example.net", Some(("PUT", "/x/y")), 2),
            seen("a.example.net", Some(("GET", "/x/y")), 3),
            seen("a.example.net", None, 5),
            seen("b.example.net", Some(("PUT", "/x/y")), 7),
        ];
        let l7 = "host: a.example.net, protocol: rest, enforcement: enforce";
        let allow = |path: &str| format!("{l7}, rules: [{{allow: {{method: PUT, path: {path}}}}}]");
        assert_eq!(of(&allow("/x/y"), &denied), (2, 5, 3));
        assert_eq!(of(&allow("/x/**"), &denied), (0, 7, 3));
        assert_eq!(of(&allow("/z"), &denied), (0, 5, 5));
        assert_eq!(of(&format!("{l7}, access: read-only"), &denied), (0, 8, 2));
        assert_eq!(of("host: a.example.net", &denied), (10, 0, 0));
        assert_eq!(of("host: '*.example.net'", &denied), (0, 17, 0));
        assert_eq!(of("host: c.example.net", &denied), (0, 0, 0));
    }

    #[test]
    fn another_program_s_denial_is_no_denial_of_this_ask() {
        let mut other = seen("a.example.net", Some(("PUT", "/x")), 1);
        other.binary = "/usr/bin/wget".into();
        assert_eq!(of("host: a.example.net", &[other]), (0, 0, 1));
    }
}
