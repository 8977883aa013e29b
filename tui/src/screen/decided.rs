//! The tab *Decided*: decisions newest first, and at what rate they are made.
//!
//! The rows follow the projection one by one; the rate is counted over the latest of them only, so that it costs the
//! same however long the list is. `view` draws it.

pub mod rate;
pub(super) mod view;

use std::cmp::Reverse;

use chrono::{DateTime, TimeDelta, Utc};
use openshell_domain::event::Event;
use openshell_domain::id::ProposalId;
use openshell_domain::proposal::Proposal;

use super::browse::Browse;
use super::filter::Filter;
use super::model::Model;
use super::sorted::Sorted;
use super::tab::Tab;
use rate::Rate;

/// When it was decided, newest first, and on what.
pub type Key = (Reverse<i64>, ProposalId);

/// What the tab knows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Decided {
    /// The decisions, newest first.
    pub all: Sorted<Key>,
    /// Those that the filter leaves.
    pub rows: Sorted<Key>,
    /// What is looked for.
    pub filter: Filter,
    /// Which is shown.
    pub browse: Browse<ProposalId>,
    /// How fast decisions are made, as of the last look.
    pub rate: Rate,
    /// When that was, and what the latest decision was then.
    pub counted: Option<(DateTime<Utc>, Option<Key>)>,
}

fn key(proposal: &Proposal) -> Option<Key> {
    let decision = proposal.status.decision()?;
    Some((Reverse(decision.at.timestamp_micros()), proposal.id))
}

/// Begins anew with a snapshot.
pub(super) fn rebuild(model: &mut Model) {
    let proposals = model.inbox.as_ref().map(|inbox| inbox.proposals.values());
    model.decided.all = proposals.into_iter().flatten().filter_map(key).collect();
    narrow(model, None);
}

/// Makes the rows anew after the filter has changed; `wanted` is chosen if it is one of them.
pub(super) fn narrow(model: &mut Model, wanted: Option<ProposalId>) {
    let rows = model.decided.all.iter_from(0).filter(|(_, id)| passes(model, *id)).collect();
    model.decided.rows = rows;
    if let Some(wanted) = wanted.filter(|id| passes(model, *id)) {
        model.decided.browse.select(wanted);
    }
    follow(model);
}

fn passes(model: &Model, id: ProposalId) -> bool {
    model.proposal(id).is_some_and(|proposal| model.decided.filter.passes(proposal, || 0))
}

/// Takes in what an event has done to a proposal.
pub(super) fn touch(model: &mut Model, id: ProposalId, event: &Event) {
    let Some(proposal) = model.inbox.as_ref().and_then(|inbox| inbox.proposals.get(&id)) else { return };
    let undone = proposal.earlier.last().and_then(|earlier| earlier.undone.as_ref());
    if let (Event::DecisionUndone { .. }, Some(undone)) = (event, undone) {
        let was = (Reverse(undone.decision.at.timestamp_micros()), id);
        model.decided.all.remove(&was);
        model.decided.rows.remove(&was);
    }
    if let Some(key) = key(proposal) {
        let row = model.decided.rows.before(&key);
        model.decided.all.insert(key);
        if !passes(model, id) {
            model.decided.rows.remove(&key);
        // What is in sight stays where it is.
        } else if model.decided.rows.insert(key) && row < model.decided.browse.top {
            model.decided.browse.top += 1;
        }
    }
    follow(model);
}

/// Chooses the latest decision where nobody has chosen one, or where that is none any more, and shows it.
pub(super) fn follow(model: &mut Model) {
    if model.tab != Tab::Decided || selected_row(model).is_none() {
        model.decided.browse.selected = model.decided.rows.get(0).map(|(_, id)| id);
        model.decided.browse.top = 0;
    }
    keep_in_sight(model);
}

/// Counts the rate again, once a second at most: it looks at hundreds of decisions.
pub(super) fn count(model: &mut Model) {
    let is_fresh = |at| (TimeDelta::zero()..TimeDelta::seconds(1)).contains(&(model.now - at));
    let newest = model.decided.all.get(0);
    if model.decided.counted.is_some_and(|(at, known)| known == newest && is_fresh(at)) {
        return;
    }
    model.decided.counted = Some((model.now, newest));
    let latest = model.decided.all.iter_from(0).take(rate::SAMPLE);
    let rate = Rate::of(latest.filter_map(|(_, id)| model.proposal(id)), model.now);
    model.decided.rate = rate;
}

/// The row of the decision that is shown.
#[must_use]
pub(super) fn selected_row(model: &Model) -> Option<usize> {
    let proposal = model.proposal(model.decided.browse.selected?)?;
    model.decided.rows.position(&key(proposal)?)
}

pub(super) fn step(model: &mut Model, by: isize) {
    let rows = &model.decided.rows;
    let wanted = Browse::<ProposalId>::stepped(selected_row(model), by, rows.len());
    if let Some((_, id)) = wanted.and_then(|row| rows.get(row)) {
        model.decided.browse.select(id);
    }
    keep_in_sight(model);
}

pub(super) fn keep_in_sight(model: &mut Model) {
    let visible = model.areas().map_or(1, |areas| areas.rows());
    let (row, length) = (selected_row(model).unwrap_or(0), model.decided.rows.len());
    model.decided.browse.keep_in_sight(row, length, visible);
}
