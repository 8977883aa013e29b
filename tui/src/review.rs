//! What a reviewer is told beside the wording of a proposal: what it would newly allow, what was denied before it,
//! what to know before saying yes. One wording for screen, verbs and demo.
//!
//! Nothing here decides, and nothing here is raw: all text that somebody else wrote (paths, binaries, names of
//! rules) has been through [`crate::shown`] when it leaves this module.

mod changes;
mod evidence;
mod findings;
mod programs;

use openshell_domain::event::ActorKind;
use openshell_domain::proposal::{Closure, Origin, Proposal, Status};

use crate::shown;

pub use changes::{later, newly, taken};
pub use evidence::evidence;
pub use findings::{codes, findings, weight};
pub use programs::programs;

/// Which program asks: what the mapper drafts from denials nobody has asked for.
#[must_use]
pub fn asker(proposal: &Proposal) -> String {
    match (proposal.submitted_by.as_str(), proposal.origin) {
        ("", Origin::Mechanistic) => "nobody: drafted from denials".to_owned(),
        ("", _) => "unknown".to_owned(),
        (path, _) => shown::visible(path),
    }
}

/// The reviewer whose wording is in force, where it is not that of whoever asked.
#[must_use]
pub fn reworder(proposal: &Proposal) -> Option<String> {
    // What was taken back is worded as it was.
    let last = proposal.earlier.iter().rev().find(|earlier| earlier.undone.is_none())?;
    (last.by.kind == ActorKind::Reviewer).then(|| shown::visible(&last.by.id))
}

/// Whose the words beside a rule are. The mapper's name what agents have asked for, and are no more to be trusted.
#[must_use]
pub fn teller(proposal: &Proposal) -> &'static str {
    match proposal.origin {
        Origin::AgentAuthored if reworder(proposal).is_some() => "Agent said of its own wording",
        Origin::Mechanistic => "Drafted from denials",
        Origin::AgentAuthored => "Agent says",
        Origin::Reviewer => "Reviewer says",
    }
}

/// How a line is to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// As it stands.
    Plain,
    /// Requests that are judged one by one.
    L7,
    /// A stream that nobody reads.
    L4,
    /// Worth knowing.
    Note,
    /// To be warned of.
    Warn,
    /// Not to be granted without a second thought.
    Alarm,
}

/// One thing, and what shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// How it is to be taken.
    pub tone: Tone,
    /// The whole of it.
    pub text: String,
    /// Examples and evidence.
    pub more: Vec<String>,
}

impl Entry {
    fn new(tone: Tone, text: impl Into<String>) -> Self {
        Self { tone, text: text.into(), more: Vec::new() }
    }
}

/// Things of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// What they are.
    pub label: &'static str,
    /// The things; none where there is nothing to say.
    pub entries: Vec<Entry>,
    /// All of them on one line, where there are several and that can be said.
    pub short: Option<Entry>,
}

impl Section {
    fn new(label: &'static str, entries: Vec<Entry>) -> Self {
        Self { label, entries, short: None }
    }
}

/// What an approval would change: newly allowed, also later, taken away.
#[must_use]
pub fn changes(proposal: &Proposal) -> [Section; 3] {
    [newly(proposal), later(proposal), taken(proposal)]
}

/// Everything, in the order in which it is shown.
#[must_use]
pub fn sections(proposal: &Proposal) -> [Section; 5] {
    let [newly, later, taken] = changes(proposal);
    [newly, later, taken, evidence(proposal), findings(proposal)]
}

/// Why a proposal is closed, in words: `already allowed by github`. Names in it are not made safe.
#[must_use]
pub fn closure(status: &Status) -> Option<String> {
    match status {
        Status::Closed { reason: Closure::AlreadyCovered(rules), .. } => {
            Some(format!("already allowed by {}", rules.join(", ")))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
