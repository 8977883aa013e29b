//! Any bytes as the body of a proposal: never a panic, and what is accepted stays inside the limits, asks for nothing
//! that a proposal may not, and is the same rule after it went through JSON.

#![no_main]

use libfuzzer_sys::fuzz_target;
use openshell_domain::node::from_json;
use openshell_domain::policy::read::{Problems, Source, rule_from_node};
use openshell_domain::policy::render::endpoint_lines;
use openshell_domain::policy::verdict::compile;
use openshell_domain::policy::{Enforcement, Policy, Rule, Tls};
use openshell_domain::proposal::body::{AddRule, MAX_OPERATIONS, MAX_SUMMARY, read};
use openshell_domain::untrusted::is_hidden;

fuzz_target!(|bytes: &[u8]| {
    let body = match read(bytes) {
        Ok(body) => body,
        Err(problems) => return are_told(&problems),
    };
    assert!(body.intent_summary.len() <= MAX_SUMMARY);
    assert!((1..=MAX_OPERATIONS).contains(&body.operations.len()));
    for operation in &body.operations {
        match operation {
            Ok(add) => is_sound(add),
            Err(problems) => are_told(problems),
        }
    }
});

fn are_told(problems: &Problems) {
    assert!(!problems.0.is_empty(), "refused without a reason");
    for problem in &problems.0 {
        assert!(!problem.to_string().contains(is_hidden), "{problem:?}");
    }
}

fn is_sound(add: &AddRule) {
    let AddRule { rule_name, rule } = add;
    assert!(rule_name.as_str().parse() == Ok(rule_name.clone()));
    let json = serde_json::to_vec(rule).expect("is written");
    assert_eq!(&serde_json::from_slice::<Rule>(&json).expect("is read"), rule);
    let node = from_json(&json).expect("is JSON");
    let again = rule_from_node(&node, Source::Proposal, "rule").unwrap_or_else(|e| panic!("{e}: {rule:?}"));
    assert_eq!(&again, rule, "the same ask reads as another");
    assert!((1..=16).contains(&rule.endpoints.len()) && (1..=16).contains(&rule.binaries.len()));
    for endpoint in &rule.endpoints {
        assert!((1..=16).contains(&endpoint.ports.len()) && endpoint.rules.len() <= 64);
        assert!(endpoint.deny_rules.is_empty() && endpoint.tls == Tls::Auto);
        assert_ne!(endpoint.enforcement, Some(Enforcement::Audit));
    }
    let lines = endpoint_lines(rule);
    assert!(lines.iter().map(String::len).sum::<usize>() <= 32 * 1024, "more than a person can be shown");
    assert!(!lines.iter().any(|line| line.contains(is_hidden)), "{lines:?}");
    let rules = [(rule_name.clone(), rule.clone())].into();
    compile(&Policy { version: 1, network_policies: rules, ..Policy::default() }).expect("compiles");
}
