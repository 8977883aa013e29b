//! The keys that a reviewer has chosen: the table `[keys]` of `config.toml`, `ACTION = "KEY"` or `ACTION = ["KEY", "KEY"]`.
//!
//! Every mistake is told with its line, its column and what is allowed; with one mistake nothing is taken over, so that
//! no key does what nobody expects. Two actions on one key of one tab are a mistake, also where one of them is a
//! default. What confirms a question confirms it for everybody and can open none.

use std::ops::Range;

use crossterm::event::KeyCode;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::chord::{Chord, key, letter};
use super::keymap::{Keymap, fixed};
use super::{Action, TABLE};
use crate::screen::tab::Tab;

/// The largest file, in bytes.
pub const MAX_FILE: u64 = 64 * 1024;

/// The keys that answer a question: who holds one down must not have asked it with the same.
const CONFIRMING: [Chord; 7] =
    [letter('y'), key(KeyCode::Enter), letter('1'), letter('2'), letter('3'), letter('4'), letter('5')];

/// What a file says.
#[derive(Debug, Default)]
pub struct Custom {
    chosen: Vec<(Action, Vec<Chord>, String)>,
    problems: Vec<String>,
}

impl Custom {
    /// The keys that a file chooses; `name` is what mistakes call it.
    ///
    /// # Errors
    /// Every mistake, a line each.
    pub fn read(name: &str, text: &str) -> Result<Keymap, Vec<String>> {
        let mut custom = Self::default();
        let at = |span: Range<usize>| place(name, text, span.start);
        let (table, mistakes) = DeTable::parse_recoverable(text);
        for mistake in mistakes {
            let span = mistake.span().unwrap_or_default();
            custom.problems.push(format!("{}: {}", at(span), mistake.message()));
        }
        if custom.problems.is_empty() {
            custom.top(table.get_ref(), &at);
        }
        let keys = Keymap::with(|action| custom.of(action).map(|(_, keys, _)| keys.clone()));
        if custom.problems.is_empty() {
            custom.collisions(&keys);
        }
        if custom.problems.is_empty() { Ok(keys) } else { Err(custom.problems) }
    }

    fn of(&self, action: Action) -> Option<&(Action, Vec<Chord>, String)> {
        self.chosen.iter().find(|(known, ..)| *known == action)
    }

    fn top(&mut self, table: &DeTable<'_>, at: &dyn Fn(Range<usize>) -> String) {
        for (name, value) in in_order(table) {
            match value.get_ref() {
                DeValue::Table(keys) if name.get_ref() == "keys" => self.keys(keys, at),
                _ => {
                    let place = at(name.span());
                    self.problems.push(format!("{place}: {:?}: allowed is the table [keys]", name.get_ref()));
                }
            }
        }
    }

    fn keys(&mut self, table: &DeTable<'_>, at: &dyn Fn(Range<usize>) -> String) {
        for (name, value) in in_order(table) {
            let Some(row) = TABLE.iter().find(|row| row.action.name() == name.get_ref().as_ref()) else {
                let place = at(name.span());
                let known = names();
                self.problems
                    .push(format!("{place}: keys: {:?} is no action; there are {known}", name.get_ref()));
                continue;
            };
            let mut chords = Vec::new();
            for (text, place) in texts(value, at) {
                let read = text.and_then(Chord::parse).and_then(|chord| allowed(row.action, chord));
                match read {
                    Ok(chord) => chords.push(chord),
                    Err(problem) => {
                        self.problems.push(format!("{place}: keys.{}: {problem}", row.action.name()));
                    }
                }
            }
            self.chosen.push((row.action, chords, at(name.span())));
        }
    }

    /// Two actions on one key.
    fn collisions(&mut self, keys: &Keymap) {
        let mut found = Vec::new();
        for tab in Tab::ALL {
            let rows: Vec<_> = keys.of(tab).collect();
            let pairs = rows
                .iter()
                .enumerate()
                .flat_map(|(at, one)| rows.iter().skip(at + 1).map(move |two| (one, two)));
            for (one, two) in pairs {
                for chord in one.keys.iter().filter(|chord| two.keys.contains(chord)) {
                    found.push((one.binding.action, two.binding.action, *chord, tab));
                }
            }
        }
        for (one, two, chord, tab) in found {
            let (first, second) = if self.of(two).is_some() { (one, two) } else { (two, one) };
            let place = self.of(second).map(|(.., place)| place.clone()).unwrap_or_default();
            let whence = self.of(first).map_or("its default".to_owned(), |(.., place)| place.clone());
            let (label, first, second, tab) = (chord.label(), first.name(), second.name(), tab.name());
            let problem = format!(
                "{place}: keys.{second}: {label} is the key of {first} on the tab {tab} already ({whence}): give one of \
                 them another key"
            );
            if !self
                .problems
                .iter()
                .any(|known| known.starts_with(&format!("{place}: keys.{second}: {label} ")))
            {
                self.problems.push(problem);
            }
        }
    }
}

/// Whether an action may have a key.
fn allowed(action: Action, chord: Chord) -> Result<Chord, String> {
    let owner = TABLE.iter().map(|row| row.action).find(|owner| fixed(*owner) == Some(chord));
    if let Some(owner) = owner.filter(|owner| *owner != action) {
        return Err(format!("{} is always {}: name another key", chord.label(), owner.name()));
    }
    if action.decides() && CONFIRMING.contains(&chord) {
        return Err(format!("{} answers questions and can ask none: name another key", chord.label()));
    }
    Ok(chord)
}

type Entry<'t> = (&'t Spanned<toml::de::DeString<'t>>, &'t Spanned<DeValue<'t>>);

/// In the order of the file, which is the order in which somebody mends it.
fn in_order<'t>(table: &'t DeTable<'t>) -> Vec<Entry<'t>> {
    let mut rows: Vec<_> = table.iter().collect();
    rows.sort_by_key(|(name, _)| name.span().start);
    rows
}

/// The strings that a value is made of, each with its place.
fn texts<'v>(
    value: &'v Spanned<DeValue<'v>>,
    at: &dyn Fn(Range<usize>) -> String,
) -> Vec<(Result<&'v str, String>, String)> {
    let text = |value: &'v Spanned<DeValue<'v>>| {
        let read = match value.get_ref() {
            DeValue::String(text) => Ok(text.as_ref()),
            _ => Err("allowed is a key as a string, or a list of such, or [] for none".to_owned()),
        };
        (read, at(value.span()))
    };
    match value.get_ref() {
        DeValue::Array(values) => values.iter().map(text).collect(),
        _ => vec![text(value)],
    }
}

fn names() -> String {
    let mut names: Vec<&str> = Vec::new();
    for name in TABLE.iter().map(|row| row.action.name()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.join(", ")
}

/// `FILE:line:column`, from 1, in characters.
fn place(name: &str, text: &str, offset: usize) -> String {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
    format!("{name}:{line}:{column}")
}
