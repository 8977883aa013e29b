//! Each code: an ask that has it, and one beside it that has not.

use super::*;

/// A rule with one enforcing endpoint for `/usr/bin/curl`.
fn rest(host: &str, port: u16, rest: &str) -> String {
    format!(
        "x | {{host: '{host}', port: {port}, protocol: rest, enforcement: enforce, {rest}}} | /usr/bin/curl"
    )
}

fn leak(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

fn allow(method: &str, path: &str) -> &'static str {
    let rule = format!("rules: [{{allow: {{method: '{method}', path: '{path}'}}}}]");
    leak(rest("api.example.com", 443, &rule))
}

fn l4(host: &str, port: u16, binary: &str) -> &'static str {
    leak(format!("x | {{host: '{host}', port: {port}}} | {binary}"))
}

fn has(case: &Case, code: Code) -> bool {
    case.codes().contains(&code)
}

#[track_caller]
fn told_apart(code: Code, with: &'static str, without: &'static str) {
    let case = |ask| Case { ask, credentials: &["gh *.example.com"], writable: &["/work/"], ..ordinary() };
    assert!(has(&case(with), code), "{code} in {with}: {:?}", case(with).codes());
    assert!(!has(&case(without), code), "{code} not in {without}");
}

#[test]
fn codes_that_depend_on_the_ask_alone_are_present_and_absent() {
    let get = allow("GET", "/a/b");
    for (code, with, without) in [
        (Code::L7BypassCredentialed, l4("api.example.com", 443, "/usr/bin/curl"), get),
        (
            Code::L7BypassCredentialed,
            l4("api.example.com", 22, "/usr/bin/ssh"),
            l4("o.org", 22, "/usr/bin/ssh"),
        ),
        (Code::CredentialReachExpansion, get, l4("other.org", 443, "/usr/bin/curl")),
        (Code::L4Only, l4("other.org", 443, "/usr/bin/curl"), get),
        (Code::OpaqueStream, l4("other.org", 443, "/usr/bin/curl"), get),
        (Code::WildcardHost, l4("*.other.org", 443, "/usr/bin/curl"), get),
        (Code::WildcardHost, "x | {port: 80, allowed_ips: [8.8.8.8]} | /usr/bin/curl", get),
        (Code::AnyBinary, l4("other.org", 443, "/**"), l4("other.org", 443, "/usr/bin/python*")),
        (Code::AnyBinary, l4("other.org", 443, "/usr/bin/*"), l4("other.org", 443, "/opt/venv/bin/*")),
        (Code::AnyBinary, l4("other.org", 443, "/bin/bash"), l4("other.org", 443, "/usr/bin/python3")),
        (Code::BroadPath, allow("GET", "/repos/**"), allow("GET", "/repos/o/**")),
        (Code::BroadPath, leak(rest("api.example.com", 443, "access: read-only")), get),
        (
            Code::PrivateAddress,
            "x | {host: 10.1.2.3, port: 443, allowed_ips: [10.1.2.3]} | /usr/bin/curl",
            // Without `allowed_ips` nothing private is reachable, so nothing is added.
            l4("10.1.2.3", 443, "/usr/bin/curl"),
        ),
        (
            Code::PrivateAddress,
            "x | {host: db.other.org, port: 443, allowed_ips: [10.0.0.0/8]} | /usr/bin/curl",
            "x | {host: db.other.org, port: 443, allowed_ips: [8.8.8.0/24]} | /usr/bin/curl",
        ),
        (Code::MetadataAddress, l4("*.google.internal", 80, "/usr/bin/curl"), get),
        (Code::MetadataAddress, l4("instance-data.ec2.internal", 80, "/usr/bin/curl"), get),
        (
            Code::DatabasePort,
            l4("db.other.org", 5432, "/usr/bin/curl"),
            l4("db.other.org", 443, "/usr/bin/curl"),
        ),
        (
            Code::DatabasePort,
            "x | {host: k.other.org, port: 6443, allowed_ips: [8.8.8.0/24]} | /usr/bin/curl",
            "x | {host: k.other.org, port: 6444, allowed_ips: [8.8.8.0/24]} | /usr/bin/curl",
        ),
        (Code::EphemeralPort, l4("o.org", 49152, "/usr/bin/curl"), l4("o.org", 49151, "/usr/bin/curl")),
        (Code::MutatingMethod, allow("DELETE", "/a/b"), allow("OPTIONS", "/a/b")),
        (Code::MutatingMethod, allow("PURGE", "/a/b"), get),
        (Code::OpaqueUpgrade, allow("GET", "/a/b/*"), get),
        (Code::OpaqueUpgrade, allow("GET", "/v1/ws"), leak(rest("a.example.com", 443, "access: full"))),
        (Code::OpaqueUpgrade, allow("*", "/a/b"), allow("POST", "/a/b/*")),
        (Code::WritableBinary, l4("o.org", 443, "/work/bin/x"), l4("o.org", 443, "/workshop/bin/x")),
        (Code::WritableBinary, l4("o.org", 443, "/w*/bin/x"), l4("o.org", 443, "/usr/bin/x")),
        (
            Code::SecretInPath,
            allow("GET", "/u/ghp_abcdefgh12345"),
            allow("GET", "/u/da39a3ee5e6b4b0d3255bfef95601890afd80709"),
        ),
        (Code::LookAlike, l4("xn--pple-43d.com", 443, "/usr/bin/curl"), get),
        (Code::LookAlike, l4("o.org", 443, "/usr/bin/сurl"), l4("o.org", 443, "/usr/bin/größe")),
    ] {
        told_apart(code, with, without);
    }
}

#[test]
fn more_methods_on_a_reached_host_are_a_capability_and_not_a_reach() {
    let base = leak(rest("api.example.com", 443, "rules: [{allow: {method: PUT, path: /a}}]"));
    let known = Case { base, ask: allow("PUT", "/b"), credentials: &["gh api.example.com"], ..ordinary() };
    assert_eq!(known.evidence(Code::CapabilityExpansion), ["PUT on api.example.com:443 via /usr/bin/curl"]);
    assert!(!has(&known, Code::CredentialReachExpansion));
    let new = Case { base: "", ..known };
    assert_eq!(new.evidence(Code::CredentialReachExpansion), ["api.example.com:443 via /usr/bin/curl"]);
    assert!(!has(&new, Code::CapabilityExpansion));
    let free = Case { base, credentials: &["gh other.org"], ..new };
    assert!(!has(&free, Code::CapabilityExpansion));
}

#[test]
fn a_program_that_gets_to_a_host_for_the_first_time_is_a_reach_whoever_else_did() {
    let base = leak(rest("api.example.com", 443, "access: full"));
    let ask = "x | {host: api.example.com, port: 443, protocol: rest, enforcement: enforce, access: read-only} | /usr/bin/gh /usr/bin/curl";
    let case = Case { base, ask, credentials: &["gh api.example.com"], ..Case::default() };
    assert_eq!(case.evidence(Code::CredentialReachExpansion), ["api.example.com:443 via /usr/bin/gh"]);
    assert_eq!(case.evidence(Code::CapabilityExpansion), Vec::<String>::new());
}

/// No policy that loads has such a destination, so the rule is made by hand.
#[test]
fn what_can_never_be_granted_is_refused() {
    let asked = policy(l4("o.org", 80, "/usr/bin/curl"));
    let (_, rule) = asked.network_policies.iter().next().unwrap();
    for (host, codes) in [
        ("169.254.169.254", vec![Code::LinkLocalReach, Code::MetadataAddress]),
        ("fe80::1", vec![Code::LinkLocalReach]),
        ("metadata.google.internal", vec![Code::LinkLocalReach, Code::MetadataAddress]),
        ("100.100.100.200", vec![Code::MetadataAddress]),
        ("127.0.0.1", vec![Code::PrivateAddress]),
        ("localhost", vec![Code::PrivateAddress]),
        ("policy.local", vec![Code::PrivateAddress]),
    ] {
        let mut rule = rule.clone();
        rule.endpoints[0].host = host.to_owned();
        let found = Case::default().findings_of("x", &rule);
        assert_eq!(found.iter().map(|f| f.code).collect::<Vec<_>>(), codes, "{host}");
        assert!(found.iter().all(|finding| finding.level == Level::Refuses), "{host}");
    }
    let mut rule = rule.clone();
    rule.endpoints[0].allowed_ips = vec!["169.254.0.0/16".parse().unwrap()];
    let found = Case::default().findings_of("x", &rule);
    assert!(found.iter().any(|f| f.code == Code::LinkLocalReach && f.second_key), "{found:#?}");
    assert!(!has(&ordinary(), Code::LinkLocalReach));
}

#[test]
fn what_nobody_was_denied_has_no_evidence() {
    assert!(!has(&ordinary(), Code::NoEvidence));
    for seen in [
        &[][..],
        &["/usr/bin/wget api.example.com 443 GET /repos/o/r"],
        &["/usr/bin/curl api.example.com 443 PUT /repos/o/r"],
        &["/usr/bin/curl api.example.com 443 GET /other"],
        &["/usr/bin/curl api.example.com 80"],
    ] {
        assert!(has(&Case { seen, ..ordinary() }, Code::NoEvidence), "{seen:?}");
    }
    // A denial of the connection itself says nothing about the request.
    assert!(!has(&Case { seen: &["/usr/bin/curl api.example.com 443"], ..ordinary() }, Code::NoEvidence));
    assert!(!has(
        &Case { seen: &["/usr/bin/curl api.example.com 443 HEAD /repos/o/r"], ..ordinary() },
        Code::NoEvidence
    ));
}

/// The reader refuses them; what is in the log may be older than the reader.
#[test]
fn hidden_characters_are_found_wherever_they_stand() {
    let asked = policy(ordinary().ask);
    let (_, rule) = asked.network_policies.iter().next().unwrap();
    assert!(!has(&ordinary(), Code::HiddenCharacters));
    let found = |name: &str, rule: &Rule| {
        let found = ordinary().findings_of(name, rule);
        found.into_iter().find(|f| f.code == Code::HiddenCharacters).map(|f| f.evidence)
    };
    assert_eq!(found("a\u{202e}b", rule), Some(vec!["rule a\\u{202e}b".to_owned()]));
    let mut binary = rule.clone();
    binary.binaries[0].path = "/usr/bin/curl\u{200b}".into();
    assert_eq!(found("x", &binary), Some(vec!["binary /usr/bin/curl\\u{200b}".to_owned()]));
    let mut path = rule.clone();
    path.endpoints[0].rules[0].allow.path = "/a/%E2%80%8Bb".into();
    assert_eq!(found("x", &path), Some(vec!["path /a/%E2%80%8Bb".to_owned()]));
}

#[test]
fn what_an_explicit_rule_upgraded_before_is_not_said_again() {
    let base = leak(rest("api.example.com", 443, "rules: [{allow: {method: GET, path: '/a/b/**'}}]"));
    let ask = leak(rest(
        "api.example.com",
        443,
        "rules: [{allow: {method: GET, path: '/a/b/**'}}, {allow: {method: POST, path: /a/b/c}}]",
    ));
    assert!(!has(&Case { base, ask, ..Case::default() }, Code::OpaqueUpgrade));
    // A preset allows the request, and not its upgrade.
    let base = leak(rest("api.example.com", 443, "access: read-only"));
    assert!(has(&Case { base, ask, ..Case::default() }, Code::OpaqueUpgrade));
    // Nothing but the upgrade is new, so it is what was asked for, whatever the path looks like.
    let ask = allow("GET", "/a/b");
    let alone = Case { base, ask, ..Case::default() };
    assert_eq!(alone.evidence(Code::OpaqueUpgrade), ["GET api.example.com:443 /a/b"]);
    assert!(!has(&Case { base: "", ..alone }, Code::OpaqueUpgrade));
}

#[test]
fn levels_and_second_keys_are_those_of_the_design() {
    let all = [
        (Code::LinkLocalReach, Level::BlocksAuto, true),
        (Code::L7BypassCredentialed, Level::BlocksAuto, true),
        (Code::CredentialReachExpansion, Level::BlocksAuto, false),
        (Code::CapabilityExpansion, Level::BlocksAuto, false),
        (Code::L4Only, Level::BlocksAuto, false),
        (Code::WildcardHost, Level::BlocksAuto, true),
        (Code::AnyBinary, Level::BlocksAuto, true),
        (Code::BroadPath, Level::Note, false),
        (Code::PrivateAddress, Level::BlocksAuto, true),
        (Code::MetadataAddress, Level::BlocksAuto, false),
        (Code::DatabasePort, Level::BlocksAuto, false),
        (Code::EphemeralPort, Level::Note, false),
        (Code::MutatingMethod, Level::Note, false),
        (Code::OpaqueStream, Level::BlocksAuto, false),
        (Code::OpaqueUpgrade, Level::BlocksAuto, false),
        (Code::WritableBinary, Level::BlocksAuto, false),
        (Code::SecretInPath, Level::BlocksAuto, true),
        (Code::NoEvidence, Level::Note, false),
        (Code::LookAlike, Level::BlocksAuto, true),
        (Code::HiddenCharacters, Level::BlocksAuto, true),
    ];
    for (code, level, second_key) in all {
        assert_eq!((code.level(), code.wants_second_key()), (level, second_key), "{code}");
        assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
    }
}

#[test]
fn a_tunnel_asks_for_a_second_key_where_a_credential_is_in_scope() {
    let key = |credentials| {
        let case = Case { ask: l4("api.example.com", 443, "/usr/bin/curl"), credentials, ..Case::default() };
        case.findings().into_iter().find(|f| f.code == Code::L4Only).unwrap().second_key
    };
    assert!(key(&["gh api.example.com"]));
    assert!(!key(&["gh api.other.com"]));
}
