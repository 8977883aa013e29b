//! One sandbox, as its events have made it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Map, pairs};
use crate::event::{Envelope, Event, Isolation};
use crate::id::{Digest, ProposalId, Revision, RuleName, RunId};
use crate::inbox::SandboxView;
use crate::node::Place;
use crate::policy::Policy;
use crate::policy::authority::Ground;
use crate::policy::effective::{Composition, Grant, Source};
use crate::policy::risk::Credential;
use crate::proposal::{Decision, Draft, Origin, Proposal};
use crate::setting::Settings;
use crate::shared;

/// One sandbox.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
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
    #[serde(with = "shared::one")]
    pub policy: Arc<Policy>,
    /// The name of the policy file of its latest run.
    pub policy_file: String,
    /// Where the key of each rule of that file stands.
    #[serde(with = "shared::one")]
    pub places: Arc<BTreeMap<RuleName, Place>>,
    /// The credentials that are usable in its latest run.
    pub credentials: Vec<Credential>,
    /// Absolute paths that the command of its latest run can write.
    pub writable: Vec<String>,
    /// Its proposals, by id.
    pub proposals: Map<ProposalId, Proposal>,
    /// Those that await a decision, with who drafted them.
    pub pending: Map<ProposalId, Origin>,
    /// The latest proposal of the mapper for each thing that it asks for.
    #[serde(with = "pairs")]
    pub mapped: Map<Asked, ProposalId>,
    /// How many of the pending ones are the mapper's.
    pub mapped_pending: usize,
}

/// What the mapper asks for: one proposal is pending for each.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Asked {
    /// The host as it is written.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The binary.
    pub binary: String,
}

impl Asked {
    /// What a draft of the mapper asks for; `None` where it has no endpoint.
    #[must_use]
    pub fn by(draft: &Draft) -> Option<Self> {
        let endpoint = draft.rule.endpoints.first()?;
        let port = endpoint.ports.first().copied()?;
        Some(Self { host: endpoint.host.to_string(), port, binary: draft.binary().to_owned() })
    }
}

impl Sandbox {
    /// The policy file of its latest run.
    #[must_use]
    pub fn source(&self) -> Source<'_> {
        Source { file: &self.policy_file, places: &self.places }
    }

    /// What asks are compared with.
    #[must_use]
    pub fn ground(&self) -> Ground<'_> {
        let standing = self.composition.standing();
        let grants = standing.map(|grant| (grant.key.as_str(), &grant.draft.rule)).collect();
        Ground::new(self.composition.base(), grants)
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

    /// Its latest run, unless that has ended.
    #[must_use]
    pub fn live_run(&self) -> Option<RunId> {
        self.view.run.filter(|_| self.view.ended.is_none())
    }

    /// How many proposals await a decision: the mapper's, or all the others.
    #[must_use]
    pub fn pending(&self, origin: Origin) -> usize {
        match origin {
            Origin::Mechanistic => self.mapped_pending,
            Origin::AgentAuthored | Origin::Reviewer => {
                self.pending.size().saturating_sub(self.mapped_pending)
            }
        }
    }

    /// Folds one event of this sandbox. An error is the revision that does not follow.
    pub(super) fn apply(&mut self, envelope: &Envelope, gateway: &Settings) -> Result<(), Revision> {
        self.stream_seq = envelope.stream_seq;
        self.view.apply(&envelope.event, gateway);
        self.apply_to_proposals(envelope);
        match &envelope.event {
            Event::RunStarted { secret_hash, credentials, writable, .. } => {
                self.secret_hash = Some(*secret_hash);
                self.credentials.clone_from(credentials);
                self.writable.clone_from(writable);
            }
            Event::BasePolicySet { file, policy, places, .. } => {
                self.policy_file.clone_from(file);
                self.places = Arc::new(places.clone());
                self.composition.begin(self.view.run, policy.clone());
            }
            Event::ProposalApproved { .. } => self.grant(envelope),
            Event::GrantExpired { proposal }
            | Event::GrantRevoked { proposal, .. }
            | Event::DecisionUndone { proposal, .. } => self.composition.end(*proposal, envelope.at),
            Event::PolicyRevised { revision, hash } => {
                let policy = self.composition.effective();
                if policy.hash() != *hash {
                    return Err(*revision);
                }
                self.policy = Arc::new(policy);
            }
            _ => {}
        }
        Ok(())
    }

    fn apply_to_proposals(&mut self, envelope: &Envelope) {
        if let Some(fresh) = Proposal::begun_by(envelope) {
            if let (Origin::Mechanistic, Some(asked)) = (fresh.origin, Asked::by(&fresh.draft)) {
                self.mapped.insert_mut(asked, fresh.id);
            }
            self.count((fresh.id, fresh.origin), fresh.is_pending());
            self.proposals.insert_mut(fresh.id, fresh);
            return;
        }
        let Some(id) = envelope.event.proposal() else { return };
        let Some(known) = self.proposals.get_mut(&id) else { return };
        known.apply(envelope);
        let (of, is_pending) = ((known.id, known.origin), known.is_pending());
        self.count(of, is_pending);
    }

    /// Keeps the numbers of pending proposals true after a change of this one.
    fn count(&mut self, (id, origin): (ProposalId, Origin), is_pending: bool) {
        let was_pending = self.pending.contains_key(&id);
        let is_mapped = usize::from(origin == Origin::Mechanistic);
        match (was_pending, is_pending) {
            (false, true) => {
                self.pending.insert_mut(id, origin);
                self.mapped_pending += is_mapped;
            }
            (true, false) => {
                self.pending.remove_mut(&id);
                self.mapped_pending = self.mapped_pending.saturating_sub(is_mapped);
            }
            (true, true) | (false, false) => {}
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
