//! What can be taken back: the last decision made here, for a while by one key; any decision in force; any grant.
//!
//! Pure. A decision is known by the digest that it quoted: whoever has decided anew meanwhile is not undone.

use std::time::Duration;

use chrono::{DateTime, Utc};
use openshell_domain::id::{Digest, ProposalId};
use openshell_domain::proposal::Status;

use super::keys::Action;
use super::life::Life;
use super::model::Model;
use super::tab::Tab;
use crate::client::Verb;
use crate::clock;

/// For how long the last decision is offered to be undone.
pub const OFFER: Duration = Duration::from_secs(10);

/// A decision that can be taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Made {
    /// On what.
    pub proposal: ProposalId,
    /// The digest that it quoted.
    pub digest: Digest,
}

/// A grant, and what to say before it is ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revoke {
    /// The grants of the sandbox to choose from; one where it is chosen.
    pub grants: Vec<Made>,
    /// Which is marked.
    pub chosen: usize,
    /// Whether it only has to be confirmed.
    pub is_chosen: bool,
}

impl Revoke {
    /// The grant that is marked.
    #[must_use]
    pub fn grant(&self) -> Option<Made> {
        self.grants.get(self.chosen).copied()
    }
}

/// What one key undoes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The last decision made here, or those that were made together with it.
    pub made: Vec<Made>,
    /// When the offer ends.
    pub until: DateTime<Utc>,
}

/// The offer to undo the last decision made here, while it stands.
#[must_use]
pub fn offer(model: &Model) -> Option<Offer> {
    let last = model.lives.last()?;
    let is_one = |life: &&Life| last.batch.is_some() && life.batch == last.batch;
    let lives: Vec<&Life> = match last.batch {
        Some(_) => model.lives.iter().filter(is_one).collect(),
        None => vec![last],
    };
    let done = lives.into_iter().filter(|life| life.is_decision() && life.is_recorded());
    let (mut made, mut since) = (Vec::new(), None);
    for life in done {
        let one = Made { proposal: life.decision.proposal, digest: life.decision.digest };
        if is_in_force(model, one) {
            made.push(one);
            since = since.max(life.recorded_at);
        }
    }
    let until = since? + OFFER;
    (model.now < until).then_some(Offer { made, until })
}

/// How many seconds of the offer are left.
#[must_use]
pub fn seconds_left(model: &Model) -> Option<u128> {
    offer(model).map(|offer| clock::between(model.now, offer.until).as_millis().div_ceil(1_000))
}

/// The decision that is shown, if it can be undone.
#[must_use]
pub fn shown(model: &Model) -> Option<Made> {
    let proposal = model.proposal(model.decided.browse.selected.filter(|_| model.tab == Tab::Decided)?)?;
    let made = Made { proposal: proposal.id, digest: proposal.status.decision()?.digest };
    is_in_force(model, made).then_some(made)
}

/// What the key that undoes would take back now.
#[must_use]
pub fn undoable(model: &Model) -> Vec<Made> {
    match model.tab {
        Tab::Pending => offer(model).map(|offer| offer.made).unwrap_or_default(),
        _ => shown(model).into_iter().collect(),
    }
}

/// The grants that are shown.
#[must_use]
pub fn grants(model: &Model) -> Vec<Made> {
    match model.tab {
        Tab::Decided => shown(model).into_iter().filter(|made| is_granted(model, *made)).collect(),
        Tab::Policy => {
            let page = model.policy.page.as_ref();
            let page = page.filter(|page| Some(&page.sandbox) == model.policy.browse.selected.as_ref());
            let ids = page.into_iter().flat_map(|page| &page.rules).filter_map(|rule| rule.proposal);
            let made = |proposal| {
                let digest = model.proposal(proposal)?.status.decision()?.digest;
                Some(Made { proposal, digest })
            };
            ids.filter_map(made).filter(|made| is_granted(model, *made)).collect()
        }
        _ => Vec::new(),
    }
}

/// Whether a decision is in force: nobody has undone it, and its grant has not ended.
#[must_use]
pub fn is_in_force(model: &Model, made: Made) -> bool {
    let status = model.proposal(made.proposal).map(|proposal| &proposal.status);
    match status {
        Some(Status::Approved { decision, .. } | Status::Rejected { decision, .. }) => {
            decision.digest == made.digest
        }
        _ => false,
    }
}

fn is_granted(model: &Model, made: Made) -> bool {
    let status = model.proposal(made.proposal).map(|proposal| &proposal.status);
    matches!(status, Some(Status::Approved { .. })) && is_in_force(model, made)
}

fn has_ended(model: &Model, id: ProposalId) -> bool {
    model.proposal(id).is_some_and(|proposal| matches!(proposal.status, Status::Expired { .. }))
}

/// Where all decisions are, and the key that takes one back.
fn way_back(model: &Model) -> String {
    let show = model.keys.label(Tab::Pending, Action::Show(Tab::Decided));
    let undo = model.keys.label(Tab::Decided, Action::Undo);
    format!("{show} shows what was decided, {undo} takes it back there")
}

/// Why a decision of this kind cannot be taken back where it is not in force.
#[must_use]
pub fn why_not(model: &Model, verb: Verb) -> String {
    let selected = model.decided.browse.selected.filter(|_| model.tab == Tab::Decided);
    let last = model.lives.iter().rev().find(|life| life.is_decision() && life.is_recorded());
    let last = last.map(|life| Made { proposal: life.decision.proposal, digest: life.decision.digest });
    match (model.tab, selected.and_then(|id| model.proposal(id)), verb) {
        (Tab::Pending, ..) if last.is_some_and(|last| has_ended(model, last.proposal)) => {
            "the last grant has ended with its lease or its run: there is nothing to undo".to_owned()
        }
        (Tab::Pending, ..) if model.lives.iter().any(Life::is_recorded) => {
            format!("the 10 s for that are over: {}", way_back(model))
        }
        (Tab::Pending, ..) => {
            format!("nothing was decided here: {}", way_back(model))
        }
        (_, Some(proposal), Verb::Revoke) => {
            format!("it is {}: there is no grant to revoke", proposal.status.as_str())
        }
        (_, Some(proposal), _) if has_ended(model, proposal.id) => {
            "the grant has ended with its lease or its run: there is nothing to undo".to_owned()
        }
        (_, Some(proposal), _) => format!("it is {}: there is nothing to undo", proposal.status.as_str()),
        (_, None, Verb::Revoke) => "there is no grant to revoke".to_owned(),
        (_, None, _) => "there is nothing to undo".to_owned(),
    }
}
