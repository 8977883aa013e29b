//! The reason of a rejection, while it is typed.
//!
//! The text is kept byte for byte: through a cancel, through a refusal, through a broken connection. Only what
//! the gateway has recorded is forgotten.

use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use openshell_domain::decide::MAX_REASON;

use super::decision::{self, Said};
use crate::client::Verb;
use crate::screen::editor::Editor;
use crate::screen::model::{Model, Overlay, Prompt};
use crate::screen::msg::Effect;

/// How long letters stay words after the last key, where there was nothing to type them into.
const DEAF: Duration = Duration::from_millis(1_500);

/// Asks for the reason, with what was typed before for this proposal. Whatever stands against sending it: who has
/// pressed `r` types words, and words must never be taken for commands about another proposal.
pub(super) fn open(model: &mut Model) {
    let Some(detail) = model.detail.as_ref().filter(|_| model.areas().is_some()) else {
        model.deaf_until = Some(model.now + DEAF);
        let objection = decision::objection(model).unwrap_or_default();
        model.say(format!("{objection}: what is typed now does nothing, esc ends that"));
        return;
    };
    let id = detail.proposal.id;
    model.news = None;
    model.overlay = Overlay::Reject(Prompt {
        proposal: id,
        digest: detail.digest,
        editor: Editor::new(model.reasons.get(&id).cloned().unwrap_or_default()),
        is_empty_confirmed: false,
    });
}

/// Whether a key is a part of the words that follow an `r` without a prompt: nothing is done then.
pub(super) fn swallows(model: &mut Model, key: KeyEvent) -> bool {
    if model.deaf_until.take().is_none() {
        return false;
    }
    if key.code == KeyCode::Esc {
        model.note = None;
        return true;
    }
    model.deaf_until = Some(model.now + DEAF);
    let is_bare = key.modifiers.difference(KeyModifiers::SHIFT).is_empty();
    is_bare && matches!(key.code, KeyCode::Char(_))
}

/// A paste goes to the prompt and nowhere else: nothing that is pasted is ever a command.
pub(super) fn paste(model: &mut Model, text: &str) -> Vec<Effect> {
    match model.overlay {
        Overlay::Reject(_) => insert(model, &with_line_breaks(text)),
        _ => model.say("nothing was pasted: press r to type a reason".to_owned()),
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

pub(super) fn key(model: &mut Model, key: KeyEvent) -> Vec<Effect> {
    model.note = None;
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    let alt = key.modifiers.contains(KeyModifiers::ALT);
    match (key.code, control, alt) {
        (KeyCode::Enter, _, true) | (KeyCode::Char('j'), true, _) => insert(model, "\n"),
        (KeyCode::Enter, ..) => return send(model),
        (KeyCode::Esc, ..) => close(model),
        (KeyCode::Char('c'), true, _) => close(model),
        (KeyCode::Char('z'), true, _) => return vec![Effect::Suspend],
        (KeyCode::Char('l'), true, _) => return vec![Effect::Redraw],
        (KeyCode::Char(c), false, false) => insert(model, c.encode_utf8(&mut [0; 4])),
        (code, ..) => edit(model, code, control),
    }
    Vec::new()
}

fn edit(model: &mut Model, code: KeyCode, control: bool) {
    let Overlay::Reject(prompt) = &mut model.overlay else { return };
    prompt.is_empty_confirmed = false;
    let editor = &mut prompt.editor;
    match (code, control) {
        (KeyCode::Left, false) => editor.move_left(),
        (KeyCode::Right, false) => editor.move_right(),
        (KeyCode::Home, _) | (KeyCode::Char('a'), true) => editor.move_home(),
        (KeyCode::End, _) | (KeyCode::Char('e'), true) => editor.move_end(),
        (KeyCode::Backspace, _) | (KeyCode::Char('h'), true) => editor.backspace(),
        (KeyCode::Delete, _) | (KeyCode::Char('d'), true) => editor.delete(),
        (KeyCode::Char('w'), true) => editor.delete_word(),
        (KeyCode::Char('u'), true) => editor.clear_before(),
        _ => {}
    }
}

fn insert(model: &mut Model, text: &str) {
    let Overlay::Reject(prompt) = &mut model.overlay else { return };
    prompt.is_empty_confirmed = false;
    let length = prompt.editor.len() + text.len();
    if length > MAX_REASON {
        model.say(format!("a reason has at most {MAX_REASON} bytes, this would be {length}"));
    } else {
        prompt.editor.insert(text);
    }
}

/// Closes the prompt and keeps the text.
fn close(model: &mut Model) {
    let Overlay::Reject(prompt) = std::mem::replace(&mut model.overlay, Overlay::None) else { return };
    keep(model, &prompt);
    // What was said under the prompt took the place of older news.
    model.news = None;
}

fn keep(model: &mut Model, prompt: &Prompt) {
    if prompt.editor.is_empty() {
        model.reasons.remove(&prompt.proposal);
    } else {
        model.reasons.insert(prompt.proposal, prompt.editor.text());
    }
}

fn send(model: &mut Model) -> Vec<Effect> {
    if let Some(objection) = decision::objection(model) {
        model.say(objection);
        return Vec::new();
    }
    let Overlay::Reject(prompt) = &mut model.overlay else { return Vec::new() };
    if prompt.editor.is_empty() && !prompt.is_empty_confirmed {
        prompt.is_empty_confirmed = true;
        model.say("no reason: the agent learns nothing. enter again rejects without one".to_owned());
        return Vec::new();
    }
    let prompt = prompt.clone();
    let is_same = |detail: &crate::screen::model::Detail| {
        detail.proposal.id == prompt.proposal && detail.digest == prompt.digest
    };
    if !model.detail.as_ref().is_some_and(is_same) {
        model.say("the detail shows something else now: esc goes back, the text is kept".to_owned());
        return Vec::new();
    }
    keep(model, &prompt);
    decision::send(model, Verb::Reject, Said { reason: prompt.editor.text(), ..Said::default() })
}
