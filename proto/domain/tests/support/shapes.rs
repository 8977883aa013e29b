//! Policies of any size, in the shapes that large policies have, each with a request that one rule in the middle of
//! it allows.

use std::net::IpAddr;

use openshell_domain::policy::host::Host;
use openshell_domain::policy::read::rule_from_node;
use openshell_domain::policy::verdict::{
    Caller, CompiledPolicy, Connect, EndpointRef, Request, RequestVerdict,
};
use openshell_domain::policy::{Policy, read::Source};

/// What the rules differ in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shape {
    Hosts,
    WildcardHosts,
    Paths,
    WildcardPaths,
    Binaries,
    DeniesAndQueries,
}

impl Shape {
    pub const ALL: [Self; 6] = [
        Self::Hosts,
        Self::WildcardHosts,
        Self::Paths,
        Self::WildcardPaths,
        Self::Binaries,
        Self::DeniesAndQueries,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Hosts => "literal hosts",
            Self::WildcardHosts => "wildcard hosts",
            Self::Paths => "one host, literal paths",
            Self::WildcardPaths => "one host, wildcard paths",
            Self::Binaries => "one host, binaries",
            Self::DeniesAndQueries => "one host, denies and queries",
        }
    }
}

/// A policy and a request that it allows.
pub struct Case {
    pub policy: Policy,
    pub caller: Caller,
    pub host: Host,
    pub path: String,
    pub query: Option<&'static str>,
    pub addresses: Vec<IpAddr>,
}

impl Case {
    pub fn new(shape: Shape, size: usize) -> Self {
        let middle = size / 2;
        let rules = (0..size).map(|n| (format!("r{n:05}").parse().unwrap(), rule(shape, n)));
        let host = match shape {
            Shape::Hosts => format!("api.h{middle}.example.com"),
            Shape::WildcardHosts => format!("x.h{middle}.example.com"),
            _ => "api.example.com".to_owned(),
        };
        let path = match shape {
            Shape::Paths | Shape::WildcardPaths | Shape::DeniesAndQueries => {
                format!("/repos/o/r{middle}/contents/README.md")
            }
            _ => "/repos/o/r/contents/README.md".to_owned(),
        };
        let binary = match shape {
            Shape::Binaries => format!("/usr/bin/tool{middle}"),
            _ => "/usr/bin/curl".to_owned(),
        };
        Self {
            policy: Policy { version: 1, network_policies: rules.collect(), ..Policy::default() },
            caller: Caller { chain: vec![binary, "/usr/bin/bash".to_owned()] },
            host: Host::parse(&host).unwrap(),
            path,
            query: (shape == Shape::DeniesAndQueries).then_some("ref=main&page=2"),
            addresses: vec!["140.82.121.6".parse().unwrap()],
        }
    }

    pub fn request(&self) -> Request<'_> {
        Request { method: "PUT", path: &self.path, query: self.query }
    }

    /// All three questions; who permits it.
    pub fn judge(&self, policy: &CompiledPolicy) -> Option<EndpointRef> {
        let Connect::Inspected(at) = policy.connect(&self.caller, &self.host, 443) else { return None };
        let RequestVerdict::Allowed(at) = policy.request(&at, &self.request()) else { return None };
        policy.destination(&at, &self.addresses, 443).ok()
    }
}

fn rule(shape: Shape, n: usize) -> openshell_domain::policy::Rule {
    let host = match shape {
        Shape::Hosts => format!("api.h{n}.example.com"),
        Shape::WildcardHosts => format!("*.h{n}.example.com"),
        _ => "api.example.com".to_owned(),
    };
    let path = match shape {
        Shape::Paths => format!("/repos/o/r{n}/contents/README.md"),
        Shape::WildcardPaths | Shape::DeniesAndQueries => format!("/repos/*/r{n}/**"),
        _ => "/repos/*/*/contents/**".to_owned(),
    };
    let binary = if shape == Shape::Binaries { format!("/usr/bin/tool{n}") } else { "/usr/bin/curl".into() };
    let more = match shape {
        Shape::DeniesAndQueries => format!(
            ", query: {{ref: {{any: [main, 'v*']}}}}}}}}], deny_rules: [{{method: '*', path: '/repos/*/r{n}/admin/**'}}, {{method: PUT, path: '/repos/*/r{n}/**', query: {{debug: '1*'}}}}]"
        ),
        _ => "}}]".to_owned(),
    };
    let text = format!(
        "{{endpoints: [{{host: '{host}', port: 443, protocol: rest, enforcement: enforce, rules: [{{allow: {{method: PUT, path: '{path}'{more}}}], binaries: [{{path: {binary}}}]}}"
    );
    let node = openshell_domain::node::from_yaml(&text).unwrap();
    rule_from_node(&node, Source::File, "rule").unwrap()
}
