//! The keys that change which rows there are, and in which order: filter, sort, hide.
//!
//! What is typed holds at once. What is selected stays selected for as long as it is left, and is selected again when
//! the filter is given up.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use openshell_domain::id::ProposalId;

use super::{input, rows};
use crate::screen::decided;
use crate::screen::editor::Editor;
use crate::screen::filter::Filter;
use crate::screen::keys::Action;
use crate::screen::model::Model;
use crate::screen::msg::Effect;
use crate::screen::order::Order;
use crate::screen::tab::Tab;

/// The filter of the open tab, where it has one.
fn filter(model: &mut Model) -> Option<&mut Filter> {
    match model.tab {
        Tab::Pending => Some(&mut model.list.filter),
        Tab::Decided => Some(&mut model.decided.filter),
        Tab::Policy | Tab::Sandboxes | Tab::Log => None,
    }
}

/// Whether a filter is being typed.
pub(super) fn is_typing(model: &Model) -> bool {
    match model.tab {
        Tab::Pending => model.list.filter.typing.is_some(),
        Tab::Decided => model.decided.filter.typing.is_some(),
        Tab::Policy | Tab::Sandboxes | Tab::Log => false,
    }
}

/// Begins to type.
pub(super) fn open(model: &mut Model) {
    let chosen = match model.tab {
        Tab::Decided => model.decided.browse.selected,
        _ => model.selected(),
    };
    if let Some(filter) = filter(model) {
        filter.open(chosen);
    }
}

/// Gives the filter up, if there is one.
pub(super) fn clear(model: &mut Model) {
    let Some(filter) = filter(model) else { return };
    if filter.typing.is_none() && filter.text().is_empty() {
        return;
    }
    if let Some((editor, _)) = &mut filter.typing {
        *editor = Editor::default();
    }
    filter.set("");
    take(model);
    end(model);
}

/// Keeps the filter and types no more of it.
fn end(model: &mut Model) {
    if let Some(filter) = filter(model) {
        filter.typing = None;
    }
}

pub(super) fn key(model: &mut Model, key: KeyEvent) -> Vec<Effect> {
    let Some(filter) = filter(model) else { return Vec::new() };
    let Some((editor, _)) = &mut filter.typing else { return Vec::new() };
    let is_bare = key.modifiers.difference(KeyModifiers::SHIFT).is_empty();
    match (key.code, is_bare) {
        (KeyCode::Enter, _) => end(model),
        (KeyCode::Esc, _) | (KeyCode::Char('c'), false) => clear(model),
        (KeyCode::Up, _) => return input::act(model, Action::Up),
        (KeyCode::Down, _) => return input::act(model, Action::Down),
        (KeyCode::PageUp, _) => return input::act(model, Action::PageUp),
        (KeyCode::PageDown, _) => return input::act(model, Action::PageDown),
        (KeyCode::Char('z'), false) => return vec![Effect::Suspend],
        (KeyCode::Char(c), true) => {
            filter.insert(c.encode_utf8(&mut [0; 4]));
            take(model);
        }
        (code, _) => {
            if editor.press(code, key.modifiers.contains(KeyModifiers::CONTROL)) {
                take(model);
            }
        }
    }
    Vec::new()
}

/// A paste into the filter: its first line.
pub(super) fn paste(model: &mut Model, text: &str) {
    if let Some(filter) = filter(model) {
        filter.insert(text);
        take(model);
    }
}

/// Lets what is typed hold.
fn take(model: &mut Model) {
    let Some(filter) = filter(model) else { return };
    let mut wanted = None;
    if let Some((editor, chosen)) = &filter.typing {
        let text = editor.text();
        wanted = *chosen;
        filter.set(&text);
    }
    match model.tab {
        Tab::Decided => decided::narrow(model, wanted),
        _ => rows::narrow(model, wanted),
    }
}

/// Another order.
pub(super) fn sort(model: &mut Model) {
    model.list.order = model.list.order.next();
    rows::rebuild(model);
    // Any other is told in the title.
    if model.list.order == Order::default() {
        model.say(format!("sorted as at the start: {}", model.list.order.name()));
    }
}

/// Puts what is selected aside for a while.
pub(super) fn hide(model: &mut Model) {
    let now = model.now;
    let shown = model.selected().and_then(|id| model.proposal(id)).filter(|now| model.awaits(now)).cloned();
    let Some(proposal) = shown else {
        return model.say("only what awaits a decision can be hidden".to_owned());
    };
    let same: Vec<ProposalId> = model.repeats.same(proposal.id).chain([proposal.id]).collect();
    for one in same.iter().filter_map(|id| model.proposal(*id)).cloned().collect::<Vec<_>>() {
        model.list.hidden.put(&one, now);
    }
    for id in same {
        rows::touch(model, id);
    }
    rows::select_next(model);
    let unhide = model.keys.label(Tab::Pending, Action::Unhide);
    model.say(format!("hidden here for 15 m, nothing is decided: {unhide}, a new wording or wait shows it"));
}

/// Takes back everything that was put aside.
pub(super) fn unhide(model: &mut Model) {
    if model.list.hidden.take_all().is_empty() {
        return model.say("nothing is hidden".to_owned());
    }
    rows::rebuild(model);
}

/// Takes back that whose time is over; says whether there was any.
pub(super) fn expire(model: &mut Model) -> bool {
    let due = model.list.hidden.take_due(model.now);
    if !due.is_empty() {
        rows::rebuild(model);
    }
    for id in &due {
        rows::announce(model, *id);
    }
    !due.is_empty()
}
