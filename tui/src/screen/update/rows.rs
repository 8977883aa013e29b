//! The rows of the list, which of them is selected, and which are in sight.

use openshell_domain::id::ProposalId;
use openshell_domain::proposal::Proposal;

use crate::screen::model::{Detail, Focus, Model};

/// Derives the rows from the projection: pending proposals and whatever is selected, newest first. What is
/// selected stays selected, and stays where it is on the screen.
pub(super) fn refresh(model: &mut Model) {
    let Some(inbox) = &model.inbox else { return };
    let offset = model.selected_row().map(|row| row.saturating_sub(model.top));
    let selected = model.selected();
    let mut rows: Vec<_> = inbox
        .proposals
        .values()
        .filter(|proposal| model.awaits(proposal) || Some(proposal.id) == selected)
        .map(|proposal| (std::cmp::Reverse(proposal.submitted_at), proposal.id))
        .collect();
    rows.sort_unstable();
    model.rows = rows.into_iter().map(|(_, id)| id).collect();
    model.fresh.retain(|id| inbox.proposals.get(id).is_some_and(Proposal::is_pending));
    match (selected, model.rows.first().copied()) {
        (None, Some(first)) => select(model, first),
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
    model.fresh.remove(&id);
    if was != Some(id) {
        model.focus = Focus::List;
        // What was kept in sight only because it was selected goes now.
        let is_left_over = |row: &ProposalId| Some(*row) == was && !is_pending(model, *row);
        if model.rows.iter().any(is_left_over) {
            let was_row = model.rows.iter().position(is_left_over);
            model.rows.retain(|row| Some(*row) != was);
            if was_row.is_some_and(|row| row < model.top) {
                model.top = model.top.saturating_sub(1);
            }
        }
    }
    keep_in_sight(model);
}

/// Shows the pending proposal nearest below what is selected, else the nearest above, else nothing.
pub(super) fn select_next_pending(model: &mut Model) {
    let at = model.selected_row().unwrap_or(0);
    let below = model.rows.iter().skip(at + 1);
    let above = model.rows.iter().take(at).rev();
    let next = below.chain(above).copied().find(|id| is_pending(model, *id));
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
    let visible = model.areas().map_or(1, |areas| areas.rows());
    let row = model.selected_row().unwrap_or(0);
    let last_top = model.rows.len().saturating_sub(visible);
    model.top = model.top.clamp((row + 1).saturating_sub(visible), row).min(last_top);
}

/// Rows in sight have been seen once the reviewer moves.
pub(super) fn mark_seen(model: &mut Model) {
    let visible = model.areas().map_or(1, |areas| areas.rows());
    for id in model.rows.iter().skip(model.top).take(visible) {
        model.fresh.remove(id);
    }
}

fn is_pending(model: &Model, id: ProposalId) -> bool {
    model.proposal(id).is_some_and(|proposal| model.awaits(proposal))
}
