//! The verdict: may this caller open this connection, make this request, reach these addresses?
//!
//! Three questions in the order in which the supervisor learns the facts: [`CompiledPolicy::connect`] before any
//! name is resolved, [`CompiledPolicy::request`] for each request of an inspected connection, and
//! [`CompiledPolicy::destination`] once addresses are known. The semantics are `domain.md` §3; on any doubt the
//! answer is no.

mod compile;

use std::net::IpAddr;

use super::address::{self, CONTROL_PLANE_PORTS, Class};
use super::host::Host;
use super::{Enforcement, Policy};
pub use compile::{CompileError, CompiledPolicy};
use compile::{CompiledEndpoint, CompiledRequest};

/// Which endpoint of which rule: valid for the policy that gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndpointRef {
    rule: usize,
    endpoint: usize,
}

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
    Opaque(Vec<EndpointRef>),
    /// Each request must be judged against these endpoints.
    Inspected(Vec<EndpointRef>),
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

/// What may happen with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestVerdict {
    /// It may pass, to addresses that one of these endpoints allows.
    Allowed(Vec<EndpointRef>),
    /// No rule allows it, every endpoint that is about it only audits: it may pass, marked.
    Audited(Vec<EndpointRef>),
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
}

impl RequestDenial {
    /// The key of the rule that the denial is about.
    #[must_use]
    pub fn rule(&self) -> &str {
        match self {
            Self::DenyRule(rule) | Self::NotAllowed(rule) | Self::NoPath(rule) | Self::UnclearQuery(rule) => {
                rule
            }
        }
    }

    /// Whether another allow rule could make the request pass.
    #[must_use]
    pub fn is_fixable(&self) -> bool {
        matches!(self, Self::NotAllowed(_) | Self::NoPath(_))
    }
}

/// Why none of the addresses may be dialled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DestinationDenial {
    /// The name has no address.
    #[error("the name resolves to no address")]
    NoAddress,
    /// This address is never reachable.
    #[error("resolves to {0}, an always-blocked address")]
    Blocked(IpAddr),
    /// This address is not public and no endpoint lists it.
    #[error("resolves to internal address {0}, which no `allowed_ips` of the rule holds")]
    Private(IpAddr),
    /// The endpoint lists addresses, and this is none of them.
    #[error("resolves to {0}, which is not in `allowed_ips`")]
    NotListed(IpAddr),
    /// The port belongs to a cluster's control plane.
    #[error("port {0} is a control-plane port, which is never reachable")]
    ControlPlane(u16),
}

impl CompiledPolicy {
    /// Whether `caller` may open a connection to `host:port`.
    #[must_use]
    pub fn connect(&self, caller: &Caller, host: &Host, port: u16) -> Connect {
        if let Some(reason) = address::always_blocked(host) {
            return Connect::Denied(ConnectDenial::AlwaysBlocked(reason));
        }
        let host_text = host.to_string();
        let mut inspected = Vec::new();
        let mut opaque = Vec::new();
        let mut others = Vec::new();
        for (rule_index, rule) in self.rules.iter().enumerate() {
            let mut hits =
                rule.endpoints.iter().enumerate().filter(|(_, e)| e.is_for(&host_text, port)).peekable();
            if hits.peek().is_none() {
                continue;
            }
            if !rule.is_hit_by(caller) {
                others.push(rule.name.clone());
                continue;
            }
            for (endpoint_index, endpoint) in hits {
                let found = EndpointRef { rule: rule_index, endpoint: endpoint_index };
                if endpoint.is_l7 { inspected.push(found) } else { opaque.push(found) }
            }
        }
        if !inspected.is_empty() {
            Connect::Inspected(inspected)
        } else if !opaque.is_empty() {
            Connect::Opaque(opaque)
        } else if !others.is_empty() {
            Connect::Denied(ConnectDenial::OtherBinaries(others))
        } else if self.rules.is_empty() {
            Connect::Denied(ConnectDenial::NoRules)
        } else {
            Connect::Denied(ConnectDenial::NoEndpoint)
        }
    }

    /// Whether a request may pass through an inspected connection, as far as method, path and query go.
    /// `inspected` is what [`Self::connect`] gave for this policy.
    #[must_use]
    pub fn request(&self, inspected: &[EndpointRef], request: &Request<'_>) -> RequestVerdict {
        let about: Vec<EndpointRef> = inspected
            .iter()
            .copied()
            .filter(|at| self.endpoint(*at).is_some_and(|e| e.is_about(request.path)))
            .collect();
        let Some(first) = about.first().copied() else {
            let rule = inspected.first().map(|at| self.rule_name(*at)).unwrap_or_default();
            return RequestVerdict::Denied(RequestDenial::NoPath(rule));
        };
        let query = compile::Query::read(request.query);
        let constrained =
            inspected.iter().find(|at| self.endpoint(**at).is_some_and(CompiledEndpoint::reads_queries));
        if let (None, Some(at)) = (&query, constrained) {
            return RequestVerdict::Denied(RequestDenial::UnclearQuery(self.rule_name(*at)));
        }
        let query = query.unwrap_or_default();
        let denying = inspected.iter().find(|at| {
            self.endpoint(**at)
                .is_some_and(|e| e.denies.iter().any(|deny: &CompiledRequest| deny.denies(request, &query)))
        });
        let allowing: Vec<EndpointRef> = about
            .iter()
            .copied()
            .filter(|at| {
                self.endpoint(*at).is_some_and(|e| e.allows.iter().any(|allow| allow.allows(request, &query)))
            })
            .collect();
        if denying.is_none() && !allowing.is_empty() {
            return RequestVerdict::Allowed(allowing);
        }
        let audits =
            |at: &EndpointRef| self.endpoint(*at).is_some_and(|e| e.enforcement == Enforcement::Audit);
        if about.iter().all(audits) {
            return RequestVerdict::Audited(about);
        }
        if let Some(at) = denying {
            return RequestVerdict::Denied(RequestDenial::DenyRule(self.rule_name(*at)));
        }
        let enforcing = about.iter().copied().find(|at| !audits(at)).unwrap_or(first);
        RequestVerdict::Denied(RequestDenial::NotAllowed(self.rule_name(enforcing)))
    }

    /// Which of `endpoints` allows a connection to every one of `addresses` at `port`.
    ///
    /// # Errors
    /// Why none does.
    pub fn destination(
        &self,
        endpoints: &[EndpointRef],
        addresses: &[IpAddr],
        port: u16,
    ) -> Result<EndpointRef, DestinationDenial> {
        if addresses.is_empty() {
            return Err(DestinationDenial::NoAddress);
        }
        if let Some(blocked) = addresses.iter().find(|a| address::classify(**a) == Class::Blocked) {
            return Err(DestinationDenial::Blocked(*blocked));
        }
        let mut denial = DestinationDenial::NoAddress;
        for at in endpoints {
            let Some(endpoint) = self.endpoint(*at) else { continue };
            match endpoint.destination(addresses, port) {
                Ok(()) => return Ok(*at),
                Err(reason) => denial = reason,
            }
        }
        Err(denial)
    }

    /// The key of the rule that `at` belongs to.
    #[must_use]
    pub fn rule_name(&self, at: EndpointRef) -> String {
        self.rules.get(at.rule).map(|rule| rule.name.clone()).unwrap_or_default()
    }

    fn endpoint(&self, at: EndpointRef) -> Option<&CompiledEndpoint> {
        self.rules.get(at.rule).and_then(|rule| rule.endpoints.get(at.endpoint))
    }
}

impl CompiledEndpoint {
    fn destination(&self, addresses: &[IpAddr], port: u16) -> Result<(), DestinationDenial> {
        if CONTROL_PLANE_PORTS.contains(&port) {
            return Err(DestinationDenial::ControlPlane(port));
        }
        if self.allowed_ips.is_empty() {
            let private = addresses.iter().find(|a| address::classify(**a) != Class::Public);
            return private.map_or(Ok(()), |a| Err(DestinationDenial::Private(*a)));
        }
        let unlisted =
            addresses.iter().find(|a| !self.allowed_ips.iter().any(|network| network.contains(*a)));
        unlisted.map_or(Ok(()), |a| Err(DestinationDenial::NotListed(*a)))
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
