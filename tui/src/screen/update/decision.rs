//! Deciding: what may be sent, and what becomes of it.
//!
//! A decision quotes the digest of the frozen detail. It is refused here while the gateway is away, while the
//! detail is not what is, or while one is on its way; the gateway checks all of that again.

use openshell_domain::event::{Envelope, Event};
use openshell_domain::id::{Digest, ProposalId, Revision, SandboxName};
use openshell_domain::proposal::Status;

use super::rows;
use crate::client::{Decision, Verb};
use crate::screen::arming;
use crate::screen::keys::Action;
use crate::screen::life::{Life, Stage};
use crate::screen::model::{Link, Model, Overlay, Standing};
use crate::screen::msg::{Answer, Effect};
use crate::screen::reason::Words;
use crate::screen::sight;
use crate::screen::summary;
use crate::screen::tab::Tab;

/// How many decisions are remembered.
const MEMORY: usize = 250;

/// Why nothing may be decided about the detail now; `None`: something may.
#[must_use]
pub fn objection(model: &Model) -> Option<String> {
    let text = |text: &str| Some(text.to_owned());
    let is_asked = matches!(model.overlay, Overlay::Reject(_) | Overlay::Edit(_));
    let way_out = |otherwise| {
        if is_asked { ": esc goes back, the text is kept".to_owned() } else { otherwise }
    };
    let open = || model.keys.label(Tab::Pending, Action::Open);
    let Some(detail) = &model.detail else { return text("there is nothing to decide") };
    if let Some(away) = away(model) {
        return Some(away);
    }
    if model.life(detail.proposal.id).is_some_and(Life::is_open) {
        return text("a decision on this one is on its way");
    }
    match model.standing(detail) {
        Standing::Current if detail.proposal.is_pending() => None,
        Standing::Current => {
            Some(format!("it is {} already{}", detail.proposal.status.as_str(), way_out(String::new())))
        }
        Standing::Decided(now) => Some(format!(
            "it is {} already{}",
            now.status.as_str(),
            way_out(format!(": {} shows it", open()))
        )),
        Standing::Unseen => text("what it would change is being computed: a moment"),
        Standing::Changed => {
            let again = format!(": {} shows it as it is now", open());
            Some(format!("it changed while it was shown{}", way_out(again)))
        }
        Standing::Gone => Some(format!("it is not there any more{}", way_out(String::new()))),
    }
}

/// Why nothing at all may be decided now: it could not be seen, or nobody would hear of it.
#[must_use]
pub fn away(model: &Model) -> Option<String> {
    let why = match model.link {
        _ if model.areas().is_none() => "the terminal is too small to show what would be decided",
        Link::Live => return None,
        Link::Connecting => "not connected yet: decide when it says live",
        Link::Lost { .. } => "the gateway is away: nothing was sent, decide when it says live",
    };
    Some(why.to_owned())
}

/// Why the detail may not be approved, though it may be decided.
#[must_use]
pub fn objection_to_approval(model: &Model) -> Option<String> {
    let review = model.detail.as_ref()?.proposal.review.as_ref()?;
    let is_too_complex = review.difference.is_none();
    is_too_complex.then(|| "too complex: what it would change cannot be computed; reject it".to_owned())
}

/// What goes with a decision.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// The reviewer's words.
    pub(super) reason: String,
    /// What would be better.
    pub(super) hints: Vec<String>,
    /// How long an approval is to hold; empty is the setting.
    pub(super) lease: &'static str,
}

impl Said {
    /// The words of a rejection.
    pub(super) fn words(words: Words) -> Self {
        let hints = words.hints.iter().map(ToString::to_string).collect();
        Self { reason: words.text, hints, lease: "" }
    }

    /// The decision with it.
    pub(super) fn decision(self, proposal: ProposalId, digest: Digest, verb: Verb) -> Decision {
        let lease = self.lease.to_owned();
        let hints = if verb == Verb::Reject { self.hints } else { Vec::new() };
        let reason = if verb == Verb::Reject { self.reason } else { String::new() };
        Decision { lease, hints, ..Decision::new(proposal, digest, verb, reason) }
    }
}

/// Whether the detail may be decided by the last key; says why not.
pub(super) fn may(model: &mut Model, verb: Verb) -> bool {
    let approval = (verb == Verb::Approve).then(|| objection_to_approval(model)).flatten();
    let objection = objection(model).or(approval);
    let is_approval = verb == Verb::Approve;
    let unseen = |model: &mut Model| is_approval.then(|| sight::show(model)).flatten();
    let objection = objection.or_else(|| unseen(model)).or_else(|| {
        let needed = if is_approval { sight::needed(model) } else { Vec::new() };
        let subjects: Vec<_> = arming::detail(model).into_iter().chain(needed).collect();
        model.arming.pull(subjects).err().map(str::to_owned)
    });
    let may = objection.is_none();
    if let Some(objection) = objection {
        model.say(objection);
    }
    may
}

/// Sends a decision on the detail.
pub(super) fn send(model: &mut Model, verb: Verb, said: Said) -> Vec<Effect> {
    if !may(model, verb) {
        return Vec::new();
    }
    let Some(detail) = &model.detail else { return Vec::new() };
    let proposal = &detail.proposal;
    let Some(digest) = detail.digest else { return Vec::new() };
    let decision = said.decision(proposal.id, digest, verb);
    model.overlay = Overlay::None;
    begin(model, decision).map(Effect::Decide).into_iter().collect()
}

/// Begins the life of a decision that leaves now.
pub(super) fn begin(model: &mut Model, decision: Decision) -> Option<Decision> {
    let proposal = model.proposal(decision.proposal)?;
    let subject = summary::of(&proposal.draft.rule);
    model.lives.push(Life::new(decision.clone(), subject, proposal.sandbox.clone()));
    if model.lives.len() > MEMORY {
        model.lives.remove(0);
    }
    model.note = None;
    model.tell(decision.proposal);
    Some(decision)
}

/// The same for one of several that are sent together.
pub(super) fn begin_one_of(model: &mut Model, decision: Decision, batch: u32) -> Option<Decision> {
    let decision = begin(model, decision)?;
    if let Some(life) = latest(model, decision.proposal) {
        life.batch = Some(batch);
    }
    Some(decision)
}

/// Takes the gateway's answer in.
pub(super) fn answered(model: &mut Model, answer: Answer) -> Vec<Effect> {
    let id = answer.decision.proposal;
    match answer.result {
        Ok(done) => recorded(model, id, |life| life.answered(done)),
        Err(error) => {
            model.note = None;
            let before = model.life(id).map(|life| life.stage.clone());
            if let Some(life) = latest(model, id) {
                life.failed(&error);
            }
            if model.life(id).map(|life| &life.stage) != before.as_ref() {
                model.tell(id);
            }
            if !answer.decision.reason.is_empty() && !model.life(id).is_some_and(Life::is_recorded) {
                let hints = answer.decision.hints.iter().filter_map(|hint| hint.parse().ok()).collect();
                model.reasons.insert(id, Words { text: answer.decision.reason, hints });
            }
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
        // The revision without the grant comes with the answer.
        Event::DecisionUndone { proposal, reason, .. } => (Verb::Undo, *proposal, reason, None),
        Event::GrantRevoked { proposal, reason, .. } => (Verb::Revoke, *proposal, reason, None),
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

/// A decision of ours is in the log: goes on to the next proposal, if this one is still on the screen and nobody
/// is typing about it.
pub(super) fn recorded(model: &mut Model, id: ProposalId, note: impl FnOnce(&mut Life)) {
    let now = model.now;
    let Some(life) = latest(model, id) else { return };
    let is_news = !life.is_recorded() && life.is_decision();
    let before = life.stage.clone();
    note(life);
    life.recorded_at.get_or_insert(now);
    let is_changed = life.stage != before;
    let sandbox = life.sandbox.clone();
    model.reasons.remove(&id);
    if is_changed {
        model.note = None;
        model.tell(id);
    }
    loaded(model, &sandbox);
    rows::touch(model, id);
    let is_asked = model.overlay.asks_about() == Some(id);
    if is_news && !is_asked && model.selected() == Some(id) {
        rows::select_next(model);
    }
}

/// Tells the decisions about a sandbox which revision it enforces.
pub(super) fn loaded(model: &mut Model, sandbox: &SandboxName) {
    let Some((revision, when)) = model.loads.get(sandbox).copied() else { return };
    change(model, |life| life.sandbox == *sandbox, |life| life.loaded(revision, Some(when)));
}

/// Tells the decisions about a sandbox that it could not load a revision.
pub(super) fn not_loaded(model: &mut Model, sandbox: &SandboxName, revision: Revision, error: &str) {
    change(model, |life| life.sandbox == *sandbox, |life| life.not_loaded(revision, error));
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
            (Verb::Reject, Some(Status::Rejected { decision, .. })) => (decision.at, None),
            (Verb::Revoke, Some(Status::Revoked { by, .. })) => (by.at, None),
            (Verb::Undo, Some(_)) if model.proposal(id).is_some_and(|now| life.is_undone(now)) => {
                (model.now, None)
            }
            _ => continue,
        };
        recorded(model, id, |life| life.recorded(seq, at, revision));
    }
    let Some(inbox) = &model.inbox else { return };
    let loads: Vec<_> = inbox.sandboxes.iter().map(|(name, view)| (name.clone(), view.loaded)).collect();
    for (sandbox, revision) in loads {
        change(model, |life| life.sandbox == sandbox, |life| life.loaded(revision, None));
    }
}

/// Changes some decisions; those that are changed by it are news.
fn change(model: &mut Model, is_meant: impl Fn(&Life) -> bool, by: impl Fn(&mut Life)) {
    let mut changed = None;
    for life in model.lives.iter_mut().filter(|life| is_meant(life)) {
        let before = life.stage.clone();
        by(life);
        if life.stage != before {
            changed = Some(life.decision.proposal);
        }
    }
    if let Some(id) = changed {
        model.tell(id);
    }
}

fn latest(model: &mut Model, id: ProposalId) -> Option<&mut Life> {
    model.lives.iter_mut().rev().find(|life| life.decision.proposal == id)
}
