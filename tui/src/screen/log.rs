//! The tab *Log*: the events as they are stored, newest last, and whether the chain of them is whole.
//!
//! Follows the end until the reviewer scrolls up, and again from the end on. A filter leaves out lines, never
//! changes one. What is shown is the part of the log in [`super::history`].

pub(super) mod view;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use openshell_domain::event::Envelope;

use super::editor::Editor;
use super::history::{Entry, MEMORY};
use super::model::{Link, Model};
use super::msg::Effect;
use crate::client::Verified;

/// What the tab knows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogTab {
    /// Whether the log before the snapshot was read.
    pub before: Before,
    /// How many lines the reviewer is above the end; none: the end is followed.
    pub behind: usize,
    /// Only lines with this in them; in lower case.
    pub filter: String,
    /// The filter while it is typed.
    pub typing: Option<Editor>,
    /// Whether the log is whole.
    pub proof: Proof,
}

/// The part of the log from before the snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Before {
    /// Nobody has looked.
    #[default]
    Unread,
    /// Asked for.
    Reading,
    /// There.
    Read,
    /// It could not be read.
    Failed(String),
}

/// What the gateway says when it proves its log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Proof {
    /// Nobody has asked.
    #[default]
    None,
    /// Asked for.
    Running,
    /// Its answer.
    Done(Verified),
    /// There was none.
    Failed(String),
}

/// Reads the part before the snapshot, once.
pub(super) fn read(model: &mut Model) -> Vec<Effect> {
    let Some(seq) = model.inbox.as_ref().map(|inbox| inbox.seq) else { return Vec::new() };
    if model.link != Link::Live || matches!(model.log.before, Before::Reading | Before::Read) {
        return Vec::new();
    }
    model.log.before = Before::Reading;
    vec![Effect::ReadLog(seq.saturating_sub(MEMORY))]
}

/// Takes the answer in.
pub(super) fn answered(model: &mut Model, answer: Result<Vec<Envelope>, String>) {
    match answer {
        Ok(events) => {
            model.history.prepend(&events);
            model.log.before = Before::Read;
        }
        Err(error) => model.log.before = Before::Failed(error),
    }
}

/// Asks the gateway to prove its log.
pub(super) fn verify(model: &mut Model) -> Vec<Effect> {
    if model.link != Link::Live {
        model.say("the gateway is away: verify when it says live".to_owned());
        return Vec::new();
    }
    if model.log.proof == Proof::Running {
        return Vec::new();
    }
    model.log.proof = Proof::Running;
    vec![Effect::VerifyLog]
}

/// One line more; who reads further up stays there.
pub(super) fn grown(model: &mut Model) {
    let is_seen = model.history.entries.back().is_some_and(|entry| entry.contains(&model.log.filter));
    if model.log.behind > 0 && is_seen {
        model.log.behind += 1;
        scroll(model, 0);
    }
}

/// The lines that the filter leaves.
pub(super) fn lines(model: &Model) -> impl DoubleEndedIterator<Item = &Entry> {
    model.history.entries.iter().filter(|entry| entry.contains(&model.log.filter))
}

/// Up is a negative number, as everywhere.
pub(super) fn scroll(model: &mut Model, by: isize) {
    let visible = model.areas().map_or(1, |areas| view::visible(&areas));
    let most = lines(model).count().saturating_sub(visible);
    model.log.behind = model.log.behind.saturating_add_signed(by.saturating_neg()).min(most);
}

/// Begins to type a filter.
pub(super) fn filter(model: &mut Model) {
    model.log.typing = Some(Editor::new(model.log.filter.clone()));
}

/// Shows all lines again.
pub(super) fn unfilter(model: &mut Model) {
    model.log.filter.clear();
    model.log.typing = None;
    scroll(model, 0);
}

/// A key while the filter is typed: what is typed holds at once.
pub(super) fn key(model: &mut Model, key: KeyEvent) {
    let Some(editor) = &mut model.log.typing else { return };
    let is_bare = key.modifiers.difference(KeyModifiers::SHIFT).is_empty();
    match (key.code, is_bare) {
        (KeyCode::Enter, _) => model.log.typing = None,
        (KeyCode::Esc, _) => unfilter(model),
        (KeyCode::Char('c' | 'u'), false) => unfilter(model),
        (KeyCode::Backspace, _) => {
            editor.backspace();
            take(model);
        }
        (KeyCode::Char(c), true) => {
            editor.insert(c.encode_utf8(&mut [0; 4]));
            take(model);
        }
        _ => {}
    }
}

/// A paste into the filter: its first line.
pub(super) fn paste(model: &mut Model, text: &str) {
    if let Some(editor) = &mut model.log.typing {
        editor.insert(text.lines().next().unwrap_or_default());
        take(model);
    }
}

fn take(model: &mut Model) {
    model.log.filter = model.log.typing.as_ref().map(Editor::text).unwrap_or_default().to_lowercase();
    model.log.behind = 0;
}
