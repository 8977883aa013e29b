//! How long a grant lives (`domain.md` §5).
//!
//! Pure: the time, the run and the policy file are given. A lease never outlives what the reviewer could foresee:
//! `until` ends with its run as well, and only `always` is carried into another run, of the same policy file.
//! Spending a `once`, ending a grant and waking up for it are events, and belong to the shells.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::id::{Digest, RunId};

/// How long a grant lives. The order is from the least to the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lease {
    /// For one request of the run.
    Once,
    /// Until this time, exclusive, or until the run ends, if that is earlier.
    Until(DateTime<Utc>),
    /// Until the run ends.
    #[default]
    Run,
    /// In later runs of the sandbox too, as long as its policy file says the same.
    Always,
}

/// What leases depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The time.
    pub now: DateTime<Utc>,
    /// The latest run; `None` before the first.
    pub run: Option<RunId>,
    /// [`crate::policy::Policy::hash`] of the base policy.
    pub base: Digest,
}

impl Lease {
    /// Whether what was granted at `since` with this lease is in force at `at`.
    #[must_use]
    pub fn is_active(self, since: &Moment, at: &Moment) -> bool {
        let is_same_run = since.run == at.run;
        match self {
            Self::Once | Self::Run => is_same_run,
            Self::Until(end) => is_same_run && at.now < end,
            Self::Always => since.base == at.base,
        }
    }

    /// This lease or `max`, whichever is less: what a `max_lease` makes of it.
    #[must_use]
    pub fn capped(self, max: Self) -> Self {
        self.min(max)
    }
}

/// How long a reviewer wants a grant to live, before anybody looked at a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseAsk {
    /// For one request.
    Once,
    /// For this time from the decision on.
    For(TimeDelta),
    /// Until this time.
    Until(DateTime<Utc>),
    /// Until the run ends.
    Run,
    /// Until it is revoked.
    Always,
}

/// A text that asks for no lease.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a lease: once, run, always, a duration such as 90s, 15m, 1h or 7d (at most 366d), or a time such \
     as 2027-01-15T08:00:00Z"
)]
pub struct LeaseError(pub String);

/// The longest duration of a lease.
const LONGEST: TimeDelta = TimeDelta::days(366);

impl LeaseAsk {
    /// The lease of a decision at `now`.
    #[must_use]
    pub fn at(self, now: DateTime<Utc>) -> Lease {
        match self {
            Self::Once => Lease::Once,
            Self::For(time) => Lease::Until(now.checked_add_signed(time).unwrap_or(DateTime::<Utc>::MAX_UTC)),
            Self::Until(end) => Lease::Until(end),
            Self::Run => Lease::Run,
            Self::Always => Lease::Always,
        }
    }
}

impl FromStr for LeaseAsk {
    type Err = LeaseError;
    fn from_str(text: &str) -> Result<Self, LeaseError> {
        let wrong = || LeaseError(text.to_owned());
        match text {
            "once" => return Ok(Self::Once),
            "run" => return Ok(Self::Run),
            "always" => return Ok(Self::Always),
            _ => {}
        }
        if let Ok(end) = DateTime::parse_from_rfc3339(text) {
            return Ok(Self::Until(end.to_utc()));
        }
        let unit = text.chars().last().ok_or_else(wrong)?;
        let number: i64 = text.strip_suffix(unit).and_then(|n| n.parse().ok()).ok_or_else(wrong)?;
        let time = match unit {
            's' => TimeDelta::try_seconds(number),
            'm' => TimeDelta::try_minutes(number),
            'h' => TimeDelta::try_hours(number),
            'd' => TimeDelta::try_days(number),
            _ => None,
        };
        time.filter(|time| (TimeDelta::seconds(1)..=LONGEST).contains(time)).map(Self::For).ok_or_else(wrong)
    }
}

impl fmt::Display for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Once => f.write_str("for one request"),
            Self::Until(end) => write!(f, "until {}", end.to_rfc3339_opts(SecondsFormat::Secs, true)),
            Self::Run => f.write_str("until the run ends"),
            Self::Always => f.write_str("until it is revoked"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64, run: u128, base: u8) -> Moment {
        Moment {
            now: DateTime::from_timestamp(seconds, 0).unwrap(),
            run: Some(RunId(uuid::Uuid::from_u128(run))),
            base: Digest([base; 32]),
        }
    }

    #[test]
    fn every_lease_ends_where_it_says() {
        let since = at(100, 1, 1);
        let until = Lease::Until(at(200, 1, 1).now);
        for (lease, in_run, at_end, next_run, other_base) in [
            (Lease::Once, true, true, false, false),
            (until, true, false, false, false),
            (Lease::Run, true, true, false, false),
            (Lease::Always, true, true, true, false),
        ] {
            assert_eq!(lease.is_active(&since, &at(199, 1, 1)), in_run, "{lease}");
            assert_eq!(lease.is_active(&since, &at(200, 1, 1)), at_end, "{lease}");
            assert_eq!(lease.is_active(&since, &at(199, 2, 1)), next_run, "{lease}");
            assert_eq!(lease.is_active(&since, &at(199, 2, 2)), other_base, "{lease}");
        }
    }

    #[test]
    fn events_of_the_first_version_are_read_and_all_are_written_back() {
        let until = Lease::Until(at(1_800_000_000, 1, 1).now);
        for (lease, text) in [
            (Lease::Once, r#""once""#),
            (until, r#"{"until":"2027-01-15T08:00:00Z"}"#),
            (Lease::Run, r#""run""#),
            (Lease::Always, r#""always""#),
        ] {
            assert_eq!(serde_json::to_string(&lease).unwrap(), text);
            assert_eq!(serde_json::from_str::<Lease>(text).unwrap(), lease);
        }
        assert!(serde_json::from_str::<Lease>(r#""forever""#).is_err());
    }

    #[test]
    fn an_ask_is_a_word_a_duration_or_a_time_and_nothing_else() {
        let now = at(1_800_000_000, 1, 1).now;
        for (text, lease) in [
            ("once", Lease::Once),
            ("run", Lease::Run),
            ("always", Lease::Always),
            ("90s", Lease::Until(at(1_800_000_090, 1, 1).now)),
            ("15m", Lease::Until(at(1_800_000_900, 1, 1).now)),
            ("1h", Lease::Until(at(1_800_003_600, 1, 1).now)),
            ("366d", Lease::Until(now + TimeDelta::days(366))),
            ("2027-01-15T09:00:00+01:00", Lease::Until(at(1_800_000_000, 1, 1).now)),
        ] {
            assert_eq!(text.parse::<LeaseAsk>().map(|ask| ask.at(now)), Ok(lease), "{text}");
        }
        for text in ["", "0s", "-1h", "367d", "1w", "1", "h", "1 h", "forever", "9999999999999999999d", "ü"]
        {
            assert_eq!(text.parse::<LeaseAsk>(), Err(LeaseError(text.into())));
        }
    }

    #[test]
    fn a_cap_is_never_exceeded_and_never_lengthens() {
        let (soon, late) = (Lease::Until(at(1, 1, 1).now), Lease::Until(at(2, 1, 1).now));
        let all = [Lease::Once, soon, late, Lease::Run, Lease::Always];
        for (index, lease) in all.into_iter().enumerate() {
            for (max_index, max) in all.into_iter().enumerate() {
                assert_eq!(lease.capped(max), all[index.min(max_index)]);
            }
        }
    }
}
