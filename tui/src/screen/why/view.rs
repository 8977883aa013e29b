//! The question and its answer over list and detail.

use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Paragraph};

use super::Why;
use crate::screen::layout::Areas;
use crate::screen::model::{Model, Overlay};
use crate::screen::text;
use crate::screen::theme::Theme;
use crate::screen::view::{self, pane};
use crate::shown;

/// Lines above the answer.
const HEAD: usize = 4;

/// What stands before what is typed.
const LABEL: usize = 9;

pub(in crate::screen) fn draw(why: &Why, theme: &Theme, frame: &mut Frame<'_>, areas: &Areas) {
    let area = areas.body;
    let cells = usize::from(area.width).saturating_sub(4);
    let name = format!("Why? · {}", shown::visible(&why.sandbox));
    let mut block = pane::frame(theme, true, &name);
    let mut lines = Vec::new();
    let mut cursor = 0;
    for (label, editor, has_keys) in
        [("request", &why.request, !why.is_binary), ("program", &why.binary, why.is_binary)]
    {
        let style = if has_keys { theme.strong } else { theme.dim };
        let (typed, column) = view::typed(editor, "", (theme, cells.saturating_sub(LABEL)));
        let mut all = vec![Span::styled(text::left(label, LABEL), style)];
        all.extend(typed.spans);
        lines.push(Line::from(all));
        if has_keys {
            cursor = column;
        }
    }
    lines.push(Line::styled(
        "HOST METHOD PATH, or METHOD URL; CONNECT for raw bytes, or WEBSOCKET",
        theme.dim,
    ));
    lines.push(Line::default());
    let answer = answer(why, theme, cells);
    let room = usize::from(area.height).saturating_sub(HEAD + 2);
    let hidden = answer.len().saturating_sub(why.scroll + room);
    if hidden > 0 {
        let hint = format!("▼ {hidden} more, ↓ shows them");
        block = block.title_bottom(pane::title(&hint, theme.warn).right_aligned());
    }
    lines.extend(answer.into_iter().skip(why.scroll).take(room));
    let inner = block.inner(area);
    frame.render_widget(Clear, area);
    frame.render_widget(block, area);
    frame.render_widget(Paragraph::new(lines), inner);
    let label = u16::try_from(LABEL).unwrap_or(u16::MAX);
    let column = label.saturating_add(cursor).min(inner.width.saturating_sub(1));
    frame.set_cursor_position(Position::new(inner.x + column, inner.y + u16::from(why.is_binary)));
}

fn answer(why: &Why, theme: &Theme, cells: usize) -> Vec<Line<'static>> {
    let (words, style) = match (&why.asked, &why.answer) {
        (None, _) => ("enter asks the gateway; nothing is resolved, dialled or stored".to_owned(), theme.dim),
        (Some(_), None) => ("asking …".to_owned(), theme.dim),
        (Some(_), Some(Err(error))) => (format!("! {}", shown::visible(error)), theme.warn),
        (Some(_), Some(Ok(told))) => (told.words(), theme.text),
    };
    let wrapped = words.lines().flat_map(|line| {
        let indent: String = line.chars().take_while(|c| *c == ' ').collect();
        let parts = text::wrap(line.trim_start(), cells.saturating_sub(indent.len()));
        parts.into_iter().map(move |part| format!("{indent}{part}"))
    });
    wrapped.map(|line| Line::styled(line, style)).collect()
}

/// How far the answer can be scrolled.
pub(in crate::screen) fn overflow(model: &Model) -> usize {
    let (Some(areas), Overlay::Why(why)) = (model.areas(), &model.overlay) else { return 0 };
    let body: Rect = areas.body;
    let cells = usize::from(body.width).saturating_sub(4);
    let room = usize::from(body.height).saturating_sub(HEAD + 2);
    answer(why, &Theme::plain(), cells).len().saturating_sub(room)
}
