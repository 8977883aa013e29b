use chrono::TimeDelta;
use futures_util::FutureExt as _;
use openshell_domain::id::{ProposalId, Revision};
use openshell_domain::policy::host::Host;
use openshell_domain::policy::read::policy_from_yaml;
use openshell_domain::policy::verdict::Caller;
use openshell_domain::proposal::Lease;

use super::*;
use crate::clock;
use crate::enforcement::{NotLoaded, Pushed};
use crate::identity::Holder;
use crate::lease::Grant;
use crate::resolve::Resolver;

const RULE: &str = "{host: api.invalid, port: 443, protocol: rest, enforcement: enforce, access: read-only}";
const STREAM: &str = "{host: raw.invalid, port: 22}";
const OTHER: &str = "{host: other.invalid, port: 22}";

/// A policy with one rule for each of these endpoints, in force from now on.
fn load(enforcement: &Enforcement, revision: u64, endpoints: &[&str], lease: Lease) {
    let rules: Vec<String> = endpoints
        .iter()
        .enumerate()
        .map(|(at, endpoint)| {
            format!("  r{at}: {{endpoints: [{endpoint}], binaries: [{{path: /usr/bin/curl}}]}}\n")
        })
        .collect();
    let policy =
        policy_from_yaml(&format!("version: 1\nnetwork_policies:\n{}", rules.concat())).unwrap().policy;
    let grant = Grant { proposal: ProposalId(uuid::Uuid::nil()), rule: "r0".parse().unwrap(), lease };
    enforcement
        .load(Pushed { grants: vec![grant], ..Pushed::of(revision, policy) }, clock::reading())
        .unwrap();
}

async fn standing(enforcement: &Enforcement, host: &str, port: u16, path: Option<&str>) -> Standing {
    let holder = Holder::new(7, Caller { chain: vec!["/usr/bin/curl".to_owned()] });
    let intent = Intent { holders: Arc::new(vec![holder]), host: Host::parse(host).unwrap(), port };
    let request = path.map(|path| Request { method: "GET", path, query: None });
    let admission = intent.admit(enforcement.snapshot()).unwrap();
    let clearance = match &request {
        Some(request) => admission.clear(request),
        None => admission.clear_stream(),
    };
    let resolver = Resolver::new(vec![format!("{host}:{port}:127.0.0.1:9").parse().unwrap()]);
    let route = clearance.unwrap().route(&resolver).await.unwrap();
    Standing::new(&admission, request.as_ref(), route)
}

#[tokio::test]
async fn what_is_still_allowed_is_not_disturbed_and_what_is_not_ends() {
    let enforcement = Enforcement::new();
    load(&enforcement, 1, &[RULE, STREAM], Lease::Always);
    let request = standing(&enforcement, "api.invalid", 443, Some("/a")).await;
    let stream = standing(&enforcement, "raw.invalid", 22, None).await;
    let (mut request, mut stream) =
        (Box::pin(request.ended(&enforcement)), Box::pin(stream.ended(&enforcement)));
    assert!((&mut request).now_or_never().is_none() && (&mut stream).now_or_never().is_none());
    load(&enforcement, 2, &[RULE, STREAM, OTHER], Lease::Always);
    assert!((&mut request).now_or_never().is_none() && (&mut stream).now_or_never().is_none());
    load(&enforcement, 3, &[RULE, OTHER], Lease::Always);
    assert!((&mut request).now_or_never().is_none());
    assert_eq!(stream.await.reason, "endpoint raw.invalid:22 is not allowed by any policy");
    let narrower = "{host: api.invalid, port: 443, protocol: rest, enforcement: enforce, rules: [{allow: {method: GET, path: /b}}]}";
    load(&enforcement, 4, &[narrower], Lease::Always);
    assert_eq!(request.await.reason, "GET /a not permitted by policy");
}

#[tokio::test]
async fn a_policy_that_was_replaced_before_anybody_looked_counts() {
    let enforcement = Enforcement::new();
    load(&enforcement, 1, &[STREAM], Lease::Always);
    let stream = standing(&enforcement, "raw.invalid", 22, None).await;
    load(&enforcement, 2, &[OTHER], Lease::Always);
    assert!(stream.ended(&enforcement).now_or_never().is_some());
}

#[tokio::test]
async fn what_stands_on_a_lease_ends_with_it_also_where_nobody_says_so() {
    let enforcement = Enforcement::new();
    load(&enforcement, 1, &[STREAM], Lease::Until(clock::now() + TimeDelta::milliseconds(300)));
    let stream = standing(&enforcement, "raw.invalid", 22, None).await;
    assert_eq!(stream.ended(&enforcement).await.reason, "network connections not allowed by policy");
}

#[tokio::test]
async fn a_quarantine_ends_everything() {
    let enforcement = Enforcement::new();
    load(&enforcement, 1, &[STREAM], Lease::Always);
    let stream = standing(&enforcement, "raw.invalid", 22, None).await;
    let loaded = enforcement.load(Pushed::unread(Revision(2), "broken".to_owned()), clock::reading());
    assert_eq!(loaded, Err(NotLoaded::Quarantined("broken".to_owned())));
    assert!(stream.ended(&enforcement).await.reason.contains("broken"));
}

#[tokio::test]
async fn a_websocket_ends_where_only_a_preset_is_left_and_its_request_would_still_pass() {
    let explicit = "{host: api.invalid, port: 443, protocol: rest, enforcement: enforce, rules: [{allow: {method: GET, path: /ws}}]}";
    let enforcement = Enforcement::new();
    load(&enforcement, 1, &[explicit, OTHER], Lease::Always);
    let request = standing(&enforcement, "api.invalid", 443, Some("/ws")).await;
    let asked = Request { method: "GET", path: "/ws", query: None };
    let admission = request.intent.clone().admit(enforcement.snapshot()).unwrap();
    let socket = Standing::upgraded(&admission, &asked, request.route.clone());
    let (mut request, mut socket) =
        (Box::pin(request.ended(&enforcement)), Box::pin(socket.ended(&enforcement)));
    load(&enforcement, 2, &[explicit], Lease::Always);
    assert!((&mut request).now_or_never().is_none() && (&mut socket).now_or_never().is_none());
    load(&enforcement, 3, &[RULE], Lease::Always);
    assert!((&mut request).now_or_never().is_none());
    let reason = "GET /ws may not become a WebSocket: only a rule that names method and path allows that";
    assert_eq!(socket.await.reason, reason);
}
