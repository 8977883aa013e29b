use crossterm::event::KeyModifiers;

use super::*;
use crate::screen::msg::What;
use crate::screen::order::Place;
use crate::screen::tests::world::World;
use crate::screen::tests::{draw, rows};

fn give(world: &mut World, kind: MouseEventKind, column: u16, row: u16) {
    world.give(What::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE }));
}

fn press(world: &mut World, column: u16, row: u16) {
    give(world, MouseEventKind::Down(MouseButton::Left), column, row);
}

/// Where a text begins on the screen.
fn place(world: &World, text: &str) -> (u16, u16) {
    let buffer = draw(&world.model).backend().buffer().clone();
    let found = rows(&buffer).iter().zip(0..).find_map(|(line, row)| {
        let (before, _) = line.split_once(text)?;
        Some((u16::try_from(before.chars().count()).unwrap(), row))
    });
    found.unwrap_or_else(|| panic!("{text} is not on the screen"))
}

#[test]
fn a_click_chooses_the_row_under_it_in_every_size() {
    for (columns, lines) in [(80, 24), (100, 30), (200, 60)] {
        let mut world = World::with_three();
        world.resize(columns, lines);
        let rows: Vec<_> = (0..3).filter_map(|row| world.model.rows.get(row)).map(Place::id).collect();
        let areas = world.model.areas().unwrap();
        let height = u16::try_from(areas.row_height()).unwrap();
        for (number, id) in [2, 0, 1].map(|number| (number, rows[usize::from(number)])) {
            for line in 0..height {
                press(&mut world, 5, areas.list.y + 1 + number * height + line);
                assert_eq!(world.model.selected(), Some(id), "{columns}×{lines}");
            }
        }
        // Below the last row there is none, and the frame is none either.
        let was = world.model.selected();
        press(&mut world, 5, areas.list.bottom() - 1);
        press(&mut world, 5, areas.list.y);
        assert_eq!(world.model.selected(), was);
        press(&mut world, areas.detail.x + 3, areas.detail.y + 3);
        assert_eq!(world.model.focus, Focus::Detail);
        assert!(world.effects.is_empty());
    }
}

#[test]
fn the_names_of_the_tabs_open_them_wherever_they_stand() {
    for (columns, lines) in [(80, 24), (200, 60)] {
        let mut world = World::with_three();
        world.resize(columns, lines);
        for tab in Tab::ALL.into_iter().rev() {
            let (column, row) = place(&world, &format!("{} {}", tab.digit(), tab.name()));
            press(&mut world, column, row);
            assert_eq!(world.model.tab, tab);
        }
    }
}

/// Kills: a click through a question, and one on a name of a tab that is not there because something is said.
#[test]
fn nothing_is_clicked_through_what_lies_on_top() {
    let mut world = World::with_three();
    let was = world.model.selected();
    let last = world.model.areas().unwrap().status.y;
    world.press("y");
    press(&mut world, 14, last);
    assert_eq!(world.model.tab, Tab::Pending, "the note stands there");
    for keys in ["?", "r", "A", "w", "/"] {
        world.press(keys);
        let before = world.model.overlay.clone();
        press(&mut world, 5, 4);
        give(&mut world, MouseEventKind::ScrollDown, 5, 3);
        assert_eq!((world.model.selected(), &world.model.overlay), (was, &before), "{keys}");
        world.press("\x1b");
    }
}

#[test]
fn the_wheel_moves_what_is_under_it() {
    let mut world = World::with_three();
    let areas = world.model.areas().unwrap();
    let rows: Vec<_> = (0..3).filter_map(|row| world.model.rows.get(row)).map(Place::id).collect();
    give(&mut world, MouseEventKind::ScrollDown, 5, areas.list.y + 1);
    assert_eq!(world.model.selected(), Some(rows[1]));
    give(&mut world, MouseEventKind::ScrollDown, 5, areas.detail.y + 1);
    let scrolled = world.model.detail.as_ref().unwrap().scroll;
    assert!(scrolled > 0 && world.model.selected() == Some(rows[1]));
    give(&mut world, MouseEventKind::ScrollUp, 5, areas.detail.y + 1);
    assert!(world.model.detail.as_ref().unwrap().scroll < scrolled);
    give(&mut world, MouseEventKind::ScrollUp, 5, areas.list.y + 1);
    assert_eq!(world.model.selected(), Some(rows[0]));
}
