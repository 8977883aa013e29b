//! What OpenShell's prover cannot see (`reference/openshell-policy.md` §6.2, item 7) is seen here, and its text.

use super::*;

#[test]
fn reading_with_a_credential_is_seen() {
    let case = Case {
        ask: "x | {host: api.example.net, port: 443, protocol: rest, enforcement: enforce, access: read-only} | /usr/bin/curl",
        credentials: &["api api.example.net"],
        ..Case::default()
    };
    assert_eq!(
        case.validation_result(),
        "prover: 1 new finding\n  credential_reach_expansion: api.example.net:443 via /usr/bin/curl"
    );
}

const READS: &str = "api | {host: api.example.net, port: 443, protocol: rest, enforcement: enforce, access: read-only} | /usr/bin/gh";

#[test]
fn custom_methods_are_seen() {
    let case = Case {
        base: READS,
        ask: "x | {host: api.example.net, port: 443, protocol: rest, enforcement: enforce, rules: [{allow: {method: MKCOL, path: /v1/x}}]} | /usr/bin/gh",
        credentials: &["api api.example.net"],
        ..Case::default()
    };
    assert_eq!(
        case.validation_result(),
        "prover: 1 new finding\n  capability_expansion: MKCOL on api.example.net:443 via /usr/bin/gh"
    );
}

#[test]
fn an_endpoint_that_audits_counts_as_allowing_everything() {
    let audits = "x | {host: api.example.net, port: 443, protocol: rest, enforcement: audit, rules: [{allow: {method: GET, path: /v1/x}}]} | /usr/bin/gh";
    let asked = Case { ask: audits, credentials: &["api api.example.net"], ..Case::default() };
    assert!(asked.codes().contains(&Code::MutatingMethod), "{:?}", asked.findings());
    let put = "y | {host: api.example.net, port: 443, protocol: rest, enforcement: audit, rules: [{allow: {method: PUT, path: /v1/x}}]} | /usr/bin/gh";
    let allowed = Case { base: audits, ask: put, ..asked };
    assert_eq!(allowed.validation_result(), "prover: no new findings");
}

#[test]
fn what_a_deny_rule_forbids_is_no_finding_and_what_it_hides_is_one() {
    let denies = "api | {host: api.example.net, port: 443, protocol: rest, enforcement: enforce, access: full, deny_rules: [{method: '*', path: '/admin/**'}]} | /usr/bin/gh";
    let ask = "x | {host: api.example.net, port: 443, protocol: rest, enforcement: enforce, rules: [{allow: {method: PUT, path: /admin/x}}]} | /usr/bin/gh";
    let forbidden = Case { base: denies, ask, credentials: &["api api.example.net"], ..Case::default() };
    assert_eq!(forbidden.validation_result(), "prover: no new findings");
    let hidden = Case { base: READS, grants: denies, ..forbidden };
    assert_eq!(
        hidden.validation_result(),
        "prover: 1 new finding\n  capability_expansion: PUT on api.example.net:443 via /usr/bin/gh"
    );
}

#[test]
fn the_paths_of_endpoints_and_rules_are_seen() {
    let scoped = "api | {host: api.example.net, port: 443, path: '/v1/**', protocol: rest, enforcement: enforce, rules: [{allow: {method: PUT, path: /v1/a}}]} | /usr/bin/gh";
    for ask in [
        "x | {host: api.example.net, port: 443, path: '/v1/**', protocol: rest, enforcement: enforce, rules: [{allow: {method: PUT, path: /v1/b}}]} | /usr/bin/gh",
        "x | {host: api.example.net, port: 443, path: '/v2/**', protocol: rest, enforcement: enforce, rules: [{allow: {method: PUT, path: /v2/a}}]} | /usr/bin/gh",
    ] {
        let case = Case { base: scoped, ask, credentials: &["api api.example.net"], ..Case::default() };
        assert_eq!(
            case.validation_result(),
            "prover: 1 new finding\n  capability_expansion: PUT on api.example.net:443 via /usr/bin/gh"
        );
    }
}

#[test]
fn credentials_are_looked_at_for_each_program() {
    let ask = "x | {host: api.example.net, port: 443, protocol: rest, enforcement: enforce, access: full} | /usr/bin/wget";
    let case = Case { base: READS, ask, credentials: &["api api.example.net"], ..Case::default() };
    assert_eq!(
        case.validation_result(),
        "prover: 1 new finding\n  credential_reach_expansion: api.example.net:443 via /usr/bin/wget"
    );
}

#[test]
fn two_globs_that_only_intersect_are_seen() {
    let ask = "x | {host: 'a*.x.example', port: 443, protocol: rest, enforcement: enforce, access: read-only} | /usr/bin/curl";
    for (host, is_in_scope) in [
        ("c *c.x.example", true),
        ("c **.example", true),
        ("c abc.X.example.", true),
        ("c b*.x.example", false),
        ("c *.*.x.example", false),
    ] {
        let case = Case { ask, credentials: Box::leak(Box::new([host])), ..Case::default() };
        assert_eq!(case.codes().contains(&Code::CredentialReachExpansion), is_in_scope, "{host}");
    }
}

#[test]
fn programs_of_git_count_as_bypass() {
    for binary in ["/usr/lib/git-core/git-remote-https", "/usr/bin/git", "/usr/lib/git-core/*"] {
        let ask = format!(
            "x | {{host: git.example.net, port: 443, protocol: rest, enforcement: enforce, access: read-only}} | {binary}"
        );
        let case =
            Case { ask: Box::leak(ask.into()), credentials: &["git git.example.net"], ..Case::default() };
        assert_eq!(
            case.validation_result(),
            format!("prover: 1 new finding\n  l7_bypass_credentialed: git.example.net:443 via {binary}")
        );
    }
}

#[test]
fn an_endpoint_without_a_known_address_and_any_program_are_seen() {
    let case = Case {
        ask: "x | {port: 8080, allowed_ips: [10.20.0.0/16]} | /**",
        credentials: &["api api.example.net"],
        ..Case::default()
    };
    for code in [Code::L7BypassCredentialed, Code::WildcardHost, Code::AnyBinary, Code::PrivateAddress] {
        assert!(case.codes().contains(&code), "{code} in {:?}", case.codes());
    }
}

#[test]
fn the_text_has_four_categories_in_a_fixed_order() {
    let base = "api | {host: api.example.net, port: 443, protocol: rest, enforcement: enforce, access: read-only} | /usr/bin/gh";
    let ask = "x | {host: git.example.net, port: 443}, {host: api.example.net, port: 443, protocol: rest, enforcement: enforce, access: read-write} | /usr/bin/git /usr/bin/gh";
    let case = Case { base, ask, credentials: &["all *.example.net"], ..Case::default() };
    assert_eq!(
        case.validation_result(),
        "prover: 3 new findings\n  \
           l7_bypass_credentialed: git.example.net:443 via /usr/bin/gh\n  \
           l7_bypass_credentialed: api.example.net:443 via /usr/bin/git\n  \
           l7_bypass_credentialed: git.example.net:443 via /usr/bin/git\n  \
           credential_reach_expansion: git.example.net:443 via /usr/bin/gh\n  \
           capability_expansion: PATCH on api.example.net:443 via /usr/bin/gh\n  \
           capability_expansion: POST on api.example.net:443 via /usr/bin/gh\n  \
           capability_expansion: PUT on api.example.net:443 via /usr/bin/gh"
    );
    assert_eq!(ordinary().validation_result(), "prover: no new findings");
    let asked = policy("x | {host: o.org, port: 80} | /usr/bin/curl");
    let mut rule = asked.network_policies.into_values().next().unwrap();
    rule.endpoints[0].host = "169.254.169.254".into();
    assert_eq!(
        validation_result(&Case::default().findings_of("x", &rule)),
        "prover: 1 new finding\n  link_local_reach: 169.254.169.254:80 via /usr/bin/curl"
    );
}
