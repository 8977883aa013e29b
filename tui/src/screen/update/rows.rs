//! The rows of the list, which of them is selected, and which are in sight.
//!
//! Kept one by one, not made anew: a list of 100,000 rows takes in an event as fast as a short one. What is selected
//! stays selected, and stays where it is on the screen.

use std::collections::BTreeMap;

use openshell_domain::id::{ProposalId, SandboxName};

use crate::screen::model::{Detail, Focus, Model, Place};

/// Makes all rows anew, after a snapshot: pending proposals and whatever is selected.
pub(super) fn rebuild(model: &mut Model) {
    keeping_place(model, |model| {
        let Some(inbox) = &model.inbox else { return };
        let selected = model.selected();
        let is_listed = |id| selected == Some(id) || is_pending(model, id);
        let ids = inbox.proposals.keys().copied().filter(|id| is_listed(*id));
        let rows = ids.filter_map(|id| model.place(id)).collect();
        model.rows = rows;
        let mut chosen = std::mem::take(&mut model.selection.chosen);
        chosen.retain(|id| is_pending(model, *id));
        model.selection.chosen = chosen;
        let mut fresh = std::mem::take(&mut model.fresh);
        fresh.retain(|place| model.rows.position(place).is_some() && is_pending(model, place.id()));
        model.fresh = fresh;
    });
}

/// Puts the row of one proposal where it belongs, or takes it away, after something has happened to it.
pub(super) fn touch(model: &mut Model, id: ProposalId) {
    keeping_place(model, |model| {
        let Some(place) = model.place(id) else { return };
        if is_pending(model, id) {
            model.rows.insert(place);
            return;
        }
        model.fresh.remove(&place);
        model.selection.forget(id);
        if model.selected() != Some(id) {
            model.rows.remove(&place);
        }
    });
}

/// One that has just come and that nobody has seen.
pub(super) fn announce(model: &mut Model, id: ProposalId) {
    if let Some(place) = model.place(id).filter(|_| model.selected() != Some(id)) {
        model.fresh.insert(place);
    }
}

/// Takes in for which proposals of a sandbox agents wait: these come first.
pub(super) fn wait(model: &mut Model, sandbox: SandboxName, waiting: BTreeMap<ProposalId, u32>) {
    let before = model.waiting.get(&sandbox).cloned().unwrap_or_default();
    let moved: Vec<ProposalId> = waiting
        .keys()
        .filter(|id| !before.contains_key(id))
        .chain(before.keys().filter(|id| !waiting.contains_key(id)))
        .copied()
        .collect();
    keeping_place(model, |model| {
        let was: Vec<Place> = moved.iter().filter_map(|id| model.place(*id)).collect();
        model.waiting.insert(sandbox, waiting);
        for place in was {
            let (is_row, is_fresh) = (model.rows.remove(&place), model.fresh.remove(&place));
            let Some(now) = model.place(place.id()) else { continue };
            if is_row {
                model.rows.insert(now);
            }
            if is_fresh {
                model.fresh.insert(now);
            }
        }
    });
}

/// Changes the rows under what is selected, without moving that on the screen.
fn keeping_place(model: &mut Model, change: impl FnOnce(&mut Model)) {
    let offset = model.selected_row().map(|row| row.saturating_sub(model.top));
    change(model);
    match (model.selected(), model.rows.get(0)) {
        (None, Some(first)) => select(model, first.id()),
        (Some(_), _) => {
            if let (Some(row), Some(offset)) = (model.selected_row(), offset) {
                model.top = row.saturating_sub(offset);
            }
        }
        (None, None) => {}
    }
    keep_in_sight(model);
}

/// Shows a proposal as it is now.
pub(super) fn select(model: &mut Model, id: ProposalId) {
    let Some(detail) = model.proposal(id).map(Detail::of) else { return };
    let was = model.selected();
    model.detail = Some(detail);
    if let Some(place) = model.place(id) {
        model.fresh.remove(&place);
    }
    if was != Some(id) {
        model.focus = Focus::List;
        // What was kept in sight only because it was selected goes now.
        let left_over = was.filter(|was| !is_pending(model, *was)).and_then(|was| model.place(was));
        if let Some(place) = left_over {
            let is_above = model.rows.position(&place).is_some_and(|row| row < model.top);
            model.rows.remove(&place);
            model.top = model.top.saturating_sub(usize::from(is_above));
        }
    }
    keep_in_sight(model);
}

/// Shows the pending proposal nearest below what is selected, else the nearest above, else nothing.
pub(super) fn select_next_pending(model: &mut Model) {
    let at = model.selected_row().unwrap_or(0);
    let below = model.rows.iter_from(at + 1);
    let above = (0..at).rev().filter_map(|row| model.rows.get(row));
    let next = below.chain(above).map(Place::id).find(|id| is_pending(model, *id));
    match next {
        Some(id) => select(model, id),
        None => {
            model.detail = None;
            model.focus = Focus::List;
            model.rows.clear();
        }
    }
}

/// Moves the window over the rows as little as is needed to show the selected one.
pub(super) fn keep_in_sight(model: &mut Model) {
    let visible = visible(model);
    let row = model.selected_row().unwrap_or(0);
    let last_top = model.rows.len().saturating_sub(visible);
    model.top = model.top.clamp((row + 1).saturating_sub(visible), row).min(last_top);
}

/// Rows in sight have been seen once the reviewer moves.
pub(super) fn mark_seen(model: &mut Model) {
    let seen: Vec<Place> = model.rows.iter_from(model.top).take(visible(model)).collect();
    for place in seen {
        model.fresh.remove(&place);
    }
}

/// How many rows are in sight where the list is open.
fn visible(model: &Model) -> usize {
    model.areas().map_or(1, |areas| areas.rows())
}

fn is_pending(model: &Model, id: ProposalId) -> bool {
    model.proposal(id).is_some_and(|proposal| model.awaits(proposal))
}
