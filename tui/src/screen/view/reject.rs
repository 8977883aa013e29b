//! The prompt for a reason: one line and the hints, over the lower edge of the detail, which stays in sight.
//!
//! Shows the reviewer's own bytes: a line break as `⏎`, a tab as `⇥`, anything hidden as an escape that is
//! underlined, so that it is not taken for text that looks the same.

use openshell_domain::decide::MAX_REASON;
use openshell_domain::proposal::Hint;
use openshell_domain::untrusted::is_hidden;
use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use super::question;
use crate::screen::layout::Areas;
use crate::screen::model::{Model, Prompt};
use crate::screen::reason::Reason;
use crate::screen::text;
use crate::screen::theme::Theme;

pub(super) fn draw(model: &Model, prompt: &Prompt, theme: &Theme, frame: &mut Frame<'_>, areas: &Areas) {
    let cells = areas.detail_cells();
    let length = length(&prompt.reason);
    let room = cells.saturating_sub(text::width(&length) + 4);
    let name = question::title(model, prompt.proposal, ("Reject ", " · reason for the agent"), room);
    let (line, column) = words(&prompt.reason, theme, cells);
    let mut lines = vec![line];
    lines.extend(chips(&prompt.reason, theme, cells));
    let inner = question::draw(theme, frame, areas.detail, &name, lines);
    let edge = Rect { y: inner.y.saturating_sub(1), height: 1, ..inner };
    frame.render_widget(Line::styled(length, theme.dim).right_aligned(), edge);
    frame.set_cursor_position(Position::new(inner.x + column, inner.y));
}

/// How much of the room is used, once that matters.
fn length(reason: &Reason) -> String {
    let used = reason.editor.len();
    if used > MAX_REASON / 2 { format!(" {used} of {MAX_REASON} bytes ") } else { String::new() }
}

/// The text on one line, the end of it where it is long, and in which column the cursor is.
pub(super) fn words(reason: &Reason, theme: &Theme, cells: usize) -> (Line<'static>, u16) {
    let (before, after) = reason.editor.parts();
    let (before, hidden) = tail(pieces(before), cells.saturating_sub(8));
    let used: usize = before.iter().map(|piece| text::width(&piece.0)).sum();
    let mark = if hidden > 0 { format!("{hidden}+…") } else { String::new() };
    let start = text::width(&mark);
    let mut spans = vec![Span::styled(mark, theme.dim)];
    spans.extend(before.into_iter().map(|piece| piece.span(theme)));
    if reason.editor.is_empty() {
        let hint = if reason.is_empty_confirmed { "enter again: without a reason" } else { "why not?" };
        spans.push(Span::styled(format!(" {hint}"), theme.dim));
    }
    spans.extend(pieces(after).into_iter().map(|piece| piece.span(theme)));
    let column = u16::try_from((start + used).min(cells.saturating_sub(1))).unwrap_or(u16::MAX);
    (Line::from(spans), column)
}

/// The hints: which are chosen has a mark, which has the keys another.
pub(super) fn chips(reason: &Reason, theme: &Theme, cells: usize) -> Vec<Line<'static>> {
    let mut lines = vec![Line::default()];
    let mut used = 0;
    for (at, hint) in Hint::ALL.into_iter().enumerate() {
        let is_chosen = reason.hints.contains(&hint);
        let focus = if reason.chip == Some(at) { "▸" } else { " " };
        let mark = if is_chosen { "✓" } else { " " };
        let chip = format!("{focus}{mark}{} {hint} ", at + 1);
        if used > 0 && used + text::width(&chip) > cells {
            lines.push(Line::default());
            used = 0;
        }
        used += text::width(&chip);
        let style = match (reason.chip == Some(at), is_chosen) {
            (true, _) => theme.key,
            (false, true) => theme.strong,
            (false, false) => theme.dim,
        };
        if let Some(line) = lines.last_mut() {
            line.spans.push(Span::styled(chip, style));
        }
    }
    lines
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
