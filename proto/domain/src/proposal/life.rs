//! The life of a proposal as a fold over its own events (`domain.md` §5).
//!
//! Total: an event that is not about the proposal's present state changes nothing. Called by the gateway's state
//! and by the inbox projection, so that both tell the same story.

use super::{Decision, Draft, Earlier, Proposal, Status, Undone};
use crate::event::{Envelope, Event};
use crate::id::Digest;
use crate::policy::risk::{MAX_EVIDENCE, Seen};

impl Proposal {
    /// The proposal that an event begins, if it begins one.
    #[must_use]
    pub fn begun_by(envelope: &Envelope) -> Option<Self> {
        let Event::ProposalSubmitted {
            proposal,
            run,
            origin,
            submitted_by,
            draft,
            evidence,
            validation_result,
        } = &envelope.event
        else {
            return None;
        };
        Some(Self {
            id: *proposal,
            sandbox: envelope.sandbox()?.clone(),
            run: *run,
            origin: *origin,
            submitted_by: submitted_by.clone(),
            submitted_at: envelope.at,
            draft: draft.clone(),
            earlier: Vec::new(),
            evidence: evidence.clone(),
            since: 0,
            validation_result: validation_result.clone(),
            status: Status::Pending,
            review: None,
        })
    }

    /// Takes in one event about this proposal.
    pub fn apply(&mut self, envelope: &Envelope) {
        // Whatever happens to it, what was said of it as pending is over.
        self.review = None;
        let at = envelope.at;
        match &envelope.event {
            Event::DenialObserved { seen, .. } => self.observe(seen),
            Event::DraftRevised { draft, validation_result, .. } => {
                self.replace(envelope, draft.clone(), None);
                self.validation_result.clone_from(validation_result);
            }
            Event::DecisionUndone { reason, reopened, .. } => self.reopen(envelope, *reopened, reason),
            Event::ProposalApproved { lease, reason, revision, digest, .. } => {
                let decision = decision(envelope, reason, *digest);
                self.status = Status::Approved { decision, revision: *revision, lease: *lease };
            }
            Event::ProposalRejected { reason, digest, hints, snoozed_until, .. } => {
                let decision = decision(envelope, reason, *digest);
                let (hints, snoozed_until) = (hints.clone(), *snoozed_until);
                self.status = Status::Rejected { decision, hints, snoozed_until };
            }
            Event::ProposalClosed { reason, revision, .. } => {
                self.status = Status::Closed { reason: reason.clone(), at, revision: *revision };
            }
            Event::ProposalSuperseded { by, .. } => self.status = Status::Superseded { by: *by, at },
            Event::ProposalWithdrawn { .. } => self.status = Status::Withdrawn { at },
            Event::GrantExpired { .. } => {
                if let Some(decision) = self.status.decision().cloned() {
                    self.status = Status::Expired { decision, at };
                }
            }
            Event::GrantRevoked { reason, digest, .. } => {
                if let Some(granted) = self.status.decision().cloned() {
                    let by = decision(envelope, reason, *digest);
                    self.status = Status::Revoked { decision: granted, by };
                }
            }
            _ => {}
        }
    }

    fn observe(&mut self, seen: &[Seen]) {
        self.since = seen.iter().fold(self.since, |since, seen| since.saturating_add(seen.count));
        for seen in seen {
            if let Some(known) = self.evidence.iter_mut().find(|known| known.is_like(seen)) {
                known.count = known.count.saturating_add(seen.count);
                known.sha256 = known.sha256.or(seen.sha256);
            } else if self.evidence.len() < MAX_EVIDENCE {
                self.evidence.push(seen.clone());
            }
        }
    }

    fn replace(&mut self, envelope: &Envelope, draft: Draft, undone: Option<Undone>) {
        let draft = std::mem::replace(&mut self.draft, draft);
        self.earlier.push(Earlier { draft, at: envelope.at, by: envelope.actor.clone(), undone });
        self.since = 0;
    }

    fn reopen(&mut self, envelope: &Envelope, number: u32, reason: &str) {
        let Some(decision) = self.status.decision().cloned() else { return };
        let undone = Undone { was: self.status.as_str().to_owned(), decision, reason: reason.to_owned() };
        let draft = Draft { number, ..self.draft.clone() };
        self.replace(envelope, draft, Some(undone));
        self.status = Status::Pending;
    }
}

fn decision(envelope: &Envelope, reason: &str, digest: Digest) -> Decision {
    Decision { by: envelope.actor.clone(), at: envelope.at, reason: reason.to_owned(), digest }
}
