//! Golden screens: what a reviewer sees, cell for cell.

use openshell_domain::event::RunEnd;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;

use super::model::Model;
use super::theme::Theme;
use super::view::view;

pub(crate) mod acts;
mod edits;
mod hostile;
mod mapper;
mod narrow;
mod repeats;
mod reviewer;
mod reviews;
mod states;
pub(crate) mod tabs;
pub(crate) mod world;

use world::World;

pub(super) fn draw(model: &Model) -> Terminal<TestBackend> {
    let (columns, lines) = model.size;
    let mut terminal = Terminal::new(TestBackend::new(columns, lines)).unwrap();
    terminal.draw(|frame| view(model, &Theme::dark(), frame)).unwrap();
    terminal
}

/// A screen at the sizes of the contract, and at one between them.
fn golden(name: &str, world: &mut World) {
    for (columns, lines) in [(80, 24), (100, 30), (120, 40), (200, 60)] {
        world.resize(columns, lines);
        insta::assert_snapshot!(format!("{name}_{columns}x{lines}"), draw(&world.model).backend());
    }
}

#[test]
fn connecting_and_loading() {
    let mut world = World::new();
    golden("connecting", &mut world);
}

#[test]
fn empty() {
    let mut world = World::new();
    world.live();
    golden("empty", &mut world);
}

#[test]
fn offline() {
    let mut world = World::new();
    world.live();
    world.offline();
    golden("offline", &mut world);
}

#[test]
fn offline_with_something_on_the_screen() {
    let mut world = World::with_three();
    world.reconnecting();
    world.press("a");
    golden("offline_refuses", &mut world);
}

#[test]
fn list_and_l7() {
    golden("l7", &mut World::with_three());
}

#[test]
fn list_and_l4() {
    let mut world = World::with_three();
    world.press("j");
    golden("l4", &mut world);
}

#[test]
fn detail_in_full() {
    let mut world = World::with_three();
    world.press("jj\n");
    golden("in_full", &mut world);
}

#[test]
fn rejecting() {
    let mut world = World::with_three();
    world.press("r");
    world.paste("not main, please:\ruse \"release/*\" \u{1b}[31m");
    golden("reject", &mut world);
}

#[test]
fn help() {
    let mut world = World::with_three();
    world.press("?");
    golden("help", &mut world);
}

#[test]
fn after_an_approval() {
    let mut world = World::with_three();
    let id = world.selected();
    world.press("a");
    world.answer_recorded(id, Some(2), true);
    world.approved(id, 2, "");
    world.loaded(2);
    golden("approved", &mut world);
}

#[test]
fn when_everything_is_decided() {
    let mut world = World::new();
    world.live();
    let id = world.submit_put(1, "/repos/o/r/contents/demo/run-1.md", "write one file");
    world.press("a");
    world.answer_recorded(id, Some(2), false);
    world.approved(id, 2, "");
    world.notice("demo: the agent retried: 201 Created,\nfile verified at the origin");
    golden("all_done", &mut world);
}

#[test]
fn decided_elsewhere() {
    let mut world = World::with_three();
    let id = world.selected();
    world.rejected(id, "not on a Friday");
    golden("decided_elsewhere", &mut world);
}

#[test]
fn more_rows_than_fit() {
    let mut world = World::new();
    world.live();
    for n in 1..=30 {
        world.submit_put(n, &format!("/repos/o/r/contents/file-{n}.md"), "one more");
    }
    world.press("jjjjjjjjjj");
    for n in 31..=33 {
        world.submit_put(n, &format!("/repos/o/r/contents/file-{n}.md"), "one more");
    }
    golden("many", &mut world);
}

#[test]
fn decided_elsewhere_while_a_reason_is_typed_tells_the_way_out() {
    let mut world = World::with_three();
    let id = world.selected();
    world.press("rnot main, please");
    world.rejected(id, "not on a Friday");
    golden("decided_under_the_prompt", &mut world);
    let screen = text(draw(&world.model).backend().buffer());
    assert!(screen.contains("it is rejected already: esc goes back, the text is kept"), "{screen}");
    assert!(!screen.contains("nter shows it"), "{screen}");
}

#[test]
fn unisolated_is_never_out_of_sight_and_never_cut() {
    never_out_of_sight(World::unisolated, "! unisolated");
    let mut world = World::with_three();
    world.unisolated();
    world.resize(50, 40);
    let buffer = draw(&world.model).backend().buffer().clone();
    let at = usize::from(row_with(&buffer, "! unisolated: it can bypass the"));
    assert!(rows(&buffer)[at + 1].contains("proxy"), "{}", text(&buffer));
    golden("unisolated", &mut world);
}

#[test]
fn root_of_the_host_is_never_out_of_sight_and_never_cut() {
    never_out_of_sight(World::host_root, "! host root");
    let mut world = World::with_three();
    world.host_root();
    golden("host_root", &mut world);
}

/// Kills: showing a quarantine only in the life of the decision that led to it, which another screen never saw.
#[test]
fn a_quarantine_is_never_out_of_sight_and_says_why_until_the_run_is_over() {
    never_out_of_sight(World::quarantined, "! 1 quarantined");
    let mut world = World::with_three();
    world.resize(120, 40);
    world.quarantined();
    let screen = text(draw(&world.model).backend().buffer());
    assert!(
        screen.contains("! quarantine: everything is denied") && screen.contains("endpoints[0].prot"),
        "{screen}"
    );
    let inbox = world.model.inbox.as_mut().unwrap();
    inbox.sandboxes.values_mut().for_each(|view| view.ended = Some(RunEnd::Finished));
    let screen = text(draw(&world.model).backend().buffer());
    assert!(!screen.contains("quarantine"), "{screen}");
}

/// Whatever the size and whatever is done, the warning is on the screen, whole.
fn never_out_of_sight(mark: impl Fn(&mut World), warning: &str) {
    for (columns, lines) in [(50, 14), (60, 18), (80, 24), (100, 24), (120, 40)] {
        let mut world = World::with_three();
        mark(&mut world);
        world.resize(columns, lines);
        for keys in ["", "G", "\n", "jjjjjjjj", "rno"] {
            world.press(keys);
            let screen = text(draw(&world.model).backend().buffer());
            assert!(screen.contains(warning), "{screen}");
        }
    }
}

#[test]
fn two_lines_of_the_agents_words_are_in_sight_on_a_small_screen() {
    for notice in ["", "demo: the agent asks"] {
        for is_unisolated in [false, true] {
            let mut world = World::new();
            world.resize(80, 24);
            world.live();
            if is_unisolated {
                world.unisolated();
            }
            world.notice(notice);
            let path = format!("/repos/octo/notes/contents/{}notes.md", "a/long/way/down/".repeat(6));
            world.submit_put(1, &path, "line one\nline two");
            let screen = text(draw(&world.model).backend().buffer());
            assert!(screen.contains("│ line one ") && screen.contains("│ line two "), "{screen}");
        }
    }
}

#[test]
fn where_it_is_tight_the_agents_words_come_before_rule_and_sandbox() {
    let mut world = World::with_three();
    world.press("G");
    world.resize(80, 24);
    let buffer = draw(&world.model).backend().buffer().clone();
    golden("tight", &mut world);
    let top = row_with(&buffer, "Agent says");
    assert!(rows(&buffer)[usize::from(top) + 1].contains("Reads the items"), "{}", text(&buffer));
}

#[test]
fn a_line_that_is_cut_says_so() {
    let mut world = World::with_three();
    world.resize(60, 24);
    let id = world.selected();
    world.press("a");
    world.answer_recorded(id, Some(2), false);
    let status = rows(draw(&world.model).backend().buffer())[22].clone();
    assert!(status.trim_end().ends_with('…') && status.contains("! approved 3f0c5c2e PUT"), "{status}");
    let mut world = World::new();
    world.resize(60, 24);
    world.live();
    let id = world.submit_put(1, "/repos/octo/notes/contents/a/long/way/down/notes.md", "");
    world.press("a");
    world.approved(id, 2, "");
    let screen = text(draw(&world.model).backend().buffer());
    assert!(screen.contains("approved 3f0c5c2e PUT api.github.com/repo…own/notes.md │"), "{screen}");
}

pub(super) fn rows(buffer: &Buffer) -> Vec<String> {
    let area = *buffer.area();
    (0..area.height).map(|y| (0..area.width).map(|x| buffer[(x, y)].symbol()).collect()).collect()
}

pub(super) fn text(buffer: &Buffer) -> String {
    rows(buffer).join("\n")
}

fn row_with(buffer: &Buffer, what: &str) -> u16 {
    u16::try_from(rows(buffer).iter().position(|row| row.contains(what)).unwrap()).unwrap()
}

#[test]
fn every_size_can_be_drawn() {
    for columns in [1, 20, 50, 79, 99, 100, 250] {
        for lines in [1, 5, 14, 15, 24, 80] {
            let mut world = World::with_three();
            world.resize(columns, lines);
            for keys in ["", "\n", "r", "?"] {
                world.press(keys);
                draw(&world.model);
            }
        }
    }
}

#[test]
fn in_ascii_nothing_else_reaches_the_terminal_and_nothing_moves() {
    let ascii = Theme { is_ascii: true, ..Theme::plain() };
    for tab in super::tab::Tab::ALL {
        let mut world = tabs::busy();
        world.submit_put(9, "/v1/x", "漢字 und ü");
        world.press(&format!("1g{}", tab.digit()));
        world.serve();
        let (columns, lines) = (80, 24);
        world.resize(columns, lines);
        let mut terminal = Terminal::new(TestBackend::new(columns, lines)).unwrap();
        terminal.draw(|frame| view(&world.model, &ascii, frame)).unwrap();
        let folded = text(terminal.backend().buffer());
        assert!(folded.is_ascii(), "{folded}");
        let plain = draw(&world.model);
        for (one, other) in folded.lines().zip(rows(plain.backend().buffer())) {
            assert_eq!(super::text::width(one), super::text::width(&other), "{other}");
        }
    }
}
