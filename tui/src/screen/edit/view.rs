//! The editor and beside it (or below it) what the text would change, or what is wrong with it.

use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Paragraph};

use super::{Edit, Preview, fields};
use crate::screen::layout::Areas;
use crate::screen::model::{Link, Model, Overlay};
use crate::screen::text;
use crate::screen::theme::Theme;
use crate::screen::view::{self, pane, typed};
use crate::shown;

/// The number of a line, and a mark where something is wrong on it.
const GUTTER: usize = 5;

/// How much of a long line stays in sight behind the cursor.
const AHEAD: usize = 8;

pub(in crate::screen) fn draw(
    model: &Model,
    edit: &Edit,
    theme: &Theme,
    frame: &mut Frame<'_>,
    areas: &Areas,
) {
    let (left, right) = split(edit, areas);
    frame.render_widget(Clear, areas.body);
    let cells = usize::from(left.width).saturating_sub(4);
    let rows = usize::from(left.height).saturating_sub(2);
    let state = match (edit.is_sent, edit.is_away, edit.is_changed()) {
        (true, ..) => " · saving …",
        (_, true, _) => " · in your editor",
        (.., true) => " · changed",
        _ => "",
    };
    let room = cells.saturating_sub(text::width(state) + 18);
    let sandbox = text::elide(edit.proposal.sandbox.as_str(), room);
    let block = pane::frame(theme, true, &format!("Edit {} · {sandbox}{state}", edit.id().short()));
    let inner = block.inner(left);
    frame.render_widget(block, left);
    let (lines, (column, row)) = page(edit, theme, (cells, rows));
    frame.render_widget(Paragraph::new(lines), inner);
    let column = column.min(inner.width.saturating_sub(1));
    frame.set_cursor_position(Position::new(inner.x + column, inner.y + row));
    let cells = usize::from(right.width).saturating_sub(4);
    let name = if edit.read.is_err() { "Not a valid rule yet" } else { "What it would change" };
    let mut block = pane::frame(theme, false, name);
    let lines = told(model, edit, theme, cells);
    let inner = block.inner(right);
    let hidden = lines.len().saturating_sub(edit.scroll + usize::from(inner.height));
    if hidden > 0 {
        let hint = format!("▼ {}, pgdn shows them", view::header::count(hidden, "more line", "more lines"));
        block = block.title_bottom(pane::title(&hint, theme.warn).right_aligned());
    }
    frame.render_widget(block, right);
    let seen: Vec<Line<'_>> = lines.into_iter().skip(edit.scroll).collect();
    frame.render_widget(Paragraph::new(seen), inner);
}

/// Side by side where there is room, else the editor above: as high as its text, and at most three fifths.
fn split(edit: &Edit, areas: &Areas) -> (Rect, Rect) {
    let body = areas.body;
    if areas.is_wide {
        let left = body.width / 2;
        return (Rect { width: left, ..body }, Rect { x: body.x + left, width: body.width - left, ..body });
    }
    let lines = u16::try_from(edit.area.text().split('\n').count()).unwrap_or(u16::MAX);
    let top = lines.saturating_add(2).clamp(5, (body.height * 3 / 5).max(5));
    (Rect { height: top, ..body }, Rect { y: body.y + top, height: body.height - top, ..body })
}

/// The lines around the cursor, and where that is.
fn page(edit: &Edit, theme: &Theme, (cells, rows): (usize, usize)) -> (Vec<Line<'static>>, (u16, u16)) {
    let text = edit.area.text();
    let all: Vec<&str> = text.split('\n').collect();
    let (row, _) = edit.area.cursor();
    let top = row.saturating_sub(rows / 2).min(all.len().saturating_sub(rows));
    let room = cells.saturating_sub(GUTTER);
    let column = typed::width(edit.area.before());
    let skip = if column < room { 0 } else { column + AHEAD - room };
    let wrong: Vec<u64> = match &edit.read {
        Ok(_) => Vec::new(),
        Err(problems) => {
            problems.iter().filter_map(|problem| problem.place).map(|place| place.line).collect()
        }
    };
    let line = |(at, line): (usize, &&str)| {
        let is_wrong = wrong.iter().any(|wrong| *wrong == at as u64 + 1);
        let (mark, style) = if is_wrong { ("!", theme.bad) } else { (" ", theme.dim) };
        let mut spans = vec![Span::styled(format!("{:>3}{mark} ", at + 1), style)];
        // Only the line of the cursor follows it: the others stay where they can be read.
        let skip = if at == row { skip } else { 0 };
        let mut text = typed::line(line, theme, (skip, room));
        let label = fields::value(line).unwrap_or(line.len());
        let label = label.saturating_sub(skip) + usize::from(skip > 0);
        for (cell, span) in text.iter_mut().enumerate().filter(|(_, span)| span.style == theme.text) {
            span.style = match (cell < label, at == row) {
                (true, _) => theme.dim,
                (false, true) => theme.strong,
                (false, false) => theme.text,
            };
        }
        spans.extend(text);
        Line::from(spans)
    };
    let lines = all.iter().enumerate().skip(top).take(rows).map(line).collect();
    let count = |cells: usize| u16::try_from(cells).unwrap_or(u16::MAX);
    let mark = usize::from(skip > 0);
    (lines, (count(GUTTER + mark + column - skip), count(row - top)))
}

/// What is wrong, or what it would change.
fn told(model: &Model, edit: &Edit, theme: &Theme, cells: usize) -> Vec<Line<'static>> {
    let said = |words: &str, style: Style| -> Vec<Line<'static>> {
        text::wrap(words, cells).into_iter().map(|part| Line::styled(part, style)).collect()
    };
    if let Err(problems) = &edit.read {
        let line = |problem: &openshell_domain::policy::read::Problem| {
            let place = problem.place.map(|place| format!("line {}, column {}: ", place.line, place.column));
            let key = if problem.key.is_empty() { String::new() } else { format!("{}: ", problem.key) };
            let words = format!("! {}{key}{}", place.unwrap_or_default(), problem.message);
            said(&shown::worded(&words), theme.bad)
        };
        return problems.iter().flat_map(line).collect();
    }
    let state = match &edit.preview {
        Preview::Known => "",
        _ if model.link != Link::Live => "! not known: the gateway is away",
        Preview::Due | Preview::Asked if edit.told.is_empty() => "being computed …",
        Preview::Due | Preview::Asked => "being computed … below: of what was typed before",
        Preview::Failed(unknown) => &format!("! not known: {}", shown::visible(&unknown.why)),
    };
    let mut lines = if state.is_empty() { Vec::new() } else { said(state, theme.warn) };
    lines.extend(edit.told.iter().flat_map(|section| view::whole(section, theme, cells)));
    lines
}

/// How far what is told can be scrolled.
pub(in crate::screen) fn overflow(model: &Model) -> usize {
    let (Some(areas), Overlay::Edit(edit)) = (model.areas(), &model.overlay) else { return 0 };
    let (_, right) = split(edit, &areas);
    let cells = usize::from(right.width).saturating_sub(4);
    told(model, edit, &Theme::plain(), cells)
        .len()
        .saturating_sub(usize::from(right.height).saturating_sub(2))
}
