//! The mouse: clicks and the wheel, for what keys do too. Never decides, and answers no question.
//!
//! Where something lies on top or is typed it does nothing: what is beneath is not what was pointed at.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::{Position, Rect};

use super::{input, narrow, tabs};
use crate::screen::layout::Areas;
use crate::screen::model::{Focus, Model, Overlay};
use crate::screen::msg::Effect;
use crate::screen::tab::Tab;
use crate::screen::view;
use crate::screen::{decided, policy, sandboxes};

/// How many lines a turn of the wheel scrolls.
const TURN: isize = 3;

/// Whether there is anything that this does.
#[must_use]
pub(crate) fn is_of_use(kind: MouseEventKind) -> bool {
    let is_wheel = matches!(kind, MouseEventKind::ScrollUp | MouseEventKind::ScrollDown);
    is_wheel || kind == MouseEventKind::Down(MouseButton::Left)
}

pub(super) fn pointed(model: &mut Model, event: MouseEvent) -> Vec<Effect> {
    let is_free = model.overlay == Overlay::None && model.log.typing.is_none() && !narrow::is_typing(model);
    let Some(areas) = model.areas().filter(|_| is_free) else {
        model.is_dirty = false;
        return Vec::new();
    };
    let at = Position::new(event.column, event.row);
    match event.kind {
        MouseEventKind::ScrollUp => wheel(model, &areas, at, -1),
        MouseEventKind::ScrollDown => wheel(model, &areas, at, 1),
        _ => click(model, &areas, at),
    }
}

/// Turns what is under the wheel: the list by a row, a text by some lines.
fn wheel(model: &mut Model, areas: &Areas, at: Position, towards: isize) -> Vec<Effect> {
    let Some(pane) = pane(model, areas, at) else { return Vec::new() };
    tabs::focus(model, pane);
    let is_list = pane == Focus::List && model.tab != Tab::Log;
    input::step(model, if is_list { towards } else { towards * TURN })
}

fn click(model: &mut Model, areas: &Areas, at: Position) -> Vec<Effect> {
    // What is said may stand where the names of the tabs do otherwise.
    let names = view::tabs_line(model, areas);
    model.note = None;
    model.copied = None;
    if let Some(tab) = names.filter(|line| line.contains(at)).and_then(|_| tab(at)) {
        return tabs::open(model, tab);
    }
    let Some(pane) = pane(model, areas, at) else { return Vec::new() };
    tabs::focus(model, pane);
    let inner = Rect { y: areas.list.y + 1, height: areas.list.height.saturating_sub(2), ..areas.list };
    if pane == Focus::Detail || model.tab == Tab::Log || !inner.contains(at) {
        return Vec::new();
    }
    let (chosen, top) = rows(model);
    let row = top + usize::from(at.y - inner.y) / areas.row_height();
    if row >= model.length() {
        return Vec::new();
    }
    let by = isize::try_from(row).unwrap_or(0) - isize::try_from(chosen).unwrap_or(0);
    input::step(model, by)
}

/// Which pane something is in. The log is one pane.
fn pane(model: &Model, areas: &Areas, at: Position) -> Option<Focus> {
    if !areas.body.contains(at) {
        None
    } else if areas.list.contains(at) || model.tab == Tab::Log {
        Some(Focus::List)
    } else {
        (model.tab != Tab::Pending || model.detail.is_some()).then_some(Focus::Detail)
    }
}

/// The chosen row, and the first one in sight.
fn rows(model: &Model) -> (usize, usize) {
    let (chosen, top) = match model.tab {
        Tab::Pending | Tab::Log => (model.selected_row(), model.top),
        Tab::Decided => (decided::selected_row(model), model.decided.browse.top),
        Tab::Policy => (policy::selected_row(model), model.policy.browse.top),
        Tab::Sandboxes => (sandboxes::selected_row(model), model.sandboxes.browse.top),
    };
    (chosen.unwrap_or(0), top)
}

/// Whose name is there, in the line of the tabs: each stands between two signs.
fn tab(at: Position) -> Option<Tab> {
    let mut end = 0;
    Tab::ALL.into_iter().find(|tab| {
        end += tab.name().len() + 4;
        usize::from(at.x) < end
    })
}

#[cfg(test)]
mod tests;
