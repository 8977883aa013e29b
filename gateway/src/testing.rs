//! Events and commands for unit tests of this crate.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use openshell_domain::command::{Command, StartRun, Submit};
use openshell_domain::event::{Actor, ActorKind, Envelope, Event, Isolation};
use openshell_domain::id::{Digest, EventId, ProposalId, RunId, Seq, Stream};
use openshell_domain::policy::Policy;
use openshell_domain::policy::read::policy_from_yaml;
use openshell_domain::proposal::Origin;
use tokio::sync::watch;
use uuid::Uuid;

use crate::clock::Clock;
use crate::store::account::Account;
use crate::store::key::Signer;
use crate::store::writer::Books;

/// The event at `seq` of the stream `demo`, which has no other events.
pub(crate) fn event(seq: Seq) -> Arc<Envelope> {
    event_in("demo".parse().unwrap(), seq, seq)
}

/// The event at `seq`, which has this number in its stream.
pub(crate) fn event_in(stream: Stream, seq: Seq, stream_seq: u64) -> Arc<Envelope> {
    Arc::new(Envelope {
        seq,
        id: EventId(Uuid::from_u128(seq.into())),
        stream,
        stream_seq,
        at: chrono::DateTime::from_timestamp_micros(1_800_000_000_000_000).unwrap(),
        actor: Actor {
            kind: ActorKind::System,
            id: "test ü \"quoted\"".into(),
            authenticated: "no".into(),
            unisolated: seq.is_multiple_of(2),
            request: None,
        },
        event: Event::SettingChanged { key: "k".into(), value: None },
    })
}

/// A clock that stands until it is told to go on.
#[derive(Debug, Clone, Default)]
pub(crate) struct ManualClock(Arc<(watch::Sender<Duration>, Mutex<TimeDelta>)>);

impl ManualClock {
    /// Lets time pass.
    pub(crate) fn advance(&self, time: Duration) {
        self.0.0.send_modify(|uptime| *uptime += time);
    }

    /// Changes the time of day, and wakes nobody.
    pub(crate) fn set_back(&self, time: TimeDelta) {
        *self.0.1.lock().unwrap() -= time;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        let beginning = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        beginning + TimeDelta::from_std(self.uptime()).unwrap() + *self.0.1.lock().unwrap()
    }

    fn uptime(&self) -> Duration {
        *self.0.0.borrow()
    }

    fn sleep(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let (mut uptime, end) = (self.0.0.subscribe(), self.uptime() + time);
        Box::pin(async move {
            let _ = uptime.wait_for(|uptime| *uptime >= end).await;
        })
    }
}

/// A new key and an empty account for a log.
pub(crate) fn books<L>(log: L) -> Books<L> {
    let folder = tempfile::tempdir().unwrap();
    let signer = Signer::open(&folder.path().join("db")).unwrap();
    Books { log, account: Account::default(), signer }
}

/// Somebody who may decide.
pub(crate) fn reviewer() -> Actor {
    Actor {
        kind: ActorKind::Reviewer,
        id: "uid:1000".into(),
        authenticated: "door".into(),
        unisolated: false,
        request: None,
    }
}

/// An agent of `sandbox` asks for one host.
pub(crate) fn asks(sandbox: &str, id: u128) -> Command {
    let yaml = format!(
        "version: 1\nnetwork_policies:\n  r: {{endpoints: [{{host: h{id}.example, port: 443, protocol: rest, enforcement: enforce, rules: [{{allow: {{method: GET, path: /a}}}}]}}], binaries: [{{path: /usr/bin/curl}}]}}\n"
    );
    let policy = policy_from_yaml(&yaml).unwrap().policy;
    let (rule_name, rule) = policy.network_policies.into_iter().next().unwrap();
    Command::Submit(Box::new(Submit {
        sandbox: sandbox.parse().unwrap(),
        proposal: ProposalId(Uuid::from_u128(id)),
        origin: Origin::AgentAuthored,
        submitted_by: "/usr/bin/curl".into(),
        rule_name,
        rule,
        rationale: "read it".into(),
        evidence: Vec::new(),
        pending_limit: usize::MAX,
        request: None,
    }))
}

/// A supervisor starts for `sandbox`.
pub(crate) fn start(sandbox: &str) -> Command {
    Command::StartRun(Box::new(StartRun {
        sandbox: sandbox.parse().unwrap(),
        run: RunId(Uuid::from_u128(1)),
        secret_hash: Digest([7; 32]),
        supervisor_version: "0".into(),
        isolation: Isolation::None,
        host_root: false,
        advisor: true,
        policy_file: "p.yaml".into(),
        policy_file_hash: Digest([8; 32]),
        policy: Policy { version: 1, ..Policy::default() },
        places: Default::default(),
        credentials: Vec::new(),
        writable: Vec::new(),
        accept_policy_change: false,
    }))
}
