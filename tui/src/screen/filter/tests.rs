use openshell_domain::proposal::Proposal;

use super::*;
use crate::screen::tests::world::{World, id};

fn found(world: &World, text: &str, agents: u32) -> Vec<u128> {
    let mut filter = Filter::default();
    filter.set(text);
    let of = |n: &u128| world.model.proposal(id(*n)).unwrap().clone();
    let is_left = |proposal: &Proposal| filter.passes(proposal, || agents);
    (1..=3).filter(|n| is_left(&of(n))).collect()
}

#[test]
fn words_are_about_one_thing_or_any_and_all_must_be_found() {
    let world = World::with_three();
    for (text, wanted) in [
        ("", &[1, 2, 3][..]),
        ("host:", &[1, 2, 3]),
        ("host:GITHUB", &[1]),
        ("host:example", &[2, 3]),
        ("host:gthub", &[]),
        ("gthub", &[1]),
        ("example pip", &[2]),
        ("pip github", &[]),
        ("binary:python", &[3]),
        ("binary:tools", &[3]),
        ("layer:l4", &[2]),
        ("layer:l7 host:net", &[3]),
        ("status:pending sandbox:policy-demo", &[1, 2, 3]),
        ("status:approved", &[]),
        ("finding:capability", &[1]),
        ("put", &[1]),
        ("443", &[1, 2, 3]),
        ("8443", &[3]),
        ("3f0c5c3e", &[2]),
        ("run-1.md", &[1]),
        ("pdemo", &[1, 2, 3]),
        ("foo:bar", &[]),
    ] {
        assert_eq!(found(&world, text, 0), wanted, "{text:?}");
    }
    assert_eq!((found(&world, "status:wait", 1).len(), found(&world, "status:wait", 0).len()), (3, 0));
}

/// Kills: letters that are strewn over a long path taken for a match, and a start that is not the first one.
#[test]
fn letters_must_be_near_together_wherever_they_begin() {
    assert!(is_fuzzy("aa/x/ab-c", "abc"));
    assert!(is_fuzzy("api.github.com", "apgit"));
    assert!(!is_fuzzy("a/long/way/between/c", "abc"));
    assert!(!is_fuzzy("cba", "abc") && !has("a-b", "ab") && has("xAb", "ab"));
    assert!(is_fuzzy("ÜBER", "über"));
}

#[test]
fn what_is_typed_has_an_end_and_one_line() {
    let mut filter = Filter::default();
    filter.open(None);
    filter.insert("one\ntwo");
    filter.insert(&"x".repeat(LONGEST));
    assert_eq!(filter.typing.map(|(editor, _)| editor.text()).unwrap(), "one");
}
