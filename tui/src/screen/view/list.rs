//! The list: one row a proposal, two lines each where the screen is wide, only those in sight are made.

use openshell_domain::proposal::{Origin, Proposal};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::{narrowed, pane};
use crate::clock;
use crate::review;
use crate::screen::layout::Areas;
use crate::screen::model::{Focus, Model};
use crate::screen::summary::{self, Summary};
use crate::screen::text;
use crate::screen::theme::Theme;
use crate::shown;

/// How wide the column for the findings is: there are two dozen kinds of them.
const WEIGHT: usize = 4;

/// How many cells an ask needs before anything stands beside it.
const FEWEST: usize = 24;

pub(super) fn draw(model: &Model, theme: &Theme, frame: &mut Frame<'_>, areas: &Areas) {
    let (above, below) = model.fresh_around();
    let edge = pane::stale(model, theme)
        .or_else(|| (above > 0).then(|| pane::title(&format!("▲ {above} new above"), theme.warn)));
    let room = usize::from(areas.list.width).saturating_sub(edge.as_ref().map_or(0, Line::width) + 7);
    let is_focused = model.focus == Focus::List;
    let mut block = pane::frame(theme, is_focused, &narrowed::pending(model, room))
        .padding(ratatui::widgets::Padding::ZERO);
    if let Some(edge) = edge {
        block = block.title(edge.right_aligned());
    }
    if let Some(apart) = narrowed::apart(model, theme) {
        block = block.title_bottom(apart);
    }
    let unseen = model.rows.len().saturating_sub(model.top + areas.rows());
    match (unseen, below) {
        (0, _) => {}
        (_, 0) => {
            block = block.title_bottom(pane::title(&format!("{unseen} more"), theme.dim).right_aligned());
        }
        (_, fresh) => {
            let note = format!("▼ {unseen} more, {fresh} new");
            block = block.title_bottom(pane::title(&note, theme.warn).right_aligned());
        }
    }
    let inner = block.inner(areas.list);
    frame.render_widget(block, areas.list);
    let height = u16::try_from(areas.row_height()).unwrap_or(1);
    let rows = model.rows.iter_from(model.top).take(areas.rows());
    for (at, place) in (inner.y..).step_by(usize::from(height)).zip(rows) {
        let Some(now) = model.proposal(place.id()) else { continue };
        let area = Rect { y: at, height, ..inner }.intersection(inner);
        draw_row(model, now, theme, frame, area);
    }
    if model.rows.is_empty() {
        let text = match (&model.inbox, model.pending()) {
            (None, _) => "  Waiting for the gateway.",
            (_, 0) => "  Nothing is waiting.",
            _ => "  No row is left.",
        };
        frame.render_widget(Line::styled(text, theme.dim), Rect { height: 1, ..inner });
    }
}

fn draw_row(model: &Model, now: &Proposal, theme: &Theme, frame: &mut Frame<'_>, area: Rect) {
    let is_selected = model.selected() == Some(now.id);
    let base = if is_selected { theme.selected } else { Style::new() };
    let cells = usize::from(area.width);
    let lines = if area.height > 1 {
        two_lines(model, now, theme, cells, is_selected)
    } else {
        vec![one_line(model, now, theme, cells, is_selected)]
    };
    frame.buffer_mut().set_style(area, base);
    for (y, line) in (area.y..area.bottom()).zip(lines) {
        frame.render_widget(line, Rect { y, height: 1, ..area });
    }
}

fn one_line<'a>(model: &Model, now: &Proposal, theme: &Theme, cells: usize, is_selected: bool) -> Line<'a> {
    let summary = summary::of(&now.draft.rule);
    let who = 10;
    let sandbox = 14;
    let mut spans = front(model, now, theme, is_selected);
    let used: usize = spans.iter().map(|span| text::width(&span.content)).sum();
    let (mark, room) = weight(now, theme, cells.saturating_sub(used + who + sandbox + 5));
    spans.extend(ask(&summary, &repeats(model, now), theme, room));
    spans.extend(mark);
    spans.push(Span::raw("  "));
    spans.push(Span::raw(text::left(&summary::basename(now.draft.binary()), who)));
    spans.push(Span::styled(format!("  {}", text::left(now.sandbox.as_str(), sandbox)), theme.dim));
    Line::from(spans)
}

fn two_lines<'a>(
    model: &Model,
    now: &Proposal,
    theme: &Theme,
    cells: usize,
    is_selected: bool,
) -> Vec<Line<'a>> {
    let summary = summary::of(&now.draft.rule);
    let mut first = front(model, now, theme, is_selected);
    let used: usize = first.iter().map(|span| text::width(&span.content)).sum();
    let room = cells.saturating_sub(used + 1);
    first.extend(ask(&summary, &repeats(model, now), theme, room));
    let binary = summary::basename(now.draft.binary());
    let names = format!("{binary} · {} · {}", now.sandbox, shown::visible(now.draft.rule_name.as_str()));
    let (tone, mark) = review::weight(now);
    let beside = room.saturating_sub(if mark.is_empty() { 0 } else { text::width(&mark) + 2 });
    let second = vec![
        Span::raw(if is_selected { "▌" } else { " " }),
        Span::raw(" ".repeat(used.saturating_sub(1))),
        Span::styled(text::left(&names, beside), theme.dim),
        Span::styled(text::right(&mark, room.saturating_sub(beside)), theme.tone(tone)),
    ];
    vec![Line::from(first), Line::from(second)]
}

/// Cursor, mark and age: `▌•  12s L7 `.
fn front<'a>(model: &Model, now: &Proposal, theme: &Theme, is_selected: bool) -> Vec<Span<'a>> {
    let cursor = if is_selected { "▌" } else { " " };
    let (mark, style) = match model.life(now.id) {
        Some(life) if life.is_open() => ("…", theme.warn),
        Some(_) if model.settled(now).is_some() => ("✓", theme.good),
        _ if model.selection.chosen.contains(&now.id) => ("+", theme.strong),
        _ if !now.is_pending() => ("×", theme.dim),
        _ if model.agents_waiting(now) > 0 => ("◔", theme.warn),
        _ if model.is_fresh(now.id) => ("•", theme.warn),
        _ => (" ", theme.text),
    };
    let age = clock::brief(clock::between(now.submitted_at, model.now));
    vec![
        Span::raw(cursor),
        Span::styled(mark, style),
        Span::styled(format!("{age:>4}"), theme.dim),
        Span::raw("  "),
    ]
}

/// `!2`: the gravest finding and how many are no mere notes, in a column of its own where there is room for one; and what
/// is left.
fn weight<'a>(now: &Proposal, theme: &Theme, room: usize) -> (Option<Span<'a>>, usize) {
    let left = room.saturating_sub(WEIGHT);
    if left < FEWEST {
        return (None, room);
    }
    let (tone, mark) = review::weight(now);
    (Some(Span::styled(text::right(&mark, WEIGHT), theme.tone(tone))), left)
}

/// ` ×12`: for how many of the same asks one row stands, or for how many denials where the mapper has drafted it from
/// them.
fn repeats(model: &Model, now: &Proposal) -> String {
    let denials = || now.evidence.iter().fold(0_u64, |sum, seen| sum.saturating_add(seen.count));
    let times = match now.origin {
        Origin::Mechanistic => denials(),
        Origin::AgentAuthored | Origin::Reviewer => model.repeated(now).0 as u64,
    };
    if times > 1 { format!(" ×{times}") } else { String::new() }
}

/// `L7 PUT        api.github.com:443 /repos/…+12`, in exactly `cells`.
fn ask<'a>(summary: &Summary, repeats: &str, theme: &Theme, cells: usize) -> Vec<Span<'a>> {
    let verb =
        if summary.verb.is_empty() { String::new() } else { format!("{} ", text::clip(&summary.verb, 10)) };
    let more = if summary.more > 0 { format!(" +{} more", summary.more) } else { String::new() };
    let more = format!("{more}{repeats}");
    let room = cells.saturating_sub(3 + text::width(&verb) + text::width(&more));
    let style = if summary.is_l7 { theme.l7 } else { theme.l4 };
    let target = text::left(&summary.target(room), room);
    vec![
        Span::styled(format!("{} ", summary.layer()), style),
        Span::styled(verb, theme.strong),
        Span::styled(target, theme.text),
        Span::styled(more, theme.warn),
    ]
}
