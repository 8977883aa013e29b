use openshell_domain::policy::risk::MAX_EVIDENCE;
use openshell_domain::proposal::body::{self, AddRule};
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
            lacking: Vec::new(),
        },
        holders: vec![Holder::new(9, Caller { chain: vec![binary.into()] })],
        host: Host::parse(at.0).unwrap(),
        port: at.1,
        ask,
    }
}

fn request(method: &str, path: &str) -> Ask {
    Ask::Request { method: method.into(), path: path.into(), is_upgrade: false }
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
    evidence.record(&Denial { holders: Vec::new(), ..put_a.clone() });
    evidence.record(&denial(CURL, ("a.example", 443), request(&"X".repeat(33), "/a")));
    let seen: Vec<Seen> = evidence.latest().iter().map(Seen::from).collect();
    assert_eq!(
        shown(&seen),
        ["2x /usr/bin/curl a.example:443 PUT /a", "1x /usr/bin/curl a.example:443 - -"],
        "nobody's and what no rule can name count for nothing"
    );
}

#[test]
fn a_denial_of_several_processes_of_one_program_counts_once() {
    let evidence = Evidence::default();
    let one = denial(CURL, ("a.example", 443), Ask::Connect);
    let of = |pid, binary: &str| Holder::new(pid, Caller { chain: vec![binary.into()] });
    let holders = vec![of(9, CURL), of(10, "/usr/bin/tee"), of(11, CURL)];
    evidence.record(&Denial { holders, ..one });
    let seen: Vec<Seen> = evidence.latest().iter().map(Seen::from).collect();
    assert_eq!(shown(&seen), ["1x /usr/bin/tee a.example:443 - -", "1x /usr/bin/curl a.example:443 - -"]);
}

/// Kills: taking the hash when the denial comes, which is before the file is read; and an answer that changes while it
/// is used.
#[test]
fn a_hash_that_comes_after_the_denial_is_told_with_it() {
    let evidence = Evidence::default();
    let denied = denial(CURL, ("a.example", 443), Ask::Connect);
    let hash = denied.holders[0].sha256.clone();
    evidence.record(&denied);
    let before = evidence.latest();
    hash.set(Digest([7; 32]));
    assert_eq!(Seen::from(&before[0]).sha256, None);
    let after = evidence.latest();
    assert_eq!(Seen::from(&after[0]).sha256, Some(Digest([7; 32])));
    assert_eq!(Denied::from(&after[0]).sha256, Some(Digest([7; 32])));
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
    let one =
        |n: usize| denial(CURL, (&format!("{}.example", n % 100), 443), request("PUT", &format!("/{n}")));
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

/// Kills: samples without a bound of their own, or a bound without a counter.
#[test]
fn w27_one_key_has_few_samples_and_does_not_push_out_the_others() {
    let evidence = Evidence::default();
    evidence.record(&denial("/usr/bin/wget", ("b.example", 443), Ask::Connect));
    for n in 0..10_000 {
        evidence.record(&denial(CURL, ("a.example", 443), request("GET", &format!("/{n}"))));
    }
    let kept = evidence.latest();
    assert_eq!(kept.len(), SAMPLES + 1);
    assert_eq!(evidence.dropped(), 10_000 - SAMPLES as u64);
    assert_eq!(Seen::from(&kept[SAMPLES]).binary, "/usr/bin/wget");
    for n in 0..10_000_u32 {
        evidence.record(&denial(CURL, (&format!("h{n}.example"), 443), Ask::Connect));
    }
    assert_eq!(evidence.latest().len(), KEPT);
}

/// Kills: counts that are set to nothing although more came while the rest was told.
#[test]
fn what_comes_while_the_rest_is_told_stays_news() {
    let evidence = Evidence::default();
    let one = denial(CURL, ("a.example", 443), request("PUT", "/a"));
    evidence.record(&one);
    evidence.record(&one);
    let kept = evidence.latest();
    evidence.record(&one);
    evidence.told(&kept);
    let left = evidence.latest();
    assert_eq!((left[0].fresh(), Seen::from(&left[0]).count), (1, 3));
}

#[test]
fn everybody_who_lacks_a_rule_is_counted_and_what_no_rule_can_fix_is_no_news() {
    let evidence = Evidence::default();
    let both = denial(CURL, ("a.example", 443), request("PUT", "/a"));
    let other = Holder::new(10, Caller { chain: vec!["/usr/bin/tail".into()] });
    evidence.record(&Denial { holders: vec![both.holders[0].clone(), other], ..both.clone() });
    let refused = Refused { is_fixable: false, ..both.refused.clone() };
    evidence.record(&Denial { refused, ask: request("GET", "/never"), ..both });
    let fresh: Vec<(String, u64)> =
        evidence.latest().iter().map(|kept| (Seen::from(kept).binary, kept.fresh())).collect();
    assert_eq!(fresh, [(CURL.to_owned(), 0), ("/usr/bin/tail".to_owned(), 1), (CURL.to_owned(), 1)]);
}
