use std::time::Duration;

use chrono::DateTime;
use openshell_domain::id::ProposalId;
use openshell_domain::policy::host::Host;
use openshell_domain::policy::read::policy_from_yaml;
use openshell_domain::policy::verdict::{Caller, CompiledPolicy, Connect, Request, RequestVerdict};
use openshell_domain::proposal::Lease;
use uuid::Uuid;

use super::*;

/// One rule of the file and two grants, all about one host.
const POLICY: &str = "version: 1\nnetwork_policies:\n  base: {endpoints: [{host: api.invalid, port: 443, protocol: rest, enforcement: enforce, rules: [{allow: {method: GET, path: /base}}]}], binaries: [{path: /usr/bin/curl}]}\n  one: {endpoints: [{host: api.invalid, port: 443, protocol: rest, enforcement: enforce, rules: [{allow: {method: PUT, path: /one}}]}], binaries: [{path: /usr/bin/curl}]}\n  two: {endpoints: [{host: api.invalid, port: 443, protocol: rest, enforcement: enforce, rules: [{allow: {method: PUT, path: /two}}]}], binaries: [{path: /usr/bin/curl}]}\n";

fn at(wall: i64, boot: u64) -> Reading {
    Reading { wall: DateTime::from_timestamp(wall, 0).unwrap(), boot: Duration::from_secs(boot) }
}

fn grant(id: u128, rule: &str, lease: Lease) -> Grant {
    Grant { proposal: ProposalId(Uuid::from_u128(id)), rule: rule.parse().unwrap(), lease }
}

fn pushed(revision: u64, grants: &[Grant]) -> Pushed {
    Pushed { grants: grants.to_vec(), ..Pushed::of(revision, policy_from_yaml(POLICY).unwrap().policy) }
}

fn load(enforcement: &Enforcement, grants: &[Grant], at: Reading) -> Result<(), NotLoaded> {
    enforcement.load(pushed(3, grants), at)
}

fn allows(judge: &CompiledPolicy, method: &str, path: &str) -> bool {
    let caller = Caller { chain: vec!["/usr/bin/curl".into()] };
    let host = Host::parse("api.invalid").unwrap();
    let Connect::Inspected(at) = judge.connect(&caller, &host, 443) else {
        return false;
    };
    matches!(judge.request(&at, &Request { method, path, query: None }), RequestVerdict::Allowed(_))
}

#[test]
fn a_grant_that_is_over_is_gone_for_whoever_looks_and_the_rest_stays() {
    let enforcement = Enforcement::new();
    let grants = [grant(1, "one", Lease::Until(at(1100, 0).wall)), grant(2, "two", Lease::Run)];
    load(&enforcement, &grants, at(1000, 0)).unwrap();
    let before = enforcement.snapshot_at(at(1099, 99));
    assert!(allows(before.judge.as_ref().unwrap(), "PUT", "/one"));
    assert!(before.has_grant(grants[0].proposal, Revision(3)));
    let mut changes = enforcement.subscribe();
    let after = enforcement.snapshot_at(at(900, 100));
    let judge = after.judge.as_ref().unwrap();
    assert!(!allows(judge, "PUT", "/one") && allows(judge, "PUT", "/two") && allows(judge, "GET", "/base"));
    assert!(!after.has_grant(grants[0].proposal, Revision(3)));
    assert!(after.has_grant(grants[1].proposal, Revision(3)));
    assert!(!after.policy.as_ref().unwrap().network_policies.contains_key(&grants[0].rule));
    assert_eq!((after.revision, after.pushed), (before.revision, before.pushed));
    assert!(changes.has_changed().unwrap(), "who waits for a change is told");
    changes.mark_unchanged();
    let _ = enforcement.snapshot_at(at(900, 101));
    assert!(!changes.has_changed().unwrap(), "nothing more ends");
}

#[test]
fn the_clock_set_back_after_the_end_brings_nothing_back() {
    let enforcement = Enforcement::new();
    let grants = [grant(1, "one", Lease::Until(at(1100, 0).wall))];
    load(&enforcement, &grants, at(1000, 0)).unwrap();
    assert!(enforcement.snapshot_at(at(1100, 1)).grants.is_empty());
    assert!(enforcement.snapshot_at(at(900, 2)).grants.is_empty());
    load(&enforcement, &grants, at(900, 3)).unwrap();
    assert!(enforcement.snapshot_at(at(900, 3)).grants.is_empty(), "nor does being told again");
}

#[test]
fn each_grant_of_once_is_set_apart() {
    let enforcement = Enforcement::new();
    let grants = [grant(1, "one", Lease::Once), grant(2, "two", Lease::Once)];
    load(&enforcement, &grants, at(0, 0)).unwrap();
    let snapshot = enforcement.snapshot_at(at(0, 0));
    let seen: Vec<_> = snapshot
        .narrower
        .iter()
        .map(|by| {
            let allows = |path| allows(&by.judge, "PUT", path);
            (by.spends, allows("/one"), allows("/two"))
        })
        .collect();
    let [one, two] = grants.map(|grant| Some(grant.proposal));
    assert_eq!(seen, [(None, false, false), (one, true, false), (two, false, true)]);
    assert!(allows(snapshot.judge.as_ref().unwrap(), "PUT", "/one"));
}

#[test]
fn a_grant_whose_rule_is_not_there_could_not_be_ended_and_is_a_quarantine() {
    let enforcement = Enforcement::new();
    let error = load(&enforcement, &[grant(1, "other", Lease::Run)], at(0, 0)).unwrap_err();
    assert!(
        error.to_string().contains("other") && enforcement.snapshot_at(at(0, 0)).quarantine().is_some(),
        "{error}"
    );
}

/// A revision that does not load, told as one that took nothing away after `since`.
fn broken(revision: u64, reason: &str, since: u64) -> Pushed {
    let retain_since = (since > 0).then_some(Revision(since));
    Pushed { retain_since, ..Pushed::unread(Revision(revision), reason.to_owned()) }
}

/// Kills: a quarantine where the policy before may stay; a stay that is told to nobody; an answer to a wait that calls
/// it loaded; a lease that no longer ends meanwhile; and the failure still told after a revision that loads.
#[test]
fn what_took_nothing_away_leaves_the_policy_before_in_force_and_is_told() {
    let enforcement = Enforcement::new();
    let grants = [grant(1, "one", Lease::Until(at(1100, 0).wall))];
    load(&enforcement, &grants, at(1000, 0)).unwrap();
    let mut changes = enforcement.subscribe();
    let error = enforcement.load(broken(4, "no", 3), at(1001, 1)).unwrap_err();
    assert_eq!(error, NotLoaded::Retained(Revision(3), "no".to_owned()));
    assert!(changes.has_changed().unwrap());
    changes.mark_unchanged();
    let held = enforcement.snapshot_at(at(1001, 1));
    assert!(allows(held.judge.as_ref().unwrap(), "PUT", "/one"));
    assert_eq!((held.revision, held.latest()), (Revision(3), Revision(4)));
    assert_eq!((held.quarantine(), held.load_error()), (None, Some("no")));
    let over = enforcement.snapshot_at(at(1100, 99));
    assert!(!allows(over.judge.as_ref().unwrap(), "PUT", "/one") && over.load_error() == Some("no"));
    enforcement.load(pushed(5, &[]), at(1101, 101)).unwrap();
    assert_eq!(enforcement.snapshot_at(at(1101, 101)).load_error(), None);
}

/// Kills: going on with a policy that allows what was taken away since, or that may.
#[test]
fn what_took_something_away_or_may_have_leaves_nothing_in_force() {
    for (held, since) in [(3, 0), (3, 4), (3, 5), (2, 3)] {
        let enforcement = Enforcement::new();
        enforcement.load(pushed(held, &[]), at(0, 0)).unwrap();
        let error = enforcement.load(broken(5, "no", since), at(0, 0)).unwrap_err();
        assert_eq!(error, NotLoaded::Quarantined("no".to_owned()), "{held} {since}");
        assert!(enforcement.snapshot_at(at(0, 0)).quarantine().is_some());
        // Nothing is left to go on with, whatever comes next.
        assert!(matches!(enforcement.load(broken(6, "no", 1), at(0, 0)), Err(NotLoaded::Quarantined(_))));
    }
    let never = Enforcement::new();
    assert!(matches!(never.load(broken(1, "no", 1), at(0, 0)), Err(NotLoaded::Quarantined(_))));
}

/// Kills: a stay that ends because the same revision is pushed again to who comes back; one that goes on through a
/// later revision of which that is not known.
#[test]
fn a_stay_outlives_a_new_stream_for_the_same_revision_alone() {
    let enforcement = Enforcement::new();
    enforcement.load(pushed(1, &[]), at(0, 0)).unwrap();
    let retained = Err(NotLoaded::Retained(Revision(1), "no".to_owned()));
    assert_eq!(enforcement.load(broken(2, "no", 1), at(0, 0)), retained);
    assert_eq!(enforcement.load(broken(2, "no", 2), at(0, 0)), retained);
    let quarantined = Err(NotLoaded::Quarantined("no".to_owned()));
    assert_eq!(enforcement.load(broken(3, "no", 3), at(0, 0)), quarantined);
}
