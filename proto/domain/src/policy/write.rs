//! A policy as YAML again: what `/v1/policy/current` answers and what a reviewer can read.

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
    use super::*;
    use crate::policy::read::policy_from_yaml;

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
