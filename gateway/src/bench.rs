//! A door for `benches/log.rs`, which stands outside of this crate: the writer and the log without sockets.
//!
//! No part of the contract; nothing else may use it.

use std::path::Path;
use std::sync::Arc;

use chrono::DateTime;
use openshell_domain::command::{Command, Report, StartRun};
use openshell_domain::event::{Actor, Envelope, Event, Isolation};
use openshell_domain::id::{Digest, EventId, Revision, RunId, SandboxName};
use openshell_domain::policy::Policy;
use uuid::Uuid;

use crate::clock::SystemClock;
use crate::ledger::Ledger;
use crate::store::EventLog;
use crate::store::record::Record;
use crate::store::sqlite::{Opened, SqliteLog};
use crate::store::writer::{Books, Surroundings};

const RUN: RunId = RunId(Uuid::from_u128(1));

/// A writer on a log of its own.
#[derive(Clone)]
pub struct Bench {
    ledger: Ledger,
    sandbox: SandboxName,
}

impl std::fmt::Debug for Bench {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bench").field("sandbox", &self.sandbox).finish_non_exhaustive()
    }
}

impl Bench {
    /// Opens a log and registers a sandbox in it.
    ///
    /// # Errors
    /// What went wrong, for people.
    pub async fn open(path: &Path) -> Result<Self, String> {
        let say = |error: &dyn std::fmt::Display| error.to_string();
        let Opened { log, state, account } = SqliteLog::open(path).map_err(|error| say(&error))?;
        let (reader, signer) = (log.reader(), log.signer().map_err(|error| say(&error))?);
        let books = Books { log, account, signer };
        let surroundings = Surroundings { clock: Arc::new(SystemClock::new()), orders: Arc::default() };
        let (ledger, _) = Ledger::start(books, reader, state, surroundings).map_err(|error| say(&error))?;
        let sandbox: SandboxName = "bench".parse().map_err(|error| say(&error))?;
        let start = StartRun {
            sandbox: sandbox.clone(),
            run: RUN,
            secret_hash: Digest([7; 32]),
            supervisor_version: "0".into(),
            isolation: Isolation::Netns,
            host_root: false,
            advisor: true,
            policy_file: "p.yaml".into(),
            policy_file_hash: Digest([8; 32]),
            policy: Policy { version: 1, ..Policy::default() },
            places: Default::default(),
            credentials: Vec::new(),
            writable: Vec::new(),
            accept_policy_change: false,
        };
        ledger.execute(Command::StartRun(Box::new(start))).await.map_err(|error| say(&error))?;
        Ok(Self { ledger, sandbox })
    }

    /// One command that costs nothing to decide and stores one event.
    ///
    /// # Errors
    /// What went wrong, for people.
    pub async fn command(&self, text: String) -> Result<(), String> {
        let report = Report { sandbox: self.sandbox.clone(), run: RUN, revision: Revision(1) };
        let done = self.ledger.execute(Command::ReportLoadFailed(report, text.into())).await;
        done.map(drop).map_err(|error| error.to_string())
    }
}

/// Opens a log: every event is read, proven and folded. Gives their number.
///
/// # Errors
/// What went wrong, for people.
pub fn replay(path: &Path) -> Result<u64, String> {
    SqliteLog::open(path).map(|opened| opened.state.seq).map_err(|error| error.to_string())
}

/// Opens a log and closes it as a gateway does that stops: its snapshot is taken. Gives the size of that, in bytes.
///
/// # Errors
/// What went wrong, for people.
pub fn snapshot(path: &Path) -> Result<u64, String> {
    let Opened { mut log, state, account } = SqliteLog::open(path).map_err(|error| error.to_string())?;
    log.close(&Arc::new(state), &account);
    let file = path.with_extension("db.snapshot");
    file.metadata().map(|file| file.len()).map_err(|error| error.to_string())
}

/// Makes a log of events 1 to `count`; `event` says what each is about, and in which sandbox.
///
/// # Errors
/// What went wrong, for people.
pub fn fill(path: &Path, count: u64, event: impl Fn(u64) -> (SandboxName, Event)) -> Result<(), String> {
    let mut log = SqliteLog::open(path).map_err(|error| error.to_string())?.log;
    let mut numbers = std::collections::BTreeMap::<SandboxName, u64>::new();
    let mut group = Vec::new();
    for seq in 1..=count {
        let (sandbox, event) = event(seq);
        let number = numbers.entry(sandbox.clone()).or_default();
        *number += 1;
        let envelope = Envelope {
            seq,
            id: EventId(Uuid::from_u128(seq.into())),
            stream: (&sandbox).into(),
            stream_seq: *number,
            at: DateTime::from_timestamp_micros(1_800_000_000_000_000).unwrap_or_default(),
            actor: Actor::gateway(),
            event,
        };
        group.push(Record::of(Arc::new(envelope)).map_err(|error| error.to_string())?);
        if group.len() == 1000 || seq == count {
            log.append(&group).map_err(|error| error.to_string())?;
            group.clear();
        }
    }
    Ok(())
}
