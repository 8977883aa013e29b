//! The rows of the list, which of them is selected, and which are in sight.
//!
//! Kept one by one, not made anew: a list of 100,000 rows takes in an event as fast as a short one. What is selected
//! stays selected, and stays where it is on the screen.

use std::collections::{BTreeMap, BTreeSet};

use openshell_domain::id::{ProposalId, SandboxName};
use openshell_domain::proposal::Status;

use crate::screen::model::{Detail, Focus, Model, Place};
use crate::screen::repeats::Stand;

/// Makes all rows anew, after a snapshot and in another order: what has a row, and whatever is selected.
pub(super) fn rebuild(model: &mut Model) {
    admit(model);
    list(model);
}

/// Takes in what the reviewer lets into the list now.
fn admit(model: &mut Model) {
    let mut repeats = std::mem::take(&mut model.repeats);
    let all = model.inbox.iter().flat_map(|inbox| inbox.proposals.values());
    for proposal in all.filter(|proposal| proposal.is_pending()) {
        repeats.admit(proposal.id, model.passes(proposal));
    }
    model.repeats = repeats;
}

/// Puts everything where it belongs.
fn list(model: &mut Model) {
    keeping_place(model, |model| {
        let Some(inbox) = &model.inbox else { return };
        let selected = model.selected();
        let (mut rows, mut folded, mut apart) = (Vec::new(), Vec::new(), Vec::new());
        for proposal in inbox.proposals.values() {
            let id = proposal.id;
            match model.repeats.stand(id) {
                stand if stand == Some(Stand::Row) || selected == Some(id) => {
                    rows.push(model.list.order.place(proposal, model.agents_waiting(proposal)));
                }
                Some(Stand::Folded) => folded.push(id),
                Some(Stand::Apart) => apart.push(id),
                Some(Stand::Row) | None => {}
            }
        }
        let fresh: Vec<ProposalId> = model.fresh.iter_from(0).map(Place::id).collect();
        let fresh = fresh.into_iter().filter(|id| is_listed(model, *id));
        let fresh = fresh.filter_map(|id| model.place(id)).collect();
        model.rows = rows.into_iter().collect();
        // In order already: sets are made of that at once, not one by one.
        model.list.apart = apart.into_iter().collect();
        model.list.folded = folded.into_iter().collect();
        model.fresh = fresh;
        let mut chosen = std::mem::take(&mut model.selection.chosen);
        chosen.retain(|id| is_pending(model, *id));
        model.selection.chosen = chosen;
    });
}

/// Makes all rows anew after the reviewer has changed which there are: `wanted` is selected if it is one of them, else
/// what is selected stays, else the nearest row takes its place.
pub(super) fn narrow(model: &mut Model, wanted: Option<ProposalId>) {
    admit(model);
    let selected = model.selected();
    let stays = selected.filter(|id| is_listed(model, *id));
    let next = wanted.filter(|id| is_listed(model, *id)).or(stays).or_else(|| nearest(model));
    if stays.is_none() {
        model.detail = None;
        model.focus = Focus::List;
    }
    list(model);
    if let Some(next) = next.filter(|next| model.selected() != Some(*next)) {
        select(model, next);
    }
    keep_in_sight(model);
}

/// Puts the row of one proposal where it belongs, or takes it away, after something has happened to it.
pub(super) fn touch(model: &mut Model, id: ProposalId) {
    if model.proposal(id).is_some_and(|now| !model.list.hidden.has(now)) {
        model.list.hidden.take(id);
    }
    keeping_place(model, |model| regroup(model, id));
}

/// After a snapshot: which asks are the same, and which have replaced others.
pub(super) fn compare(model: &mut Model) {
    let (mut repeats, mut replaced) = (std::mem::take(&mut model.repeats), BTreeMap::new());
    repeats.clear();
    for proposal in model.inbox.iter().flat_map(|inbox| inbox.proposals.values()) {
        if model.awaits(proposal) {
            repeats.put(proposal, model.agents_waiting(proposal), model.passes(proposal));
        }
        if let Status::Superseded { by, .. } = proposal.status {
            replaced.entry(by).or_insert_with(Vec::new).push(proposal.id);
        }
    }
    (model.repeats, model.replaced) = (repeats, replaced);
}

/// Settles one to which something has happened, and whoever has the row of the same asks before and after that.
fn regroup(model: &mut Model, id: ProposalId) {
    // Of the same asks the first has the row, and the second may have it next.
    let mut others: Vec<ProposalId> = model.repeats.same(id).take(2).collect();
    let mut repeats = std::mem::take(&mut model.repeats);
    match model.proposal(id).filter(|now| model.awaits(now)) {
        Some(now) => repeats.put(now, model.agents_waiting(now), model.passes(now)),
        None => repeats.take(id),
    }
    model.repeats = repeats;
    others.extend(model.repeats.same(id).take(2));
    for other in others.into_iter().filter(|other| *other != id) {
        settle(model, other);
    }
    settle(model, id);
}

fn settle(model: &mut Model, id: ProposalId) {
    let Some(place) = model.place(id) else { return };
    let is_selected = model.selected() == Some(id);
    if is_listed(model, id) {
        model.rows.insert(place);
        model.list.apart.remove(&id);
        model.list.folded.remove(&id);
        return;
    }
    model.fresh.remove(&place);
    if !is_selected {
        model.rows.remove(&place);
    }
    let awaits = is_pending(model, id);
    if !awaits {
        model.selection.forget(id);
    }
    let is_folded = passes(model, id);
    let mut stand = |is_there: bool, ids: fn(&mut Model) -> &mut BTreeSet<ProposalId>| {
        if is_there { ids(model).insert(id) } else { ids(model).remove(&id) }
    };
    stand(awaits && !is_selected && !is_folded, |model| &mut model.list.apart);
    stand(awaits && !is_selected && is_folded, |model| &mut model.list.folded);
}

/// Takes a row from where it was before something happened to its proposal.
pub(super) fn moved(model: &mut Model, was: Option<Place>) {
    let Some(was) = was.filter(|was| model.place(was.id()) != Some(*was)) else { return };
    keeping_place(model, |model| relocate(model, was));
}

fn relocate(model: &mut Model, was: Place) {
    let (is_row, is_fresh) = (model.rows.remove(&was), model.fresh.remove(&was));
    let Some(now) = model.place(was.id()) else { return };
    if is_row {
        model.rows.insert(now);
    }
    if is_fresh {
        model.fresh.insert(now);
    }
}

/// One that has just come and that nobody has seen.
pub(super) fn announce(model: &mut Model, id: ProposalId) {
    let is_row = |place: &Place| model.rows.position(place).is_some();
    if let Some(place) = model.place(id).filter(is_row).filter(|_| model.selected() != Some(id)) {
        model.fresh.insert(place);
    }
}

/// Takes in for which proposals of a sandbox agents wait: these come first.
pub(super) fn wait(model: &mut Model, sandbox: SandboxName, mut waiting: BTreeMap<ProposalId, u32>) {
    waiting.retain(|_, agents| *agents > 0);
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
            relocate(model, place);
            // Who begins to wait is not put aside.
            if model.proposal(place.id()).is_some_and(|now| model.agents_waiting(now) > 0) {
                model.list.hidden.take(place.id());
            }
            regroup(model, place.id());
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
        let left_over = was.filter(|was| !is_listed(model, *was)).and_then(|was| model.place(was));
        if let Some(place) = left_over {
            let is_above = model.rows.position(&place).is_some_and(|row| row < model.top);
            settle(model, place.id());
            model.top = model.top.saturating_sub(usize::from(is_above));
        }
    }
    keep_in_sight(model);
}

/// Shows the row nearest below what is selected, else the nearest above, else nothing.
pub(super) fn select_next(model: &mut Model) {
    let was = model.selected();
    if let Some(id) = nearest(model) {
        return select(model, id);
    }
    model.detail = None;
    model.focus = Focus::List;
    model.rows.clear();
    if let Some(was) = was {
        settle(model, was);
    }
}

/// The row nearest to what is selected that is there of its own accord.
fn nearest(model: &Model) -> Option<ProposalId> {
    let at = model.selected_row().unwrap_or(0);
    let below = model.rows.iter_from(at + 1);
    let above = (0..at).rev().filter_map(|row| model.rows.get(row));
    let is_other = |id: &ProposalId| model.selected() != Some(*id) && is_listed(model, *id);
    below.chain(above).map(Place::id).find(is_other)
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

/// Whether the reviewer lets it have a row, or a part in one.
fn passes(model: &Model, id: ProposalId) -> bool {
    model.proposal(id).is_some_and(|proposal| model.passes(proposal))
}

/// Whether it has a row of its own accord.
fn is_listed(model: &Model, id: ProposalId) -> bool {
    model.repeats.stand(id) == Some(Stand::Row)
}
