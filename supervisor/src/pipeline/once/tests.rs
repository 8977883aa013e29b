use std::sync::Arc;

use openshell_domain::policy::host::Host;
use openshell_domain::policy::read::policy_from_yaml;
use openshell_domain::policy::verdict::{Caller, Request};
use openshell_domain::proposal::Lease;
use uuid::Uuid;

use super::super::Admission;
use super::*;
use crate::enforcement::{Enforcement, Pushed};
use crate::identity::Holder;
use crate::lease::Grant;
use crate::resolve::Resolver;

/// A file that reads, and one grant each for `/one` and `/two`.
const POLICY: &str = r#"
version: 1
network_policies:
  base: {endpoints: [{host: api.invalid, port: 443, protocol: rest, enforcement: enforce, access: read-only}], binaries: [{path: /usr/bin/curl}, {path: /usr/bin/tail}]}
  one: {endpoints: [{host: api.invalid, port: 443, protocol: rest, enforcement: enforce, rules: [{allow: {method: PUT, path: /one}}]}], binaries: [{path: /usr/bin/curl}]}
  two: {endpoints: [{host: api.invalid, port: 443, protocol: rest, enforcement: enforce, rules: [{allow: {method: PUT, path: "/one"}}, {allow: {method: PUT, path: /two}}]}], binaries: [{path: /usr/bin/tail}]}
"#;

fn admission(binaries: &[&str], lease: Lease) -> Admission {
    let enforcement = Enforcement::new();
    let grant = |id, rule: &str| Grant { proposal: id, rule: rule.parse().unwrap(), lease };
    let grants = vec![grant(id(1), "one"), grant(id(2), "two")];
    let policy = policy_from_yaml(POLICY).unwrap().policy;
    enforcement.load(Pushed { grants, ..Pushed::of(1, policy) }, crate::clock::reading()).unwrap();
    let holder = |path: &&str| Holder::new(1, Caller { chain: vec![(*path).to_owned()] });
    let holders = Arc::new(binaries.iter().map(holder).collect());
    Intent { holders, host: Host::parse("api.invalid").unwrap(), port: 443 }
        .admit(enforcement.snapshot())
        .unwrap()
}

fn id(n: u128) -> ProposalId {
    ProposalId(Uuid::from_u128(n))
}

async fn ask(binaries: &[&str], lease: Lease, method: &str, path: &str) -> Result<Permission, Refused> {
    let resolver = Resolver::new(["api.invalid:443:127.0.0.1:9".parse().unwrap()]);
    let admission = admission(binaries, lease);
    let clearance = admission.clear(&Request { method, path, query: None })?;
    let route = clearance.route(&resolver).await.unwrap();
    clearance.permit(&route)
}

#[tokio::test]
async fn only_what_nothing_else_allows_spends_a_grant() {
    let curl = ["/usr/bin/curl"];
    assert!(matches!(ask(&curl, Lease::Once, "GET", "/one").await.unwrap(), Permission::Granted(_)));
    assert!(matches!(ask(&curl, Lease::Run, "PUT", "/one").await.unwrap(), Permission::Granted(_)));
    assert!(ask(&curl, Lease::Once, "PUT", "/other").await.is_err());
    let Permission::Once(unspent) = ask(&curl, Lease::Once, "PUT", "/one").await.unwrap() else {
        panic!("it passed without being counted")
    };
    assert_eq!((unspent.proposal(), unspent.permit.rule.as_str()), (id(1), "one"));
}

#[tokio::test]
async fn only_the_gateways_yes_makes_a_permit() {
    for (answer, is_permitted, is_fixable) in [
        (Ok(pb::SpendOnceResponse {}), true, false),
        (Err(Status::failed_precondition("spent")), false, true),
        (Err(Status::unavailable("away")), false, false),
        (Err(Status::permission_denied("no")), false, false),
    ] {
        let Ok(Permission::Once(unspent)) = ask(&["/usr/bin/curl"], Lease::Once, "PUT", "/one").await else {
            panic!("it passed without being counted")
        };
        match unspent.answered(answer) {
            Ok(permit) => assert!(is_permitted && permit.rule == "one"),
            Err(refused) => {
                assert_eq!((is_permitted, refused.is_fixable), (false, is_fixable), "{refused:?}");
                assert_eq!((refused.layer, refused.rule.as_str()), (Layer::L7, "one"));
            }
        }
    }
}

#[tokio::test]
async fn a_request_of_two_programs_that_would_need_two_grants_is_refused() {
    let both = ["/usr/bin/curl", "/usr/bin/tail"];
    assert!(matches!(ask(&both, Lease::Run, "PUT", "/one").await.unwrap(), Permission::Granted(_)));
    let refused = ask(&both, Lease::Once, "PUT", "/one").await.unwrap_err();
    assert!(refused.reason.contains("more than one grant"), "{refused:?}");
}

#[tokio::test]
async fn a_stream_never_passes_by_a_grant_for_one_request() {
    let permission = ask(&["/usr/bin/curl"], Lease::Once, "PUT", "/one").await.unwrap();
    assert!(permission.granted().is_err());
    assert!(ask(&["/usr/bin/curl"], Lease::Run, "PUT", "/one").await.unwrap().granted().is_ok());
}
