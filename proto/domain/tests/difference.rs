//! The authority difference against brute force: a verdict written a second time, asked of every request of a small
//! world. `PROPTEST_CASES` says how many worlds.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test stops where something is not as it must be"
)]

#[path = "difference/asks.rs"]
mod asks;
#[path = "difference/glob.rs"]
mod glob;
#[path = "difference/matcher.rs"]
mod matcher;
#[path = "difference/naive.rs"]
mod naive;
#[path = "difference/region.rs"]
mod region;
#[path = "difference/space.rs"]
mod space;

use openshell_domain::node::from_yaml;
use openshell_domain::policy::authority::{Difference, Ground, Item, Witness, between, exceeds};
use openshell_domain::policy::read::{Source, policy_from_yaml, rule_from_node};
use openshell_domain::policy::{Policy, Rule};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use asks::{Case, case, with};
use naive::Judge;
use region::Region;
use space::{Atoms, Place};

/// So many worlds unless `PROPTEST_CASES` asks for another number.
fn worlds(cases: u32) -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok());
    ProptestConfig {
        cases: asked.unwrap_or(cases),
        max_global_rejects: u32::MAX,
        max_local_rejects: u32::MAX,
        failure_persistence: None,
        max_shrink_time: 8_000,
        ..ProptestConfig::default()
    }
}

/// The policies of a case.
struct Sides {
    base: Policy,
    base_with: Policy,
    before: Policy,
    after: Policy,
}

impl Case {
    fn sides(&self) -> Sides {
        let grants: Vec<&Rule> = self.grants.iter().collect();
        let mut all = grants.clone();
        all.push(&self.ask);
        Sides {
            base: self.base.clone(),
            base_with: with(&self.base, &[&self.ask]).unwrap(),
            before: with(&self.base, &grants).unwrap(),
            after: with(&self.base, &all).unwrap(),
        }
    }

    fn ground(&self) -> Ground<'_> {
        Ground::new(&self.base, self.grants.iter().map(|rule| ("grant", rule)).collect())
    }
}

/// Which requests of a world are in which authority.
fn authority(policy: &Policy, atoms: &Atoms, places: &[Place]) -> Vec<bool> {
    Judge::new(policy, atoms).allows_each(atoms, places)
}

/// A list against the requests that belong in it: every witness confirmed, every request shown. Gives the items
/// whose requests are, for each program that makes them, all in other items too.
fn check_list(
    what: &str,
    items: &[Item],
    atoms: &Atoms,
    (places, wanted): (&[Place], &[bool]),
    is_confirmed: impl Fn(&Item) -> bool,
) -> Result<Vec<String>, TestCaseError> {
    for item in items {
        prop_assert!(is_confirmed(item), "{what}: not confirmed: {item} ({})", item.witness);
    }
    let regions = Region::all(items, atoms);
    let mut own = vec![false; items.len()];
    let mut about = Vec::with_capacity(items.len());
    for (place, _) in places.iter().zip(wanted).filter(|(_, wanted)| **wanted) {
        about.clear();
        about.extend((0..items.len()).filter(|at| regions[*at].is_about(place)));
        let mut is_shown = false;
        for program in atoms.chain(place) {
            let mut of = about.iter().filter(|at| regions[**at].is_by(*program));
            let first = of.next();
            is_shown |= first.is_some();
            if let (Some(only), None) = (first, of.next()) {
                own[*only] = true;
            }
        }
        let shown = || items.iter().map(ToString::to_string).collect::<Vec<_>>();
        prop_assert!(is_shown, "{what}: not shown: {}\n{:#?}", atoms.words(place), shown());
    }
    Ok(items.iter().zip(own).filter(|(_, has_own)| !has_own).map(|(item, _)| item.to_string()).collect())
}

fn check_difference(case: &Case, found: &Difference) -> Result<(), TestCaseError> {
    // An item does not say whether its endpoint takes encoded slashes, so there one may look like part of another.
    let is_told = !case.ask.endpoints.iter().any(|endpoint| endpoint.allow_encoded_slash);
    let idle = check_in(Atoms::new, case, found)?;
    if is_told && !idle.is_empty() {
        // What the usual paths cannot show of an item, longer ones may.
        let idle = check_in(Atoms::wide, case, found)?;
        prop_assert!(idle.is_empty(), "idle: {idle:?}");
    }
    Ok(())
}

/// Checks a difference in one world, and gives the items of which nothing is their own there.
fn check_in(
    atoms: fn(&[&Witness]) -> Atoms,
    case: &Case,
    found: &Difference,
) -> Result<Vec<String>, TestCaseError> {
    let sides = case.sides();
    let items = || found.added.iter().chain(&found.removed).chain(&found.latent);
    let witnesses: Vec<_> = items().map(|item| &item.witness).collect();
    let mut atoms = atoms(&witnesses);
    let places = atoms.places(&[&sides.after]);
    let [base, base_with, before, after] = [&sides.base, &sides.base_with, &sides.before, &sides.after]
        .map(|policy| authority(policy, &atoms, &places));
    let wanted = |is: &dyn Fn(usize) -> bool| (0..places.len()).map(is).collect::<Vec<bool>>();
    let added = wanted(&|at| after[at] && !before[at]);
    let removed = wanted(&|at| before[at] && !after[at]);
    let latent = wanted(&|at| base_with[at] && !base[at] && !added[at]);
    let judges =
        [&sides.base, &sides.base_with, &sides.before, &sides.after].map(|policy| Judge::new(policy, &atoms));
    let spots: Vec<Place> = witnesses.iter().map(|witness| atoms.place(witness)).collect();
    let says = |item: &Item| {
        let at = witnesses.iter().position(|witness| **witness == item.witness).unwrap();
        judges.each_ref().map(|judge| judge.allows(&atoms, &spots[at]))
    };
    let idle_added = check_list("added", &found.added, &atoms, (&places, &added), |item| {
        matches!(says(item), [_, _, false, true])
    })?;
    check_list("removed", &found.removed, &atoms, (&places, &removed), |item| {
        matches!(says(item), [_, _, true, false])
    })?;
    let idle_latent = check_list("latent", &found.latent, &atoms, (&places, &latent), |item| {
        let [base, base_with, before, after] = says(item);
        base_with && !base && (before || !after)
    })?;
    Ok([idle_added, idle_latent].concat())
}

proptest! {
    #![proptest_config(worlds(16))]

    #[test]
    fn the_difference_is_exact(case in case()) {
        let found = case.ground().difference(&case.ask);
        prop_assert!(found.is_ok(), "too complex");
        check_difference(&case, &found.unwrap())?;
    }

    #[test]
    fn the_matcher_says_what_the_page_says(case in case()) {
        let after = case.sides().after;
        let atoms = Atoms::new(&[]);
        let matcher = matcher::Matcher::new(&after);
        let places = atoms.places(&[&after]);
        let (page, matcher) = (authority(&after, &atoms, &places), matcher.allows_each(&atoms, &places));
        for (place, (page, matcher)) in places.iter().zip(page.into_iter().zip(matcher)) {
            prop_assert_eq!(page, matcher, "{}", atoms.words(place));
        }
    }

    #[test]
    fn bounds_and_covers_are_exact(case in case()) {
        let sides = case.sides();
        let grants: Vec<&Rule> = case.grants.iter().chain([&case.other]).collect();
        let other = with(&case.base, &grants).unwrap();
        let base_other = with(&case.base, &[&case.other]).unwrap();
        let outside = case.ground().exceeds(&case.ask, &case.bound).unwrap();
        let beyond = exceeds(&sides.after, &case.bound).unwrap();
        let mut atoms = Atoms::new(&outside.iter().chain(&beyond).collect::<Vec<_>>());
        let spots = [&outside, &beyond].map(|witness| witness.as_ref().map(|witness| atoms.place(witness)));
        let mut places = atoms.places(&[&sides.after, &case.bound, &other]);
        places.extend(spots.iter().flatten());
        let policies = [&sides.base, &sides.base_with, &sides.before, &sides.after, &case.bound, &base_other, &other];
        let [base, base_with, before, after, bound, base_other, other] =
            policies.map(|policy| authority(policy, &atoms, &places));
        let gains = |at: usize| (after[at] && !before[at]) || (base_with[at] && !base[at]);
        let all = || 0..places.len();
        let tell = |at: Option<usize>| at.map(|at| atoms.words(&places[at]));
        let missed = all().find(|at| gains(*at) && !bound[*at]);
        prop_assert_eq!(outside.is_some(), missed.is_some(), "bound: {:?} {:?}", outside, tell(missed));
        let missed = all().find(|at| after[*at] && !bound[*at]);
        prop_assert_eq!(beyond.is_some(), missed.is_some(), "policy: {:?} {:?}", beyond, tell(missed));
        let is = |place: &Option<Place>, outside: &dyn Fn(usize) -> bool| {
            place.is_none_or(|place| outside(places.iter().position(|known| *known == place).unwrap()))
        };
        prop_assert!(is(&spots[0], &|at| gains(at) && !bound[at]), "{:?}", outside);
        prop_assert!(is(&spots[1], &|at| after[at] && !bound[at]), "{:?}", beyond);
        let gains_other = |at: usize| (other[at] && !before[at]) || (base_other[at] && !base[at]);
        let uncovered = all().find(|at| gains(*at) && !gains_other(*at));
        prop_assert_eq!(case.ground().covers(&case.other, &case.ask).unwrap(), uncovered.is_none(), "{:?}", tell(uncovered));
    }

    #[test]
    fn policies_are_compared_exactly(case in case(), which in 0..3_usize) {
        let sides = case.sides();
        let pairs = [(&sides.before, &case.bound), (&case.bound, &sides.after), (&sides.after, &sides.base)];
        let (old, new) = pairs[which];
        let found = between(old, new).unwrap();
        let items = || found.added.iter().chain(&found.removed);
        let mut atoms = Atoms::new(&items().map(|item| &item.witness).collect::<Vec<_>>());
        let spots: Vec<Place> = items().map(|item| atoms.place(&item.witness)).collect();
        let places = atoms.places(&[old, new]);
        let (was, is) = (authority(old, &atoms, &places), authority(new, &atoms, &places));
        let added: Vec<bool> = was.iter().zip(&is).map(|(was, is)| *is && !was).collect();
        let removed: Vec<bool> = was.iter().zip(&is).map(|(was, is)| *was && !is).collect();
        let judges = [Judge::new(old, &atoms), Judge::new(new, &atoms)];
        let says = |item: &Item| {
            let at = items().position(|known| known.witness == item.witness).unwrap();
            judges.each_ref().map(|judge| judge.allows(&atoms, &spots[at]))
        };
        check_list("added", &found.added, &atoms, (&places, &added), |item| says(item) == [false, true])?;
        check_list("removed", &found.removed, &atoms, (&places, &removed), |item| says(item) == [true, false])?;
    }

    /// Invariant 3 of `domain.md` §7, and that what was undone is as if it had never been.
    #[test]
    fn no_sequence_of_decisions_opens_more_than_was_shown(
        case in case(),
        steps in proptest::collection::vec(0..4_usize, 1..8),
    ) {
        let rules: Vec<&Rule> = case.grants.iter().chain([&case.ask, &case.other]).collect();
        let atoms = Atoms::new(&[]);
        let all = with(&case.base, &rules).unwrap();
        let places = atoms.places(&[&all]);
        let base = authority(&case.base, &atoms, &places);
        let mut active: Vec<(usize, Difference)> = Vec::new();
        for step in steps.into_iter().map(|step| step % rules.len()) {
            // A rule that is in force ends, any other is approved.
            let grants = |active: &[(usize, Difference)]| active.iter().map(|(at, _)| rules[*at]).collect::<Vec<_>>();
            if let Some(at) = active.iter().position(|(known, _)| *known == step) {
                active.remove(at);
            } else {
                let before = with(&case.base, &grants(&active)).unwrap();
                let keyed = grants(&active).into_iter().map(|rule| ("grant", rule)).collect();
                let shown = Ground::new(&case.base, keyed).difference(rules[step]).unwrap();
                active.push((step, shown));
                prop_assert_eq!(with(&case.base, &grants(&active[..active.len() - 1])).unwrap(), before);
            }
            let effective = authority(&with(&case.base, &grants(&active)).unwrap(), &atoms, &places);
            let shown = active.iter().flat_map(|(_, shown)| shown.added.iter().chain(&shown.latent));
            let shown = Region::all(shown, &atoms);
            for (_, place) in places.iter().enumerate().filter(|(at, _)| effective[*at] && !base[*at]) {
                let is_by = |region: &Region| atoms.chain(place).iter().any(|program| region.is_by(*program));
                let is_shown = shown.iter().any(|region| region.is_about(place) && is_by(region));
                prop_assert!(is_shown, "open and never shown: {}", atoms.words(place));
            }
        }
    }

    #[test]
    fn unrelated_rules_change_no_word(case in case()) {
        let found = case.ground().difference(&case.ask).unwrap();
        prop_assert_eq!(&case.ground().difference(&case.ask).unwrap(), &found);
        let unrelated = policy_from_yaml(
            "version: 1\nnetwork_policies:\n  x: {endpoints: [{host: unrelated.example, port: 9443}], binaries: [{path: /u}]}\n",
        ).unwrap().policy;
        let rule = unrelated.network_policies.values().next().unwrap();
        let mut base = case.base.clone();
        for key in ["a0", "z9"] {
            base.network_policies.insert(key.parse().unwrap(), rule.clone());
        }
        let mut ground = case.ground();
        ground.base = &base;
        ground.grants.insert(0, ("first", rule));
        ground.grants.push(("last", rule));
        prop_assert_eq!(ground.difference(&case.ask).unwrap().canonical(), found.canonical());
    }
}

#[test]
fn ordinary_asks_on_the_fixtures_are_never_too_complex() {
    for text in [
        include_str!("../../../fixtures/policies/coding-agent.yaml"),
        include_str!("../../../fixtures/policies/github-readonly.yaml"),
    ] {
        let base = policy_from_yaml(text).unwrap().policy;
        for host in ["api.github.com", "*.github.com", "**.github.com", "pypi.org"] {
            for inside in [
                "",
                "protocol: rest, access: full",
                "protocol: rest, rules: [{allow: {method: PUT, path: '/repos/**/contents/*', query: {ref: 'x*'}}}]",
            ] {
                let text = format!(
                    "endpoints: [{{host: '{host}', port: 443, {inside}}}]\nbinaries: [{{path: /usr/bin/curl}}]"
                );
                let rule = rule_from_node(&from_yaml(&text).unwrap(), Source::Proposal, "ask").unwrap();
                assert!(Ground::new(&base, vec![]).difference(&rule).is_ok(), "{text}");
            }
        }
    }
}
