//! The words of a rejection while they are typed: a text, hints for a program to act on, and earlier words to take
//! again. Pure; whether they are sent is `update`'s business.
//!
//! The text is kept byte for byte, and nothing that is typed is lost by looking at earlier words.

use std::collections::BTreeSet;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use openshell_domain::decide::MAX_REASON;
use openshell_domain::event::ActorKind;
use openshell_domain::proposal::{Hint, Status};

use super::editor::Editor;
use super::model::Model;
use crate::client::Verb;

/// How many earlier words are offered.
const EARLIER: usize = 20;

/// How many decisions are looked through for them.
const SEARCHED: usize = 200;

/// What is said: kept for a proposal until it is sent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Words {
    /// The text.
    pub text: String,
    /// The hints.
    pub hints: BTreeSet<Hint>,
}

/// Words that are being typed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reason {
    /// The text.
    pub editor: Editor,
    /// The hints that were chosen.
    pub hints: BTreeSet<Hint>,
    /// Which hint has the keys; `None`: the text.
    pub chip: Option<usize>,
    /// Whether enter was pressed on an empty text: the next one sends it.
    pub is_empty_confirmed: bool,
    /// How far back in the earlier words.
    back: usize,
    /// What had been typed before these were looked at.
    typed: String,
}

/// What a key has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// Something, or nothing.
    Done,
    /// The text would have had this many bytes.
    TooLong(usize),
}

impl Reason {
    /// Goes on with words.
    #[must_use]
    pub fn new(words: Words) -> Self {
        Self { editor: Editor::new(words.text), hints: words.hints, ..Self::default() }
    }

    /// What is said.
    #[must_use]
    pub fn words(&self) -> Words {
        Words { text: self.editor.text(), hints: self.hints.clone() }
    }

    /// A key; `earlier` are the words to take again, the latest first.
    pub fn key(&mut self, key: KeyEvent, earlier: &[String]) -> Heard {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let alt = key.modifiers.contains(KeyModifiers::ALT);
        match (key.code, control, alt) {
            (KeyCode::Char(digit @ '1'..='7'), false, true) => self.toggle(digit),
            (KeyCode::Char(' '), false, false) if self.chip.is_some() => self.toggle_chip(),
            (KeyCode::Tab, ..) => self.walk(1),
            (KeyCode::BackTab, ..) => self.walk(Hint::ALL.len()),
            (KeyCode::Right, false, _) if self.chip.is_some() => self.walk(1),
            (KeyCode::Left, false, _) if self.chip.is_some() => self.walk(Hint::ALL.len()),
            (KeyCode::Up, ..) => self.recall(self.back + 1, earlier),
            (KeyCode::Down, ..) => self.recall(self.back.saturating_sub(1), earlier),
            (KeyCode::Enter, _, true) | (KeyCode::Char('j'), true, _) => return self.insert("\n"),
            (KeyCode::Char(c), false, false) => return self.insert(c.encode_utf8(&mut [0; 4])),
            (code, ..) => self.edit(code, control),
        }
        Heard::Done
    }

    /// Puts a text in at the cursor, if there is room for all of it.
    pub fn insert(&mut self, text: &str) -> Heard {
        self.touched();
        let length = self.editor.len() + text.len();
        if length > MAX_REASON {
            return Heard::TooLong(length);
        }
        self.editor.insert(text);
        Heard::Done
    }

    fn edit(&mut self, code: KeyCode, control: bool) {
        self.touched();
        let editor = &mut self.editor;
        match (code, control) {
            (KeyCode::Left, false) => editor.move_left(),
            (KeyCode::Right, false) => editor.move_right(),
            (KeyCode::Home, _) | (KeyCode::Char('a'), true) => editor.move_home(),
            (KeyCode::End, _) | (KeyCode::Char('e'), true) => editor.move_end(),
            (KeyCode::Backspace, _) | (KeyCode::Char('h'), true) => editor.backspace(),
            (KeyCode::Delete, _) | (KeyCode::Char('d'), true) => editor.delete(),
            (KeyCode::Char('w'), true) => editor.delete_word(),
            (KeyCode::Char('u'), true) => editor.clear_before(),
            _ => {}
        }
    }

    /// The text has the keys again, and is nobody's earlier words any more.
    fn touched(&mut self) {
        self.is_empty_confirmed = false;
        self.chip = None;
        self.back = 0;
    }

    fn recall(&mut self, back: usize, earlier: &[String]) {
        if back > earlier.len() || back == self.back {
            return;
        }
        if self.back == 0 {
            self.typed = self.editor.text();
        }
        self.is_empty_confirmed = false;
        self.back = back;
        let text = back.checked_sub(1).and_then(|at| earlier.get(at)).unwrap_or(&self.typed);
        self.editor = Editor::new(text.clone());
    }

    /// From the text over the hints and back to the text.
    fn walk(&mut self, by: usize) {
        let places = Hint::ALL.len() + 1;
        let place = (self.chip.map_or(0, |chip| chip + 1) + by) % places;
        self.chip = place.checked_sub(1);
    }

    fn toggle(&mut self, digit: char) {
        let at = digit.to_digit(10).and_then(|digit| usize::try_from(digit).ok()?.checked_sub(1));
        self.flip(at);
    }

    fn toggle_chip(&mut self) {
        self.flip(self.chip);
    }

    fn flip(&mut self, at: Option<usize>) {
        self.is_empty_confirmed = false;
        let Some(hint) = at.and_then(|at| Hint::ALL.get(at)) else { return };
        if !self.hints.remove(hint) {
            self.hints.insert(*hint);
        }
    }
}

/// The reviewer's own words of this session, then those of other rejections that the inbox knows; each once, the
/// latest first.
#[must_use]
pub fn earlier(model: &Model) -> Vec<String> {
    let sent = model.lives.iter().rev().map(|life| &life.decision);
    let own = sent.filter(|decision| decision.verb == Verb::Reject).map(|decision| &decision.reason);
    let decided = model.decided.rows.iter_from(0).take(SEARCHED);
    let others = decided.filter_map(|(_, id)| match &model.proposal(id)?.status {
        Status::Rejected { decision, .. } if decision.by.kind == ActorKind::Reviewer => {
            Some(&decision.reason)
        }
        _ => None,
    });
    let mut words: Vec<String> = Vec::new();
    for reason in own.chain(others).filter(|reason| !reason.is_empty()) {
        if words.len() < EARLIER && !words.contains(reason) {
            words.push(reason.clone());
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(reason: &mut Reason, codes: &[KeyCode]) {
        let earlier = ["latest".to_owned(), "oldest".to_owned()];
        for code in codes {
            reason.key(KeyEvent::new(*code, KeyModifiers::NONE), &earlier);
        }
    }

    #[test]
    fn earlier_words_are_taken_again_and_nothing_typed_is_lost() {
        let mut reason = Reason::default();
        press(&mut reason, &[KeyCode::Char('x'), KeyCode::Up]);
        assert_eq!(reason.words().text, "latest");
        press(&mut reason, &[KeyCode::Up, KeyCode::Up, KeyCode::Up]);
        assert_eq!(reason.words().text, "oldest");
        press(&mut reason, &[KeyCode::Down, KeyCode::Down, KeyCode::Down]);
        assert_eq!(reason.words().text, "x");
        press(&mut reason, &[KeyCode::Up, KeyCode::Char('!'), KeyCode::Up, KeyCode::Down]);
        assert_eq!(reason.words().text, "latest!");
    }

    #[test]
    fn hints_are_set_by_alt_and_by_hand() {
        let mut reason = Reason::default();
        let alt = |digit| KeyEvent::new(KeyCode::Char(digit), KeyModifiers::ALT);
        for digit in ['1', '2', '7', '2', '8', '0'] {
            reason.key(alt(digit), &[]);
        }
        assert_eq!(reason.words().hints, [Hint::TooBroad, Hint::Other].into());
        press(&mut reason, &[KeyCode::Tab, KeyCode::Char(' '), KeyCode::Right, KeyCode::Char(' ')]);
        assert_eq!(reason.words().hints, [Hint::UseL7NotL4, Hint::Other].into());
        press(&mut reason, &[KeyCode::BackTab, KeyCode::BackTab, KeyCode::BackTab]);
        assert_eq!(reason.chip, Some(6));
        press(&mut reason, &[KeyCode::Tab, KeyCode::Char(' ')]);
        assert_eq!((reason.chip, reason.words().text.as_str()), (None, " "));
        press(&mut reason, &[KeyCode::Tab, KeyCode::Tab, KeyCode::Char('n')]);
        assert_eq!((reason.chip, reason.words().text.as_str()), (None, " n"), "letters are the text's");
    }
}
