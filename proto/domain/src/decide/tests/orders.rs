//! Standing orders: a ceiling that nothing passes, and what is granted without a person.

use super::*;
use crate::setting::{Key, Value};

const INSIDE: &str = "version: 1\nnetwork_policies:\n  files: {endpoints: [{host: api.github.com, port: 443, protocol: rest, enforcement: enforce, rules: [{allow: {method: GET, path: \"/**\"}}, {allow: {method: PUT, path: \"/a\"}}]}], binaries: [{path: /usr/bin/curl}]}\n";
const PATTERN: &str = "version: 1\nnetwork_policies:\n  one-file: {endpoints: [{host: api.github.com, port: 443, protocol: rest, enforcement: enforce, rules: [{allow: {method: PUT, path: /a}}]}], binaries: [{path: /usr/bin/curl}]}\n";

fn orders(ceiling: Option<&str>, patterns: Option<&str>) -> Result<Orders, OrdersError> {
    let read = |text: &str| policy_from_yaml(text).unwrap().policy;
    Orders::new(ceiling.map(read), patterns.map(read).as_ref())
}

fn automatic(orders: Orders) -> World {
    let mut world = World { orders, ..World::new() };
    let value = Some(Value::Text("auto".into()));
    let set = SetSetting { scope: Stream::Gateway, key: Key::ApprovalMode, value, reviewer: reviewer() };
    world.run(Command::Set(set)).unwrap();
    world
}

#[test]
fn nothing_passes_the_ceiling_neither_at_submission_nor_at_decision_nor_as_a_base() {
    let mut world = World::new();
    let (inside, outside) = (world.submit(10, "/a"), world.submit(11, "/b"));
    world.orders = orders(Some(&BASE.replace("read-only", "full")), None).unwrap();
    assert!(world.submit_with(12, "c", put("/c"), 32).is_ok(), "a wide one lets it through");
    world.orders = orders(Some(INSIDE), None).unwrap();
    let refused = world.submit_with(13, "d", put("/d"), 32).unwrap_err();
    assert_eq!(refused, Refusal::OutsideCeiling);
    assert!(!refused.to_string().contains("files"), "an agent is not told what lies inside");
    assert_eq!(world.approve(outside), Err(Refusal::OutsideCeiling));
    world.approve(inside).unwrap();
    world.end(&name("demo"), RunId(uuid(1)));
    world.orders = orders(Some(PATTERN), None).unwrap();
    match world.run(Command::StartRun(Box::new(start("demo", 2)))) {
        Err(Refusal::BaseOutsideCeiling(witness)) => assert!(witness.contains("api.github.com"), "{witness}"),
        other => panic!("{other:?}"),
    }
}

/// A base of one rule, as a policy file.
fn file(inside: &str) -> String {
    BASE.replace("access: read-only", inside)
}

fn rules(allows: &str) -> Rule {
    let text = file(&format!("rules: [{allows}]"));
    policy_from_yaml(&text).unwrap().policy.network_policies.into_values().next().unwrap()
}

/// Kills: a ceiling of presets that refuses every written GET because that may become a WebSocket, one that widens what
/// its methods are, and a base that is judged otherwise than a proposal.
#[test]
fn a_preset_in_a_ceiling_bounds_the_written_rules_of_its_methods() {
    const GET: &str = "{allow: {method: GET, path: /a/*}}";
    const PUT: &str = "{allow: {method: PUT, path: /a/b}}";
    for (preset, allows, is_inside) in [
        ("access: read-only", GET, true),
        ("access: read-only", PUT, false),
        ("access: read-only", "{allow: {method: '*', path: /a}}", false),
        ("access: read-write", PUT, true),
        ("access: read-write", "{allow: {method: DELETE, path: /a}}", false),
        ("access: full", "{allow: {method: '*', path: /**}}", true),
        ("access: read-only, deny_rules: [{method: GET, path: /a/**}]", GET, false),
        ("access: read-only, path: /b/**", GET, false),
    ] {
        let mut world = World::new();
        world.orders = orders(Some(&file(preset)), None).unwrap();
        let asked = world.submit_with(10, "asked", rules(allows), 32).map(drop);
        let expected = if is_inside { Ok(()) } else { Err(Refusal::OutsideCeiling) };
        assert_eq!(asked, expected, "{allows} below {preset}");

        world.end(&name("demo"), RunId(uuid(1)));
        let policy = policy_from_yaml(&file(&format!("rules: [{allows}]"))).unwrap().policy;
        let base = StartRun { policy, ..start("demo", 2) };
        let based = world.run(Command::StartRun(Box::new(base)));
        let is_refused = matches!(based, Err(Refusal::BaseOutsideCeiling(_)));
        assert_eq!(is_refused, !is_inside, "{allows} as a base below {preset}: {based:?}");
    }
}

/// Kills: presets that are written out where they grant, so that they open WebSockets.
#[test]
fn a_preset_below_a_ceiling_opens_no_websocket() {
    let mut world = World::new();
    world.orders = orders(Some(BASE), None).unwrap();
    let get = world.submit_with(10, "get", rules("{allow: {method: GET, path: /a}}"), 32).map(drop);
    assert_eq!(get, Ok(()), "not covered by the base, whose preset opens none");
    let shown = world.look_at(ProposalId(uuid(10))).difference.unwrap();
    assert!(shown.canonical().contains("WebSocket /a"), "{}", shown.canonical());
}

#[test]
fn in_manual_mode_patterns_rest() {
    let mut world = World { orders: orders(None, Some(PATTERN)).unwrap(), ..World::new() };
    let id = world.submit(10, "/a");
    assert!(world.state.proposal(id).unwrap().is_pending());
}

#[test]
fn in_auto_mode_only_what_lies_inside_a_pattern_is_granted_and_the_pattern_is_recorded() {
    let mut world = automatic(orders(None, Some(PATTERN)).unwrap());
    let evidence = vec![crate::policy::risk::Seen {
        binary: "/usr/bin/curl".into(),
        host: "api.github.com".into(),
        port: 443,
        method: Some("PUT".into()),
        path: Some("/a".into()),
        count: 1,
        sha256: None,
    }];
    let id = ProposalId(uuid(10));
    let outside = world.submit(11, "/b");
    let submit = Submit {
        sandbox: name("demo"),
        proposal: id,
        origin: Origin::AgentAuthored,
        submitted_by: "/usr/bin/curl".into(),
        rule_name: "put_file".parse().unwrap(),
        rule: put("/a"),
        rationale: "write one file".into(),
        evidence,
        pending_limit: 32,
        request: None,
    };
    world.run(Command::Submit(Box::new(submit))).unwrap();
    let approved = world.log.iter().find_map(|envelope| match &envelope.event {
        Event::ProposalApproved { proposal, grounds, .. } => {
            Some((*proposal, grounds.clone(), envelope.actor.clone()))
        }
        _ => None,
    });
    let findings = world.look_at(outside).findings;
    let (granted, grounds, actor) = approved.unwrap_or_else(|| panic!("{findings:?}"));
    assert_eq!((granted, grounds.as_deref()), (id, Some("pattern one-file")));
    assert_eq!((actor.kind, actor.id.as_str()), (ActorKind::System, "auto"));
    assert!(world.state.proposal(outside).unwrap().is_pending());
    assert!(world.demo().policy.network_policies.contains_key(&"put_file".parse().unwrap()));
}

#[test]
fn without_patterns_only_what_has_no_finding_at_all_is_granted() {
    let mut world = automatic(Orders::default());
    let id = world.submit(10, "/a");
    assert!(!world.look_at(id).findings.is_empty(), "it writes, and nothing like it was seen");
    assert!(world.state.proposal(id).unwrap().is_pending());
}

#[test]
fn a_pattern_that_lets_anything_be_sent_is_refused_by_name() {
    let wide = PATTERN.replace("path: /a", "path: \"/a/*\"");
    match orders(None, Some(&wide)) {
        Err(OrdersError::AnyQuery { pattern, path }) => assert_eq!((&*pattern, &*path), ("one-file", "/a/*")),
        other => panic!("{other:?}"),
    }
    let with_query = PATTERN.replace("path: /a", "path: \"/a/*\", query: {v: \"1\"}");
    assert!(orders(None, Some(&with_query)).is_ok());
    assert_eq!(orders(None, Some(BASE)).unwrap_err(), OrdersError::NotRules("github".into()));
}
