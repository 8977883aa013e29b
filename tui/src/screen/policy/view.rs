//! *Policy* on the screen: the sandboxes beside the policy of one, each rule under the line that says where it is
//! from. Rules that were granted beside the file have a `+`, with and without colours.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::{Page, RuleText, selected_row};
use crate::isolation;
use crate::screen::keys::Action;
use crate::screen::layout::Areas;
use crate::screen::model::{Link, Model};
use crate::screen::tab::Tab;
use crate::screen::text;
use crate::screen::theme::Theme;
use crate::screen::view::{header, pane};
use crate::shown;

pub(in crate::screen) fn draw(model: &Model, theme: &Theme, frame: &mut Frame<'_>, areas: &Areas) {
    let Some(inbox) = &model.inbox else { return };
    let tab = &model.policy;
    let window = (tab.browse.top, areas.rows(), inbox.sandboxes.len());
    let inner = pane::list((model, theme), frame, areas.list, ("Sandboxes", !tab.browse.is_open), window);
    let height = u16::try_from(areas.row_height()).unwrap_or(1);
    let selected = selected_row(model);
    let seen = inbox.sandboxes.iter().enumerate().skip(tab.browse.top).take(areas.rows());
    for (at, (row, (name, view))) in (inner.y..).step_by(usize::from(height)).zip(seen) {
        let area = Rect { y: at, height, ..inner }.intersection(inner);
        let cells = usize::from(area.width).saturating_sub(14);
        let line = Line::from(vec![
            Span::styled(text::left(name.as_str(), cells), theme.text),
            Span::styled(text::right(&format!("rev {}", view.revision), 10), theme.dim),
        ]);
        pane::row(theme, frame, area, selected == Some(row), vec![line]);
    }
    if inbox.sandboxes.is_empty() {
        let line = Line::styled("  No sandbox was seen yet.", theme.dim);
        frame.render_widget(line, Rect { height: 1.min(inner.height), ..inner });
    }
    let lines = (document(model, (theme, areas.detail_cells())), tab.browse.scroll);
    let what = if tab.is_difference { "Granted beside the file" } else { "Policy" };
    let name = match &tab.browse.selected {
        Some(name) => format!("{what} · {}", text::elide(name.as_str(), 30)),
        None => what.to_owned(),
    };
    pane::document((model, theme), frame, areas.detail, (&name, tab.browse.is_open), lines);
}

/// The policy, or what stands in the way of it.
pub(in crate::screen) fn document(model: &Model, (theme, cells): (&Theme, usize)) -> Vec<Line<'static>> {
    let tab = &model.policy;
    let mut lines = Vec::new();
    let say =
        |words: &str, style| text::wrap(words, cells).into_iter().map(move |part| Line::styled(part, style));
    if let Some(error) = &tab.error {
        lines.extend(say(&format!("! It could not be read: {}", shown::visible(error)), theme.bad));
        let show = model.keys.label(Tab::Policy, Action::Show(Tab::Policy));
        lines.extend(say(&format!("{show} reads it again."), theme.dim));
        lines.push(Line::default());
    }
    let page = tab.page.as_ref().filter(|page| Some(&page.sandbox) == tab.browse.selected.as_ref());
    match (page, &tab.reading) {
        (Some(page), _) => {
            lines.extend(head(model, page, (theme, cells)));
            lines.extend(whole(page, tab.is_difference, (theme, cells)));
        }
        (None, Some(_)) => lines.push(Line::styled("Reading it …", theme.dim)),
        (None, None) if tab.browse.selected.is_none() => {
            lines.extend(say("A sandbox has a policy once its supervisor has started.", theme.dim));
        }
        (None, None) if tab.error.is_none() => {
            lines.extend(say("It was not read yet: it is when the gateway is there.", theme.dim));
        }
        (None, None) => {}
    }
    lines
}

/// Which revision it is, who enforces it, and of what it is made.
fn head(model: &Model, page: &Page, (theme, cells): (&Theme, usize)) -> Vec<Line<'static>> {
    let (words, style) = enforced(model, page, theme);
    let words = format!("Revision {} · {words}", page.revision);
    let mut lines: Vec<Line<'static>> =
        text::wrap(&words, cells).into_iter().map(|part| Line::styled(part, style)).collect();
    let (all, granted) = (page.rules.len(), page.granted());
    let file = header::count(all - granted, "rule", "rules");
    let rules = match granted {
        0 => format!("{file} of the file, none granted"),
        _ => format!("{granted} granted (+), then {file} of the file"),
    };
    lines.extend([Line::styled(rules, theme.dim), Line::default()]);
    lines
}

/// Whether somebody enforces it now.
fn enforced(model: &Model, page: &Page, theme: &Theme) -> (String, Style) {
    let view = model.inbox.as_ref().and_then(|inbox| inbox.sandboxes.get(&page.sandbox));
    if model.link != Link::Live {
        let words =
            format!("not known whether it is enforced: the gateway is away; {} was loaded", page.loaded);
        return (words, theme.warn);
    }
    if view.is_some_and(|view| view.ended.is_some()) {
        return ("its run has ended: nobody enforces it now".to_owned(), theme.dim);
    }
    if let Some(told) = view.and_then(isolation::not_loaded) {
        return (told, theme.bad);
    }
    if model.attached.get(&page.sandbox) == Some(&false) {
        let words = format!("its supervisor is not connected; it had loaded revision {}", page.loaded);
        return (words, theme.bad);
    }
    if page.loaded >= page.revision {
        return ("loaded".to_owned(), theme.good);
    }
    (format!("the sandbox enforces revision {}", page.loaded), theme.warn)
}

fn whole(page: &Page, is_difference: bool, (theme, cells): (&Theme, usize)) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    if is_difference && page.granted() == 0 {
        lines.push(Line::styled("Nothing was granted: it is the file.", theme.text));
    }
    if !is_difference {
        lines.extend(page.head.iter().map(|line| Line::styled(format!("  {line}"), theme.dim)));
        lines.push(Line::styled("  network_policies:".to_owned(), theme.dim));
    }
    let rules = page.rules.iter().filter(|rule| rule.is_granted() || !is_difference);
    lines.extend(rules.flat_map(|text| rule(text, (theme, cells))));
    lines
}

fn rule(rule: &RuleText, (theme, cells): (&Theme, usize)) -> Vec<Line<'static>> {
    let (mark, style) = if rule.is_granted() { ("+ ", theme.good) } else { ("  ", theme.text) };
    let origin = text::wrap(&rule.origin, cells.saturating_sub(6));
    let mut lines: Vec<Line<'static>> =
        origin.into_iter().map(|part| Line::styled(format!("{mark}  # {part}"), theme.dim)).collect();
    for line in &rule.lines {
        let indent = line.len() - line.trim_start().len();
        let parts = text::wrap(line, cells.saturating_sub(4 + indent));
        let hang = " ".repeat(indent + 2);
        lines.extend(parts.into_iter().enumerate().map(|(at, part)| {
            Line::styled(if at == 0 { format!("{mark}{part}") } else { format!("{mark}{hang}{part}") }, style)
        }));
    }
    lines
}
