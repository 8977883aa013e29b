use super::*;

mod schema;
mod strict;

/// Reads a policy whose only rule has this endpoint and these binaries.
fn load(endpoint: &str, binaries: &str) -> Result<Loaded, String> {
    let text = format!(
        "version: 1\nnetwork_policies:\n  api:\n    endpoints:\n      - {endpoint}\n    binaries: {binaries}\n"
    );
    policy_from_yaml(&text).map_err(|problems| problems.to_string())
}

fn refusal(endpoint: &str) -> String {
    load(endpoint, "[{path: /usr/bin/curl}]").expect_err(endpoint)
}

fn proposal(endpoint: &str) -> Result<Rule, String> {
    let json = format!(
        "{{\"name\":\"r\",\"endpoints\":[{endpoint}],\"binaries\":[{{\"path\":\"/usr/bin/curl\"}}]}}"
    );
    let node = crate::node::from_json(json.as_bytes()).unwrap();
    rule_from_node(&node, Source::Proposal, "rule").map_err(|problems| problems.to_string())
}

/// An endpoint, and parts of what must be said of it.
const STRICTNESS: &[(&str, &[&str])] = &[
    (
        "{host: a.b, port: 443, protocol: rest, access: read-only, enforcment: enforce}",
        &["5:", "api.endpoints[0].enforcment: unknown key; known here are host"],
    ),
    (
        "{host: a.b, port: 443, protocol: rest, access: read-only, enforcement: enforced}",
        &["5:", "enforcement: found \"enforced\", allowed are \"\", \"enforce\", \"audit\""],
    ),
    (
        "{host: a.b, port: 443, protocol: rest, access: readonly}",
        &["access: found \"readonly\", allowed are \"read-only\", \"read-write\", \"full\""],
    ),
    ("{host: a.b, port: 443, tls: none}", &["tls: found \"none\""]),
    ("{host: a.b, port: 443, protocol: gopher}", &["protocol: found \"gopher\", allowed are \"\", \"rest\""]),
    ("{host: a.b, port: 443, protocol: graphql}", &["\"graphql\" is not supported yet"]),
    ("{host: a.b, port: 443, rules: [{allow: {method: GET, path: /x}}]}", &["`rules` without `protocol`"]),
    ("{host: a.b, port: 443, access: full}", &["`access` without `protocol`"]),
    (
        "{host: a.b, port: 443, protocol: rest, rules: [{allow: {method: GET}}]}",
        &["rules[0].allow.path: missing", "write `path: \"**\"`"],
    ),
    (
        "{host: a.b, port: 443, protocol: rest, access: full, deny_rules: [{method: DELETE}]}",
        &["deny_rules[0].path: missing"],
    ),
    ("{host: a.b, port: 443, protocol: rest}", &["needs `rules` or `access`"]),
    ("{host: a.b, port: 443, protocol: rest, rules: []}", &["at least one `allow`"]),
    (
        "{host: a.b, port: 443, protocol: rest, access: full, rules: [{allow: {method: GET, path: /x}}]}",
        &["exclude each other"],
    ),
    ("{host: a.b, port: 443, protocol: rest, access: full, tls: skip}", &["nothing to inspect"]),
    (
        "{host: a.b, port: 443, protocol: rest, rules: [{allow: {method: GET, path: \"/[\"}}]}",
        &["unbalanced"],
    ),
    (
        "{host: a.b, port: 443, protocol: rest, rules: [{allow: {method: GET, path: x}}]}",
        &["must begin with /"],
    ),
    (
        "{host: a.b, port: 443, protocol: rest, rules: [{allow: {method: GET, path: /a/../b}}]}",
        &["write \"/b\""],
    ),
    ("{host: a.b, port: 0}", &["0 is not a port"]),
    ("{host: a.b, port: 65536}", &["65536 is not a port"]),
    (
        "{host: a.b, port: \"443\"}",
        &["expected a port from 1 to 65535, as a plain number, found the text \"443\""],
    ),
    ("{host: a.b}", &["port: missing"]),
    ("{port: 443}", &["host: missing"]),
    ("{host: \"*\", port: 443}", &["two literal labels"]),
    ("{host: 127.0.0.1, port: 443}", &["can never be granted"]),
    ("{host: a.b, port: 443, allowed_ips: [127.0.0.0/8]}", &["can never be granted"]),
    ("{host: a.b, port: 443, allowed_ips: [10.0.0.0/33]}", &["not an address or a range"]),
    ("{host: a.b, port: 443, credential_signing: sigv4}", &["not supported"]),
    ("{host: a.b, port: 443, protocol: rest, access: 1}", &["access: found the number 1, allowed are"]),
    (
        "{host: a.b, port: 443, protocol: rest, rules: [{allow: {method: TRACE, path: /}}]}",
        &["never forwarded"],
    ),
    (
        "{host: a.b, port: 443, protocol: rest, access: full, allow_encoded_slash: \"yes\"}",
        &["expected true or false"],
    ),
];

#[test]
fn every_row_of_the_strictness_table_is_a_load_error_with_place_key_and_remedy() {
    for (endpoint, wanted) in STRICTNESS {
        let message = refusal(endpoint);
        for part in *wanted {
            assert!(message.contains(part), "{endpoint}\n  said: {message}\n  lacks: {part}");
        }
    }
}

#[test]
fn empty_or_missing_binaries_and_endpoints_are_load_errors() {
    let message = load("{host: a.b, port: 443}", "[]").unwrap_err();
    assert!(message.contains("write `- path: /**` for any binary"), "{message}");
    assert!(load("{host: a.b, port: 443}", "~").unwrap_err().contains("expected a list, found nothing"));
    assert!(load("{host: a.b, port: 443}", "[{path: curl}]").unwrap_err().contains("not absolute"));
    let message = policy_from_yaml("version: 1\nnetwork_policies: {api: {binaries: [{path: /a}]}}")
        .unwrap_err()
        .to_string();
    assert!(message.contains("at least one endpoint"), "{message}");
}

#[test]
fn all_mistakes_of_a_file_are_told_at_once_with_line_and_column() {
    let text = "version: 2\nlandlock:\n  compatibility: strict\nprocess: {run_as_user: root}\nfilesystem_policy: {read_only: [etc], read_write: [/]}\nnetwork_middlewares: {}\nnetwork_policies:\n  a b:\n    endpoints: [{host: x.y, port: 1}]\n    binaries: []\nextra: 1\n";
    let problems = policy_from_yaml(text).unwrap_err().0;
    let lines: Vec<u64> = problems.iter().map(|p| p.place.unwrap().line).collect();
    assert_eq!(lines, [1, 3, 4, 5, 5, 6, 8, 10, 11], "{problems:#?}");
    assert_eq!(
        problems[1].to_string(),
        "3:18: landlock.compatibility: found \"strict\", allowed are \"best_effort\", \"hard_requirement\""
    );
}

#[test]
fn syntax_errors_and_duplicate_keys_have_a_place() {
    for text in ["version: [", "version: 1\nversion: 1\n", "a: b: c"] {
        let problems = policy_from_yaml(text).unwrap_err().0;
        assert!(problems[0].place.is_some(), "{text:?} {problems:?}");
    }
    assert!(policy_from_yaml("").is_err());
    assert!(policy_from_yaml("- 1").unwrap_err().to_string().contains("expected a map"));
}

/// Kills: reading a proposal without `enforcement` as a file is read: audit lets everything on that host through.
#[test]
fn w01_an_omitted_enforcement_audits_in_a_file_and_says_so_but_enforces_in_a_proposal() {
    let loaded = load("{host: a.b, port: 443, protocol: rest, access: read-only}", "[{path: /a}]").unwrap();
    let endpoint = &loaded.policy.network_policies.values().next().unwrap().endpoints[0];
    assert_eq!(endpoint.enforcement, Some(crate::policy::Enforcement::Audit));
    assert!(loaded.warnings[0].message.contains("[AUDIT]"), "{:?}", loaded.warnings);
    let rule = proposal(r#"{"host":"a.b","port":443,"protocol":"rest","access":"read-only"}"#).unwrap();
    assert_eq!(rule.endpoints[0].enforcement, Some(crate::policy::Enforcement::Enforce));
}

#[test]
fn a_proposal_may_do_less_than_a_file() {
    let put = |path: &str| {
        format!(
            r#"{{"host":"a.b","port":443,"protocol":"rest","rules":[{{"allow":{{"method":"PUT","path":"{path}"}}}}]}}"#
        )
    };
    assert!(proposal(&put("/repos/o/r/contents/a.md")).is_ok());
    assert!(proposal(&put("/repos/*/r/**")).is_ok());
    for (endpoint, wanted) in [
        (put("/a?x=1"), "a query is not part of a path"),
        (put("**"), "must begin with /"),
        (put("/{a,b}"), "uses more than literals"),
        (put("/a/./b"), "write \\\"/a/b\\\""),
        (put("/a\\u202eb"), "does not show"),
        (r#"{"host":"a.b","port":443,"protocol":"rest","access":"full","enforcement":"audit"}"#.into(), "allowed are \"\", \"enforce\""),
        (r#"{"host":"a.b","port":443,"tls":"skip"}"#.into(), "remove `tls`"),
        (r#"{"host":"a.b","port":443,"protocol":"rest","access":"full","deny_rules":[{"method":"GET","path":"/x"}]}"#.into(), "may only allow"),
        (r#"{"host":"a.b","port":443,"protocol":"rest","acess":"full"}"#.into(), "acess: unknown key"),
        (r#"{"host":"","port":443}"#.into(), "is not a host name"),
        (r#"{"host":"169.254.169.254","port":80}"#.into(), "can never be granted"),
        (r#"{"host":"a.b","port":443,"port":80}"#.into(), "stands here twice"),
        (r#"{"host":"*.com","port":443}"#.into(), "two literal labels"),
    ] {
        let message = proposal(&endpoint).expect_err(&endpoint);
        assert!(message.contains(&wanted.replace("\\\"", "\"")), "{endpoint}\n  said: {message}\n  lacks: {wanted}");
    }
}

#[test]
fn a_proposal_asks_for_what_a_person_can_read() {
    let endpoint = |ports: usize, rules: usize, path: &str| {
        let ports: Vec<String> = (1..=ports).map(|port| port.to_string()).collect();
        let rules = vec![format!(r#"{{"allow":{{"method":"GET","path":"{path}"}}}}"#); rules];
        format!(
            r#"{{"host":"a.b","ports":[{}],"protocol":"rest","rules":[{}]}}"#,
            ports.join(","),
            rules.join(",")
        )
    };
    assert!(proposal(&endpoint(16, 64, "/x")).is_ok());
    for (endpoint, wanted) in [
        (endpoint(4000, 1, "/x"), "4000 of them, at most 16"),
        (endpoint(1, 700, "/x"), "700 of them, at most 64"),
        (endpoint(16, 64, &format!("/{}", "x".repeat(100))), "a person can be shown"),
        (vec![r#"{"host":"a.b","port":1}"#; 17].join(","), "17 of them, at most 16"),
    ] {
        let message = proposal(&endpoint).unwrap_err();
        assert!(message.contains(wanted), "{message}");
    }
}

#[test]
fn what_openshell_compares_literally_is_no_pattern_here() {
    for (endpoint, binaries) in [
        ("{host: \"{x,y}.a.example\", port: 443}", "[{path: /usr/bin/curl}]"),
        ("{host: a.example, port: 443}", "[{path: \"/usr/bin/{bash,curl}\"}]"),
        ("{host: a.example, port: 443}", "[{path: \"/usr/bin/cur?\"}]"),
    ] {
        assert!(load(endpoint, binaries).is_err(), "{endpoint} {binaries}");
    }
}

#[test]
fn hosts_and_methods_are_read_into_their_canonical_form() {
    let rule = proposal(r#"{"host":"API.Example.COM.","ports":[443,80,443],"protocol":"rest","rules":[{"allow":{"method":"put","path":"/x"}}]}"#).unwrap();
    assert_eq!(rule.endpoints[0].host, "api.example.com");
    assert_eq!(rule.endpoints[0].ports, [80, 443]);
    assert_eq!(rule.endpoints[0].rules[0].allow.method, "PUT");
}
