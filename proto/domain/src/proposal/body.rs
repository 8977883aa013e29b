//! The body of `POST /v1/proposals`, as OpenShell's agents write it.
//!
//! `{"intent_summary", "operations": [{"addRule": {"ruleName", "rule": {name, endpoints, binaries}}}]}`. Refuses
//! unknown keys (a key that is dropped would widen the rule unseen) and tells each bad operation apart, so that
//! one does not sink the others.

use crate::id::RuleName;
use crate::node::{self, Node, Value};
use crate::policy::Rule;
use crate::policy::read::{Fields, Problem, Problems, Reader, Source, rule_from_node};

/// The longest `intent_summary`, in bytes.
pub const MAX_SUMMARY: usize = 4096;
/// The most operations in one body.
pub const MAX_OPERATIONS: usize = 16;

/// A body whose envelope is sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// Why, in the agent's words; may be empty.
    pub intent_summary: String,
    /// Each operation, or what is wrong with it. Never empty.
    pub operations: Vec<Result<AddRule, Problems>>,
}

/// One operation: add this rule under this name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddRule {
    /// The key that is asked for.
    pub rule_name: RuleName,
    /// The rule.
    pub rule: Rule,
}

/// Reads a body.
///
/// # Errors
/// What is wrong with the envelope, with the key; an unsound operation is an `Err` inside [`Body::operations`].
pub fn read(bytes: &[u8]) -> Result<Body, Problems> {
    let root = node::from_json(bytes).map_err(|error| {
        Problems(vec![Problem { place: error.place, key: String::new(), message: error.message }])
    })?;
    let mut reader = Reader::new(Source::Proposal);
    let mut fields = reader.fields(&root);
    let intent_summary =
        fields.take("intent_summary").and_then(|node| summary(&mut reader, node)).unwrap_or_default();
    let operations: &[Node] = match fields.take("operations") {
        Some(Node { value: Value::List(items), .. }) => items,
        Some(other) => {
            reader.problem(Some(other), "operations", &format!("expected a list, found {}", other.found()));
            &[]
        }
        None => &[],
    };
    if operations.is_empty() {
        reader.problem(None, "operations", "at least one operation is required: `[{\"addRule\": {…}}]`");
    }
    if operations.len() > MAX_OPERATIONS {
        reader.problem(
            None,
            "operations",
            &format!("at most {MAX_OPERATIONS} operations fit into one proposal body"),
        );
    }
    fields.finish(&mut reader);
    let (intent_summary, _) = reader.finish(intent_summary)?;
    let operations = operations.iter().enumerate().map(|(index, node)| operation(node, index)).collect();
    Ok(Body { intent_summary, operations })
}

/// The summary is text for people: line breaks and hidden characters may stand in it, and are *shown* as such.
fn summary(reader: &mut Reader, node: &Node) -> Option<String> {
    match &node.value {
        Value::Null => None,
        Value::Text(text) if text.len() <= MAX_SUMMARY => Some(text.clone()),
        Value::Text(text) => {
            let message = format!("{} bytes long, at most {MAX_SUMMARY} are allowed", text.len());
            reader.problem(Some(node), "intent_summary", &message);
            None
        }
        _ => {
            reader.problem(Some(node), "intent_summary", &format!("expected text, found {}", node.found()));
            None
        }
    }
}

fn operation(node: &Node, index: usize) -> Result<AddRule, Problems> {
    let key = format!("operations[{index}]");
    let mut reader = Reader::new(Source::Proposal);
    let add = reader.within(&key, |reader| {
        let mut fields = reader.fields(node);
        let add = fields.take("addRule");
        if add.is_none() {
            reader.problem(Some(node), "", "only `addRule` is accepted here");
        }
        fields.finish(reader);
        add
    });
    let (add, _) = reader.finish(add)?;
    let Some(add) = add else { return Err(Problems(Vec::new())) };
    let key = format!("{key}.addRule");
    let mut reader = Reader::new(Source::Proposal);
    let parts = reader.within(&key, |reader| {
        let mut fields = reader.fields(add);
        let name = rule_name(reader, &mut fields);
        let rule = fields.take("rule");
        if rule.is_none() {
            reader.problem(Some(add), "rule", "missing");
        }
        fields.finish(reader);
        (name, rule)
    });
    let rule = parts.1.map(|rule| rule_from_node(rule, Source::Proposal, &format!("{key}.rule"))).transpose();
    let problems = match (reader.finish(parts.0), rule) {
        (Ok((Some(rule_name), _)), Ok(Some(rule))) => return Ok(AddRule { rule_name, rule }),
        (Ok(_), Err(problems)) | (Err(problems), Ok(_)) => problems,
        (Err(mut problems), Err(more)) => {
            problems.0.extend(more.0);
            problems
        }
        (Ok(_), Ok(_)) => {
            Problems(vec![Problem { place: None, key, message: "not a rule with a name".into() }])
        }
    };
    Err(problems)
}

/// `ruleName`, or `rule.name` where it is blank.
fn rule_name(reader: &mut Reader, fields: &mut Fields<'_>) -> Option<RuleName> {
    let outer =
        fields.take("ruleName").and_then(|node| reader.optional_text(node, "ruleName", 4 * RuleName::MAX));
    let inner = || match fields.node_of("rule").map(|rule| &rule.value) {
        Some(Value::Map(entries)) => {
            entries.iter().find_map(|(key, value)| match (&key.value, &value.value) {
                (Value::Text(key), Value::Text(name)) if key == "name" => Some(name.clone()),
                _ => None,
            })
        }
        _ => None,
    };
    let text = outer.filter(|name| !name.trim().is_empty()).or_else(inner).unwrap_or_default();
    match RuleName::try_from(text.trim().to_owned()) {
        Ok(name) => Some(name),
        Err(_) if text.trim().is_empty() => {
            reader.problem(None, "ruleName", "missing: `ruleName` or `rule.name` is required");
            None
        }
        Err(error) => {
            reader.problem(None, "ruleName", &error.to_string());
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::render::endpoint_lines;

    const RULE: &str = r#"{"endpoints":[{"host":"api.github.com","port":443,"protocol":"rest","enforcement":"enforce","rules":[{"allow":{"method":"PUT","path":"/repos/o/r/contents/a.md"}}]}],"binaries":[{"path":"/usr/bin/curl"}]}"#;

    fn body(operations: &str) -> Result<Body, Problems> {
        read(format!(r#"{{"intent_summary":"write one file","operations":[{operations}]}}"#).as_bytes())
    }

    #[test]
    fn the_body_that_openshells_agents_send_is_read() {
        let body = body(&format!(r#"{{"addRule":{{"ruleName":"put_file","rule":{RULE}}}}}"#)).unwrap();
        assert_eq!(body.intent_summary, "write one file");
        let add = body.operations[0].as_ref().unwrap();
        assert_eq!(add.rule_name.as_str(), "put_file");
        assert_eq!(
            endpoint_lines(&add.rule),
            ["api.github.com:443 [L7 rest, allow PUT /repos/o/r/contents/a.md]"]
        );
    }

    #[test]
    fn the_inner_name_serves_where_the_outer_is_blank() {
        let named = RULE.replacen('{', r#"{"name":"inner","#, 1);
        for outer in ["", r#""ruleName":null,"#, r#""ruleName":"  ","#] {
            let body = body(&format!(r#"{{"addRule":{{{outer}"rule":{named}}}}}"#)).unwrap();
            assert_eq!(body.operations[0].as_ref().unwrap().rule_name.as_str(), "inner");
        }
    }

    #[test]
    fn one_bad_operation_does_not_sink_the_others() {
        let good = format!(r#"{{"addRule":{{"ruleName":"ok","rule":{RULE}}}}}"#);
        let body = body(&format!(r#"{{"removeRule":{{}}}},{good}"#)).unwrap();
        let first = body.operations[0].as_ref().unwrap_err().to_string();
        assert!(first.contains("operations[0]: only `addRule` is accepted here"), "{first}");
        assert!(body.operations[1].is_ok());
    }

    /// Kills: taking `rules` without a protocol for a plain grant of host and port, or no binaries for all of them.
    #[test]
    fn w02_rules_that_nothing_reads_and_nobody_who_may_are_refused() {
        let asked = |endpoint: &str, binaries: &str| {
            let rule = format!(r#"{{"endpoints":[{endpoint}],"binaries":{binaries}}}"#);
            let body = body(&format!(r#"{{"addRule":{{"ruleName":"a","rule":{rule}}}}}"#)).unwrap();
            body.operations[0].as_ref().map(|add| add.rule_name.to_string()).map_err(ToString::to_string)
        };
        let curl = r#"[{"path":"/usr/bin/curl"}]"#;
        let rules = r#""rules":[{"allow":{"method":"GET","path":"/a"}}]"#;
        for protocol in ["", r#""protocol":"","#] {
            let endpoint = format!(r#"{{"host":"a.b","port":443,{protocol}{rules}}}"#);
            let message = asked(&endpoint, curl).unwrap_err();
            assert!(message.contains("protocol"), "{message}");
        }
        let read = format!(r#"{{"host":"a.b","port":443,"protocol":"rest",{rules}}}"#);
        assert!(asked(&read, "[]").unwrap_err().contains("binar"));
        assert_eq!(asked(&read, curl).as_deref(), Ok("a"));
    }

    /// Kills: dropping a key that is not known, at any depth: what is left of the rule would allow more.
    #[test]
    fn w03_a_key_that_is_not_known_is_refused_by_name_wherever_it_stands() {
        let with = |place: &str, key: &str| {
            let keyed = RULE.replacen(place, &format!(r#"{place}"{key}":"x","#), 1);
            assert_ne!(keyed, RULE);
            let body = body(&format!(r#"{{"addRule":{{"ruleName":"a","rule":{keyed}}}}}"#)).unwrap();
            body.operations[0].as_ref().unwrap_err().to_string()
        };
        for place in [r#"{"#, r#"[{"#, r#""rules":[{"#, r#""allow":{"#, r#""binaries":[{"#] {
            for key in ["queryParams", "graphqlFields", "allowed_methods"] {
                let message = with(place, key);
                assert!(message.contains(&format!("{key}: unknown key")), "{place}: {message}");
            }
        }
        let message = with(r#""allow":{"#, "params");
        assert!(message.contains("params: belongs to a protocol that is not supported"), "{message}");
    }

    #[test]
    fn every_bad_envelope_names_its_key() {
        for (text, wanted) in [
            ("{", "EOF"),
            ("[]", "expected a map, found a list"),
            ("{}", "operations: at least one operation"),
            (r#"{"operations":{}}"#, "operations: expected a list"),
            (r#"{"operations":[]}"#, "operations: at least one operation"),
            (r#"{"operations":[{}],"intent":"x"}"#, "intent: unknown key"),
            (r#"{"operations":[{}],"intent_summary":7}"#, "intent_summary: expected text"),
        ] {
            let message = read(text.as_bytes()).unwrap_err().to_string();
            assert!(message.contains(wanted), "{text}: {message}");
        }
        let long = format!(r#"{{"intent_summary":"{}","operations":[{{}}]}}"#, "x".repeat(4097));
        assert!(read(long.as_bytes()).unwrap_err().to_string().contains("4097 bytes long"));
        let many = format!(r#"{{"operations":[{}]}}"#, vec!["{}"; 17].join(","));
        assert!(read(many.as_bytes()).unwrap_err().to_string().contains("at most 16"));
    }

    #[test]
    fn every_bad_operation_names_its_key() {
        for (operation, wanted) in [
            (r#"{}"#.to_owned(), "only `addRule`"),
            (format!(r#"{{"addRule":{{"rule":{RULE}}}}}"#), "`ruleName` or `rule.name` is required"),
            (format!(r#"{{"addRule":{{"ruleName":"a b","rule":{RULE}}}}}"#), "is not a rule name"),
            (format!(r#"{{"addRule":{{"ruleName":"_provider_x","rule":{RULE}}}}}"#), "is reserved"),
            (r#"{"addRule":{"ruleName":"a"}}"#.to_owned(), "addRule.rule: missing"),
            (format!(r#"{{"addRule":{{"rule_name":"a","rule":{RULE}}}}}"#), "rule_name: unknown key"),
            (
                r#"{"addRule":{"ruleName":"a","rule":{"endpoints":[],"binaries":[]}}}"#.to_owned(),
                "at least one endpoint",
            ),
        ] {
            let body = body(&operation).unwrap();
            let message = body.operations[0].as_ref().unwrap_err().to_string();
            assert!(message.contains(wanted), "{operation}: {message}");
        }
    }
}
