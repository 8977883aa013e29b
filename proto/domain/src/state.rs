//! The gateway's state: a fold over all events, and nothing else.
//!
//! Owns what `decide` needs to know. Total: every event has its effect here, an event that does not follow the
//! last one is an error. Cheap to clone, so that a group of commands can be decided on a copy that is thrown
//! away if it cannot be stored.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::event::{Envelope, Event, Isolation};
use crate::id::{Digest, ProposalId, Revision, RuleName, RunId, SandboxName, Seq};
use crate::inbox::{Gap, SandboxView, apply_to_proposals};
use crate::node::Place;
use crate::policy::Policy;
use crate::policy::effective::{Composition, Grant, Source};
use crate::policy::risk::Credential;
use crate::proposal::{Decision, Proposal};

/// The setting that lets agents of a sandbox propose.
pub const ADVISOR_SETTING: &str = "agent_policy_proposals_enabled";

/// Everything that is known, at one place of the log.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// The last event folded.
    pub seq: Seq,
    /// G.
    pub stream_seq: u64,
    /// The sandboxes, by name.
    pub sandboxes: BTreeMap<SandboxName, Arc<Sandbox>>,
    /// Which sandbox a proposal belongs to.
    pub owners: Arc<BTreeMap<ProposalId, SandboxName>>,
}

/// One sandbox.
#[derive(Debug, Clone, Default)]
pub struct Sandbox {
    /// Events in its stream so far.
    pub stream_seq: u64,
    /// What screens show of it.
    pub view: SandboxView,
    /// SHA-256 of the secret of its latest run.
    pub secret_hash: Option<Digest>,
    /// The policy that its latest run was started with, and the grants beside it.
    pub composition: Composition,
    /// The policy in force, at revision `view.revision`.
    pub policy: Arc<Policy>,
    /// The name of the policy file of its latest run.
    pub policy_file: String,
    /// Where the key of each rule of that file stands.
    pub places: BTreeMap<RuleName, Place>,
    /// The credentials that are usable in its latest run.
    pub credentials: Vec<Credential>,
    /// Absolute paths that the command of its latest run can write.
    pub writable: Vec<String>,
    /// Its proposals, by id.
    pub proposals: BTreeMap<ProposalId, Proposal>,
}

impl Sandbox {
    /// The policy file of its latest run.
    #[must_use]
    pub fn source(&self) -> Source<'_> {
        Source { file: &self.policy_file, places: &self.places }
    }

    /// Whether the command of its latest run is kept in.
    #[must_use]
    pub fn is_isolated(&self) -> bool {
        matches!(self.view.isolation, Some(Isolation::Netns))
    }

    /// Its latest run.
    #[must_use]
    pub fn run(&self) -> Option<RunId> {
        self.view.run
    }

    /// How many proposals await a decision.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.proposals.values().filter(|proposal| proposal.is_pending()).count()
    }

    fn apply(&mut self, envelope: &Envelope) {
        self.stream_seq = envelope.stream_seq;
        self.view.apply(&envelope.event);
        apply_to_proposals(&mut self.proposals, envelope);
        match &envelope.event {
            Event::RunStarted { secret_hash, credentials, writable, .. } => {
                self.secret_hash = Some(*secret_hash);
                self.credentials.clone_from(credentials);
                self.writable.clone_from(writable);
            }
            Event::BasePolicySet { file, policy, places, .. } => {
                self.policy_file.clone_from(file);
                self.places.clone_from(places);
                self.composition.begin(self.view.run, policy.clone());
            }
            Event::ProposalApproved { .. } => self.grant(envelope),
            Event::GrantExpired { proposal } => self.composition.end(*proposal, envelope.at),
            Event::PolicyRevised { policy, .. } => self.policy = Arc::new(policy.clone()),
            _ => {}
        }
    }

    fn grant(&mut self, envelope: &Envelope) {
        let Event::ProposalApproved { proposal, lease, reason, key, digest, .. } = &envelope.event else {
            return;
        };
        let Some(known) = self.proposals.get(proposal) else { return };
        let derived = || self.composition.key_for(&known.draft.rule_name, *proposal);
        let Some(key) = key.clone().or_else(derived) else { return };
        let (by, at) = (envelope.actor.clone(), envelope.at);
        let decision = Decision { by, at, reason: reason.clone(), digest: *digest };
        self.composition.grant(Grant {
            key,
            proposal: *proposal,
            draft: known.draft.clone(),
            lease: *lease,
            decision,
            run: self.view.run,
            base: self.composition.base_hash(),
            ended: None,
        });
    }
}

impl State {
    /// Folds the next event.
    ///
    /// # Errors
    /// [`Gap`] when it is not the next one; nothing changed then.
    pub fn fold(&mut self, envelope: &Envelope) -> Result<(), Gap> {
        if envelope.seq != self.seq.saturating_add(1) {
            return Err(Gap { at: self.seq, given: envelope.seq });
        }
        self.seq = envelope.seq;
        let Some(name) = envelope.stream.sandbox() else {
            self.stream_seq = envelope.stream_seq;
            return Ok(());
        };
        let sandbox = self.sandboxes.entry(name.clone()).or_default();
        Arc::make_mut(sandbox).apply(envelope);
        if let Event::ProposalSubmitted { proposal, .. } = &envelope.event {
            Arc::make_mut(&mut self.owners).insert(*proposal, name.clone());
        }
        Ok(())
    }

    /// Events in a stream so far.
    #[must_use]
    pub fn stream_seq(&self, stream: &crate::id::Stream) -> u64 {
        match stream {
            crate::id::Stream::Gateway => self.stream_seq,
            crate::id::Stream::Sandbox(name) => {
                self.sandboxes.get(name).map_or(0, |sandbox| sandbox.stream_seq)
            }
        }
    }

    /// The proposal with this id, in whichever sandbox it is.
    #[must_use]
    pub fn proposal(&self, id: ProposalId) -> Option<&Proposal> {
        self.owners.get(&id).and_then(|name| self.sandboxes.get(name)).and_then(|s| s.proposals.get(&id))
    }

    /// The latest revision of a sandbox.
    #[must_use]
    pub fn revision(&self, sandbox: &SandboxName) -> Revision {
        self.sandboxes.get(sandbox).map(|sandbox| sandbox.view.revision).unwrap_or_default()
    }
}
