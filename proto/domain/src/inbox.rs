//! The inbox projection: what a reviewer's screen is made of, folded from the same events as everything else.
//!
//! Starts from a snapshot of the gateway and then applies envelopes one by one; a gap is an error, because a
//! screen that missed an event would lie. Also the part of the gateway's state that it sends as that snapshot.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::event::{Envelope, Event, Isolation, RunEnd};
use crate::id::{ProposalId, Revision, RunId, SandboxName, Seq, Stream};
use crate::proposal::Proposal;
use crate::review::Review;
use crate::setting::{Key, Scope, Settings};

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
    /// Why that run is over, if it is.
    #[serde(default)]
    pub ended: Option<RunEnd>,
    /// What is set for this sandbox.
    #[serde(default)]
    pub settings: Settings,
    /// Whether its agents may propose.
    pub advisor: bool,
    /// The latest revision.
    pub revision: Revision,
    /// The latest revision that the supervisor of the latest run reported as loaded.
    pub loaded: Revision,
    /// Why a later one was not.
    pub load_error: Option<String>,
    /// Which one that was.
    #[serde(default)]
    pub failed: Revision,
    /// Whether the loaded one stays in force meanwhile; otherwise everything is denied.
    #[serde(default)]
    pub is_retained: bool,
}

impl SandboxView {
    /// Takes in what is set for all sandboxes.
    pub fn refresh(&mut self, gateway: &Settings) {
        self.advisor = Scope { gateway, sandbox: &self.settings }.is_on(Key::Advisor);
    }

    /// Applies one event of the sandbox; `gateway` is what is set for all.
    pub fn apply(&mut self, event: &Event, gateway: &Settings) {
        match event {
            Event::RunStarted { run, isolation, host_root, .. } => {
                self.run = Some(*run);
                self.isolation = Some(*isolation);
                self.host_root = *host_root;
                self.ended = None;
                self.loaded = Revision::default();
                self.told_load(Revision::default(), None, false);
            }
            Event::RunEnded { reason, .. } => self.ended = Some(*reason),
            Event::SettingChanged { key, value } => {
                self.settings.set(key, value.clone());
                self.refresh(gateway);
            }
            Event::PolicyRevised { revision, .. } => self.revision = *revision,
            Event::PolicyLoaded { revision, .. } => {
                self.loaded = *revision;
                self.told_load(Revision::default(), None, false);
            }
            Event::PolicyLoadFailed { revision, error, is_retained, .. } => {
                self.told_load(*revision, Some(error), *is_retained);
            }
            _ => {}
        }
    }

    fn told_load(&mut self, failed: Revision, error: Option<&String>, is_retained: bool) {
        (self.failed, self.load_error, self.is_retained) = (failed, error.cloned(), is_retained);
    }
}

/// The inbox at one place of the log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inbox {
    /// The last event in it.
    pub seq: Seq,
    /// What is set for all sandboxes.
    pub settings: Settings,
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
        match &envelope.stream {
            Stream::Gateway => self.apply_to_all(&envelope.event),
            Stream::Sandbox(name) => {
                self.sandboxes.entry(name.clone()).or_default().apply(&envelope.event, &self.settings);
            }
        }
        if let Some(fresh) = Proposal::begun_by(envelope) {
            self.proposals.insert(fresh.id, fresh);
        } else if let Some(known) = envelope.event.proposal().and_then(|id| self.proposals.get_mut(&id)) {
            known.apply(envelope);
        }
        Ok(())
    }

    fn apply_to_all(&mut self, event: &Event) {
        if let Event::SettingChanged { key, value } = event {
            self.settings.set(key, value.clone());
            self.sandboxes.values_mut().for_each(|sandbox| sandbox.refresh(&self.settings));
        }
    }
}
