//! When a key may decide: what it decides about has been on the screen for a while, and a person has pressed it.
//!
//! Pure: the screen says what has been drawn and when, a key says when it was read. The times are of a clock that
//! never goes back; that on the wall may. Reading, moving and typing need none of this.

use std::time::Duration;

use crossterm::event::{KeyEvent, KeyEventKind};
use openshell_domain::id::{Digest, ProposalId};

use super::back::{self, Made};
use super::model::{Model, Overlay};
use super::tab::Tab;
use super::{sight, view};

/// For how long something must have been on the screen before a key decides about it.
pub const PAUSE: Duration = Duration::from_millis(300);

/// The longest time after which a key that is held down comes again: X11 waits for 660 ms.
pub const REPEAT: Duration = Duration::from_millis(750);

/// Keys that follow one another faster come from no fingers: a terminal without bracketed paste types what is pasted.
pub const BURST: Duration = Duration::from_millis(8);

/// A key as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Press {
    /// The key.
    pub key: KeyEvent,
    /// How long the screen had been open then.
    pub read: Duration,
    /// Whether nothing else was read together with it.
    pub is_alone: bool,
}

/// Something on the screen about which a key can decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// A proposal in this wording, with this difference and these findings.
    Detail(ProposalId, u32, Option<Digest>),
    /// All of it that an approval needs.
    Whole(ProposalId, Digest),
    /// A line of that, of so many, where it does not fit.
    Line(ProposalId, Digest, usize, usize),
    /// The question whether its risk is accepted.
    Risk(ProposalId, Option<Digest>),
    /// A decision that was made, or is among those that are offered to be undone.
    Decision(Made),
    /// The question whether a grant is to end.
    Revoke(Made),
    /// One of a list of several proposals: the list's number, and its place in it.
    Item(u32, usize),
}

/// What has been on the screen since when, and how the last key came.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Arming {
    shown: Vec<(Subject, Duration)>,
    now: Duration,
    last: Option<Press>,
    /// What has decided, or was refused, for as long as it repeats.
    used: Option<Press>,
    is_burst: bool,
    is_held: bool,
}

impl Arming {
    /// Takes in what time it is.
    pub fn pass(&mut self, now: Duration) {
        self.now = self.now.max(now);
    }

    /// Takes in what has just been drawn: what was there before stays as old as it is.
    pub fn drawn(&mut self, subjects: impl IntoIterator<Item = Subject>) {
        let known = std::mem::take(&mut self.shown);
        let since =
            |subject| known.iter().find(|(known, _)| *known == subject).map_or(self.now, |(_, at)| *at);
        self.shown = subjects.into_iter().map(|subject| (subject, since(subject))).collect();
    }

    /// Forgets what was drawn: somebody else had the terminal meanwhile.
    pub fn forget(&mut self) {
        self.shown.clear();
    }

    /// Takes a key in.
    pub fn pressed(&mut self, press: Press) {
        let since = |before: Duration| press.read.saturating_sub(before);
        self.is_burst = !press.is_alone || self.last.is_some_and(|last| since(last.read) < BURST);
        let is_same = |used: &Press| {
            (used.key.code, used.key.modifiers) == (press.key.code, press.key.modifiers)
                && since(used.read) < REPEAT
        };
        let is_again = self.used.as_ref().is_some_and(is_same);
        self.is_held = is_again || press.key.kind == KeyEventKind::Repeat;
        self.used = is_again.then_some(press);
        self.last = Some(press);
    }

    /// What has been shown for long enough.
    pub fn armed(&self) -> impl Iterator<Item = Subject> {
        self.shown.iter().filter(|(_, since)| self.now >= *since + PAUSE).map(|(subject, _)| *subject)
    }

    /// Whether a key that is pressed now could decide.
    #[must_use]
    pub fn is_armed(&self, subject: Subject) -> bool {
        self.is_armed_at(subject, self.now)
    }

    fn is_armed_at(&self, subject: Subject, at: Duration) -> bool {
        self.shown.iter().any(|(shown, since)| *shown == subject && at >= *since + PAUSE)
    }

    /// When the next of what is shown can be decided, if that is still to come.
    #[must_use]
    pub fn due(&self) -> Option<Duration> {
        self.shown.iter().map(|(_, since)| *since + PAUSE).filter(|due| *due > self.now).min()
    }

    /// Uses the last key up: something was said to it, and it is no answer to that for as long as it repeats.
    pub fn spend(&mut self) {
        self.used = self.last;
    }

    /// Uses the last key up for a decision about all of `subjects`; it is refused where no person has pressed it at what
    /// is on the screen. What was used up, or refused here, decides nothing for as long as it repeats.
    ///
    /// # Errors
    /// Why nothing is decided.
    pub fn pull(&mut self, subjects: impl IntoIterator<Item = Subject>) -> Result<(), &'static str> {
        let Some(last) = self.last else { return Err(EARLY) };
        self.spend();
        if self.is_burst {
            return Err("keys that come in one piece decide nothing: press it by itself");
        }
        if self.is_held {
            return Err("a key that is held down decides once: let go, then press it again");
        }
        let mut subjects = subjects.into_iter().peekable();
        let is_something = subjects.peek().is_some();
        let is_armed = is_something && subjects.all(|subject| self.is_armed_at(subject, last.read));
        is_armed.then_some(()).ok_or(EARLY)
    }
}

const EARLY: &str = "too early: this has only just come on the screen, look and press again";

/// What is on the screen of which a key can decide, whenever that is drawn.
#[must_use]
pub fn subjects(model: &Model) -> Vec<Subject> {
    let is_covered = matches!(model.overlay, Overlay::Help | Overlay::Why(_) | Overlay::Edit(_));
    if model.areas().is_none() || is_covered {
        return Vec::new();
    }
    let asked = match &model.overlay {
        Overlay::Accept(accept) => Some(Subject::Risk(accept.proposal, accept.digest)),
        Overlay::Revoke(revoke) if revoke.is_chosen => revoke.grant().map(Subject::Revoke),
        _ => None,
    };
    // The list lies over the detail.
    let is_covered = matches!(model.overlay, Overlay::Many(_));
    let (ask, made) = match model.tab {
        Tab::Pending if is_covered => (None, Vec::new()),
        Tab::Pending => (detail(model), back::undoable(model)),
        _ => (None, back::undoable(model)),
    };
    ask.into_iter()
        .chain(made.into_iter().map(Subject::Decision))
        .chain(asked)
        .chain(listed(model))
        .chain(sight::subjects(model))
        .collect()
}

/// What is in sight of the list of several proposals.
pub fn listed(model: &Model) -> impl Iterator<Item = Subject> + use<> {
    let listed = match &model.overlay {
        Overlay::Many(many) if !many.is_sent => Some((many.serial, many.in_sight(view::many_room(model)))),
        _ => None,
    };
    listed.into_iter().flat_map(|(serial, rows)| rows.map(move |row| Subject::Item(serial, row)))
}

/// The proposal in the detail.
#[must_use]
pub fn detail(model: &Model) -> Option<Subject> {
    let detail = model.detail.as_ref()?;
    Some(Subject::Detail(detail.proposal.id, detail.proposal.draft.number, detail.digest))
}
