//! The one place of this crate that reads a clock.
//!
//! Everything else takes the time as an argument. Called by the screen's loop and by the verbs.

use std::time::Duration;

use chrono::{DateTime, FixedOffset, Local, Utc};
use tokio::time::Instant;

/// The time now.
#[must_use]
pub fn now() -> DateTime<Utc> {
    Utc::now()
}

/// A clock that never goes back: how long ago it was started.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts one.
    #[must_use]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// The time since then.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// How far the clock on the wall is from UTC.
#[must_use]
pub fn zone() -> FixedOffset {
    *Local::now().offset()
}

/// A time in UTC to the minute, in 16 cells.
#[must_use]
pub fn minute(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M").to_string()
}

/// The time from `earlier` to `later`; zero where clocks disagree.
#[must_use]
pub fn between(earlier: DateTime<Utc>, later: DateTime<Utc>) -> Duration {
    later.signed_duration_since(earlier).to_std().unwrap_or_default()
}

/// A time span in at most four cells: `3s`, `12m`, `5h`, `9d`.
#[must_use]
pub fn brief(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..86_400 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", (seconds / 86_400).min(999)),
    }
}

/// A time span as precisely as a person wants it: `3 ms`, `1.2 s`, `40 s`, `12 m`.
#[must_use]
pub fn precise(span: Duration) -> String {
    match span.as_millis() {
        0..1_000 => format!("{} ms", span.as_millis()),
        1_000..10_000 => format!("{:.1} s", span.as_secs_f64()),
        10_000..60_000 => format!("{} s", span.as_secs()),
        _ => format!("{} m", span.as_secs() / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_short() {
        let brief = |s| brief(Duration::from_secs(s));
        assert_eq!([brief(0), brief(59), brief(60), brief(3_599)], ["0s", "59s", "1m", "59m"]);
        assert_eq!([brief(3_600), brief(86_400), brief(u64::MAX)], ["1h", "1d", "999d"]);
        let precise = |ms| precise(Duration::from_millis(ms));
        assert_eq!(
            [precise(3), precise(1_250), precise(40_000), precise(130_000)],
            ["3 ms", "1.2 s", "40 s", "2 m"]
        );
    }
}
