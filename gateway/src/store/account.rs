//! What the writer knows of the log beside the state: what each sandbox has used, and what nobody has signed yet.
//!
//! A fold over the stored events, so a restarted gateway goes on where the last one stopped. Called by the log
//! (replay) and the writer (each stored group).

use chrono::{DateTime, TimeDelta, Utc};
use openshell_domain::checkpoint::PublicKey;
use openshell_domain::event::Event;
use serde::{Deserialize, Serialize};

use super::budget::Budget;
use super::record::Record;

/// So many events may stand unsigned.
const MAX_UNSIGNED: u64 = 1000;
/// So long an event may stand unsigned.
const MAX_AGE: TimeDelta = TimeDelta::seconds(60);

/// The account.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Account {
    /// What the streams have used.
    pub(crate) budget: Budget,
    /// Who signed last.
    signer: Option<String>,
    /// Events after the last checkpoint, without checkpoints: an idle log is not signed again and again.
    unsigned: u64,
    /// When the first of them was stored.
    oldest: Option<DateTime<Utc>>,
}

impl Account {
    /// Counts a stored event.
    pub(crate) fn add(&mut self, record: &Record) {
        let envelope = &record.envelope;
        if let Event::Checkpoint { public_key, .. } = &envelope.event {
            self.signer = Some(public_key.clone());
            (self.unsigned, self.oldest) = (0, None);
            return;
        }
        self.budget.add(&envelope.stream, envelope.at, record.bytes());
        self.unsigned += 1;
        self.oldest.get_or_insert(envelope.at);
    }

    /// Whether the head of the log is to be signed.
    pub(crate) fn is_checkpoint_due(&self, now: DateTime<Utc>) -> bool {
        let is_old = self.oldest.is_some_and(|oldest| now.signed_duration_since(oldest) >= MAX_AGE);
        self.unsigned >= MAX_UNSIGNED || is_old
    }

    /// The key that signed last.
    pub(crate) fn signer(&self) -> Option<&str> {
        self.signer.as_deref()
    }

    /// Whether this key has signed nothing while another one has.
    pub(crate) fn is_new_signer(&self, key: PublicKey) -> bool {
        self.signer.as_ref().is_some_and(|signer| *signer != key.to_string())
    }
}
