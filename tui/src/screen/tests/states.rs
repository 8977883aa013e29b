//! Each state of the connection has a picture of its own on every tab; and whatever the size, nothing breaks.

use proptest::prelude::*;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::draw;
use super::tabs::{busy, golden};
use super::world::World;
use crate::screen::tab::Tab;

type State = (&'static str, fn() -> World);

const STATES: [State; 6] = [
    ("connecting", World::new),
    ("never_connected", || {
        let mut world = World::new();
        world.offline();
        world
    }),
    ("empty", || {
        let mut world = World::new();
        let inbox = openshell_domain::inbox::Inbox { seq: 1, ..Default::default() };
        world.feed(crate::client::watch::Update::Snapshot(Box::new(inbox)));
        world.live();
        world
    }),
    ("reconnecting", || {
        let mut world = busy();
        world.reconnecting();
        world
    }),
    ("offline_stale", || {
        let mut world = busy();
        world.offline();
        world.pass(60);
        world
    }),
    ("refused", || {
        let mut world = busy();
        world.press("35v");
        world.fail("permission denied");
        world.press("1");
        world
    }),
];

#[test]
fn every_state_on_every_tab() {
    for (state, begin) in STATES {
        for tab in Tab::ALL {
            let mut world = begin();
            world.press(&tab.digit().to_string());
            if state == "empty" {
                world.serve();
            }
            golden(&format!("state_{state}_{}", tab.name().to_lowercase()), &mut world);
        }
    }
}

#[test]
fn no_two_states_look_alike() {
    for tab in Tab::ALL {
        let screens: Vec<String> = STATES
            .iter()
            .map(|(_, begin)| {
                let mut world = begin();
                world.press(&tab.digit().to_string());
                world.resize(80, 24);
                super::text(draw(&world.model).backend().buffer())
            })
            .collect();
        for (at, one) in screens.iter().enumerate() {
            assert!(!screens[at + 1..].contains(one), "{}: {one}", tab.name());
        }
    }
}

#[test]
fn what_is_stale_says_since_when_on_every_tab() {
    for tab in Tab::ALL {
        let mut world = busy();
        world.offline();
        world.press(&tab.digit().to_string());
        world.resize(80, 24);
        let screen = super::text(draw(&world.model).backend().buffer());
        assert!(screen.contains("■ offline since") && screen.contains(" as of "), "{screen}");
    }
}

/// Draws into the middle of a larger buffer: what is outside must stay as it was.
fn stays_inside(world: &World, columns: u16, lines: u16) {
    let area = Rect::new(0, 0, columns, lines);
    let buffer: Buffer = draw(&world.model).backend().buffer().clone();
    assert_eq!(*buffer.area(), area);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_size_at_any_moment(
        sizes in prop::collection::vec((1_u16..=300, 1_u16..=100), 1..4),
        keys in "[1-5jkgG\tv/dx?rah\n]{0,12}",
    ) {
        let mut world = busy();
        for (columns, lines) in sizes {
            world.resize(columns, lines);
            stays_inside(&world, columns, lines);
            for key in keys.chars() {
                world.press(&key.to_string());
                world.serve();
                draw(&world.model);
            }
            stays_inside(&world, columns, lines);
        }
    }
}

#[test]
fn a_terminal_that_is_too_small_says_so() {
    let mut world = busy();
    for tab in Tab::ALL {
        world.press(&tab.digit().to_string());
        for (columns, lines) in [(49, 24), (80, 13), (40, 5)] {
            world.resize(columns, lines);
            let screen = super::text(draw(&world.model).backend().buffer());
            assert!(screen.contains("The inbox needs 50×14 cells"), "{screen}");
        }
    }
}
