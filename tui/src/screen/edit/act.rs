//! The keys of the editor, and what comes back: from the gateway, and from the reviewer's own editor.

use std::sync::Arc;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use openshell_domain::id::{Digest, ProposalId, Seq};
use openshell_domain::proposal::Proposal;
use openshell_domain::review::Review;

use super::area::{Area, MOST};
use super::{Edit, Kept, Preview, Unknown, in_force, view};
use crate::client::ClientError;
use crate::client::asks::Wording;
use crate::screen::keys::Action;
use crate::screen::model::{Detail, Link, Model, Overlay};
use crate::screen::msg::{Effect, What};
use crate::screen::tab::Tab;
use crate::screen::update::objection;
use crate::wording;

/// Opens the editor on what is shown, with what was typed there before.
pub(in crate::screen) fn open(model: &mut Model) -> Vec<Effect> {
    let shown = model.detail.as_ref().filter(|detail| detail.proposal.is_pending());
    let Some(proposal) = shown.map(|detail| &detail.proposal) else {
        model.say("only what awaits a decision can be worded anew".to_owned());
        return Vec::new();
    };
    let kept = model.edits.remove(&proposal.id);
    let is_old = kept.as_ref().is_some_and(|kept| kept.draft != proposal.draft.number);
    let text = kept.map_or_else(|| in_force(proposal), |kept| kept.text);
    let edit = Edit::of(proposal, text);
    model.news = None;
    model.overlay = Overlay::Edit(Box::new(edit));
    if is_old {
        model.say("it was worded anew since this was typed: ctrl-r shows that wording, and back".to_owned());
    }
    ask(model)
}

pub(in crate::screen) fn key(model: &mut Model, key: KeyEvent) -> Vec<Effect> {
    let last = view::overflow(model);
    let Overlay::Edit(edit) = &mut model.overlay else { return Vec::new() };
    if edit.is_away {
        return Vec::new();
    }
    model.note = None;
    match (key.code, key.modifiers.contains(KeyModifiers::CONTROL)) {
        (KeyCode::Esc, _) | (KeyCode::Char('c'), true) => close(model),
        (KeyCode::Char('z'), true) => return vec![Effect::Suspend],
        (KeyCode::Char('l'), true) => return vec![Effect::Redraw],
        (KeyCode::PageDown, _) => edit.scroll = edit.scroll.saturating_add(5).min(last),
        (KeyCode::PageUp, _) => edit.scroll = edit.scroll.saturating_sub(5),
        // What is on its way is what is on the screen.
        _ if edit.is_sent => model.say("it is on its way: a moment".to_owned()),
        (KeyCode::Char('s'), true) => return save(model),
        (KeyCode::Char('e'), true) => {
            edit.is_away = true;
            return vec![Effect::Edit(edit.id(), head(&edit.proposal) + &edit.area.text())];
        }
        (KeyCode::Char('r'), true) => {
            swap(edit);
            return ask(model);
        }
        _ => {
            let fits = edit.area.press(key);
            return typed(model, fits);
        }
    }
    Vec::new()
}

fn head(proposal: &Proposal) -> String {
    wording::head(proposal, &proposal.id.short())
}

/// The wording in force, and back to what was typed.
fn swap(edit: &mut Edit) {
    let (typed, in_force) = (edit.area.text(), in_force(&edit.proposal));
    if typed != in_force {
        edit.other = Some(typed);
        edit.area = Area::new(in_force);
    } else if let Some(other) = edit.other.take() {
        edit.area = Area::new(other);
    }
    edit.look();
}

fn typed(model: &mut Model, fits: bool) -> Vec<Effect> {
    if !fits {
        model.say(format!("no room: at most {MOST} bytes, ctrl-e opens your own editor"));
    }
    if let Overlay::Edit(edit) = &mut model.overlay {
        edit.look();
    }
    ask(model)
}

/// A paste: with all its lines, and never a command.
pub(in crate::screen) fn paste(model: &mut Model, text: &str) -> Vec<Effect> {
    let Overlay::Edit(edit) = &mut model.overlay else { return Vec::new() };
    if edit.is_away || edit.is_sent {
        return Vec::new();
    }
    let fits = edit.area.insert(&text.replace("\r\n", "\n").replace('\r', "\n"));
    typed(model, fits)
}

/// Closes the editor and keeps what was typed.
fn close(model: &mut Model) {
    let Overlay::Edit(edit) = std::mem::replace(&mut model.overlay, Overlay::None) else { return };
    if edit.is_worth_keeping() {
        let kept = Kept { draft: edit.proposal.draft.number, text: edit.area.text() };
        model.edits.insert(edit.id(), kept);
        let edit = model.keys.label(Tab::Pending, Action::Edit);
        model.say(format!("not saved; what you typed for it is kept: {edit} goes on with it"));
    }
}

/// Asks what the wording would change, if that is not known. The effect waits until nothing was typed for a moment.
fn ask(model: &mut Model) -> Vec<Effect> {
    let Overlay::Edit(edit) = &mut model.overlay else { return Vec::new() };
    if model.link != Link::Live || edit.preview != Preview::Due || edit.is_away {
        return Vec::new();
    }
    let Some(wording) = wording_of(edit, Digest([0; 32])) else { return Vec::new() };
    edit.preview = Preview::Asked;
    vec![Effect::Preview(Box::new(wording))]
}

fn wording_of(edit: &Edit, digest: Digest) -> Option<Wording> {
    let (rule_name, rule) = edit.read.clone().ok()?;
    Some(Wording { proposal: edit.id(), digest, rule_name, rule })
}

/// Asks again what could not be known before: the connection is back, the policy has changed, or time has passed.
pub(in crate::screen) fn again(model: &mut Model, is_stale: bool) -> Vec<Effect> {
    if let Overlay::Edit(edit) = &mut model.overlay {
        let is_passing = matches!(&edit.preview, Preview::Failed(unknown) if unknown.is_passing);
        if is_passing || is_stale {
            edit.preview = Preview::Due;
        }
    }
    ask(model)
}

/// Takes in what has come back.
pub(in crate::screen) fn take_in(model: &mut Model, what: What) -> Vec<Effect> {
    match what {
        What::Previewed(of, answer) => previewed(model, &of, answer),
        What::Revised(id, answer) => revised(model, id, answer),
        What::Written(id, answer) => return written(model, id, answer),
        _ => {}
    }
    Vec::new()
}

/// Takes in what a wording would change, if it is still the wording.
fn previewed(model: &mut Model, of: &Wording, answer: Result<Box<Review>, Unknown>) {
    let Overlay::Edit(edit) = &mut model.overlay else { return };
    if edit.preview != Preview::Asked || wording_of(edit, of.digest).as_ref() != Some(of) {
        return;
    }
    match answer {
        Ok(review) => edit.learn(Arc::from(review)),
        Err(unknown) => edit.preview = Preview::Failed(unknown),
    }
}

/// Makes it a new draft, bound to what was on the screen when the editor was opened.
fn save(model: &mut Model) -> Vec<Effect> {
    match wanted(model) {
        Ok(wording) => {
            if let Overlay::Edit(edit) = &mut model.overlay {
                edit.is_sent = true;
            }
            vec![Effect::Revise(Box::new(wording))]
        }
        Err(objection) => {
            model.say(objection);
            Vec::new()
        }
    }
}

fn wanted(model: &Model) -> Result<Wording, String> {
    let Overlay::Edit(edit) = &model.overlay else { return Err(String::new()) };
    if let Err(problems) = &edit.read {
        let first = problems.first().map(ToString::to_string).unwrap_or_default();
        return Err(format!("not saved: {first}"));
    }
    if !edit.is_changed() {
        return Err("nothing was changed: there is nothing to save".to_owned());
    }
    if let Some(objection) = objection(model) {
        return Err(objection);
    }
    let shown = model.detail.as_ref().filter(|detail| detail.proposal.draft == edit.proposal.draft);
    let digest = shown.filter(|detail| detail.proposal.id == edit.id()).and_then(|detail| detail.digest);
    let wording = digest.and_then(|digest| wording_of(edit, digest));
    wording.ok_or_else(|| "what it would change is being computed: a moment".to_owned())
}

/// Takes the gateway's answer to a new draft in: that is what is shown then.
fn revised(model: &mut Model, id: ProposalId, answer: Result<Box<(Seq, Proposal)>, ClientError>) {
    let open = match &mut model.overlay {
        Overlay::Edit(edit) if edit.id() == id => Some(edit),
        _ => None,
    };
    match answer {
        Ok(saved) => {
            let (seq, proposal) = *saved;
            if open.is_some() {
                model.overlay = Overlay::None;
            }
            model.edits.remove(&id);
            let number = proposal.draft.number;
            if model.selected() == Some(id) {
                model.detail = Some(Detail::of(&proposal));
            }
            model.say(format!(
                "saved as draft {number}, event {seq}. Nothing is granted by that: look, decide"
            ));
        }
        Err(error) => {
            if let Some(edit) = open {
                edit.is_sent = false;
            }
            let hint = match error {
                ClientError::Stale(_) => {
                    let [open, edit] =
                        [Action::Open, Action::Edit].map(|of| model.keys.label(Tab::Pending, of));
                    format!(". It was worded anew: esc, {open} shows that, {edit} goes on")
                }
                _ => String::new(),
            };
            model.say(format!("not saved, your text is kept: {error}{hint}"));
        }
    }
}

/// Whether the reviewer's own editor has the terminal.
pub(in crate::screen) fn is_away(model: &Model) -> bool {
    matches!(&model.overlay, Overlay::Edit(edit) if edit.is_away)
}

/// Takes in what the reviewer's own editor has left, or why it has left nothing.
fn written(model: &mut Model, id: ProposalId, answer: Result<String, String>) -> Vec<Effect> {
    let mut effects = vec![Effect::Reclaim];
    let Overlay::Edit(edit) = &mut model.overlay else { return effects };
    edit.is_away = false;
    match answer {
        Err(why) => model.say(format!("{why}: what was here before is here")),
        Ok(_) if edit.id() != id => {}
        Ok(text) => {
            let head = head(&edit.proposal);
            edit.area = Area::new(text.strip_prefix(&head).unwrap_or(&text).to_owned());
            edit.look();
        }
    }
    effects.extend(ask(model));
    effects
}
