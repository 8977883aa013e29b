//! A new wording of the ask that is shown, while it is made: the rule as YAML under a cursor, beside it what it would
//! change. The reviewer's own editor takes the same text.
//!
//! What is typed is read at once by the reader of proposals, and what it would change is asked of the gateway; an answer
//! is taken only for the text that it was asked for. Saving grants nothing: it makes a new draft, bound to the digest of
//! what was on the screen, to be looked at and decided like any other. What is not saved is kept.

mod act;
pub mod area;
mod fields;
pub(super) mod view;

use std::sync::Arc;

use openshell_domain::id::{ProposalId, RuleName};
use openshell_domain::policy::Rule;
use openshell_domain::policy::read::Problem;
use openshell_domain::proposal::{Draft, Proposal};
use openshell_domain::review::Review;

use crate::review::{self, Section};
use crate::wording;
pub(super) use act::{again, is_away, key, open, paste, take_in};
use area::Area;

/// A wording that is being made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// The proposal as it was shown when this was opened.
    pub proposal: Proposal,
    /// What is typed.
    pub area: Area,
    /// What was typed before the wording in force was taken again.
    pub other: Option<String>,
    /// What was read: a wording, or the mistakes.
    pub read: Result<(RuleName, Rule), Vec<Problem>>,
    /// How far it is known what that would change.
    pub preview: Preview,
    /// What it would change, or what an earlier text would have changed.
    pub told: Arc<[Section]>,
    /// The first line of that in sight.
    pub scroll: usize,
    /// Whether it was sent and there is no answer yet.
    pub is_sent: bool,
    /// Whether the reviewer's editor has it.
    pub is_away: bool,
}

/// How far it is known what a wording would change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Preview {
    /// To be asked for.
    Due,
    /// Asked for.
    Asked,
    /// Known.
    Known,
    /// Not known, and why.
    Failed(Unknown),
}

/// Why it is not known what a wording would change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    /// In words.
    pub why: String,
    /// Whether it may be known when asked again.
    pub is_passing: bool,
}

/// What was typed and not saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Of which draft it is a new wording.
    pub draft: u32,
    /// The text.
    pub text: String,
}

impl Edit {
    fn of(proposal: &Proposal, text: String) -> Self {
        let mut edit = Self {
            proposal: proposal.clone(),
            area: Area::new(text),
            other: None,
            read: Err(Vec::new()),
            preview: Preview::Due,
            told: Arc::new([]),
            scroll: 0,
            is_sent: false,
            is_away: false,
        };
        edit.look();
        if let (false, Some(review)) = (edit.is_changed(), proposal.review.clone()) {
            edit.learn(review);
        }
        edit
    }

    /// For what.
    #[must_use]
    pub fn id(&self) -> ProposalId {
        self.proposal.id
    }

    /// Reads what is typed now.
    fn look(&mut self) {
        let read = wording::read(&self.area.text()).map_err(|problems| problems.0);
        if read != self.read {
            self.preview = Preview::Due;
            self.scroll = 0;
        }
        self.read = read;
    }

    /// Takes in what the wording would change.
    fn learn(&mut self, review: Arc<Review>) {
        let Ok((rule_name, rule)) = self.read.clone() else { return };
        let old = &self.proposal;
        let draft = Draft { rule_name, rule, ..old.draft.clone() };
        let proposal = Proposal { draft, review: Some(review), ..old.clone() };
        let [newly, later, taken] = review::changes(&proposal);
        self.told = Arc::new([newly, later, taken, review::findings(&proposal)]);
        self.preview = Preview::Known;
    }

    /// Whether it can be read and says something else than what was shown.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        let draft = &self.proposal.draft;
        self.read.as_ref().is_ok_and(|(name, rule)| (name, rule) != (&draft.rule_name, &draft.rule))
    }

    /// Whether there is anything to be kept.
    #[must_use]
    pub fn is_worth_keeping(&self) -> bool {
        self.is_changed() || self.read.is_err()
    }
}

/// The wording in force as text.
fn in_force(proposal: &Proposal) -> String {
    wording::text(&proposal.draft.rule_name, &proposal.draft.rule)
}

#[cfg(test)]
mod tests;
