//! When a key may decide: not too early, not in one piece with others, not twice because it is held down.

use crossterm::event::{KeyEvent, KeyEventKind, KeyModifiers};

use super::*;
use crate::screen::arming::Press;
use crate::screen::msg::What;

fn note(world: &World) -> &str {
    world.model.note.as_deref().unwrap_or_default()
}

#[test]
fn a_key_decides_once_its_subject_has_been_on_the_screen_for_300_ms() {
    let mut world = World::with_three();
    world.press("j");
    world.after(1_000);
    world.tap('a', true);
    assert!(decisions(&world).is_empty() && note(&world).contains("too early"), "it was never drawn");
    world.give(What::Drawn);
    world.after(299);
    world.tap('r', true);
    world.press("\x1b");
    world.press("k");
    world.give(What::Drawn);
    world.after(299);
    world.tap('a', true);
    assert!(decisions(&world).is_empty() && note(&world).contains("too early"), "{}", note(&world));
    world.after(751);
    world.tap('a', true);
    assert_eq!(decisions(&world), [(1, Verb::Approve, String::new())]);
}

/// Kills: a key that was meant for what stood there before the lines moved, and one for what came back into sight.
#[test]
fn a_resize_begins_anew() {
    let mut world = World::with_three();
    for (columns, lines) in [(200, 60), (40, 10), (80, 24)] {
        world.give(What::Drawn);
        world.after(1_000);
        world.give(What::Resize(columns, lines));
        world.tap('a', true);
        world.give(What::Drawn);
        world.after(299);
        world.tap('a', true);
        assert!(decisions(&world).is_empty(), "{columns}×{lines}: {}", note(&world));
    }
    world.after(751);
    world.tap('a', true);
    assert_eq!(decisions(&world).len(), 1);
}

/// Kills: arming by the row or the id alone, or once for the whole screen.
#[test]
fn a_new_wording_under_the_same_id_begins_anew() {
    let mut world = World::with_three();
    world.resize(200, 60);
    world.press("?");
    world.press("\x1b");
    world.granted(9, "write_all", put("/repos/o/**"));
    world.reviewed(1);
    world.press("\n");
    world.give(What::Drawn);
    world.after(100);
    world.tap('a', true);
    assert!(decisions(&world).is_empty() && note(&world).contains("too early"), "{}", note(&world));
    world.press("a");
    assert_eq!(decisions(&world).len(), 1);
}

#[test]
fn what_is_drawn_again_and_again_is_as_old_as_it_is() {
    let mut world = World::with_three();
    for _ in 0..40 {
        world.give(What::Drawn);
        world.after(16);
    }
    assert_eq!(world.model.arming.due(), None);
    world.tap('a', true);
    assert_eq!(decisions(&world).len(), 1);
    assert!(world.model.is_dirty);
    world.model.is_dirty = false;
    world.give(What::Drawn);
    assert!(!world.model.is_dirty, "a frame does not ask for the next one");
}

/// Kills: a time of processing for a key that was pressed before anything was to be seen.
#[test]
fn a_key_that_was_read_before_its_subject_was_drawn_is_too_early_whenever_it_is_looked_at() {
    let mut world = World::with_three();
    world.press("j");
    let key = KeyEvent::new(KeyCode::Char('a'), KeyModifiers::NONE);
    let press = Press { key, read: std::time::Duration::from_millis(5_000), is_alone: true };
    world.after(5_000);
    world.give(What::Drawn);
    world.after(900);
    world.give(What::Key(press));
    assert!(decisions(&world).is_empty() && note(&world).contains("too early"), "{}", note(&world));
}

#[test]
fn keys_in_one_piece_move_and_type_and_never_decide() {
    let mut world = World::with_three();
    world.press("?\x1b");
    for letter in "aajjkar".chars() {
        world.tap(letter, false);
    }
    for letter in "no way".chars() {
        world.tap(letter, false);
    }
    world.strike(KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE), false);
    assert!(decisions(&world).is_empty(), "{:?}", decisions(&world));
    assert_eq!(world.selected(), id(2), "two down, one up");
    assert!(note(&world).contains("in one piece"), "{}", note(&world));
    world.press("\n");
    assert_eq!(decisions(&world), [(2, Verb::Reject, "no way".to_owned())]);
}

/// Kills: trusting the terminal to send what is pasted in one piece.
#[test]
fn keys_that_follow_faster_than_fingers_are_one_piece() {
    let mut world = World::with_three();
    world.press("?");
    world.press("\x1b");
    world.after(1_000);
    world.tap('j', true);
    world.after(2);
    world.tap('k', true);
    world.after(2);
    world.tap('a', true);
    assert!(decisions(&world).is_empty() && note(&world).contains("in one piece"), "{}", note(&world));
}

#[test]
fn a_key_that_is_held_down_decides_once_and_moves_all_the_way() {
    let mut world = World::with_three();
    world.press("a");
    world.answer_recorded(id(1), Some(2), true);
    assert_eq!(world.selected(), id(2));
    world.give(What::Drawn);
    for pause in [500].into_iter().chain([33; 60]) {
        world.after(pause);
        world.give(What::Drawn);
        world.tap('a', true);
    }
    assert_eq!(decisions(&world).len(), 1);
    assert!(note(&world).contains("held down"), "{}", note(&world));
    world.press("a");
    assert_eq!(decisions(&world).len(), 2);
    let mut world = World::with_three();
    world.resize(200, 60);
    for _ in 0..2 {
        world.after(33);
        world.tap('j', true);
    }
    assert_eq!(world.selected(), id(3));
    let key =
        KeyEvent { kind: KeyEventKind::Repeat, ..KeyEvent::new(KeyCode::Char('a'), KeyModifiers::NONE) };
    world.press("?\x1b");
    world.give(What::Drawn);
    world.after(1_000);
    world.strike(key, true);
    assert!(decisions(&world).is_empty() && note(&world).contains("held down"), "{}", note(&world));
}

#[test]
fn what_was_on_the_screen_before_a_stop_is_looked_at_again() {
    let mut world = World::with_three();
    world.press("?\x1b");
    world.give(What::Drawn);
    world.after(1_000);
    world.give(What::Resumed);
    world.tap('a', true);
    assert!(decisions(&world).is_empty() && note(&world).contains("too early"), "{}", note(&world));
}

#[test]
fn the_time_to_draw_again_is_known_until_it_has_come() {
    let mut world = World::with_three();
    world.give(What::Drawn);
    let due = world.model.arming.due().unwrap();
    world.after(299);
    world.give(What::Armed);
    assert_eq!(world.model.arming.due(), Some(due));
    world.after(1);
    world.give(What::Armed);
    assert!(world.model.is_dirty && world.model.arming.due().is_none());
}
