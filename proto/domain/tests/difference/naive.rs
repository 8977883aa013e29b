//! The verdict, written down once more from `domain.md` §3, over tables of what matches what.

use std::collections::HashMap;
use std::net::IpAddr;
use std::ops::Range;
use std::rc::Rc;

use openshell_domain::policy::{Access, Endpoint, Enforcement, Policy, RequestPattern, Rule};

use crate::glob::matches;
use crate::space::{Atoms, Http, Place, is_public};

/// A policy with everything it says of the atoms looked up beforehand.
pub(super) struct Judge {
    rules: Vec<FlatRule>,
}

struct FlatRule {
    binaries: Vec<bool>,
    endpoints: Vec<FlatEndpoint>,
}

struct FlatEndpoint {
    hosts: Vec<bool>,
    ports: Vec<u16>,
    destinations: Vec<bool>,
    /// Whether it lists addresses: the ports of control planes are closed where it does not.
    is_listed: bool,
    is_l7: bool,
    is_audit: bool,
    is_about: Vec<bool>,
    allows: Vec<FlatClause>,
    denies: Vec<FlatClause>,
}

struct FlatClause {
    method: String,
    /// Written out in a rule, and not part of a preset.
    is_written: bool,
    paths: Rc<[bool]>,
    reads_queries: bool,
    /// By query: whether all values of every key are in, and whether some value of every key is in.
    all: Vec<bool>,
    some: Vec<bool>,
}

impl Judge {
    pub(super) fn new(policy: &Policy, atoms: &Atoms) -> Self {
        Self { rules: policy.network_policies.values().map(|rule| flat_rule(rule, atoms)).collect() }
    }

    /// Allowed or audited.
    pub(super) fn allows(&self, atoms: &Atoms, place: &Place) -> bool {
        self.connection(atoms, place).allows(atoms, place.http)
    }

    /// Allowed or audited, each of them. Neighbours are often requests of one connection, and connections that the
    /// same endpoints match in the same way are one question.
    pub(super) fn allows_each(&self, atoms: &Atoms, places: &[Place]) -> Vec<bool> {
        let is_one = |a: &Place, b: &Place| {
            (a.chain, a.host, a.port, a.destination) == (b.chain, b.host, b.port, b.destination)
        };
        let mut answers: Vec<bool> = Vec::with_capacity(places.len());
        let mut known: HashMap<Matched, Range<usize>> = HashMap::new();
        for connected in places.chunk_by(is_one) {
            let connection = self.connection(atoms, &connected[0]);
            let asked = || connected.iter().map(|place| place.http);
            let is_asked = |at: &Range<usize>| places[at.clone()].iter().map(|place| place.http).eq(asked());
            let from = answers.len();
            match known.get(&connection.matched()).filter(|at| is_asked(at)) {
                Some(at) => answers.extend_from_within(at.clone()),
                None => {
                    answers.extend(asked().map(|http| connection.allows(atoms, http)));
                    known.insert(connection.matched(), from..answers.len());
                }
            }
        }
        answers
    }

    fn connection(&self, atoms: &Atoms, place: &Place) -> Connection<'_> {
        let is_hit = |rule: &&FlatRule| atoms.chain(place).iter().any(|binary| rule.binaries[*binary]);
        let hit = self.rules.iter().filter(is_hit).flat_map(|rule| &rule.endpoints);
        let e = hit.filter(|e| e.hosts[place.host] && e.ports.contains(&place.port));
        let (e7, e4): (Vec<_>, Vec<_>) = e.partition(|e| e.is_l7);
        let to = (place.destination, place.port);
        let is_open = e4.iter().any(|e| e.dst(to));
        Connection { e7, is_open, to }
    }
}

/// The endpoints of the rules that are hit and match host and port.
struct Connection<'j> {
    e7: Vec<&'j FlatEndpoint>,
    /// Whether an L4 endpoint allows the destination.
    is_open: bool,
    to: (usize, u16),
}

/// Endpoints with their word on the destination, and whether an L4 endpoint allows it.
type Matched = (Vec<(usize, bool)>, bool);

impl Connection<'_> {
    /// What its answers depend on, beside the request: the endpoints, each with its word on the destination.
    fn matched(&self) -> Matched {
        let of = |e: &&FlatEndpoint| (std::ptr::from_ref(*e).addr(), e.dst(self.to));
        (self.e7.iter().map(of).collect(), self.is_open)
    }

    fn allows(&self, atoms: &Atoms, http: Option<Http>) -> bool {
        let dst = |e: &FlatEndpoint| e.dst(self.to);
        if self.e7.is_empty() {
            return self.is_open;
        }
        let Some((method, path, query, is_upgrade)) = http else { return false };
        let method = atoms.methods[method].as_str();
        let e7 = || self.e7.iter().copied();
        let mut clauses = e7().flat_map(|e| e.allows.iter().chain(&e.denies));
        if atoms.queries[query].parsed.is_none() && clauses.any(|clause| clause.reads_queries) {
            return false;
        }
        let s = || e7().filter(|e| e.is_about[path]);
        let denied = e7().any(|e| e.denies.iter().any(|c| c.hits(method, path) && c.some[query]));
        let counts = |c: &FlatClause| c.is_written || !is_upgrade;
        let hits = |c: &FlatClause| counts(c) && c.hits(method, path) && c.all[query];
        let ok = s().any(|e| dst(e) && e.allows.iter().any(hits));
        if is_upgrade {
            return ok && !denied;
        }
        (ok && !denied) || (s().next().is_some() && s().all(|e| e.is_audit) && s().any(dst))
    }
}

impl FlatEndpoint {
    /// Whether it allows this destination at this port.
    fn dst(&self, (destination, port): (usize, u16)) -> bool {
        let is_control_plane = matches!(port, 2379 | 2380 | 6443 | 10250 | 10255);
        self.destinations[destination] && (self.is_listed || !is_control_plane)
    }
}

impl FlatClause {
    fn hits(&self, method: &str, path: usize) -> bool {
        let is_method = self.method == "*" || self.method == method;
        (is_method || (self.method == "GET" && method == "HEAD")) && self.paths[path]
    }
}

fn flat_rule(rule: &Rule, atoms: &Atoms) -> FlatRule {
    let is_it = |path: &String| rule.binaries.iter().any(|binary| matches(&binary.path, path, '/'));
    FlatRule {
        binaries: atoms.binaries.iter().map(is_it).collect(),
        endpoints: rule.endpoints.iter().map(|endpoint| flat_endpoint(endpoint, atoms)).collect(),
    }
}

fn flat_endpoint(endpoint: &Endpoint, atoms: &Atoms) -> FlatEndpoint {
    let presets = endpoint.access.map(Access::methods).unwrap_or_default().iter().map(|method| {
        let (method, path) = ((*method).to_owned(), "**".to_owned());
        RequestPattern { method, path, query: std::collections::BTreeMap::new() }
    });
    let written = endpoint.rules.iter().map(|rule| flat_clause(&rule.allow, true, atoms));
    let allows = written.chain(presets.map(|pattern| flat_clause(&pattern, false, atoms))).collect();
    let scope = (!endpoint.path.is_empty()).then(|| atoms.path_hits(&endpoint.path));
    let is_about = |(at, path): (usize, &String)| {
        scope.as_ref().is_none_or(|hits| hits[at]) && (endpoint.allow_encoded_slash || !path.contains("%2F"))
    };
    FlatEndpoint {
        hosts: atoms.hosts.iter().map(|host| host_matches(&endpoint.host, host)).collect(),
        ports: endpoint.ports.clone(),
        destinations: atoms.destinations.iter().map(|set| dst(endpoint, set)).collect(),
        is_listed: !endpoint.allowed_ips.is_empty(),
        is_l7: endpoint.is_l7(),
        is_audit: endpoint.enforcement == Some(Enforcement::Audit),
        is_about: atoms.paths.iter().enumerate().map(is_about).collect(),
        allows,
        denies: endpoint.deny_rules.iter().map(|pattern| flat_clause(pattern, true, atoms)).collect(),
    }
}

pub(super) fn host_matches(pattern: &str, host: &str) -> bool {
    pattern.is_empty() || matches(pattern, host, '.')
}

fn dst(endpoint: &Endpoint, addresses: &[IpAddr]) -> bool {
    addresses.iter().all(|address| {
        if endpoint.allowed_ips.is_empty() {
            is_public(address)
        } else {
            endpoint.allowed_ips.iter().any(|network| network.contains(address))
        }
    })
}

fn flat_clause(pattern: &RequestPattern, is_written: bool, atoms: &Atoms) -> FlatClause {
    let holds = |at: usize, all: bool| {
        let values = atoms.queries[at].parsed.as_ref();
        pattern.query.iter().all(|(key, globs)| {
            let is_in = |value: &String| globs.globs().any(|glob| matches(glob, value, '.'));
            let values = values.and_then(|parsed| parsed.get(key));
            values.is_some_and(|v| if all { v.iter().all(is_in) } else { v.iter().any(is_in) })
        })
    };
    let count = atoms.queries.len();
    FlatClause {
        method: pattern.method.clone(),
        is_written,
        paths: atoms.path_hits(&pattern.path),
        reads_queries: !pattern.query.is_empty(),
        all: (0..count).map(|at| holds(at, true)).collect(),
        some: (0..count).map(|at| holds(at, false)).collect(),
    }
}
