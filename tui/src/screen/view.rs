//! `view(&Model, &Theme, &mut Frame)`: the screen as a function of the model.
//!
//! Never changes the model, never reads a clock. Other people's text reaches a cell through [`crate::shown`] only,
//! and rationales only inside the frame that says "unverified".

mod ascii;
mod detail;
mod empty;
mod footer;
pub(super) mod header;
mod help;
mod list;
mod many;
pub(super) mod narrowed;
pub(super) mod pane;
mod question;
mod reject;
pub(super) mod typed;
mod unverified;

pub(super) use detail::{fact, whole};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::widgets::Paragraph;
pub(super) use typed::typed;

use super::layout::{Areas, SMALLEST};
use super::model::{Model, Overlay};
use super::sight::Sight;
use super::tab::Tab;
use super::theme::Theme;
use super::{decided, edit, log, policy, sandboxes, why};

/// Draws everything.
pub fn view(model: &Model, theme: &Theme, frame: &mut Frame<'_>) {
    picture(model, theme, frame);
    if theme.is_ascii {
        ascii::fold(frame.buffer_mut());
    }
}

fn picture(model: &Model, theme: &Theme, frame: &mut Frame<'_>) {
    let Some(areas) = areas(model, frame) else {
        let (columns, lines) = SMALLEST;
        let text = format!("The inbox needs {columns}×{lines} cells.\nNothing can be decided here; q quits.");
        frame.render_widget(Paragraph::new(text), frame.area());
        return;
    };
    header::draw(model, theme, frame, areas.header);
    frame.render_widget(header::tabs(model, theme), areas.tabs);
    match model.tab {
        Tab::Pending => {
            list::draw(model, theme, frame, &areas);
            detail::draw(model, theme, frame, &areas);
        }
        _ if model.inbox.is_none() => empty::nothing_known(model, theme, frame, &areas),
        Tab::Decided => decided::view::draw(model, theme, frame, &areas),
        Tab::Policy => policy::view::draw(model, theme, frame, &areas),
        Tab::Sandboxes => sandboxes::view::draw(model, theme, frame, &areas),
        Tab::Log => log::view::draw(model, theme, frame, &areas),
    }
    footer::notice(model, theme, frame, areas.notice);
    footer::status(model, theme, frame, &areas);
    footer::keys(model, theme, frame, areas.footer);
    match &model.overlay {
        Overlay::None => {}
        Overlay::Why(asked) => why::view::draw(asked, theme, frame, &areas),
        Overlay::Edit(edit) => edit::view::draw(model, edit, theme, frame, &areas),
        Overlay::Help => help::draw((model.tab, &model.keys), theme, frame),
        Overlay::Reject(prompt) => reject::draw(model, prompt, theme, frame, &areas),
        Overlay::Lease(menu) => question::lease(model, menu, theme, frame, &areas),
        Overlay::Accept(accept) => question::accept(model, accept, theme, frame, &areas),
        Overlay::Many(many) => many::draw(model, many, theme, frame, &areas),
        Overlay::Revoke(revoke) => question::revoke(model, revoke, theme, frame, &areas),
    }
}

/// The parts of the frame's own area, which is the model's size but for the moment of a resize.
fn areas(model: &Model, frame: &Frame<'_>) -> Option<Areas> {
    model.areas_at(frame.area().width, frame.area().height)
}

/// The line in which the names of the tabs stand, if they do.
#[must_use]
pub fn tabs_line(model: &Model, areas: &Areas) -> Option<Rect> {
    let is_said = model.note.is_some() || model.latest_life().is_some();
    if areas.tabs.height > 0 { Some(areas.tabs) } else { (!is_said).then_some(areas.status) }
}

/// What of the detail is in sight; `None` where there is none.
#[must_use]
pub fn sight(model: &Model) -> Option<Sight> {
    detail::sight(model, &model.areas()?)
}

/// How many cells an item of the list of several proposals has for what is asked for.
#[must_use]
pub fn many_cells(model: &Model) -> usize {
    model.areas().map_or(0, |areas| many::cells(&areas).saturating_sub(many::MARK))
}

/// How many items of the list of several proposals are in sight; 0 where it is not.
#[must_use]
pub fn many_room(model: &Model) -> usize {
    match (&model.overlay, model.areas()) {
        (Overlay::Many(list), Some(areas)) => many::items(list, &areas),
        _ => 0,
    }
}

/// How far the detail of the open tab can be scrolled.
#[must_use]
pub fn detail_overflow(model: &Model) -> usize {
    let Some(areas) = model.areas() else { return 0 };
    let theme = Theme::plain();
    let page = (&theme, areas.detail_cells());
    let length = match model.tab {
        Tab::Pending => detail::length(model, &areas),
        Tab::Decided => decided::view::document(model, page).len(),
        Tab::Policy => policy::view::document(model, page).len(),
        Tab::Sandboxes => sandboxes::view::document(model, page).len(),
        Tab::Log => 0,
    };
    length.saturating_sub(areas.detail_lines())
}
