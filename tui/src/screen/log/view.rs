//! *Log* on the screen: a line an event, over the whole width, the latest at the bottom.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::{Before, Proof, lines};
use crate::screen::history::Entry;
use crate::screen::layout::Areas;
use crate::screen::model::Model;
use crate::screen::text;
use crate::screen::theme::Theme;
use crate::screen::view::pane;
use crate::shown;

/// How many lines are in sight: one is for the filter and the proof.
pub(in crate::screen) fn visible(areas: &Areas) -> usize {
    usize::from(areas.body.height.saturating_sub(3)).max(1)
}

pub(in crate::screen) fn draw(model: &Model, theme: &Theme, frame: &mut Frame<'_>, areas: &Areas) {
    let room = visible(areas);
    let mut seen: Vec<&Entry> = lines(model).rev().skip(model.log.behind).take(room).collect();
    seen.reverse();
    let sizes = columns(&seen);
    let name = match seen.first() {
        Some(entry) if sizes.0 == 0 => format!("Log · {}", text::elide(place(entry), 30)),
        _ => "Log".to_owned(),
    };
    let mut block = pane::frame(theme, true, &name);
    if let Some(stale) = pane::stale(model, theme) {
        block = block.title(stale.right_aligned());
    }
    if model.log.behind > 0 {
        let hint = format!("▼ {} newer, G follows", model.log.behind);
        block = block.title_bottom(pane::title(&hint, theme.warn).right_aligned());
    }
    let inner = block.inner(areas.body);
    frame.render_widget(block, areas.body);
    let [top, body] = [Rect { height: 1.min(inner.height), ..inner }, below(inner)];
    frame.render_widget(head(model, theme, usize::from(top.width)), top);
    if seen.is_empty() {
        frame.render_widget(
            Line::styled(nothing(model), theme.dim),
            Rect { height: 1.min(body.height), ..body },
        );
    }
    for (y, entry) in (body.y..body.bottom()).zip(seen) {
        let line = line(model, entry, theme, sizes, usize::from(body.width));
        frame.render_widget(line, Rect { y, height: 1, ..body });
    }
}

fn below(area: Rect) -> Rect {
    Rect { y: area.y.saturating_add(1), height: area.height.saturating_sub(1), ..area }.intersection(area)
}

fn nothing(model: &Model) -> &'static str {
    match model.log.before {
        _ if !model.log.filter.is_empty() => "No line has these words: esc shows all lines again.",
        Before::Unread | Before::Failed(_) => "Nothing has happened since the screen was opened.",
        Before::Reading => "Reading the log …",
        Before::Read => "The log is empty.",
    }
}

/// The filter, and whether the log is whole.
fn head(model: &Model, theme: &Theme, cells: usize) -> Line<'static> {
    let mut spans = Vec::new();
    if model.log.typing.is_some() || !model.log.filter.is_empty() {
        let cursor = if model.log.typing.is_some() { "▏" } else { "" };
        let filter = text::clip(&shown::visible(&model.log.filter), cells / 3);
        spans.push(Span::styled("filter ", theme.dim));
        spans.push(Span::styled(format!("{filter}{cursor}"), theme.strong));
        spans.push(Span::styled(format!("  {} lines  ", lines(model).count()), theme.dim));
    }
    let (words, style) = proof(model, theme);
    let used: usize = spans.iter().map(|span| text::width(&span.content)).sum();
    spans.push(Span::styled(text::elide(&words, cells.saturating_sub(used)), style));
    Line::from(spans)
}

fn proof(model: &Model, theme: &Theme) -> (String, Style) {
    match (&model.log.proof, &model.log.before) {
        (Proof::Running, _) => ("proving the log from its first event on …".to_owned(), theme.warn),
        (Proof::Failed(why), _) => (format!("× could not be proven: {}", shown::visible(why)), theme.bad),
        (Proof::Done(found), _) => match found.problems.first() {
            Some(problem) => {
                let (problem, more) = (shown::visible(problem), found.problems.len() - 1);
                let more = if more > 0 { format!(" (and {more} more)") } else { String::new() };
                (format!("× NOT whole: {problem}{more}"), theme.bad)
            }
            None => {
                let head: String = found.head.chars().take(12).collect();
                let head = shown::visible(&head);
                (
                    format!("✓ whole up to event {}, head {head}…, signed up to {}", found.seq, found.signed),
                    theme.good,
                )
            }
        },
        (Proof::None, Before::Failed(why)) => (
            format!("! what came before could not be read: {} (5 tries again)", shown::visible(why)),
            theme.bad,
        ),
        (Proof::None, _) => ("v proves that nothing in it was changed".to_owned(), theme.dim),
    }
}

/// How wide the columns for the sandbox and for who did it are: as wide as what is in sight, within bounds. Where all
/// is about one sandbox, its name needs no column.
fn columns(seen: &[&Entry]) -> (usize, usize) {
    let widest = |of: fn(&Entry) -> usize| seen.iter().map(|entry| of(entry)).max().unwrap_or(0);
    let is_one = seen.windows(2).all(|pair| matches!(pair, [one, other] if one.sandbox == other.sandbox));
    let place = if is_one { 0 } else { widest(|entry| text::width(place(entry)) + 1) };
    (place.min(16), widest(|entry| text::width(&entry.who)).min(12))
}

fn place(entry: &Entry) -> &str {
    if entry.sandbox.is_empty() { "(gateway)" } else { &entry.sandbox }
}

fn line(model: &Model, entry: &Entry, theme: &Theme, sizes: (usize, usize), cells: usize) -> Line<'static> {
    let at = entry.at.with_timezone(&model.zone).format("%H:%M:%S");
    let place = if sizes.0 == 0 { String::new() } else { text::left(place(entry), sizes.0) };
    let lead = format!("{:>5} {at}  {place}", entry.seq);
    let who = text::left(&entry.who, sizes.1);
    let room = cells.saturating_sub(text::width(&lead) + sizes.1 + 1);
    Line::from(vec![
        Span::styled(lead, theme.dim),
        Span::styled(format!("{who} "), theme.strong),
        Span::styled(text::elide_inside(&entry.what, room), theme.text),
    ])
}
