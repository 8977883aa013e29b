//! Deciding: what may be sent, and what becomes of it.
//!
//! A decision quotes the digest of the frozen detail. It is refused here while the gateway is away, while the
//! detail is not what is, or while one is on its way; the gateway checks all of that again.

use openshell_domain::event::{Envelope, Event};
use openshell_domain::id::{ProposalId, SandboxName};
use openshell_domain::proposal::Status;

use super::rows;
use crate::client::{Decision, Verb};
use crate::screen::life::{Life, Stage};
use crate::screen::model::{Link, Model, Overlay, Standing};
use crate::screen::msg::{Answer, Effect};

/// How many decisions are remembered.
const MEMORY: usize = 50;

/// Why nothing may be decided about the detail now; `None`: something may.
#[must_use]
pub fn objection(model: &Model) -> Option<String> {
    let text = |text: &str| Some(text.to_owned());
    let Some(detail) = &model.detail else { return text("there is nothing to decide") };
    if model.areas().is_none() {
        return text("the terminal is too small to show what would be decided");
    }
    match model.link {
        Link::Live => {}
        Link::Connecting => return text("not connected yet: decide when it says live"),
        Link::Lost { .. } => return text("the gateway is away: nothing was sent, decide when it says live"),
    }
    if model.life(detail.proposal.id).is_some_and(Life::is_open) {
        return text("a decision on this one is on its way");
    }
    match model.standing(detail) {
        Standing::Current if detail.proposal.is_pending() => None,
        Standing::Current => Some(format!("it is {} already", detail.proposal.status.as_str())),
        Standing::Decided(now) => Some(format!("it is {} already: enter shows it", now.status.as_str())),
        Standing::Changed => text("it changed while it was shown: enter shows it as it is now"),
        Standing::Gone => text("it is not there any more"),
    }
}

/// Sends a decision on the detail.
pub(super) fn send(model: &mut Model, verb: Verb, reason: String) -> Vec<Effect> {
    if let Some(objection) = objection(model) {
        model.note = Some(objection);
        return Vec::new();
    }
    let Some(detail) = &model.detail else { return Vec::new() };
    let proposal = &detail.proposal;
    let decision = Decision { proposal: proposal.id, digest: detail.digest, verb, reason };
    let subject = proposal.draft.rule_name.to_string();
    model.lives.push(Life::new(decision.clone(), subject, proposal.sandbox.clone()));
    if model.lives.len() > MEMORY {
        model.lives.remove(0);
    }
    model.note = None;
    model.overlay = Overlay::None;
    vec![Effect::Decide(decision)]
}

/// Takes the gateway's answer in.
pub(super) fn answered(model: &mut Model, answer: Answer) -> Vec<Effect> {
    let id = answer.decision.proposal;
    match answer.result {
        Ok(done) => recorded(model, id, |life| life.answered(done)),
        Err(error) => {
            if let Some(life) = latest(model, id) {
                life.failed(&error);
            }
            if !answer.decision.reason.is_empty() && !model.life(id).is_some_and(Life::is_recorded) {
                model.reasons.insert(id, answer.decision.reason);
            }
            model.note = None;
        }
    }
    Vec::new()
}

/// Takes the event of a decision in, if the decision was made here: same way, same words.
pub(super) fn decided(model: &mut Model, envelope: &Envelope) {
    let (verb, id, reason, revision) = match &envelope.event {
        Event::ProposalApproved { proposal, reason, revision, .. } => {
            (Verb::Approve, *proposal, reason, Some(*revision))
        }
        Event::ProposalRejected { proposal, reason, .. } => (Verb::Reject, *proposal, reason, None),
        _ => return,
    };
    let is_ours = |life: &Life| {
        let sent = &life.decision;
        sent.verb == verb && sent.reason == *reason && !matches!(life.stage, Stage::Failed { .. })
    };
    if model.life(id).is_some_and(is_ours) {
        recorded(model, id, |life| life.recorded(envelope.seq, envelope.at, revision));
    }
}

/// A decision of ours is in the log: goes on to the next proposal, if this one is still on the screen.
pub(super) fn recorded(model: &mut Model, id: ProposalId, note: impl FnOnce(&mut Life)) {
    let Some(life) = latest(model, id) else { return };
    let is_news = !life.is_recorded();
    note(life);
    let sandbox = life.sandbox.clone();
    model.reasons.remove(&id);
    model.note = None;
    loaded(model, &sandbox);
    if is_news && model.selected() == Some(id) {
        rows::select_next_pending(model);
    }
}

/// Tells the decisions about a sandbox which revision it enforces.
pub(super) fn loaded(model: &mut Model, sandbox: &SandboxName) {
    let Some((revision, when)) = model.loads.get(sandbox).copied() else { return };
    for life in model.lives.iter_mut().filter(|life| life.sandbox == *sandbox) {
        life.loaded(revision, Some(when));
    }
}

/// After a snapshot: decisions whose answers or events were missed are looked up in it.
pub(super) fn recall(model: &mut Model) {
    let Some(seq) = model.inbox.as_ref().map(|inbox| inbox.seq) else { return };
    let open: Vec<_> = model.lives.iter().filter(|life| !life.is_recorded()).cloned().collect();
    for life in open {
        let id = life.decision.proposal;
        let (at, revision) = match (life.decision.verb, model.proposal(id).map(|now| &now.status)) {
            (Verb::Approve, Some(Status::Approved { decision, revision, .. })) => {
                (decision.at, Some(*revision))
            }
            (Verb::Reject, Some(Status::Rejected { decision })) => (decision.at, None),
            _ => continue,
        };
        recorded(model, id, |life| life.recorded(seq, at, revision));
    }
    let Some(inbox) = &model.inbox else { return };
    for life in &mut model.lives {
        if let Some(view) = inbox.sandboxes.get(&life.sandbox) {
            life.loaded(view.loaded, None);
        }
    }
}

fn latest(model: &mut Model, id: ProposalId) -> Option<&mut Life> {
    model.lives.iter_mut().rev().find(|life| life.decision.proposal == id)
}
