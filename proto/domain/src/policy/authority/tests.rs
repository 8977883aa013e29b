use super::*;
use crate::policy::read::policy_from_yaml;

/// A policy of these rules, one a line: `name: endpoints | binaries`.
pub(super) fn policy(rules: &[(&str, &str, &str)]) -> Policy {
    let mut text = "version: 1\n".to_owned();
    if !rules.is_empty() {
        text.push_str("network_policies:\n");
    }
    for (name, endpoints, binaries) in rules {
        let binaries: Vec<String> = binaries.split(' ').map(|path| format!("{{path: '{path}'}}")).collect();
        text.push_str(&format!(
            "  {name}: {{endpoints: [{endpoints}], binaries: [{}]}}\n",
            binaries.join(", ")
        ));
    }
    policy_from_yaml(&text).unwrap_or_else(|error| panic!("{error}\n{text}")).policy
}

fn rule(endpoint: &str, binaries: &str) -> Rule {
    policy(&[("x", endpoint, binaries)]).network_policies.into_values().next().unwrap()
}

/// `host: a.example, port: 443` and the rest of an inspected, enforcing endpoint.
fn rest(rest: &str) -> String {
    format!("{{host: a.example, port: 443, protocol: rest, enforcement: enforce, {rest}}}")
}

fn allow(pairs: &[&str]) -> String {
    let rules: Vec<String> = pairs
        .iter()
        .map(|pair| {
            let (method, path) = pair.split_once(' ').unwrap();
            format!("{{allow: {{method: '{method}', path: '{path}'}}}}")
        })
        .collect();
    format!("rules: [{}]", rules.join(", "))
}

const L4: &str = "{host: a.example, port: 443}";

fn lines(items: &[Item]) -> Vec<String> {
    items.iter().map(ToString::to_string).collect()
}

fn ask(base: &Policy, grants: &[&Rule], rule: &Rule) -> Difference {
    let grants = grants.iter().map(|rule| ("grant", *rule)).collect();
    Ground::new(base, grants).difference(rule).unwrap()
}

#[test]
fn what_was_denied_and_is_asked_for_is_added() {
    let base = policy(&[("github", &rest("access: read-only"), "/usr/bin/curl")]);
    let put = rule(&rest(&allow(&["PUT /repos/o/r/contents/a"])), "/usr/bin/curl");
    let found = ask(&base, &[], &put);
    assert_eq!(lines(&found.added), ["a.example:443 PUT /repos/o/r/contents/a by /usr/bin/curl"]);
    assert_eq!(
        found.added[0].witness.to_string(),
        "PUT a.example:443 /repos/o/r/contents/a by /usr/bin/curl"
    );
    assert!(found.removed.is_empty());
    // Without the base's rule it is added as well, so nothing of it waits for anything.
    assert!(found.latent.is_empty(), "{:?}", lines(&found.latent));
    assert_eq!(found.effect(), Effect::Widens);
}

#[test]
fn what_was_allowed_already_changes_nothing_and_says_why() {
    let base = policy(&[("github", &rest("access: read-only"), "/usr/bin/*")]);
    let head = rule(&rest(&allow(&["HEAD /repos/**", "HEAD /x"])), "/usr/bin/curl");
    let found = ask(&base, &[], &head);
    assert_eq!(found.effect(), Effect::ChangesNothing);
    assert_eq!(found.idle[0].to_string(), "already allowed by github");
}

#[test]
fn a_rule_of_the_base_is_taken_out_of_what_is_asked() {
    let base = policy(&[(
        "github",
        &rest("access: read-only, deny_rules: [{method: '*', path: /admin/**}]"),
        "/usr/bin/curl",
    )]);
    let all = rule(&rest("access: read-write"), "/usr/bin/curl");
    let found = ask(&base, &[], &all);
    assert_eq!(
        lines(&found.added),
        ["a.example:443 POST, PUT, PATCH ** by /usr/bin/curl, except what is denied by github"]
    );
}

/// Kills: an example that nobody takes for a request (`OTHER /x`) where one is as true that everybody knows.
#[test]
fn an_example_is_a_request_that_people_know() {
    let any = rule(&rest(&allow(&["* /x"])), "/b");
    let method = |named: &[&str]| {
        let elsewhere: Vec<String> = named.iter().map(|method| format!("{method} /y")).collect();
        let elsewhere: Vec<&str> = elsewhere.iter().map(String::as_str).collect();
        let grant = rule(&rest(&allow(&elsewhere)), "/b");
        ask(&policy(&[]), &[&grant], &any).added[0].witness.method.clone().unwrap()
    };
    assert_eq!(method(&["GET"]), "DELETE");
    assert_eq!(method(&["DELETE", "POST"]), "PUT");
    let known = ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"];
    assert_eq!(method(&known), "ANY-OTHER-METHOD", "HEAD goes with GET");
    assert_eq!(method(&[&known[..], &["ANY-OTHER-METHOD"]].concat()), "ANY-OTHER-METHODX");
}

#[test]
fn asks_that_others_cover_are_not_repeated() {
    let base = policy(&[]);
    let twice =
        rule(&rest(&allow(&["GET /a/b", "GET /a/*", "HEAD /a/b", "POST /a/b"])), "/usr/bin/curl /usr/bin/*");
    assert_eq!(
        lines(&ask(&base, &[], &twice).added),
        [
            "a.example:443 GET /a/* (may open a WebSocket: two-way, contents not seen) by /usr/bin/*",
            "a.example:443 POST /a/b by /usr/bin/*"
        ]
    );
}

#[test]
fn an_inspected_ask_on_a_tunnel_shows_what_is_lost() {
    let base = policy(&[("git", L4, "/usr/bin/git")]);
    let get = rule(&rest(&allow(&["GET /x"])), "/usr/bin/git");
    let found = ask(&base, &[], &get);
    assert_eq!(found.effect(), Effect::Narrows);
    assert_eq!(
        lines(&found.removed),
        [
            "a.example:443 any bytes by /usr/bin/git, except what is already allowed by git",
            "a.example:443 any request by /usr/bin/git, except what is already allowed by git",
        ]
    );
    // Another program below git loses its tunnel too, and only then.
    let get = rule(&rest(&allow(&["GET /x"])), "/usr/bin/ssh");
    let found = ask(&base, &[], &get);
    assert_eq!(found.effect(), Effect::Both);
    assert_eq!(
        found.removed[0].witness.to_string(),
        "a stream to a.example:443 by /usr/bin/ssh below /usr/bin/git"
    );
}

#[test]
fn an_l4_ask_on_an_inspected_host_changes_nothing_and_says_so() {
    let base = policy(&[("api", &rest("access: read-only"), "/usr/bin/curl")]);
    let found = ask(&base, &[], &rule(L4, "/usr/bin/curl"));
    assert_eq!(found.effect(), Effect::ChangesNothing);
    assert_eq!(found.idle[0].to_string(), "inspected by api");
}

/// The first counter-example that breaks naive designs.
#[test]
fn a_short_leased_grant_with_a_deny_hides_what_a_later_full_grant_allows() {
    let base = policy(&[]);
    let short =
        rule(&rest("access: read-only, deny_rules: [{method: '*', path: /admin/**}]"), "/usr/bin/curl");
    let full = rule(&rest("access: full"), "/usr/bin/curl");
    let found = ask(&base, &[&short], &full);
    assert_eq!(
        lines(&found.added),
        [
            "a.example:443 any method ** by /usr/bin/curl, except what is already allowed by grant or denied by grant"
        ]
    );
    assert_eq!(
        lines(&found.latent),
        [
            "a.example:443 any method ** by /usr/bin/curl, except what is allowed at once, when this ends: grant"
        ]
    );
    // Without the reading that the short grant allows as well, the hidden part is what is left.
    let write = rule(&rest(&allow(&["POST /**"])), "/usr/bin/curl");
    let found = ask(&base, &[&short], &write);
    assert_eq!(found.latent[0].witness.to_string(), "POST a.example:443 /admin/ by /usr/bin/curl");
}

/// The second one.
#[test]
fn an_l4_grant_beside_an_l7_inspected_host_opens_when_the_l7_grant_ends() {
    let base = policy(&[]);
    let inspected = rule(&rest(&allow(&["GET /x"])), "/usr/bin/curl");
    let tunnel = rule(L4, "/usr/bin/curl");
    let found = ask(&base, &[&inspected], &tunnel);
    assert!(found.added.is_empty());
    assert_eq!(lines(&found.latent), ["a.example:443 any bytes by /usr/bin/curl, when this ends: grant"]);
    assert_eq!(found.effect(), Effect::Widens);
}

#[test]
fn bounds_hold_or_name_a_request_outside() {
    let base = policy(&[]);
    let ground = Ground::new(&base, vec![]);
    let ceiling = policy(&[("c", &rest(&allow(&["GET **"])), "/usr/bin/*")]);
    let get = rule(&rest(&allow(&["GET /x"])), "/usr/bin/curl");
    let post = rule(&rest(&allow(&["GET /x", "POST /y"])), "/usr/bin/curl");
    assert_eq!(ground.exceeds(&get, &ceiling).unwrap(), None);
    let outside = ground.exceeds(&post, &ceiling).unwrap().unwrap();
    assert_eq!(outside.to_string(), "POST a.example:443 /y by /usr/bin/curl");
    // What may only be read may not be spoken with both ways.
    let preset = policy(&[("c", &rest("access: read-only"), "/usr/bin/*")]);
    let outside = ground.exceeds(&get, &preset).unwrap().unwrap();
    assert_eq!(outside.to_string(), "WebSocket a.example:443 /x by /usr/bin/curl");
    let tunnel = rule(L4, "/usr/bin/curl");
    assert!(ground.exceeds(&tunnel, &ceiling).unwrap().is_some());
    assert!(ground.covers(&post, &get).unwrap() && !ground.covers(&get, &post).unwrap());
    assert_eq!(
        exceeds(&policy(&[("a", L4, "/b")]), &ceiling).unwrap().unwrap().to_string(),
        "a stream to a.example:443 by /b"
    );
}

/// Kills: a port of a control plane that counts as opened without addresses, that never counts, or that inspects nobody.
#[test]
fn a_port_of_a_control_plane_is_opened_by_addresses_only() {
    let listed = |inside: &str| format!("{{host: a.example, port: 6443, allowed_ips: [10.0.0.0/8]{inside}}}");
    let nothing = policy(&[]);
    let named = rule("{host: a.example, ports: [443, 6443]}", "/usr/bin/curl");
    assert_eq!(lines(&ask(&nothing, &[], &named).added), ["a.example:443 any bytes by /usr/bin/curl"]);
    let tunnel = rule(&listed(""), "/usr/bin/curl");
    let found = ask(&nothing, &[], &tunnel);
    assert_eq!(lines(&found.added), ["a.example:6443 any bytes at 10.0.0.0/8 by /usr/bin/curl"]);
    assert_eq!(found.added[0].witness.to_string(), "a stream to a.example:6443 at 10.0.0.0 by /usr/bin/curl");

    let raw = policy(&[("raw", &listed(""), "/usr/bin/curl")]);
    assert_eq!(exceeds(&nothing, &raw).unwrap(), None);
    let outside = exceeds(&raw, &policy(&[("named", "{host: a.example, port: 6443}", "/**")])).unwrap();
    assert_eq!(outside.unwrap().port, 6443, "a bound that opens nothing holds nothing");
    // What it inspects it also takes, whether or not it can be reached through it.
    for list in [", allowed_ips: [10.0.0.0/8]", ""] {
        let text = format!(
            "{{host: a.example, port: 6443{list}, protocol: rest, enforcement: enforce, rules: [{{allow: {{method: GET, path: /x}}}}]}}"
        );
        let found = ask(&raw, &[], &rule(&text, "/usr/bin/curl"));
        assert!(found.added.is_empty());
        let lost: Vec<&What> = found.removed.iter().map(|item| &item.what).collect();
        assert!(lost.contains(&&What::Stream) && lost.contains(&&What::OtherRequests), "{lost:?}");
    }
    assert_eq!(between(&raw, &nothing).unwrap().removed.len(), 1);
}

#[test]
fn two_policies_are_compared_as_wholes() {
    let old = policy(&[("api", &rest("access: read-only"), "/usr/bin/curl"), ("raw", L4, "/usr/bin/curl")]);
    let new = policy(&[("raw", L4, "/usr/bin/curl")]);
    let found = between(&old, &new).unwrap();
    assert_eq!(found.effect(), Effect::Widens);
    assert!(
        lines(&found.added)[0].starts_with("a.example:443 any bytes by /usr/bin/curl"),
        "{:?}",
        lines(&found.added)
    );
    assert_eq!(between(&new, &new).unwrap().effect(), Effect::ChangesNothing);
}

/// The base allows elsewhere what the ask denies everywhere.
#[test]
fn an_ask_that_reads_queries_takes_unclear_ones_from_other_rules() {
    let base = policy(&[("api", &rest(&allow(&["GET /y"])), "/b")]);
    let ask = rule(&rest("rules: [{allow: {method: GET, path: /x, query: {q: a}}}]"), "/b");
    let found = Ground::new(&base, vec![]).difference(&ask).unwrap();
    assert_eq!(found.effect(), Effect::Both);
    assert_eq!(found.removed[0].witness.to_string(), "GET a.example:443 /y?% by /b");
}

/// The shortest name of the pattern is blocked; the others are not.
#[test]
fn a_blocked_name_does_not_stand_for_its_neighbours() {
    let base = policy(&[]);
    let ask = rule("{host: 'metadata*.google.internal', port: 443}", "/b");
    let found = Ground::new(&base, vec![]).difference(&ask).unwrap();
    assert_eq!(found.added[0].witness.host, "metadataa.google.internal");
}

/// The shortest name of the pattern is none that IDNA knows, so it cannot be an example of those that are.
#[test]
fn a_pattern_behind_punycode_is_not_passed_over() {
    let base = policy(&[]);
    let ask = rule("{host: 'xn--*.a.example', port: 443}", "/b");
    assert_eq!(Ground::new(&base, vec![]).difference(&ask), Err(TooComplex));
}

/// A reviewer's audit grant hides what another one opens by auditing alone.
#[test]
fn what_is_latent_because_it_audits_is_shown() {
    let base = policy(&[]);
    let audit = "{host: a.example, port: 443, protocol: rest, enforcement: audit, rules: [{allow: {method: GET, path: /x}}]}";
    let (first, second) = (rule(audit, "/b"), rule(audit, "/b"));
    let found = ask(&base, &[&first], &second);
    assert!(found.added.is_empty());
    assert_eq!(
        lines(&found.latent),
        [
            "a.example:443 any method ** by /b, when this ends: grant",
            "a.example:443 WebSocket /x (two-way, contents not seen) by /b, when this ends: grant",
        ]
    );
}

#[test]
fn every_program_that_a_rule_gave_way_to_is_named() {
    let inspected = rest(&allow(&["GET /x"]));
    let old = policy(&[("api", &inspected, "/b /c"), ("raw", L4, "/**")]);
    let new = policy(&[("raw", L4, "/**")]);
    let binaries = |item: &Item| item.binaries.clone();
    let found = between(&old, &new).unwrap();
    assert!(found.added.iter().all(|item| binaries(item) == ["/b", "/c"]), "{:?}", lines(&found.added));
}

/// Kills: an upgrade that is no authority of its own, a preset that grants one, and a grant that is closed as covered.
#[test]
fn what_a_written_get_adds_to_a_preset_is_its_websocket() {
    let base = policy(&[("api", &rest("access: full"), "/usr/bin/curl")]);
    let get = rule(&rest(&allow(&["GET /socket"])), "/usr/bin/curl");
    let found = ask(&base, &[], &get);
    assert_eq!(
        lines(&found.added),
        ["a.example:443 WebSocket /socket (two-way, contents not seen) by /usr/bin/curl"]
    );
    assert_eq!(found.added[0].witness.to_string(), "WebSocket a.example:443 /socket by /usr/bin/curl");
    assert_eq!(found.effect(), Effect::Widens);
    let ground = Ground::new(&base, vec![]);
    assert!(!ground.covers(&rule(&rest("access: full"), "/usr/bin/curl"), &get).unwrap());
    let granted = policy(&[
        ("api", &rest("access: full"), "/usr/bin/curl"),
        ("socket", &rest(&allow(&["GET /**"])), "/usr/bin/curl"),
    ]);
    let again = ask(&granted, &[], &get);
    let why: Vec<String> = again.idle.iter().map(ToString::to_string).collect();
    assert_eq!(
        (again.effect(), why.join(", ").as_str()),
        (Effect::ChangesNothing, "already allowed by api, already allowed by socket")
    );
    // Any method is GET as well, and HEAD is no way to open one.
    let any = rule(&rest(&allow(&["* /socket"])), "/usr/bin/curl");
    assert_eq!(lines(&ask(&base, &[], &any).added), lines(&found.added));
    let head = rule(&rest(&allow(&["HEAD /socket"])), "/usr/bin/curl");
    assert_eq!(ask(&base, &[], &head).effect(), Effect::ChangesNothing);
}

/// Kills: a deny rule that takes WebSockets away without a word, and "any request" where only they go.
#[test]
fn websockets_that_go_alone_are_told_alone() {
    let (preset, get) = (rest("access: full"), rest(&allow(&["GET /socket"])));
    let old = policy(&[("api", &preset, "/b"), ("socket", &get, "/b")]);
    let new = policy(&[("api", &preset, "/b")]);
    let found = between(&old, &new).unwrap();
    assert_eq!(
        lines(&found.removed),
        [
            "a.example:443 WebSocket ** (two-way, contents not seen) by /b, except what is already allowed by socket"
        ]
    );
    assert_eq!(found.removed[0].witness.to_string(), "WebSocket a.example:443 /socket by /b");
    let none = policy(&[]);
    let found = between(&policy(&[("socket", &get, "/b")]), &none).unwrap();
    assert!(
        lines(&found.removed)[0].starts_with("a.example:443 any request by /b"),
        "{:?}",
        lines(&found.removed)
    );
}
