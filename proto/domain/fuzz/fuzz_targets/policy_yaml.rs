//! Any bytes as a policy file: read or refused in words, never a panic. What is read is written and read again the
//! same, compiles, stands as an effective policy, and is shown without a character that a terminal would act on.

#![no_main]

use libfuzzer_sys::fuzz_target;
use openshell_domain::policy::effective::{Composition, check};
use openshell_domain::policy::overlap::conflicts;
use openshell_domain::policy::read::{Problem, policy_from_bytes, policy_from_yaml};
use openshell_domain::policy::render::{endpoint_lines, first_line};
use openshell_domain::policy::verdict::compile;
use openshell_domain::policy::write::to_yaml;
use openshell_domain::untrusted::is_hidden;

/// Aliases of aliases are filled in up to a limit, which takes 75 ms as built and seconds as instrumented: beside an
/// anchor there are no more `*` than this. `fixtures/fuzz/policy/invalid_alias_bomb.yaml` is the case of many.
const MOST_ALIASES: usize = 16;

fuzz_target!(|bytes: &[u8]| {
    let count = |sought: u8| bytes.iter().filter(|byte| **byte == sought).count();
    if count(b'&') > 0 && count(b'*') > MOST_ALIASES {
        return;
    }
    let loaded = match policy_from_bytes(bytes) {
        Ok(loaded) => loaded,
        Err(problems) => {
            assert!(!problems.0.is_empty(), "refused without a reason");
            return problems.0.iter().for_each(is_clean);
        }
    };
    loaded.warnings.iter().for_each(is_clean);
    let policy = loaded.policy;
    let yaml = to_yaml(&policy).expect("is written");
    let again = policy_from_yaml(&yaml).unwrap_or_else(|problems| panic!("{problems}\n{yaml}"));
    assert_eq!(again.policy, policy, "read again: {yaml}");
    assert_eq!(again.policy.hash(), policy.hash());
    compile(&policy).expect("what loads compiles");
    assert!(conflicts(&policy).is_empty() && check(&policy, |_| None).is_ok(), "what loads has no conflict");
    assert_eq!(Composition::new(policy.clone()).effective(), policy, "without grants it is the base");
    for rule in policy.network_policies.values() {
        let lines = endpoint_lines(rule);
        assert_eq!(lines.first(), Some(&first_line(rule)));
        assert!(!lines.iter().any(|line| line.contains(is_hidden)), "{lines:?}");
    }
});

fn is_clean(problem: &Problem) {
    let text = problem.to_string();
    assert!(!text.contains(is_hidden), "{text:?}");
}
