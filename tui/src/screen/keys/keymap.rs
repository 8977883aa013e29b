//! The keys in force: those of the table, and those that a reviewer has chosen instead.
//!
//! Whatever was chosen, `esc` goes back and `ctrl-c` ends the screen.

use std::sync::Arc;

use crossterm::event::{KeyCode, KeyEvent};

use super::chord::{Chord, ctrl, key};
use super::{Action, Binding, TABLE};
use crate::screen::tab::Tab;

/// A row of the table with the keys that it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound<'k> {
    /// The keys, the one to show first; may be none.
    pub keys: &'k [Chord],
    /// The row.
    pub binding: &'static Binding,
}

/// Which keys do what. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keymap {
    /// The keys of each row of the table, in its order.
    rows: Arc<[(Vec<Chord>, &'static Binding)]>,
}

impl Default for Keymap {
    fn default() -> Self {
        Self::with(|_| None)
    }
}

/// The key of an action that no choice takes away.
pub(super) fn fixed(action: Action) -> Option<Chord> {
    match action {
        Action::Back => Some(key(KeyCode::Esc)),
        Action::Quit => Some(ctrl('c')),
        _ => None,
    }
}

impl Keymap {
    /// The table with other keys for some actions.
    pub(super) fn with(chosen: impl Fn(Action) -> Option<Vec<Chord>>) -> Self {
        let row = |binding: &'static Binding| {
            let mut keys = chosen(binding.action).unwrap_or_else(|| binding.keys.to_vec());
            keys.extend(fixed(binding.action).filter(|fixed| !keys.contains(fixed)));
            (keys, binding)
        };
        Self { rows: TABLE.iter().map(row).collect() }
    }

    /// The rows of one tab, in the order of the footer.
    pub fn of(&self, tab: Tab) -> impl Iterator<Item = Bound<'_>> {
        let rows = self.rows.iter().filter(move |(_, binding)| binding.tabs.contains(&tab));
        rows.map(|(keys, binding)| Bound { keys, binding })
    }

    /// The action of a key on a tab, if it has one.
    #[must_use]
    pub fn action(&self, tab: Tab, event: KeyEvent) -> Option<Action> {
        let pressed = Chord::of(event);
        self.of(tab).find(|row| row.keys.contains(&pressed)).map(|row| row.binding.action)
    }

    /// The first key of an action where something is said about it, else its name.
    #[must_use]
    pub fn label(&self, tab: Tab, action: Action) -> String {
        let label = self.labels(tab, &[action]);
        if label.is_empty() { format!("{} (no key)", action.name()) } else { label }
    }

    /// The first key of each of these actions, as a line of help has them.
    #[must_use]
    pub fn labels(&self, tab: Tab, actions: &[Action]) -> String {
        let first = |action: &Action| {
            let row = self.of(tab).find(|row| row.binding.action == *action)?;
            row.keys.first().map(|key| key.label())
        };
        actions.iter().filter_map(first).collect::<Vec<_>>().join(" ")
    }
}
