//! Rules and policies on the wire.
//!
//! Received rules become a document tree and go through the domain's one reader, so that a message can hold
//! nothing that a file could not.

use openshell_domain::node::{Node, Value};
use openshell_domain::policy::read::{Loaded, Source, policy_from_node, rule_from_node};
use openshell_domain::policy::{
    Access, Compatibility, Endpoint, Enforcement, Policy, Protocol, QueryPattern, RequestPattern, Rule, Tls,
};

use crate::WireError;
use crate::pb::sandbox as pb;

impl From<&Rule> for pb::NetworkPolicyRule {
    fn from(rule: &Rule) -> Self {
        Self {
            name: rule.name.clone().unwrap_or_default(),
            endpoints: rule.endpoints.iter().map(Into::into).collect(),
            binaries: rule.binaries.iter().map(|b| pb::NetworkBinary { path: b.path.clone() }).collect(),
        }
    }
}

impl From<&Endpoint> for pb::NetworkEndpoint {
    fn from(endpoint: &Endpoint) -> Self {
        let word = |enforcement: Enforcement| match enforcement {
            Enforcement::Audit => "audit",
            Enforcement::Enforce => "enforce",
        };
        Self {
            host: endpoint.host.clone(),
            port: endpoint.ports.first().copied().unwrap_or_default().into(),
            protocol: match endpoint.protocol {
                Protocol::L4 => String::new(),
                Protocol::Rest => "rest".to_owned(),
            },
            tls: match endpoint.tls {
                Tls::Auto => String::new(),
                Tls::Skip => "skip".to_owned(),
            },
            enforcement: endpoint.enforcement.map(word).unwrap_or_default().to_owned(),
            access: endpoint.access.map(Access::as_str).unwrap_or_default().to_owned(),
            rules: endpoint
                .rules
                .iter()
                .map(|rule| pb::L7Rule { allow: Some((&rule.allow).into()) })
                .collect(),
            allowed_ips: endpoint.allowed_ips.iter().map(ToString::to_string).collect(),
            ports: endpoint.ports.iter().copied().map(Into::into).collect(),
            deny_rules: endpoint.deny_rules.iter().map(Into::into).collect(),
            allow_encoded_slash: endpoint.allow_encoded_slash,
            path: endpoint.path.clone(),
        }
    }
}

impl From<&RequestPattern> for pb::L7Allow {
    fn from(pattern: &RequestPattern) -> Self {
        Self { method: pattern.method.clone(), path: pattern.path.clone(), query: query(pattern) }
    }
}

impl From<&RequestPattern> for pb::L7DenyRule {
    fn from(pattern: &RequestPattern) -> Self {
        Self { method: pattern.method.clone(), path: pattern.path.clone(), query: query(pattern) }
    }
}

fn query(pattern: &RequestPattern) -> std::collections::HashMap<String, pb::L7QueryMatcher> {
    let matcher = |value: &QueryPattern| match value {
        QueryPattern::Glob(glob) => pb::L7QueryMatcher { glob: glob.clone(), any: Vec::new() },
        QueryPattern::Any { any } => pb::L7QueryMatcher { glob: String::new(), any: any.clone() },
    };
    pattern.query.iter().map(|(key, value)| (key.clone(), matcher(value))).collect()
}

impl From<&Policy> for pb::SandboxPolicy {
    fn from(policy: &Policy) -> Self {
        Self {
            version: policy.version,
            filesystem: policy.filesystem_policy.as_ref().map(|section| pb::FilesystemPolicy {
                include_workdir: section.include_workdir,
                read_only: section.read_only.clone(),
                read_write: section.read_write.clone(),
            }),
            landlock: policy.landlock.map(|section| pb::LandlockPolicy {
                compatibility: match section.compatibility {
                    Compatibility::BestEffort => "best_effort".to_owned(),
                    Compatibility::HardRequirement => "hard_requirement".to_owned(),
                },
            }),
            process: policy.process.as_ref().map(|section| pb::ProcessPolicy {
                run_as_user: section.run_as_user.clone().unwrap_or_default(),
                run_as_group: section.run_as_group.clone().unwrap_or_default(),
            }),
            network_policies: policy
                .network_policies
                .iter()
                .map(|(k, r)| (k.to_string(), r.into()))
                .collect(),
        }
    }
}

/// Reads a rule. `key` is what its problems are called by.
///
/// # Errors
/// [`WireError::Policy`] with every mistake in it.
pub fn rule(rule: &pb::NetworkPolicyRule, source: Source, key: &str) -> Result<Rule, WireError> {
    Ok(rule_from_node(&rule_node(rule), source, key)?)
}

/// Reads a policy.
///
/// # Errors
/// [`WireError::Policy`] with every mistake in it.
pub fn policy(policy: &pb::SandboxPolicy) -> Result<Policy, WireError> {
    let Loaded { policy, .. } = policy_from_node(&policy_node(policy))?;
    Ok(policy)
}

/// A map that leaves out what proto3 cannot tell from "not said".
#[derive(Default)]
struct Map(Vec<(Node, Node)>);

impl Map {
    fn put(mut self, key: &str, value: Value) -> Self {
        self.0.push((Node::text(key), Node::bare(value)));
        self
    }
    fn text(self, key: &str, text: &str) -> Self {
        if text.is_empty() { self } else { self.put(key, Value::Text(text.to_owned())) }
    }
    fn texts(self, key: &str, texts: &[String]) -> Self {
        self.list(key, texts.iter().map(Node::text).collect())
    }
    fn list(self, key: &str, items: Vec<Node>) -> Self {
        if items.is_empty() { self } else { self.put(key, Value::List(items)) }
    }
    fn flag(self, key: &str, flag: bool) -> Self {
        if flag { self.put(key, Value::Bool(true)) } else { self }
    }
    fn value(self) -> Value {
        Value::Map(self.0)
    }
    fn node(self) -> Node {
        Node::bare(self.value())
    }
}

fn rule_node(rule: &pb::NetworkPolicyRule) -> Node {
    let binary = |binary: &pb::NetworkBinary| Map::default().text("path", &binary.path).node();
    Map::default()
        .text("name", &rule.name)
        .list("endpoints", rule.endpoints.iter().map(endpoint_node).collect())
        .list("binaries", rule.binaries.iter().map(binary).collect())
        .node()
}

fn endpoint_node(endpoint: &pb::NetworkEndpoint) -> Node {
    let port = |port: &u32| Node::bare(Value::Int(i128::from(*port)));
    let ports: Vec<Node> = match (endpoint.ports.as_slice(), endpoint.port) {
        ([], 0) => Vec::new(),
        ([], single) => vec![port(&single)],
        (several, _) => several.iter().map(port).collect(),
    };
    let allow = |rule: &pb::L7Rule| {
        let inner = rule.allow.as_ref().map(|allow| request_map(&allow.method, &allow.path, &allow.query));
        match inner {
            Some(inner) => Map::default().put("allow", inner.value()).node(),
            None => Map::default().node(),
        }
    };
    let deny = |rule: &pb::L7DenyRule| request_map(&rule.method, &rule.path, &rule.query).node();
    Map::default()
        .text("host", &endpoint.host)
        .list("ports", ports)
        .text("protocol", &endpoint.protocol)
        .text("tls", &endpoint.tls)
        .text("path", &endpoint.path)
        .text("enforcement", &endpoint.enforcement)
        .text("access", &endpoint.access)
        .list("rules", endpoint.rules.iter().map(allow).collect())
        .list("deny_rules", endpoint.deny_rules.iter().map(deny).collect())
        .texts("allowed_ips", &endpoint.allowed_ips)
        .flag("allow_encoded_slash", endpoint.allow_encoded_slash)
        .node()
}

fn request_map(
    method: &str,
    path: &str,
    query: &std::collections::HashMap<String, pb::L7QueryMatcher>,
) -> Map {
    let mut keys: Vec<_> = query.iter().collect();
    keys.sort_by_key(|(key, _)| key.as_str());
    let entries = keys.into_iter().map(|(key, matcher)| {
        let value = if matcher.any.is_empty() {
            Value::Text(matcher.glob.clone())
        } else {
            Map::default().text("glob", &matcher.glob).texts("any", &matcher.any).value()
        };
        (Node::text(key), Node::bare(value))
    });
    let entries: Vec<(Node, Node)> = entries.collect();
    let map = Map::default().text("method", method).text("path", path);
    if entries.is_empty() { map } else { map.put("query", Value::Map(entries)) }
}

fn policy_node(policy: &pb::SandboxPolicy) -> Node {
    let mut map = Map::default().put("version", Value::Int(i128::from(policy.version)));
    if let Some(section) = &policy.filesystem {
        let inner = Map::default()
            .flag("include_workdir", section.include_workdir)
            .texts("read_only", &section.read_only)
            .texts("read_write", &section.read_write);
        map = map.put("filesystem_policy", inner.value());
    }
    if let Some(section) = &policy.landlock {
        map = map.put("landlock", Map::default().text("compatibility", &section.compatibility).value());
    }
    if let Some(section) = &policy.process {
        let inner = Map::default()
            .text("run_as_user", &section.run_as_user)
            .text("run_as_group", &section.run_as_group);
        map = map.put("process", inner.value());
    }
    let mut rules: Vec<_> = policy.network_policies.iter().collect();
    rules.sort_by_key(|(name, _)| name.as_str());
    let rules = rules.into_iter().map(|(name, rule)| (Node::text(name), rule_node(rule))).collect();
    map.put("network_policies", Value::Map(rules)).node()
}

#[cfg(test)]
mod tests {
    use openshell_domain::policy::read::policy_from_yaml;

    use super::*;

    const EVERYTHING: &str = r#"
version: 1
filesystem_policy: {include_workdir: true, read_only: [/usr], read_write: [/tmp/x]}
landlock: {compatibility: hard_requirement}
process: {run_as_user: sandbox, run_as_group: "1000"}
network_policies:
  api:
    name: the api
    endpoints:
      - {host: "*.a.example", ports: [443, 8443], path: /v1/**, protocol: rest, enforcement: audit, allow_encoded_slash: true, rules: [{allow: {method: "*", path: "**", query: {lang: {any: [en, "de-*"]}, q: "x*"}}}], deny_rules: [{method: DELETE, path: /v1/x, query: {f: "1"}}], allowed_ips: [10.1.0.0/16]}
      - {host: b.example, port: 443, protocol: rest, enforcement: enforce, access: read-write}
    binaries: [{path: /usr/bin/curl}, {path: "/opt/**"}]
  raw: {endpoints: [{host: c.example, port: 22, tls: skip}], binaries: [{path: /usr/bin/ssh}]}
"#;

    #[test]
    fn a_policy_crosses_the_wire_unchanged() {
        let before = policy_from_yaml(EVERYTHING).unwrap().policy;
        let after = policy(&(&before).into()).unwrap();
        assert_eq!(after, before);
        assert_eq!(after.hash(), before.hash());
    }

    #[test]
    fn a_message_holds_nothing_that_a_file_could_not() {
        let sound = policy_from_yaml(EVERYTHING).unwrap().policy;
        let message = pb::NetworkPolicyRule::from(&sound.network_policies.values().next().unwrap().clone());
        assert!(rule(&message, Source::File, "r").is_ok());
        assert!(rule(&message, Source::Proposal, "r").is_err(), "audit and denies are not for proposals");
        let mut nobody = message.clone();
        nobody.binaries.clear();
        assert!(rule(&nobody, Source::File, "r").unwrap_err().to_string().contains("at least one binary"));
        let mut port = message;
        port.endpoints[0].ports = vec![70_000];
        assert!(rule(&port, Source::File, "r").unwrap_err().to_string().contains("70000 is not a port"));
    }
}
