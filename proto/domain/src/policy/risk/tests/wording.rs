//! Order, wording, and what holds for every ask.

use proptest::prelude::*;

use super::*;
use crate::untrusted::is_hidden;

const EVERYTHING: &str = "x | {host: '*.example.com', ports: [443, 50000]}, {host: api.example.org, port: 443, protocol: rest, enforcement: enforce, rules: [{allow: {method: '*', path: '/**'}}, {allow: {method: GET, path: '/a/ghp_abcdefgh12345'}}]} | /** /usr/bin/git /work/a";

fn everything() -> Case {
    Case {
        ask: EVERYTHING,
        credentials: &["one *.example.com", "two *.org"],
        writable: &["/work"],
        ..Case::default()
    }
}

#[test]
fn findings_come_in_one_order_whatever_the_order_of_the_rule() {
    let found = everything().findings();
    assert!(found.is_sorted_by_key(|finding| finding.code));
    let asked = policy(EVERYTHING);
    let mut rule = asked.network_policies.into_values().next().unwrap();
    rule.endpoints.reverse();
    rule.binaries.reverse();
    assert_eq!(everything().findings_of("x", &rule), found);
}

#[test]
fn every_sentence_is_one_and_fits() {
    let long = format!("/{}/bin", "x".repeat(300));
    let asked = policy(EVERYTHING);
    let mut rule = asked.network_policies.into_values().next().unwrap();
    rule.binaries[2].path = long;
    for finding in everything().findings().iter().chain(&everything().findings_of("x", &rule)) {
        let sentence = &finding.sentence;
        assert!(sentence.chars().count() <= MAX_SENTENCE, "{sentence}");
        assert!(sentence.ends_with('.') && !finding.evidence.is_empty(), "{sentence}");
        assert!(sentence.starts_with(finding.code.lead()), "{sentence}");
    }
}

#[test]
fn sentences_say_what_and_why() {
    let sentence = |code| {
        let found = everything().findings().into_iter().find(|finding| finding.code == code);
        found.unwrap().sentence
    };
    assert_eq!(
        sentence(Code::WildcardHost),
        "Allows every host that the wildcard matches, also ones that nobody has looked at: *.example.com:443, and 1 more."
    );
    assert_eq!(
        sentence(Code::SecretInPath),
        "Seems to hold a secret, which everyone who sees the rule would learn: /a/‹secret:61376819›."
    );
}

#[test]
fn a_look_alike_names_the_letters_that_are_not_what_they_seem() {
    let case = Case { ask: "x | {host: o.org, port: 443} | /usr/bin/сurl", ..Case::default() };
    assert_eq!(case.evidence(Code::LookAlike), ["binary /usr/bin/сurl with U+0441"]);
}

#[test]
fn a_secret_is_nowhere_in_the_findings_and_not_in_the_breadth() {
    let asked = policy(EVERYTHING);
    let rule = asked.network_policies.into_values().next().unwrap();
    let seen = [denial("/work/a api.example.org 443 GET /a/ghp_abcdefgh12345")];
    let text = format!("{:?} {:?}", everything().findings(), breadth(&rule, &seen));
    assert!(!text.contains("ghp_"), "{text}");
}

#[test]
fn findings_are_read_back_as_they_were_written() {
    let found = everything().findings();
    let text = serde_json::to_string(&found).unwrap();
    assert_eq!(serde_json::from_str::<Vec<Finding>>(&text).unwrap(), found);
    assert!(
        text.contains(r#""code":"l7_bypass_credentialed","level":"blocks_auto","second_key":true"#),
        "{text}"
    );
}

#[test]
fn wildcards_are_shown_beside_what_was_denied() {
    let asked = policy(
        "x | {host: '*.example.com', port: 443, protocol: rest, enforcement: enforce, rules: [{allow: {method: GET, path: '/repos/**'}}, {allow: {method: '*', path: /x}}]} | /usr/bin/*",
    );
    let rule = asked.network_policies.into_values().next().unwrap();
    let seen = [
        "/usr/bin/curl api.example.com 443 GET /repos/o/r",
        "/usr/bin/curl api.example.com 443 HEAD /repos/o/r",
        "/usr/bin/curl api.example.com 443 PUT /repos/o/s",
        "/usr/bin/wget api.example.com 443",
        "/opt/x api.example.com 443 GET /repos/o/t",
        "/usr/bin/curl api.example.com 80 GET /repos/o/u",
    ];
    let seen: Vec<Seen> = seen.iter().map(|text| denial(text)).collect();
    let found = breadth(&rule, &seen);
    let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "asks `/usr/bin/*`, seen 2 binaries",
            "asks `*.example.com`, seen 1 host",
            "asks `/repos/**`, seen 1 path",
            "asks `*`, seen 0 methods",
        ]
    );
    assert_eq!(found[0].examples, ["/usr/bin/curl", "/usr/bin/wget"]);
    assert_eq!(found[2].examples, ["/repos/o/r"]);
}

#[test]
fn a_preset_is_a_wildcard_over_paths_and_a_literal_ask_has_none() {
    let rule = |text: &str| policy(text).network_policies.into_values().next().unwrap();
    let preset = rule(
        "x | {host: a.example.com, port: 443, protocol: rest, enforcement: enforce, access: read-only} | /usr/bin/curl",
    );
    let lines: Vec<String> = breadth(&preset, &[]).iter().map(ToString::to_string).collect();
    assert_eq!(lines, ["asks `**`, seen 0 paths"]);
    assert_eq!(breadth(&rule(ordinary().ask), &[]), []);
}

fn endpoint() -> impl Strategy<Value = String> {
    let host = prop::sample::select(vec![
        "a.b.example",
        "*.b.example",
        "**.example.org",
        "xn--a-0fa.example",
        "8.8.8.8",
    ]);
    let port = prop::sample::select(vec![80_u16, 443, 5432, 60000]);
    let what = prop::sample::select(vec![
        "",
        ", protocol: rest, enforcement: enforce, access: read-only",
        ", protocol: rest, enforcement: enforce, access: full",
        ", protocol: rest, enforcement: audit, rules: [{allow: {method: GET, path: /a/b}}]",
        ", protocol: rest, enforcement: enforce, rules: [{allow: {method: PUT, path: '/a/*'}}]",
        ", protocol: rest, enforcement: enforce, path: '/v1/**', rules: [{allow: {method: '*', path: '/v1/ghp_abcdefgh12345'}}]",
    ]);
    (host, port, what).prop_map(|(host, port, what)| format!("{{host: '{host}', port: {port}{what}}}"))
}

fn rule() -> impl Strategy<Value = String> {
    let binary = prop::sample::select(vec![
        "/usr/bin/curl",
        "/usr/bin/*",
        "/usr/bin/git",
        "/work/x",
        "/**",
        "/bin/сurl",
    ]);
    let list = prop::collection::vec(endpoint(), 1..3);
    (list, binary).prop_map(|(list, binary)| format!("{} | {binary}", list.join(", ")))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn every_ask_is_judged_and_one_that_changes_nothing_has_only_what_deceives(base in rule(), ask in rule()) {
        let base = policy(&format!("base | {base}"));
        let asked = policy(&format!("x | {ask}"));
        let rule = asked.network_policies.values().next().unwrap();
        let ground = Ground::new(&base, vec![]);
        let Ok(difference) = ground.difference(rule) else { return Ok(()) };
        let credentials = [credential("one *.b.example"), credential("two api.example.org 8.8.8.8")];
        let scene = Scene {
            rule,
            rule_name: "x",
            difference: &difference,
            ground: &ground,
            credentials: &credentials,
            writable: &["/work".to_owned()],
            seen: &[],
        };
        let found = findings(&scene);
        for finding in &found {
            prop_assert!(finding.sentence.chars().count() <= MAX_SENTENCE);
            prop_assert!(!finding.evidence.iter().chain([&finding.sentence]).any(|text| text.chars().any(is_hidden)));
            let deceives = matches!(finding.code, Code::SecretInPath | Code::LookAlike | Code::HiddenCharacters);
            prop_assert!(deceives || scene.items().next().is_some(), "{:?}", finding);
        }
        prop_assert_eq!(findings(&scene), found);
    }

    #[test]
    fn no_text_in_a_rule_panics_or_comes_out_hidden(name in any::<String>(), binary in any::<String>(), path in any::<String>()) {
        let asked = policy(ordinary().ask);
        let mut rule = asked.network_policies.into_values().next().unwrap();
        rule.name = Some(name.clone());
        rule.binaries[0].path = binary.clone();
        rule.endpoints[0].rules[0].allow.path = path.clone();
        rule.endpoints[0].host = path;
        let base = policy("");
        let ground = Ground::new(&base, vec![]);
        let scene = Scene {
            rule: &rule,
            rule_name: &name,
            difference: &Difference::default(),
            ground: &ground,
            credentials: &[],
            writable: &[binary],
            seen: &[],
        };
        for text in findings(&scene).iter().flat_map(|finding| finding.evidence.iter().chain([&finding.sentence])) {
            prop_assert!(!text.chars().any(is_hidden), "{}", text);
        }
        prop_assert!(breadth(&rule, &[]).len() <= 4);
    }
}
