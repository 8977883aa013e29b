//! How fast decisions are made, of the latest ones. Pure: the time is an argument.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use openshell_domain::event::ActorKind;
use openshell_domain::proposal::Proposal;

use crate::clock;

/// Over how many decisions it is counted.
pub const SAMPLE: usize = 250;

/// Decisions in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rate {
    /// How many decisions were looked at: the latest, at most [`SAMPLE`].
    pub decisions: usize,
    /// How many of them were made in the last hour.
    pub last_hour: usize,
    /// The median time from the ask to a person's decision.
    pub median: Option<Duration>,
    /// Denials that made no row of their own.
    pub folded: u64,
    /// How many were granted by standing orders.
    pub auto: usize,
}

impl Rate {
    /// Counts decided proposals.
    pub fn of<'p>(decided: impl Iterator<Item = &'p Proposal>, now: DateTime<Utc>) -> Self {
        let (mut rate, mut waits) = (Self::default(), Vec::new());
        for proposal in decided {
            let Some(decision) = proposal.status.decision() else { continue };
            rate.decisions += 1;
            rate.last_hour += usize::from(decision.at > now - TimeDelta::hours(1));
            let denials = proposal.evidence.iter().fold(0_u64, |sum, seen| sum.saturating_add(seen.count));
            rate.folded = rate.folded.saturating_add(denials.saturating_sub(1));
            match decision.by.kind {
                ActorKind::System => rate.auto += 1,
                _ => waits.push(clock::between(proposal.submitted_at, decision.at)),
            }
        }
        waits.sort_unstable();
        rate.median = waits.get(waits.len() / 2).copied();
        rate
    }

    /// `12 in the last hour · median 8 s to decide · 31 repeated denials in their rows · 25 % by standing orders`.
    #[must_use]
    pub fn words(&self) -> String {
        let more = if self.last_hour == SAMPLE { "+" } else { "" };
        let median = self.median.map_or_else(|| "–".to_owned(), clock::precise);
        let share = (self.auto * 100).checked_div(self.decisions).unwrap_or(0);
        format!(
            "{}{more} in the last hour · median {median} to decide · {} repeated denials in their rows · \
             {share} % by standing orders",
            self.last_hour, self.folded
        )
    }
}
