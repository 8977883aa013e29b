//! Keys on list and detail, through the one table.

use crossterm::event::KeyEvent;

use super::{alert, approval, back, many, narrow, prompt, rows, tabs};
use crate::client::Verb;
use crate::screen::Exit;
use crate::screen::keys::Action;
use crate::screen::model::{Focus, Model, Overlay};
use crate::screen::msg::Effect;
use crate::screen::tab::Tab;
use crate::screen::{copy, edit, log, why};

pub(super) fn key(model: &mut Model, key: KeyEvent) -> Vec<Effect> {
    if prompt::swallows(model, key) {
        return Vec::new();
    }
    let Some(action) = model.keys.action(model.tab, key) else {
        // It says that any key closes it.
        model.is_dirty = model.overlay == Overlay::Help;
        if model.is_dirty {
            model.overlay = Overlay::None;
        }
        return Vec::new();
    };
    model.note = None;
    if action != Action::Copy {
        model.copied = None;
    }
    if model.overlay == Overlay::Help && action != Action::Quit && action != Action::Suspend {
        model.overlay = Overlay::None;
        // Behind an `r` come words; every other key that closes the help does nothing else.
        if action != Action::Reject {
            return Vec::new();
        }
    }
    act(model, action)
}

pub(super) fn act(model: &mut Model, action: Action) -> Vec<Effect> {
    let has_chosen = model.tab == Tab::Pending && !model.selection.chosen.is_empty();
    match action {
        Action::Approve if has_chosen => many::open(model, Verb::Approve),
        Action::Reject if has_chosen || many::is_repeated(model) => many::open(model, Verb::Reject),
        Action::Choose => many::toggle(model),
        Action::Range => many::range(model),
        Action::Approve => return approval::approve(model, ""),
        Action::Lease => approval::choose(model),
        Action::Reject => prompt::open(model),
        Action::Edit => return edit::open(model),
        Action::Undo => return back::undo(model),
        Action::Revoke => back::revoke(model),
        Action::Quit => return vec![Effect::Quit(Exit::Quit)],
        Action::Suspend => return vec![Effect::Suspend],
        Action::Redraw => return vec![Effect::Redraw],
        Action::Help => model.overlay = Overlay::Help,
        Action::Show(tab) => return tabs::open(model, tab),
        Action::Policy => return tabs::open_policy(model),
        Action::Difference => {
            model.policy.is_difference = !model.policy.is_difference;
            model.policy.browse.scroll = 0;
        }
        Action::Verify => return log::verify(model),
        Action::Filter if model.tab == Tab::Log => log::filter(model),
        Action::Filter => narrow::open(model),
        Action::Sort => narrow::sort(model),
        Action::Hide => narrow::hide(model),
        Action::Unhide => narrow::unhide(model),
        Action::Copy => return copy::copy(model),
        Action::Why => why::open(model),
        Action::Pause => alert::pause(model),
        Action::Open => open(model),
        Action::Switch => switch(model),
        Action::Back => leave(model),
        Action::Up => return step(model, -1),
        Action::Down => return step(model, 1),
        Action::PageUp => return step(model, -tabs::page(model)),
        Action::PageDown => return step(model, tabs::page(model)),
        Action::Top => return step(model, isize::MIN),
        Action::Bottom => return step(model, isize::MAX),
    }
    Vec::new()
}

/// Shows what is selected as it is now, in full.
fn open(model: &mut Model) {
    match (model.tab, model.selected()) {
        (Tab::Pending, Some(id)) => rows::select(model, id),
        (Tab::Pending, None) => return,
        _ => {}
    }
    tabs::focus(model, Focus::Detail);
}

fn switch(model: &mut Model) {
    let to = match (tabs::focused(model), model.tab, &model.detail) {
        (Focus::List, Tab::Pending, None) | (Focus::Detail, ..) => Focus::List,
        (Focus::List, ..) => Focus::Detail,
    };
    tabs::focus(model, to);
}

fn leave(model: &mut Model) {
    if model.tab == Tab::Pending && tabs::focused(model) == Focus::List && !model.selection.chosen.is_empty()
    {
        model.selection.chosen.clear();
        model.selection.anchor = None;
    } else if tabs::focused(model) == Focus::List {
        narrow::clear(model);
    }
    tabs::focus(model, Focus::List);
    if model.tab == Tab::Log {
        log::unfilter(model);
        log::scroll(model, isize::MAX);
    }
}

pub(super) fn step(model: &mut Model, by: isize) -> Vec<Effect> {
    if model.tab != Tab::Pending {
        return tabs::step(model, by);
    }
    match model.focus {
        Focus::Detail => {
            let last = crate::screen::view::detail_overflow(model);
            if let Some(detail) = &mut model.detail {
                detail.scroll = detail.scroll.saturating_add_signed(by).min(last);
            }
        }
        Focus::List => {
            let Some(last) = model.rows.len().checked_sub(1) else { return Vec::new() };
            let row = model.selected_row().unwrap_or(0);
            let wanted = row.saturating_add_signed(by).min(last);
            if let Some(place) = model.rows.get(wanted).filter(|_| wanted != row) {
                rows::select(model, place.id());
            }
            rows::mark_seen(model);
        }
    }
    Vec::new()
}
