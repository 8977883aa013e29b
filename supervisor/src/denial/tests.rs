//! What a denial tells the agent and the log.

use openshell_domain::policy::verdict::Caller;
use openshell_domain::proposal::body;

use super::*;

fn denial(ask: Ask, layer: Layer, is_fixable: bool) -> Denial {
    Denial {
        id: Uuid::nil(),
        refused: Refused {
            error: "policy_denied",
            engine: "l7",
            layer,
            rule: "github".into(),
            reason: "PUT /repos/o/r/x.md not permitted by policy".into(),
            is_fixable,
            lacking: Vec::new(),
        },
        holders: vec![Holder::new(9, Caller { chain: vec!["/usr/bin/curl".into()] })],
        host: Host::parse("api.github.com").unwrap(),
        port: 443,
        ask,
    }
}

fn put() -> Ask {
    Ask::Request { method: "PUT".into(), path: "/repos/o/r/x.md".into(), is_upgrade: false }
}

const ON: Advice<'_> = Advice { is_on: true, skill: "/etc/openshell/skills/policy_advisor.md" };

#[test]
fn the_l7_body_has_openshells_fields_and_the_header() {
    let denial = denial(put(), Layer::L7, true);
    let body = Value::Object(denial.body(ON));
    for (key, want) in [
        ("error", json!("policy_denied")),
        ("policy", json!("github")),
        ("rule", json!("PUT /repos/o/r/x.md")),
        ("detail", json!("PUT /repos/o/r/x.md not permitted by policy")),
        ("layer", json!("l7")),
        ("protocol", json!("rest")),
        ("method", json!("PUT")),
        ("path", json!("/repos/o/r/x.md")),
        ("host", json!("api.github.com")),
        ("port", json!(443)),
        ("binary", json!("/usr/bin/curl")),
        ("fixable", json!(true)),
        (
            "rule_missing",
            json!({"type": "rest_allow", "layer": "l7", "method": "PUT", "path": "/repos/o/r/x.md", "host": "api.github.com", "port": 443, "binary": "/usr/bin/curl"}),
        ),
    ] {
        assert_eq!(body[key], want, "{key}");
    }
    assert_eq!(denial.reply(ON).headers()[POLICY_HEADER], "github");
}

#[test]
fn the_ready_made_proposal_can_be_posted_as_it_is() {
    for (ask, line) in [
        (put(), "api.github.com:443 [L7 rest, allow PUT /repos/o/r/x.md]"),
        (Ask::Connect, "api.github.com:443 [L4]"),
    ] {
        let proposal = denial(ask, Layer::L4, true).body(ON)["proposal"].to_string();
        let body = body::read(proposal.as_bytes()).unwrap();
        let add = body.operations[0].as_ref().unwrap();
        assert_eq!(openshell_domain::policy::render::endpoint_lines(&add.rule), [line]);
        assert_eq!(add.rule.binaries[0].path, "/usr/bin/curl");
    }
}

/// Kills: a proposal for the first holder only.
#[test]
fn the_proposal_is_for_everybody_who_lacks_a_rule() {
    let holder = |pid, path: &str| Holder::new(pid, Caller { chain: vec![path.to_owned()] });
    let holders = vec![holder(1, "/usr/bin/tail"), holder(2, "/usr/bin/curl"), holder(3, "/usr/bin/curl")];
    let shared = Denial { holders, ..denial(put(), Layer::L4, true) };
    let proposal = &shared.body(ON)["proposal"];
    let binaries = &proposal["operations"][0]["addRule"]["rule"]["binaries"];
    assert_eq!(*binaries, json!([{"path": "/usr/bin/curl"}, {"path": "/usr/bin/tail"}]));
    let unknown = Denial { holders: Vec::new(), ..denial(put(), Layer::L4, true) };
    assert_eq!(unknown.body(ON)["fixable"], false);
}

/// Kills: advice to ask for what no rule can say, and a ready-made rule that is wider than the request.
#[test]
fn w25_only_what_a_rule_can_fix_is_advised() {
    let request = |method: &str, path: &str| Ask::Request {
        method: method.into(),
        path: path.into(),
        is_upgrade: false,
    };
    let control_plane = Denial { port: 6443, ..denial(Ask::Connect, Layer::L4, true) };
    for denial in [control_plane, denial(request("TRACE", "/x"), Layer::L4, true)] {
        let body = Value::Object(denial.body(ON));
        assert_eq!((&body["fixable"], &body["rule_missing"]), (&json!(false), &Value::Null));
        assert!(!body["next_steps"].to_string().contains("submit_proposal"));
    }
    let spelled = Value::Object(denial(request("GET", "/**"), Layer::L7, true).body(ON));
    assert_eq!((&spelled["fixable"], spelled.get("proposal")), (&json!(true), None));
}

#[test]
fn guidance_is_given_only_where_it_helps() {
    let fixable = Value::Object(denial(put(), Layer::L7, true).body(ON));
    let guidance = fixable["agent_guidance"].as_str().unwrap();
    for part in
        ["do not stop", ON.skill, "http://policy.local/v1/proposals", "policy_reloaded: true", "retry"]
    {
        assert!(guidance.contains(part), "{part}: {guidance}");
    }
    let off = Value::Object(denial(put(), Layer::L7, true).body(Advice { is_on: false, ..ON }));
    assert_eq!(off["next_steps"], json!([]));
    assert!(off.get("agent_guidance").is_none() && off.get("proposal").is_none());
    let denied = Value::Object(denial(put(), Layer::L7, false).body(ON));
    assert!(!denied["next_steps"].to_string().contains("submit_proposal"));
    assert_eq!(denied["rule_missing"], Value::Null);
    assert!(denied.get("proposal").is_none());
}

#[test]
fn l4_denials_have_the_same_shape() {
    let body = Value::Object(denial(Ask::Connect, Layer::L4, true).body(ON));
    assert_eq!(body["rule_missing"]["type"], "l4_allow");
    assert_eq!(body["detail"], "CONNECT api.github.com:443 not permitted by policy");
    assert_eq!((&body["layer"], &body["method"]), (&json!("l4"), &json!("CONNECT")));
    let forward = Value::Object(denial(put(), Layer::L4, true).body(ON));
    assert_eq!(forward["rule_missing"]["type"], "rest_allow");
    assert_eq!(forward["layer"], "l4");
}

#[test]
fn the_lines_name_method_url_rule_and_reason() {
    let l7 = denial(put(), Layer::L7, true).line().to_string();
    assert_eq!(
        l7,
        "HTTP:PUT [MED] DENIED /usr/bin/curl(9) -> PUT http://api.github.com:443/repos/o/r/x.md [policy:github engine:l7] [reason:L7_REQUEST deny PUT api.github.com:443/repos/o/r/x.md reason=PUT /repos/o/r/x.md not permitted by policy]"
    );
    assert!(
        denial(Ask::Connect, Layer::L4, true)
            .line()
            .to_string()
            .starts_with("NET:OPEN [MED] DENIED /usr/bin/curl(9) -> api.github.com:443 ")
    );
}
