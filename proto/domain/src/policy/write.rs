//! A policy as YAML again: what `/v1/policy/current` answers and what a reviewer can read.
//!
//! Order: rules are written by name, because that is the order in which they are judged and logged; endpoints, rules,
//! denies, binaries, paths and addresses keep the order of their lists; ports are a set and are written sorted.
//! Comments, anchors and what merely repeats a default are gone.

use super::Policy;

/// The policy as a YAML document that [`super::read::policy_from_yaml`] reads back to the same policy.
///
/// # Errors
/// The serializer's own message; no policy is known to cause one.
pub fn to_yaml(policy: &Policy) -> Result<String, String> {
    serde_saphyr::to_string(policy).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::policy::read::policy_from_yaml;

    proptest! {
        #[test]
        fn every_policy_is_read_back_the_same_and_written_again_the_same(policy in crate::policy::arbitrary::policy()) {
            let yaml = to_yaml(&policy).unwrap();
            let read = policy_from_yaml(&yaml).map_err(|e| TestCaseError::fail(format!("{e}\n{yaml}")))?;
            prop_assert_eq!(&read.policy, &policy, "{}", yaml);
            prop_assert_eq!(to_yaml(&read.policy).unwrap(), yaml);
        }
    }

    #[test]
    fn lists_keep_their_order_and_rules_are_sorted_by_name() {
        let text = "version: 1\nnetwork_policies:\n  b: {endpoints: [{host: z.b, ports: [9, 1]}, {host: a.b, port: 1}], binaries: [{path: /z}, {path: /a}]}\n  a: {endpoints: [{host: a.b, port: 1}], binaries: [{path: /a}]}\n";
        let yaml = to_yaml(&policy_from_yaml(text).unwrap().policy).unwrap();
        let at = |part: &str| yaml.find(part).unwrap_or_else(|| panic!("{part} in {yaml}"));
        assert!(at("  a:") < at("  b:") && at("z.b") < yaml.rfind("a.b").unwrap(), "{yaml}");
        assert!(at("/z") < yaml.rfind("/a").unwrap() && at("- 1") < at("- 9"), "{yaml}");
    }

    #[test]
    fn what_is_written_is_read_back_the_same() {
        let text = r#"
version: 1
filesystem_policy: {include_workdir: true, read_only: [/usr], read_write: ["/tmp/a: b"]}
landlock: {compatibility: hard_requirement}
process: {run_as_user: sandbox, run_as_group: 1000}
network_policies:
  "on":
    name: "yes: no #"
    endpoints:
      - {host: "*.a.example", ports: [443, 8443], path: /v1/**, protocol: rest, enforcement: audit, rules: [{allow: {method: "*", path: "**", query: {q: {any: ["~", "null", "1.0"]}}}}], deny_rules: [{method: GET, path: "/{a,b}"}]}
      - {host: "2606:4700::1111", port: 853, tls: skip, allowed_ips: [10.0.0.0/8]}
    binaries: [{path: "/**"}]
"#;
        let policy = policy_from_yaml(text).unwrap().policy;
        let yaml = to_yaml(&policy).unwrap();
        assert_eq!(policy_from_yaml(&yaml).unwrap_or_else(|e| panic!("{e}\n{yaml}")).policy, policy);
    }
}
