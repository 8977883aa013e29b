//! The detail pane when there is nothing in it: what has been done here, what could be done, or what is wrong.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

use super::{footer, header, narrowed, pane};
use crate::screen::layout::Areas;
use crate::screen::model::{Focus, Link, Model};
use crate::screen::text;
use crate::screen::theme::Theme;
use crate::shown;

pub(super) fn draw(model: &Model, theme: &Theme, frame: &mut Frame<'_>, areas: &Areas) {
    let block = pane::frame(theme, model.focus == Focus::Detail, "");
    let inner = block.inner(areas.detail);
    frame.render_widget(block, areas.detail);
    let cells = areas.detail_cells();
    let mut lines = vec![Line::default()];
    lines.extend(match (&model.link, &model.inbox) {
        (Link::Lost { why, retry_at, .. }, _) => away(model, theme, why, &header::seconds(model, *retry_at)),
        (_, None) => vec![Line::styled("Reading what the gateway has …", theme.dim)],
        (_, Some(_)) if model.pending() > 0 => narrowed::way_back(model, theme),
        (_, Some(_)) if model.lives.is_empty() => first_steps(theme),
        (_, Some(_)) => return history(model, theme, frame, inner),
    });
    let wrapped: Vec<Line<'_>> = lines.into_iter().flat_map(|line| fold(line, cells)).collect();
    frame.render_widget(Paragraph::new(wrapped), inner);
}

/// A tab before the first snapshot: what it waits for, or what is wrong.
pub(super) fn nothing_known(model: &Model, theme: &Theme, frame: &mut Frame<'_>, areas: &Areas) {
    let lines = match &model.link {
        Link::Lost { why, retry_at, .. } => away(model, theme, why, &header::seconds(model, *retry_at)),
        Link::Connecting | Link::Live => vec![Line::styled("Reading what the gateway has …", theme.dim)],
    };
    let cells = usize::from(areas.body.width).saturating_sub(4);
    let lines = std::iter::once(Line::default()).chain(lines.into_iter().flat_map(|line| fold(line, cells)));
    let lines: Vec<Line<'static>> = lines.map(|line| Line::styled(line.to_string(), line.style)).collect();
    pane::document((model, theme), frame, areas.body, (model.tab.name(), true), (lines, 0));
}

fn away<'a>(model: &Model, theme: &Theme, why: &str, retry_in: &str) -> Vec<Line<'a>> {
    let gateway = shown::visible(&model.gateway);
    vec![
        Line::styled("The gateway does not answer.", theme.warn),
        Line::styled(format!("{}  (next try in {retry_in})", shown::visible(why)), theme.dim),
        Line::default(),
        Line::styled("Start it with", theme.dim),
        Line::styled(format!("  openshell-gateway serve --socket {gateway}"), theme.text),
        Line::default(),
        Line::styled("This screen comes back by itself.", theme.dim),
    ]
}

fn first_steps<'a>(theme: &Theme) -> Vec<Line<'a>> {
    vec![
        Line::styled("No agent is waiting for a decision.", theme.text),
        Line::default(),
        Line::styled("Start a sandbox whose agent may propose:", theme.dim),
        Line::styled("  openshell-inbox run --advisor …", theme.text),
        Line::styled("or see it all at work, here and now:", theme.dim),
        Line::styled("  openshell-inbox demo", theme.text),
        Line::default(),
        Line::styled("What is asked appears here by itself.", theme.dim),
    ]
}

/// What was decided here, the latest first.
fn history(model: &Model, theme: &Theme, frame: &mut Frame<'_>, inner: Rect) {
    let title = "Nothing else is waiting. Decided here:";
    let mut lines = vec![Line::default(), Line::styled(title, theme.dim), Line::default()];
    let latest = model.lives.iter().rev().take(8);
    lines.extend(latest.flat_map(|life| footer::life_lines(life, theme, usize::from(inner.width))));
    frame.render_widget(Paragraph::new(lines), inner);
}

/// Wraps a line of one style.
fn fold(line: Line<'_>, cells: usize) -> Vec<Line<'static>> {
    let style = line.spans.first().map(|span| span.style).unwrap_or_default();
    let whole: String = line.spans.iter().map(|span| span.content.as_ref()).collect();
    text::wrap(&whole, cells).into_iter().map(|part| Line::styled(part, line.style.patch(style))).collect()
}
