//! News from the gateway: the connection, snapshots, events.

use openshell_domain::event::{Envelope, Event};
use openshell_domain::id::{ProposalId, SandboxName};
use openshell_domain::inbox::Inbox;
use openshell_domain::proposal::Proposal;
use openshell_domain::review::Review;

use super::{decision, rows};
use crate::client::watch::{Connection, Update};
use crate::screen::model::{Detail, Link, Model};
use crate::screen::msg::Effect;

pub(super) fn apply(model: &mut Model, update: Update) -> Vec<Effect> {
    match update {
        Update::Connection(connection) => {
            link(model, connection);
            Vec::new()
        }
        Update::Snapshot(inbox) => {
            snapshot(model, *inbox);
            Vec::new()
        }
        Update::Event(envelope) => event(model, &envelope),
        Update::Reviewed(proposal, review) => {
            reviewed(model, proposal, *review);
            Vec::new()
        }
        Update::Waiting(sandbox, waiting) => {
            model.waiting.insert(sandbox, waiting);
            Vec::new()
        }
    }
}

/// What a proposal would change has become known, or is not what it was.
fn reviewed(model: &mut Model, id: ProposalId, review: Review) {
    let Some(inbox) = &mut model.inbox else { return };
    inbox.reviewed(id, review);
    // Nothing could be decided about it so far, so nothing can be decided on what was not seen.
    let is_first =
        model.detail.as_ref().is_some_and(|shown| shown.proposal.id == id && shown.digest.is_none());
    if let Some(now) = model.proposal(id).filter(|_| is_first) {
        let scroll = model.detail.as_ref().map_or(0, |shown| shown.scroll);
        model.detail = Some(Detail { scroll, ..Detail::of(now) });
    }
}

fn link(model: &mut Model, connection: Connection) {
    let since = match model.link {
        Link::Lost { since, .. } => since,
        Link::Connecting | Link::Live => model.now,
    };
    model.link = match connection {
        Connection::Live => Link::Live,
        Connection::Reconnecting { retry_in, why } => {
            Link::Lost { since, retry_at: model.now + retry_in, is_offline: false, why }
        }
        Connection::Offline { retry_in, why } => {
            Link::Lost { since, retry_at: model.now + retry_in, is_offline: true, why }
        }
    };
}

fn snapshot(model: &mut Model, inbox: Inbox) {
    let known = model.inbox.replace(inbox);
    if let (Some(known), Some(now)) = (known, &model.inbox) {
        let is_new =
            |proposal: &&Proposal| proposal.is_pending() && !known.proposals.contains_key(&proposal.id);
        model.fresh.extend(now.proposals.values().filter(is_new).map(|proposal| proposal.id));
    }
    decision::recall(model);
    rows::refresh(model);
}

fn event(model: &mut Model, envelope: &Envelope) -> Vec<Effect> {
    let Some(inbox) = &mut model.inbox else { return Vec::new() };
    if inbox.apply(envelope).is_err() {
        return vec![Effect::Resync];
    }
    match &envelope.event {
        Event::ProposalSubmitted { proposal, .. } if !model.rows.is_empty() => {
            model.fresh.insert(*proposal);
        }
        Event::ProposalApproved { .. } | Event::ProposalRejected { .. } => decision::decided(model, envelope),
        _ => {}
    }
    if let Some(sandbox) = envelope.sandbox() {
        load(model, sandbox, envelope);
    }
    rows::refresh(model);
    Vec::new()
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
