//! How much of the log each sandbox has used today: an agent must not be able to fill it.
//!
//! Owns the sum of payload bytes a stream and UTC day. A fold over the events like everything else, so a
//! restarted gateway counts on; the limit itself is the caller's. Called by the writer.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use openshell_domain::id::{IdError, Stream};
use serde::{Deserialize, Serialize};

/// What the streams have used on the latest day of each.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(into = "Vec<Used>", try_from = "Vec<Used>")]
pub(crate) struct Budget(BTreeMap<Stream, (NaiveDate, u64)>);

/// As it is written: the stream's text, the day, the bytes.
type Used = (String, NaiveDate, u64);

impl From<Budget> for Vec<Used> {
    fn from(budget: Budget) -> Self {
        let written = |(stream, (day, used)): (Stream, _)| (stream.as_str().to_owned(), day, used);
        budget.0.into_iter().map(written).collect()
    }
}

impl TryFrom<Vec<Used>> for Budget {
    type Error = IdError;
    fn try_from(written: Vec<Used>) -> Result<Self, IdError> {
        let read = |(stream, day, used): Used| Ok((stream.parse()?, (day, used)));
        written.into_iter().map(read).collect::<Result<_, _>>().map(Self)
    }
}

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
