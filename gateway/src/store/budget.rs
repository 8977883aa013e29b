//! How much of the log each sandbox has used today: an agent must not be able to fill it.
//!
//! Owns the sum of payload bytes a stream and UTC day. A fold over the events like everything else, so a
//! restarted gateway counts on; the limit itself is the caller's. Called by the writer.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use openshell_domain::id::Stream;

/// What the streams have used on the latest day of each.
#[derive(Debug, Clone, Default)]
pub(crate) struct Budget(BTreeMap<Stream, (NaiveDate, u64)>);

impl Budget {
    /// Counts an event.
    pub(crate) fn add(&mut self, stream: &Stream, at: DateTime<Utc>, bytes: u64) {
        let day = at.date_naive();
        match self.0.get_mut(stream) {
            // A clock that was set back does not give anybody a second budget.
            Some((latest, used)) if *latest >= day => *used = used.saturating_add(bytes),
            Some(entry) => *entry = (day, bytes),
            None => {
                self.0.insert(stream.clone(), (day, bytes));
            }
        }
    }

    /// The bytes that a stream has used on this day.
    pub(crate) fn used(&self, stream: &Stream, now: DateTime<Utc>) -> u64 {
        let day = now.date_naive();
        self.0.get(stream).filter(|(latest, _)| *latest >= day).map_or(0, |(_, used)| *used)
    }
}
