//! Golden events of each class, by value.

use openshell_domain::id::ProposalId;
use uuid::Uuid;

use super::*;

fn source() -> Source {
    Source { sandbox: "demo".into(), hostname: "box".into() }
}

fn at() -> DateTime<Utc> {
    "2026-07-02T09:14:03.120Z".parse().unwrap()
}

fn curl() -> Actor {
    Actor::new("/usr/bin/curl", 88)
}

/// What every event carries.
fn with_common(mut event: Value) -> Value {
    let product = json!({"name": "openshell-supervisor", "vendor_name": "openshell-inbox", "version": env!("CARGO_PKG_VERSION")});
    event["metadata"] =
        json!({"version": "1.8.0", "product": product, "profiles": ["security_control", "host"]});
    event["device"] = json!({"hostname": "box", "name": "demo", "type_id": 99, "type": "Sandbox",
        "os": {"name": "Linux", "type_id": 200, "type": "Linux"}});
    event["time"] = json!(1_782_983_643_120_i64);
    event
}

fn curl_process() -> Value {
    json!({"process": {"pid": 88, "name": "curl", "path": "/usr/bin/curl", "sandbox": "demo",
        "file": {"name": "curl", "path": "/usr/bin/curl", "type_id": 1, "type": "Regular File"}}})
}

/// Kills: a hash that is looked at when the request came, before anybody has read the file, and one of nobody.
#[test]
fn the_hash_of_the_program_is_told_once_it_is_known() {
    let actor = curl();
    let line = |actor: &Actor| Line::Net {
        activity: "OPEN",
        severity: Severity::Info,
        action: "ALLOWED",
        actor: actor.clone(),
        destination: "a.example:443".into(),
        tag: None,
        reason: None,
    };
    let before = line(&actor);
    assert_eq!(event(&line(&Actor::new("/usr/bin/curl", 88)), at(), &source())["actor"], curl_process());
    actor.sha256.set(openshell_domain::id::Digest([0xab; 32]));
    let told = event(&before, at(), &source());
    let hash = json!([{"algorithm": "SHA-256", "algorithm_id": 3, "value": "ab".repeat(32)}]);
    assert_eq!(told["actor"]["process"]["file"]["hashes"], hash);
}

#[test]
fn a_denied_connect_is_network_activity() {
    let line = Line::Net {
        activity: "OPEN",
        severity: Severity::Medium,
        action: "DENIED",
        actor: curl(),
        destination: "[2001:db8::1]:443".into(),
        tag: Some(("-".into(), "opa")),
        reason: Some("not allowed\u{202e}".into()),
    };
    let wanted = json!({
        "class_uid": 4001, "class_name": "Network Activity", "category_uid": 4, "category_name": "Network Activity",
        "activity_id": 1, "activity_name": "Open", "type_uid": 400_101, "type_name": "Network Activity: Open",
        "severity_id": 3, "severity": "Medium", "status_id": 2, "status": "Failure",
        "action_id": 2, "action": "Denied", "disposition_id": 2, "disposition": "Blocked",
        "status_detail": "not allowed\\u{202e}",
        "message": "NET:OPEN [MED] DENIED /usr/bin/curl(88) -> [2001:db8::1]:443 [policy:- engine:opa] [reason:not allowed\\u{202e}]",
        "dst_endpoint": {"ip": "2001:db8::1", "port": 443}, "is_src_dst_assignment_known": true,
        "firewall_rule": {"name": "-", "type": "opa"}, "actor": curl_process(),
    });
    assert_eq!(event(&line, at(), &source()), with_common(wanted));
}

/// Kills: a query in `url`, in the reason or in the message.
#[test]
fn a_request_is_http_activity_and_has_no_query() {
    let line = |action, reason: Option<&str>| Line::Http {
        method: "PUT".into(),
        severity: Severity::Info,
        action,
        actor: curl(),
        url: "http://api.github.com:443/r/x.md?token=secret".into(),
        tag: Some(("github".into(), "l7")),
        reason: reason.map(ToOwned::to_owned),
    };
    let wanted = json!({
        "class_uid": 4002, "class_name": "HTTP Activity", "category_uid": 4, "category_name": "Network Activity",
        "activity_id": 7, "activity_name": "Put", "type_uid": 400_207, "type_name": "HTTP Activity: Put",
        "severity_id": 1, "severity": "Informational", "status_id": 1, "status": "Success",
        "action_id": 1, "action": "Allowed", "disposition_id": 1, "disposition": "Allowed",
        "message": "HTTP:PUT [INFO] ALLOWED /usr/bin/curl(88) -> PUT http://api.github.com:443/r/x.md?[redacted] [policy:github engine:l7]",
        "dst_endpoint": {"domain": "api.github.com", "port": 443},
        "http_request": {"http_method": "PUT",
            "url": {"scheme": "http", "hostname": "api.github.com", "port": 443, "path": "/r/x.md"}},
        "firewall_rule": {"name": "github", "type": "l7"}, "actor": curl_process(),
    });
    assert_eq!(event(&line("ALLOWED", None), at(), &source()), with_common(wanted));
    let denied = event(&line("DENIED", Some("GET /x?token=secret not permitted")), at(), &source());
    assert!(!denied.to_string().contains("secret"), "{denied}");
    assert_eq!((&denied["action_id"], &denied["disposition_id"]), (&json!(2), &json!(2)));
    let audited = event(&line("ALLOWED [AUDIT]", None), at(), &source());
    assert_eq!((&audited["action_id"], &audited["disposition_id"]), (&json!(1), &json!(17)));
}

#[test]
fn a_decision_is_a_change_of_state_with_proposal_reviewer_and_revision() {
    let line = Line::Config {
        state: "APPROVED",
        severity: Severity::Info,
        message: "chunk:x approved".into(),
        facts: vec![("by", "reviewer".into()), ("version", "v2".into())],
        proposal: Some(ProposalId(Uuid::nil())),
    };
    let wanted = json!({
        "class_uid": 5019, "class_name": "Device Config State Change", "category_uid": 5, "category_name": "Discovery",
        "activity_id": 1, "activity_name": "Log", "type_uid": 501_901, "type_name": "Device Config State Change: Log",
        "severity_id": 1, "severity": "Informational", "status_id": 1, "status": "Success",
        "state_id": 99, "state": "approved", "policy": {"name": "network_policies", "version": "v2"},
        "message": "CONFIG:APPROVED [INFO] chunk:x approved [by:reviewer version:v2]",
        "unmapped": {"proposal_id": Uuid::nil().to_string(), "reviewer_kind": "reviewer"},
    });
    assert_eq!(event(&line, at(), &source()), with_common(wanted));
}

#[test]
fn nobody_is_no_actor_and_a_broken_place_is_told_as_it_is() {
    let line = Line::Net {
        activity: "REFUSE",
        severity: Severity::Medium,
        action: "DENIED",
        actor: Actor::unknown(),
        destination: "-".into(),
        tag: None,
        reason: None,
    };
    let event = event(&line, at(), &source());
    assert_eq!((event.get("actor"), &event["dst_endpoint"]), (None, &json!({"domain": "-"})));
    assert_eq!(host_and_port("2001:db8::1"), ("2001:db8::1", None));
    assert_eq!(host_and_port("a.b:http"), ("a.b:http", None));
    assert_eq!(url_parts("http://a.b?x=/y"), ("http", "a.b", "/"));
    assert_eq!(url_parts("http://a.b:1/x/y?z"), ("http", "a.b:1", "/x/y"));
}
