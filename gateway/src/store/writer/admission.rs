//! What an agent's ask costs, and whether the log can bear it: before it is decided, because it is then no refusal
//! of what is asked.
//!
//! Refuses what agents cause once their sandbox has used its part of the log for today, or while the disk that is
//! kept for decisions is not whole. Never refuses a decision, a revocation or a report. Called by the writer.

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use openshell_domain::command::Command;
use openshell_domain::id::{SandboxName, Stream};
use openshell_domain::proposal::Origin;
use openshell_domain::setting::Key;

use super::{Group, NotDone};
use crate::store::EventLog;
use crate::store::account::Account;
use crate::store::budget::Budget;

/// Bytes in a MiB.
const MIB: u64 = 1024 * 1024;

/// Why nothing is taken from agents now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Reason {
    /// The sandbox has written its part of the log.
    #[error(
        "log_budget: the sandbox has written the {mib} MiB of log that it may write in a day; it may ask again in {again_s} s (midnight UTC)"
    )]
    LogBudget {
        /// How much that is.
        mib: u64,
        /// When the next day begins, in seconds from now.
        again_s: u64,
    },
    /// The disk is nearly full.
    #[error(
        "disk_reserve: the disk of the event log is nearly full; what is left is kept for decisions, and proposals are taken again when there is room"
    )]
    DiskReserve,
}

/// How long until somebody should look whether a disk has room again, in seconds.
const LOOK_AGAIN_S: u64 = 60;

impl Reason {
    /// In how many seconds it may be asked again.
    pub(crate) fn again_s(self) -> u64 {
        match self {
            Self::LogBudget { again_s, .. } => again_s,
            Self::DiskReserve => LOOK_AGAIN_S,
        }
    }
}

/// What the commands of one group may still cost.
pub(super) struct Admission<'a> {
    account: &'a Account,
    /// What the group itself has written so far.
    group: Budget,
    counted: usize,
    has_reserve: Option<bool>,
    now: DateTime<Utc>,
}

impl<'a> Admission<'a> {
    pub(super) fn new(account: &'a Account, now: DateTime<Utc>) -> Self {
        Self { account, group: Budget::default(), counted: 0, has_reserve: None, now }
    }

    /// Whether the log can bear a command now.
    pub(super) fn admit(
        &mut self,
        group: &Group,
        command: &Command,
        log: &mut impl EventLog,
    ) -> Result<(), NotDone> {
        let Some(name) = asked_by_an_agent(command) else { return Ok(()) };
        if !*self.has_reserve.get_or_insert_with(|| log.has_reserve()) {
            return Err(NotDone::NotAdmitted(Reason::DiskReserve));
        }
        for record in group.records.iter().skip(self.counted) {
            self.group.add(&record.envelope.stream, record.envelope.at, record.bytes());
        }
        self.counted = group.records.len();
        let (stream, now) = (Stream::from(name), self.now);
        let used = self.account.budget.used(&stream, now).saturating_add(self.group.used(&stream, now));
        let Some(sandbox) = group.working.sandboxes.get(name) else { return Ok(()) };
        let mib = group.working.scope(sandbox).number(Key::LogBudget);
        if used < mib.saturating_mul(MIB) {
            return Ok(());
        }
        Err(NotDone::NotAdmitted(Reason::LogBudget { mib, again_s: until_midnight(now) }))
    }
}

/// The sandbox whose agent, or whose denials, made this command.
fn asked_by_an_agent(command: &Command) -> Option<&SandboxName> {
    match command {
        Command::Submit(submit) if submit.origin != Origin::Reviewer => Some(&submit.sandbox),
        _ => None,
    }
}

fn until_midnight(now: DateTime<Utc>) -> u64 {
    let midnight = now.date_naive().succ_opt().map(|day| day.and_time(NaiveTime::MIN).and_utc());
    let left = midnight.map_or(TimeDelta::zero(), |midnight| midnight.signed_duration_since(now));
    u64::try_from(left.num_seconds()).unwrap_or(0).saturating_add(1)
}
