//! The reviewer's own bytes: a line break as `⏎`, a tab as `⇥`, anything hidden as an escape that is underlined, so that
//! it is not taken for text that looks the same.

use openshell_domain::untrusted::is_hidden;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use crate::screen::editor::Editor;
use crate::screen::text;
use crate::screen::theme::Theme;

/// What is typed on one line, with a hint behind the cursor, and in which column that is. Where it is long, what stands
/// around the cursor; what is left out is marked.
pub(in crate::screen) fn typed(
    editor: &Editor,
    hint: &str,
    (theme, cells): (&Theme, usize),
) -> (Line<'static>, u16) {
    let (before, after) = editor.parts();
    let (before, hidden) = tail(pieces(before), cells.saturating_sub(8));
    let used: usize = before.iter().map(|piece| text::width(&piece.0)).sum();
    let mark = if hidden > 0 { format!("{hidden}+…") } else { String::new() };
    let start = text::width(&mark);
    let mut spans = vec![Span::styled(mark, theme.dim)];
    spans.extend(before.into_iter().map(|piece| piece.span(theme)));
    spans.push(Span::styled(hint.to_owned(), theme.dim));
    let room = cells.saturating_sub(start + used + text::width(hint));
    spans.extend(head(pieces(after), room, theme));
    let column = u16::try_from((start + used).min(cells.saturating_sub(1))).unwrap_or(u16::MAX);
    (Line::from(spans), column)
}

/// One line of several from cell `skip` on, in at most `cells`; what does not fit is marked.
pub(in crate::screen) fn line(
    text: &str,
    theme: &Theme,
    (skip, cells): (usize, usize),
) -> Vec<Span<'static>> {
    let (mut at, mut used) = (0, 0);
    let mut spans = if skip > 0 { vec![Span::styled("…", theme.dim)] } else { Vec::new() };
    let cells = cells.saturating_sub(spans.len());
    for piece in pieces(text) {
        let width = text::width(&piece.0);
        at += width;
        if at <= skip {
            continue;
        }
        if used + width > cells.saturating_sub(1) {
            spans.push(Span::styled("…", theme.dim));
            break;
        }
        used += width;
        spans.push(piece.span(theme));
    }
    spans
}

/// How many cells a text needs as it is shown here.
pub(in crate::screen) fn width(text: &str) -> usize {
    pieces(text).iter().map(|piece| text::width(&piece.0)).sum()
}

/// What one grapheme looks like, and whether that is a stand-in.
struct Piece(String, bool);

impl Piece {
    fn span(self, theme: &Theme) -> Span<'static> {
        let stand_in: Style = theme.warn.add_modifier(Modifier::UNDERLINED);
        Span::styled(self.0, if self.1 { stand_in } else { theme.text })
    }
}

fn pieces(text: &str) -> Vec<Piece> {
    text.graphemes(true).flat_map(piece).collect()
}

fn piece(grapheme: &str) -> Vec<Piece> {
    if grapheme.width() > 0 && !grapheme.chars().any(is_hidden) {
        return vec![Piece(grapheme.to_owned(), false)];
    }
    let stand_in = |c: char| match c {
        '\n' => Piece("⏎".to_owned(), true),
        '\t' => Piece("⇥".to_owned(), true),
        c if is_hidden(c) || c.to_string().width() == 0 => Piece(c.escape_unicode().to_string(), true),
        c => Piece(c.to_string(), false),
    };
    grapheme.chars().map(stand_in).collect()
}

/// The first pieces that fit into `cells`, the last cell a mark where there are more.
fn head(pieces: Vec<Piece>, cells: usize, theme: &Theme) -> Vec<Span<'static>> {
    let all: usize = pieces.iter().map(|piece| text::width(&piece.0)).sum();
    if all <= cells {
        return pieces.into_iter().map(|piece| piece.span(theme)).collect();
    }
    let mut room = cells.saturating_sub(1);
    let fitting = pieces.into_iter().take_while(|piece| {
        let width = text::width(&piece.0);
        let fits = width <= room;
        room = room.saturating_sub(width);
        fits
    });
    fitting.map(|piece| piece.span(theme)).chain([Span::styled("…", theme.dim)]).collect()
}

/// The last pieces that fit into `cells`, and how many came before them.
fn tail(pieces: Vec<Piece>, cells: usize) -> (Vec<Piece>, usize) {
    let mut room = cells;
    let fitting = pieces.iter().rev().take_while(|piece| {
        let width = text::width(&piece.0);
        let fits = width <= room;
        room = room.saturating_sub(width);
        fits
    });
    let hidden = pieces.len() - fitting.count();
    (pieces.into_iter().skip(hidden).collect(), hidden)
}
