//! Everything the screen knows. Changed by `update` only, read by `view` only.
//!
//! The selection is the detail: one frozen proposal, found by id. `rows` are derived from the projection each time
//! that changes; a row that was decided by somebody else stays in sight for as long as it is selected.

mod parts;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use chrono::{DateTime, FixedOffset, Utc};
use openshell_domain::id::{ProposalId, Revision, SandboxName};
use openshell_domain::inbox::Inbox;
use openshell_domain::proposal::Proposal;

use super::arming::Arming;
use super::decided::Decided;
use super::edit::Kept;
use super::history::History;
use super::keys::Keymap;
use super::layout::Areas;
use super::life::Life;
use super::listing::Listing;
use super::log::LogTab;
pub use super::order::Place;
use super::policy::PolicyTab;
use super::reason::Words;
use super::repeats::Repeats;
use super::sandboxes::SandboxesTab;
use super::selection::Selection;
use super::sorted::Sorted;
use super::tab::Tab;
pub use parts::{Detail, Focus, Overlay, Prompt, Standing};

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
    /// What is looked at.
    pub tab: Tab,
    /// What was decided.
    pub decided: Decided,
    /// What a sandbox may do.
    pub policy: PolicyTab,
    /// Who is there.
    pub sandboxes: SandboxesTab,
    /// What is done with the log.
    pub log: LogTab,
    /// What the log tells.
    pub history: History,
    /// The rows of the list, in the order that the reviewer has chosen.
    pub rows: Sorted<Place>,
    /// What the reviewer has made of the list.
    pub list: Listing,
    /// Which asks are the same.
    pub repeats: Repeats,
    /// Which drafts an ask has replaced, because it asks for all of theirs and more.
    pub replaced: BTreeMap<ProposalId, Vec<ProposalId>>,
    /// The first row in sight.
    pub top: usize,
    /// Rows that came since the reviewer last moved.
    pub fresh: Sorted<Place>,
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
    pub waiting: HashMap<SandboxName, BTreeMap<ProposalId, u32>>,
    /// Whose supervisor is connected, as far as the gateway has said.
    pub attached: BTreeMap<SandboxName, bool>,
    /// The asks of which the reviewer will be told, and the burst that they belong to.
    pub bell: Bell,
    /// Which keys do what.
    pub keys: Keymap,
    /// Wordings that were typed and not saved.
    pub edits: BTreeMap<ProposalId, Kept>,
    /// Reasons that were typed and not sent.
    pub reasons: BTreeMap<ProposalId, Words>,
    /// What has been on the screen for long enough to be decided, and how the last key came.
    pub arming: Arming,
    /// Whose id the last key has copied.
    pub copied: Option<ProposalId>,
    /// Why what is copied may arrive nowhere.
    pub clipboard: Option<&'static str>,
    /// What is chosen to be decided together.
    pub selection: Selection,
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

/// What calls the reviewer, once in a burst.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bell {
    /// Asks that have come and of which nobody was told; what standing orders decide at once is taken out again.
    pub due: BTreeSet<ProposalId>,
    /// When the latest ask of the burst came.
    pub last: Option<DateTime<Utc>>,
    /// Whether nobody is called for now.
    pub is_paused: bool,
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
            tab: Tab::Pending,
            decided: Decided::default(),
            policy: PolicyTab::default(),
            sandboxes: SandboxesTab::default(),
            log: LogTab::default(),
            history: History::default(),
            rows: Sorted::default(),
            list: Listing::default(),
            repeats: Repeats::default(),
            replaced: BTreeMap::new(),
            top: 0,
            fresh: Sorted::default(),
            detail: None,
            focus: Focus::List,
            overlay: Overlay::None,
            lives: Vec::new(),
            loads: BTreeMap::new(),
            waiting: HashMap::new(),
            attached: BTreeMap::new(),
            bell: Bell::default(),
            keys: Keymap::default(),
            edits: BTreeMap::new(),
            reasons: BTreeMap::new(),
            arming: Arming::default(),
            copied: None,
            clipboard: None,
            selection: Selection::default(),
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
        Areas::of(width, height, count(self.notice.len()), count(self.length()))
    }

    /// How many entries the list of the open tab has.
    #[must_use]
    pub fn length(&self) -> usize {
        match self.tab {
            Tab::Pending => self.rows.len(),
            Tab::Decided => self.decided.rows.len(),
            Tab::Policy | Tab::Sandboxes => self.inbox.as_ref().map_or(0, |inbox| inbox.sandboxes.len()),
            Tab::Log => 0,
        }
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
        self.rows.position(&self.place(self.selected()?)?)
    }

    /// Where a proposal stands in the list, if it is in it.
    #[must_use]
    pub fn place(&self, id: ProposalId) -> Option<Place> {
        let proposal = self.proposal(id)?;
        Some(self.list.order.place(proposal, self.agents_waiting(proposal)))
    }

    /// How many proposals await a decision: those without a row of their own, and all rows but for one that is there
    /// only because it is shown.
    #[must_use]
    pub fn pending(&self) -> usize {
        let shown = self.selected_row().and_then(|_| self.proposal(self.selected()?));
        let left_over = shown.is_some_and(|proposal| !self.awaits(proposal));
        self.rows.len() + self.list.apart.len() + self.list.folded.len() - usize::from(left_over)
    }

    /// For how many proposals agents wait.
    #[must_use]
    pub fn waited_for(&self) -> usize {
        self.waiting.values().map(BTreeMap::len).sum()
    }

    /// Whether a proposal awaits a decision: also when the answer to ours came before its event.
    #[must_use]
    pub fn awaits(&self, proposal: &Proposal) -> bool {
        proposal.is_pending() && self.settled(proposal).is_none()
    }

    /// The decision made here that stands on a proposal, once it is recorded.
    #[must_use]
    pub fn settled(&self, proposal: &Proposal) -> Option<&Life> {
        let life = self.life(proposal.id)?;
        (life.is_decision() && life.is_recorded() && !life.is_undone(proposal)).then_some(life)
    }

    /// How many rows came since the reviewer last moved and lie above and below what is selected.
    #[must_use]
    pub fn fresh_around(&self) -> (usize, usize) {
        let above =
            self.selected().and_then(|id| self.place(id)).map_or(0, |place| self.fresh.before(&place));
        (above, self.fresh.len() - above)
    }

    /// Whether a row came since the reviewer last moved.
    #[must_use]
    pub fn is_fresh(&self, id: ProposalId) -> bool {
        self.place(id).is_some_and(|place| self.fresh.position(&place).is_some())
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
        let is_passing =
            self.news.is_some() || super::back::offer(self).is_some() || self.deaf_until.is_some();
        let is_told = self.tab != Tab::Pending || !self.bell.due.is_empty() || !self.list.hidden.is_empty();
        is_passing || is_told || !self.rows.is_empty() || matches!(self.link, Link::Lost { .. })
    }
}
