//! A text of several lines under a cursor. Moves by grapheme and by line; a new line begins where the one above does.
//!
//! Holds what was typed as it is; what of it is shown is the view's business. Pure.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use unicode_segmentation::UnicodeSegmentation;

use super::fields;
use crate::screen::editor::Editor;

/// The most that is typed, in bytes: far more than a rule, and read anew at every key.
pub const MOST: usize = 32 * 1024;

/// One level of YAML.
const INDENT: &str = "  ";

/// A text and a place in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Area {
    editor: Editor,
    /// The column that is wished for while the cursor goes over shorter lines.
    wish: Option<usize>,
}

impl Area {
    /// A rule as text, with the cursor where it is changed most: at the end of the first path, where there is none of
    /// the first host, and before a text that has neither.
    #[must_use]
    pub fn new(text: String) -> Self {
        let of = |key: &str| {
            text.lines().position(|line| {
                // The name of the rule stands at the edge, and may be such a word.
                line.starts_with(' ') && line.trim_start_matches([' ', '-']).starts_with(key)
            })
        };
        // What stands under the binaries has a path too, and is not what was asked for.
        let binaries = of("binaries:").unwrap_or(usize::MAX);
        let line = of("path:").filter(|line| *line < binaries).or_else(|| of("host:"));
        let mut area = Self { editor: Editor::at(text, 0), wish: None };
        if let Some(line) = line {
            area.go(line, usize::MAX);
        }
        area
    }

    /// The whole text.
    #[must_use]
    pub fn text(&self) -> String {
        self.editor.text()
    }

    /// The line and the column of the cursor, in graphemes; both begin with 0.
    #[must_use]
    pub fn cursor(&self) -> (usize, usize) {
        let (before, _) = self.editor.parts();
        (before.matches('\n').count(), self.before().graphemes(true).count())
    }

    /// What stands before the cursor on its line.
    #[must_use]
    pub fn before(&self) -> &str {
        let (before, _) = self.editor.parts();
        before.rsplit('\n').next().unwrap_or_default()
    }

    /// What stands behind the cursor on its line.
    fn behind(&self) -> &str {
        let (_, after) = self.editor.parts();
        after.split('\n').next().unwrap_or_default()
    }

    /// Puts a text in at the cursor, where there is room for all of it.
    pub fn insert(&mut self, text: &str) -> bool {
        let fits = self.editor.len() + text.len() <= MOST;
        if fits {
            self.wish = None;
            self.editor.insert(text);
        }
        fits
    }

    /// Does what a key asks for; `false` where there is no room for it.
    pub fn press(&mut self, key: KeyEvent) -> bool {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let is_bare = key.modifiers.difference(KeyModifiers::SHIFT).is_empty();
        match key.code {
            KeyCode::Up => self.walk(-1),
            KeyCode::Down => self.walk(1),
            KeyCode::Enter => return self.insert(&self.line_break()),
            KeyCode::Tab if self.is_before_text() => return self.insert(INDENT),
            KeyCode::Tab => self.turn(false),
            KeyCode::Char(c) if is_bare => return self.insert(c.encode_utf8(&mut [0; 4])),
            code => {
                self.wish = None;
                self.edit(code, control);
            }
        }
        true
    }

    fn edit(&mut self, code: KeyCode, control: bool) {
        let (line, _) = self.cursor();
        let is_indent = self.is_before_text() && self.before().ends_with(INDENT);
        match (code, control) {
            (KeyCode::Home, true) => self.go(0, 0),
            (KeyCode::End, true) => self.editor.move_end(),
            (KeyCode::Home, _) | (KeyCode::Char('a'), true) => self.go(line, 0),
            (KeyCode::End, _) => self.go(line, usize::MAX),
            (KeyCode::Char('u'), true) => self.repeat(self.typed(), Editor::backspace),
            (KeyCode::Char('k'), true) => {
                self.repeat(self.behind().graphemes(true).count().max(1), Editor::delete);
            }
            (KeyCode::Backspace, false) if is_indent => self.repeat(INDENT.len(), Editor::backspace),
            (KeyCode::BackTab, _) if is_indent => self.repeat(INDENT.len(), Editor::backspace),
            (KeyCode::BackTab, _) => self.turn(true),
            (code, control) => drop(self.editor.press(code, control)),
        }
    }

    fn repeat(&mut self, times: usize, step: impl Fn(&mut Editor)) {
        (0..times).for_each(|_| step(&mut self.editor));
    }

    /// Whether nothing but spaces stands before the cursor.
    fn is_before_text(&self) -> bool {
        self.before().trim_matches(' ').is_empty()
    }

    /// How much of the value stands before the cursor; where that is not in one, how much of the line.
    fn typed(&self) -> usize {
        let (_, column) = self.cursor();
        let line = format!("{}{}", self.before(), self.behind());
        let start = fields::value(&line).filter(|start| *start < column).unwrap_or(0);
        column - start
    }

    /// To the end of the next value, or of the one before.
    fn turn(&mut self, is_back: bool) {
        self.wish = None;
        if let Some(line) = fields::next(&self.text(), self.cursor().0, is_back) {
            self.go(line, usize::MAX);
        }
    }

    /// A line break and the spaces that the next line begins with: one level more below a key.
    fn line_break(&self) -> String {
        let before = self.before();
        let spaces: String = before.chars().take_while(|c| *c == ' ').collect();
        let more = if before.trim_end().ends_with(':') { INDENT } else { "" };
        format!("\n{spaces}{more}")
    }

    fn walk(&mut self, by: isize) {
        let (line, column) = self.cursor();
        let wish = self.wish.unwrap_or(column);
        let last = self.text().matches('\n').count();
        self.go(line.saturating_add_signed(by).min(last), wish);
        self.wish = Some(wish);
    }

    /// To a line, and as far into it as it goes.
    fn go(&mut self, line: usize, column: usize) {
        let text = self.text();
        let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
        let rest = text.get(start..).unwrap_or_default();
        let wanted = rest.split('\n').next().unwrap_or_default();
        let into: usize = wanted.graphemes(true).take(column).map(str::len).sum();
        self.editor = Editor::at(text, start + into);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn area(text: &str, keys: &[(KeyCode, KeyModifiers)]) -> Area {
        let mut area = Area::new(text.to_owned());
        for (code, modifiers) in keys {
            area.press(KeyEvent::new(*code, *modifiers));
        }
        area
    }

    const BARE: KeyModifiers = KeyModifiers::NONE;
    const CONTROL: KeyModifiers = KeyModifiers::CONTROL;

    #[test]
    fn the_cursor_goes_over_short_lines_and_keeps_its_column() {
        let down = (KeyCode::Down, BARE);
        let text = "漢字e\u{301}\n\nabcdef\n";
        assert_eq!(area(text, &[(KeyCode::End, BARE)]).cursor(), (0, 3));
        assert_eq!(area(text, &[(KeyCode::End, BARE), down]).cursor(), (1, 0));
        assert_eq!(area(text, &[(KeyCode::End, BARE), down, down]).cursor(), (2, 3));
        assert_eq!(area(text, &[down, down, down, down, (KeyCode::Up, BARE)]).cursor(), (2, 0));
        assert_eq!(area(text, &[(KeyCode::End, CONTROL), (KeyCode::Home, CONTROL)]).cursor(), (0, 0));
        assert_eq!(area(text, &[down, down, (KeyCode::Left, BARE)]).cursor(), (1, 0));
    }

    #[test]
    fn lines_are_broken_indented_and_cut() {
        let (end, enter) = ((KeyCode::End, BARE), (KeyCode::Enter, BARE));
        assert_eq!(area("a:", &[end, enter, (KeyCode::Char('b'), BARE)]).text(), "a:\n  b");
        assert_eq!(area("  b: 1", &[end, enter]).text(), "  b: 1\n  ");
        assert_eq!(area("  b: 1", &[end, enter, (KeyCode::Backspace, BARE)]).text(), "  b: 1\n");
        assert_eq!(area("one\ntwo", &[end, (KeyCode::Char('u'), CONTROL)]).text(), "\ntwo");
        assert_eq!(area("one\ntwo", &[(KeyCode::Char('k'), CONTROL)]).text(), "\ntwo");
        assert_eq!(area("\ntwo", &[(KeyCode::Char('k'), CONTROL)]).text(), "two");
        assert_eq!(area("a\nb", &[end, (KeyCode::Delete, BARE)]).text(), "ab");
        assert_eq!(area("a", &[(KeyCode::Tab, BARE)]).text(), "  a");
        assert_eq!(area("a", &[(KeyCode::Tab, BARE), (KeyCode::BackTab, BARE)]).text(), "a");
    }

    #[test]
    fn tab_goes_from_value_to_value_and_ctrl_u_clears_one() {
        let (tab, back, clear) =
            ((KeyCode::Tab, BARE), (KeyCode::BackTab, BARE), (KeyCode::Char('u'), CONTROL));
        let text = "r:\n  endpoints:\n    - host: a.example\n      ports:\n        - 443\n      path: /p\n  binaries:\n    - path: /bin/x\n";
        let cursor = |keys: &[_]| area(text, keys).cursor();
        assert_eq!(cursor(&[]), (5, 14), "where it is changed most");
        assert_eq!(cursor(&[tab]), (7, 18));
        assert_eq!(cursor(&[tab, tab]), (2, 21), "round and round");
        assert_eq!(cursor(&[back]), (4, 13));
        let changed = area(text, &[back, clear, (KeyCode::Char('8'), BARE)]).text();
        assert_eq!(changed, text.replace("443", "8"));
        assert_eq!(area("  b: 1", &[(KeyCode::End, BARE), clear, clear]).text(), "");
        assert_eq!(area("a: 1", &[(KeyCode::Home, BARE), tab]).text(), "  a: 1", "before a text it indents");
    }

    #[test]
    fn what_has_no_room_is_not_put_in() {
        let mut area = area(&"x".repeat(MOST), &[]);
        assert!(!area.insert("y") && !area.press(KeyEvent::new(KeyCode::Enter, BARE)));
        assert_eq!(area.text().len(), MOST);
    }
}
