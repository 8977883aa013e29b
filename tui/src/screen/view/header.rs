//! The first line: what this is, how the connection is, how much there is to do, which gateway.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::clock;
use crate::isolation;
use crate::screen::model::{Link, Model};
use crate::screen::tab::Tab;
use crate::screen::text;
use crate::screen::theme::Theme;
use crate::shown;

pub(super) fn draw(model: &Model, theme: &Theme, frame: &mut Frame<'_>, area: Rect) {
    let (state, style) = link(model, theme);
    let mut spans = vec![
        Span::styled(format!(" {}", shown::visible(&model.title)), theme.strong),
        Span::styled(format!("   {state}"), style),
    ];
    if let Some(inbox) = &model.inbox {
        let quarantined = inbox.sandboxes.values().filter(|view| isolation::is_quarantined(view)).count();
        if quarantined > 0 {
            // Before what may be cut off: nothing passes there, whatever is approved.
            spans.push(Span::styled(format!("   ! {quarantined} quarantined"), theme.bad));
        }
        let sandboxes = count(inbox.sandboxes.len(), "sandbox", "sandboxes");
        let waited_for = model.waited_for();
        if waited_for > 0 {
            spans.push(Span::styled(format!("   {waited_for} waiting"), theme.warn));
        }
        let lead = if waited_for > 0 { " ·" } else { "  " };
        spans.push(Span::styled(format!("{lead} {} pending · {sandboxes}", model.pending()), theme.text));
        if model.bell.is_paused {
            spans.push(Span::styled(" · bell off", theme.warn));
        }
    }
    let used: usize = spans.iter().map(|span| text::width(&span.content)).sum();
    let room = usize::from(area.width).saturating_sub(used + 3);
    let gateway = tail(&shown::visible(&model.gateway), room);
    let gap = usize::from(area.width).saturating_sub(used + text::width(&gateway) + 1);
    spans.push(Span::raw(" ".repeat(gap)));
    spans.push(Span::styled(gateway, theme.dim));
    frame.render_widget(Line::from(spans), area);
}

/// The names of the tabs, the open one in brackets: no colour is needed to see which that is.
pub(super) fn tabs(model: &Model, theme: &Theme) -> Line<'static> {
    let mut spans = Vec::new();
    for tab in Tab::ALL {
        let name = format!("{} {}", tab.digit(), tab.name());
        spans.push(if tab == model.tab {
            Span::styled(format!("[{name}]"), theme.strong)
        } else {
            Span::styled(format!(" {name} "), theme.dim)
        });
    }
    Line::from(spans)
}

fn link(model: &Model, theme: &Theme) -> (String, Style) {
    match &model.link {
        Link::Connecting => ("◌ connecting".to_owned(), theme.warn),
        Link::Live if model.inbox.is_none() => ("◌ loading".to_owned(), theme.warn),
        Link::Live => ("● live".to_owned(), theme.good),
        Link::Lost { is_offline: false, retry_at, .. } => {
            (format!("◌ reconnecting in {}", seconds(model, *retry_at)), theme.warn)
        }
        Link::Lost { is_offline: true, since, .. } => {
            (format!("■ offline since {}", since.with_timezone(&model.zone).format("%H:%M:%S")), theme.bad)
        }
    }
}

/// Whole seconds until then, as people count them: rounded up.
pub(super) fn seconds(model: &Model, until: chrono::DateTime<chrono::Utc>) -> String {
    format!("{} s", clock::between(model.now, until).as_millis().div_ceil(1000))
}

pub(in crate::screen) fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// The end of a path, which says more than its beginning.
fn tail(path: &str, cells: usize) -> String {
    let mut rest = path;
    let mut shortened = path.to_owned();
    while text::width(&shortened) > cells {
        let Some((_, behind)) = rest.split_once('/') else { return String::new() };
        rest = behind;
        shortened = format!("…/{rest}");
    }
    shortened
}
