//! The way of other people's text to a terminal: `Untrusted`, and the marks that pile up.
//!
//! `Untrusted` shows every character that hides or moves text. Combining marks are ordinary letters in many
//! scripts and stay, but one that stands alone would be dropped by the cell buffer (it has no cell of its own)
//! and a heap of them paints over the lines above: both are written as escapes here. Used by screen and verbs.

use openshell_domain::untrusted::Untrusted;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// The most marks on one letter. Vietnamese needs two, Biblical Hebrew three.
const MAX_MARKS: usize = 3;

/// `text` on one line, with everything that is not plainly visible as an escape.
#[must_use]
pub fn visible(text: &str) -> String {
    without_heaps(&Untrusted::new(text).visible())
}

/// Like [`visible`], with line breaks (`\n` and `\r\n`) kept: one entry a line. A `\r` that breaks no line is shown.
#[must_use]
pub fn visible_lines(text: &str) -> Vec<String> {
    Untrusted::new(text).visible_lines().iter().map(|line| without_heaps(line)).collect()
}

/// `text` that was made visible where it was worded: whatever is not plainly visible in it nevertheless is shown as
/// an escape, and its escapes stay as they are.
#[must_use]
pub fn worded(text: &str) -> String {
    text.split('\\').map(visible).collect::<Vec<_>>().join("\\")
}

fn without_heaps(text: &str) -> String {
    if text.is_ascii() {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    for grapheme in text.graphemes(true) {
        let bare = if grapheme.width() == 0 { 0 } else { 1 + MAX_MARKS };
        for (index, c) in grapheme.chars().enumerate() {
            if index < bare { out.push(c) } else { out.extend(c.escape_unicode()) }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_stay_and_heaps_are_shown() {
        assert_eq!(visible("e\u{301} 漢字 ü"), "e\u{301} 漢字 ü");
        assert_eq!(visible("\u{301}x"), "\\u{301}x");
        assert_eq!(visible("a\u{300}\u{301}\u{302}\u{303}b"), "a\u{300}\u{301}\u{302}\\u{303}b");
        assert_eq!(visible_lines("a\n\u{301}b\r"), ["a", "\\u{301}b\\r"]);
        assert_eq!(visible_lines("a\r\nb\rc\r\n"), ["a", "b\\rc", ""]);
        assert_eq!(visible("\x1b[2J"), "\\u{1b}[2J");
        assert_eq!(worded(&visible("\x1b[2J \\ x")), visible("\x1b[2J \\ x"));
        assert_eq!(worded("a\\u{1b}\x1b\n"), "a\\u{1b}\\u{1b}\\n");
    }
}
