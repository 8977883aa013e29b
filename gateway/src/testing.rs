//! Events and commands for unit tests of this crate.

use std::sync::Arc;

use openshell_domain::command::{Command, StartRun, Submit};
use openshell_domain::event::{Actor, ActorKind, Envelope, Event, Isolation};
use openshell_domain::id::{Digest, EventId, ProposalId, RunId, Seq, Stream};
use openshell_domain::policy::Policy;
use openshell_domain::proposal::Origin;
use uuid::Uuid;

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

/// An agent of `sandbox` asks to PUT one file, whose name is the proposal's number, with these words.
pub(crate) fn submit(sandbox: &str, proposal: u128, rationale: &str) -> Command {
    let rule = serde_json::json!({
        "name": "put",
        "endpoints": [{"host": "api.github.com", "ports": [443], "protocol": "rest", "enforcement": "enforce",
            "rules": [{"allow": {"method": "PUT", "path": format!("/{proposal}")}}]}],
        "binaries": [{"path": "/usr/bin/curl"}],
    });
    Command::Submit(Box::new(Submit {
        sandbox: sandbox.parse().unwrap(),
        proposal: ProposalId(Uuid::from_u128(proposal)),
        origin: Origin::AgentAuthored,
        submitted_by: "/usr/bin/curl".into(),
        rule_name: "put".parse().unwrap(),
        rule: serde_json::from_value(rule).unwrap(),
        rationale: rationale.into(),
        evidence: Vec::new(),
        pending_limit: 100_000,
    }))
}
