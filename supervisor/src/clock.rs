//! The supervisor's only clock and only source of randomness.
//!
//! Everything else takes times and ids as arguments, so that it can be tested at any time of day.

use chrono::{DateTime, Utc};
use uuid::Uuid;

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
