//! Approving with a chosen lease, and with a second key.

use openshell_domain::setting::Value;

use super::*;
use crate::screen::msg::What;

fn lease(world: &World, n: u128) -> String {
    world.decision(id(n)).lease
}

#[test]
fn each_lease_has_a_digit_and_can_be_walked_to() {
    for (keys, wanted) in [
        ("A1", "once"),
        ("A2", "15m"),
        ("A3", "1h"),
        ("A4", "run"),
        ("A5", "always"),
        ("A\n", "run"),
        ("Aj\n", "always"),
        ("Ajjjj\n", "always"),
        ("Akkkkkk\n", "once"),
        ("Akj\n", "run"),
    ] {
        let mut world = World::with_three();
        world.press(keys);
        assert_eq!((decisions(&world).len(), lease(&world, 1).as_str()), (1, wanted), "{keys}");
        assert_eq!(world.model.overlay, Overlay::None);
    }
    let mut world = World::with_three();
    world.press("A06x\x1b");
    assert!(decisions(&world).is_empty() && world.model.overlay == Overlay::None);
    world.press("a");
    assert_eq!(lease(&world, 1), "", "the setting");
}

#[test]
fn the_default_is_marked_and_what_is_cut_down_says_so() {
    let mut world = World::with_three();
    let inbox = world.model.inbox.as_mut().unwrap();
    inbox.settings.set("default_lease", Some(Value::Text("15m".to_owned())));
    inbox.settings.set("max_lease", Some(Value::Text("15m".to_owned())));
    let choices = crate::screen::lease::choices(&world.model);
    let defaults: Vec<&str> = choices.iter().filter(|it| it.is_default).map(|it| it.wire).collect();
    assert_eq!(defaults, ["15m"]);
    let cut: Vec<bool> = choices.iter().map(|it| it.means.contains("max_lease")).collect();
    assert_eq!(cut, [false, false, true, true, true]);
    assert!(choices[4].means.starts_with("until 08:17"), "{}", choices[4].means);
    world.press("A\n");
    assert_eq!(lease(&world, 1), "15m");
}

#[test]
fn once_is_not_for_what_nobody_reads() {
    let mut world = World::with_three();
    world.press("jA1");
    assert!(decisions(&world).is_empty() && world.model.note.as_ref().unwrap().contains("not for L4"));
    world.press("2");
    assert_eq!(lease(&world, 2), "15m");
}

#[test]
fn offline_no_lease_is_chosen_and_none_is_sent() {
    let mut world = World::with_three();
    world.press("A");
    world.reconnecting();
    world.press("2");
    assert!(decisions(&world).is_empty() && world.model.note.as_ref().unwrap().contains("away"));
    world.press("\x1bA");
    assert_eq!(world.model.overlay, Overlay::None);
    world.live();
    world.press("A2");
    assert_eq!(lease(&world, 1), "15m");
}

#[test]
fn what_wants_a_second_key_is_approved_by_that_and_by_no_other() {
    for other in ["a", "A", "\n", "\x1b", "n", "Y", "j"] {
        let mut world = World::with_three();
        world.resize(200, 60);
        world.press("Ga");
        assert!(matches!(world.model.overlay, Overlay::Accept(_)));
        assert!(decisions(&world).is_empty(), "not by one key");
        world.press(other);
        assert!(decisions(&world).is_empty() && world.model.overlay == Overlay::None, "{other:?}");
        assert_eq!(world.selected(), id(3), "the key that cancels does nothing else");
        assert_eq!(world.model.note.as_deref(), Some("nothing was approved"));
        world.press("y");
        assert!(decisions(&world).is_empty(), "it is over");
        world.press("ay");
        assert_eq!(decisions(&world), [(3, Verb::Approve, String::new())]);
    }
}

#[test]
fn a_chosen_lease_wants_the_second_key_too_and_a_rejection_none() {
    let mut world = World::with_three();
    world.resize(200, 60);
    world.press("GA3");
    assert!(decisions(&world).is_empty());
    world.press("y");
    assert_eq!(lease(&world, 3), "1h");
    let mut world = World::with_three();
    world.press("Grno\n");
    assert_eq!(decisions(&world).len(), 1);
}

/// Kills: a second key that passes with the first one in a burst, or before anybody could read the question.
#[test]
fn the_question_must_have_been_on_the_screen_as_well() {
    let mut world = World::with_three();
    world.resize(200, 60);
    world.press("Ga");
    world.give(What::Drawn);
    world.after(200);
    world.tap('y', true);
    assert!(decisions(&world).is_empty() && world.model.note.as_ref().unwrap().contains("too early"));
    world.after(2);
    world.tap('y', false);
    assert!(decisions(&world).is_empty() && matches!(world.model.overlay, Overlay::Accept(_)));
    world.press("y");
    assert_eq!(decisions(&world).len(), 1);
}

/// Kills: a menu or a question that decides about what has come under it meanwhile.
#[test]
fn menu_and_question_are_about_what_they_were_opened_for() {
    for keys in ["A", "Ga"] {
        let mut world = World::with_three();
        world.resize(200, 60);
        world.press(keys);
        world.press("");
        let about = world.selected();
        let other = if about == id(1) { id(2) } else { id(1) };
        let now = world.model.proposal(other).unwrap();
        world.model.detail = Some(crate::screen::model::Detail::of(now));
        world.press(if keys == "A" { "4" } else { "y" });
        assert!(decisions(&world).is_empty() && world.model.overlay == Overlay::None, "{keys}");
        assert!(world.model.note.as_ref().unwrap().contains("something else"));
    }
    let mut world = World::with_three();
    world.press("a");
    world.press("A");
    assert_eq!(world.model.overlay, Overlay::None, "a decision is on its way");
}
