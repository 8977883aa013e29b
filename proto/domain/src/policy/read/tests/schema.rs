//! `fixtures/policy.schema.json` accepts whatever the reader accepts, and refuses what a schema can refuse.

use proptest::prelude::*;
use serde_json::json;

use super::*;

const SCHEMA: &str = include_str!("../../../../../../fixtures/policy.schema.json");

struct Schema {
    schemas: boon::Schemas,
    root: boon::SchemaIndex,
}

impl Schema {
    fn new() -> Self {
        let mut compiler = boon::Compiler::new();
        compiler.add_resource("urn:openshell-inbox:policy:1", serde_json::from_str(SCHEMA).unwrap()).unwrap();
        let mut schemas = boon::Schemas::new();
        let root = compiler.compile("urn:openshell-inbox:policy:1", &mut schemas).unwrap();
        Self { schemas, root }
    }

    fn check(&self, node: &Node) -> Result<(), String> {
        self.schemas.validate(&json_of(node), self.root).map_err(|error| format!("{error:#}"))
    }

    fn check_yaml(&self, text: &str) -> Result<(), String> {
        self.check(&crate::node::from_yaml(text).map_err(|error| error.to_string())?)
    }
}

/// The document as an editor's schema check sees it: keys are text.
fn json_of(node: &Node) -> serde_json::Value {
    match &node.value {
        Value::Null => json!(null),
        Value::Bool(flag) => json!(flag),
        Value::Int(number) => i64::try_from(*number).map_or(json!(1e30), |number| json!(number)),
        Value::Float(number) => json!(number),
        Value::Text(text) => json!(text),
        Value::List(items) => items.iter().map(json_of).collect(),
        Value::Map(entries) => entries
            .iter()
            .map(|(key, value)| match &key.value {
                Value::Text(key) => (key.clone(), json_of(value)),
                Value::Int(key) => (key.to_string(), json_of(value)),
                key => panic!("{key:?} is no key"),
            })
            .collect(),
    }
}

fn files(folder: &str) -> Vec<(String, Vec<u8>)> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(folder);
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.map(|path| (path.display().to_string(), std::fs::read(path).unwrap())).collect()
}

#[test]
fn the_schema_accepts_every_fixture_and_seed_that_the_reader_accepts() {
    let schema = Schema::new();
    let policies = files("policies");
    assert!(!policies.is_empty());
    for (path, bytes) in policies.iter().chain(&files("fuzz/policy")) {
        let Ok(loaded) = policy_from_bytes(bytes) else { continue };
        let text = str::from_utf8(bytes).unwrap();
        assert_eq!(schema.check_yaml(text), Ok(()), "{path}: {loaded:?}");
    }
    for (path, bytes) in policies {
        assert!(policy_from_bytes(&bytes).is_ok(), "{path}");
    }
}

/// What the schema refuses as the reader does: an endpoint, or a whole file where it begins with `version`.
const REFUSED: &[&str] = &[
    "{host: a.b}",
    "{host: a.b, ports: []}",
    "{host: a.b, port: 0}",
    "{host: a.b, port: 65536}",
    "{host: a.b, port: \"443\"}",
    "{host: a.b, port: 443, prot: rest}",
    "{port: 443}",
    "{host: \"\", port: 443}",
    "{port: 443, allowed_ips: []}",
    "{host: a.b, port: 443, allowed_ips: [example]}",
    "{host: a.b, port: 443, protocol: graphql}",
    "{host: a.b, port: 443, tls: none}",
    "{host: a.b, port: 443, access: full}",
    "{host: a.b, port: 443, enforcement: enforce}",
    "{host: a.b, port: 443, path: /x}",
    "{host: a.b, port: 443, deny_rules: [{method: GET, path: /}]}",
    "{host: a.b, port: 443, protocol: rest}",
    "{host: a.b, port: 443, protocol: rest, rules: []}",
    "{host: a.b, port: 443, protocol: rest, rules: ~}",
    "{host: a.b, port: 443, protocol: rest, access: full, tls: skip}",
    "{host: a.b, port: 443, protocol: rest, access: readonly}",
    "{host: a.b, port: 443, protocol: rest, access: full, enforcement: enforced}",
    "{host: a.b, port: 443, protocol: rest, access: full, rules: [{allow: {method: GET, path: /}}]}",
    "{host: a.b, port: 443, protocol: rest, rules: [{allow: {method: GET}}]}",
    "{host: a.b, port: 443, protocol: rest, rules: [{allow: {path: /}}]}",
    "{host: a.b, port: 443, protocol: rest, rules: [{deny: {method: GET, path: /}}]}",
    "{host: a.b, port: 443, protocol: rest, rules: [{allow: {method: Trace, path: /}}]}",
    "{host: a.b, port: 443, protocol: rest, rules: [{allow: {method: GET, path: x}}]}",
    "{host: a.b, port: 443, protocol: rest, rules: [{allow: {method: GET, path: /, tool: x}}]}",
    "{host: a.b, port: 443, protocol: rest, rules: [{allow: {method: GET, path: /, query: {q: {any: []}}}}]}",
    "{host: a.b, port: 443, protocol: rest, rules: [{allow: {method: GET, path: /, query: {q: {any: [a], glob: b}}}}]}",
    "version: 2",
    "version: \"1\"",
    "{}",
    "version: 1\nextra: 1",
    "version: 1\nnetwork_middlewares: {}",
    "version: 1\nnetwork_policies: ~",
    "version: 1\nnetwork_policies: {_provider_x: {endpoints: [{host: a.b, port: 1}], binaries: [{path: /a}]}}",
    "version: 1\nnetwork_policies: {a b: {endpoints: [{host: a.b, port: 1}], binaries: [{path: /a}]}}",
    "version: 1\nnetwork_policies: {a: {endpoints: [], binaries: [{path: /a}]}}",
    "version: 1\nnetwork_policies: {a: {endpoints: [{host: a.b, port: 1}], binaries: []}}",
    "version: 1\nnetwork_policies: {a: {endpoints: [{host: a.b, port: 1}], binaries: [{path: curl}]}}",
    "version: 1\nfilesystem_policy: {read_only: [etc]}",
    "version: 1\nfilesystem_policy: {read_only: [/a/../b]}",
    "version: 1\nfilesystem_policy: {read_write: [//]}",
    "version: 1\nlandlock: {compatibility: strict}",
    "version: 1\nprocess: {run_as_user: 0}",
    "version: 1\nprocess: {run_as_user: root}",
    "version: 1\nprocess: {run_as_group: 4294967295}",
];

#[test]
fn what_the_schema_refuses_the_reader_refuses_too() {
    let schema = Schema::new();
    for part in REFUSED {
        let text = if part.contains("host") && !part.starts_with("version") || part.starts_with("{port") {
            format!("version: 1\nnetwork_policies: {{a: {{endpoints: [{part}], binaries: [{{path: /a}}]}}}}")
        } else {
            (*part).to_owned()
        };
        assert!(policy_from_yaml(&text).is_err(), "the reader takes {part}");
        assert!(schema.check_yaml(&text).is_err(), "the schema takes {part}");
    }
}

proptest! {
    #[test]
    fn whatever_the_reader_accepts_the_schema_accepts(policy in crate::policy::arbitrary::policy()) {
        thread_local!(static SCHEMA: Schema = Schema::new());
        let yaml = crate::policy::write::to_yaml(&policy).unwrap();
        prop_assert_eq!(SCHEMA.with(|schema| schema.check_yaml(&yaml)), Ok(()), "{}", yaml);
    }
}
