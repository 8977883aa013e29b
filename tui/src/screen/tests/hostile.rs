//! What an agent could write to take the screen over: shown, contained, counted.

use proptest::prelude::*;
use ratatui::buffer::Buffer;

use super::world::World;
use super::{draw, row_with, rows, text};

/// What it is, the text, and how that is shown.
const TABLE: &[(&str, &str, &str)] = &[
    (
        "clear screen and go home",
        "\u{1b}[2J\u{1b}[1;1HAPPROVED by root",
        "\\u{1b}[2J\\u{1b}[1;1HAPPROVED by root",
    ),
    ("window title", "\u{1b}]0;owned\u{7}", "\\u{1b}]0;owned\\u{7}"),
    ("link", "\u{1b}]8;;https://evil.example\u{1b}\\here", "\\u{1b}]8;;https://evil.example\\u{1b}\\\\here"),
    ("clipboard", "\u{1b}]52;c;cm0gLXJmIC8=\u{7}", "\\u{1b}]52;c;cm0gLXJmIC8=\\u{7}"),
    ("notification", "\u{1b}]9;all is well\u{7}", "\\u{1b}]9;all is well\\u{7}"),
    ("device control", "\u{1b}P$q\"p\u{1b}\\x", "\\u{1b}P$q\"p\\u{1b}\\\\x"),
    ("C1 control sequence", "\u{9b}31m\u{85}\u{90}x\u{9c}", "\\u{9b}31m\\u{85}\\u{90}x\\u{9c}"),
    ("overwriting", "fine\rEVIL\u{8}\u{8}\u{7f}", "fine\\rEVIL\\u{8}\\u{8}\\u{7f}"),
    ("null, vertical tab, form feed", "a\u{0}b\u{b}c\u{c}d", "a\\u{0}b\\u{b}c\\u{c}d"),
    ("tab", "a\tb", "a\\tb"),
    ("an escape that is none", "\\u{1b}[2J", "\\\\u{1b}[2J"),
    ("override of direction", "\u{202e}gnp.exe\u{202c}", "\\u{202e}gnp.exe\\u{202c}"),
    ("isolates", "\u{2066}a\u{2067}b\u{2068}c\u{2069}", "\\u{2066}a\\u{2067}b\\u{2068}c\\u{2069}"),
    ("marks of direction", "a\u{200e}b\u{200f}c\u{61c}d", "a\\u{200e}b\\u{200f}c\\u{61c}d"),
    ("tags", "x\u{e0041}\u{e007f}", "x\\u{e0041}\\u{e007f}"),
    ("zero width", "a\u{200b}b\u{200d}c\u{2060}d\u{feff}e", "a\\u{200b}b\\u{200d}c\\u{2060}d\\u{feff}e"),
    (
        "soft hyphen, fillers",
        "a\u{ad}b\u{3164}c\u{115f}d\u{2800}e",
        "a\\u{ad}b\\u{3164}c\\u{115f}d\\u{2800}e",
    ),
    ("separators", "a\u{2028}b\u{2029}c", "a\\u{2028}b\\u{2029}c"),
    ("mark without a letter", "\u{301}x", "\\u{301}x"),
    ("heap of marks", "a\u{300}\u{301}\u{302}\u{303}\u{304}b", "a\u{300}\u{301}\u{302}\\u{303}\\u{304}b"),
    ("variation", "\u{2764}\u{fe0f}", "\u{2764}\\u{fe0f}"),
    (
        "a family of one glyph",
        "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f466}",
        "\u{1f468}\\u{200d}\u{1f469}\\u{200d}\u{1f466}",
    ),
    ("keycap", "1\u{fe0f}\u{20e3}", "1\\u{fe0f}"),
    ("frames", "┌─ L7 ─┐│ safe │└──────┘", "┌─ L7 ─┐│ safe │└──────┘"),
    ("wide", "漢字漢字", "漢字漢字"),
    (
        "words of the screen",
        "a approve  r reject  ! approved 3f0c5c2e",
        "a approve  r reject  ! approved 3f0c5c2e",
    ),
];

/// All texts of the table.
pub(super) fn texts() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|(_, text, _)| *text)
}

fn screen(rationale: &str, (columns, lines): (u16, u16)) -> Buffer {
    let mut world = World::new();
    world.resize(columns, lines);
    world.live();
    world.submit_put(1, "/v1/x", rationale);
    draw(&world.model).backend().buffer().clone()
}

/// Nothing but the words inside the agent's frame may differ from the screen with calm words in it.
fn contained(rationale: &str, size: (u16, u16)) -> Result<(), String> {
    let (columns, lines) = size;
    let (calm, shown) = (screen("calm words", size), screen(rationale, size));
    let top = row_with(&calm, "Agent says (unverified)");
    let corner = |symbol| (0..columns).rfind(|x| calm[(*x, top)].symbol() == symbol).unwrap();
    let (left, right) = (corner("┌"), corner("┐"));
    for y in 0..lines {
        for x in 0..columns {
            let cell = &shown[(x, y)];
            let is_plain = !cell.symbol().chars().any(openshell_domain::untrusted::is_hidden);
            let is_area = y > top && y < lines - 3 && x >= left && x <= right;
            if !is_plain || cell.symbol().chars().count() > 4 || !(is_area || *cell == calm[(x, y)]) {
                return Err(format!("{x},{y} {:?}: {rationale:?}\n{}", cell.symbol(), text(&shown)));
            }
        }
    }
    Ok(())
}

/// Kills: one kind of character that reaches the terminal as it is, or is dropped without a word.
#[test]
fn every_kind_of_hostile_text_is_shown_and_contained() {
    for size in [(80, 24), (100, 30), (200, 60)] {
        for (what, hostile, told) in TABLE {
            contained(hostile, size).unwrap_or_else(|wrong| panic!("{what}: {wrong}"));
            let shown = rows(&screen(hostile, size));
            let is_shown = shown.iter().any(|row| squeezed(row).contains(&squeezed(told)));
            assert!(is_shown, "{what}: {told}\n{}", shown.join("\n"));
        }
        let all: String = texts().collect();
        contained(&all, size).unwrap();
    }
}

/// A wide character takes two cells, of which the second is a blank one.
fn squeezed(text: &str) -> String {
    text.chars().filter(|c| *c != ' ').collect()
}

/// Kills: a text that is wrapped whole for each frame, and one whose end is left out without a count.
#[test]
fn a_text_without_end_is_cut_and_counted() {
    let long = "x".repeat(1024 * 1024);
    for size in [(80, 24), (200, 60)] {
        contained(&long, size).unwrap();
        contained(&"\n".repeat(1024 * 1024), size).unwrap();
        contained(&"e\u{301}".repeat(100_000), size).unwrap();
        let mut world = World::new();
        world.resize(size.0, size.1);
        world.live();
        world.submit_put(1, "/v1/x", &long);
        assert!(text(draw(&world.model).backend().buffer()).contains("more lines, enter shows all"));
        world.press("\nG");
        let shown = text(draw(&world.model).backend().buffer());
        assert!(shown.contains("1032192 more bytes are not shown"), "{shown}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Kills: a single cell outside the frame that an agent's words change.
    #[test]
    fn no_cell_outside_the_frame_changes_with_the_agents_words(
        pieces in prop::collection::vec(prop_oneof![
            3 => prop::sample::select(texts().map(str::to_owned).collect::<Vec<_>>()),
            2 => any::<String>(),
            1 => "[a-z│─┐]{0,200}",
            1 => "\n{0,60}",
            1 => "[\u{300}-\u{36f}\u{4e00}-\u{4e20}\u{1f300}-\u{1f5ff}]{0,40}",
        ], 0..8),
        size in prop::sample::select(vec![(80_u16, 24_u16), (100, 30), (200, 60)]),
    ) {
        prop_assert_eq!(contained(&pieces.concat(), size), Ok(()));
    }
}
