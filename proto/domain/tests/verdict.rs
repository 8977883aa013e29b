//! The indexed verdict = a naive one that walks every rule, over random policies and requests.
//! `PROPTEST_CASES` says how many.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::net::IpAddr;

use openshell_domain::policy::host::Host;
use openshell_domain::policy::verdict::{
    Caller, CompiledPolicy, Connect, ConnectDenial, Endpoints, Kind, Request, RequestDenial, RequestVerdict,
    compile,
};
use openshell_domain::policy::{
    Access, AllowRule, Binary, Endpoint, Enforcement, Policy, Protocol, QueryPattern, RequestPattern, Rule,
    Tls,
};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use support::naive;

const PORTS: [u16; 3] = [80, 443, 6443];
const BINARIES: [&str; 8] =
    ["/usr/bin/curl", "/usr/bin/git", "/usr/bin/*", "/usr/**", "/**", "/opt/a*", "/usr/*/git", "/**/git"];
const HOLDERS: [&str; 5] = ["/usr/bin/curl", "/usr/bin/git", "/opt/app", "/bin/sh", "/usr/lib/git/git"];
const HOSTS: [&str; 10] = [
    "a.example.com",
    "b.example.com",
    "*.example.com",
    "**.example.com",
    "a*.example.com",
    "*.a.*.example.com",
    "x.a.example.com",
    "10.0.0.1",
    "*.0.0.1",
    "2001:db8::1",
];
const ASKED_HOSTS: [&str; 9] = [
    "a.example.com",
    "b.example.com",
    "ab.example.com",
    "x.a.example.com",
    "y.a.z.example.com",
    "example.com",
    "10.0.0.1",
    "2001:db8::1",
    "localhost",
];
const NETWORKS: [&str; 3] = ["10.0.0.0/8", "8.8.8.0/24", "2001:db8::/32"];
const ADDRESSES: [&str; 7] =
    ["8.8.8.8", "8.8.8.9", "1.1.1.1", "2606:4700::1111", "10.0.0.1", "127.0.0.1", "2001:db8::1"];

fn words<const N: usize>(words: [&'static str; N]) -> impl Strategy<Value = String> {
    select(words.to_vec()).prop_map(str::to_owned)
}

fn path_pattern() -> impl Strategy<Value = String> {
    let segments = vec(words(["a", "b", "ab", "*", "**", "a*", "*b", "a**b", "a%2Fb", ""]), 1..4);
    prop_oneof![1 => Just("**".to_owned()), 4 => segments.prop_map(|s| format!("/{}", s.join("/")))]
}

fn value_pattern() -> impl Strategy<Value = QueryPattern> {
    let glob = || words(["1", "1*", "*", "**", "x.*", "x.**", "2"]);
    prop_oneof![
        glob().prop_map(QueryPattern::Glob),
        vec(glob(), 1..3).prop_map(|any| QueryPattern::Any { any })
    ]
}

fn request_pattern() -> impl Strategy<Value = RequestPattern> {
    let query = prop_oneof![
        2 => Just(std::collections::BTreeMap::new()),
        1 => btree_map(words(["q", "l", "a b"]), value_pattern(), 1..3),
    ];
    (words(["GET", "HEAD", "PUT", "PURGE", "*"]), path_pattern(), query)
        .prop_map(|(method, path, query)| RequestPattern { method, path, query })
}

fn endpoint() -> impl Strategy<Value = Endpoint> {
    let host = prop_oneof![5 => words(HOSTS), 4 => Just(HOSTS[0].to_owned()), 1 => Just(String::new())];
    let path = prop_oneof![3 => Just(String::new()), 1 => path_pattern()];
    let l7 = prop_oneof![Just(None), select(vec![Some(Enforcement::Audit), Some(Enforcement::Enforce)])];
    let access = select(vec![None, Some(Access::ReadOnly), Some(Access::ReadWrite), Some(Access::Full)]);
    let rules = vec(request_pattern().prop_map(|allow| AllowRule { allow }), 1..4);
    let denies = prop_oneof![Just(Vec::new()), vec(request_pattern(), 1..3)];
    let networks = prop_oneof![3 => Just(Vec::new()), 1 => vec(words(NETWORKS), 1..3)];
    (host, subsequence(PORTS.to_vec(), 1..=3), path, l7, access, rules, denies, networks, any::<bool>())
        .prop_map(|(host, ports, path, l7, access, rules, denies, networks, allow_encoded_slash)| {
            let parsed = networks.iter().map(|n| n.parse().unwrap()).collect();
            let is_l7 = l7.is_some();
            Endpoint {
                host,
                ports,
                path: if is_l7 { path } else { String::new() },
                protocol: if is_l7 { Protocol::Rest } else { Protocol::L4 },
                tls: Tls::Auto,
                enforcement: l7,
                access: access.filter(|_| is_l7),
                rules: if is_l7 && access.is_none() { rules } else { Vec::new() },
                deny_rules: if is_l7 { denies } else { Vec::new() },
                allowed_ips: parsed,
                allow_encoded_slash: is_l7 && allow_encoded_slash,
            }
        })
}

fn policy() -> impl Strategy<Value = Policy> {
    let rule = (vec(endpoint(), 1..4), vec(words(BINARIES), 1..4)).prop_map(|(endpoints, paths)| Rule {
        name: None,
        endpoints,
        binaries: paths.into_iter().map(|path| Binary { path }).collect(),
    });
    vec(rule, 0..9).prop_map(|rules| Policy {
        version: 1,
        network_policies: rules
            .into_iter()
            .zip(0..)
            .map(|(r, n)| (format!("r{n}").parse().unwrap(), r))
            .collect(),
        ..Policy::default()
    })
}

#[derive(Debug, Clone)]
struct Asked {
    caller: Caller,
    host: Host,
    port: u16,
    method: String,
    path: String,
    query: Option<String>,
    addresses: Vec<IpAddr>,
}

fn asked() -> impl Strategy<Value = Asked> {
    let chain = prop_oneof![1 => Just(Vec::new()), 30 => vec(words(HOLDERS), 1..4)];
    let path =
        vec(words(["a", "b", "ab", "axb", "a%2Fb", ""]), 1..5).prop_map(|s| format!("/{}", s.join("/")));
    let pair = prop_oneof![
        12 => words(["q=1", "q=12", "q=x.y", "q=x.y.z", "q=%31", "l=2", "l=1", "l", "a+b=1", "a%20b=2", "z=%C3%A9", ""]),
        1 => words(["q=%zz", "q=1;l=2", "z=%ff", "z=%"]),
    ];
    let query = prop_oneof![Just(None), vec(pair, 0..4).prop_map(|pairs| Some(pairs.join("&")))];
    let method = words(["GET", "get", "HEAD", "PUT", "pUT", "OPTIONS", "PURGE"]);
    let addresses = prop_oneof![6 => vec(words(ADDRESSES), 1..2), 2 => vec(words(ADDRESSES), 0..3)];
    let host = prop_oneof![2 => words(ASKED_HOSTS), 3 => Just(ASKED_HOSTS[0].to_owned())];
    let port = prop_oneof![1 => select(PORTS.to_vec()), 3 => Just(PORTS[1])];
    (chain, host, port, method, path, query, addresses).prop_map(
        |(chain, host, port, method, path, query, addresses)| Asked {
            caller: Caller { chain },
            host: Host::parse(&host).unwrap(),
            port,
            method,
            path,
            query,
            addresses: addresses.iter().map(|a| a.parse().unwrap()).collect(),
        },
    )
}

/// Everything that is to be the same; the last text is the rule whose addresses permit it.
#[derive(Debug, PartialEq)]
enum Answer {
    NoConnection(ConnectDenial),
    Opaque(Option<String>),
    Allowed(Option<String>),
    Audited(Option<String>),
    NoRequest(RequestDenial),
}

fn indexed(policy: &CompiledPolicy, asked: &Asked, request: &Request<'_>) -> Answer {
    let dials = |at: &Endpoints| {
        assert!(at.is_sorted() && !at.is_empty());
        let through = policy.destination(at, &asked.addresses, asked.port).ok();
        through.map(|at| policy.rule_name(at).to_owned())
    };
    match policy.connect(&asked.caller, &asked.host, asked.port) {
        Connect::Denied(denial) => Answer::NoConnection(denial),
        Connect::Opaque(at) => Answer::Opaque(dials(&at)),
        Connect::Inspected(at) => match policy.request(&at, request) {
            RequestVerdict::Allowed(at) => Answer::Allowed(dials(&at)),
            RequestVerdict::Audited(at) => Answer::Audited(dials(&at)),
            RequestVerdict::Denied(denial) => Answer::NoRequest(denial),
        },
    }
}

fn walked(connect: &naive::Connect<'_>, asked: &Asked, request: &Request<'_>) -> Answer {
    let dials = |found: &[(&str, &Endpoint)]| {
        let first = found.iter().find(|(_, e)| naive::reaches(e, &asked.addresses, asked.port));
        first.map(|(name, _)| (*name).to_owned())
    };
    match connect {
        naive::Connect::Denied(denial) => Answer::NoConnection(denial.clone()),
        naive::Connect::Opaque(found) => Answer::Opaque(dials(found)),
        naive::Connect::Inspected(found) => match naive::request(found, request) {
            naive::Verdict::Allowed(found) => Answer::Allowed(dials(&found)),
            naive::Verdict::Audited(found) => Answer::Audited(dials(&found)),
            naive::Verdict::Denied(denial) => Answer::NoRequest(denial),
        },
    }
}

proptest! {
    #[test]
    fn the_index_judges_as_a_walk_over_all_rules_does(policy in policy(), all in vec(asked(), 1..16)) {
        let compiled = compile(&policy).unwrap();
        for asked in all {
            let request =
                Request { method: &asked.method, path: &asked.path, query: asked.query.as_deref() };
            let connect = naive::connect(&policy, &asked.caller, &asked.host, asked.port);
            let want = walked(&connect, &asked, &request);
            prop_assert_eq!(indexed(&compiled, &asked, &request), want, "{:?}", asked);
            let kinds = [
                (Kind::Opaque, None),
                (Kind::Http(request), Some((&request, false))),
                (Kind::Upgrade(request), Some((&request, true))),
            ];
            for (kind, of) in kinds {
                let got =
                    compiled.authority(&asked.caller, &asked.host, &asked.addresses, asked.port, &kind);
                prop_assert_eq!(got, naive::authority(&connect, &asked.addresses, asked.port, of), "{:?}", asked);
            }
        }
    }
}
