//! Text in cells: how wide it is, how it is cut, how it is wrapped.
//!
//! Everything counts graphemes and terminal cells, never bytes or `char`s. What is cut off is counted, so that
//! nobody takes a beginning for the whole. Pure; other people's text has been through [`crate::shown`] before.

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// How many cells `text` needs.
#[must_use]
pub fn width(text: &str) -> usize {
    simple(text).unwrap_or_else(|| text.graphemes(true).map(UnicodeWidthStr::width).sum())
}

/// How many cells `text` needs where each character is one: nearly every text, and a screen is made of thousands of them.
fn simple(text: &str) -> Option<usize> {
    let is_plain = |byte| matches!(byte, 0x20..0x7f_u8);
    if text.bytes().all(is_plain) {
        return Some(text.len());
    }
    // The marks of our own words, none of which joins with what stands beside it.
    let is_mark = |c| matches!(c, ' '..='~' | '·' | '–' | '…' | '→' | '│' | '▌');
    text.chars().all(is_mark).then(|| text.chars().count())
}

/// The longest beginning of `text` that fits into `cells`, and the rest.
#[must_use]
pub fn split(text: &str, cells: usize) -> (&str, &str) {
    if simple(text).is_some() {
        let at = text.char_indices().nth(cells).map_or(text.len(), |(at, _)| at);
        return text.split_at_checked(at).unwrap_or((text, ""));
    }
    let mut used = 0;
    for (at, grapheme) in text.grapheme_indices(true) {
        used += grapheme.width();
        if used > cells {
            return text.split_at_checked(at).unwrap_or((text, ""));
        }
    }
    (text, "")
}

/// `text` if it fits into `cells`, else its beginning and how many characters are missing: `api.exam…+14`.
#[must_use]
pub fn clip(text: &str, cells: usize) -> String {
    if width(text) <= cells {
        return text.to_owned();
    }
    let mut room = cells.saturating_sub(3);
    loop {
        let (head, rest) = split(text, room);
        let mark = format!("…+{}", rest.graphemes(true).count());
        if width(head) + width(&mark) <= cells {
            return format!("{head}{mark}");
        }
        if room == 0 {
            return split("…", cells).0.to_owned();
        }
        room -= 1;
    }
}

/// `text` in exactly `cells`: cut or filled up with spaces behind it.
#[must_use]
pub fn left(text: &str, cells: usize) -> String {
    let text = clip(text, cells);
    let fill = cells.saturating_sub(width(&text));
    format!("{text}{:fill$}", "")
}

/// `text` in exactly `cells`: cut or filled up with spaces before it.
#[must_use]
pub fn right(text: &str, cells: usize) -> String {
    let text = clip(text, cells);
    let fill = cells.saturating_sub(width(&text));
    format!("{:fill$}{text}", "")
}

/// Like [`clip`], with the end kept instead: `…+14.example.com`. What decides in a host stands at its end.
#[must_use]
pub fn clip_start(text: &str, cells: usize) -> String {
    if width(text) <= cells {
        return text.to_owned();
    }
    let graphemes: Vec<&str> = text.graphemes(true).collect();
    (0..=graphemes.len())
        .map(|hidden| format!("…+{hidden}{}", graphemes.iter().skip(hidden).copied().collect::<String>()))
        .find(|cut| width(cut) <= cells)
        .unwrap_or_else(|| clip(text, cells))
}

/// Like [`clip`], with both ends kept: `/repos/…+14…/run-1.md`.
#[must_use]
pub fn clip_middle(text: &str, cells: usize) -> String {
    if width(text) <= cells {
        return text.to_owned();
    }
    let graphemes: Vec<&str> = text.graphemes(true).collect();
    let room = cells.saturating_sub(if graphemes.len() < 100 { 5 } else { 7 });
    // The end says more: most paths begin alike.
    let front = room / 3;
    let (head, _) = split(text, front);
    let mut tail: Vec<&str> = Vec::new();
    let mut used = 0;
    for grapheme in graphemes.iter().rev() {
        used += grapheme.width();
        if used > room - front {
            break;
        }
        tail.push(grapheme);
    }
    let hidden = graphemes.len().saturating_sub(head.graphemes(true).count() + tail.len());
    let cut = format!("{head}…+{hidden}…{}", tail.into_iter().rev().collect::<String>());
    if width(&cut) <= cells && room > 6 { cut } else { clip(text, cells) }
}

/// `text` if it fits into `cells`, else its beginning and `…`: for our own words, whose rest is elsewhere.
#[must_use]
pub fn elide(text: &str, cells: usize) -> String {
    if width(text) <= cells {
        return text.to_owned();
    }
    let (head, _) = split(text, cells.saturating_sub(1));
    split(&format!("{head}…"), cells).0.to_owned()
}

/// Like [`elide`], with both ends kept, of the end more: `/repos/…/notes.md`.
#[must_use]
pub fn elide_middle(text: &str, cells: usize) -> String {
    elide_after(text, cells, cells.saturating_sub(1) / 3)
}

/// Like [`elide_middle`], of beginning and end the same: where a line begins with what matters.
#[must_use]
pub fn elide_inside(text: &str, cells: usize) -> String {
    elide_after(text, cells, cells / 2)
}

fn elide_after(text: &str, cells: usize, head: usize) -> String {
    if width(text) <= cells {
        return text.to_owned();
    }
    let room = cells.saturating_sub(1);
    let (head, rest) = split(text, head);
    let mut used = width(head);
    if let Some(all) = simple(rest) {
        let (_, tail) = split(rest, all.saturating_sub(room.saturating_sub(used)));
        return elide(&format!("{head}…{tail}"), cells);
    }
    let mut tail: Vec<&str> = Vec::new();
    for grapheme in rest.graphemes(true).rev() {
        used += grapheme.width();
        if used > room {
            break;
        }
        tail.push(grapheme);
    }
    elide(&format!("{head}…{}", tail.into_iter().rev().collect::<String>()), cells)
}

/// `text` in lines of at most `cells`, broken after spaces where there are any, else after a `/`. Never empty, and nothing is
/// lost: the lines joined are the text. A line that is full may have the space behind its last word hang over.
#[must_use]
pub fn wrap(text: &str, cells: usize) -> Vec<String> {
    wrap_at(text, " ", cells)
}

/// Like [`wrap`], broken after `mark` where that does, and after spaces or anywhere only where it must be.
#[must_use]
pub fn wrap_at(text: &str, mark: &str, cells: usize) -> Vec<String> {
    let cells = cells.max(2);
    let mut lines = vec![String::new()];
    let mut used = 0;
    for unit in text.split_inclusive(mark) {
        let need = width(unit.trim_end_matches(' '));
        if used > 0 && used + need > cells {
            lines.push(String::new());
            used = 0;
        }
        if need > cells && mark != " " {
            let parts = wrap(unit, cells);
            used = parts.last().map_or(0, |part| width(part));
            if lines.last().is_some_and(String::is_empty) {
                lines.pop();
            }
            lines.extend(parts);
            continue;
        }
        if let (Some(need), Some(line)) = (simple(unit).filter(|need| used + need <= cells), lines.last_mut())
        {
            line.push_str(unit);
            used += need;
            continue;
        }
        for grapheme in unit.graphemes(true) {
            let step = grapheme.width();
            let hangs = grapheme == " " && need > 0 && used == cells;
            if used + step > cells && !hangs {
                let tail = lines.last_mut().map(|line| behind_slash(line, cells)).unwrap_or_default();
                used = width(&tail);
                lines.push(tail);
            }
            if let Some(line) = lines.last_mut() {
                line.push_str(grapheme);
            }
            used += step;
        }
    }
    lines
}

/// Takes what stands behind the last `/` of a full line off it, if that is not much of it: where a path has to be
/// broken, it is easier read in whole segments.
fn behind_slash(line: &mut String, cells: usize) -> String {
    let at = line.rfind('/').map(|at| at + 1).filter(|at| *at < line.len());
    let is_near = |at: &usize| line.get(..*at).is_some_and(|head| width(head) > cells / 2);
    at.filter(is_near).map(|at| line.split_off(at)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn cut_text_says_how_much_is_missing() {
        assert_eq!(clip("short", 5), "short");
        assert_eq!(clip("api.example.com", 10), "api.exa…+8");
        assert_eq!(clip("0123456789abcdef", 8), "0123…+12");
        assert_eq!(clip("漢字漢字漢字", 7), "漢字…+4");
        assert_eq!(clip("anything", 1), "…");
        assert_eq!(clip("anything", 0), "");
        for cells in 0..20 {
            assert!(width(&clip("some 漢字 text with e\u{301} marks", cells)) <= cells);
        }
    }

    #[test]
    fn either_end_can_be_kept() {
        assert_eq!(clip_start("a.very.long.host.example.com", 16), "…+16.example.com");
        assert_eq!(clip_middle("/repos/o/r/contents/demo/run-1.md", 24), "/repos…+14…demo/run-1.md");
        for cells in 0..40 {
            let text = "/v1/漢字漢字漢字/and/some/e\u{301}/more-of-it";
            assert!(width(&clip_start(text, cells)) <= cells && width(&clip_middle(text, cells)) <= cells);
        }
    }

    #[test]
    fn an_ellipsis_stands_where_text_was_left_out() {
        assert_eq!((elide("short", 5), elide("too long", 5)), ("short".into(), "too …".into()));
        assert_eq!(elide_middle("/repos/o/r/contents/notes.md", 16), "/repo…s/notes.md");
        for cells in 0..40 {
            let text = "/v1/漢字漢字漢字/and/some/e\u{301}/more-of-it";
            assert!(width(&elide(text, cells)) <= cells && width(&elide_middle(text, cells)) <= cells);
        }
    }

    #[test]
    fn columns_are_exact() {
        assert_eq!((left("漢", 4), right("12s", 4)), ("漢  ".into(), " 12s".into()));
        assert_eq!(width(&left("漢字漢字", 5)), 5);
    }

    proptest! {
        /// Kills: a mark that joins with its neighbour counted as a cell of its own.
        #[test]
        fn simple_text_is_measured_like_any_other(
            text in "[a-c /·–…→│▌漢e\u{301}\u{200d}\u{fe0f}👩]{0,24}",
            cells in 0_usize..30,
        ) {
            let slow = text.graphemes(true).map(UnicodeWidthStr::width).sum::<usize>();
            prop_assert_eq!(width(&text), slow);
            let (head, rest) = split(&text, cells);
            prop_assert_eq!(format!("{head}{rest}"), &*text);
            prop_assert!(width(head) <= cells);
            let next = rest.graphemes(true).next().map_or(usize::MAX, UnicodeWidthStr::width);
            prop_assert!(next.saturating_add(width(head)) > cells);
            prop_assert!(width(&elide_middle(&text, cells)) <= cells);
            // One grapheme is not broken: pictures that are joined are one, as wide as all of them.
            let widest = text.graphemes(true).map(UnicodeWidthStr::width).max().unwrap_or(0);
            let cells = cells.max(widest).max(2);
            let lines = wrap(&text, cells);
            prop_assert_eq!(lines.concat(), &*text);
            prop_assert!(lines.iter().all(|line| width(line.trim_end()) <= cells), "{:?}", lines);
        }
    }

    #[test]
    fn wrapped_lines_fit_and_lose_nothing() {
        assert_eq!(wrap("one two three", 8), ["one two ", "three"]);
        assert_eq!(wrap("", 8), [""]);
        assert_eq!(wrap("0123456789", 4), ["0123", "4567", "89"]);
        assert_eq!(wrap("full line", 4), ["full ", "line"]);
        assert_eq!(wrap("a      b", 4), ["a   ", "   b"]);
        assert_eq!(wrap_at("one, two three, four", ", ", 12), ["one, ", "two three, ", "four"]);
        assert_eq!(wrap_at("one, two-and three, four", ", ", 8), ["one, ", "two-and ", "three, ", "four"]);
        assert_eq!(wrap("/repos/octo/notes.md", 14), ["/repos/octo/", "notes.md"]);
        assert_eq!(wrap("/r/0123456789", 8), ["/r/01234", "56789"]);
        let text = "a /b/漢字漢字漢字 long-unbroken-word-here e\u{301}e\u{301}  end ";
        for cells in 2..30 {
            assert_eq!(wrap_at(text, "字", cells).concat(), text);
            let lines = wrap(text, cells);
            assert_eq!(lines.concat(), text);
            assert!(lines.iter().all(|line| width(line.trim_end()) <= cells), "{cells}: {lines:?}");
        }
    }
}
