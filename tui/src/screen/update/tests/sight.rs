//! What is longer than the screen: in full, line by line, before it is approved.

use super::*;
use crate::screen::msg::What;
use crate::screen::tests::acts::{long, text};

fn note(world: &World) -> &str {
    world.model.note.as_deref().unwrap_or_default()
}

/// Kills: approving what stood below the edge of the detail.
#[test]
fn what_does_not_fit_in_the_detail_is_approved_only_after_all_of_it_was_in_sight() {
    for (columns, lines) in [(50, 14), (80, 24), (120, 40)] {
        let mut world = long();
        world.resize(columns, lines);
        world.press("g");
        let mut read = text(&world);
        assert!(!read.contains("/the/last/one"));
        let (mut presses, mut left) = (0, usize::MAX);
        while decisions(&world).is_empty() {
            world.press("a");
            let said = note(&world).split_once(" line").map_or(0, |(count, _)| count.parse().unwrap());
            assert!(said < left, "{said} of {left}: {}", text(&world));
            left = said;
            read.push_str(&text(&world));
            presses += 1;
        }
        assert!(presses > 1 && read.contains("/the/last/one") && read.contains("/opt/last"), "{read}");
    }
}

/// Kills: taking for seen what flashed by on the way to the end.
#[test]
fn what_flashed_by_in_the_detail_is_shown_again() {
    let mut world = long();
    world.press("g\n");
    world.give(What::Drawn);
    for _ in 0..20 {
        world.tap('j', true);
        world.give(What::Drawn);
        world.after(20);
    }
    world.press("G");
    world.press("a");
    assert!(
        decisions(&world).is_empty() && note(&world).contains("not in sight for long enough"),
        "{}",
        note(&world)
    );
    let top = world.model.detail.as_ref().unwrap().scroll;
    assert!(text(&world).contains("/v1/items/a-rather-long-name/"), "back to line {top}: {}", text(&world));
    world.give(What::Drawn);
    world.after(100);
    world.tap('!', true);
    world.after(100);
    world.tap('a', true);
    assert!(decisions(&world).is_empty() && note(&world).contains("too early"), "{}", note(&world));
    world.press("aaaaaaaa");
    assert_eq!(decisions(&world).len(), 1);
}

/// Kills: a lease, or a list of several, as a way round; and asking a rejection for what only an approval needs.
#[test]
fn no_other_way_leads_round_what_was_not_in_sight() {
    let mut world = long();
    world.press("gA");
    assert_eq!(
        (world.model.focus, &world.model.overlay),
        (Focus::Detail, &Overlay::None),
        "{}",
        note(&world)
    );
    let mut world = long();
    world.press("g a");
    let Overlay::Many(many) = &world.model.overlay else { panic!("{:?}", world.model.overlay) };
    assert!(many.items[0].out.as_ref().unwrap().contains("look at it first"), "{:?}", many.items[0].out);
    let mut world = long();
    world.press("grno\n");
    assert_eq!(decisions(&world), [(1, Verb::Reject, "no".to_owned())]);
}

/// Kills: lines that are counted as seen although another width has put other words on them.
#[test]
fn in_another_width_the_lines_are_others() {
    let mut world = long();
    world.press("gaa");
    let seen = world.model.selection.part.clone();
    world.resize(100, 24);
    assert_ne!(world.model.selection.part, seen);
    world.press("a");
    assert!(decisions(&world).is_empty(), "{}", note(&world));
}

/// What was in sight once, as it is, is not asked for again; words of the agent's are not counted.
#[test]
fn what_was_read_stays_read_and_the_agents_words_are_not_needed() {
    let mut world = long();
    world.submit_put(2, "/other", "another");
    world.press("G\n");
    world.resize(200, 60);
    world.press("jk");
    assert!(world.model.selection.seen.contains_key(&id(1)), "{}", text(&world));
    world.resize(80, 24);
    world.press("\x1bgGa");
    assert_eq!(decisions(&world).len(), 1, "{}", note(&world));
}
