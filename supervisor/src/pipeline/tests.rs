use openshell_domain::id::{ProposalId, Revision};
use openshell_domain::policy::read::policy_from_yaml;
use openshell_domain::policy::verdict::Caller;

use super::*;
use crate::enforcement::{Enforcement, Pushed};
use crate::resolve::Resolver;

const POLICY: &str = r#"
version: 1
network_policies:
  api: {endpoints: [{host: api.invalid, port: 443, protocol: rest, enforcement: enforce, access: read-only}], binaries: [{path: /usr/bin/curl}]}
  raw: {endpoints: [{host: raw.invalid, port: 22}, {host: api.invalid, port: 443}], binaries: [{path: /usr/bin/ssh}]}
  lan: {endpoints: [{host: 192.0.2.7, port: 80}], binaries: [{path: "/**"}]}
"#;

fn enforcement() -> Enforcement {
    let enforcement = Enforcement::new();
    enforcement
        .load(Pushed::of(1, policy_from_yaml(POLICY).unwrap().policy), crate::clock::reading())
        .unwrap();
    enforcement
}

fn intent(binaries: &[&str], host: &str, port: u16) -> Intent {
    let holders = binaries
        .iter()
        .enumerate()
        .map(|(n, path)| Holder::new(i32::try_from(n).unwrap(), Caller { chain: vec![(*path).to_owned()] }))
        .collect();
    Intent { holders: Arc::new(holders), host: Host::parse(host).unwrap(), port }
}

fn get(path: &str) -> Request<'_> {
    Request { method: "GET", path, query: None }
}

#[test]
fn without_a_policy_everything_is_denied_and_nothing_is_fixable() {
    let refused =
        intent(&["/usr/bin/curl"], "api.invalid", 443).admit(Enforcement::new().snapshot()).unwrap_err();
    assert!(refused.reason.contains("no policy was received yet") && !refused.is_fixable);
}

#[test]
fn a_policy_that_does_not_load_is_a_quarantine() {
    let enforcement = enforcement();
    let error =
        enforcement.load(Pushed::unread(Revision(2), "broken".into()), crate::clock::reading()).unwrap_err();
    assert_eq!(error.to_string(), "broken");
    let refused = intent(&["/usr/bin/curl"], "api.invalid", 443).admit(enforcement.snapshot()).unwrap_err();
    assert!(refused.reason.contains("broken"), "{refused:?}");
    assert!(!enforcement.snapshot().has_grant(ProposalId(uuid::Uuid::nil()), Revision(1)));
}

#[test]
fn every_holder_must_be_allowed() {
    let snapshot = enforcement().snapshot();
    assert!(intent(&["/usr/bin/curl"], "api.invalid", 443).admit(Arc::clone(&snapshot)).is_ok());
    let refused = intent(&["/usr/bin/curl", "/usr/bin/tail"], "api.invalid", 443)
        .admit(Arc::clone(&snapshot))
        .unwrap_err();
    assert!(refused.reason.contains("/usr/bin/tail"), "{refused:?}");
    assert!(intent(&[], "api.invalid", 443).admit(snapshot).is_err(), "nobody is nobody");
}

#[test]
fn one_holder_that_is_inspected_makes_it_inspected_for_all() {
    let admission = intent(&["/usr/bin/ssh", "/usr/bin/curl"], "api.invalid", 443)
        .admit(enforcement().snapshot())
        .unwrap();
    assert!(admission.is_inspected());
    assert_eq!(admission.clear_stream().unwrap_err().error, "unsupported_l7_protocol");
    assert!(admission.clear(&get("/x")).is_ok());
    let put = Request { method: "PUT", ..get("/x") };
    let refused = admission.clear(&put).unwrap_err();
    assert_eq!((refused.layer, refused.rule.as_str(), refused.is_fixable), (Layer::L7, "api", true));
}

#[tokio::test]
async fn an_address_that_is_not_public_gets_no_permit() {
    let admission = intent(&["/usr/bin/curl"], "192.0.2.7", 80).admit(enforcement().snapshot()).unwrap();
    let clearance = admission.clear_stream().unwrap();
    let route = clearance.route(&Resolver::default()).await.unwrap();
    let refused = clearance.permit(&route).unwrap_err();
    assert_eq!(refused.error, "ssrf_denied");
    assert!(refused.reason.contains("internal address 192.0.2.7") && !refused.is_fixable, "{refused:?}");
}

#[tokio::test]
async fn a_pin_is_exempt_and_a_route_serves_its_own_destination_only() {
    let resolver = Resolver::new(["raw.invalid:22:127.0.0.1:9".parse().unwrap()]);
    let snapshot = enforcement().snapshot();
    let admission = intent(&["/usr/bin/ssh"], "raw.invalid", 22).admit(Arc::clone(&snapshot)).unwrap();
    let route = admission.clear_stream().unwrap().route(&resolver).await.unwrap();
    let permit = admission.clear_stream().unwrap().permit(&route).and_then(Permission::granted).unwrap();
    assert_eq!(permit.rule, "raw");
    assert!(permit.covers("127.0.0.1:9".parse().unwrap()) && !permit.covers("127.0.0.1:10".parse().unwrap()));
    let other = intent(&["/usr/bin/curl"], "192.0.2.7", 80).admit(snapshot).unwrap();
    assert!(other.clear_stream().unwrap().permit(&route).is_err());
}

/// Kills: a port of a control plane that a pin opens, and one that `allowed_ips` do not open.
#[tokio::test]
async fn w30_a_pin_is_exempt_from_the_addresses_and_not_from_the_port() {
    let policy = r#"
version: 1
network_policies:
  named: {endpoints: [{host: named.invalid, port: 6443}], binaries: [{path: "/**"}]}
  listed: {endpoints: [{host: listed.invalid, port: 6443, allowed_ips: [10.0.0.0/8]}, {host: 10.0.0.7, port: 6443, allowed_ips: [10.0.0.0/8]}], binaries: [{path: "/**"}]}
"#;
    let enforcement = Enforcement::new();
    let policy = policy_from_yaml(policy).unwrap().policy;
    enforcement.load(Pushed::of(1, policy), crate::clock::reading()).unwrap();
    let pins =
        ["named.invalid", "listed.invalid"].map(|host| format!("{host}:6443:127.0.0.1:9").parse().unwrap());
    let resolver = Resolver::new(pins);
    for (host, opens) in [("named.invalid", false), ("listed.invalid", true), ("10.0.0.7", true)] {
        let admission = intent(&["/usr/bin/curl"], host, 6443).admit(enforcement.snapshot()).unwrap();
        let clearance = admission.clear_stream().unwrap();
        let route = clearance.route(&resolver).await.unwrap();
        let permitted = clearance.permit(&route);
        assert_eq!(permitted.is_ok(), opens, "{host}");
        if let Err(refused) = permitted {
            assert!(refused.reason.contains("control-plane port") && !refused.is_fixable, "{refused:?}");
        }
    }
}

#[tokio::test]
async fn a_reach_opens_what_the_endpoints_of_l4_allow_and_checks_every_address() {
    let policy = r#"
version: 1
network_policies:
  lan: {endpoints: [{host: 10.0.0.7, port: 443, protocol: rest, enforcement: enforce, access: read-only, allowed_ips: [10.0.0.0/8]}], binaries: [{path: "/**"}]}
  other: {endpoints: [{host: 10.0.0.8, port: 443, protocol: rest, enforcement: enforce, access: read-only}], binaries: [{path: "/**"}]}
"#;
    let enforcement = Enforcement::new();
    let policy = policy_from_yaml(policy).unwrap().policy;
    enforcement.load(Pushed::of(1, policy), crate::clock::reading()).unwrap();
    let admit = |host: &str| intent(&["/usr/bin/curl"], host, 443).admit(enforcement.snapshot()).unwrap();
    let resolver = Resolver::default();
    let (listed, unlisted) = (admit("10.0.0.7"), admit("10.0.0.8"));
    let reach = listed.reach().unwrap();
    let route = reach.route(&resolver).await.unwrap();
    assert!(reach.open(&route).is_ok(), "an address that the endpoint lists");
    let reach = unlisted.reach().unwrap();
    let own = reach.route(&resolver).await.unwrap();
    assert!(reach.open(&own).unwrap_err().reason.contains("internal address 10.0.0.8"));
    assert!(unlisted.reach().unwrap().open(&route).is_err(), "another destination's route");
}

#[test]
fn only_a_rule_that_is_written_out_makes_a_request_a_stream() {
    let endpoint = |rules: &str| {
        format!(
            "version: 1\nnetwork_policies:\n  api: {{endpoints: [{{host: api.invalid, port: 443, protocol: rest, {rules}}}], binaries: [{{path: \"/**\"}}]}}\n"
        )
    };
    for (rules, may) in [
        ("enforcement: enforce, rules: [{allow: {method: GET, path: /ws}}]", true),
        ("enforcement: enforce, rules: [{allow: {method: \"*\", path: \"/**\"}}]", true),
        ("enforcement: enforce, rules: [{allow: {method: GET, path: /other}}]", false),
        ("enforcement: enforce, rules: [{allow: {method: POST, path: /ws}}]", false),
        (
            "enforcement: enforce, rules: [{allow: {method: GET, path: /ws}}], deny_rules: [{method: GET, path: /ws}]",
            false,
        ),
        ("enforcement: enforce, access: full", false),
        ("enforcement: audit, rules: [{allow: {method: POST, path: /ws}}]", false),
    ] {
        let enforcement = Enforcement::new();
        let policy = policy_from_yaml(&endpoint(rules)).unwrap().policy;
        enforcement.load(Pushed::of(1, policy), crate::clock::reading()).unwrap();
        let admission = intent(&["/usr/bin/curl"], "api.invalid", 443).admit(enforcement.snapshot()).unwrap();
        assert_eq!(admission.clear_upgrade(&get("/ws")).is_ok(), may, "{rules}");
    }
}

/// Kills: a refusal that names the first holder, whoever it is that lacks a rule.
#[test]
fn a_refusal_names_every_holder_that_lacks_a_rule_and_no_other() {
    let snapshot = enforcement().snapshot();
    let refused =
        intent(&["/usr/bin/curl", "/usr/bin/tail", "/usr/bin/ssh", "/usr/bin/head"], "api.invalid", 443)
            .admit(Arc::clone(&snapshot))
            .unwrap_err();
    assert_eq!(refused.lacking, [1, 3]);
    let admission = intent(&["/usr/bin/ssh", "/usr/bin/curl"], "api.invalid", 443).admit(snapshot).unwrap();
    let refused = admission.clear(&Request { method: "PUT", ..get("/x") }).unwrap_err();
    assert_eq!((refused.lacking, refused.is_fixable), (vec![1], true));
}
