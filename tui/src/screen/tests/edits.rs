//! Golden screens of an ask that is worded anew.

use crossterm::event::{KeyCode, KeyModifiers};

use super::tabs::golden;
use super::world::{World, id, put};
use crate::screen::model::Overlay;

fn down(world: &mut World, lines: usize) {
    world.key(KeyCode::Home, KeyModifiers::CONTROL);
    (0..lines).for_each(|_| world.key(KeyCode::Down, KeyModifiers::NONE));
    world.key(KeyCode::End, KeyModifiers::NONE);
}

/// The first proposal with everything below its `contents`, as it is typed.
fn widened() -> World {
    let mut world = World::with_three();
    world.press("e");
    let Overlay::Edit(edit) = &world.model.overlay else { panic!("{:?}", world.model.overlay) };
    let line = edit.area.text().lines().position(|line| line.ends_with("run-1.md")).unwrap();
    down(&mut world, line);
    (0.."run-1.md".len()).for_each(|_| world.key(KeyCode::Backspace, KeyModifiers::NONE));
    world.press("**");
    world
}

#[test]
fn an_ask_is_worded_anew() {
    let mut world = widened();
    golden("edit_asked", &mut world);
    world.serve();
    golden("edit", &mut world);
}

#[test]
fn mistakes_have_their_lines() {
    let mut world = widened();
    world.press("\n");
    (0..6).for_each(|_| world.key(KeyCode::Backspace, KeyModifiers::NONE));
    world.press("        - allow: {methd: GET, path: /x}");
    golden("edit_mistake", &mut world);
}

#[test]
fn an_ask_that_changes_while_it_is_worded_anew_and_a_gateway_that_is_away() {
    let mut world = widened();
    world.serve();
    world.reworded(1, put("/repos/o/r/contents/other.md"));
    world.serve();
    golden("edit_stale", &mut world);
    world.offline();
    world.key(KeyCode::Char('s'), KeyModifiers::CONTROL);
    golden("edit_offline", &mut world);
}

#[test]
fn hidden_characters_are_shown_and_long_lines_are_marked() {
    let mut world = World::with_three();
    world.press("e");
    world.key(KeyCode::Home, KeyModifiers::CONTROL);
    world.paste(&format!("# \u{1b}[31mred\t\u{202e}{}\n", "0123456789".repeat(30)));
    golden("edit_hostile", &mut world);
    world.key(KeyCode::Up, KeyModifiers::NONE);
    world.key(KeyCode::End, KeyModifiers::NONE);
    golden("edit_long", &mut world);
}

/// Kills: a wording of a reviewer's that reads as if the agent had asked for it, and words of the agent's that seem to be
/// about it.
#[test]
fn a_wording_of_a_reviewer_is_not_the_agents() {
    let mut world = World::with_three();
    world.reworded(1, put("/repos/o/r/contents/demo/run-2.md"));
    world.press("g\n\x1b");
    assert_eq!(world.selected(), id(1));
    golden("reworded", &mut world);
    let screen = super::text(super::draw(&world.model).backend().buffer());
    assert!(screen.contains("Worded anew by uid:1000 · curl asked otherwise"), "{screen}");
    assert!(screen.contains("Agent said of its own wording (unverified)"), "{screen}");
    assert!(!screen.contains("curl asks for"), "{screen}");
}
