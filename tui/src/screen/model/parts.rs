//! What lies on the screen beside the rows: the frozen proposal, which pane has the keys, what lies on top.
//!
//! Types only; `update` changes them, `view` reads them.

use std::sync::Arc;

use openshell_domain::id::{Digest, ProposalId};
use openshell_domain::proposal::Proposal;

use crate::review::{self, Section};
use crate::screen::back::Revoke;
use crate::screen::edit::Edit;
use crate::screen::lease::Menu;
use crate::screen::reason::Reason;
use crate::screen::risk::Accept;
use crate::screen::selection::Many;
use crate::screen::why::Why;

/// A proposal as it is on the screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detail {
    /// The proposal, as it was when it was put there.
    pub proposal: Proposal,
    /// The digest of that; `None` until it is known what it would change.
    pub digest: Option<Digest>,
    /// What is told of it beside its wording: worded once, because that takes patterns to be compiled.
    pub told: Arc<[Section]>,
    /// The first line in sight.
    pub scroll: usize,
}

impl Detail {
    /// Freezes a proposal.
    #[must_use]
    pub fn of(proposal: &Proposal) -> Self {
        let told = Arc::new(review::sections(proposal));
        Self { proposal: proposal.clone(), digest: proposal.digest(), told, scroll: 0 }
    }
}

/// How the frozen detail stands to what is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing<'m> {
    /// It is what is.
    Current,
    /// Somebody decided.
    Decided(&'m Proposal),
    /// It is what is, but what it would change is not known, or not known any more.
    Unseen,
    /// It is worded otherwise now, or would change something else.
    Changed,
    /// It is not there any more.
    Gone,
}

/// Which pane has the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Focus {
    /// The list.
    List,
    /// The detail: shown in full, scrolled by the movement keys.
    Detail,
}

/// What lies on top.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Overlay {
    /// Nothing.
    None,
    /// The keys.
    Help,
    /// The reason of a rejection.
    Reject(Prompt),
    /// For how long?
    Lease(Menu),
    /// How is it to be worded?
    Edit(Box<Edit>),
    /// Why?
    Why(Box<Why>),
    /// Although?
    Accept(Accept),
    /// Is this grant to end?
    Revoke(Revoke),
    /// Are these to be decided?
    Many(Many),
}

impl Overlay {
    /// On which proposal something is asked, if anything is.
    #[must_use]
    pub fn asks_about(&self) -> Option<ProposalId> {
        match self {
            Self::None | Self::Help | Self::Why(_) | Self::Many(_) => None,
            Self::Reject(prompt) => Some(prompt.proposal),
            Self::Edit(edit) => Some(edit.id()),
            Self::Lease(menu) => Some(menu.proposal),
            Self::Accept(accept) => Some(accept.proposal),
            Self::Revoke(revoke) => revoke.grant().map(|grant| grant.proposal),
        }
    }
}

/// A reason that is being typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// For what.
    pub proposal: ProposalId,
    /// As it was shown when the prompt was opened.
    pub digest: Option<Digest>,
    /// The words.
    pub reason: Reason,
}
