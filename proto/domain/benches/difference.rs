//! What a comparison costs as policies grow: an ordinary proposal against 1 to 10,000 rules of several shapes, and the
//! asks that are made to be dear. Each shape is compared with its own smallest policy in the same run.
//! `cargo bench -p openshell-domain --bench difference`.

#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a bench measures, and may stop")]

use std::time::{Duration, Instant};

use openshell_domain::node::from_yaml;
use openshell_domain::policy::authority::Ground;
use openshell_domain::policy::read::{Source, rule_from_node};
use openshell_domain::policy::{Policy, Rule};

/// How the n-th rule of a policy is written: host, path pattern and binary.
type Shape = (&'static str, fn(usize) -> (String, String, String));

const SHAPES: [Shape; 4] = [
    ("distinct hosts", |n| (format!("h{n}.example"), format!("/repos/o{n}"), "/usr/bin/curl".into())),
    ("one host, literal paths", |n| ("a.example".into(), format!("/repos/o/r{n}/x"), "/usr/bin/curl".into())),
    ("one host, wildcard paths", |n| {
        ("a.example".into(), format!("/repos/o/r{n}/**"), "/usr/bin/curl".into())
    }),
    ("distinct binaries", |n| ("a.example".into(), "/repos/**".into(), format!("/opt/b{n}"))),
];

/// A policy that is longer than a file may be, so its rules are read one by one.
fn policy(count: usize, shape: Shape) -> Policy {
    let mut policy = Policy { version: 1, ..Policy::default() };
    for n in 0..count {
        let (host, path, binary) = shape.1(n);
        let text = format!(
            "endpoints: [{{host: {host}, port: 443, protocol: rest, enforcement: enforce, rules: [{{allow: {{method: GET, path: '{path}'}}}}]}}]\nbinaries: [{{path: {binary}}}]"
        );
        let rule = rule_from_node(&from_yaml(&text).unwrap(), Source::File, "rule").unwrap();
        policy.network_policies.insert(format!("r{n}").parse().unwrap(), rule);
    }
    policy
}

fn ask(host: &str, path: &str, binary: &str) -> Rule {
    let text = format!(
        "endpoints: [{{host: '{host}', port: 443, protocol: rest, rules: [{{allow: {{method: PUT, path: '{path}'}}}}]}}]\nbinaries: [{{path: '{binary}'}}]"
    );
    rule_from_node(&from_yaml(&text).unwrap(), Source::Proposal, "ask").unwrap()
}

/// The median of a few comparisons, and what came of it.
fn time(base: &Policy, rule: &Rule) -> (Duration, &'static str) {
    let mut outcome = "";
    let mut times: Vec<Duration> = (0..7)
        .map(|_| {
            let begin = Instant::now();
            let found = Ground::new(base, Vec::new()).difference(rule);
            let took = begin.elapsed();
            outcome = if found.is_ok() { "" } else { "too complex" };
            took
        })
        .collect();
    times.sort_unstable();
    (times.get(3).copied().unwrap_or_default(), outcome)
}

fn main() {
    let asks = [
        ("an ordinary ask", ask("a.example", "/repos/o/r7/**", "/usr/bin/curl")),
        ("`/**` by `/**`", ask("a.example", "/**", "/**")),
    ];
    for (what, rule) in &asks {
        for shape in SHAPES {
            let mut smallest = None;
            for count in [1, 10, 100, 1_000, 10_000] {
                let (took, outcome) = time(&policy(count, shape), rule);
                let base: Duration = *smallest.get_or_insert(took);
                println!(
                    "{what:<16} {:<26} {count:>6} rules {:>9.3} ms  ×{:<8.1} {outcome}",
                    shape.0,
                    took.as_secs_f64() * 1000.0,
                    took.as_secs_f64() / base.as_secs_f64(),
                );
            }
        }
    }
}
