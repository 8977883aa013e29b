//! A token bucket: how fast a sandbox may submit.
//!
//! Pure: time is an argument, and all arithmetic is in whole units, so that a rate is exact and nothing drifts.
//! Called by the supervisor's door, once for each request with as many tokens as it has operations.

use std::time::Duration;

/// One token, so that a rate per minute is a whole number of units per millisecond.
const TOKEN: u64 = 60_000;

/// A bucket. Full at first.
#[derive(Debug, Clone)]
pub(crate) struct Bucket {
    capacity: u64,
    per_milli: u64,
    level: u64,
    at_milli: u64,
}

/// The bucket has too little in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Empty {
    /// It will have enough after this time.
    For(Duration),
    /// It never holds that much.
    Always,
}

impl Bucket {
    /// A bucket that holds `burst` tokens and gains `per_minute`; `now` counts from any fixed moment.
    pub(crate) fn new(burst: u32, per_minute: u32, now: Duration) -> Self {
        let capacity = u64::from(burst) * TOKEN;
        Self { capacity, per_milli: u64::from(per_minute), level: capacity, at_milli: millis(now) }
    }

    /// Changes its size and its rate; what is in it stays, as far as it fits.
    pub(crate) fn set(&mut self, burst: u32, per_minute: u32) {
        self.capacity = u64::from(burst) * TOKEN;
        self.per_milli = u64::from(per_minute);
        self.level = self.level.min(self.capacity);
    }

    /// Takes that many tokens, or none.
    pub(crate) fn take(&mut self, tokens: u32, now: Duration) -> Result<(), Empty> {
        let now = millis(now);
        let gained = now.saturating_sub(self.at_milli).saturating_mul(self.per_milli);
        self.level = self.level.saturating_add(gained).min(self.capacity);
        self.at_milli = self.at_milli.max(now);
        let wanted = u64::from(tokens) * TOKEN;
        if let Some(rest) = self.level.checked_sub(wanted) {
            self.level = rest;
            return Ok(());
        }
        if wanted > self.capacity || self.per_milli == 0 {
            return Err(Empty::Always);
        }
        Err(Empty::For(Duration::from_millis((wanted - self.level).div_ceil(self.per_milli))))
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_burst_then_the_rate_and_a_refusal_costs_nothing() {
        let mut bucket = Bucket::new(10, 30, SECOND);
        for _ in 0..10 {
            assert_eq!(bucket.take(1, SECOND), Ok(()));
        }
        assert_eq!(bucket.take(1, SECOND), Err(Empty::For(2 * SECOND)));
        assert_eq!(bucket.take(1, 2 * SECOND), Err(Empty::For(SECOND)));
        assert_eq!(bucket.take(1, 3 * SECOND), Ok(()));
        assert_eq!(bucket.take(1, 3 * SECOND), Err(Empty::For(2 * SECOND)));
    }

    #[test]
    fn it_never_holds_more_than_the_burst() {
        let mut bucket = Bucket::new(2, 60, SECOND);
        let late = 3600 * SECOND;
        assert_eq!(bucket.take(3, late), Err(Empty::Always));
        assert_eq!(bucket.take(2, late), Ok(()));
        assert_eq!(bucket.take(1, late), Err(Empty::For(SECOND)));
        assert_eq!(Bucket::new(1, 0, SECOND).take(2, late), Err(Empty::Always));
    }

    #[test]
    fn a_changed_limit_holds_at_once_and_fills_nothing() {
        let mut bucket = Bucket::new(2, 60, SECOND);
        assert_eq!(bucket.take(2, SECOND), Ok(()));
        bucket.set(10, 60);
        assert_eq!(bucket.take(1, SECOND), Err(Empty::For(SECOND)));
        assert_eq!(bucket.take(5, 6 * SECOND), Ok(()));
        bucket.set(1, 60);
        assert_eq!(bucket.take(2, 60 * SECOND), Err(Empty::Always));
        assert_eq!(bucket.take(1, 60 * SECOND), Ok(()));
    }

    #[test]
    fn a_clock_that_goes_back_gives_nothing() {
        let mut bucket = Bucket::new(1, 60, 10 * SECOND);
        assert_eq!(bucket.take(1, 10 * SECOND), Ok(()));
        assert_eq!(bucket.take(1, SECOND), Err(Empty::For(SECOND)));
        assert_eq!(bucket.take(1, 10 * SECOND), Err(Empty::For(SECOND)));
        assert_eq!(bucket.take(1, 11 * SECOND), Ok(()));
    }
}
