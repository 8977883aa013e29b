//! The supervisor's only clock and only source of randomness.
//!
//! Everything else takes times and ids as arguments, so that it can be tested at any time of day.

use std::time::Duration;

use chrono::{DateTime, Utc};
use rustix::time::{ClockId, clock_gettime};
use uuid::Uuid;

/// What both clocks said at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// The time of day, which may be set.
    pub wall: DateTime<Utc>,
    /// The time since the machine was started, with what it slept through; nobody can set it.
    pub boot: Duration,
}

/// Both clocks, now.
#[must_use]
pub fn reading() -> Reading {
    // A time since the start that is none ends every lease.
    let boot = Duration::try_from(clock_gettime(ClockId::Boottime)).unwrap_or(Duration::MAX);
    Reading { wall: now(), boot }
}

/// Now, in UTC.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub fn now() -> DateTime<Utc> {
    std::time::SystemTime::now().into()
}

/// A new random id (UUID version 4).
///
/// # Errors
/// The kernel's, when it has no randomness to give.
pub fn random_id() -> Result<Uuid, getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(uuid::Builder::from_random_bytes(bytes).into_uuid())
}
