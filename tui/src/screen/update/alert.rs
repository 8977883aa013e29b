//! When the reviewer is called: once in a burst of asks, and never for what needs nobody.
//!
//! An ask is held back until the next second, because what standing orders grant is granted in the same breath.

use std::time::Duration;

use openshell_domain::id::ProposalId;

use crate::screen::edit;
use crate::screen::keys::Action;
use crate::screen::model::Model;
use crate::screen::msg::Effect;

/// Asks that come no later than this after one another are one burst.
const BURST: Duration = Duration::from_secs(10);

/// A new ask.
pub(super) fn arrived(model: &mut Model, id: ProposalId) {
    model.bell.due.insert(id);
}

/// Calls nobody any more, or again. What came meanwhile is not called for later: it is on the screen.
pub(super) fn pause(model: &mut Model) {
    model.bell.is_paused = !model.bell.is_paused;
    let text = if model.bell.is_paused {
        let pause = model.keys.label(model.tab, Action::Pause);
        format!("bell and notifications are paused: {pause} goes on")
    } else {
        "bell and notifications are on again".to_owned()
    };
    model.say(text);
}

/// Calls the reviewer for what has come and still awaits a decision.
pub(super) fn ring(model: &mut Model) -> Vec<Effect> {
    // The terminal is another program's: what is written there would be in the midst of what that writes.
    if edit::is_away(model) {
        return Vec::new();
    }
    let due = std::mem::take(&mut model.bell.due);
    let is_wanted = |id: &&ProposalId| model.proposal(**id).is_some_and(|proposal| model.awaits(proposal));
    let asks = due.iter().filter(is_wanted).count();
    if asks == 0 || model.bell.is_paused {
        return Vec::new();
    }
    let is_burst = model.bell.last.is_some_and(|last| model.now < last + BURST);
    model.bell.last = Some(model.now);
    if is_burst { Vec::new() } else { vec![Effect::Alert(asks)] }
}
