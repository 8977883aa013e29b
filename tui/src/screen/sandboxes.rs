//! The tab *Sandboxes*: who is there, how the command is kept in, which policy it enforces, who waits in it.
//!
//! Everything is in the projection and in what the gateway says of the moment; the tab only knows which is chosen.

pub(super) mod view;

use openshell_domain::id::SandboxName;

use super::browse::Browse;
use super::model::Model;

/// What the tab knows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SandboxesTab {
    /// Which sandbox.
    pub browse: Browse<SandboxName>,
}

/// The row of the sandbox that is shown.
pub(super) fn selected_row(model: &Model) -> Option<usize> {
    let (inbox, selected) = (model.inbox.as_ref()?, model.sandboxes.browse.selected.as_ref()?);
    inbox.sandboxes.keys().position(|name| name == selected)
}

/// Chooses the first sandbox where none is chosen, and shows it.
pub(super) fn follow(model: &mut Model) {
    if selected_row(model).is_none() {
        let first = model.inbox.as_ref().and_then(|inbox| inbox.sandboxes.keys().next().cloned());
        model.sandboxes.browse.selected = first;
    }
    keep_in_sight(model);
}

pub(super) fn step(model: &mut Model, by: isize) {
    let Some(inbox) = &model.inbox else { return };
    let wanted = Browse::<SandboxName>::stepped(selected_row(model), by, inbox.sandboxes.len());
    if let Some(name) = wanted.and_then(|row| inbox.sandboxes.keys().nth(row)).cloned() {
        model.sandboxes.browse.select(name);
    }
    keep_in_sight(model);
}

pub(super) fn keep_in_sight(model: &mut Model) {
    let visible = model.areas().map_or(1, |areas| areas.rows());
    let length = model.inbox.as_ref().map_or(0, |inbox| inbox.sandboxes.len());
    let row = selected_row(model).unwrap_or(0);
    model.sandboxes.browse.keep_in_sight(row, length, visible);
}
