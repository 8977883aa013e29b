//! Requests made of the literals of a case, and the matcher's answer to them.

use std::collections::BTreeSet;
use std::net::IpAddr;

use openshell_domain::policy::authority::Witness;
use openshell_domain::policy::host::Host;
use openshell_domain::policy::verdict::{Caller, CompiledPolicy, Kind, Request};
use openshell_domain::policy::{Policy, Rule};

const PUBLIC: &str = "93.184.215.14";
const DESTINATIONS: [&[&str]; 4] = [&[], &["10.0.0.1"], &["10.9.9.9"], &["10.0.0.1", PUBLIC]];
/// What is asked for, and whether it becomes a WebSocket.
const METHODS: [(Option<&str>, bool); 6] = [
    (None, false),
    (Some("GET"), false),
    (Some("GET"), true),
    (Some("HEAD"), false),
    (Some("POST"), false),
    (Some("X"), false),
];
const QUERIES: [Option<&str>; 6] =
    [None, Some("q=x"), Some("r=y.z&q=xx"), Some("q=x&q=y"), Some("r=x"), Some("q=%zz")];
/// The most requests of one case, spread over all of them.
const MOST: usize = 250;

/// Whether the matcher allows or audits the request.
pub fn allows(policy: &CompiledPolicy, asked: &Witness) -> bool {
    let host = Host::parse(&asked.host).expect("a canonical host");
    let caller = Caller { chain: asked.chain.clone() };
    let public = [PUBLIC.parse().expect("an address")];
    let addresses: &[IpAddr] = if asked.addresses.is_empty() { &public } else { &asked.addresses };
    let kind = asked.method.as_ref().map_or(Kind::Opaque, |method| {
        let request = Request { method, path: &asked.path, query: asked.query.as_deref() };
        if asked.is_upgrade { Kind::Upgrade(request) } else { Kind::Http(request) }
    });
    policy.authority(&caller, &host, addresses, asked.port, &kind)
}

/// Requests at the ports of `ask` that the patterns of `policy` speak about.
pub fn requests(policy: &Policy, ask: &Rule) -> Vec<Witness> {
    let texts = Texts::new(policy, ask);
    let sizes = [
        texts.chains.len(),
        texts.hosts.len(),
        texts.ports.len(),
        DESTINATIONS.len(),
        METHODS.len(),
        texts.paths.len(),
        QUERIES.len(),
    ];
    let all: usize = sizes.iter().product();
    // A prime step visits requests that differ in everything first.
    (0..all.min(MOST)).map(|at| texts.request((at * 1_000_003) % all, &sizes)).collect()
}

struct Texts {
    chains: Vec<Vec<String>>,
    hosts: Vec<String>,
    ports: Vec<u16>,
    paths: Vec<String>,
}

impl Texts {
    fn new(policy: &Policy, ask: &Rule) -> Self {
        let rules = || policy.network_policies.values();
        let endpoints = || rules().flat_map(|rule| &rule.endpoints);
        let programs = rules().flat_map(|rule| &rule.binaries).map(|binary| concrete(&binary.path, "d/w"));
        let programs: BTreeSet<String> = programs.collect();
        let singles = programs.iter().map(|program| vec![program.clone()]);
        let pairs = programs.iter().flat_map(|a| programs.iter().map(move |b| vec![a.clone(), b.clone()]));
        let hosts = endpoints().map(|e| e.host.as_str()).filter(|host| !host.is_empty());
        let hosts = hosts.map(|host| concrete(host, "c.b")).chain(["other.example".to_owned()]);
        let patterns = endpoints().flat_map(|e| {
            let requests = e.rules.iter().map(|rule| &rule.allow).chain(&e.deny_rules);
            requests.map(|request| request.path.as_str()).chain([e.path.as_str()])
        });
        let paths = patterns.filter(|path| !path.is_empty()).map(|path| match concrete(path, "b/a") {
            path if path.starts_with('/') => path,
            path => format!("/{path}"),
        });
        let paths: BTreeSet<String> = paths.chain(["/", "/z", "/a/b", "/a%2Fb"].map(String::from)).collect();
        let ports: BTreeSet<u16> = ask.endpoints.iter().flat_map(|e| e.ports.iter().copied()).collect();
        Self {
            chains: singles.chain(pairs).collect(),
            hosts: hosts.collect::<BTreeSet<_>>().into_iter().collect(),
            ports: ports.into_iter().collect(),
            paths: paths.into_iter().collect(),
        }
    }

    fn request(&self, mut at: usize, sizes: &[usize; 7]) -> Witness {
        let places = sizes.map(|size| {
            let place = at % size;
            at /= size;
            place
        });
        let [chain, host, port, destination, method, path, query] = places;
        let (method, is_upgrade) = METHODS[method];
        let method = method.map(str::to_owned);
        let addresses = DESTINATIONS[destination].iter().map(|text| text.parse().expect("an address"));
        let host = &self.hosts[host];
        Witness {
            chain: self.chains[chain].clone(),
            // An address resolves to itself.
            addresses: host.parse().map_or_else(|_| addresses.collect(), |address| vec![address]),
            host: host.clone(),
            port: self.ports[port],
            path: method.as_ref().map(|_| self.paths[path].clone()).unwrap_or_default(),
            query: QUERIES[query].filter(|_| method.is_some()).map(str::to_owned),
            method,
            is_upgrade,
        }
    }
}

/// A text that the pattern matches.
fn concrete(pattern: &str, many: &str) -> String {
    let literal = [("**", many), ("*", "x"), ("[ab]", "b"), ("{a,b}", "a"), ("[!a]", "b"), ("?", "a")];
    literal.iter().fold(pattern.to_owned(), |text, (glob, literal)| text.replace(glob, literal))
}
