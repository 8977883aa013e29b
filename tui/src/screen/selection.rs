//! Several proposals at once: which are chosen, which were looked at, and the list that is confirmed.
//!
//! Pure. Each item keeps the digest that it had when the list was opened: the list is what is decided, whatever
//! comes meanwhile. What has findings is approved with others only once its detail was on the screen as it is now.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use openshell_domain::id::{Digest, ProposalId};
use openshell_domain::proposal::Proposal;

use super::life::Life;
use super::model::{Model, Place};
use super::reason::{Reason, Words};
use super::risk;
use super::sight::Part;
use super::summary::{self, Summary};
use super::{text, view};
use crate::client::Verb;
use crate::{review, shown};

/// The most that are decided at once.
pub const MOST: usize = 100;

/// Why something is left out of which the list does not say everything.
const CUT: &str = "it is more than fits here: look at it first";

/// What is chosen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selection {
    /// The proposals.
    pub chosen: BTreeSet<ProposalId>,
    /// Where a range begins.
    pub anchor: Option<ProposalId>,
    /// What has been on the screen for long enough, as it was then.
    pub seen: BTreeMap<ProposalId, Digest>,
    /// What of a longer one has been.
    pub part: Part,
    /// Words that were typed for several and not sent.
    pub words: Words,
    /// How many lists were opened: each is another one.
    pub opened: u32,
}

impl Selection {
    /// Chooses a proposal, or not any more.
    pub fn toggle(&mut self, id: ProposalId) {
        if !self.chosen.remove(&id) {
            self.chosen.insert(id);
        }
        self.anchor = Some(id);
    }

    /// Forgets one that awaits nothing any more.
    pub fn forget(&mut self, id: ProposalId) {
        self.chosen.remove(&id);
        self.seen.remove(&id);
    }
}

/// The list that is confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Many {
    /// Which way.
    pub verb: Verb,
    /// Which list it is.
    pub serial: u32,
    /// What is on it, in the order of the rows.
    pub items: Vec<Item>,
    /// The first item in sight.
    pub top: usize,
    /// One reason for all.
    pub reason: Reason,
    /// Whether it was sent: then it tells what becomes of each.
    pub is_sent: bool,
}

/// One proposal of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Which.
    pub id: ProposalId,
    /// As it was when the list was opened, like all that is told of it.
    pub digest: Option<Digest>,
    /// What is asked for.
    pub asked: Summary,
    /// Which programs, and of which sandbox. Safe to show.
    pub who: String,
    /// What an approval would newly allow.
    pub newly: String,
    /// Why it is left out.
    pub out: Option<String>,
    /// Whether it has been in sight for long enough.
    pub is_seen: bool,
}

impl Many {
    /// The list of what is chosen, else of what is shown. A rejection is of all that is the same; of these an
    /// approval closes what it covers.
    #[must_use]
    pub fn of(model: &Model, verb: Verb) -> Self {
        // What is chosen stays so where a filter takes its row away: the list shows it nevertheless.
        let mut chosen = model.selection.chosen.clone();
        if chosen.is_empty() {
            chosen.extend(model.selected());
        }
        if verb == Verb::Reject {
            let same: Vec<ProposalId> = chosen.iter().flat_map(|id| model.repeats.same(*id)).collect();
            chosen.extend(same);
        }
        let places: BTreeSet<Place> = chosen.into_iter().filter_map(|id| model.place(id)).collect();
        let chosen = places.iter().filter_map(|place| model.proposal(place.id()));
        let mut items: Vec<Item> = chosen.map(|proposal| item(model, proposal, verb)).collect();
        for item in items.iter_mut().filter(|item| item.out.is_none()).skip(MOST) {
            item.out = Some(format!("at most {MOST} at once"));
        }
        Self {
            verb,
            serial: model.selection.opened,
            items,
            top: 0,
            reason: Reason::new(model.selection.words.clone()),
            is_sent: false,
        }
    }

    /// Which of them are in sight, where there is room for so many.
    #[must_use]
    pub fn in_sight(&self, room: usize) -> Range<usize> {
        let top = self.top.min(self.last_top(room));
        top..(top + room).min(self.items.len())
    }

    /// Moves what is in sight, as far as there is something.
    pub fn scroll(&mut self, by: isize, room: usize) {
        self.top = self.top.saturating_add_signed(by).min(self.last_top(room));
    }

    fn last_top(&self, room: usize) -> usize {
        self.items.len().saturating_sub(room)
    }

    /// Leaves out what is more than fits in so many cells, unless it was looked at.
    pub fn leave_out(&mut self, cells: usize, seen: &BTreeMap<ProposalId, Digest>) {
        let is_cut = |item: &&mut Item| item.out.is_none() && !fits(&item.asked, &item.who, cells);
        if self.verb == Verb::Approve && !self.is_sent {
            for item in self.items.iter_mut().filter(is_cut) {
                let is_seen = item.digest.is_some() && seen.get(&item.id) == item.digest.as_ref();
                item.out = (!is_seen).then(|| CUT.to_owned());
            }
        }
    }

    /// Which of them have not been in sight for long enough.
    pub fn unseen(&self) -> impl Iterator<Item = usize> {
        self.items.iter().enumerate().filter(|(_, item)| !item.is_seen).map(|(row, _)| row)
    }

    /// What is not left out.
    pub fn included(&self) -> impl Iterator<Item = (ProposalId, Digest)> {
        self.items.iter().filter(|item| item.out.is_none()).filter_map(|item| Some((item.id, item.digest?)))
    }
}

/// Whether so many cells show who asks for what.
fn fits(asked: &Summary, who: &str, cells: usize) -> bool {
    asked.width().max(text::width(who)) <= cells
}

fn item(model: &Model, proposal: &Proposal, verb: Verb) -> Item {
    let section = review::newly(proposal);
    let newly = section.short.as_ref().or(section.entries.first()).map(|entry| entry.text.clone());
    Item {
        id: proposal.id,
        digest: proposal.digest(),
        asked: summary::of(&proposal.draft.rule),
        who: who(proposal),
        newly: newly.unwrap_or_default(),
        out: objection(model, proposal, verb),
        is_seen: false,
    }
}

fn who(proposal: &Proposal) -> String {
    let others = proposal.draft.rule.binaries.len().saturating_sub(1);
    let others = if others > 0 { format!(" +{others}") } else { String::new() };
    format!(
        "{}{others} · {}",
        shown::visible(proposal.draft.binary()),
        shown::visible(proposal.sandbox.as_str())
    )
}

/// Whether the list shows all that is asked for.
fn is_whole(model: &Model, proposal: &Proposal) -> bool {
    let rule = &proposal.draft.rule;
    summary::says_all(rule) && fits(&summary::of(rule), &who(proposal), view::many_cells(model))
}

/// Why a proposal is not decided together with others.
fn objection(model: &Model, proposal: &Proposal, verb: Verb) -> Option<String> {
    let Some(review) = &proposal.review else {
        return Some("what it would change is being computed".to_owned());
    };
    if !model.awaits(proposal) {
        return Some(format!("it is {} already", proposal.status.as_str()));
    }
    if model.life(proposal.id).is_some_and(Life::is_open) {
        return Some("a decision on it is on its way".to_owned());
    }
    if verb == Verb::Approve && review.difference.is_none() {
        return Some("too complex: reject it".to_owned());
    }
    if verb == Verb::Approve && risk::of(proposal).next().is_some() {
        return Some(format!("second key, approve it alone: {}", risk::names(proposal)));
    }
    let is_seen = model.selection.seen.get(&proposal.id) == Some(&review.digest);
    match review.findings.len() {
        // What is refused widens nothing.
        _ if is_seen || verb == Verb::Reject => None,
        0 if is_whole(model, proposal) => None,
        0 => Some(CUT.to_owned()),
        1 => Some("it has a finding: look at it first".to_owned()),
        many => Some(format!("it has {many} findings: look at it first")),
    }
}
