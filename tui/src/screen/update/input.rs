//! Keys on list and detail, through the one table.

use crossterm::event::KeyEvent;

use super::{decision, prompt, rows};
use crate::client::Verb;
use crate::screen::Exit;
use crate::screen::keys::{self, Action};
use crate::screen::model::{Focus, Model, Overlay};
use crate::screen::msg::Effect;

pub(super) fn key(model: &mut Model, key: KeyEvent) -> Vec<Effect> {
    if prompt::swallows(model, key) {
        return Vec::new();
    }
    let Some(action) = keys::action(key) else {
        model.is_dirty = false;
        return Vec::new();
    };
    model.note = None;
    if model.overlay == Overlay::Help && action != Action::Quit && action != Action::Suspend {
        model.overlay = Overlay::None;
        // Behind an `r` come words; every other key that closes the help does nothing else.
        if action != Action::Reject {
            return Vec::new();
        }
    }
    act(model, action)
}

fn act(model: &mut Model, action: Action) -> Vec<Effect> {
    match action {
        Action::Approve => return decision::send(model, Verb::Approve, String::new()),
        Action::Reject => prompt::open(model),
        Action::Quit => return vec![Effect::Quit(Exit::Quit)],
        Action::Suspend => return vec![Effect::Suspend],
        Action::Redraw => return vec![Effect::Redraw],
        Action::Help => model.overlay = Overlay::Help,
        Action::Open => open(model),
        Action::Switch => switch(model),
        Action::Back => model.focus = Focus::List,
        Action::Up => step(model, -1),
        Action::Down => step(model, 1),
        Action::PageUp => step(model, -page(model)),
        Action::PageDown => step(model, page(model)),
        Action::Top => step(model, isize::MIN),
        Action::Bottom => step(model, isize::MAX),
    }
    Vec::new()
}

/// Shows what is selected as it is now, in full.
fn open(model: &mut Model) {
    if let Some(id) = model.selected() {
        rows::select(model, id);
        model.focus = Focus::Detail;
    }
}

fn switch(model: &mut Model) {
    model.focus = match (model.focus, &model.detail) {
        (Focus::List, Some(_)) => Focus::Detail,
        _ => Focus::List,
    };
}

fn page(model: &Model) -> isize {
    let lines = model.areas().map_or(1, |areas| match model.focus {
        Focus::List => areas.rows(),
        Focus::Detail => areas.detail_lines(),
    });
    isize::try_from(lines).unwrap_or(1)
}

fn step(model: &mut Model, by: isize) {
    match model.focus {
        Focus::Detail => {
            let last = crate::screen::view::detail_overflow(model);
            if let Some(detail) = &mut model.detail {
                detail.scroll = detail.scroll.saturating_add_signed(by).min(last);
            }
        }
        Focus::List => {
            let Some(last) = model.rows.len().checked_sub(1) else { return };
            let row = model.selected_row().unwrap_or(0);
            let wanted = row.saturating_add_signed(by).min(last);
            if let Some(id) = model.rows.get(wanted).copied().filter(|_| wanted != row) {
                rows::select(model, id);
            }
            rows::mark_seen(model);
        }
    }
}
