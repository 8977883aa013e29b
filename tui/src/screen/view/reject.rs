//! The prompt for a reason: one line over the lower edge of the detail, which stays in sight.
//!
//! Shows the reviewer's own bytes: a line break as `⏎`, a tab as `⇥`, anything hidden as an escape that is
//! underlined, so that it is not taken for text that looks the same.

use openshell_domain::decide::MAX_REASON;
use openshell_domain::untrusted::is_hidden;
use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Clear;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use super::{pane, question};
use crate::screen::layout::Areas;
use crate::screen::model::{Model, Prompt};
use crate::screen::text;
use crate::screen::theme::Theme;

pub(super) fn draw(model: &Model, prompt: &Prompt, theme: &Theme, frame: &mut Frame<'_>, areas: &Areas) {
    let over = areas.detail;
    let area = Rect { y: over.bottom().saturating_sub(3), height: 3, ..over };
    let length = if prompt.editor.len() > MAX_REASON / 2 {
        format!("{} of {MAX_REASON} bytes", prompt.editor.len())
    } else {
        String::new()
    };
    let room = usize::from(area.width).saturating_sub(text::width(&length) + 8);
    let name = question::title(model, prompt.proposal, ("Reject ", " · reason for the agent"), room);
    let mut block = pane::frame(theme, true, &name);
    if !length.is_empty() {
        block = block.title(pane::title(&length, theme.dim).right_aligned());
    }
    let inner = block.inner(area);
    frame.render_widget(Clear, area);
    frame.render_widget(block, area);
    let (before, after) = prompt.editor.parts();
    let cells = usize::from(inner.width);
    let (before, hidden) = tail(pieces(before), cells.saturating_sub(8));
    let used: usize = before.iter().map(|piece| text::width(&piece.0)).sum();
    let mut spans = Vec::new();
    let mark = if hidden > 0 { format!("{hidden}+…") } else { String::new() };
    let start = text::width(&mark);
    spans.push(Span::styled(mark, theme.dim));
    spans.extend(before.into_iter().map(|piece| piece.span(theme)));
    if prompt.editor.is_empty() {
        let hint = if prompt.is_empty_confirmed { "enter again: without a reason" } else { "why not?" };
        spans.push(Span::styled(format!(" {hint}"), theme.dim));
    }
    spans.extend(pieces(after).into_iter().map(|piece| piece.span(theme)));
    frame.render_widget(Line::from(spans), inner);
    let column = u16::try_from(start + used).unwrap_or(u16::MAX).min(inner.width.saturating_sub(1));
    frame.set_cursor_position(Position::new(inner.x + column, inner.y));
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
