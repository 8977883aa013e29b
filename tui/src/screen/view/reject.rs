//! The prompt for a reason: one line and the hints, over the lower edge of the detail, which stays in sight.

use openshell_domain::decide::MAX_REASON;
use openshell_domain::proposal::Hint;
use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};

use super::question;
use super::typed::typed;
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
    let hint = match (reason.editor.is_empty(), reason.is_empty_confirmed) {
        (false, _) => "",
        (true, false) => " why not?",
        (true, true) => " enter again: without a reason",
    };
    typed(&reason.editor, hint, (theme, cells))
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
