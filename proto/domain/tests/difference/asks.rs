//! Random small policies, written as YAML and read by the real reader: what does not load does not count.

use std::fmt;

use openshell_domain::node::from_yaml;
use openshell_domain::policy::effective::check;
use openshell_domain::policy::read::{Source, policy_from_yaml, rule_from_node};
use openshell_domain::policy::{Policy, Rule, render};
use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::select;

/// A base, grants in force, an ask, another ask, and a policy to compare with.
#[derive(Clone)]
pub(super) struct Case {
    pub(super) base: Policy,
    pub(super) grants: Vec<Rule>,
    pub(super) ask: Rule,
    pub(super) other: Rule,
    pub(super) bound: Policy,
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let grants: Vec<&Rule> = self.grants.iter().chain([&self.ask, &self.other]).collect();
        let all = with(&self.base, &grants).unwrap_or_default();
        for (name, policy) in [("base, grants, ask, other", &all), ("bound", &self.bound)] {
            writeln!(f, "{name}:")?;
            for (key, rule) in &policy.network_policies {
                let binaries: Vec<&str> = rule.binaries.iter().map(|binary| binary.path.as_str()).collect();
                writeln!(f, "  {key} by {binaries:?}: {:#?}", render::endpoint_lines(rule))?;
            }
        }
        Ok(())
    }
}

/// What the endpoints of one case have in common, so that most cases have no conflict.
#[derive(Debug, Clone, Copy)]
struct Regime {
    is_proposal: bool,
    /// The port whose endpoints list addresses, and the list.
    listed: (u16, &'static str),
}

fn regime(is_proposal: bool) -> impl Strategy<Value = Regime> {
    let list = select(vec!["10.0.0.0/8", "10.0.0.1", "10.0.0.0/8, 93.184.215.0/24"]);
    (select(vec![80, 443, 8080, 6443]), list).prop_map(move |listed| Regime { is_proposal, listed })
}

fn segment(is_proposal: bool) -> impl Strategy<Value = &'static str> {
    let simple = ["a", "b", "*", "**", "a*"];
    let more = ["a", "b", "*", "**", "a*", "?", "[ab]", "{a,b}", "*b", "[!a]"];
    select(if is_proposal { simple.to_vec() } else { more[..9].to_vec() })
}

fn path(is_proposal: bool) -> impl Strategy<Value = String> {
    let joined = (vec(segment(is_proposal), 1..4), prop::bool::weighted(0.1))
        .prop_map(|(parts, slash)| format!("/{}{}", parts.join("/"), if slash { "/" } else { "" }));
    let mut whole = vec!["/**", "/", "/a%2Fb", "/a%2F*", "/**/b"];
    if !is_proposal {
        whole.push("**");
    }
    prop_oneof![3 => joined, 1 => select(whole).prop_map(str::to_owned)]
}

fn query() -> impl Strategy<Value = String> {
    let globs = ["x", "'x*'", "'*'", "'**'", "{any: [x, y.z]}", "{any: ['x*', '*.z']}"];
    let clause = (select(vec!["q", "r"]), select(globs.to_vec()));
    vec(clause, 1..3).prop_map(|mut clauses| {
        clauses.sort_unstable();
        clauses.dedup_by_key(|(key, _)| *key);
        let clauses: Vec<String> = clauses.iter().map(|(key, glob)| format!("{key}: {glob}")).collect();
        format!(", query: {{{}}}", clauses.join(", "))
    })
}

fn request(is_proposal: bool) -> impl Strategy<Value = String> {
    let method = select(vec!["GET", "HEAD", "POST", "X", "'*'"]);
    (method, path(is_proposal), weighted(0.3, query())).prop_map(|(method, path, query)| {
        format!("{{method: {method}, path: '{path}'{}}}", query.unwrap_or_default())
    })
}

/// The part of an inspected endpoint behind `protocol`.
fn inspected(is_proposal: bool) -> impl Strategy<Value = String> {
    let rules = vec(request(is_proposal), 1..4).prop_map(|requests| {
        let rules: Vec<String> = requests.iter().map(|request| format!("{{allow: {request}}}")).collect();
        format!("rules: [{}]", rules.join(", "))
    });
    let preset = select(vec!["access: read-only", "access: read-write", "access: full"]);
    let allows = prop_oneof![3 => rules, 1 => preset.prop_map(str::to_owned)];
    let denies = vec(request(false), 0..3);
    let denies = weighted(0.35, denies).prop_map(move |denies| {
        denies
            .filter(|_| !is_proposal)
            .map(|denies| format!(", deny_rules: [{}]", denies.join(", ")))
            .unwrap_or_default()
    });
    let audits = if is_proposal { 0.0 } else { 0.25 };
    let enforcement =
        prop::bool::weighted(audits).prop_map(|audits| if audits { "audit" } else { "enforce" });
    let scope = weighted(0.3, path(is_proposal));
    (allows, denies, enforcement, scope, prop::bool::weighted(0.15)).prop_map(
        |(allows, denies, enforcement, scope, slash)| {
            let scope = scope.map(|path| format!(", path: '{path}'")).unwrap_or_default();
            let text = format!("{allows}{denies}{scope}");
            let slash = if slash || text.contains("%2F") { ", allow_encoded_slash: true" } else { "" };
            format!(", protocol: rest, enforcement: {enforcement}, {text}{slash}")
        },
    )
}

fn endpoint(regime: Regime) -> impl Strategy<Value = String> {
    let mut hosts = vec!["a.example", "a.example", "b.a.example", "*.a.example", "**.a.example", "10.0.0.1"];
    if !regime.is_proposal {
        hosts.push("");
    }
    let inside = weighted(0.75, inspected(regime.is_proposal));
    let odd = prop::bool::weighted(0.02);
    let ports = select(vec!["80", "443", "443", "443", "80, 443", "6443", "443, 6443"]);
    (select(hosts), ports, inside, odd).prop_map(move |(host, ports, inside, odd)| {
        let (port, list) = regime.listed;
        // A proposal names no port of a control plane without addresses.
        let ports = if regime.is_proposal && port != 6443 {
            ports.trim_end_matches(", 6443").replace("6443", "443")
        } else {
            ports.to_owned()
        };
        let is_listed = ports.contains(&port.to_string()) || host.is_empty() || odd;
        // Where only one of two ports lists addresses, the endpoint is for that one.
        let ports = if is_listed && !odd && port != 8080 { port.to_string() } else { ports };
        let list = if is_listed { format!(", allowed_ips: [{list}]") } else { String::new() };
        format!("{{host: '{host}', ports: [{ports}]{list}{}}}", inside.unwrap_or_default())
    })
}

fn rule(regime: Regime) -> impl Strategy<Value = String> {
    let binaries = vec(select(vec!["/a", "/b", "/c", "/*", "/d/**", "/**"]), 1..3);
    (vec(endpoint(regime), 1..3), binaries).prop_map(|(endpoints, binaries)| {
        let binaries: Vec<String> = binaries.iter().map(|path| format!("{{path: '{path}'}}")).collect();
        format!("{{endpoints: [{}], binaries: [{}]}}", endpoints.join(", "), binaries.join(", "))
    })
}

fn policy(rules: &[String]) -> Option<Policy> {
    let lines: Vec<String> =
        rules.iter().enumerate().map(|(at, rule)| format!("  r{at}: {rule}\n")).collect();
    let head = if rules.is_empty() { "" } else { "network_policies:\n" };
    policy_from_yaml(&format!("version: 1\n{head}{}", lines.concat())).ok().map(|loaded| loaded.policy)
}

fn read(text: &str, source: Source) -> Option<Rule> {
    rule_from_node(&from_yaml(text).ok()?, source, "ask").ok()
}

/// The base with some rules beside it, if they load together.
pub(super) fn with(base: &Policy, rules: &[&Rule]) -> Option<Policy> {
    let mut policy = base.clone();
    for (at, rule) in rules.iter().enumerate() {
        policy.network_policies.insert(format!("s{at}").parse().ok()?, (*rule).clone());
    }
    check(&policy, |_| None).ok().map(|()| policy)
}

/// A case that loads.
pub(super) fn case() -> impl Strategy<Value = Case> {
    let texts = (regime(false), any::<bool>(), any::<bool>(), regime(false)).prop_flat_map(
        |(file, asks_from_file, same, other)| {
            let asked = Regime { is_proposal: !asks_from_file, ..file };
            let bound = if same { file } else { other };
            (
                vec(rule(file), 0..4),
                vec(rule(file), 0..3),
                vec(rule(asked), 2),
                vec(rule(bound), 1..4),
                Just(if asks_from_file { Source::File } else { Source::Proposal }),
            )
        },
    );
    texts.prop_filter_map("does not load", |(base, grants, asks, bound, source)| {
        let grants: Vec<Rule> = grants.iter().map(|text| read(text, Source::File)).collect::<Option<_>>()?;
        let case = Case {
            base: policy(&base)?,
            grants,
            ask: read(asks.first()?, source)?,
            other: read(asks.get(1)?, source)?,
            bound: policy(&bound)?,
        };
        let all: Vec<&Rule> = case.grants.iter().chain([&case.ask, &case.other]).collect();
        with(&case.base, &all).is_some().then_some(case)
    })
}
