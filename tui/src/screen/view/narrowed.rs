//! What the edges of a list say about rows that are not there: how many are left, of how many, why, and the way back.

use ratatui::text::{Line, Span};

use super::header::count;
use crate::screen::filter::Filter;
use crate::screen::keys::Action;
use crate::screen::model::Model;
use crate::screen::order::Order;
use crate::screen::tab::Tab;
use crate::screen::text;
use crate::screen::theme::Theme;
use crate::shown;

/// `Pending 3 of 41 · /host:git▏ · by host`, in at most `cells`.
pub(super) fn pending(model: &Model, cells: usize) -> String {
    let mut rest = match model.selection.chosen.len() {
        0 => String::new(),
        chosen => format!(" · {chosen} chosen"),
    };
    if model.list.order != Order::Waiting {
        rest.extend([" · ", model.list.order.name()]);
    }
    let all = model.pending();
    let left = all.saturating_sub(model.list.apart.len());
    let room = cells.saturating_sub(text::width(&rest));
    text::elide(&format!("{}{rest}", title("Pending", &model.list.filter, (left, all), room)), cells)
}

/// `Decided 3 of 41 · /git▏`, in at most `cells`: of the filter its end is kept, where it is typed.
pub(in crate::screen) fn title(
    name: &str,
    filter: &Filter,
    (left, all): (usize, usize),
    cells: usize,
) -> String {
    let is_typed = filter.typing.is_some();
    if !is_typed && filter.is_empty() {
        return name.to_owned();
    }
    let lead = format!("{name} {left} of {all} · ");
    let cursor = if is_typed { "▏" } else { "" };
    let room = cells.saturating_sub(text::width(&lead) + 2).max(8);
    let text = text::clip_start(&shown::visible(filter.text()), room);
    format!("{lead}/{text}{cursor}")
}

/// `2 waiting not shown · 1 hidden (Z)`; `None` where every row is there.
pub(super) fn apart(model: &Model, theme: &Theme) -> Option<Line<'static>> {
    let apart = model.apart();
    let mut spans = Vec::new();
    if apart.waiting > 0 {
        spans.push(Span::styled(format!("! {} waiting not shown", apart.waiting), theme.warn));
    }
    if apart.hidden > 0 {
        let dot = if spans.is_empty() { "" } else { " · " };
        let unhide = model.keys.label(Tab::Pending, Action::Unhide);
        spans.push(Span::styled(format!("{dot}{} hidden ({unhide})", apart.hidden), theme.dim));
    }
    if spans.is_empty() {
        return None;
    }
    spans.insert(0, Span::raw(" "));
    spans.push(Span::raw(" "));
    Some(Line::from(spans))
}

/// What to do where no row is left.
pub(super) fn way_back<'a>(model: &Model, theme: &Theme) -> Vec<Line<'a>> {
    let apart = model.apart();
    let mut lines = vec![
        Line::styled(format!("{} a decision, none of them in the list.", asks(model.pending())), theme.warn),
        Line::default(),
    ];
    if apart.filtered > 0 {
        let text = format!("{} not what is filtered for: esc shows all.", are(apart.filtered));
        lines.push(Line::styled(text, theme.text));
    }
    if apart.hidden > 0 {
        let unhide = model.keys.label(Tab::Pending, Action::Unhide);
        lines.push(Line::styled(format!("{} hidden: {unhide} shows.", are(apart.hidden)), theme.text));
    }
    if apart.waiting > 0 {
        let text = format!("Agents wait for {} of them.", apart.waiting);
        lines.push(Line::styled(text, theme.warn));
    }
    lines
}

fn asks(number: usize) -> String {
    count(number, "ask awaits", "asks await")
}

fn are(number: usize) -> String {
    count(number, "is", "are")
}
