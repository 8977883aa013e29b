//! The gateway's state: a fold over all events, and nothing else.
//!
//! Owns what `decide` needs to know. Total: every event has its effect here, an event that does not follow the
//! last one is an error, and so is a policy that is not what the grants before it make. Cheap to clone, however much
//! is in it, so that a group of commands can be decided on a copy that is thrown away if it cannot be stored.

mod pairs;
mod request;
mod sandbox;

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use rpds::RedBlackTreeMapSync;
use serde::{Deserialize, Serialize};

use crate::event::{Envelope, Event};
use crate::id::{ProposalId, Revision, SandboxName, Seq, Stream};
use crate::inbox::Gap;
use crate::proposal::{Lease, Proposal};
use crate::setting::{Scope, Settings};
use crate::shared;
pub use request::{Done, Requests};
pub use sandbox::{Asked, Sandbox};

/// Names what this program makes of events and how it writes the outcome: another text, perhaps another state.
pub const FORM: &str = env!("OPENSHELL_DOMAIN_FORM");

/// A sorted map that is cloned in no time, whatever its size.
pub type Map<K, V> = RedBlackTreeMapSync<K, V>;

/// Everything that is known, at one place of the log.
///
/// Written and read back it is the same, for a program that folds the same way: [`FORM`] says which do.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct State {
    /// The last event folded.
    pub seq: Seq,
    /// Events in the gateway's own stream so far.
    pub stream_seq: u64,
    /// What is set for all sandboxes.
    pub settings: Settings,
    /// The sandboxes, by name.
    #[serde(with = "shared::values")]
    pub sandboxes: BTreeMap<SandboxName, Arc<Sandbox>>,
    /// Which sandbox a proposal belongs to.
    pub owners: Map<ProposalId, SandboxName>,
    /// The requests that were done under a key.
    pub requests: Requests,
}

/// An event that cannot be folded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FoldError {
    /// It is not the next one.
    #[error("{0}")]
    Gap(#[from] Gap),
    /// The policy that it names is not what the events before it make.
    #[error(
        "revision {revision} of sandbox {sandbox} is not what its policy file and grants make: the log was written by another program, or altered"
    )]
    Policy {
        /// Whose.
        sandbox: SandboxName,
        /// Which.
        revision: Revision,
    },
}

impl State {
    /// Folds the next event.
    ///
    /// # Errors
    /// [`FoldError`]. The state is of no use afterwards if it was [`FoldError::Policy`].
    pub fn fold(&mut self, envelope: &Envelope) -> Result<(), FoldError> {
        if envelope.seq != self.seq.saturating_add(1) {
            return Err(Gap { at: self.seq, given: envelope.seq }.into());
        }
        self.seq = envelope.seq;
        self.requests.note(envelope);
        match &envelope.stream {
            Stream::Gateway => self.apply(envelope),
            Stream::Sandbox(name) => {
                if let Event::ProposalSubmitted { proposal, .. } = &envelope.event {
                    self.owners.insert_mut(*proposal, name.clone());
                }
                let sandbox = match self.sandboxes.get_mut(name) {
                    Some(known) => known,
                    None => self.sandboxes.entry(name.clone()).or_default(),
                };
                Arc::make_mut(sandbox)
                    .apply(envelope, &self.settings)
                    .map_err(|revision| FoldError::Policy { sandbox: name.clone(), revision })?;
            }
        }
        Ok(())
    }

    fn apply(&mut self, envelope: &Envelope) {
        self.stream_seq = envelope.stream_seq;
        if let Event::SettingChanged { key, value } = &envelope.event {
            self.settings.set(key, value.clone());
            for sandbox in self.sandboxes.values_mut() {
                Arc::make_mut(sandbox).view.refresh(&self.settings);
            }
        }
    }

    /// Events in a stream so far.
    #[must_use]
    pub fn stream_seq(&self, stream: &Stream) -> u64 {
        match stream {
            Stream::Gateway => self.stream_seq,
            Stream::Sandbox(name) => self.sandboxes.get(name).map_or(0, |sandbox| sandbox.stream_seq),
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

    /// What holds for a sandbox.
    #[must_use]
    pub fn scope<'s>(&'s self, sandbox: &'s Sandbox) -> Scope<'s> {
        Scope { gateway: &self.settings, sandbox: &sandbox.view.settings }
    }

    /// When the next grant ends by the clock, if one does.
    #[must_use]
    pub fn next_expiry(&self) -> Option<DateTime<Utc>> {
        let grants = self.sandboxes.values().flat_map(|sandbox| sandbox.composition.standing());
        let ends = grants.filter_map(|grant| match grant.lease {
            Lease::Until(end) => Some(end),
            Lease::Once | Lease::Run | Lease::Always => None,
        });
        ends.min()
    }
}
