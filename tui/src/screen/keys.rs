//! The keys: one table from which keymap, footer and help are made.
//!
//! Owns which key does what where. What an action means is `update`'s business.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// What a key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The row or line above.
    Up,
    /// The row or line below.
    Down,
    /// The first row.
    Top,
    /// The last row.
    Bottom,
    /// A page up.
    PageUp,
    /// A page down.
    PageDown,
    /// Show the row as it is now, in full.
    Open,
    /// The other pane.
    Switch,
    /// Back to the list, or close what lies on top.
    Back,
    /// Grant what is shown.
    Approve,
    /// Refuse what is shown.
    Reject,
    /// All keys.
    Help,
    /// Paint everything again.
    Redraw,
    /// Stop for a while.
    Suspend,
    /// End.
    Quit,
}

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Binding {
    /// The keys, the one to show first.
    pub keys: &'static [Chord],
    /// What they do.
    pub action: Action,
    /// What help says.
    pub help: &'static str,
    /// What the footer says; empty: nothing.
    pub footer: &'static str,
}

/// A key with its modifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chord(KeyCode, KeyModifiers);

const fn key(code: KeyCode) -> Chord {
    Chord(code, KeyModifiers::NONE)
}

const fn letter(c: char) -> Chord {
    key(KeyCode::Char(c))
}

const fn ctrl(c: char) -> Chord {
    Chord(KeyCode::Char(c), KeyModifiers::CONTROL)
}

const fn row(keys: &'static [Chord], action: Action, help: &'static str, footer: &'static str) -> Binding {
    Binding { keys, action, help, footer }
}

/// The keys of list and detail, in the order of the footer.
pub const TABLE: &[Binding] = &[
    row(&[letter('a')], Action::Approve, "approve what is shown, until its run ends", "approve"),
    row(&[letter('r')], Action::Reject, "reject what is shown, with a reason", "reject"),
    row(&[key(KeyCode::Enter)], Action::Open, "show it in full, as it is now", "open"),
    row(&[key(KeyCode::Tab)], Action::Switch, "the other pane", "pane"),
    row(&[letter('j'), key(KeyCode::Down)], Action::Down, "down", "down"),
    row(&[letter('k'), key(KeyCode::Up)], Action::Up, "up", "up"),
    row(&[letter('g'), key(KeyCode::Home)], Action::Top, "to the first", ""),
    row(&[letter('G'), key(KeyCode::End)], Action::Bottom, "to the last", ""),
    row(&[key(KeyCode::PageUp), ctrl('b')], Action::PageUp, "a page up", ""),
    row(&[key(KeyCode::PageDown), ctrl('f')], Action::PageDown, "a page down", ""),
    row(&[key(KeyCode::Esc)], Action::Back, "back to the list", ""),
    row(&[letter('?')], Action::Help, "these keys", "help"),
    row(&[ctrl('l')], Action::Redraw, "paint again", ""),
    row(&[ctrl('z')], Action::Suspend, "suspend", ""),
    row(&[letter('q'), ctrl('c')], Action::Quit, "quit; nothing is decided by that", "quit"),
];

/// The keys while a reason is typed: label, what footer and help say.
pub const PROMPT: &[(&str, &str)] =
    &[("enter", "send"), ("esc", "cancel, keep the text"), ("ctrl-j", "new line"), ("ctrl-u", "clear")];

/// The action of a key, if it has one.
#[must_use]
pub fn action(event: KeyEvent) -> Option<Action> {
    // The shift of a capital letter is in the letter.
    let modifiers = event.modifiers.difference(KeyModifiers::SHIFT);
    let pressed = Chord(event.code, modifiers);
    TABLE.iter().find(|row| row.keys.contains(&pressed)).map(|row| row.action)
}

impl Chord {
    /// The key as people write it: `a`, `enter`, `ctrl-z`, `↓`.
    #[must_use]
    pub fn label(self) -> String {
        let name = match self.0 {
            KeyCode::Char(c) => c.to_string(),
            KeyCode::Enter => "enter".to_owned(),
            KeyCode::Tab => "tab".to_owned(),
            KeyCode::Esc => "esc".to_owned(),
            KeyCode::Up => "↑".to_owned(),
            KeyCode::Down => "↓".to_owned(),
            KeyCode::Home => "home".to_owned(),
            KeyCode::End => "end".to_owned(),
            KeyCode::PageUp => "pgup".to_owned(),
            KeyCode::PageDown => "pgdn".to_owned(),
            other => other.to_string(),
        };
        if self.1.contains(KeyModifiers::CONTROL) { format!("ctrl-{name}") } else { name }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_does_two_things() {
        let mut seen = Vec::new();
        for chord in TABLE.iter().flat_map(|row| row.keys) {
            assert!(!seen.contains(chord), "{}", chord.label());
            seen.push(*chord);
        }
    }

    #[test]
    fn keys_find_their_actions() {
        let press = |code, modifiers| action(KeyEvent::new(code, modifiers));
        assert_eq!(press(KeyCode::Char('a'), KeyModifiers::NONE), Some(Action::Approve));
        assert_eq!(press(KeyCode::Char('G'), KeyModifiers::SHIFT), Some(Action::Bottom));
        assert_eq!(press(KeyCode::Char('c'), KeyModifiers::CONTROL), Some(Action::Quit));
        assert_eq!(press(KeyCode::Char('a'), KeyModifiers::ALT), None);
        assert_eq!(press(KeyCode::Char('a'), KeyModifiers::CONTROL), None);
    }
}
