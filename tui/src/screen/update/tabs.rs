//! The tabs: going from one to another, and the movement keys on those beside *Pending*.
//!
//! What a tab shows beyond the inbox is asked for when it is looked at, and again when the connection has come back.

use super::rows;
use crate::screen::layout::Areas;
use crate::screen::log::{Before, Proof};
use crate::screen::model::{Focus, Model};
use crate::screen::msg::Effect;
use crate::screen::tab::Tab;
use crate::screen::view;
use crate::screen::{decided, log, policy, sandboxes};

/// Opens a tab.
pub(super) fn open(model: &mut Model, tab: Tab) -> Vec<Effect> {
    if model.tab != tab {
        // Chosen before it is open: then the latest.
        decided::follow(model);
    }
    model.tab = tab;
    in_sight(model);
    look(model)
}

/// Opens the policy of the sandbox that is shown.
pub(super) fn open_policy(model: &mut Model) -> Vec<Effect> {
    let of = |id| model.proposal(id).map(|proposal| proposal.sandbox.clone());
    let sandbox = match model.tab {
        Tab::Pending => model.detail.as_ref().map(|detail| detail.proposal.sandbox.clone()),
        Tab::Decided => model.decided.browse.selected.and_then(of),
        Tab::Sandboxes => model.sandboxes.browse.selected.clone(),
        Tab::Policy | Tab::Log => None,
    };
    match sandbox {
        Some(sandbox) => policy::open(model, sandbox),
        None => open(model, Tab::Policy),
    }
}

/// Asks for what the open tab shows beyond the inbox.
pub(super) fn look(model: &mut Model) -> Vec<Effect> {
    match model.tab {
        Tab::Pending => Vec::new(),
        Tab::Policy => policy::read(model),
        Tab::Decided => {
            decided::count(model);
            log::read(model)
        }
        Tab::Sandboxes | Tab::Log => log::read(model),
    }
}

/// The connection is gone, and with it the answers that were still to come.
pub(super) fn interrupted(model: &mut Model) {
    model.policy.reading = None;
    if model.log.before == Before::Reading {
        model.log.before = Before::Unread;
    }
    if model.log.proof == Proof::Running {
        model.log.proof = Proof::Failed("the connection broke before the answer".to_owned());
    }
}

/// Whatever has changed in size or length: what is chosen stays in sight.
pub(super) fn in_sight(model: &mut Model) {
    match model.tab {
        Tab::Pending => rows::keep_in_sight(model),
        Tab::Decided => decided::follow(model),
        Tab::Policy => policy::keep_in_sight(model),
        Tab::Sandboxes => sandboxes::follow(model),
        Tab::Log => log::scroll(model, 0),
    }
}

/// To the detail, or to the list.
pub(super) fn focus(model: &mut Model, focus: Focus) {
    let is_open = focus == Focus::Detail;
    match model.tab {
        Tab::Pending => model.focus = focus,
        Tab::Decided => model.decided.browse.is_open = is_open && model.decided.browse.selected.is_some(),
        Tab::Policy => model.policy.browse.is_open = is_open && model.policy.browse.selected.is_some(),
        Tab::Sandboxes => {
            model.sandboxes.browse.is_open = is_open && model.sandboxes.browse.selected.is_some();
        }
        Tab::Log => {}
    }
}

/// Which pane of the open tab has the keys.
pub(super) fn focused(model: &Model) -> Focus {
    let is_open = match model.tab {
        Tab::Pending => return model.focus,
        Tab::Decided => model.decided.browse.is_open,
        Tab::Policy => model.policy.browse.is_open,
        Tab::Sandboxes => model.sandboxes.browse.is_open,
        Tab::Log => false,
    };
    if is_open { Focus::Detail } else { Focus::List }
}

/// Moves on a tab beside *Pending*.
pub(super) fn step(model: &mut Model, by: isize) -> Vec<Effect> {
    if focused(model) == Focus::Detail {
        let overflow = view::detail_overflow(model);
        match model.tab {
            Tab::Decided => model.decided.browse.scroll_by(by, overflow),
            Tab::Policy => model.policy.browse.scroll_by(by, overflow),
            Tab::Sandboxes => model.sandboxes.browse.scroll_by(by, overflow),
            Tab::Pending | Tab::Log => {}
        }
        return Vec::new();
    }
    match model.tab {
        Tab::Decided => decided::step(model, by),
        Tab::Policy => return policy::step(model, by),
        Tab::Sandboxes => sandboxes::step(model, by),
        Tab::Log => log::scroll(model, by),
        Tab::Pending => {}
    }
    Vec::new()
}

/// How many lines a page has.
pub(super) fn page(model: &Model) -> isize {
    let lines = model.areas().map_or(1, |areas: Areas| match (model.tab, focused(model)) {
        (Tab::Log, _) => log::view::visible(&areas),
        (_, Focus::List) => areas.rows(),
        (_, Focus::Detail) => areas.detail_lines(),
    });
    isize::try_from(lines).unwrap_or(1)
}
