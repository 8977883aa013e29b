//! One piece of text under a cursor, for the reviewer's own words.
//!
//! Holds the bytes exactly as they were typed or pasted; what of them is shown is the view's business. Moves and
//! deletes by grapheme. Pure.

use crossterm::event::KeyCode;
use unicode_segmentation::UnicodeSegmentation;

/// A text and a place in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Editor {
    before: String,
    after: String,
}

impl Editor {
    /// An editor with `text`, the cursor behind it.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self { before: text, after: String::new() }
    }

    /// An editor with `text`, the cursor before its byte `at`, or behind all of it.
    #[must_use]
    pub fn at(mut text: String, at: usize) -> Self {
        let at = if text.is_char_boundary(at) { at } else { text.len() };
        let after = text.split_off(at);
        Self { before: text, after }
    }

    /// The whole text.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}{}", self.before, self.after)
    }

    /// What stands before and behind the cursor.
    #[must_use]
    pub fn parts(&self) -> (&str, &str) {
        (&self.before, &self.after)
    }

    /// How many bytes it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.before.len() + self.after.len()
    }

    /// Whether there is no text.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts `text` in at the cursor.
    pub fn insert(&mut self, text: &str) {
        self.before.push_str(text);
    }

    /// One grapheme to the left.
    pub fn move_left(&mut self) {
        if let Some((at, _)) = self.before.grapheme_indices(true).next_back() {
            let moved = self.before.split_off(at);
            self.after.insert_str(0, &moved);
        }
    }

    /// One grapheme to the right.
    pub fn move_right(&mut self) {
        if let Some(grapheme) = self.after.graphemes(true).next().map(str::to_owned) {
            self.after = self.after.split_off(grapheme.len());
            self.before.push_str(&grapheme);
        }
    }

    /// To the beginning.
    pub fn move_home(&mut self) {
        let moved = std::mem::take(&mut self.before);
        self.after.insert_str(0, &moved);
    }

    /// To the end.
    pub fn move_end(&mut self) {
        self.before.push_str(&std::mem::take(&mut self.after));
    }

    /// Removes the grapheme before the cursor.
    pub fn backspace(&mut self) {
        if let Some((at, _)) = self.before.grapheme_indices(true).next_back() {
            self.before.truncate(at);
        }
    }

    /// Removes the grapheme behind the cursor.
    pub fn delete(&mut self) {
        if let Some(length) = self.after.graphemes(true).next().map(str::len) {
            self.after = self.after.split_off(length);
        }
    }

    /// Removes the word before the cursor.
    pub fn delete_word(&mut self) {
        let kept = self.before.trim_end().rfind(char::is_whitespace);
        let next =
            |at: usize| self.before.get(at..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
        let at = kept.map_or(0, |at| at + next(at));
        self.before.truncate(at);
    }

    /// Does what a key that writes nothing asks for: moves the cursor, or removes something. Says whether it does
    /// anything of that.
    pub fn press(&mut self, code: KeyCode, control: bool) -> bool {
        match (code, control) {
            (KeyCode::Left, false) => self.move_left(),
            (KeyCode::Right, false) => self.move_right(),
            (KeyCode::Home, _) | (KeyCode::Char('a'), true) => self.move_home(),
            (KeyCode::End, _) | (KeyCode::Char('e'), true) => self.move_end(),
            (KeyCode::Backspace, _) | (KeyCode::Char('h'), true) => self.backspace(),
            (KeyCode::Delete, _) | (KeyCode::Char('d'), true) => self.delete(),
            (KeyCode::Char('w'), true) => self.delete_word(),
            (KeyCode::Char('u'), true) => self.clear_before(),
            _ => return false,
        }
        true
    }

    /// Removes everything before the cursor.
    pub fn clear_before(&mut self) {
        self.before.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_by_grapheme_and_keeps_every_byte() {
        let mut editor = Editor::new("e\u{301}漢 \x1b\"x\"\n".into());
        assert_eq!(editor.text(), "e\u{301}漢 \x1b\"x\"\n");
        editor.move_home();
        editor.move_right();
        assert_eq!(editor.parts().0, "e\u{301}");
        editor.delete();
        editor.backspace();
        assert_eq!(editor.text(), " \x1b\"x\"\n");
        editor.move_end();
        editor.insert("two words");
        editor.delete_word();
        assert_eq!(editor.text(), " \x1b\"x\"\ntwo ");
        editor.delete_word();
        assert_eq!(editor.text(), " \x1b\"x\"\n");
        editor.move_left();
        editor.clear_before();
        assert_eq!(editor.text(), "\n");
    }
}
