use openshell_domain::proposal::body;
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::identity::Holder;
use crate::pipeline::{Layer, Refused};

fn denial(binary: &str, at: (&str, u16), ask: Ask) -> Denial {
    Denial {
        id: Uuid::nil(),
        refused: Refused {
            error: "policy_denied",
            engine: "opa",
            layer: Layer::L4,
            rule: "-".into(),
            reason: "no".into(),
            is_fixable: true,
        },
        holder: Some(Holder { pid: 9, caller: Caller { chain: vec![binary.into()] } }),
        host: Host::parse(at.0).unwrap(),
        port: at.1,
        ask,
    }
}

fn request(method: &str, path: &str) -> Ask {
    Ask::Request { method: method.into(), path: path.into() }
}

fn add(endpoint: &Value) -> AddRule {
    let rule = json!({"endpoints": [endpoint], "binaries": [{"path": "/usr/bin/curl"}]});
    let text = json!({"intent_summary": "x", "operations": [{"addRule": {"ruleName": "r", "rule": rule}}]});
    body::read(text.to_string().as_bytes()).unwrap().operations.remove(0).unwrap()
}

fn put(host: &str, path: &str) -> AddRule {
    let rules = json!([{"allow": {"method": "PUT", "path": path}}]);
    add(&json!({"host": host, "port": 443, "protocol": "rest", "enforcement": "enforce", "rules": rules}))
}

fn shown(seen: &[Seen]) -> Vec<String> {
    let line = |seen: &Seen| {
        let (method, path) = (seen.method.as_deref().unwrap_or("-"), seen.path.as_deref().unwrap_or("-"));
        format!("{}x {} {}:{} {method} {path}", seen.count, seen.binary, seen.host, seen.port)
    };
    seen.iter().map(line).collect()
}

const CURL: &str = "/usr/bin/curl";

#[test]
fn the_same_is_counted_and_the_latest_is_first() {
    let evidence = Evidence::default();
    let put_a = denial(CURL, ("a.example", 443), request("PUT", "/a"));
    evidence.record(&put_a);
    evidence.record(&denial(CURL, ("a.example", 443), Ask::Connect));
    evidence.record(&put_a);
    evidence.record(&Denial { holder: None, ..put_a.clone() });
    evidence.record(&denial(CURL, ("a.example", 443), request(&"X".repeat(33), "/a")));
    let seen: Vec<Seen> = evidence.latest().iter().map(Seen::from).collect();
    assert_eq!(
        shown(&seen),
        ["2x /usr/bin/curl a.example:443 PUT /a", "1x /usr/bin/curl a.example:443 - -"],
        "nobody's and what no rule can name count for nothing"
    );
}

#[test]
fn only_what_is_like_an_operation_is_its_evidence() {
    let evidence = Evidence::default();
    for (binary, at, ask) in [
        (CURL, ("a.example", 443), request("PUT", "/a")),
        ("/usr/bin/wget", ("a.example", 443), request("GET", "/b")),
        (CURL, ("a.example", 8443), Ask::Connect),
        ("/usr/bin/wget", ("a.example", 8443), Ask::Connect),
        (CURL, ("b.example", 443), request("PUT", "/a")),
        (CURL, ("169.254.169.254", 80), request("GET", "/")),
    ] {
        evidence.record(&denial(binary, at, ask));
    }
    let of = |add: &AddRule| shown(&of(add, &evidence.latest()));
    let at_host = [
        "1x /usr/bin/curl a.example:443 PUT /a",
        "1x /usr/bin/curl a.example:8443 - -",
        "1x /usr/bin/wget a.example:443 GET /b",
    ];
    assert_eq!(of(&put("a.example", "/a")), at_host, "what it would allow is first");
    assert_eq!(of(&put("*.sub.a.example", "/a")), [""; 0]);
    assert_eq!(of(&add(&json!({"host": "a.example", "port": 8443}))).len(), 3);
    assert_eq!(of(&put("c.example", "/a")), [""; 0]);
}

#[test]
fn a_wildcard_host_is_like_the_hosts_that_it_matches() {
    let evidence = Evidence::default();
    evidence.record(&denial(CURL, ("x.a.example", 443), request("PUT", "/a")));
    evidence.record(&denial(CURL, ("x.b.example", 443), request("PUT", "/a")));
    let found = of(&put("*.a.example", "/a"), &evidence.latest());
    assert_eq!(shown(&found), ["1x /usr/bin/curl x.a.example:443 PUT /a"]);
}

#[test]
fn there_are_few_and_what_is_asked_for_is_among_them() {
    let evidence = Evidence::default();
    evidence.record(&denial(CURL, ("a.example", 443), request("PUT", "/asked")));
    for n in 0..20 {
        evidence.record(&denial(CURL, ("a.example", 443), request("PUT", &format!("/other/{n}"))));
    }
    let found = shown(&of(&put("a.example", "/asked"), &evidence.latest()));
    assert_eq!(found.len(), MAX_EVIDENCE);
    assert_eq!(found[0], "1x /usr/bin/curl a.example:443 PUT /asked");
    assert_eq!(found[1], "1x /usr/bin/curl a.example:443 PUT /other/19");
}

#[test]
fn what_was_longest_not_seen_goes() {
    let evidence = Evidence::default();
    let one = |n: usize| denial(CURL, ("a.example", 443), request("PUT", &format!("/{n}")));
    for n in 0..KEPT {
        evidence.record(&one(n));
    }
    evidence.record(&one(0));
    evidence.record(&one(KEPT));
    let paths: Vec<String> = evidence.latest().iter().filter_map(|kept| Seen::from(kept).path).collect();
    assert_eq!(paths.len(), KEPT);
    assert_eq!(paths[..2], [format!("/{KEPT}"), "/0".to_owned()]);
    assert!(!paths.contains(&"/1".to_owned()), "it was the oldest");
}
