//! Text that somebody else wrote: agents, upstream servers, processes in a sandbox.
//!
//! The only way from such text to a terminal. Everything that could move a cursor, reorder or hide text is
//! *shown* as an escape, never dropped, so that a reviewer sees that it was there. Called by the inbox screen,
//! by every command-line verb and by the logs.

use std::fmt;

/// A piece of text that was written by somebody who is not trusted.
///
/// It has no `Display` of the raw text: [`Untrusted::visible`] is the way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Untrusted<'a>(&'a str);

impl<'a> Untrusted<'a> {
    /// Marks `text` as written by somebody else.
    #[must_use]
    pub fn new(text: &'a str) -> Self {
        Self(text)
    }

    /// The text with every character that is not plainly visible written as an escape: `\n`, `\t`, `\r`,
    /// `\\`, or `\u{1b}`. Two different texts never look the same.
    #[must_use]
    pub fn visible(&self) -> String {
        let mut out = String::with_capacity(self.0.len());
        for c in self.0.chars() {
            push_visible(&mut out, c);
        }
        out
    }

    /// Like [`Self::visible`], with line breaks kept: one entry a line. `\n` and `\r\n` break lines; a lone `\r`
    /// does not, because a terminal would let it overwrite what stands before it.
    #[must_use]
    pub fn visible_lines(&self) -> Vec<String> {
        self.0.replace("\r\n", "\n").split('\n').map(|line| Untrusted(line).visible()).collect()
    }

    /// Whether anything had to be escaped other than line breaks, tabs and backslashes.
    #[must_use]
    pub fn has_hidden_characters(&self) -> bool {
        self.0.chars().any(|c| is_hidden(c) && !matches!(c, '\n' | '\t'))
    }
}

impl fmt::Display for Untrusted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.visible())
    }
}

/// A JSON document with every character that a terminal would not show written as JSON writes it (`\u202e`). Line
/// breaks between its parts stay; the value is the same.
#[must_use]
pub fn visible_json(document: &str) -> String {
    let mut out = String::with_capacity(document.len());
    for c in document.chars() {
        if is_hidden(c) && c != '\n' {
            let mut units = [0; 2];
            out.extend(c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")));
        } else {
            out.push(c);
        }
    }
    out
}

fn push_visible(out: &mut String, c: char) {
    match c {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\\' => out.push_str("\\\\"),
        c if is_hidden(c) => out.extend(c.escape_unicode()),
        c => out.push(c),
    }
}

/// Whether a terminal could do something else with `c` than show one mark for it: control (C0, C1), bidi,
/// zero-width, joiner, tag, variation, filler and interlinear characters, line and paragraph separators.
/// Source: Unicode 16, `Default_Ignorable_Code_Point` and general categories Cc, Cf, Zl, Zp.
#[must_use]
pub fn is_hidden(c: char) -> bool {
    matches!(c,
        '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}'
        | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}' | '\u{8e2}' | '\u{115f}'..='\u{1160}'
        | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}'
        | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escapes_are_shown_and_never_dropped() {
        for (raw, shown) in [
            ("plain text, ü 漢字 🦀", "plain text, ü 漢字 🦀"),
            ("\x1b[2J\x1b]0;owned\x07", "\\u{1b}[2J\\u{1b}]0;owned\\u{7}"),
            ("safe\rEVIL", "safe\\rEVIL"),
            ("a\u{202e}b\u{2066}c", "a\\u{202e}b\\u{2066}c"),
            ("zero\u{200b}width\u{feff}", "zero\\u{200b}width\\u{feff}"),
            ("c1 \u{9b}31m", "c1 \\u{9b}31m"),
            ("tag \u{e0041}", "tag \\u{e0041}"),
            ("one\ntwo\tthree", "one\\ntwo\\tthree"),
            ("\\u{1b}", "\\\\u{1b}"),
        ] {
            assert_eq!(Untrusted::new(raw).visible(), shown);
        }
    }

    #[test]
    fn lines_break_at_newlines_only() {
        assert_eq!(Untrusted::new("a\r\nb\rc\nd").visible_lines(), ["a", "b\\rc", "d"]);
    }

    #[test]
    fn a_lone_carriage_return_at_the_end_is_shown_too() {
        assert_eq!(Untrusted::new("safe\r").visible_lines(), ["safe\\r"]);
        assert_eq!(Untrusted::new("a\r\r\nb").visible_lines(), ["a\\r", "b"]);
    }

    #[test]
    fn json_stays_the_same_value_and_hides_nothing() {
        let value = serde_json::json!({"a": "one \"file\"\n\\x \u{202e}b\u{9b}\u{7f}\u{e0041} ü"});
        let document = visible_json(&serde_json::to_string_pretty(&value).unwrap());
        assert!(!document.chars().any(|c| is_hidden(c) && c != '\n'), "{document}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&document).unwrap(), value, "{document}");
    }

    proptest! {
        #[test]
        fn nothing_hidden_survives_and_nothing_is_lost(text in any::<String>()) {
            let shown = Untrusted::new(&text).visible();
            prop_assert!(!shown.chars().any(is_hidden));
            prop_assert!(shown.chars().count() >= text.chars().count());
        }

        #[test]
        fn different_texts_look_different(a in any::<String>(), b in any::<String>()) {
            prop_assume!(a != b);
            prop_assert_ne!(Untrusted::new(&a).visible(), Untrusted::new(&b).visible());
        }
    }
}
