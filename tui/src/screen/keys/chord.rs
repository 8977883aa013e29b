//! A key with its modifier, as people write it.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// A key with its modifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chord(KeyCode, KeyModifiers);

pub(super) const fn key(code: KeyCode) -> Chord {
    Chord(code, KeyModifiers::NONE)
}

pub(super) const fn letter(c: char) -> Chord {
    key(KeyCode::Char(c))
}

pub(super) const fn ctrl(c: char) -> Chord {
    Chord(KeyCode::Char(c), KeyModifiers::CONTROL)
}

/// The keys that have a name: what the file of settings calls them, what the screen shows.
const NAMED: &[(&str, KeyCode, &str)] = &[
    ("space", KeyCode::Char(' '), "space"),
    ("enter", KeyCode::Enter, "enter"),
    ("tab", KeyCode::Tab, "tab"),
    ("esc", KeyCode::Esc, "esc"),
    ("up", KeyCode::Up, "↑"),
    ("down", KeyCode::Down, "↓"),
    ("left", KeyCode::Left, "←"),
    ("right", KeyCode::Right, "→"),
    ("home", KeyCode::Home, "home"),
    ("end", KeyCode::End, "end"),
    ("pgup", KeyCode::PageUp, "pgup"),
    ("pgdn", KeyCode::PageDown, "pgdn"),
    ("backspace", KeyCode::Backspace, "backspace"),
    ("delete", KeyCode::Delete, "delete"),
    ("insert", KeyCode::Insert, "insert"),
];

/// What a terminal sends for these is another key.
const SAME: &[(char, &str)] = &[('i', "tab"), ('m', "enter"), ('h', "backspace"), ('[', "esc")];

impl Chord {
    /// The key that was pressed. The shift of a capital letter is in the letter.
    #[must_use]
    pub fn of(event: KeyEvent) -> Self {
        Self(event.code, event.modifiers.difference(KeyModifiers::SHIFT))
    }

    /// The key as the screen shows it: `a`, `enter`, `ctrl-z`, `↓`.
    #[must_use]
    pub fn label(self) -> String {
        let named = NAMED.iter().find(|(_, code, _)| *code == self.0);
        let name = match (named, self.0) {
            (Some((.., shown)), _) => (*shown).to_owned(),
            (None, KeyCode::Char(c)) => c.to_string(),
            (None, KeyCode::F(number)) => format!("f{number}"),
            (None, other) => other.to_string(),
        };
        match self.1 {
            KeyModifiers::CONTROL => format!("ctrl-{name}"),
            KeyModifiers::ALT => format!("alt-{name}"),
            _ => name,
        }
    }

    /// Reads a key as the file of settings writes it.
    ///
    /// # Errors
    /// What is wrong with it, and what is allowed.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (modifier, name) = match (text.strip_prefix("ctrl-"), text.strip_prefix("alt-")) {
            (Some(name), _) if !name.is_empty() => (KeyModifiers::CONTROL, name),
            (_, Some(name)) if !name.is_empty() => (KeyModifiers::ALT, name),
            _ => (KeyModifiers::NONE, text),
        };
        let named = NAMED.iter().find(|(known, ..)| *known == name).map(|(_, code, _)| *code);
        let function = name.strip_prefix('f').and_then(|number| number.parse().ok());
        let function = function.filter(|number| (1..=12).contains(number)).map(KeyCode::F);
        let mut chars = name.chars();
        let single = match (chars.next(), chars.next()) {
            (Some(c), None) if c.is_ascii_graphic() || (!c.is_ascii() && c.is_alphanumeric()) => Some(c),
            _ => None,
        };
        let code = named.or(function).or(single.map(KeyCode::Char)).ok_or_else(|| {
            let names: Vec<&str> = NAMED.iter().map(|(name, ..)| *name).collect();
            format!(
                "{text:?} is no key; allowed are one character, {}, f1 to f12, and ctrl- or alt- before them",
                names.join(", ")
            )
        })?;
        let same = single.and_then(|c| SAME.iter().find(|(same, _)| *same == c));
        if let (KeyModifiers::CONTROL, Some((_, same))) = (modifier, same) {
            return Err(format!("{text:?} is what a terminal sends for {same}: name another key"));
        }
        if modifier == KeyModifiers::CONTROL && single.is_some_and(|c| !c.is_ascii_lowercase()) {
            return Err(format!("{text:?}: behind ctrl- stands a small letter or the name of a key"));
        }
        Ok(Self(code, modifier))
    }
}
