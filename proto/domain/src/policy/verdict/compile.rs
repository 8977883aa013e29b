//! A policy arranged for judging: every pattern compiled once, endpoints behind gates.
//!
//! A *gate* is the endpoints that share a host pattern, a port and a binary; [`CompiledPolicy::connect`] finds the
//! few gates that a caller stands before, [`CompiledPolicy::request`] looks into them. Gates with the same endpoints
//! (a rule of several ports and binaries) are one. What is built here is linear in what the policy says.

use std::collections::{BTreeMap, BTreeSet};

use foldhash::{HashMap, HashMapExt as _};
use ipnet::IpNet;

use super::EndpointRef;
use super::index::Index;
use super::request::{Clause, CompiledRequest, Method};
use crate::policy::pattern::{Pattern, PatternError, Separator};
use crate::policy::{Access, Endpoint, Enforcement, Policy, RequestPattern, Rule};

/// A pattern that does not compile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("rule {rule}: {error}")]
pub struct CompileError {
    /// The key of the rule.
    pub rule: String,
    /// What is wrong with the pattern.
    pub error: PatternError,
}

/// A policy that can judge. Immutable; a new revision is a new value.
#[derive(Debug, Default)]
pub struct CompiledPolicy {
    /// The keys of the rules, in order.
    pub(super) rules: Vec<String>,
    /// The endpoints of the rules, in order.
    pub(super) endpoints: Vec<CompiledEndpoint>,
    pub(super) patterns: Patterns,
    pub(super) hosts: Index<PatternId>,
    pub(super) binaries: Index<PatternId>,
    /// Which rules name a site, in order.
    pub(super) sites: HashMap<Site, Vec<usize>>,
    /// Which gate a binary meets at a site.
    pub(super) doors: HashMap<(Site, PatternId), usize>,
    pub(super) gates: Vec<Gate>,
}

/// A host pattern (`None` is every host: an endpoint of `allowed_ips` alone) and a port.
pub(super) type Site = (Option<PatternId>, u16);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct PatternId(usize);

/// All patterns of a policy.
#[derive(Debug, Default)]
pub(super) struct Patterns(Vec<Pattern>);

impl Patterns {
    pub(super) fn matches(&self, id: PatternId, subject: &str) -> bool {
        self.0.get(id.0).is_some_and(|pattern| pattern.matches(subject))
    }

    fn text(&self, id: PatternId) -> &str {
        self.0.get(id.0).map(Pattern::text).unwrap_or_default()
    }
}

#[derive(Debug)]
pub(super) struct CompiledEndpoint {
    pub(super) rule: usize,
    /// `None` is every path.
    pub(super) path: Option<PatternId>,
    is_l7: bool,
    pub(super) enforcement: Enforcement,
    pub(super) allows: Vec<CompiledRequest>,
    pub(super) denies: Vec<CompiledRequest>,
    pub(super) allowed_ips: Vec<IpNet>,
    pub(super) allow_encoded_slash: bool,
}

/// Which request pattern of which endpoint.
#[derive(Debug, Clone, Copy)]
pub(super) struct RequestRef {
    pub(super) endpoint: EndpointRef,
    /// Its place in the endpoint's `allows` or `denies`.
    pub(super) number: usize,
}

/// Endpoints that a caller meets together.
#[derive(Debug, Default)]
pub(super) struct Gate {
    /// Those that let bytes pass unread.
    pub(super) opaque: Vec<EndpointRef>,
    /// Those that read requests, in order.
    pub(super) inspected: Vec<EndpointRef>,
    pub(super) allows: Index<RequestRef>,
    pub(super) denies: Index<RequestRef>,
    /// The first that is about queries.
    pub(super) reads_queries: Option<EndpointRef>,
}

impl CompiledPolicy {
    pub(super) fn new(policy: &Policy) -> Result<Self, CompileError> {
        let mut builder = Builder::default();
        for (name, rule) in &policy.network_policies {
            builder
                .rule(name.as_str(), rule)
                .map_err(|error| CompileError { rule: name.to_string(), error })?;
        }
        Ok(builder.finish())
    }

    pub(super) fn endpoint(&self, at: EndpointRef) -> Option<&CompiledEndpoint> {
        self.endpoints.get(at.0)
    }
}

#[derive(Default)]
struct Builder<'p> {
    compiled: CompiledPolicy,
    known: HashMap<(Separator, &'p str), PatternId>,
    /// The endpoints behind each door, in order.
    behind: BTreeMap<(Site, PatternId), Vec<EndpointRef>>,
}

impl<'p> Builder<'p> {
    fn pattern(&mut self, text: &'p str, separator: Separator) -> Result<PatternId, PatternError> {
        if let Some(known) = self.known.get(&(separator, text)) {
            return Ok(*known);
        }
        let id = PatternId(self.compiled.patterns.0.len());
        self.compiled.patterns.0.push(Pattern::compile(text, separator)?);
        self.known.insert((separator, text), id);
        Ok(id)
    }

    fn rule(&mut self, name: &str, rule: &'p Rule) -> Result<(), PatternError> {
        let mut binaries = Vec::with_capacity(rule.binaries.len());
        for binary in &rule.binaries {
            binaries.push(self.pattern(&binary.path, Separator::Slash)?);
        }
        let index = self.compiled.rules.len();
        self.compiled.rules.push(name.to_owned());
        for endpoint in &rule.endpoints {
            let host = match endpoint.host.as_str() {
                "" => None,
                host => Some(self.pattern(host, Separator::Dot)?),
            };
            let at = EndpointRef(self.compiled.endpoints.len());
            let compiled = self.endpoint(index, endpoint)?;
            self.compiled.endpoints.push(compiled);
            for port in &endpoint.ports {
                let site = (host, *port);
                push_once(self.compiled.sites.entry(site).or_default(), index);
                for binary in &binaries {
                    push_once(self.behind.entry((site, *binary)).or_default(), at);
                }
            }
        }
        Ok(())
    }

    fn endpoint(&mut self, rule: usize, endpoint: &'p Endpoint) -> Result<CompiledEndpoint, PatternError> {
        let path = match endpoint.path.as_str() {
            "" => None,
            path => Some(self.pattern(path, Separator::Slash)?),
        };
        let mut allows = Vec::new();
        for rule in &endpoint.rules {
            allows.push(self.request(&rule.allow)?);
        }
        for method in endpoint.access.map(Access::methods).unwrap_or_default() {
            let path = self.pattern("**", Separator::Slash)?;
            allows.push(CompiledRequest {
                method: Method::new(method),
                path,
                query: Vec::new(),
                is_explicit: false,
            });
        }
        let mut denies = Vec::new();
        for pattern in &endpoint.deny_rules {
            denies.push(self.request(pattern)?);
        }
        Ok(CompiledEndpoint {
            rule,
            path,
            is_l7: endpoint.is_l7(),
            // The reader fills this in for every inspected endpoint; without it, deny.
            enforcement: endpoint.enforcement.unwrap_or(Enforcement::Enforce),
            allows,
            denies,
            allowed_ips: endpoint.allowed_ips.clone(),
            allow_encoded_slash: endpoint.allow_encoded_slash,
        })
    }

    fn request(&mut self, pattern: &'p RequestPattern) -> Result<CompiledRequest, PatternError> {
        let path = self.pattern(&pattern.path, Separator::Slash)?;
        let mut query = Vec::new();
        for (key, value) in &pattern.query {
            let globs = value.globs().map(|glob| self.pattern(glob, Separator::Dot));
            query.push(Clause { key: key.clone(), globs: globs.collect::<Result<_, _>>()? });
        }
        Ok(CompiledRequest { method: Method::new(&pattern.method), path, query, is_explicit: true })
    }

    fn finish(self) -> CompiledPolicy {
        let Self { mut compiled, behind, .. } = self;
        let hosts: BTreeSet<PatternId> = compiled.sites.keys().filter_map(|(host, _)| *host).collect();
        for id in hosts {
            compiled.hosts.insert(compiled.patterns.text(id).rsplit('.'), id);
        }
        let binaries: BTreeSet<PatternId> = behind.keys().map(|(_, binary)| *binary).collect();
        for id in binaries {
            compiled.binaries.insert(compiled.patterns.text(id).split('/'), id);
        }
        let mut known: HashMap<Vec<EndpointRef>, usize> = HashMap::new();
        for (door, endpoints) in behind {
            let gate = *known.entry(endpoints).or_insert_with_key(|endpoints| {
                let gate = compiled.gate(endpoints);
                compiled.gates.push(gate);
                compiled.gates.len() - 1
            });
            compiled.doors.insert(door, gate);
        }
        compiled
    }
}

impl CompiledPolicy {
    fn gate(&self, endpoints: &[EndpointRef]) -> Gate {
        let mut gate = Gate::default();
        for at in endpoints {
            let Some(endpoint) = self.endpoint(*at) else { continue };
            if !endpoint.is_l7 {
                gate.opaque.push(*at);
                continue;
            }
            gate.inspected.push(*at);
            for (requests, index) in
                [(&endpoint.allows, &mut gate.allows), (&endpoint.denies, &mut gate.denies)]
            {
                for (number, request) in requests.iter().enumerate() {
                    let value = RequestRef { endpoint: *at, number };
                    index.insert(self.patterns.text(request.path).split('/'), value);
                    if request.reads_queries() {
                        gate.reads_queries.get_or_insert(*at);
                    }
                }
            }
        }
        gate
    }
}

/// Adds what comes in order and may come twice in a row.
fn push_once<T: PartialEq>(list: &mut Vec<T>, value: T) {
    if list.last() != Some(&value) {
        list.push(value);
    }
}
