//! The reason of a rejection, while it is typed.
//!
//! The words are kept as they are: through a cancel, through a refusal, through a broken connection. Only what the
//! gateway has recorded is forgotten.

use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use openshell_domain::decide::MAX_REASON;

use super::decision::{self, Said};
use crate::client::Verb;
use crate::screen::keys::Action;
use crate::screen::model::{Model, Overlay, Prompt};
use crate::screen::msg::Effect;
use crate::screen::reason::{self, Heard, Reason, Words};
use crate::screen::tab::Tab;

/// How long letters stay words after the last key, where there was nothing to type them into.
const DEAF: Duration = Duration::from_millis(1_500);

/// Asks for the reason, with what was typed before for this proposal. Whatever stands against sending it: who has
/// pressed `r` types words, and words must never be taken for commands about another proposal.
pub(super) fn open(model: &mut Model) {
    let Some(detail) = model.detail.as_ref().filter(|_| model.areas().is_some()) else {
        let objection = decision::objection(model).unwrap_or_default();
        return ignore(model, &objection);
    };
    let id = detail.proposal.id;
    model.news = None;
    model.overlay = Overlay::Reject(Prompt {
        proposal: id,
        digest: detail.digest,
        reason: Reason::new(model.reasons.get(&id).cloned().unwrap_or_default()),
    });
}

/// Lets the words that follow an `r` be words where there is nothing to type them into.
pub(super) fn ignore(model: &mut Model, objection: &str) {
    model.deaf_until = Some(model.now + DEAF);
    model.say(format!("{objection}: what is typed now does nothing, esc ends that"));
}

/// Whether a key is a part of the words that follow an `r` without a prompt: nothing is done then.
pub(super) fn swallows(model: &mut Model, key: KeyEvent) -> bool {
    if model.deaf_until.take().is_none() {
        return false;
    }
    // Words end with enter.
    if matches!(key.code, KeyCode::Esc | KeyCode::Enter) {
        model.note = None;
        return true;
    }
    model.deaf_until = Some(model.now + DEAF);
    let is_bare = key.modifiers.difference(KeyModifiers::SHIFT).is_empty();
    is_bare && matches!(key.code, KeyCode::Char(_))
}

/// A paste goes to the prompt and nowhere else: nothing that is pasted is ever a command.
pub(super) fn paste(model: &mut Model, text: &str) -> Vec<Effect> {
    match typing(model) {
        Some(reason) => {
            let heard = reason.insert(&with_line_breaks(text));
            tell(model, heard);
        }
        None => {
            let reject = model.keys.label(Tab::Pending, Action::Reject);
            model.say(format!("nothing was pasted: {reject} asks for a reason to type"));
        }
    }
    Vec::new()
}

/// A terminal sends the line breaks of a paste as carriage returns, as if enter had been pressed: those are line
/// breaks again. A carriage return with a line feed behind it came through as it was.
fn with_line_breaks(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        out.push(if c == '\r' && chars.peek() != Some(&'\n') { '\n' } else { c });
    }
    out
}

/// The words that are being typed, wherever that is.
fn typing(model: &mut Model) -> Option<&mut Reason> {
    match &mut model.overlay {
        Overlay::Reject(prompt) => Some(&mut prompt.reason),
        Overlay::Many(many) if many.verb == Verb::Reject && !many.is_sent => Some(&mut many.reason),
        _ => None,
    }
}

/// What a key means while words are typed.
pub(super) enum Typed {
    /// They are finished.
    Send,
    /// They are put away.
    Cancel,
    /// Anything else.
    Other(Vec<Effect>),
}

/// Takes a key in as a part of the words.
pub(super) fn typed(model: &mut Model, key: KeyEvent) -> Typed {
    model.note = None;
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    let alt = key.modifiers.contains(KeyModifiers::ALT);
    match (key.code, control) {
        (KeyCode::Enter, _) if !alt => Typed::Send,
        (KeyCode::Esc, _) | (KeyCode::Char('c'), true) => Typed::Cancel,
        (KeyCode::Char('z'), true) => Typed::Other(vec![Effect::Suspend]),
        (KeyCode::Char('l'), true) => Typed::Other(vec![Effect::Redraw]),
        _ => {
            let earlier = reason::earlier(model);
            let heard = typing(model).map_or(Heard::Done, |reason| reason.key(key, &earlier));
            tell(model, heard);
            Typed::Other(Vec::new())
        }
    }
}

fn tell(model: &mut Model, heard: Heard) {
    if let Heard::TooLong(length) = heard {
        model.say(format!("a reason has at most {MAX_REASON} bytes, this would be {length}"));
    }
}

pub(super) fn key(model: &mut Model, key: KeyEvent) -> Vec<Effect> {
    match typed(model, key) {
        Typed::Send => return send(model),
        Typed::Cancel => close(model),
        Typed::Other(effects) => return effects,
    }
    Vec::new()
}

/// Closes the prompt and keeps the words.
fn close(model: &mut Model) {
    let Overlay::Reject(prompt) = std::mem::replace(&mut model.overlay, Overlay::None) else { return };
    keep(model, &prompt);
    // What was said under the prompt took the place of older news.
    model.news = None;
}

fn keep(model: &mut Model, prompt: &Prompt) {
    let words = prompt.reason.words();
    if words == Words::default() {
        model.reasons.remove(&prompt.proposal);
    } else {
        model.reasons.insert(prompt.proposal, words);
    }
}

/// Whether there is a text, or somebody means it to be without.
pub(super) fn is_finished(model: &mut Model) -> bool {
    let Some(reason) = typing(model) else { return false };
    let is_finished = !reason.editor.is_empty() || reason.is_empty_confirmed;
    reason.is_empty_confirmed = true;
    let learns = if reason.hints.is_empty() { "nothing" } else { "only the hints" };
    if !is_finished {
        model.say(format!("no reason: the agent learns {learns}. enter again rejects without one"));
    }
    is_finished
}

fn send(model: &mut Model) -> Vec<Effect> {
    if let Some(objection) = decision::objection(model) {
        model.say(objection);
        return Vec::new();
    }
    if !is_finished(model) {
        return Vec::new();
    }
    let Overlay::Reject(prompt) = &model.overlay else { return Vec::new() };
    let prompt = prompt.clone();
    let is_same = |detail: &crate::screen::model::Detail| {
        detail.proposal.id == prompt.proposal && detail.digest == prompt.digest
    };
    if !model.detail.as_ref().is_some_and(is_same) {
        model.say("the detail shows something else now: esc goes back, the text is kept".to_owned());
        return Vec::new();
    }
    keep(model, &prompt);
    decision::send(model, Verb::Reject, Said::words(prompt.reason.words()))
}
