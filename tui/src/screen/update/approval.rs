//! Approving: with the default lease or with a chosen one, and by a second key where the risk wants one.
//!
//! Menu and question belong to the proposal that was shown when they were opened. They decide nothing about another.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use openshell_domain::id::{Digest, ProposalId};

use super::decision::{self, Said};
use crate::client::Verb;
use crate::screen::arming::{self, Subject};
use crate::screen::lease::{self, Menu};
use crate::screen::model::{Model, Overlay};
use crate::screen::msg::Effect;
use crate::screen::risk::{self, Accept};
use crate::screen::sight;

/// Approves what is shown, or asks for the second key first.
pub(super) fn approve(model: &mut Model, lease: &'static str) -> Vec<Effect> {
    let is_risky = model.detail.as_ref().is_some_and(|detail| risk::of(&detail.proposal).next().is_some());
    if !is_risky {
        return decision::send(model, Verb::Approve, Said { lease, ..Said::default() });
    }
    if !decision::may(model, Verb::Approve) {
        return Vec::new();
    }
    if let Some((proposal, digest)) = shown(model) {
        model.news = None;
        model.overlay = Overlay::Accept(Accept { proposal, digest, lease });
    }
    Vec::new()
}

/// Asks for how long.
pub(super) fn choose(model: &mut Model) {
    let objection = decision::objection(model).or_else(|| decision::objection_to_approval(model));
    let objection = objection.or_else(|| sight::show(model));
    if let Some(objection) = objection {
        model.say(objection);
        return;
    }
    let chosen = lease::choices(model).iter().position(|choice| choice.is_default).unwrap_or(0);
    if let Some((proposal, digest)) = shown(model) {
        model.news = None;
        model.overlay = Overlay::Lease(Menu { proposal, digest, chosen });
    }
}

/// A key while a lease is chosen.
pub(super) fn menu_key(model: &mut Model, key: KeyEvent) -> Vec<Effect> {
    model.note = None;
    let choices = lease::choices(model);
    let Overlay::Lease(menu) = &mut model.overlay else { return Vec::new() };
    let last = choices.len().saturating_sub(1);
    let is_bare = key.modifiers.difference(KeyModifiers::SHIFT).is_empty();
    match key.code {
        KeyCode::Up | KeyCode::Char('k') if is_bare => menu.chosen = menu.chosen.saturating_sub(1),
        KeyCode::Down | KeyCode::Char('j') if is_bare => menu.chosen = (menu.chosen + 1).min(last),
        KeyCode::Esc | KeyCode::Char('q') => model.overlay = Overlay::None,
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => model.overlay = Overlay::None,
        KeyCode::Enter => {
            let line = menu.chosen;
            return take(model, line);
        }
        KeyCode::Char(digit) if is_bare => {
            let line = digit.to_digit(10).and_then(|digit| usize::try_from(digit).ok()?.checked_sub(1));
            match line.filter(|line| *line <= last) {
                Some(line) => return take(model, line),
                None => model.is_dirty = false,
            }
        }
        _ => model.is_dirty = false,
    }
    Vec::new()
}

fn take(model: &mut Model, line: usize) -> Vec<Effect> {
    let Overlay::Lease(menu) = &model.overlay else { return Vec::new() };
    let about = (menu.proposal, menu.digest);
    let Some(choice) = lease::choices(model).into_iter().nth(line) else { return Vec::new() };
    if is_other(model, about) {
        return Vec::new();
    }
    match choice.objection {
        Some(objection) => {
            model.say(objection.to_owned());
            Vec::new()
        }
        None => approve(model, choice.wire),
    }
}

/// A key while a risk is named: one accepts, all others cancel.
pub(super) fn accept_key(model: &mut Model, key: KeyEvent) -> Vec<Effect> {
    let Overlay::Accept(accept) = model.overlay.clone() else { return Vec::new() };
    model.note = None;
    if key.code != KeyCode::Char(risk::KEY) || !key.modifiers.is_empty() {
        model.overlay = Overlay::None;
        model.say("nothing was approved".to_owned());
        return Vec::new();
    }
    if is_other(model, (accept.proposal, accept.digest)) {
        return Vec::new();
    }
    if let Err(objection) = model.arming.pull(Some(Subject::Risk(accept.proposal, accept.digest))) {
        model.say(objection.to_owned());
        return Vec::new();
    }
    decision::send(model, Verb::Approve, Said { lease: accept.lease, ..Said::default() })
}

/// Whether the detail shows something else than what was asked about: then that is over.
fn is_other(model: &mut Model, about: (ProposalId, Option<Digest>)) -> bool {
    let is_other = shown(model) != Some(about);
    if is_other {
        model.overlay = Overlay::None;
        model.say("the detail shows something else now: nothing was approved".to_owned());
    }
    is_other
}

fn shown(model: &Model) -> Option<(ProposalId, Option<Digest>)> {
    let Subject::Detail(proposal, _, digest) = arming::detail(model)? else { return None };
    Some((proposal, digest))
}
