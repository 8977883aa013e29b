//! The frame of a pane, with what stands in its edges.

use ratatui::style::Style;
use ratatui::text::Line;
use ratatui::widgets::{Block, BorderType, Padding};

use crate::screen::theme::Theme;

/// A frame with rounded corners; the one that has the keys says so by a mark and a colour.
pub(super) fn frame<'a>(theme: &Theme, is_focused: bool, name: &str) -> Block<'a> {
    let (style, mark) = if is_focused { (theme.frame_focused, "▸ ") } else { (theme.frame, "") };
    let block = Block::bordered()
        .border_type(BorderType::Rounded)
        .border_style(style)
        .padding(Padding::horizontal(1));
    if name.is_empty() { block } else { block.title(title(&format!("{mark}{name}"), theme.strong)) }
}

/// A text with a space on either side, as titles have it.
pub(super) fn spaced(text: &str) -> String {
    format!(" {text} ")
}

/// A title with its style.
pub(super) fn title(text: &str, style: Style) -> Line<'static> {
    Line::styled(spaced(text), style)
}
