//! Requests that were done under a key: asking again for the same does nothing, and is answered the same.

use serde::{Deserialize, Serialize};

use super::{Map, pairs};
use crate::event::{Actor, ActorKind, Envelope, Event, RequestKey};
use crate::id::{Digest, ProposalId, Revision, SandboxName, Seq, Stream};

/// How many are remembered.
const KEPT: usize = 10_000;

/// What a request came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// SHA-256 of what was asked.
    pub body: Digest,
    /// Its first event.
    pub seq: Seq,
    /// The proposal that it was about.
    pub proposal: Option<ProposalId>,
    /// The first revision with the grant, where it was an approval.
    pub revision: Revision,
}

/// The latest of them, by whose key it is and the key.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Requests {
    #[serde(with = "pairs")]
    done: Map<(String, String), Done>,
    order: Map<Seq, (String, String)>,
}

impl Requests {
    /// What an actor's request with this key came to.
    #[must_use]
    pub fn done(&self, actor: &Actor, stream: &Stream, request: &RequestKey) -> Option<&Done> {
        self.done.get(&(owner(actor, stream), request.key.clone()))
    }

    /// What the request of an agent of a sandbox with this key came to.
    #[must_use]
    pub fn done_for(&self, sandbox: &SandboxName, key: &str) -> Option<&Done> {
        self.done.get(&(of_agents(sandbox.as_str()), key.to_owned()))
    }

    pub(super) fn note(&mut self, envelope: &Envelope) {
        let Some(request) = &envelope.actor.request else { return };
        let name = (owner(&envelope.actor, &envelope.stream), request.key.clone());
        if self.done.contains_key(&name) {
            return;
        }
        let revision = match &envelope.event {
            Event::ProposalApproved { revision, .. } => *revision,
            _ => Revision::default(),
        };
        let (body, proposal) = (request.body, envelope.event.proposal());
        self.done.insert_mut(name.clone(), Done { body, seq: envelope.seq, proposal, revision });
        self.order.insert_mut(envelope.seq, name);
        if self.order.size() > KEPT
            && let Some((seq, name)) = self.order.first().map(|(seq, name)| (*seq, name.clone()))
        {
            self.order.remove_mut(&seq);
            self.done.remove_mut(&name);
        }
    }
}

/// Whose a key is. An agent's belongs to its sandbox: two that run the same program know nothing of one another.
fn owner(actor: &Actor, stream: &Stream) -> String {
    match actor.kind {
        ActorKind::Agent => of_agents(stream.as_str()),
        ActorKind::Reviewer | ActorKind::System => actor.id.clone(),
    }
}

fn of_agents(sandbox: &str) -> String {
    format!("agents of {sandbox}")
}
