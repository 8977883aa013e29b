use std::collections::BTreeMap;
use std::sync::LazyLock;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use uuid::Uuid;

use super::*;
use crate::event::{Actor, ActorKind};
use crate::node::Place;
use crate::policy::read::policy_from_yaml;

/// A base with a name that agents like, one that looks derived from proposal 0xaaaaaaaa…, and one that has nothing
/// to do with either.
const BASE: &str = "version: 1\nnetwork_policies:\n  github: {endpoints: [{host: a.example, port: 443}], binaries: [{path: /usr/bin/curl}]}\n  put~aaaaaaaa: {endpoints: [{host: b.example, port: 443}], binaries: [{path: /usr/bin/curl}]}\n  other: {endpoints: [{host: c.example, port: 443}], binaries: [{path: /usr/bin/git}]}\n";

const NAMES: [&str; 6] = [
    "github",
    "put",
    "put~aaaaaaaa",
    "put~aaaaaaaa00",
    "new",
    "x123456789x123456789x123456789x123456789x123456789x123456789abcd",
];

fn base() -> Policy {
    static POLICY: LazyLock<Policy> = LazyLock::new(|| policy_from_yaml(BASE).unwrap().policy);
    POLICY.clone()
}

/// Proposals whose ids share their first eight digits by threes.
fn proposal(n: u8) -> ProposalId {
    let head: u128 = if n < 3 { 0xaaaa_aaaa } else { 0x1234_0000 + u128::from(n) };
    ProposalId(Uuid::from_u128(head << 96 | u128::from(n)))
}

fn moment(seconds: u32, run: u8, base: &Composition) -> Moment {
    Moment {
        now: DateTime::from_timestamp(1_800_000_000 + i64::from(seconds), 0).unwrap(),
        run: Some(RunId(Uuid::from_u128(run.into()))),
        base: base.base_hash(),
    }
}

fn rule(n: u8) -> Rule {
    static RULE: LazyLock<Rule> =
        LazyLock::new(|| base().network_policies[&"github".parse().unwrap()].clone());
    let mut rule = RULE.clone();
    rule.endpoints[0].host = format!("g{n}.example");
    rule
}

fn draft(number: u32, name: &str, n: u8) -> Draft {
    Draft { number, rule_name: name.parse().unwrap(), rule: rule(n), rationale: String::new() }
}

/// What happens to a composition.
#[derive(Debug, Clone)]
enum Act {
    Approve(u8, &'static str, Lease),
    End(u8),
    Tick(u32),
    NextRun { changes_base: bool },
}

fn act() -> impl Strategy<Value = Act> {
    let until = (0u32..60).prop_map(|seconds| Lease::Until(moment(seconds, 0, &Composition::default()).now));
    let lease = prop_oneof![Just(Lease::Once), until, Just(Lease::Run), Just(Lease::Always)];
    prop_oneof![
        6 => (0u8..8, select(&NAMES[..]), lease).prop_map(|(n, name, lease)| Act::Approve(n, name, lease)),
        3 => (0u8..8).prop_map(Act::End),
        2 => (1u32..20).prop_map(Act::Tick),
        1 => any::<bool>().prop_map(|changes_base| Act::NextRun { changes_base }),
    ]
}

/// A composition and the plainest account of what should be in it.
struct Ledger {
    composition: Composition,
    seconds: u32,
    run: u8,
    /// Who has had a key in this run.
    owners: BTreeMap<RuleName, ProposalId>,
    drafts: BTreeMap<ProposalId, u32>,
}

impl Ledger {
    fn new() -> Self {
        let composition = Composition::new(base());
        Self { composition, seconds: 0, run: 1, owners: BTreeMap::new(), drafts: BTreeMap::new() }
    }

    fn at(&self) -> Moment {
        moment(self.seconds, self.run, &self.composition)
    }

    fn apply(&mut self, act: &Act) {
        match act {
            Act::Approve(n, name, lease) => self.approve(*n, name, *lease),
            Act::End(n) => self.composition.end(proposal(*n), self.at().now),
            Act::Tick(seconds) => self.seconds += seconds,
            Act::NextRun { changes_base } => {
                self.run += 1;
                let mut next = self.composition.base().clone();
                if *changes_base {
                    next.network_policies.insert("put".parse().unwrap(), rule(99));
                }
                self.composition.begin(self.at().run, next);
                let kept: Vec<RuleName> =
                    self.composition.standing().map(|grant| grant.key.clone()).collect();
                self.owners.retain(|key, _| kept.contains(key));
            }
        }
    }

    fn approve(&mut self, n: u8, name: &str, lease: Lease) {
        if self.composition.standing().any(|grant| grant.proposal == proposal(n)) {
            return;
        }
        let number = self.drafts.entry(proposal(n)).or_default();
        *number += 1;
        let draft = draft(*number, name, n);
        let before = self.composition.effective().hash();
        let at = self.at();
        let key = self.composition.key_for(&draft.rule_name, proposal(n)).unwrap();
        let previewed = self.composition.with(key.clone(), &draft.rule).hash();
        let by = Actor {
            kind: ActorKind::Reviewer,
            id: "uid:1000".into(),
            authenticated: "door".into(),
            unisolated: false,
            request: None,
        };
        let decision = Decision { by, at: at.now, reason: String::new(), digest: Digest([0; 32]) };
        let base = self.composition.base_hash();
        let grant = Grant {
            key: key.clone(),
            proposal: proposal(n),
            draft,
            lease,
            decision,
            run: at.run,
            base,
            ended: None,
        };
        self.composition.grant(grant);
        // What was shown is what is in force; and taking it back at once restores every byte.
        assert_eq!(self.composition.effective().hash(), previewed);
        let mut undone = self.composition.clone();
        undone.end(proposal(n), at.now);
        assert_eq!(undone.effective().hash(), before);
        // A key names one proposal while the run lasts.
        let owner = *self.owners.entry(key).or_insert(proposal(n));
        assert_eq!(owner, proposal(n));
    }

    /// The effective policy, made without this module.
    fn made_from_scratch(&self, at: Option<&Moment>) -> Policy {
        let mut policy = self.composition.base().clone();
        for grant in self.composition.standing().filter(|grant| at.is_none_or(|at| grant.is_active(at))) {
            let before = policy.network_policies.insert(grant.key.clone(), grant.draft.rule.clone());
            assert_eq!(before, None, "{} was taken", grant.key);
        }
        policy
    }

    fn check(&self) {
        let composition = &self.composition;
        let effective = composition.effective();
        assert_eq!(effective, self.made_from_scratch(None));
        let at = self.at();
        assert_eq!(composition.effective_at(&at), self.made_from_scratch(Some(&at)));
        for (key, rule) in &composition.base().network_policies {
            assert_eq!(&effective.network_policies[key], rule);
            assert_eq!(composition.origin(key), Some(Origin::Base));
        }
        let places = BTreeMap::from([("github".parse().unwrap(), Place { line: 3, column: 3 })]);
        let provenances = composition.provenances(&Source { file: "policy.yaml", places: &places });
        assert!(provenances.keys().eq(effective.network_policies.keys()));
        for grant in composition.standing() {
            let of = |p: &Provenance| matches!(p, Provenance::Proposal { proposal, .. } if *proposal == grant.proposal);
            let keys: Vec<_> = provenances.iter().filter(|(_, p)| of(p)).map(|(key, _)| key).collect();
            assert_eq!(keys, [&grant.key]);
        }
    }
}

proptest! {
    #[test]
    fn composition_is_exact_whatever_happens(acts in vec(act(), 1..30)) {
        let mut ledger = Ledger::new();
        for act in &acts {
            let keys: BTreeMap<ProposalId, RuleName> =
                ledger.composition.standing().map(|grant| (grant.proposal, grant.key.clone())).collect();
            ledger.apply(act);
            for grant in ledger.composition.standing() {
                prop_assert!(keys.get(&grant.proposal).is_none_or(|key| *key == grant.key));
            }
            ledger.check();
        }
    }

    /// Ending grants in any order leaves the same bytes as never having approved them.
    #[test]
    fn what_is_undone_never_was(
        names in vec(select(&NAMES[..]), 8),
        kept in vec(any::<bool>(), 8),
        order in Just((0u8..8).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let mut all = Ledger::new();
        for (n, name) in (0u8..8).zip(&names) {
            all.approve(n, name, Lease::Run);
        }
        let survivors: BTreeMap<RuleName, Rule> = all
            .composition
            .standing()
            .zip(&kept)
            .filter(|(_, kept)| **kept)
            .map(|(grant, _)| (grant.key.clone(), grant.draft.rule.clone()))
            .collect();
        for n in order.into_iter().filter(|n| !kept[usize::from(*n)]) {
            all.composition.end(proposal(n), all.at().now);
        }
        let mut expected = base();
        expected.network_policies.extend(survivors);
        prop_assert_eq!(all.composition.effective().hash(), expected.hash());
    }
}

#[test]
fn keys_stay_when_an_earlier_grant_of_the_name_ends_and_are_not_given_away() {
    let mut ledger = Ledger::new();
    let keys = |ledger: &Ledger| -> Vec<String> {
        ledger.composition.standing().map(|grant| grant.key.to_string()).collect()
    };
    ledger.approve(3, "put", Lease::Run);
    ledger.approve(4, "put", Lease::Run);
    ledger.approve(0, "put", Lease::Run);
    ledger.approve(1, "put", Lease::Run);
    assert_eq!(keys(&ledger), ["put", "put~12340004", "put~aaaaaaaa0", "put~aaaaaaaa00"]);
    ledger.apply(&Act::End(3));
    ledger.approve(5, "put", Lease::Run);
    assert_eq!(keys(&ledger), ["put~12340004", "put~aaaaaaaa0", "put~aaaaaaaa00", "put~12340005"]);
    ledger.approve(3, "put", Lease::Run);
    assert_eq!(keys(&ledger).last().unwrap(), "put", "a proposal that is approved again has its key again");
}

#[test]
fn provenance_names_the_line_or_the_proposal() {
    let mut ledger = Ledger::new();
    ledger.approve(3, "put", Lease::Until(moment(90, 0, &Composition::default()).now));
    let places = BTreeMap::from([("github".parse().unwrap(), Place { line: 3, column: 3 })]);
    let source = Source { file: "policy.yaml", places: &places };
    let say = |key: &str| ledger.composition.provenance(&key.parse().unwrap(), &source).to_string();
    assert_eq!(say("github"), "policy.yaml:3");
    assert_eq!(say("other"), "policy.yaml");
    assert_eq!(
        say("put"),
        "proposal 12340003 approved by uid:1000 at 2027-01-15T08:00:00Z, until 2027-01-15T08:01:30Z"
    );
}
