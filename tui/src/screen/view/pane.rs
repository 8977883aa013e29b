//! The frame of a pane, with what stands in its edges.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, Padding, Paragraph};

use super::header;
use crate::screen::keys::Action;
use crate::screen::model::{Link, Model};
use crate::screen::theme::Theme;

/// A frame with rounded corners; the one that has the keys says so by a mark and a colour.
pub(in crate::screen) fn frame<'a>(theme: &Theme, is_focused: bool, name: &str) -> Block<'a> {
    let (style, mark) = if is_focused { (theme.frame_focused, "▸ ") } else { (theme.frame, "") };
    let block = Block::bordered()
        .border_type(BorderType::Rounded)
        .border_style(style)
        .padding(Padding::horizontal(1));
    if name.is_empty() { block } else { block.title(title(&format!("{mark}{name}"), theme.strong)) }
}

/// A text with a space on either side, as titles have it.
pub(in crate::screen) fn spaced(text: &str) -> String {
    format!(" {text} ")
}

/// A title with its style.
pub(in crate::screen) fn title(text: &str, style: Style) -> Line<'static> {
    Line::styled(spaced(text), style)
}

/// What stands in the edge of a list for as long as it is not what is: since when.
pub(in crate::screen) fn stale(model: &Model, theme: &Theme) -> Option<Line<'static>> {
    let Link::Lost { since, .. } = model.link else { return None };
    let since = since.with_timezone(&model.zone).format("%H:%M:%S");
    Some(title(&format!("as of {since}"), theme.warn))
}

/// The frame of a list of `length` entries of which `visible` are in sight from `top` on; gives what is inside.
pub(in crate::screen) fn list(
    (model, theme): (&Model, &Theme),
    frame: &mut Frame<'_>,
    area: Rect,
    (name, is_focused): (&str, bool),
    (top, visible, length): (usize, usize, usize),
) -> Rect {
    let mut block = self::frame(theme, is_focused, name).padding(Padding::ZERO);
    if let Some(stale) = stale(model, theme) {
        block = block.title(stale.right_aligned());
    }
    let unseen = length.saturating_sub(top + visible);
    if unseen > 0 {
        block = block.title_bottom(title(&format!("{unseen} more"), theme.dim).right_aligned());
    }
    let inner = block.inner(area);
    frame.render_widget(block, area);
    inner
}

/// A frame with lines, of which those from `scroll` on are in sight.
pub(in crate::screen) fn document(
    (model, theme): (&Model, &Theme),
    frame: &mut Frame<'_>,
    area: Rect,
    (name, is_focused): (&str, bool),
    (lines, scroll): (Vec<Line<'static>>, usize),
) {
    let mut block = self::frame(theme, is_focused, name);
    let inner = block.inner(area);
    let hidden = lines.len().saturating_sub(scroll + usize::from(inner.height));
    if hidden > 0 {
        let [pane, down] = [Action::Switch, Action::Down].map(|action| model.keys.label(model.tab, action));
        let how = if is_focused { String::new() } else { format!(", {pane} and {down} show them") };
        let hint = format!("▼ {} more{how}", header::count(hidden, "line", "lines"));
        block = block.title_bottom(title(&hint, theme.warn).right_aligned());
    }
    frame.render_widget(block, area);
    let seen: Vec<Line<'_>> = lines.into_iter().skip(scroll).take(usize::from(inner.height)).collect();
    frame.render_widget(Paragraph::new(seen), inner);
}

/// One entry of a list, in at most as many lines as its area has; the chosen one says so by a mark and a colour.
pub(in crate::screen) fn row(
    theme: &Theme,
    frame: &mut Frame<'_>,
    area: Rect,
    is_selected: bool,
    lines: Vec<Line<'static>>,
) {
    let (mark, style) = if is_selected { ("▌", theme.selected) } else { (" ", Style::new()) };
    frame.buffer_mut().set_style(area, style);
    for (y, line) in (area.y..area.bottom()).zip(lines) {
        let line = Line::from_iter(std::iter::once(Span::raw(mark)).chain(line_spans(line)));
        frame.render_widget(line, Rect { y, height: 1, ..area });
    }
}

/// The spans of a line with its style in each.
fn line_spans(line: Line<'static>) -> impl Iterator<Item = Span<'static>> {
    let style = line.style;
    line.spans.into_iter().map(move |span| Span { style: style.patch(span.style), ..span })
}
