//! The inbox projection: what a reviewer's screen is made of, folded from the same events as everything else.
//!
//! Starts from a snapshot of the gateway and then applies envelopes one by one; a gap is an error, because a
//! screen that missed an event would lie. Also the part of the gateway's state that it sends as that snapshot.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::event::{Envelope, Event, Isolation};
use crate::id::{Digest, ProposalId, Revision, RunId, SandboxName, Seq};
use crate::proposal::{Decision, Proposal, Status};
use crate::review::Review;

/// What is known of one sandbox without its policy.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SandboxView {
    /// Its latest run.
    pub run: Option<RunId>,
    /// How the command of that run is kept in.
    pub isolation: Option<Isolation>,
    /// Whether that command, though isolated, is root outside as well.
    #[serde(default)]
    pub host_root: bool,
    /// Whether its agents may propose.
    pub advisor: bool,
    /// The latest revision.
    pub revision: Revision,
    /// The latest revision that the supervisor of the latest run reported as loaded.
    pub loaded: Revision,
    /// Why a later one was not.
    pub load_error: Option<String>,
}

impl SandboxView {
    /// Applies one event of the sandbox.
    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::RunStarted { run, isolation, host_root, .. } => {
                self.run = Some(*run);
                self.isolation = Some(*isolation);
                self.host_root = *host_root;
                self.loaded = Revision::default();
                self.load_error = None;
            }
            Event::SettingChanged { key, value } if key == crate::state::ADVISOR_SETTING => {
                self.advisor = *value;
            }
            Event::PolicyRevised { revision, .. } => self.revision = *revision,
            Event::PolicyLoaded { revision, .. } => {
                self.loaded = *revision;
                self.load_error = None;
            }
            Event::PolicyLoadFailed { error, .. } => self.load_error = Some(error.clone()),
            _ => {}
        }
    }
}

/// Applies one event to the proposals that it is about.
pub fn apply_to_proposals(proposals: &mut BTreeMap<ProposalId, Proposal>, envelope: &Envelope) {
    let decision = |reason: &str, digest: Digest| Decision {
        by: envelope.actor.clone(),
        at: envelope.at,
        reason: reason.to_owned(),
        digest,
    };
    if let Event::ProposalSubmitted {
        proposal,
        run,
        origin,
        submitted_by,
        draft,
        evidence,
        validation_result,
    } = &envelope.event
        && let Some(name) = envelope.stream.sandbox()
    {
        let fresh = Proposal {
            id: *proposal,
            sandbox: name.clone(),
            run: *run,
            origin: *origin,
            submitted_by: submitted_by.clone(),
            submitted_at: envelope.at,
            draft: draft.clone(),
            evidence: evidence.clone(),
            validation_result: validation_result.clone(),
            status: Status::Pending,
            review: None,
        };
        proposals.insert(*proposal, fresh);
        return;
    }
    let Some(known) = envelope.event.proposal().and_then(|id| proposals.get_mut(&id)) else { return };
    // Whatever happens to it, what was said of it as pending is over.
    known.review = None;
    match &envelope.event {
        Event::ProposalApproved { lease, reason, revision, digest, .. } => {
            let decision = decision(reason, *digest);
            known.status = Status::Approved { decision, revision: *revision, lease: *lease };
        }
        Event::ProposalRejected { reason, digest, .. } => {
            known.status = Status::Rejected { decision: decision(reason, *digest) }
        }
        Event::ProposalClosed { reason, revision, .. } => {
            known.status = Status::Closed { reason: reason.clone(), at: envelope.at, revision: *revision };
        }
        Event::GrantExpired { .. } => {
            if let Some(granted) = known.status.decision().cloned() {
                known.status = Status::Expired { decision: granted, at: envelope.at };
            }
        }
        _ => {}
    }
}

/// The inbox at one place of the log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inbox {
    /// The last event in it.
    pub seq: Seq,
    /// The sandboxes, by name.
    pub sandboxes: BTreeMap<SandboxName, SandboxView>,
    /// The proposals, by id.
    pub proposals: BTreeMap<ProposalId, Proposal>,
}

/// An event that is not the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the inbox stands at event {at} and was given event {given}: it needs a new snapshot")]
pub struct Gap {
    /// The last event applied.
    pub at: Seq,
    /// The one that came.
    pub given: Seq,
}

impl Inbox {
    /// Takes in what a pending proposal would change now.
    pub fn reviewed(&mut self, proposal: ProposalId, review: Review) {
        if let Some(known) = self.proposals.get_mut(&proposal).filter(|known| known.is_pending()) {
            known.review = Some(Arc::new(review));
        }
    }

    /// Applies the next event.
    ///
    /// # Errors
    /// [`Gap`] when it is not the next one; nothing changed then.
    pub fn apply(&mut self, envelope: &Envelope) -> Result<(), Gap> {
        if envelope.seq != self.seq.saturating_add(1) {
            return Err(Gap { at: self.seq, given: envelope.seq });
        }
        self.seq = envelope.seq;
        let Some(name) = envelope.stream.sandbox() else { return Ok(()) };
        self.sandboxes.entry(name.clone()).or_default().apply(&envelope.event);
        apply_to_proposals(&mut self.proposals, envelope);
        Ok(())
    }
}
