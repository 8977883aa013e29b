//! What the log tells beside the inbox: its last events in words, and what became of each decision.
//!
//! Folded from the same envelopes as the inbox: those that are pushed, and a piece of the log before them that is
//! read once somebody looks. Bounded: the oldest are forgotten. All words in it are safe to show.

mod words;

use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, Utc};
use openshell_domain::event::{Actor, Envelope, Event};
use openshell_domain::id::{ProposalId, Revision, SandboxName, Seq};
use openshell_domain::policy::risk::Seen;

use super::summary;
use crate::shown;

/// How many events are kept, and how many are read from before the snapshot.
pub const MEMORY: u64 = 2_000;

/// One event, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number.
    pub seq: Seq,
    /// When.
    pub at: DateTime<Utc>,
    /// Whose stream; empty: the gateway's own.
    pub sandbox: String,
    /// Who did it.
    pub who: String,
    /// What, in one line.
    pub what: String,
}

impl Entry {
    /// Whether a text is in it; `text` is in lower case.
    #[must_use]
    pub fn contains(&self, text: &str) -> bool {
        text.is_empty()
            || [&self.what, &self.sandbox, &self.who].iter().any(|part| part.to_lowercase().contains(text))
            || self.seq.to_string().contains(text)
    }
}

/// How far a decision has come since it was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Course {
    /// Its event.
    pub seq: Seq,
    /// When it was recorded.
    pub at: DateTime<Utc>,
    /// The first revision with the grant; none for a rejection.
    pub revision: Option<Revision>,
    /// When the sandbox reported that revision or a later one as loaded.
    pub loaded: Option<DateTime<Utc>>,
    /// Why it was not.
    pub error: Option<String>,
}

/// A denial that a proposal was drafted from or belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// When it was reported.
    pub at: DateTime<Utc>,
    /// What, in one line.
    pub what: String,
}

/// The part of the log that is known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct History {
    /// The events, oldest first.
    pub entries: VecDeque<Entry>,
    /// The latest denial of each sandbox.
    pub denied: BTreeMap<SandboxName, Denied>,
    courses: BTreeMap<ProposalId, Course>,
    order: VecDeque<ProposalId>,
    unloaded: BTreeMap<SandboxName, Vec<ProposalId>>,
}

impl History {
    /// Takes in the next event. One that is known is left out.
    pub fn fold(&mut self, envelope: &Envelope) {
        if self.entries.back().is_some_and(|last| last.seq >= envelope.seq) {
            return;
        }
        self.entries.push_back(words::entry(envelope));
        if self.entries.len() as u64 > MEMORY {
            self.entries.pop_front();
        }
        self.follow(envelope);
        if let (
            Some(sandbox),
            Event::ProposalSubmitted { evidence: seen, .. } | Event::DenialObserved { seen, .. },
        ) = (envelope.sandbox(), &envelope.event)
            && let Some(last) = seen.last()
        {
            self.denied.insert(sandbox.clone(), Denied { at: envelope.at, what: denial(last) });
        }
    }

    /// Forgets the lines, because others may be missing between them and the next; what is known of decisions stays.
    pub fn restart(&mut self) {
        self.entries.clear();
    }

    /// Puts a piece of the log before what is known; what is in both counts once.
    pub fn prepend(&mut self, events: &[Envelope]) {
        let mut whole = Self::default();
        events.iter().for_each(|event| whole.fold(event));
        let end = whole.entries.back().map_or(0, |last| last.seq);
        whole.entries.extend(self.entries.drain(..).filter(|entry| entry.seq > end));
        while whole.entries.len() as u64 > MEMORY {
            whole.entries.pop_front();
        }
        for (proposal, course) in std::mem::take(&mut self.courses) {
            // What was pushed meanwhile knows more of a decision than what was read of it.
            let known = whole.courses.get(&proposal);
            if known.is_none_or(|known| known.seq < course.seq || known.loaded.is_none()) {
                whole.remember(proposal, course);
            }
        }
        whole.unloaded.append(&mut self.unloaded);
        whole.denied.append(&mut self.denied);
        *self = whole;
    }

    /// What became of the latest decision on a proposal, if that is known.
    #[must_use]
    pub fn course(&self, proposal: ProposalId) -> Option<&Course> {
        self.courses.get(&proposal)
    }

    fn follow(&mut self, envelope: &Envelope) {
        let (seq, at) = (envelope.seq, envelope.at);
        let begun = |revision| Course { seq, at, revision, loaded: None, error: None };
        match (&envelope.event, envelope.sandbox()) {
            (Event::ProposalApproved { proposal, revision, .. }, Some(sandbox)) => {
                self.remember(*proposal, begun(Some(*revision)));
                self.unloaded.entry(sandbox.clone()).or_default().push(*proposal);
            }
            (Event::ProposalRejected { proposal, .. }, _) => self.remember(*proposal, begun(None)),
            (Event::DecisionUndone { proposal, .. }, _) => {
                self.courses.remove(proposal);
            }
            (Event::PolicyLoaded { revision, .. }, Some(sandbox)) => {
                self.settle(sandbox, *revision, |course| {
                    course.loaded = Some(at);
                    course.error = None;
                });
                let courses = &self.courses;
                let is_open = |id: &ProposalId| courses.get(id).is_some_and(|course| course.loaded.is_none());
                if let Some(open) = self.unloaded.get_mut(sandbox) {
                    open.retain(is_open);
                }
            }
            (Event::PolicyLoadFailed { revision, error, .. }, Some(sandbox)) => {
                let error = shown::visible(error);
                self.settle(sandbox, *revision, |course| course.error = Some(error.clone()));
            }
            _ => {}
        }
    }

    /// Tells the decisions of a sandbox what became of a revision.
    fn settle(&mut self, sandbox: &SandboxName, revision: Revision, tell: impl Fn(&mut Course)) {
        for id in self.unloaded.get(sandbox).into_iter().flatten() {
            let course = self.courses.get_mut(id);
            if let Some(course) =
                course.filter(|course| course.revision.is_some_and(|first| first <= revision))
            {
                tell(course);
            }
        }
    }

    fn remember(&mut self, proposal: ProposalId, course: Course) {
        if self.courses.insert(proposal, course).is_none() {
            self.order.push_back(proposal);
        }
        if self.order.len() as u64 > MEMORY
            && let Some(oldest) = self.order.pop_front()
        {
            self.courses.remove(&oldest);
        }
    }
}

/// Who did something: a binary by its last part, everybody else by the name.
#[must_use]
pub fn who(actor: &Actor) -> String {
    if actor.id.starts_with('/') { summary::basename(&actor.id) } else { shown::visible(&actor.id) }
}

/// `curl PUT api.github.com:443 /repos/o/r ×3`.
#[must_use]
pub fn denial(seen: &Seen) -> String {
    let request = [seen.method.as_deref(), seen.path.as_deref()];
    let [method, path] = request.map(|part| part.map(shown::visible).unwrap_or_default());
    let place = format!("{}:{}", shown::visible(&seen.host), seen.port);
    let times = if seen.count > 1 { format!(" ×{}", seen.count) } else { String::new() };
    let words = [summary::basename(&seen.binary), method, place, path];
    let said: Vec<String> = words.into_iter().filter(|word| !word.is_empty()).collect();
    format!("{}{times}", said.join(" "))
}
