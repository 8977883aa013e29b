//! Undoing a decision and revoking a grant: what may be sent, and the question before a grant is ended.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::decision;
use crate::client::{Decision, Verb};
use crate::screen::arming::Subject;
use crate::screen::back::{self, Made, Revoke};
use crate::screen::life::Life;
use crate::screen::model::{Model, Overlay};
use crate::screen::msg::Effect;
use crate::screen::risk;

/// Takes back the last decision made here, with those that were made together with it, or the one that is shown.
pub(super) fn undo(model: &mut Model) -> Vec<Effect> {
    let made = back::undoable(model);
    if made.is_empty() {
        let objection = decision::away(model).unwrap_or_else(|| back::why_not(model, Verb::Undo));
        model.say(objection);
        return Vec::new();
    }
    take(model, Verb::Undo, &made)
}

/// Asks whether the grant that is shown is to end, or which.
pub(super) fn revoke(model: &mut Model) {
    let grants = back::grants(model);
    if let Some(objection) = decision::away(model) {
        model.say(objection);
    } else if grants.is_empty() {
        model.say(back::why_not(model, Verb::Revoke));
    } else {
        let is_chosen = grants.len() == 1;
        model.news = None;
        model.overlay = Overlay::Revoke(Revoke { grants, chosen: 0, is_chosen });
    }
}

/// A key while that is asked.
pub(super) fn key(model: &mut Model, key: KeyEvent) -> Vec<Effect> {
    model.note = None;
    let Overlay::Revoke(revoke) = &mut model.overlay else { return Vec::new() };
    if !revoke.is_chosen {
        return choose(model, key);
    }
    let made = revoke.grant();
    if key.code != KeyCode::Char(risk::KEY) || !key.modifiers.is_empty() {
        model.overlay = Overlay::None;
        model.say("nothing was revoked".to_owned());
        return Vec::new();
    }
    match made.filter(|made| back::is_in_force(model, *made)) {
        Some(made) => take(model, Verb::Revoke, &[made]),
        None => {
            model.overlay = Overlay::None;
            model.say("the grant has ended meanwhile".to_owned());
            Vec::new()
        }
    }
}

fn choose(model: &mut Model, key: KeyEvent) -> Vec<Effect> {
    let Overlay::Revoke(revoke) = &mut model.overlay else { return Vec::new() };
    let last = revoke.grants.len().saturating_sub(1);
    let is_bare = key.modifiers.difference(KeyModifiers::SHIFT).is_empty();
    match key.code {
        KeyCode::Up | KeyCode::Char('k') if is_bare => revoke.chosen = revoke.chosen.saturating_sub(1),
        KeyCode::Down | KeyCode::Char('j') if is_bare => revoke.chosen = (revoke.chosen + 1).min(last),
        KeyCode::Enter => revoke.is_chosen = true,
        _ => model.overlay = Overlay::None,
    }
    Vec::new()
}

/// Sends it.
fn take(model: &mut Model, verb: Verb, made: &[Made]) -> Vec<Effect> {
    let is_open = made.iter().any(|made| model.life(made.proposal).is_some_and(Life::is_open));
    let on_its_way = is_open.then(|| "a decision on this one is on its way".to_owned());
    let subject = if verb == Verb::Revoke { Subject::Revoke } else { Subject::Decision };
    let objection = decision::away(model).or(on_its_way);
    let pull =
        |model: &mut Model| model.arming.pull(made.iter().copied().map(subject)).err().map(str::to_owned);
    if let Some(objection) = objection.or_else(|| pull(model)) {
        model.say(objection);
        return Vec::new();
    }
    model.overlay = Overlay::None;
    let decision = |made: &Made| Decision::new(made.proposal, made.digest, verb, String::new());
    let sent: Vec<Decision> =
        made.iter().map(decision).filter_map(|sent| decision::begin(model, sent)).collect();
    match sent.as_slice() {
        [one] => vec![Effect::Decide(one.clone())],
        _ => vec![Effect::DecideMany(sent)],
    }
}
