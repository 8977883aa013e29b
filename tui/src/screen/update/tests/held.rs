//! A key that is held down comes again and again: what it was refused, or asked to look at first, it does not get by
//! that. Terminals without the keyboard protocol send nothing but the same key once more.

use crossterm::event::KeyEvent;

use super::*;
use crate::screen::msg::What;
use crate::screen::tests::acts::long;

/// Holds a key down for a while: as X11 repeats it, or as slowly as people set it, with a frame between.
fn hold(world: &mut World, code: KeyCode, every: u64) {
    for pause in [0, 660].into_iter().chain([every; 60]) {
        world.give(What::Drawn);
        world.after(pause);
        world.strike(KeyEvent::new(code, KeyModifiers::NONE), true);
    }
}

fn has_sent(world: &World) -> bool {
    let is_decision = |effect: &Effect| matches!(effect, Effect::Decide(_) | Effect::DecideMany(_));
    world.effects.iter().any(is_decision)
}

/// Kills: the same press that was told to look first approves as soon as there was time to look.
#[test]
fn a_held_key_does_not_approve_what_it_was_told_to_look_at() {
    for (lines, every) in [(24, 33), (24, 400), (40, 33), (40, 400)] {
        let mut world = long();
        world.resize(80, lines);
        world.press("g");
        world.give(What::Drawn);
        world.after(1_000);
        hold(&mut world, KeyCode::Char('a'), every);
        assert!(!has_sent(&world), "{lines} lines, every {every} ms");
    }
}

/// Kills: an enter that is held down as the one that confirms a rejection without words.
#[test]
fn a_held_enter_does_not_reject_without_words() {
    let mut world = World::with_three();
    world.press("r");
    hold(&mut world, KeyCode::Enter, 33);
    assert!(!has_sent(&world));
    world.press("\n");
    assert_eq!(decisions(&world), [(1, Verb::Reject, String::new())]);
    let mut world = World::with_three();
    world.press("g  r");
    hold(&mut world, KeyCode::Enter, 33);
    assert!(!has_sent(&world));
}

/// Kills: a key that waits, held down, until the gateway is back.
#[test]
fn a_key_that_was_refused_offline_does_not_decide_once_the_gateway_is_back() {
    for keys in ["", "r", "g "] {
        let mut world = World::with_three();
        world.resize(200, 60);
        world.press(keys);
        world.paste("no");
        world.give(What::Drawn);
        world.after(1_000);
        world.reconnecting();
        let code = if keys == "r" { KeyCode::Enter } else { KeyCode::Char('a') };
        hold(&mut world, code, 33);
        world.live();
        for n in 1..=3 {
            world.reviewed(n);
        }
        for _ in 0..60 {
            world.give(What::Drawn);
            world.after(33);
            world.strike(KeyEvent::new(code, KeyModifiers::NONE), true);
        }
        assert!(!has_sent(&world), "{keys:?}");
    }
}

/// Kills: a list of which one press shows page after page, and sends it at the end.
#[test]
fn a_held_key_does_not_send_what_it_was_told_to_look_at() {
    let mut world = World::new();
    world.live();
    for n in 1..=14 {
        world.submit_put(n, &format!("/v1/items/{n}"), "a file");
    }
    world.model.selection.chosen = (1..=14).map(id).collect();
    for id in world.model.selection.chosen.clone() {
        let digest = world.model.proposal(id).unwrap().digest().unwrap();
        world.model.selection.seen.insert(id, digest);
    }
    for (open, code) in [('a', KeyCode::Char('y')), ('r', KeyCode::Enter)] {
        let mut world = world.clone();
        world.tap(open, true);
        world.paste("no");
        world.give(What::Drawn);
        world.after(1_000);
        hold(&mut world, code, 33);
        assert!(!has_sent(&world), "{open}");
    }
}
