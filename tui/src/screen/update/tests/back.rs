//! Undo and revoke: journeys.

use openshell_domain::event::{ActorKind, Event};

use super::*;
use crate::screen::msg::What;
use crate::screen::tests::acts::text;
use crate::screen::tests::tabs::busy;

/// Three proposals, of which the first was approved here: recorded, loaded, and gone from the list.
fn approved() -> World {
    let mut world = World::with_three();
    world.press("a");
    world.answer_recorded(id(1), Some(2), true);
    world.approved(id(1), 2, "");
    world.loaded(2);
    world
}

fn note(world: &World) -> &str {
    world.model.note.as_deref().unwrap_or_default()
}

#[test]
fn the_last_decision_is_undone_by_one_key_and_tells_its_life() {
    let mut world = approved();
    let digest = world.decision(id(1)).digest;
    assert_eq!(ids(&world), [id(2), id(3)]);
    world.press("u");
    let sent = world.decision(id(1));
    assert_eq!((sent.verb, sent.digest), (Verb::Undo, digest), "it quotes the decision that it takes back");
    assert_eq!(world.model.life(id(1)).unwrap().story(), "sent, no answer yet");
    world.press("u");
    assert_eq!(decisions(&world).len(), 2, "once");
    for is_answer_first in [true, false] {
        let mut world = world.clone();
        if is_answer_first {
            world.answer_recorded(id(1), Some(3), true);
            world.undone(id(1));
        } else {
            world.undone(id(1));
            world.answer_recorded(id(1), Some(3), true);
        }
        assert!(
            world
                .model
                .life(id(1))
                .unwrap()
                .story()
                .contains("the policy without it: policy-demo, revision 3")
        );
        world.loaded(3);
        assert_eq!(world.model.life(id(1)).unwrap().story(), "→ loaded in 3 ms by policy-demo, revision 3");
        assert_eq!(world.model.life(id(1)).unwrap().headline(), "undone");
        assert!(ids(&world).contains(&id(1)), "it awaits a decision again");
        assert_eq!((world.model.pending(), world.selected()), (3, id(2)), "nothing moves");
        world.reviewed(1);
        world.press("ga");
        assert_eq!((world.selected(), decisions(&world).len()), (id(1), 3), "and can be decided again");
        assert_ne!(world.decision(id(1)).digest, digest, "in its new wording");
    }
}

#[test]
fn a_rejection_is_undone_too_and_the_only_one_comes_back_into_sight() {
    let mut world = World::new();
    world.live();
    world.submit_put(1, "/v1/x", "");
    world.press("rno\n");
    world.answer_recorded(id(1), None, true);
    world.rejected(id(1), "no");
    assert_eq!(world.model.selected(), None);
    world.press("u");
    world.undone(id(1));
    world.answer_recorded(id(1), None, true);
    assert_eq!((world.model.selected(), ids(&world)), (Some(id(1)), vec![id(1)]));
    assert!(world.model.life(id(1)).unwrap().story().contains("awaits a decision again"));
}

#[test]
fn the_offer_ends_after_ten_seconds_and_is_drawn_once_a_second_until_then() {
    let mut world = approved();
    let mut draws = 0;
    for _ in 0..40 {
        world.model.is_dirty = false;
        world.after(250);
        world.pass_ms(250);
        draws += usize::from(world.model.is_dirty);
    }
    assert!((9..=11).contains(&draws), "{draws}");
    world.press("u");
    assert!(decisions(&world).len() == 1 && note(&world).contains("10 s"), "{}", note(&world));
    let mut world = World::with_three();
    world.press("u");
    assert!(decisions(&world).is_empty() && note(&world).contains("nothing was decided here"));
}

#[test]
fn what_is_over_is_not_offered() {
    for end in [World::undone, World::revoked] {
        let mut world = approved();
        end(&mut world, id(1));
        world.press("u");
        assert_eq!(decisions(&world).len(), 1);
    }
    let mut world = approved();
    world.press("u");
    world.answer_recorded(id(1), Some(3), true);
    world.undone(id(1));
    world.press("u");
    assert_eq!(decisions(&world).len(), 2, "an undo is not undone");
}

/// Kills: an undo that follows the decision in one burst, or before its offer could be read.
#[test]
fn the_offer_must_have_been_on_the_screen() {
    let mut world = approved();
    world.give(What::Drawn);
    world.after(100);
    world.tap('u', true);
    assert!(decisions(&world).len() == 1 && note(&world).contains("too early"), "{}", note(&world));
    world.press("j");
    world.give(What::Drawn);
    world.after(1_000);
    world.tap('u', false);
    assert!(decisions(&world).len() == 1 && note(&world).contains("one piece"), "{}", note(&world));
}

#[test]
fn offline_nothing_is_taken_back() {
    let mut world = approved();
    world.reconnecting();
    world.press("u");
    assert!(decisions(&world).len() == 1 && note(&world).contains("away"), "{}", note(&world));
    let mut world = busy();
    world.press("2G");
    world.reconnecting();
    world.press("ux");
    assert!(decisions(&world).is_empty() && note(&world).contains("away"));
    assert_eq!(world.model.overlay, Overlay::None);
    world.live();
    world.press("x");
    world.reconnecting();
    world.press("y");
    assert!(decisions(&world).is_empty() && note(&world).contains("away"));
}

#[test]
fn any_decision_in_force_is_undone_where_it_is_shown() {
    let mut world = busy();
    world.press("2");
    for (keys, n) in [("g", 3), ("j", 2), ("j", 1)] {
        world.press(keys);
        world.press("u");
        assert_eq!(world.decision(id(n)).verb, Verb::Undo);
    }
    assert_eq!(decisions(&world).len(), 3);
}

#[test]
fn a_grant_is_revoked_by_a_second_key_and_a_rejection_is_none() {
    let mut world = busy();
    world.press("2Gx");
    assert!(decisions(&world).is_empty());
    world.press("x");
    assert!(decisions(&world).is_empty() && note(&world).contains("nothing was revoked"));
    world.press("xy");
    assert_eq!(decisions(&world), [(1, Verb::Revoke, String::new())]);
    world.answer_recorded(id(1), Some(4), true);
    world.revoked(id(1));
    world.loaded(4);
    assert_eq!(world.model.life(id(1)).unwrap().story(), "→ loaded in 3 ms by policy-demo, revision 4");
    world.press("x");
    assert!(note(&world).contains("it is revoked"), "{}", note(&world));
    world.press("gjx");
    assert!(decisions(&world).len() == 1 && note(&world).contains("it is rejected"), "{}", note(&world));
}

#[test]
fn in_the_policy_one_of_the_grants_is_chosen_first() {
    let mut world = busy();
    world.press("3");
    world.press("x");
    assert!(note(&world).contains("no grant"), "not read yet: {}", note(&world));
    world.serve();
    world.press("xjjk\x1b");
    assert_eq!(world.model.overlay, Overlay::None);
    world.press("xj\ny");
    let sent: Vec<_> = decisions(&world).into_iter().map(|(n, verb, _)| (n, verb)).collect();
    assert_eq!(sent, [(3, Verb::Revoke)]);
}

/// Kills: a question that ends a grant which is not the one that it names.
#[test]
fn a_grant_that_has_ended_meanwhile_is_not_revoked() {
    let mut world = busy();
    world.press("2Gx");
    world.revoked(id(1));
    world.press("y");
    assert!(decisions(&world).is_empty() && note(&world).contains("ended meanwhile"), "{}", note(&world));
}

#[test]
fn what_was_undone_elsewhere_awaits_a_decision_again() {
    let mut world = approved();
    world.undone(id(1));
    assert!(ids(&world).contains(&id(1)) && world.model.pending() == 3);
}

#[test]
fn an_undo_whose_answer_was_missed_is_looked_up() {
    let mut world = approved();
    world.press("u");
    world.answer(id(1), Err(ClientError::Broken("killed".into())));
    world.offline();
    let mut other = approved();
    other.undone(id(1));
    let inbox = other.model.inbox.clone().unwrap();
    world.feed(Update::Snapshot(Box::new(inbox)));
    assert_eq!(world.model.life(id(1)).unwrap().headline(), "undone");
    assert_eq!(world.model.pending(), 3);
}

/// Kills: "the 10 s for that are over" a moment after a grant that its run took along.
#[test]
fn a_grant_that_ended_with_its_run_is_told_as_that_on_both_tabs() {
    let mut world = approved();
    world.event(ActorKind::System, Event::GrantExpired { proposal: id(1) });
    world.press("u");
    assert!(
        note(&world).starts_with("the last grant has ended with its lease or its run"),
        "{}",
        note(&world)
    );
    world.press("2u");
    assert!(note(&world).starts_with("the grant has ended with its lease or its run"), "{}", note(&world));
    assert_eq!(decisions(&world).len(), 1);
}

/// Kills: a decision that nobody has made.
#[test]
fn what_another_ask_replaced_was_not_decided_elsewhere() {
    let mut world = World::with_three();
    world.event(ActorKind::System, Event::ProposalSuperseded { proposal: id(1), by: id(2) });
    let text = text(&world);
    assert!(text.contains("It awaits no decision any more"), "{text}");
    assert!(text.contains(&format!("superseded by {}", id(2).short())), "{text}");
    assert!(!text.contains("Decided elsewhere"), "{text}");
}

/// Kills: one key that takes back what was recorded between the last look and that key.
#[test]
fn what_was_recorded_since_the_offer_was_drawn_is_not_undone_with_it() {
    let mut world = World::with_three();
    world.model.selection.chosen = [id(1), id(2)].into();
    for (n, reviewed) in [1, 2].map(|n| (n, world.model.proposal(id(n)).unwrap().digest().unwrap())) {
        world.model.selection.seen.insert(id(n), reviewed);
    }
    world.press("ay");
    world.press("\x1b");
    world.approved(id(2), 2, "");
    world.give(What::Drawn);
    world.after(1_000);
    world.approved(id(1), 3, "");
    world.effects.clear();
    world.tap('u', true);
    assert!(world.effects.is_empty() && note(&world).contains("too early"), "{:?}", world.effects);
    world.press("u");
    assert!(matches!(world.effects.as_slice(), [Effect::DecideMany(both)] if both.len() == 2));
}
