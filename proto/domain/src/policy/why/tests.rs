mod properties;

use std::collections::BTreeMap;

use chrono::DateTime;

use super::*;
use crate::event::{Actor, ActorKind};
use crate::id::ProposalId;
use crate::node::Place;
use crate::policy::effective::Grant;
use crate::policy::read::policy_from_yaml;
use crate::policy::verdict::compile;
use crate::proposal::{Decision, Draft, Lease};

const BASE: &str = "version: 1
network_policies:
  github:
    endpoints: [{host: api.github.com, port: 443, protocol: rest, enforcement: enforce, access: read-only, deny_rules: [{method: '*', path: /admin/**}]}]
    binaries: [{path: /usr/bin/curl}]
  find:
    endpoints: [{host: find.example, port: 443, path: /v1/**, protocol: rest, enforcement: enforce, rules: [{allow: {method: GET, path: /v1/find, query: {lang: en}}}]}]
    binaries: [{path: /usr/bin/curl}]
  logs:
    endpoints: [{host: logs.example, port: 443, protocol: rest, enforcement: audit, access: read-only}]
    binaries: [{path: /usr/bin/curl}]
  git:
    endpoints: [{host: git.example, ports: [22, 6443]}]
    binaries: [{path: /usr/bin/git}]
";

fn grant(composition: &mut Composition, n: u128, path: &str) -> ProposalId {
    let proposal = ProposalId(uuid::Uuid::from_u128(0x3f0c_5c1e << 96 | n));
    let rule = policy_from_yaml(&format!(
        "version: 1\nnetwork_policies:\n  r: {{endpoints: [{{host: api.github.com, port: 443, protocol: rest, enforcement: enforce, rules: [{{allow: {{method: PUT, path: {path}}}}}]}}], binaries: [{{path: /usr/bin/curl}}]}}\n"
    ))
    .unwrap()
    .policy
    .network_policies
    .into_values()
    .next()
    .unwrap();
    let rule_name: RuleName = "put_file".parse().unwrap();
    let by = Actor {
        kind: ActorKind::Reviewer,
        id: "uid:1000".into(),
        authenticated: "door".into(),
        unisolated: false,
        request: None,
    };
    composition.grant(Grant {
        key: composition.key_for(&rule_name, proposal).unwrap(),
        proposal,
        draft: Draft { number: 1, rule_name, rule, rationale: String::new() },
        lease: Lease::Run,
        decision: Decision {
            by,
            at: DateTime::from_timestamp(1_800_000_000, 0).unwrap(),
            reason: "ok".into(),
            digest: crate::id::Digest([0; 32]),
        },
        run: None,
        base: composition.base_hash(),
        ended: None,
    });
    proposal
}

/// `GET https://host:port/path?query` by a chain; without a method, a stream. `WebSocket` is a GET that becomes one.
fn explain(composition: &Composition, chain: &[&str], asked: &str, addresses: Option<&str>) -> Explanation {
    let caller = Caller { chain: chain.iter().map(|path| (*path).to_owned()).collect() };
    let (method, rest) = asked.split_once(' ').unwrap_or(("", asked));
    let (authority, target) =
        rest.split_once('/').map_or((rest, String::new()), |(a, t)| (a, format!("/{t}")));
    let (host, port) = crate::policy::host::parse_authority(authority).unwrap();
    let (path, query) = target.split_once('?').map_or((&*target, None), |(p, q)| (p, Some(q)));
    let traffic = match method {
        "" => Traffic::Stream,
        "WebSocket" => Traffic::Upgrade(Request { method: "GET", path, query }),
        method => Traffic::Request(Request { method, path, query }),
    };
    let addresses: Option<Vec<IpAddr>> =
        addresses.map(|list| list.split(' ').map(|a| a.parse().unwrap()).collect());
    let question = Question {
        caller: &caller,
        host: &host,
        port: port.unwrap(),
        traffic,
        addresses: addresses.as_deref(),
    };
    let places = BTreeMap::from([
        ("github".parse().unwrap(), Place { line: 3, column: 3 }),
        ("find".parse().unwrap(), Place { line: 6, column: 3 }),
    ]);
    let compiled = compile(&composition.effective()).unwrap();
    why(composition, &Source { file: "policy.yaml", places: &places }, &compiled, &question)
}

fn base() -> Composition {
    Composition::new(policy_from_yaml(BASE).unwrap().policy)
}

const CURL: &[&str] = &["/usr/bin/curl", "/usr/bin/bash"];

#[test]
fn what_is_allowed_names_its_rule_and_where_that_comes_from() {
    let mut composition = base();
    grant(&mut composition, 1, "/repos/**");
    assert_eq!(
        explain(&composition, CURL, "PUT api.github.com:443/repos/o/r", None).to_string(),
        "PUT api.github.com:443 /repos/o/r by /usr/bin/curl below /usr/bin/bash is allowed\n  by put_file: api.github.com:443 [L7 rest, allow PUT /repos/**] for /usr/bin/curl, by its allow PUT /repos/** (proposal 3f0c5c1e approved by uid:1000 at 2027-01-15T08:00:00Z “ok”, until the run ends)"
    );
    assert_eq!(
        explain(&composition, CURL, "GET api.github.com:443/x", None).to_string(),
        "GET api.github.com:443 /x by /usr/bin/curl below /usr/bin/bash is allowed\n  by github: api.github.com:443 [L7 rest, access=read-only, deny * /admin/**] for /usr/bin/curl, by its access=read-only (policy.yaml:3)"
    );
    assert_eq!(
        explain(&composition, CURL, "POST logs.example:443/x", None).to_string(),
        "POST logs.example:443 /x by /usr/bin/curl below /usr/bin/bash is allowed and marked, because the rule only audits\n  by logs: logs.example:443 [L7 rest, access=read-only, audit] for /usr/bin/curl, audit (policy.yaml)"
    );
    assert_eq!(
        explain(&composition, &["/usr/bin/git"], "git.example:22", None).to_string(),
        "a stream to git.example:22 by /usr/bin/git is allowed\n  by git: git.example:22 [L4] for /usr/bin/git (policy.yaml)"
    );
}

#[test]
fn what_is_denied_says_what_is_missing_and_what_could_be_asked_for() {
    let composition = base();
    let tail = |asked: &str, addresses| {
        let shown = explain(&composition, CURL, asked, addresses).to_string();
        shown.split_once(" is denied: ").unwrap().1.to_owned()
    };
    for (asked, addresses, wanted) in [
        (
            "GET pypi.example:443/a",
            None,
            "no rule names this host and port\n  a proposal could allow it: pypi.example:443 [L7 rest, allow GET /a] for /usr/bin/curl",
        ),
        (
            "api.github.com:22",
            None,
            "no rule names this host and port\n  the host is named at another port by github: api.github.com:443 [L7 rest, access=read-only, deny * /admin/**] for /usr/bin/curl (policy.yaml:3)\n  a proposal could allow it: api.github.com:22 [L4] for /usr/bin/curl",
        ),
        (
            "git.example:22",
            None,
            "host and port are named for other binaries only\n  named by git: git.example:22 [L4] for /usr/bin/git (policy.yaml)\n  a proposal could allow it: git.example:22 [L4] for /usr/bin/curl",
        ),
        (
            "git.example:6443",
            None,
            "host and port are named for other binaries only\n  named by git: git.example:6443 [L4] for /usr/bin/git (policy.yaml)\n  no proposal can allow it",
        ),
        (
            "PUT api.github.com:443/x",
            None,
            "the connection is inspected, and no allow matches\n  by github: api.github.com:443 [L7 rest, access=read-only, deny * /admin/**] for /usr/bin/curl (policy.yaml:3)\n  nearest is github: api.github.com:443 [L7 rest, access=read-only, deny * /admin/**] for /usr/bin/curl, by its access=read-only (policy.yaml:3): its method differs\n  a proposal could allow it: api.github.com:443 [L7 rest, allow PUT /x] for /usr/bin/curl",
        ),
        (
            "GET api.github.com:443/admin/x",
            None,
            "a deny rule stands in the way, and no allow can change that\n  by github: api.github.com:443 [L7 rest, access=read-only, deny * /admin/**] for /usr/bin/curl, by its deny * /admin/** (policy.yaml:3)\n  no proposal can allow it",
        ),
        (
            "GET find.example:443/v2",
            None,
            "the connection is inspected, and no endpoint is about this path\n  inspected by find: find.example:443 [L7 rest, allow GET /v1/find ?lang=en, path=/v1/**] for /usr/bin/curl (policy.yaml:6)\n  a proposal could allow it: find.example:443 [L7 rest, allow GET /v2] for /usr/bin/curl",
        ),
        (
            "GET find.example:443/v1/find?lang=%",
            None,
            "the query has no single reading (a bad escape, a `;`, or not UTF-8), and a rule reads queries\n  by find: find.example:443 [L7 rest, allow GET /v1/find ?lang=en, path=/v1/**] for /usr/bin/curl (policy.yaml:6)\n  no proposal can allow it",
        ),
        (
            "find.example:443",
            None,
            "the connection is inspected, and this is not a request\n  by find: find.example:443 [L7 rest, allow GET /v1/find ?lang=en, path=/v1/**] for /usr/bin/curl (policy.yaml:6)\n  no proposal can allow it",
        ),
        (
            "GET api.github.com:443/x",
            Some("127.0.0.1"),
            "resolves to 127.0.0.1, an always-blocked address\n  by github: api.github.com:443 [L7 rest, access=read-only, deny * /admin/**] for /usr/bin/curl (policy.yaml:3)\n  no proposal can allow it",
        ),
        (
            "GET api.github.com:443/x",
            Some("10.0.0.7"),
            "resolves to internal address 10.0.0.7, which no `allowed_ips` of the rule holds\n  by github: api.github.com:443 [L7 rest, access=read-only, deny * /admin/**] for /usr/bin/curl (policy.yaml:3)\n  no proposal can allow it",
        ),
        ("localhost:80", None, "this machine itself is never reachable\n  no proposal can allow it"),
    ] {
        assert_eq!(tail(asked, addresses), wanted, "{asked}");
    }
}

/// Kills: a port of a control plane that is said to be open by a name alone, or to be open to nobody.
#[test]
fn a_port_of_a_control_plane_wants_addresses() {
    let mut composition = base();
    let by = |composition: &Composition, asked: &str, addresses| {
        explain(composition, &["/usr/bin/git"], asked, addresses)
            .to_string()
            .split_once(" is ")
            .unwrap()
            .1
            .to_owned()
    };
    let closed = "port 6443 is a control-plane port, which opens only to addresses that `allowed_ips` of the rule holds";
    let rule = "git: git.example:6443 [L4] for /usr/bin/git (policy.yaml)";
    for addresses in [None, Some("8.8.8.8")] {
        assert_eq!(
            by(&composition, "git.example:6443", addresses),
            format!("denied: {closed}\n  by {rule}\n  no proposal can allow it"),
            "another list beside this one would not load"
        );
    }
    let missing = "denied: no rule names this host and port";
    assert_eq!(
        by(&composition, "k.example:6443", None),
        format!(
            "{missing}\n  a proposal could allow it that lists the addresses of the host in `allowed_ips`"
        )
    );
    let wanted = |at: &str| {
        format!(
            "{missing}\n  a proposal could allow it: {at}:6443 [L4, allowed_ips=10.1.0.1/32] for /usr/bin/git"
        )
    };
    assert_eq!(by(&composition, "k.example:6443", Some("10.1.0.1")), wanted("k.example"));
    assert_eq!(by(&composition, "10.1.0.1:6443", None), wanted("10.1.0.1"));
    let listed = BASE.replace("6443]}", "6443], allowed_ips: [10.1.0.0/16]}");
    composition = Composition::new(policy_from_yaml(&listed).unwrap().policy);
    for addresses in [None, Some("10.1.0.1")] {
        assert!(by(&composition, "git.example:6443", addresses).starts_with("allowed\n  by git: "));
    }
    let elsewhere = by(&composition, "git.example:6443", Some("10.2.0.1"));
    assert!(
        elsewhere.starts_with("denied: resolves to 10.2.0.1, which is not in `allowed_ips`"),
        "{elsewhere}"
    );
}

#[test]
fn the_nearest_allow_differs_in_as_little_as_possible() {
    let mut composition = base();
    grant(&mut composition, 1, "/repos/o/a");
    grant(&mut composition, 2, "/repos/o/bc");
    let nearest = |asked: &str| match explain(&composition, CURL, asked, None).missing {
        Some(Missing::NoAllow { nearest: Some(nearest) }) => {
            (nearest.ruling.rule.to_string(), nearest.differs)
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(nearest("PUT api.github.com:443/repos/o/bd"), ("github".into(), Differs::Method));
    assert_eq!(
        nearest("DELETE api.github.com:443/repos/o/bc"),
        ("put_file~3f0c5c1e".into(), Differs::Method)
    );
    assert_eq!(nearest("GET find.example:443/v1/find"), ("find".into(), Differs::Query));
    assert_eq!(nearest("POST find.example:443/v1/find?lang=en"), ("find".into(), Differs::Method));
    assert_eq!(nearest("GET find.example:443/v1/x"), ("find".into(), Differs::Path));
    assert_eq!(nearest("PUT find.example:443/v1/x"), ("find".into(), Differs::MethodAndPath));
}

#[test]
fn a_grant_that_has_ended_is_told_and_the_answer_is_data_too() {
    let mut composition = base();
    let proposal = grant(&mut composition, 1, "/repos/**");
    composition.end(proposal, DateTime::from_timestamp(1_800_000_060, 0).unwrap());
    let found = explain(&composition, CURL, "PUT api.github.com:443/repos/a", None);
    assert!(
        found.to_string().contains("\n  it was allowed by proposal 3f0c5c1e approved by uid:1000 at 2027-01-15T08:00:00Z “ok”, ended at 2027-01-15T08:01:00Z\n"),
        "{found}"
    );
    let json = serde_json::to_value(&found).unwrap();
    assert_eq!(json["verdict"], "denied");
    assert_eq!(json["missing"]["kind"], "no_allow");
    assert_eq!(json["missing"]["nearest"]["differs"], "method");
    assert_eq!(json["decided"]["layer"], "l7");
    assert_eq!(
        json["decided"]["provenance"],
        serde_json::json!({"from": "file", "file": "policy.yaml", "line": 3})
    );
    assert_eq!(json["ended"][0]["lease"], "run");
}

/// Kills: a WebSocket that is explained as the GET that it begins with, and advice that a preset could follow.
#[test]
fn only_a_written_get_opens_a_websocket() {
    let mut composition = base();
    let by = |composition: &Composition, asked: &str| {
        explain(composition, CURL, asked, None)
            .to_string()
            .split_once(" below /usr/bin/bash is ")
            .unwrap()
            .1
            .to_owned()
    };
    let why = "denied: it may pass, and may not become a WebSocket: only a rule that writes GET out opens one, no preset and no audit";
    assert_eq!(
        by(&composition, "WebSocket api.github.com:443/ws"),
        format!(
            "{why}\n  by github: api.github.com:443 [L7 rest, access=read-only, deny * /admin/**] for /usr/bin/curl, by its access=read-only (policy.yaml:3)\n  a proposal could allow it: api.github.com:443 [L7 rest, allow GET /ws] for /usr/bin/curl"
        )
    );
    let audited = by(&composition, "WebSocket logs.example:443/ws");
    assert!(audited.starts_with(&format!("{why}\n  by logs: ")), "{audited}");
    assert!(
        by(&composition, "WebSocket api.github.com:443/admin/x")
            .starts_with("denied: a deny rule stands in the way")
    );
    let unread = explain(&composition, &["/usr/bin/git"], "WebSocket git.example:22/", None).to_string();
    assert!(
        unread.starts_with("WebSocket git.example:22 / by /usr/bin/git is allowed\n  by git: "),
        "{unread}"
    );
    let rule = explain(&composition, CURL, "WebSocket api.github.com:443/ws", None).ask.unwrap();
    let mut policy = composition.effective();
    policy.network_policies.insert("ws".parse().unwrap(), rule);
    composition = Composition::new(policy);
    let opened = by(&composition, "WebSocket api.github.com:443/ws");
    assert!(opened.starts_with("allowed\n  by ws: ") && opened.contains("by its allow GET /ws"), "{opened}");
}

/// Kills: a refusal that names no rule because the host resolves to what no rule may dial, which is asked later.
#[test]
fn a_websocket_that_nothing_writes_out_names_its_rule_also_where_nobody_may_dial() {
    let told = explain(&base(), CURL, "WebSocket api.github.com:443/ws", Some("10.9.9.9"));
    assert_eq!((told.verdict, told.missing), (Answer::Denied, Some(Missing::NotWritten)));
    assert_eq!(told.decided.map(|ruling| ruling.rule.to_string()).as_deref(), Some("github"));
}
