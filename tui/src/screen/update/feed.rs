//! News from the gateway: the connection, snapshots, events.

use openshell_domain::event::{Envelope, Event};
use openshell_domain::id::{ProposalId, SandboxName};
use openshell_domain::inbox::Inbox;
use openshell_domain::review::Review;

use super::{alert, decision, rows, tabs};
use crate::client::watch::{Connection, Update};
use crate::screen::log::Before;
use crate::screen::model::{Detail, Link, Model};
use crate::screen::msg::Effect;
use crate::screen::{decided, edit, log, policy, sandboxes};

pub(super) fn apply(model: &mut Model, update: Update) -> Vec<Effect> {
    match update {
        Update::Connection(connection) => return link(model, connection),
        Update::Snapshot(inbox) => snapshot(model, *inbox),
        Update::Event(envelope) => return event(model, &envelope),
        Update::Reviewed(proposal, review) => {
            reviewed(model, proposal, *review);
            let is_edited = model.overlay.asks_about() == Some(proposal);
            return if is_edited { edit::again(model, true) } else { Vec::new() };
        }
        Update::Waiting(sandbox, waiting) => {
            if model.waiting.get(&sandbox) == Some(&waiting) {
                model.is_dirty = false;
            } else {
                rows::wait(model, sandbox, waiting);
            }
        }
        Update::Attached(sandbox, is_attached) => {
            model.is_dirty = model.attached.insert(sandbox, is_attached) != Some(is_attached);
        }
    }
    Vec::new()
}

/// What a proposal would change has become known, or is not what it was.
fn reviewed(model: &mut Model, id: ProposalId, review: Review) {
    let was = model.place(id);
    let Some(inbox) = &mut model.inbox else { return };
    inbox.reviewed(id, review);
    rows::moved(model, was);
    rows::touch(model, id);
    // Nothing could be decided about it so far, so nothing can be decided on what was not seen.
    let is_first =
        model.detail.as_ref().is_some_and(|shown| shown.proposal.id == id && shown.digest.is_none());
    if let Some(now) = model.proposal(id).filter(|_| is_first) {
        let scroll = model.detail.as_ref().map_or(0, |shown| shown.scroll);
        model.detail = Some(Detail { scroll, ..Detail::of(now) });
    }
}

fn link(model: &mut Model, connection: Connection) -> Vec<Effect> {
    let since = match model.link {
        Link::Lost { since, .. } => since,
        Link::Connecting | Link::Live => model.now,
    };
    let (retry_in, why, is_offline) = match connection {
        Connection::Live => {
            model.link = Link::Live;
            let mut effects = tabs::look(model);
            effects.extend(edit::again(model, true));
            return effects;
        }
        Connection::Reconnecting { retry_in, why } => (retry_in, why, false),
        Connection::Offline { retry_in, why } => (retry_in, why, true),
    };
    tabs::interrupted(model);
    model.link = Link::Lost { since, retry_at: model.now + retry_in, is_offline, why };
    Vec::new()
}

fn snapshot(model: &mut Model, inbox: Inbox) {
    let known = model.inbox.replace(inbox);
    decision::recall(model);
    // What happened between the two is not in what is known of the log.
    model.log.before = Before::Unread;
    model.history.restart();
    decided::rebuild(model);
    sandboxes::follow(model);
    rows::compare(model);
    rows::rebuild(model);
    let (Some(known), Some(now)) = (known, &model.inbox) else { return };
    let fresh: Vec<ProposalId> = now
        .proposals
        .values()
        .filter(|proposal| proposal.is_pending() && !known.proposals.contains_key(&proposal.id))
        .map(|proposal| proposal.id)
        .collect();
    for id in fresh {
        arrived(model, id);
    }
}

fn event(model: &mut Model, envelope: &Envelope) -> Vec<Effect> {
    let was = envelope.event.proposal().and_then(|id| model.place(id));
    let Some(inbox) = &mut model.inbox else { return Vec::new() };
    if inbox.apply(envelope).is_err() {
        return vec![Effect::Resync];
    }
    rows::moved(model, was);
    model.history.fold(envelope);
    log::grown(model);
    if let Some(id) = envelope.event.proposal() {
        rows::touch(model, id);
        decided::touch(model, id, &envelope.event);
        match &envelope.event {
            Event::ProposalSubmitted { .. } => arrived(model, id),
            Event::ProposalSuperseded { by, .. } => model.replaced.entry(*by).or_default().push(id),
            Event::DecisionUndone { .. } => {
                rows::announce(model, id);
                decision::decided(model, envelope);
            }
            Event::ProposalApproved { .. } | Event::ProposalRejected { .. } | Event::GrantRevoked { .. } => {
                decision::decided(model, envelope);
            }
            _ => {}
        }
    }
    if let Some(sandbox) = envelope.sandbox() {
        load(model, sandbox, envelope);
    }
    sandboxes::follow(model);
    policy::touch(model, envelope)
}

/// A new ask: what is in the row of the same ask calls nobody again.
fn arrived(model: &mut Model, id: ProposalId) {
    rows::announce(model, id);
    if !model.list.folded.contains(&id) {
        alert::arrived(model, id);
    }
}

/// Takes in whether a supervisor enforces a revision.
fn load(model: &mut Model, sandbox: &SandboxName, envelope: &Envelope) {
    match &envelope.event {
        Event::PolicyLoaded { revision, .. } => {
            model.loads.insert(sandbox.clone(), (*revision, envelope.at));
            decision::loaded(model, sandbox);
        }
        Event::PolicyLoadFailed { revision, error, .. } => {
            decision::not_loaded(model, sandbox, *revision, error);
        }
        _ => {}
    }
}
