use proptest::prelude::*;

use super::*;
use crate::policy::Policy;
use crate::policy::pattern::{Pattern, Separator};
use crate::policy::read::policy_from_yaml;
use crate::policy::render;
use crate::policy::verdict;

const POLICY: &str = r#"
version: 1
network_policies:
  api: {endpoints: [{host: api.example, port: 443, protocol: rest, enforcement: enforce, access: read-only, deny_rules: [{method: POST, path: /admin/**}]}], binaries: [{path: /usr/bin/curl}]}
  raw: {endpoints: [{host: raw.example, port: 22}], binaries: [{path: /usr/bin/ssh}]}
  sh: {endpoints: [{host: up.example, port: 443, protocol: rest, enforcement: enforce, access: full}], binaries: [{path: /usr/bin/bash}]}
"#;

fn policy() -> Policy {
    policy_from_yaml(POLICY).unwrap().policy
}

fn draft(denied: &[Denied]) -> Vec<Mapped> {
    super::draft(denied, &verdict::compile(&policy()).unwrap())
}

fn denied(chain: &[&str], (host, port): (&str, u16), request: Option<(&str, &str)>) -> Denied {
    Denied {
        caller: Caller { chain: chain.iter().map(|path| (*path).to_owned()).collect() },
        host: Host::parse(host).unwrap(),
        port,
        request: request.map(|(method, path)| (method.to_owned(), path.to_owned())),
        is_upgrade: false,
        times: 1,
        fresh: 1,
        sha256: None,
    }
}

fn curl(host: &str, request: Option<(&str, &str)>) -> Denied {
    denied(&["/usr/bin/curl"], (host, 443), request)
}

fn lines(drafts: &[Mapped]) -> Vec<String> {
    let line = |mapped: &Mapped| {
        let rule = &mapped.add.rule;
        format!("{} | {}", rule.binaries[0].path, crate::policy::render::endpoint_lines(rule).join("; "))
    };
    drafts.iter().map(line).collect()
}

#[test]
fn requests_become_rules_by_method_and_generalised_path() {
    let drafts = draft(&[
        curl("new.example", None),
        curl("new.example", Some(("PUT", "/repos/7/x"))),
        curl("new.example", Some(("GET", "/repos/8/x"))),
        curl("new.example", Some(("PUT", "/repos/9/x"))),
    ]);
    assert_eq!(
        lines(&drafts),
        ["/usr/bin/curl | new.example:443 [L7 rest, allow GET /repos/*/x, allow PUT /repos/*/x]"]
    );
    assert_eq!(
        drafts[0].rationale,
        "/usr/bin/curl was denied at new.example:443: GET /repos/*/x, PUT /repos/*/x."
    );
    assert_eq!(drafts[0].evidence.len(), 4);
}

#[test]
fn host_and_port_alone_only_where_nothing_better_is_known() {
    let drafts = draft(&[denied(&["/usr/bin/git"], ("git.example", 22), None)]);
    assert_eq!(lines(&drafts), ["/usr/bin/git | git.example:22 [L4]"]);
}

/// Kills: dropping any of the conditions of `is_wanted`.
#[test]
fn w27_nothing_is_drafted_that_no_rule_can_fix_that_is_allowed_or_that_nobody_asked_for() {
    for (why, one) in [
        ("loopback", curl("127.0.0.1", Some(("GET", "/")))),
        ("metadata", curl("metadata.google.internal", None)),
        ("ourselves", curl("policy.local", None)),
        ("control plane", denied(&["/usr/bin/curl"], ("k.example", 6443), None)),
        ("nobody", denied(&[], ("new.example", 443), None)),
        ("not a path", denied(&["-"], ("new.example", 443), None)),
        ("never forwarded", curl("new.example", Some(("TRACE", "/x")))),
        ("a deny rule", curl("api.example", Some(("POST", "/admin/x")))),
        ("allowed by now", curl("api.example", Some(("GET", "/x")))),
        (
            "allowed by now, by its ancestor",
            denied(&["/usr/bin/wget", "/usr/bin/bash"], ("up.example", 443), Some(("GET", "/x"))),
        ),
        ("allowed by now, unread", denied(&["/usr/bin/ssh"], ("raw.example", 22), None)),
        ("read already", curl("api.example", None)),
        ("told already", Denied { fresh: 0, ..curl("new.example", Some(("GET", "/x"))) }),
    ] {
        assert_eq!(lines(&draft(std::slice::from_ref(&one))), [""; 0], "{why}");
    }
}

/// An agent that asks for `/**` by that name must not be given every path. Kills: `is_glob` left out of `is_wanted`.
#[test]
fn what_an_agent_spells_like_a_pattern_is_never_drafted() {
    for one in [
        curl("new.example", Some(("GET", "/**"))),
        curl("new.example", Some(("GET", "/a*b"))),
        curl("new.example", Some(("*", "/a"))),
        denied(&["/tmp/*"], ("new.example", 443), Some(("GET", "/a"))),
        denied(&["/tmp/[a]"], ("new.example", 443), Some(("GET", "/a"))),
    ] {
        assert_eq!(lines(&draft(std::slice::from_ref(&one))), [""; 0], "{one:?}");
    }
    let at = (&Host::parse("new.example").unwrap(), 443);
    assert!(narrowest("r", &["/usr/bin/curl"], at, &[("GET", "/a*b")]).is_none());
    assert!(narrowest("r", &["/tmp/*"], at, &[("GET", "/a")]).is_none());
    assert!(narrowest("r", &[], at, &[]).is_none());
}

/// Kills: a name without the program, or with characters folded and nothing that tells them apart.
#[test]
fn w28_names_tell_programs_and_look_alike_hosts_apart() {
    let mut names: Vec<String> = [
        denied(&["/usr/bin/curl"], ("a-b.example", 443), None),
        denied(&["/opt/bin/curl"], ("a-b.example", 443), None),
        denied(&["/usr/bin/wget"], ("a-b.example", 443), None),
        denied(&["/usr/bin/curl"], ("a.b.example", 443), None),
        denied(&["/usr/bin/curl"], ("2606:4700::11", 443), None),
        denied(&["/usr/bin/curl"], ("2606:4700:0:1::1", 443), None),
        denied(&["/usr/bin/curl"], ("a-b.example", 8443), None),
        denied(&["/usr/bin/c url"], ("a-b.example", 443), None),
        denied(&["/usr/bin/c_url"], ("a-b.example", 443), None),
        denied(&["/usr/bin/curl"], (&format!("{}.example", "long".repeat(15)), 443), None),
        denied(&["/usr/bin/curl"], (&format!("{}.example", "long".repeat(14)), 443), None),
    ]
    .iter()
    .map(|one| draft(std::slice::from_ref(one)).remove(0).add.rule_name.to_string())
    .collect();
    assert!(names[0].starts_with("allow_curl_a-b.example_443_"), "{names:?}");
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count, "{names:?}");
}

#[test]
fn a_private_address_is_listed_and_an_encoded_slash_is_allowed_where_they_are_needed() {
    let drafts = draft(&[curl("10.1.2.3", Some(("GET", "/a%2Fb"))), curl("2606:4700::11", None)]);
    let private = &drafts.iter().find(|mapped| mapped.add.rule.endpoints[0].host == "10.1.2.3").unwrap();
    let endpoint = &private.add.rule.endpoints[0];
    assert_eq!(endpoint.allowed_ips, ["10.1.2.3/32".parse().unwrap()]);
    assert!(endpoint.allow_encoded_slash);
    assert_eq!(drafts.len(), 2);
}

#[test]
fn ten_thousand_paths_make_one_small_draft() {
    let many: Vec<Denied> = (0..10_000)
        .map(|n| Denied {
            times: 1 + u64::from(n == 4321),
            ..curl("new.example", Some(("GET", &format!("/x{n}"))))
        })
        .collect();
    let drafts = draft(&many);
    assert_eq!((drafts.len(), drafts[0].add.rule.endpoints[0].rules.len()), (1, MAX_RULES));
    let has = |path: &str| drafts[0].add.rule.endpoints[0].rules.iter().any(|rule| rule.allow.path == path);
    assert!(has("/x4321"), "the most frequent is among them");
    assert_eq!(drafts[0].evidence.len(), MAX_EVIDENCE);
    assert!(drafts[0].rationale.len() < 200, "{}", drafts[0].rationale);
    let long: Vec<Denied> =
        (0..20).map(|n| curl("new.example", Some(("GET", &format!("/{n}{}", "y".repeat(1990)))))).collect();
    assert_eq!(draft(&long)[0].add.rule.endpoints[0].rules.len(), 4, "8 KiB of paths");
}

const BINARIES: [&str; 3] = ["/usr/bin/curl", "/usr/bin/ssh", "/opt/my agent"];
const HOSTS: [&str; 4] = ["api.example", "raw.example", "new.example", "10.0.0.1"];
const METHODS: [&str; 4] = ["GET", "HEAD", "PUT", "X-OWN"];

fn path() -> impl Strategy<Value = String> {
    let segment = prop_oneof![
        Just("a"),
        Just("b"),
        Just("7"),
        Just("42"),
        Just("deadbeefdeadbeef"),
        Just("x%2Fy"),
        Just("admin"),
        Just("3f0c5c1e-6f0b-4a52-9c33-1f5b2d4c7e10"),
        Just("*"),
        Just("~u"),
    ];
    proptest::collection::vec(segment, 0..4).prop_map(|segments| format!("/{}", segments.join("/")))
}

prop_compose! {
    fn anything()(
        binary in 0..BINARIES.len(), host in 0..HOSTS.len(), port in prop_oneof![Just(443_u16), Just(22)],
        request in proptest::option::of((0..METHODS.len(), path())), fresh in 0..3_u64, more in 0..3_u64,
    ) -> Denied {
        let request = request.as_ref().map(|(method, path)| (METHODS[*method], path.as_str()));
        Denied { fresh, times: fresh + more, ..denied(&[BINARIES[binary]], (HOSTS[host], port), request) }
    }
}

fn granted(drafts: &[Mapped]) -> CompiledPolicy {
    let mut policy = policy();
    for mapped in drafts {
        policy.network_policies.insert(mapped.add.rule_name.clone(), mapped.add.rule.clone());
    }
    verdict::compile(&policy).unwrap()
}

fn passes(judge: &CompiledPolicy, one: &Denied) -> bool {
    match (judge.connect(&one.caller, &one.host, one.port), &one.request) {
        (Connect::Denied(_), _) | (Connect::Inspected(_), None) => false,
        (Connect::Opaque(_), _) => true,
        (Connect::Inspected(at), Some((method, path))) => {
            matches!(judge.request(&at, &Request { method, path, query: None }), RequestVerdict::Allowed(_))
        }
    }
}

proptest! {
    /// Kills: an order that depends on the input, a hash map in the way.
    #[test]
    fn w28_the_order_of_what_was_denied_does_not_matter(
        (ordered, shuffled) in proptest::collection::vec(anything(), 0..12)
            .prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle()))
    ) {
        prop_assert_eq!(draft(&ordered), draft(&shuffled));
    }

    /// Once granted, there is nothing left to draft; what was drafted passes.
    #[test]
    fn what_was_drafted_passes_once_it_is_granted_and_is_not_drafted_again(
        all in proptest::collection::vec(anything(), 0..12)
    ) {
        let drafts = draft(&all);
        let judge = granted(&drafts);
        prop_assert!(super::draft(&all, &judge).is_empty());
        for mapped in &drafts {
            prop_assert!(mapped.add.rule.endpoints[0].rules.len() <= MAX_RULES);
            for seen in mapped.evidence.iter().filter(|seen| seen.method.is_some() == mapped.add.rule.endpoints[0].is_l7()) {
                let request = seen.method.as_deref().zip(seen.path.as_deref());
                let one = denied(&[&seen.binary], (&seen.host, seen.port), request);
                prop_assert!(passes(&judge, &one), "{:?}", one);
            }
        }
    }

    /// Kills: a rule with a wider method, path, host, port or program than what was denied.
    #[test]
    fn drafts_never_allow_more_than_the_generalisation_says(
        all in proptest::collection::vec(anything(), 0..8), other in anything()
    ) {
        let drafts = draft(&all);
        let before = verdict::compile(&policy()).unwrap();
        if passes(&granted(&drafts), &other) && !passes(&before, &other) {
            let is_same = |one: &&Denied| {
                (&one.caller, &one.host, one.port) == (&other.caller, &other.host, other.port)
            };
            let is_told = |one: &Denied| match (&one.request, &other.request) {
                (None, _) => true,
                (Some(_), None) => false,
                (Some((method, path)), Some((its, asked))) => {
                    let is_method = method == its || (method == "GET" && its == "HEAD");
                    let shape = Pattern::compile(&generalised(path), Separator::Slash).unwrap();
                    is_method && shape.matches(asked)
                }
            };
            prop_assert!(all.iter().filter(is_same).any(is_told), "{:?}", other);
        }
    }

    /// Kills: a rule in a deny body that lets more pass than that request, or less.
    #[test]
    fn w25_the_narrowest_rule_is_exactly_the_request(one in anything(), other in anything()) {
        let before = verdict::compile(&policy()).unwrap();
        if is_wanted(&one, &before) {
            let request = one.request.as_ref().map(|(method, path)| (method.as_str(), path.as_str()));
            let requests: Vec<(&str, &str)> = request.into_iter().collect();
            let binary = one.caller.binary().unwrap();
            let (value, add) = narrowest("r", &[binary], (&one.host, one.port), &requests).unwrap();
            let posted = serde_json::json!({"intent_summary": "x", "operations": [value]}).to_string();
            let read = body::read(posted.as_bytes()).unwrap().operations.remove(0).unwrap();
            prop_assert_eq!(&read, &add);
            let after = granted(&[Mapped { add, rationale: String::new(), evidence: Vec::new() }]);
            prop_assert!(passes(&after, &one));
            let is_head = matches!((&one.request, &other.request), (Some((a, p)), Some((b, q))) if a == "GET" && b == "HEAD" && p == q);
            let is_it = (&one.caller, &one.host, one.port, &one.request) == (&other.caller, &other.host, other.port, &other.request);
            let is_same_stream = one.request.is_none() && (&one.caller, &one.host, one.port) == (&other.caller, &other.host, other.port);
            if !is_it && !is_head && !is_same_stream {
                prop_assert_eq!(passes(&after, &other), passes(&before, &other));
            }
        }
    }
}

/// Kills: a denied upgrade that is taken for the request that the preset allows.
#[test]
fn a_websocket_that_was_denied_is_drafted_as_its_get() {
    let upgrade = Denied { is_upgrade: true, ..curl("api.example", Some(("GET", "/socket"))) };
    assert_eq!(
        lines(&draft(std::slice::from_ref(&upgrade))),
        ["/usr/bin/curl | api.example:443 [L7 rest, allow GET /socket]"]
    );
    assert_eq!(lines(&draft(&[Denied { is_upgrade: false, ..upgrade }])), [""; 0]);
}

/// Kills: a generalised path, a rule for what is allowed by now, and a body that cannot be sent as it is.
#[test]
fn what_covers_denials_is_exact_and_can_be_sent_as_it_is() {
    let judge = verdict::compile(&policy()).unwrap();
    let seen = [
        curl("new.example", Some(("GET", "/repos/7/x"))),
        Denied { fresh: 0, ..curl("new.example", Some(("PUT", "/repos/8/x"))) },
        curl("api.example", Some(("GET", "/allowed"))),
        denied(&["/usr/bin/git"], ("git.example", 22), None),
    ];
    let body = covering(&seen, &judge).unwrap();
    assert_eq!(
        body["intent_summary"],
        "/usr/bin/curl was denied at new.example:443: GET /repos/7/x, PUT /repos/8/x. /usr/bin/git was denied \
         connections to git.example:22; what it would have sent is not known."
    );
    let read = body::read(body.to_string().as_bytes()).unwrap().operations;
    let rules: Vec<String> =
        read.into_iter().flat_map(|add| render::endpoint_lines(&add.unwrap().rule)).collect();
    assert_eq!(
        rules,
        ["new.example:443 [L7 rest, allow GET /repos/7/x, allow PUT /repos/8/x]", "git.example:22 [L4]"]
    );
    assert_eq!(covering(&seen[2..3], &judge), None);
}
