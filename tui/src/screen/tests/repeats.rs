//! Asks that are the same have one row: which, what it says, and what a decision means for the others.

use std::collections::{BTreeMap, BTreeSet};

use openshell_domain::event::{ActorKind, Event};
use openshell_domain::id::ProposalId;
use openshell_domain::proposal::Proposal;
use proptest::prelude::*;

use super::tabs::golden;
use super::world::{World, id, put, rule};
use super::{draw, text};
use crate::client::Verb;
use crate::client::watch::Update;
use crate::screen::model::{Model, Overlay, Place};
use crate::screen::msg::Effect;

const FILE: &str = "/repos/o/r/contents/a.md";

fn rows(world: &World) -> Vec<ProposalId> {
    world.model.rows.iter_from(0).map(Place::id).collect()
}

fn screen(world: &World) -> String {
    text(draw(&world.model).backend().buffer())
}

/// The same three times, each in words of its own, and something else.
fn thrice() -> World {
    let mut world = World::new();
    world.live();
    for n in 1..=3 {
        world.denied("PUT", FILE, 1);
        world.submit(n, &format!("put_file_{n}"), put(FILE), &format!("try number {n}"));
        world.pass(4);
    }
    world.submit_put(4, "/repos/o/r/contents/b.md", "another file");
    world.pass(1);
    world
}

/// Kills: a row for each of a hundred asks of an agent that has lost its head, and a wait that no row shows.
#[test]
fn the_same_asks_have_one_row_with_all_that_wait() {
    let mut world = thrice();
    world.waiting(&[(2, 1), (3, 2)]);
    assert_eq!(world.selected(), id(1), "what is selected stays, and stays in the list");
    assert_eq!(rows(&world), [id(2), id(4), id(1)]);
    world.press("g");
    assert_eq!(
        (world.selected(), rows(&world)),
        (id(2), vec![id(2), id(4)]),
        "an agent waits for it longest"
    );
    assert_eq!(world.model.pending(), 4, "all of them are counted");
    assert_eq!(world.model.repeated(world.model.proposal(id(2)).unwrap()), (3, 3));
    assert_eq!((world.model.apart().waiting, world.model.apart().filtered), (0, 0), "none is out of sight");
    assert!(screen(&world).contains("◔ 3 agents wait"), "{}", screen(&world));
    golden("repeated", &mut world);
}

#[test]
fn what_is_not_quite_the_same_has_a_row_of_its_own() {
    let mut world = World::new();
    world.live();
    let asks = [
        put(FILE),
        put("/repos/o/r/contents/**"),
        rule("endpoints: [{host: api.github.com, port: 443}]\nbinaries: [{path: /usr/bin/curl}]"),
        rule("endpoints: [{host: api.github.com, port: 8443}]\nbinaries: [{path: /usr/bin/curl}]"),
        rule("endpoints: [{host: api.github.com, port: 443}]\nbinaries: [{path: /usr/bin/git}]"),
    ];
    for (n, ask) in (1..).zip(&asks) {
        world.submit(n, "asked", ask.clone(), "please");
    }
    assert_eq!(rows(&world).len(), asks.len());
    for (n, ask) in (11..).zip(&asks) {
        world.submit(n, "asked", ask.clone(), "please");
    }
    assert_eq!((rows(&world).len(), world.model.pending()), (asks.len(), 2 * asks.len()));
}

#[test]
fn an_approval_closes_the_others_and_once_leaves_the_next_one() {
    let mut world = thrice();
    world.press("G.a");
    assert_eq!(world.selected(), id(1));
    world.approved(id(1), 2, "");
    world.press("g");
    assert_eq!(rows(&world), [id(4), id(2)], "the next of them");
    world.closed(id(2), &["put_file_1"]);
    world.closed(id(3), &["put_file_1"]);
    assert_eq!((rows(&world), world.model.pending()), (vec![id(4)], 1));
}

/// Kills: rejecting one and the same ask as often as an agent has asked.
#[test]
fn a_rejection_is_for_all_of_them_each_with_its_own_digest() {
    let mut world = thrice();
    world.press("Gr");
    let Overlay::Many(many) = &world.model.overlay else { panic!("{:?}", world.model.overlay) };
    assert_eq!((many.verb, many.items.len(), many.included().count()), (Verb::Reject, 3, 3));
    golden("repeated_reject", &mut world);
    world.press("use the mirror\n");
    let sent = match world.effects.as_slice() {
        [Effect::DecideMany(sent)] => sent.clone(),
        other => panic!("{other:?}"),
    };
    for (n, one) in (1..).zip(sent.iter().rev()) {
        let digest = world.model.proposal(id(n)).unwrap().digest().unwrap();
        assert_eq!((one.proposal, one.digest, one.reason.as_str()), (id(n), digest, "use the mirror"));
    }
    assert_eq!(sent.len(), 3);
    world.press("\x1b");
    for n in 1..=3 {
        world.rejected(id(n), "use the mirror");
    }
    assert_eq!((rows(&world), world.selected()), (vec![id(4)], id(4)));
}

#[test]
fn what_comes_again_calls_nobody_and_hides_with_its_row() {
    let mut world = thrice();
    world.pass(30);
    world.press("g");
    let before = world.alerts.len();
    world.submit(5, "put_file", put(FILE), "once more");
    world.pass(30);
    assert_eq!((world.alerts.len(), world.model.fresh.len()), (before, 0));
    world.press("Gz");
    assert_eq!((rows(&world), world.model.apart().hidden), (vec![id(4)], 4));
    world.submit(6, "put_file", put(FILE), "and again");
    assert_eq!(rows(&world), [id(6), id(4)], "one that was not there is a new one");
    world.press("Z");
    assert_eq!((rows(&world), world.model.pending()), (vec![id(4), id(1)], 6));
}

#[test]
fn worded_anew_it_stands_for_itself_and_the_next_one_for_the_others() {
    let mut world = thrice();
    world.press("G");
    world.reworded(1, put("/repos/o/r/contents/narrow.md"));
    let now: BTreeSet<ProposalId> = rows(&world).into_iter().collect();
    assert_eq!((now, world.model.pending()), ([id(1), id(2), id(4)].into(), 4));
    assert_eq!(world.model.repeated(world.model.proposal(id(2)).unwrap()).0, 2);
}

/// Kills: an ask that takes the place of a narrower draft without a word.
#[test]
fn an_ask_that_replaces_drafts_says_what_would_have_been_enough() {
    let mut world = World::new();
    world.live();
    for n in 1..=5 {
        world.submit_put(n, &format!("/repos/o/r/contents/{n}.md"), "");
    }
    world.submit_put(9, "/repos/**", "all of it");
    for n in 1..=5 {
        world.event(ActorKind::System, Event::ProposalSuperseded { proposal: id(n), by: id(9) });
    }
    world.press("g");
    for _ in 0..2 {
        let screen = screen(&world);
        assert!(
            screen.contains("Instead of     3f0c5c2e PUT api.github.com/repos/o/r/contents/1.md"),
            "{screen}"
        );
        assert!(screen.contains("2 more, all drafted from the denials, and enough for them"), "{screen}");
        let inbox = world.model.inbox.clone().unwrap();
        world.feed(Update::Snapshot(Box::new(inbox)));
    }
}

/// What must be true of every list: each ask that awaits a decision is in exactly one place, and the row of the same
/// asks is of the one that comes first.
fn check(model: &Model) {
    let inbox = model.inbox.as_ref().unwrap();
    let mut groups: BTreeMap<String, Vec<&Proposal>> = BTreeMap::new();
    for proposal in inbox.proposals.values().filter(|proposal| model.awaits(proposal)) {
        let rule = &proposal.draft.rule;
        let key = format!("{} {:?} {:?}", proposal.sandbox, rule.endpoints, rule.binaries);
        groups.entry(key).or_default().push(proposal);
    }
    let (mut leaders, mut folded, mut apart) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for group in groups.values() {
        let (passing, others): (Vec<&Proposal>, Vec<&Proposal>) =
            group.iter().partition(|proposal| model.passes(proposal));
        let rank = |one: &&&Proposal| (model.agents_waiting(one) == 0, one.submitted_at, one.id);
        let first = passing.iter().min_by_key(rank).map(|first| first.id);
        leaders.extend(first);
        folded.extend(passing.iter().map(|one| one.id).filter(|id| Some(*id) != first));
        apart.extend(others.iter().map(|one| one.id));
    }
    let selected = model.selected();
    let rows: BTreeSet<ProposalId> = model.rows.iter_from(0).map(Place::id).collect();
    assert_eq!(rows.len(), model.rows.len(), "no row twice");
    let shown = |ids: &BTreeSet<ProposalId>| -> BTreeSet<ProposalId> {
        ids.iter().copied().filter(|id| Some(*id) != selected).collect()
    };
    assert_eq!(shown(&rows), shown(&leaders));
    assert!(selected.is_none_or(|id| rows.contains(&id)), "what is selected has a row");
    assert_eq!((&model.list.folded, &model.list.apart), (&shown(&folded), &shown(&apart)));
    assert_eq!(model.pending(), groups.values().map(Vec::len).sum::<usize>());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    /// Kills: an ask that is in no list, or in two, because of the order in which things happened to it and its like.
    #[test]
    fn every_ask_is_in_one_place(steps in prop::collection::vec((0_u8..12, 0_u128..12, 0_u8..3), 1..60)) {
        let mut world = World::new();
        world.live();
        let files = [FILE, "/repos/o/r/contents/b.md", "/v1/c"];
        for (at, (step, n, which)) in steps.into_iter().enumerate() {
            let known = world.model.proposal(id(n)).map(Proposal::is_pending);
            match (step, known) {
                (0..=3, None) => drop(world.submit_put(n, files[usize::from(which)], &format!("{at}"))),
                (4, Some(true)) => world.approved(id(n), 2, ""),
                (5, Some(true)) => world.rejected(id(n), "no"),
                (5, Some(false)) => world.undone(id(n)),
                (6, Some(true)) => drop(world.reworded(n, put(files[usize::from(which)]))),
                (7, _) => world.waiting(&[(n, 1), (n + 2, u32::from(which))]),
                (8, _) => world.press(["z", "Z", "zz"][usize::from(which)]),
                (9, _) => world.press(["j", "k", "G"][usize::from(which)]),
                (10, _) => world.press(["s", "/file-\n", "\x1b"][usize::from(which)]),
                (11, _) => {
                    let inbox = world.unseen();
                    world.feed(Update::Snapshot(Box::new(inbox)));
                }
                _ => world.pass(400),
            }
            check(&world.model);
        }
    }
}
