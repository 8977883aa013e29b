//! How long to wait before the next try: doubling, capped, and never the same for two clients.
//!
//! Pure: the randomness is an argument.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(200);
const CAP: Duration = Duration::from_secs(4);

/// The wait before try number `failures` (from 1): half of it fixed, half by `chance`, at most 4 s.
#[must_use]
pub fn wait(failures: u32, chance: u16) -> Duration {
    let doubled = FIRST.saturating_mul(1 << failures.saturating_sub(1).min(8)).min(CAP);
    let half = doubled / 2;
    half + half * u32::from(chance) / u32::from(u16::MAX)
}

/// A number that nobody else has.
#[must_use]
pub fn chance() -> u16 {
    let mut bytes = [0; 2];
    // Without randomness clients only come back in step; that is no reason to fail.
    getrandom::fill(&mut bytes).unwrap_or_default();
    u16::from_ne_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_to_a_cap_and_differ() {
        assert_eq!(wait(1, 0), FIRST / 2);
        assert_eq!(wait(1, u16::MAX), FIRST);
        assert_eq!(wait(2, u16::MAX), FIRST * 2);
        assert_eq!(wait(u32::MAX, u16::MAX), CAP);
        assert!((CAP / 2..=CAP).contains(&wait(40, 7_000)));
    }
}
