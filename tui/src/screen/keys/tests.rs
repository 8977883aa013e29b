//! The table, and what a reviewer may make of it.

use crossterm::event::{KeyEvent, KeyModifiers};

use super::*;
use crate::screen::tests::acts::text;
use crate::screen::tests::world::World;

#[test]
fn no_key_does_two_things_on_one_tab() {
    for tab in Tab::ALL {
        let mut seen = Vec::new();
        for chord in Keymap::default().of(tab).flat_map(|row| row.keys) {
            assert!(!seen.contains(chord), "{}: {}", tab.name(), chord.label());
            seen.push(*chord);
        }
    }
}

#[test]
fn keys_find_their_actions() {
    let press = |tab, code, modifiers| Keymap::default().action(tab, KeyEvent::new(code, modifiers));
    let letter = |tab, c| press(tab, KeyCode::Char(c), KeyModifiers::NONE);
    assert_eq!(letter(Tab::Pending, 'a'), Some(Action::Approve));
    assert_eq!(press(Tab::Log, KeyCode::Char('G'), KeyModifiers::SHIFT), Some(Action::Bottom));
    assert_eq!(press(Tab::Policy, KeyCode::Char('c'), KeyModifiers::CONTROL), Some(Action::Quit));
    assert_eq!(press(Tab::Pending, KeyCode::Char('a'), KeyModifiers::ALT), None);
    assert_eq!(press(Tab::Pending, KeyCode::Char('a'), KeyModifiers::CONTROL), None);
    assert_eq!(
        [letter(Tab::Pending, 'v'), letter(Tab::Log, 'v')],
        [Some(Action::Policy), Some(Action::Verify)]
    );
    for tab in Tab::ALL {
        assert_eq!(letter(Tab::Decided, tab.digit()), Some(Action::Show(tab)));
    }
}

/// Kills: a binding without its tab, by which something would be decided that is not on the screen.
#[test]
fn nothing_can_be_decided_from_another_tab() {
    for tab in Tab::ALL.into_iter().filter(|tab| *tab != Tab::Pending) {
        let decides = |row: &&Binding| matches!(row.action, Action::Approve | Action::Lease | Action::Reject);
        assert_eq!(
            TABLE.iter().filter(|row| row.tabs.contains(&tab)).filter(decides).count(),
            0,
            "{}",
            tab.name()
        );
    }
}

#[test]
fn the_readme_has_the_table() {
    let readme = include_str!("../../../../README.md");
    assert!(readme.contains(&markdown()), "README.md, \"Keys\", should be:\n{}", markdown());
}

fn chosen(text: &str) -> Result<Keymap, Vec<String>> {
    Custom::read("config.toml", text)
}

fn does(keys: &Keymap, tab: Tab, code: KeyCode, modifiers: KeyModifiers) -> Option<Action> {
    keys.action(tab, KeyEvent::new(code, modifiers))
}

#[test]
fn a_reviewer_chooses_keys_and_the_old_ones_do_nothing() {
    let text = "[keys]\napprove = \"ctrl-y\"\ndown = [\"n\", \"down\"]\nsort = []\nquit = \"Q\"\n";
    let keys = chosen(text).unwrap();
    let bare = KeyModifiers::NONE;
    let pending = |code, modifiers| does(&keys, Tab::Pending, code, modifiers);
    assert_eq!(pending(KeyCode::Char('y'), KeyModifiers::CONTROL), Some(Action::Approve));
    assert_eq!(pending(KeyCode::Char('a'), bare), None);
    assert_eq!(pending(KeyCode::Char('n'), bare), Some(Action::Down));
    assert_eq!((pending(KeyCode::Char('j'), bare), pending(KeyCode::Char('s'), bare)), (None, None));
    assert_eq!(pending(KeyCode::Char('Q'), KeyModifiers::SHIFT), Some(Action::Quit));
    assert_eq!(pending(KeyCode::Char('c'), KeyModifiers::CONTROL), Some(Action::Quit), "always");
    assert_eq!(keys.labels(Tab::Pending, &[Action::Approve, Action::Sort, Action::Down]), "ctrl-y n");
    assert_eq!((chosen("").unwrap(), chosen("[keys]\n").unwrap()), (Keymap::default(), Keymap::default()));
}

/// Kills: a mistake that is passed over, by which a key does what nobody expects.
#[test]
fn every_mistake_is_told_with_its_place_and_what_is_allowed() {
    for (text, told) in [
        ("[keys]\naprove = \"a\"\n", "config.toml:2:1: keys: \"aprove\" is no action; there are approve, "),
        ("[keys]\naccept = \"p\"\n", "config.toml:2:1: keys: \"accept\" is no action"),
        ("colour = 1\n", "config.toml:1:1: \"colour\": allowed is the table [keys]"),
        ("keys = 1\n", "config.toml:1:1: \"keys\": allowed is the table [keys]"),
        ("[keys]\nhelp = 1\n", "config.toml:2:8: keys.help: allowed is a key as a string"),
        (
            "[keys]\nhelp = [\"f1\",\n  \"f13\"]\n",
            "config.toml:3:3: keys.help: \"f13\" is no key; allowed are",
        ),
        ("[keys]\nhelp = \"ctrl-i\"\n", "what a terminal sends for tab"),
        ("[keys]\nhelp = \"esc\"\n", "config.toml:2:8: keys.help: esc is always back"),
        ("[keys]\nsort = \"ctrl-c\"\n", "ctrl-c is always quit"),
        ("[keys]\nhelp\n", "config.toml:2:"),
    ] {
        let problems = chosen(text).unwrap_err();
        assert!(problems.len() == 1 && problems[0].contains(told), "{text:?}: {problems:?}");
    }
}

#[test]
fn two_actions_on_one_key_are_refused_also_where_one_is_a_default() {
    let problems = chosen("[keys]\napprove = \"j\"\n").unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].starts_with("config.toml:2:1: keys.approve: j is the key of down"), "{problems:?}");
    assert!(problems[0].contains("(its default)"), "{problems:?}");
    let problems = chosen("[keys]\nwhy = \"f2\"\nhelp = \"f2\"\n").unwrap_err();
    assert!(problems.len() == 1 && problems[0].contains("config.toml:"), "{problems:?}");
    assert!(chosen("[keys]\napprove = \"r\"\nreject = \"a\"\n").is_ok(), "they may change places");
    assert!(chosen("[keys]\nverify = \"r\"\n").is_ok(), "on different tabs a key may do two things");
}

/// Kills: a risk that is accepted by the same key that was held down to approve.
#[test]
fn what_confirms_asks_nothing() {
    for key in ["y", "enter", "1", "5"] {
        for action in ["approve", "approve-for", "reject", "undo", "revoke"] {
            let problems = chosen(&format!("[keys]\n{action} = \"{key}\"\n")).unwrap_err();
            assert!(problems[0].contains("answers questions"), "{action} {key}: {problems:?}");
        }
    }
}

/// Kills: a footer or a help that names the keys of the table where others are in force.
#[test]
fn what_is_chosen_is_what_works_and_what_is_shown() {
    let mut world = World::with_three();
    world.model.keys = chosen("[keys]\napprove = \"ctrl-y\"\ndown = \"n\"\n").unwrap();
    let shown = text(&world);
    assert!(shown.contains(" ctrl-y approve  A for…"), "{shown}");
    let id = world.selected();
    world.press("aj");
    assert!(world.effects.is_empty() && world.selected() == id);
    world.press("?");
    let shown = text(&world);
    assert!(
        shown.contains("│ ctrl-y          approve what is shown") && shown.contains("│ n k g G "),
        "{shown}"
    );
    world.press("\x1bn");
    assert_ne!(world.selected(), id);
    world.press("g");
    world.key(KeyCode::Char('y'), KeyModifiers::CONTROL);
    assert_eq!(world.decision(id).verb, crate::client::Verb::Approve);
}

/// Kills: a help that says that any key closes it, and stays.
#[test]
fn a_key_that_does_nothing_closes_the_help_too() {
    for (key, modifiers) in
        [(KeyCode::Char('b'), KeyModifiers::NONE), (KeyCode::Char('w'), KeyModifiers::ALT)]
    {
        let mut world = World::with_three();
        world.press("?");
        assert!(text(&world).contains("any key closes"));
        world.key(key, modifiers);
        assert_eq!(world.model.overlay, crate::screen::model::Overlay::None, "{key:?}");
        assert!(world.model.is_dirty, "and that is shown");
    }
}

/// Kills: advice to press a key that was given to something else.
#[test]
fn what_is_said_names_the_keys_in_force() {
    let file = "[keys]\nreject = \"R\"\nundo = \"ctrl-u\"\nunhide = \"H\"\npause = \"P\"\nopen = \"o\"\ntab-decided = \"D\"\nedit = []\n";
    let mut world = World::with_three();
    world.model.keys = chosen(file).unwrap();
    world.key(KeyCode::Char('u'), KeyModifiers::CONTROL);
    let mut said = vec![world.model.note.clone().unwrap()];
    world.paste("x");
    said.extend(world.model.note.clone());
    world.press("P");
    said.extend(world.model.note.clone());
    world.press("z");
    said.extend(world.model.note.clone());
    let wanted = [
        "nothing was decided here: D shows what was decided, ctrl-u takes it back there",
        "nothing was pasted: R asks for a reason to type",
        "bell and notifications are paused: P goes on",
        "hidden here for 15 m, nothing is decided: H, a new wording or wait shows it",
    ];
    assert_eq!(said, wanted);
    let screen = text(&world);
    assert!(screen.contains("1 hidden (H)") && screen.contains("o shows all"), "{screen}");
    assert_eq!(world.model.keys.label(Tab::Pending, Action::Edit), "edit (no key)");
    world.model.keys =
        chosen("[keys]\ncopy = \"f4\"\npane = \"f5\"\ndown = [\"n\"]\nchoose = \"f6\"\nopen = \"o\"\n")
            .unwrap();
    world.key(KeyCode::F(4), KeyModifiers::NONE);
    assert!(world.model.note.as_deref().unwrap().contains("(f4 again: its rule)"), "{:?}", world.model.note);
    world.press("?");
    let help = text(&world);
    assert!(help.contains("f6 V            choose it, all up to here"), "{help}");
    assert!(help.contains("n k g G         down, up, first, last; also ↑ home end pgdn pgup "), "{help}");
}
