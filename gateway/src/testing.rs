//! Events and commands for unit tests of this crate.

use std::sync::Arc;

use openshell_domain::command::{Command, StartRun};
use openshell_domain::event::{Actor, ActorKind, Envelope, Event, Isolation};
use openshell_domain::id::{Digest, EventId, RunId, Seq};
use openshell_domain::policy::Policy;
use uuid::Uuid;

/// The event at `seq` of the stream `demo`, which has no other events.
pub(crate) fn event(seq: Seq) -> Arc<Envelope> {
    Arc::new(Envelope {
        seq,
        id: EventId(Uuid::from_u128(seq.into())),
        sandbox: "demo".parse().unwrap(),
        stream_seq: seq,
        at: chrono::DateTime::from_timestamp_micros(1_800_000_000_000_000).unwrap(),
        actor: Actor {
            kind: ActorKind::System,
            id: "test ü \"quoted\"".into(),
            authenticated: "no".into(),
            unisolated: seq.is_multiple_of(2),
        },
        event: Event::SettingChanged { key: "k".into(), value: true },
    })
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
    }))
}
