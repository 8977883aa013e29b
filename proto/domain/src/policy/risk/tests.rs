//! What each finding is for, and what it is not for.

mod codes;
mod openshell;
mod wording;

use super::*;
use crate::policy::Policy;
use crate::policy::read::policy_from_yaml;

/// An ask and everything around it. Rules are written `name | endpoints | binaries`, one a line.
#[derive(Default)]
struct Case {
    base: &'static str,
    grants: &'static str,
    ask: &'static str,
    /// `name host host`
    credentials: &'static [&'static str],
    writable: &'static [&'static str],
    /// `binary host port` and, where it was read, method and path.
    seen: &'static [&'static str],
}

fn policy(rules: &str) -> Policy {
    let mut text = "version: 1\nnetwork_policies:\n".to_owned();
    let mut count = 0;
    for line in rules.lines().filter(|line| !line.trim().is_empty()) {
        let parts: Vec<&str> = line.split('|').map(str::trim).collect();
        let binaries: Vec<String> = parts[2].split(' ').map(|path| format!("{{path: '{path}'}}")).collect();
        let (name, endpoints) = (parts[0], parts[1]);
        text.push_str(&format!(
            "  {name}: {{endpoints: [{endpoints}], binaries: [{}]}}\n",
            binaries.join(", ")
        ));
        count += 1;
    }
    if count == 0 {
        text = "version: 1\n".to_owned();
    }
    policy_from_yaml(&text).unwrap_or_else(|error| panic!("{error}\n{text}")).policy
}

impl Case {
    fn findings(&self) -> Vec<Finding> {
        let asked = policy(self.ask);
        let (name, rule) = asked.network_policies.iter().next().unwrap();
        self.findings_of(name.as_str(), rule)
    }

    fn findings_of(&self, rule_name: &str, rule: &Rule) -> Vec<Finding> {
        let (base, grants) = (policy(self.base), policy(self.grants));
        let grants = grants.network_policies.iter().map(|(name, rule)| (name.as_str(), rule)).collect();
        let ground = Ground::new(&base, grants);
        let difference = ground.difference(rule).unwrap();
        let credentials: Vec<Credential> = self.credentials.iter().map(|text| credential(text)).collect();
        let writable: Vec<String> = self.writable.iter().map(ToString::to_string).collect();
        let seen: Vec<Seen> = self.seen.iter().map(|text| denial(text)).collect();
        findings(&Scene {
            rule,
            rule_name,
            difference: &difference,
            ground: &ground,
            credentials: &credentials,
            writable: &writable,
            seen: &seen,
        })
    }

    fn codes(&self) -> Vec<Code> {
        self.findings().iter().map(|finding| finding.code).collect()
    }

    fn evidence(&self, code: Code) -> Vec<String> {
        let found = self.findings().into_iter().find(|finding| finding.code == code);
        found.map(|finding| finding.evidence).unwrap_or_default()
    }

    fn validation_result(&self) -> String {
        validation_result(&self.findings())
    }
}

fn credential(text: &str) -> Credential {
    let mut parts = text.split(' ').map(str::to_owned);
    Credential { name: parts.next().unwrap(), hosts: parts.collect() }
}

fn denial(text: &str) -> Seen {
    let parts: Vec<&str> = text.split(' ').collect();
    let own = |at: usize| parts.get(at).map(ToString::to_string);
    Seen {
        binary: own(0).unwrap(),
        host: own(1).unwrap(),
        port: parts[2].parse().unwrap(),
        method: own(3),
        path: own(4),
        count: 1,
        sha256: None,
    }
}

/// An ask for one literal resource, for which there was a denial: the ordinary case.
fn ordinary() -> Case {
    Case {
        ask: "x | {host: api.example.com, port: 443, protocol: rest, enforcement: enforce, rules: [{allow: {method: GET, path: /repos/o/r}}]} | /usr/bin/curl",
        seen: &["/usr/bin/curl api.example.com 443 GET /repos/o/r"],
        ..Case::default()
    }
}

#[test]
fn an_ordinary_ask_has_no_findings() {
    assert_eq!(ordinary().findings(), []);
}

#[test]
fn what_is_allowed_already_has_no_findings() {
    let rule = "x | {host: '*.example.com', ports: [5432, 50000], allowed_ips: [10.0.0.0/8]} | /usr/bin/* /usr/bin/ssh";
    let case = Case {
        base: rule,
        ask: rule,
        credentials: &["db **.example.com"],
        writable: &["/usr"],
        ..Case::default()
    };
    assert_eq!(case.findings(), []);
}
