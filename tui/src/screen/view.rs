//! `view(&Model, &Theme, &mut Frame)`: the screen as a function of the model.
//!
//! Never changes the model, never reads a clock. Other people's text reaches a cell through [`crate::shown`] only,
//! and rationales only inside the frame that says "unverified".

mod detail;
mod empty;
mod footer;
mod header;
mod help;
mod list;
mod pane;
mod reject;
mod unverified;

use ratatui::Frame;
use ratatui::widgets::Paragraph;

use super::layout::{Areas, SMALLEST};
use super::model::{Model, Overlay};
use super::theme::Theme;

/// Draws everything.
pub fn view(model: &Model, theme: &Theme, frame: &mut Frame<'_>) {
    let Some(areas) = areas(model, frame) else {
        let (columns, lines) = SMALLEST;
        let text = format!("The inbox needs {columns}×{lines} cells.\nNothing can be decided here; q quits.");
        frame.render_widget(Paragraph::new(text), frame.area());
        return;
    };
    header::draw(model, theme, frame, areas.header);
    list::draw(model, theme, frame, &areas);
    detail::draw(model, theme, frame, &areas);
    footer::notice(model, theme, frame, areas.notice);
    footer::status(model, theme, frame, areas.status);
    footer::keys(model, theme, frame, areas.footer);
    match &model.overlay {
        Overlay::None => {}
        Overlay::Help => help::draw(theme, frame),
        Overlay::Reject(prompt) => reject::draw(model, prompt, theme, frame, &areas),
    }
}

/// The parts of the frame's own area, which is the model's size but for the moment of a resize.
fn areas(model: &Model, frame: &Frame<'_>) -> Option<Areas> {
    model.areas_at(frame.area().width, frame.area().height)
}

/// How far the detail can be scrolled.
#[must_use]
pub fn detail_overflow(model: &Model) -> usize {
    let Some(areas) = model.areas() else { return 0 };
    detail::length(model, &areas).saturating_sub(areas.detail_lines())
}
