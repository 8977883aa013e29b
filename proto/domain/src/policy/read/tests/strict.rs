//! Every refusal to the letter: line, column, key, what was found, what is allowed. `@` is the endpoint's own key.

use super::*;

/// An endpoint, and everything that is said of it.
const ENDPOINTS: &[(&str, &[&str])] = &[
    (
        "{host: a.b, port: 443, protocol: rest, access: read-only, enforcement: enforced}",
        &[r#"5:80: @.enforcement: found "enforced", allowed are "", "enforce", "audit""#],
    ),
    (
        "{host: a.b, port: 443, tls: none}",
        &[r#"5:37: @.tls: found "none", allowed are "", "auto", "skip", "terminate", "passthrough""#],
    ),
    (
        "{host: a.b, port: 443, protocol: rest, access: readonly}",
        &[r#"5:56: @.access: found "readonly", allowed are "read-only", "read-write", "full""#],
    ),
    (
        "{host: a.b, port: 443, protocol: gopher}",
        &[r#"5:42: @.protocol: found "gopher", allowed are "", "rest""#],
    ),
    (
        "{host: a.b, port: 443, protocol: tcp}",
        &[
            r#"5:42: @.protocol: "tcp" is not supported yet, so it is refused rather than half enforced; allowed are "", "rest""#,
        ],
    ),
    (
        "{host: a.b, port: 443, protocol: rest, rules: [{allow: {method: GET}}]}",
        &[
            r#"5:64: @.rules[0].allow.path: missing: a rule without a path never matches; write `path: "**"` for every path"#,
        ],
    ),
    (
        "{host: a.b, port: 443, protocol: rest, access: full, deny_rules: [{method: DELETE}]}",
        &[
            r#"5:75: @.deny_rules[0].path: missing: a rule without a path never matches; write `path: "**"` for every path"#,
        ],
    ),
    (
        "{host: a.b, port: 443, rules: [{allow: {method: GET, path: /x}}]}",
        &["5:39: @.rules: `rules` without `protocol`: add `protocol: rest`, or remove it"],
    ),
    (
        "{host: a.b, port: 443, deny_rules: [{method: GET, path: /x}]}",
        &["5:44: @.deny_rules: `deny_rules` without `protocol`: add `protocol: rest`, or remove it"],
    ),
    (
        "{host: a.b, port: 443, enforcement: enforce}",
        &["5:45: @.enforcement: `enforcement` without `protocol`: add `protocol: rest`, or remove it"],
    ),
    (
        "{host: a.b, port: 443, path: /x}",
        &["5:38: @.path: `path` without `protocol`: add `protocol: rest`, or remove it"],
    ),
    (
        "{host: a.b, port: 443, allow_encoded_slash: true}",
        &[
            "5:53: @.allow_encoded_slash: `allow_encoded_slash` without `protocol`: add `protocol: rest`, or remove it",
        ],
    ),
    ("{host: a.b, port: 443, protocol: rest}", &["5:9: @.rules: `protocol: rest` needs `rules` or `access`"]),
    ("{host: a.b, port: 443, protocol: rest, rules: []}", &["5:55: @.rules: must hold at least one `allow`"]),
    ("{host: a.b, port: 443, protocol: rest, rules: ~}", &["5:55: @.rules: expected a list, found nothing"]),
    (
        "{host: a.b, port: 443, protocol: rest, access: full, rules: [{allow: {method: GET, path: /x}}]}",
        &["5:56: @.access: `access` and `rules` exclude each other: keep one"],
    ),
    (
        "{host: a.b, port: 443, protocol: rest, access: full, tls: skip}",
        &["5:67: @.tls: `tls: skip` leaves nothing to inspect: remove it, or remove `protocol`"],
    ),
    (
        r#"{host: a.b, port: 443, protocol: rest, rules: [{allow: {method: GET, path: "/["}}]}"#,
        &[r#"5:84: @.rules[0].allow.path: unbalanced `[` in the pattern "/[""#],
    ),
    (
        "{host: a.b, port: 443, protocol: rest, rules: [{allow: {method: GET, path: x}}]}",
        &[r#"5:84: @.rules[0].allow.path: "x" must begin with /, or be `**` for every path"#],
    ),
    (
        "{host: a.b, port: 443, protocol: rest, rules: [{allow: {method: GET, path: /a%2fb}}]}",
        &[
            r#"5:84: @.rules[0].allow.path: "/a%2fb" never matches, because paths are judged in canonical form: write "/a%2Fb""#,
        ],
    ),
    (
        "{host: a.b, port: 443, path: /a%2Fb, protocol: rest, access: full}",
        &["5:9: @.allow_encoded_slash: a path holds %2F: set `allow_encoded_slash: true` as well"],
    ),
    (
        r#"{host: a.b, port: 443, protocol: rest, access: full, allow_encoded_slash: "yes"}"#,
        &[r#"5:83: @.allow_encoded_slash: expected true or false, found the text "yes""#],
    ),
    (
        "{host: a.b, port: 443, protocol: rest, rules: [{allow: {method: GET, path: /x, query: {q: {any: []}}}}]}",
        &["5:99: @.rules[0].allow.query.q: write a glob, or `any: [glob, …]` with at least one"],
    ),
    (
        r#"{host: a.b, port: 443, protocol: rest, rules: [{allow: {method: GET, path: /x, query: {q: {any: [1, "["]}}}}]}"#,
        &[
            "5:106: @.rules[0].allow.query.q.any[0]: expected text, found the number 1",
            r#"5:109: @.rules[0].allow.query.q.any[1]: unbalanced `[` in the pattern "[""#,
        ],
    ),
    (
        "{host: a.b, port: 443, protocol: rest, rules: [{allow: {method: GET, path: /x, tool: t}}]}",
        &["5:94: @.rules[0].allow.tool: belongs to a protocol that is not supported: remove it"],
    ),
    ("{host: a.b, port: 0}", &["5:27: @.port: 0 is not a port: 1 to 65535"]),
    ("{host: a.b, ports: [443, 65536]}", &["5:34: @.ports[1]: 65536 is not a port: 1 to 65535"]),
    (
        r#"{host: a.b, port: "443"}"#,
        &[r#"5:27: @.port: expected a port from 1 to 65535, as a plain number, found the text "443""#],
    ),
    (
        "{host: a.b, port: 443, ports: [80]}",
        &["5:27: @.port: `port` and `ports` say different things: write `ports` only"],
    ),
    ("{host: a.b, ports: []}", &["5:28: @.ports: must name at least one port"]),
    ("{host: a.b}", &["5:9: @.port: missing: write `port` or `ports`"]),
    ("{port: 443}", &["5:9: @.host: missing"]),
    (
        r#"{host: "", port: 443}"#,
        &[r#"5:16: @.host: "" is not a host name; only an endpoint with `allowed_ips` may have none"#],
    ),
    (
        r#"{host: "", port: 443, allowed_ips: []}"#,
        &[r#"5:16: @.host: "" is not a host name; only an endpoint with `allowed_ips` may have none"#],
    ),
    ("{port: 443, allowed_ips: []}", &["5:9: @.host: missing"]),
    (
        r#"{host: "*", port: 443}"#,
        &["5:16: @.host: a wildcard host needs two literal labels at least, as in `*.example.com`"],
    ),
    (
        "{host: 10.*.0.1, port: 443}",
        &["5:16: @.host: a wildcard host is a name, and addresses have no names: list them in `allowed_ips`"],
    ),
    (
        r#"{host: "*.ü.example", port: 443}"#,
        &[r#"5:16: @.host: the label "ü" never matches: write "xn--tda""#],
    ),
    (
        r#"{host: "*.x.localhost", port: 443}"#,
        &[r#"5:16: @.host: "*.x.localhost" can never be granted: this machine itself is never reachable"#],
    ),
    (
        "{host: 127.0.0.1, port: 443}",
        &[
            r#"5:16: @.host: "127.0.0.1" can never be granted: loopback, link-local, unspecified, multicast, broadcast and metadata addresses are never reachable"#,
        ],
    ),
    (
        "{host: a.b, port: 443, allowed_ips: [127.0.0.0/8]}",
        &[
            "5:46: @.allowed_ips[0]: 127.0.0.0/8 overlaps loopback, link-local, multicast, unspecified or metadata addresses, which can never be granted",
        ],
    ),
    (
        "{host: a.b, port: 443, allowed_ips: [10.0.0.0/33]}",
        &[r#"5:46: @.allowed_ips[0]: "10.0.0.0/33" is not an address or a range such as 10.20.0.0/16"#],
    ),
    (
        "{host: a.b, port: 443, credential_signing: sigv4}",
        &["5:52: @.credential_signing: not supported: it is not enforced here, remove it"],
    ),
    (
        "{host: a.b, port: 443, host: c.d}",
        &["5:32: @.host: stands here twice: first at line 5, column 10; keep one"],
    ),
    (
        "{host: a.b, port: 443, enforcment: enforce}",
        &[
            "5:32: @.enforcment: unknown key; known here are host, port, ports, protocol, tls, path, enforcement, access, rules, deny_rules, allowed_ips, allow_encoded_slash",
        ],
    ),
];

/// A file, and everything that is said of it.
const FILES: &[(&str, &[&str])] = &[
    (
        "version: 2\nversion: 1\nextra: 1\n",
        &[
            "1:10: version: found the number 2, allowed is 1",
            "2:1: version: stands here twice: first at line 1, column 1; keep one",
            "3:1: extra: unknown key; known here are version, filesystem_policy, landlock, process, network_policies",
        ],
    ),
    ("version: \"1\"\n", &[r#"1:10: version: found the text "1", allowed is 1"#]),
    ("version: ~\n", &["1:10: version: found nothing, allowed is 1"]),
    ("{}", &["1:1: version: missing: write `version: 1`"]),
    ("", &["1:1: expected a map, found nothing"]),
    ("- 1", &["1:1: expected a map, found a list"]),
    ("version: 1\nnetwork_policies: ~\n", &["2:19: network_policies: expected a map, found nothing"]),
    (
        "version: 1\nnetwork_policies:\n  a: ~\n  b: {endpoints: ~, binaries: [~]}\n",
        &[
            "3:6: network_policies.a: expected a map, found nothing",
            "4:18: network_policies.b.endpoints: expected a list, found nothing",
            "4:32: network_policies.b.binaries[0]: expected a map, found nothing",
        ],
    ),
    (
        "version: 1\nnetwork_policies:\n  a: {endpoints: [], binaries: [{}]}\n",
        &[
            "3:18: network_policies.a.endpoints: a rule needs at least one endpoint",
            "3:33: network_policies.a.binaries[0].path: missing",
        ],
    ),
    (
        "version: 1\nnetwork_policies:\n  _provider_x: {endpoints: [{host: a.b, port: 1}], binaries: [{path: a, harness: 1}]}\n",
        &[
            r#"3:3: network_policies._provider_x: "_provider_x" is reserved: rule names beginning with `_provider_` are derived, not written"#,
            r#"3:70: network_policies._provider_x.binaries[0].path: "a" is not absolute: it must begin with /"#,
            "3:82: network_policies._provider_x.binaries[0].harness: expected true or false, found the number 1",
        ],
    ),
    (
        "version: 1\nnetwork_middlewares: {}\n",
        &["2:22: network_middlewares: not supported: middlewares are not enforced here, remove it"],
    ),
    (
        "version: 1\nfilesystem_policy: {read_only: [etc, /a/../b], read_write: [/usr, //], workdir: true}\n",
        &[
            r#"2:33: filesystem_policy.read_only[0]: "etc" is not absolute: it must begin with /"#,
            r#"2:38: filesystem_policy.read_only[1]: "/a/../b" holds `..`"#,
            "2:60: filesystem_policy.read_write: the root itself may not be writable",
            "2:72: filesystem_policy.workdir: unknown key; known here are include_workdir, read_only, read_write",
        ],
    ),
    (
        "version: 1\nlandlock: {compatibility: strict}\n",
        &[r#"2:27: landlock.compatibility: found "strict", allowed are "best_effort", "hard_requirement""#],
    ),
    (
        "version: 1\nprocess: {run_as_user: 0, run_as_group: 4294967295}\n",
        &[
            r#"2:24: process.run_as_user: found "0", allowed are "sandbox" and 1 to 4294967294"#,
            r#"2:41: process.run_as_group: found "4294967295", allowed are "sandbox" and 1 to 4294967294"#,
        ],
    ),
    (
        "version: 1\r\nlandlock:\r\n  compatibility: 1\r\n",
        &[
            r#"3:18: landlock.compatibility: found the number 1, allowed are "best_effort", "hard_requirement""#,
        ],
    ),
    ("\u{feff}version: 2\n", &["1:10: version: found the number 2, allowed is 1"]),
    ("version: 1\n? [a]\n: 1\n", &["2:3: expected text as a key, found a list"]),
];

fn lines(text: &str) -> Vec<String> {
    let problems = policy_from_yaml(text).map(|loaded| loaded.policy).expect_err(text);
    problems.to_string().lines().map(str::to_owned).collect()
}

#[test]
fn every_refusal_of_an_endpoint_says_where_what_and_what_else() {
    for (endpoint, said) in ENDPOINTS {
        let text = format!(
            "version: 1\nnetwork_policies:\n  api:\n    endpoints:\n      - {endpoint}\n    binaries: [{{path: /a}}]\n"
        );
        let said: Vec<String> =
            said.iter().map(|line| line.replace('@', "network_policies.api.endpoints[0]")).collect();
        assert_eq!(lines(&text), said, "{endpoint}");
    }
}

#[test]
fn every_refusal_of_a_file_says_where_what_and_what_else() {
    for (text, said) in FILES {
        assert_eq!(lines(text), *said, "{text}");
    }
}

#[test]
fn conflicts_have_the_place_of_the_key_that_must_change() {
    let text = "version: 1\nnetwork_policies:\n  raw: {endpoints: [{host: a.b, port: 1, tls: skip}], binaries: [{path: /a}]}\n  api:\n    endpoints:\n      - {host: c.d, port: 1}\n      - {host: a.b, port: 1, protocol: rest, access: full, allowed_ips: [10.0.0.0/8]}\n    binaries: [{path: /a}]\n";
    let said = lines(text);
    assert!(said[0].starts_with("3:47: network_policies.raw.endpoints[0].tls: "), "{said:?}");
    assert!(said[1].starts_with("7:73: network_policies.api.endpoints[1].allowed_ips: "), "{said:?}");
    assert_eq!(said.len(), 2);
}

#[test]
fn a_file_has_a_size_and_a_list_of_mistakes_has_an_end() {
    let long = format!("version: 1\n#{}", "x".repeat(MAX_FILE));
    assert_eq!(lines(&long), ["the file is larger than a policy may be: at most 262144 bytes"]);
    assert!(policy_from_yaml(long.get(..MAX_FILE).unwrap()).is_ok());
    let many = format!(
        "version: 1\nnetwork_policies:\n{}",
        (0..5000).map(|n| format!("  r{n}: ~\n")).collect::<String>()
    );
    let said = lines(&many);
    assert_eq!((said.len(), said[100].as_str()), (101, "103:9: and 4900 more mistakes from here on"));
    let bytes = b"version: 1\nx: \xc3\xa4\xff\n";
    assert_eq!(
        policy_from_bytes(bytes).unwrap_err().to_string(),
        "2:5: the file is not UTF-8: save it as UTF-8"
    );
    assert!(policy_from_bytes(&vec![0xff; MAX_FILE + 1]).unwrap_err().to_string().contains("262144"));
}

#[test]
fn too_many_paths_are_refused_and_the_root_of_the_list_is_named() {
    let paths = |n: usize| (0..n).map(|n| format!("/p{n}")).collect::<Vec<_>>().join(", ");
    let text = format!(
        "version: 1\nfilesystem_policy:\n  read_only: [{}]\n  read_write: [{}]\n",
        paths(200),
        paths(57)
    );
    assert_eq!(lines(&text), ["3:3: filesystem_policy: more than 256 paths in both lists together"]);
}

#[test]
fn every_rule_knows_the_place_of_its_key() {
    let text = "version: 1\nnetwork_policies:\n  b: &r {endpoints: [{host: a.b, port: 1}], binaries: [{path: /a}]}\n\n  a: *r\n";
    let places = policy_from_yaml(text).unwrap().places;
    let places: Vec<(&str, u64, u64)> =
        places.iter().map(|(name, place)| (name.as_str(), place.line, place.column)).collect();
    assert_eq!(places, [("a", 5, 3), ("b", 3, 3)]);
}

#[test]
fn what_loads_but_is_not_meant_is_a_warning_with_its_place() {
    let text = "version: 1\nnetwork_policies:\n  api:\n    endpoints:\n      - {host: a.b, port: 1, protocol: rest, rules: [{allow: {method: PROPFIND, path: /}}]}\n      - {host: c.d, port: 2, tls: passthrough, allowed_ips: [10.1.2.3/8]}\n    binaries: [{path: /a}]\n";
    let warnings: Vec<String> =
        policy_from_yaml(text).unwrap().warnings.iter().map(ToString::to_string).collect();
    assert!(
        warnings.iter().any(|w| w.starts_with("5:71: ") && w.contains("PROPFIND is not one of GET")),
        "{warnings:?}"
    );
    assert!(warnings.iter().any(|w| w.starts_with("5:9: ") && w.contains("[AUDIT]")), "{warnings:?}");
    assert!(warnings.iter().any(|w| w.starts_with("6:35: ") && w.contains("deprecated")), "{warnings:?}");
    assert!(
        warnings.iter().any(|w| w.starts_with("6:62: ") && w.contains("10.1.2.3/8 means 10.0.0.0/8")),
        "{warnings:?}"
    );
}

/// Kills: a grant that opens nothing, and that nobody is told of; a file of OpenShell's that does not load for it.
#[test]
fn a_port_of_a_control_plane_without_addresses_is_told_of_and_not_asked_for() {
    let rule = |endpoint: &str| format!("endpoints: [{{host: a.b, {endpoint}}}]\nbinaries: [{{path: /a}}]\n");
    let read = |endpoint: &str| {
        let text = rule(endpoint).replace("endpoints", "    endpoints").replace("binaries", "    binaries");
        let loaded = policy_from_yaml(&format!("version: 1\nnetwork_policies:\n  r:\n{text}")).unwrap();
        let warnings: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
        let asked = crate::node::from_yaml(&rule(endpoint)).unwrap();
        (
            warnings,
            rule_from_node(&asked, Source::Proposal, "rule").map(drop).map_err(|error| error.to_string()),
        )
    };
    let why = "6443 is a control-plane port, which stays closed without `allowed_ips`: list the addresses, or remove it";
    for (endpoint, at) in
        [("ports: [443, 6443]", 36), ("port: 6443", 35), ("port: 6443, allowed_ips: []", 35)]
    {
        let (warnings, asked) = read(endpoint);
        assert_eq!(warnings, [format!("4:{at}: network_policies.r.endpoints[0].ports: {why}")], "{endpoint}");
        assert!(asked.as_ref().is_err_and(|problems| problems.contains(why)), "{asked:?}");
    }
    for endpoint in ["port: 6443, allowed_ips: [10.0.0.1]", "ports: [443, 6444]"] {
        assert_eq!(read(endpoint), (Vec::new(), Ok(())), "{endpoint}");
    }
}

#[test]
fn each_seed_is_what_its_name_says() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/fuzz/policy");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let loaded = policy_from_bytes(&std::fs::read(&path).unwrap());
        assert_eq!(loaded.is_ok(), !name.starts_with("invalid"), "{name}: {loaded:?}");
        if let Err(problems) = loaded {
            assert!(problems.0.iter().all(|problem| problem.place.is_some()), "{name}: {problems}");
        }
        seen += 1;
    }
    assert!(seen >= 40, "{seen}");
}
