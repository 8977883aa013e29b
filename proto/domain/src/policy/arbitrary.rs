//! Random sound policies, for the properties of reading, writing and the schema.
//!
//! Canonical as the reader makes them: ports sorted, each binary once. Endpoints that may not stand together are
//! kept apart by their ports.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::pattern::{Pattern, Separator};
use super::*;
use crate::untrusted::is_hidden;

/// Texts that YAML reads as something else unless they are written with care.
const ODD: [&str; 14] =
    ["~", "null", "yes", "1.0", "0x1f", "1_000", ".inf", "a: b", "#x", "- a", " lead", "tail ", "'", "\\\\"];

/// A policy that loads.
pub(crate) fn policy() -> impl Strategy<Value = Policy> {
    let rules = networks().prop_flat_map(|networks| btree_map(rule_name(), rule(networks), 0..4));
    (option::of(filesystem()), option::of(compatibility()), option::of(process()), rules).prop_map(
        |(filesystem_policy, compatibility, process, network_policies)| Policy {
            version: 1,
            filesystem_policy,
            landlock: compatibility.map(|compatibility| Landlock { compatibility }),
            process,
            network_policies,
        },
    )
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![select(&ODD[..]).prop_map(str::to_owned), "[ -~äß漢]{1,8}", "[a-z]{1,8}"]
        .prop_filter("shown", |text| !text.chars().any(is_hidden))
}

fn glob() -> impl Strategy<Value = String> {
    text().prop_filter("compiles", |text| Pattern::compile(text, Separator::Dot).is_ok())
}

fn filesystem() -> impl Strategy<Value = FilesystemPolicy> {
    let paths = || vec(text().prop_map(|text| format!("/p/{}", text.replace('/', ""))), 0..3);
    (any::<bool>(), paths(), paths())
        .prop_map(|(include_workdir, read_only, read_write)| FilesystemPolicy {
            include_workdir,
            read_only,
            read_write,
        })
        .prop_filter("no dots", |f| {
            f.read_only.iter().chain(&f.read_write).all(|path| !path.ends_with("/.."))
        })
}

fn compatibility() -> impl Strategy<Value = Compatibility> {
    select(&[Compatibility::BestEffort, Compatibility::HardRequirement][..])
}

fn process() -> impl Strategy<Value = Process> {
    let id = || {
        option::of(prop_oneof![
            Just("sandbox".to_owned()),
            (1..=4_294_967_294_u32).prop_map(|id| id.to_string())
        ])
    };
    (id(), id()).prop_map(|(run_as_user, run_as_group)| Process { run_as_user, run_as_group })
}

fn rule_name() -> impl Strategy<Value = RuleName> {
    prop_oneof![
        "[A-Za-z0-9~-][A-Za-z0-9._~-]{0,11}",
        select(&["~", "null", "on", "1", "1.0", "-"][..]).prop_map(str::to_owned)
    ]
    .prop_map(|name| name.parse().unwrap())
}

fn rule(networks: Vec<IpNet>) -> impl Strategy<Value = Rule> {
    let path = select(&["/usr/bin/curl", "/opt/venvs/**", "/**", "/b c", "/a: b", "/usr/*/git", "/#"][..]);
    let binaries = btree_set(path, 1..4);
    (option::of(text()), vec(endpoint(networks), 1..4), binaries).prop_map(|(name, endpoints, binaries)| {
        Rule {
            name,
            endpoints,
            binaries: binaries.into_iter().map(|path| Binary { path: path.to_owned() }).collect(),
        }
    })
}

fn networks() -> impl Strategy<Value = Vec<IpNet>> {
    let all = ["10.0.0.0/8", "192.168.7.0/24", "172.16.0.1/32", "fd12:3456::/32", "203.0.113.7/32"];
    btree_set(select(all.to_vec()), 1..4)
        .prop_map(|some| some.into_iter().map(|text| text.parse().unwrap()).collect())
}

fn host() -> impl Strategy<Value = String> {
    const ALL: [&str; 8] = [
        "a.example",
        "xn--tda.example",
        "8.8.8.8",
        "2606:4700::1111",
        "*.a.example",
        "**.b.example",
        "x-*.c.example",
        "*.s3.*.example.com",
    ];
    select(&ALL[..]).prop_map(str::to_owned)
}

fn endpoint(networks: Vec<IpNet>) -> impl Strategy<Value = Endpoint> {
    let ports =
        |from: u16| btree_set(from..from + 1000, 1..4).prop_map(BTreeSet::into_iter).prop_map(Vec::from_iter);
    let plain = |host: String, ports: Vec<u16>| Endpoint {
        host,
        ports,
        path: String::new(),
        protocol: Protocol::L4,
        tls: Tls::Auto,
        enforcement: None,
        access: None,
        rules: Vec::new(),
        deny_rules: Vec::new(),
        allowed_ips: Vec::new(),
        allow_encoded_slash: false,
    };
    let listed_host = prop_oneof![Just(String::new()), host()];
    prop_oneof![
        (host(), ports(1)).prop_map(move |(host, ports)| plain(host, ports)),
        (host(), ports(2000))
            .prop_map(move |(host, ports)| Endpoint { tls: Tls::Skip, ..plain(host, ports) }),
        (listed_host, ports(4000))
            .prop_map(move |(host, ports)| Endpoint { allowed_ips: networks.clone(), ..plain(host, ports) }),
        (host(), ports(1), rest()).prop_map(|(host, ports, rest)| Endpoint { host, ports, ..rest }),
    ]
}

fn rest() -> impl Strategy<Value = Endpoint> {
    let path = select(&["", "**", "/v1/**", "/graphql", "/[ab]/*"][..]);
    let enforcement = select(&[Enforcement::Audit, Enforcement::Enforce][..]);
    let access = select(&[Access::ReadOnly, Access::ReadWrite, Access::Full][..]);
    let allowed = prop_oneof![
        access.prop_map(|access| (Some(access), Vec::new())),
        vec(request().prop_map(|allow| AllowRule { allow }), 1..4).prop_map(|rules| (None, rules)),
    ];
    (path, enforcement, allowed, vec(request(), 0..3)).prop_map(
        |(path, enforcement, (access, rules), deny_rules)| Endpoint {
            host: String::new(),
            ports: Vec::new(),
            path: path.to_owned(),
            protocol: Protocol::Rest,
            tls: Tls::Auto,
            enforcement: Some(enforcement),
            access,
            rules,
            deny_rules,
            allowed_ips: Vec::new(),
            allow_encoded_slash: true,
        },
    )
}

fn request() -> impl Strategy<Value = RequestPattern> {
    let method = select(&["GET", "POST", "DELETE", "*", "PROPFIND"][..]);
    let path = select(&["**", "/", "/v1/*/x", "/a%2Fb/**", "/{a,b}/?", "/[!c]x", "/**/refs*", "/a%20b"][..]);
    let value = prop_oneof![
        glob().prop_map(QueryPattern::Glob),
        vec(glob(), 1..3).prop_map(|any| QueryPattern::Any { any })
    ];
    (method, path, btree_map(text(), value, 0..3)).prop_map(
        |(method, path, query): (&str, &str, BTreeMap<String, QueryPattern>)| RequestPattern {
            method: method.to_owned(),
            path: path.to_owned(),
            query,
        },
    )
}
