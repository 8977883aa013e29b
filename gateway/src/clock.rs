//! Time and randomness: the only module of the gateway that reads a clock or draws a number.
//!
//! Everything else takes them as arguments, or a [`Clock`] where time passes while it waits. Times are UTC in whole
//! microseconds, because that is what the log stores and a state folded from memory must equal the state folded
//! from disk. Called by the writer, the timers and the supervisor's door.

use std::pin::Pin;
use std::time::{Duration, Instant, SystemTime};

use chrono::{DateTime, Utc};
use openshell_domain::id::{EventId, ProposalId};
use uuid::Builder;

/// What tells the time. Tests have one of their own that they set.
pub(crate) trait Clock: std::fmt::Debug + Send + Sync + 'static {
    /// The time of day, in whole microseconds.
    fn now(&self) -> DateTime<Utc>;

    /// The time since some moment, for rates and patience, which a changed time of day must not touch.
    fn uptime(&self) -> Duration;

    /// Waits until [`Self::uptime`] is this much more.
    fn sleep(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// The machine's clocks.
#[derive(Debug)]
pub(crate) struct SystemClock(Instant);

impl SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock module")]
    pub(crate) fn new() -> Self {
        Self(Instant::now())
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock module")]
    fn now(&self) -> DateTime<Utc> {
        let now = DateTime::<Utc>::from(SystemTime::now());
        DateTime::from_timestamp_micros(now.timestamp_micros()).unwrap_or(now)
    }

    #[expect(clippy::disallowed_methods, reason = "this is the clock module")]
    fn uptime(&self) -> Duration {
        Instant::now().saturating_duration_since(self.0)
    }

    fn sleep(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(tokio::time::sleep(time))
    }
}

/// How long this thread has computed: time in which others had the processor is not in it.
pub(crate) fn computed() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
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
