//! Time and randomness: the only module of the gateway that reads a clock or draws a number.
//!
//! Everything else takes them as arguments. Times are UTC in whole microseconds, because that is what the log
//! stores and a state folded from memory must equal the state folded from disk. Called by the writer and the
//! supervisor's door.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime};

use chrono::{DateTime, Utc};
use openshell_domain::id::{EventId, ProposalId};
use uuid::Builder;

/// The time of day, in whole microseconds.
#[expect(clippy::disallowed_methods, reason = "this is the clock module")]
pub(crate) fn now() -> DateTime<Utc> {
    let now = DateTime::<Utc>::from(SystemTime::now());
    DateTime::from_timestamp_micros(now.timestamp_micros()).unwrap_or(now)
}

/// The time since the first call: for rates, which a changed wall clock must not touch.
#[expect(clippy::disallowed_methods, reason = "this is the clock module")]
pub(crate) fn uptime() -> Duration {
    static START: OnceLock<Instant> = OnceLock::new();
    let now = Instant::now();
    now.saturating_duration_since(*START.get_or_init(|| now))
}

/// Random bytes from the operating system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], getrandom::Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

/// An id for an event at `at` (UUID version 7).
pub(crate) fn event_id(at: DateTime<Utc>) -> Result<EventId, getrandom::Error> {
    let millis = u64::try_from(at.timestamp_millis()).unwrap_or_default();
    Ok(EventId(Builder::from_unix_timestamp_millis(millis, &random()?).into_uuid()))
}

/// An id for a proposal (UUID version 4).
pub(crate) fn proposal_id() -> Result<ProposalId, getrandom::Error> {
    Ok(ProposalId(Builder::from_random_bytes(random()?).into_uuid()))
}
