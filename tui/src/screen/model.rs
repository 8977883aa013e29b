//! Everything the screen knows. Changed by `update` only, read by `view` only.
//!
//! The selection is the detail: one frozen proposal, found by id. `rows` are derived from the projection each time
//! that changes; a row that was decided by somebody else stays in sight for as long as it is selected.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, FixedOffset, Utc};
use openshell_domain::id::{Digest, ProposalId, Revision, SandboxName};
use openshell_domain::inbox::Inbox;
use openshell_domain::proposal::Proposal;

use super::editor::Editor;
use super::layout::Areas;
use super::life::Life;
use crate::review::{self, Section};

/// Everything.
#[derive(Debug, Clone)]
pub struct Model {
    /// What the header calls the screen.
    pub title: String,
    /// Which gateway, for people.
    pub gateway: String,
    /// The clock on the wall.
    pub zone: FixedOffset,
    /// When the last message came.
    pub now: DateTime<Utc>,
    /// Columns and rows of the terminal.
    pub size: (u16, u16),
    /// How the connection is.
    pub link: Link,
    /// The projection; `None` until the first snapshot.
    pub inbox: Option<Inbox>,
    /// The rows of the list: newest first.
    pub rows: Vec<ProposalId>,
    /// The first row in sight.
    pub top: usize,
    /// Rows that came since the reviewer last moved.
    pub fresh: BTreeSet<ProposalId>,
    /// What is selected and shown.
    pub detail: Option<Detail>,
    /// Which pane has the keys.
    pub focus: Focus,
    /// What lies on top.
    pub overlay: Overlay,
    /// The decisions made here, the latest last.
    pub lives: Vec<Life>,
    /// Which revision each sandbox reported last, and when.
    pub loads: BTreeMap<SandboxName, (Revision, DateTime<Utc>)>,
    /// For which proposals of each sandbox agents wait, and how many for each.
    pub waiting: BTreeMap<SandboxName, BTreeMap<ProposalId, u32>>,
    /// Reasons that were typed and not sent.
    pub reasons: BTreeMap<ProposalId, String>,
    /// Why the last key did nothing.
    pub note: Option<String>,
    /// The decision that changed last, while that is news.
    pub news: Option<News>,
    /// Until when letters are words for a prompt that did not open, and no commands.
    pub deaf_until: Option<DateTime<Utc>>,
    /// The latest words of whoever opened the screen.
    pub notice: Vec<String>,
    /// Whether the screen has to be drawn again.
    pub is_dirty: bool,
}

/// How long it is news that a decision has come further.
const NEWS: Duration = Duration::from_secs(10);

/// A decision made here that has come further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct News {
    /// The decision on this.
    pub proposal: ProposalId,
    /// When it changed.
    pub at: DateTime<Utc>,
}

/// How the connection is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Link {
    /// Not up yet.
    Connecting,
    /// What is shown is what is.
    Live,
    /// Down.
    Lost {
        /// Since when.
        since: DateTime<Utc>,
        /// When it is tried again.
        retry_at: DateTime<Utc>,
        /// Whether several tries have failed.
        is_offline: bool,
        /// What the last one said.
        why: String,
    },
}

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
}

/// A reason that is being typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// For what.
    pub proposal: ProposalId,
    /// As it was shown when the prompt was opened.
    pub digest: Option<Digest>,
    /// The words.
    pub editor: Editor,
    /// Whether enter was pressed on an empty reason: the next one sends it.
    pub is_empty_confirmed: bool,
}

impl Model {
    /// A screen that knows nothing yet.
    #[must_use]
    pub fn new(title: String, gateway: String, zone: FixedOffset, now: DateTime<Utc>) -> Self {
        Self {
            title,
            gateway,
            zone,
            now,
            size: (80, 24),
            link: Link::Connecting,
            inbox: None,
            rows: Vec::new(),
            top: 0,
            fresh: BTreeSet::new(),
            detail: None,
            focus: Focus::List,
            overlay: Overlay::None,
            lives: Vec::new(),
            loads: BTreeMap::new(),
            waiting: BTreeMap::new(),
            reasons: BTreeMap::new(),
            note: None,
            news: None,
            deaf_until: None,
            notice: Vec::new(),
            is_dirty: true,
        }
    }

    /// The parts of the screen; `None` when the terminal is too small.
    #[must_use]
    pub fn areas(&self) -> Option<Areas> {
        self.areas_at(self.size.0, self.size.1)
    }

    /// The parts of a screen of another size.
    #[must_use]
    pub fn areas_at(&self, width: u16, height: u16) -> Option<Areas> {
        let count = |lines: usize| u16::try_from(lines).unwrap_or(u16::MAX);
        Areas::of(width, height, count(self.notice.len()), count(self.rows.len()))
    }

    /// Says why a key did nothing. What was said before is over.
    pub fn say(&mut self, note: String) {
        self.note = Some(note);
        self.news = None;
    }

    /// A decision has come further: news, unless something else is being said.
    pub fn tell(&mut self, proposal: ProposalId) {
        if self.note.is_none() {
            self.news = Some(News { proposal, at: self.now });
        }
    }

    /// Forgets what is no news any more, and hears again after a pause.
    pub fn age(&mut self) {
        let now = self.now;
        self.news = self.news.filter(|news| now < news.at + NEWS);
        if self.deaf_until.is_some_and(|until| now >= until) {
            self.deaf_until = None;
            self.note = None;
        }
    }

    /// The decision that changed last, while that is news.
    #[must_use]
    pub fn latest_life(&self) -> Option<&Life> {
        self.news.and_then(|news| self.life(news.proposal))
    }

    /// The proposal as it is now.
    #[must_use]
    pub fn proposal(&self, id: ProposalId) -> Option<&Proposal> {
        self.inbox.as_ref().and_then(|inbox| inbox.proposals.get(&id))
    }

    /// How many agents wait for a decision on it.
    #[must_use]
    pub fn agents_waiting(&self, proposal: &Proposal) -> u32 {
        let sandbox = self.waiting.get(&proposal.sandbox);
        sandbox.and_then(|waiting| waiting.get(&proposal.id)).copied().unwrap_or(0)
    }

    /// What is selected.
    #[must_use]
    pub fn selected(&self) -> Option<ProposalId> {
        self.detail.as_ref().map(|detail| detail.proposal.id)
    }

    /// The row of what is selected.
    #[must_use]
    pub fn selected_row(&self) -> Option<usize> {
        let id = self.selected()?;
        self.rows.iter().position(|row| *row == id)
    }

    /// How many proposals await a decision.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.rows
            .iter()
            .filter(|id| self.proposal(**id).is_some_and(|proposal| self.awaits(proposal)))
            .count()
    }

    /// Whether a proposal awaits a decision: also when the answer to ours came before its event.
    #[must_use]
    pub fn awaits(&self, proposal: &Proposal) -> bool {
        proposal.is_pending() && !self.life(proposal.id).is_some_and(Life::is_recorded)
    }

    /// How many rows came since the reviewer last moved and lie above and below what is selected.
    #[must_use]
    pub fn fresh_around(&self) -> (usize, usize) {
        let selected = self.selected_row().unwrap_or(0);
        let (above, below) = self.rows.split_at_checked(selected).unwrap_or((&[], &self.rows));
        let fresh = |rows: &[ProposalId]| rows.iter().filter(|id| self.fresh.contains(id)).count();
        (fresh(above), fresh(below))
    }

    /// How the detail stands to what is.
    #[must_use]
    pub fn standing(&self, detail: &Detail) -> Standing<'_> {
        match self.proposal(detail.proposal.id) {
            None => Standing::Gone,
            Some(now) if now.status != detail.proposal.status => Standing::Decided(now),
            Some(now) if now.draft != detail.proposal.draft => Standing::Changed,
            Some(now) => match (now.digest(), detail.digest) {
                (now, shown) if now == shown && (now.is_some() || !detail.proposal.is_pending()) => {
                    Standing::Current
                }
                (None, _) => Standing::Unseen,
                (Some(_), _) => Standing::Changed,
            },
        }
    }

    /// The latest decision made here on a proposal.
    #[must_use]
    pub fn life(&self, id: ProposalId) -> Option<&Life> {
        self.lives.iter().rev().find(|life| life.decision.proposal == id)
    }

    /// Whether what is on the screen changes by the mere passing of time.
    #[must_use]
    pub fn is_ticking(&self) -> bool {
        let is_passing = self.news.is_some() || self.deaf_until.is_some();
        is_passing || !self.rows.is_empty() || matches!(self.link, Link::Lost { .. })
    }
}
