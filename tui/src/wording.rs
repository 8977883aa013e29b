//! The wording of an ask as text: the rule as a policy file writes it, under the name that is asked for.
//!
//! One way to write it and one to read it, for the verb `edit` and for the screen. What is read goes through the
//! reader of proposals, so that every mistake has its line. Nothing hidden is in what is written.

pub mod editor;

use openshell_domain::id::{IdError, RuleName};
use openshell_domain::node::{Node, Value, from_yaml};
use openshell_domain::policy::Rule;
use openshell_domain::policy::read::{MAX_FILE, Problem, Problems, Source, rule_from_node};
use openshell_domain::proposal::Proposal;

use crate::printer::to_yaml;

/// `NAME: {endpoints: …, binaries: …}`, as YAML in blocks.
#[must_use]
pub fn text(name: &RuleName, rule: &Rule) -> String {
    let rule = serde_json::to_value(rule).unwrap_or_default();
    to_yaml(&serde_json::Value::Object([(name.to_string(), rule)].into_iter().collect()))
}

/// What stands above a wording in an editor: what it is about, and what to do about it. The agent's own words are not
/// in it: editors obey some of what stands in a comment.
#[must_use]
pub fn head(proposal: &Proposal, id: &str) -> String {
    let sandbox = &proposal.sandbox;
    format!("# Proposal {id} of sandbox {sandbox}. Word it anew and save; left as it is, nothing is sent.\n")
}

/// Reads what [`text`] writes.
///
/// # Errors
/// Every mistake, with its place.
pub fn read(text: &str) -> Result<(RuleName, Rule), Problems> {
    let wrong = |place, message: String| Problems(vec![Problem { place, key: String::new(), message }]);
    if text.len() > MAX_FILE {
        return Err(wrong(None, format!("larger than a policy may be: at most {MAX_FILE} bytes")));
    }
    let node = from_yaml(text).map_err(|error| wrong(error.place, error.message))?;
    let Value::Map(entries) = &node.value else {
        let message = format!("found {}, wanted is the name of a rule and under it the rule", node.found());
        return Err(wrong(node.place, message));
    };
    let [(Node { value: Value::Text(name), place }, rule)] = entries.as_slice() else {
        return Err(wrong(node.place, format!("found {} entries, wanted is one rule", entries.len())));
    };
    let name: RuleName = name.parse().map_err(|error: IdError| wrong(*place, error.to_string()))?;
    let rule = rule_from_node(rule, Source::Proposal, name.as_str())?;
    Ok((name, rule))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: &str =
        "put_file:\n  endpoints:\n    - {host: a.example, port: 443}\n  binaries: [{path: /usr/bin/curl}]\n";

    #[test]
    fn what_is_written_is_read_again() {
        let (name, rule) = read(RULE).unwrap();
        assert_eq!(read(&text(&name, &rule)).unwrap(), (name, rule));
    }

    #[test]
    fn a_rule_is_read_under_its_name_and_every_mistake_has_its_line() {
        let (name, rule) = read(RULE).unwrap();
        assert_eq!((name.as_str(), rule.endpoints.len()), ("put_file", 1));
        for (text, line, what) in [
            ("", "", "wanted is the name of a rule"),
            ("- a\n", "f:1:1: ", "wanted is the name of a rule"),
            ("a: {}\nb: {}\n", "f:1:1: ", "found 2 entries"),
            ("a b: {}\n", "f:1:1: ", ""),
            ("a:\n  endpoints: [{host: x.example, port: 0}]\n  binaries: [{path: /b}]\n", "f:2:", "port"),
            ("a: [\n", "f:", ""),
        ] {
            let problems = read(text).unwrap_err();
            let told: Vec<String> = problems.0.iter().map(|problem| problem.in_file("f")).collect();
            assert!(told.iter().any(|one| one.contains(line) && one.contains(what)), "{text:?}: {told:?}");
        }
    }
}
