//! The verdict: may this caller open this connection, make this request, reach these addresses?
//!
//! Three questions in the order in which the supervisor learns the facts: [`CompiledPolicy::connect`] before any
//! name is resolved, [`CompiledPolicy::request`] for each request of an inspected connection, and
//! [`CompiledPolicy::destination`] once addresses are known. The semantics are `domain.md` §3; on any doubt the
//! answer is no.

mod compile;
mod destination;
mod index;
mod query;
mod request;

use std::net::IpAddr;

use smallvec::SmallVec;

use super::Policy;
use super::address;
use super::host::{Host, TextBuffer};
use compile::Site;
pub use compile::{CompileError, CompiledPolicy};
pub use destination::DestinationDenial;
use request::Case;

/// Which endpoint of which rule, in the order of the rules: valid for the policy that gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointRef(usize);

/// Endpoints that something may pass through, in order. Of those that list the same addresses only the first: it
/// answers [`CompiledPolicy::destination`] for all of them.
pub type Endpoints = SmallVec<[EndpointRef; 8]>;

/// The gates that a caller met where some endpoint reads requests; each request is judged against those.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspected(SmallVec<[usize; 8]>);

/// The binaries behind a connection: the executable first, then its ancestors up to the command. Never empty in
/// a [`Caller`] that was identified.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Caller {
    /// Absolute paths.
    pub chain: Vec<String>,
}

impl Caller {
    /// The executable that holds the connection.
    #[must_use]
    pub fn binary(&self) -> Option<&str> {
        self.chain.first().map(String::as_str)
    }
}

/// What may happen with a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Connect {
    /// Nothing.
    Denied(ConnectDenial),
    /// The bytes may pass unread, to addresses that one of these endpoints allows.
    Opaque(Endpoints),
    /// Each request must be judged against these endpoints.
    Inspected(Inspected),
}

/// Why a connection was denied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConnectDenial {
    /// No destination of this name can ever be granted.
    AlwaysBlocked(&'static str),
    /// There are no rules at all.
    NoRules,
    /// No rule names the host and port.
    NoEndpoint,
    /// These rules name host and port, for other binaries.
    OtherBinaries(Vec<String>),
}

/// A request of an inspected connection.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The method as it was sent; compared ignoring case.
    pub method: &'a str,
    /// The canonical path.
    pub path: &'a str,
    /// The query as it was written.
    pub query: Option<&'a str>,
}

/// What a connection carries, as far as authority goes.
#[derive(Debug, Clone, Copy)]
pub enum Kind<'a> {
    /// A stream that nobody reads.
    Opaque,
    /// An HTTP request.
    Http(Request<'a>),
    /// A request that becomes a WebSocket: two-way, and what is in it is not read.
    Upgrade(Request<'a>),
}

/// What may happen with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestVerdict {
    /// It may pass, to addresses that one of these endpoints allows.
    Allowed(Endpoints),
    /// No rule allows it, every endpoint that is about it only audits: it may pass, marked.
    Audited(Endpoints),
    /// It may not pass.
    Denied(RequestDenial),
}

/// Why a request was denied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestDenial {
    /// A deny rule of this rule matches. No allow rule can fix that.
    DenyRule(String),
    /// No allow rule of this rule (the first that is about the path) matches.
    NotAllowed(String),
    /// No endpoint is about this path; the first inspected rule is named.
    NoPath(String),
    /// The query cannot be read with certainty, and a rule constrains queries.
    UnclearQuery(String),
    /// It may pass by this rule, and may not become a WebSocket: no rule allows GET there in so many words.
    NotWritten(String),
}

impl RequestDenial {
    /// The key of the rule that the denial is about.
    #[must_use]
    pub fn rule(&self) -> &str {
        match self {
            Self::DenyRule(rule)
            | Self::NotAllowed(rule)
            | Self::NoPath(rule)
            | Self::UnclearQuery(rule)
            | Self::NotWritten(rule) => rule,
        }
    }

    /// Whether another allow rule could make the request pass.
    #[must_use]
    pub fn is_fixable(&self) -> bool {
        matches!(self, Self::NotAllowed(_) | Self::NoPath(_) | Self::NotWritten(_))
    }
}

impl CompiledPolicy {
    /// Whether `caller` may open a connection to `host:port`. Does not allocate where it may.
    #[must_use]
    pub fn connect(&self, caller: &Caller, host: &Host, port: u16) -> Connect {
        if let Some(reason) = address::always_blocked(host) {
            return Connect::Denied(ConnectDenial::AlwaysBlocked(reason));
        }
        let sites = self.sites(host, port);
        let met = self.met(caller, &sites);
        let gates = met.iter().filter_map(|gate| self.gates.get(*gate));
        if gates.clone().any(|gate| !gate.inspected.is_empty()) {
            return Connect::Inspected(Inspected(met));
        }
        let mut opaque = Endpoints::new();
        for gate in gates {
            gate.opaque.iter().for_each(|at| self.keep(&mut opaque, *at));
        }
        if opaque.is_empty() { Connect::Denied(self.refused(&sites)) } else { Connect::Opaque(opaque) }
    }

    /// Whether a request may pass through an inspected connection, as far as method, path and query go.
    /// `inspected` is what [`Self::connect`] gave for this policy. Does not allocate where it may, unless a rule is
    /// about queries and this one is escaped or long.
    #[must_use]
    pub fn request(&self, inspected: &Inspected, request: &Request<'_>) -> RequestVerdict {
        Case::new(self, inspected, request).verdict()
    }

    /// Whether a request may become a WebSocket: where an allow rule that is written out allows GET, and not where an
    /// `access` preset does or an endpoint only audits. Never [`RequestVerdict::Audited`].
    #[must_use]
    pub fn upgrade(&self, inspected: &Inspected, request: &Request<'_>) -> RequestVerdict {
        Case::new(self, inspected, request).upgrade_verdict()
    }

    /// The endpoints that any request of an inspected connection could pass through: where its addresses are asked for
    /// before there is a request.
    #[must_use]
    pub fn behind(&self, inspected: &Inspected) -> Endpoints {
        let mut behind = Endpoints::new();
        let gates = inspected.0.iter().filter_map(|gate| self.gates.get(*gate));
        gates.flat_map(|gate| &gate.inspected).for_each(|at| self.keep(&mut behind, *at));
        behind
    }

    /// Whether all of this is inside the policy's authority, allowed or audited (`domain.md` §3).
    #[must_use]
    #[expect(clippy::too_many_arguments, reason = "the five dimensions of the request space")]
    pub fn authority(
        &self,
        caller: &Caller,
        host: &Host,
        addresses: &[IpAddr],
        port: u16,
        kind: &Kind<'_>,
    ) -> bool {
        let reaches = |at: &Endpoints| self.destination(at, addresses, port).is_ok();
        match (self.connect(caller, host, port), kind) {
            (Connect::Denied(_), _) | (Connect::Inspected(_), Kind::Opaque) => false,
            (Connect::Opaque(at), _) => reaches(&at),
            (Connect::Inspected(inspected), Kind::Upgrade(request)) => {
                matches!(self.upgrade(&inspected, request), RequestVerdict::Allowed(at) if reaches(&at))
            }
            (Connect::Inspected(inspected), Kind::Http(request)) => {
                let case = Case::new(self, &inspected, request);
                match case.verdict() {
                    RequestVerdict::Denied(_) => false,
                    RequestVerdict::Audited(at) => reaches(&at),
                    // Allowed, but not to these addresses: another endpoint may still only audit.
                    RequestVerdict::Allowed(at) => {
                        reaches(&at) || case.audited().is_some_and(|at| reaches(&at))
                    }
                }
            }
        }
    }

    /// The key of the rule that `at` belongs to.
    #[must_use]
    pub fn rule_name(&self, at: EndpointRef) -> &str {
        let rule = self.endpoint(at).and_then(|endpoint| self.rules.get(endpoint.rule));
        rule.map(String::as_str).unwrap_or_default()
    }

    /// Where rules could speak about `host:port`.
    fn sites(&self, host: &Host, port: u16) -> SmallVec<[Site; 8]> {
        let mut buffer = TextBuffer::new();
        let text = host.text(&mut buffer);
        let mut sites = SmallVec::new();
        sites.push((None, port));
        self.hosts.search(text.rsplit('.'), |id| {
            if self.patterns.matches(id, text) {
                sites.push((Some(id), port));
            }
        });
        sites
    }

    /// The gates that the caller meets there, in no order that means anything.
    fn met(&self, caller: &Caller, sites: &[Site]) -> SmallVec<[usize; 8]> {
        let mut met = SmallVec::new();
        for path in &caller.chain {
            self.binaries.search(path.split('/'), |id| {
                if self.patterns.matches(id, path) {
                    met.extend(sites.iter().filter_map(|site| self.doors.get(&(*site, id)).copied()));
                }
            });
        }
        met.sort_unstable();
        met.dedup();
        met
    }

    fn refused(&self, sites: &[Site]) -> ConnectDenial {
        let mut named: Vec<usize> =
            sites.iter().filter_map(|site| self.sites.get(site)).flatten().copied().collect();
        named.sort_unstable();
        named.dedup();
        if !named.is_empty() {
            let names = named.into_iter().filter_map(|rule| self.rules.get(rule).cloned());
            return ConnectDenial::OtherBinaries(names.collect());
        }
        if self.rules.is_empty() { ConnectDenial::NoRules } else { ConnectDenial::NoEndpoint }
    }

    /// Adds an endpoint, unless one that lists the same addresses is there: of those, the first in order is kept.
    fn keep(&self, kept: &mut Endpoints, at: EndpointRef) {
        let lists = |at: EndpointRef| self.endpoint(at).map(|endpoint| endpoint.allowed_ips.as_slice());
        match kept.iter_mut().find(|other| lists(**other) == lists(at)) {
            Some(first) => *first = at.min(*first),
            None => kept.push(at),
        }
        kept.sort_unstable();
    }
}

/// Compiles a policy for judging.
///
/// # Errors
/// The pattern that does not compile, and where it stands.
pub fn compile(policy: &Policy) -> Result<CompiledPolicy, CompileError> {
    CompiledPolicy::new(policy)
}

#[cfg(test)]
mod tests;
