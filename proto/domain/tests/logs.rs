//! What was once written stays readable: `fixtures/logs/v1.jsonl` holds events of schema version 1, in every shape that
//! was ever stored. Its lines are added to and never changed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use openshell_domain::event::{Event, SCHEMA_VERSION};
use serde_json::Value;

/// Every kind of event. The match below does not compile when a kind is missing in it; then this list and the
/// fixture want a line as well.
const KINDS: &[&str] = &[
    "SandboxRegistered",
    "RunStarted",
    "BasePolicySet",
    "RunEnded",
    "SettingChanged",
    "ProposalSubmitted",
    "DenialObserved",
    "DraftRevised",
    "ProposalApproved",
    "ProposalRejected",
    "DecisionUndone",
    "ProposalSuperseded",
    "ProposalWithdrawn",
    "ProposalClosed",
    "LeaseSpent",
    "GrantRevoked",
    "GrantExpired",
    "PolicyRevised",
    "PolicyLoaded",
    "PolicyLoadFailed",
    "Checkpoint",
];

fn is_known(event: &Event) {
    match event {
        Event::SandboxRegistered {}
        | Event::RunStarted { .. }
        | Event::BasePolicySet { .. }
        | Event::RunEnded { .. }
        | Event::SettingChanged { .. }
        | Event::ProposalSubmitted { .. }
        | Event::DenialObserved { .. }
        | Event::DraftRevised { .. }
        | Event::ProposalApproved { .. }
        | Event::ProposalRejected { .. }
        | Event::DecisionUndone { .. }
        | Event::ProposalSuperseded { .. }
        | Event::ProposalWithdrawn { .. }
        | Event::ProposalClosed { .. }
        | Event::LeaseSpent { .. }
        | Event::GrantRevoked { .. }
        | Event::GrantExpired { .. }
        | Event::PolicyRevised { .. }
        | Event::PolicyLoaded { .. }
        | Event::PolicyLoadFailed { .. }
        | Event::Checkpoint { .. } => {}
    }
}

/// What an older version wrote and a newer one computes: read, and not written again.
const NO_LONGER_WRITTEN: &[(&str, &str)] = &[("PolicyRevised", "policy"), ("PolicyRevised", "grants")];

#[test]
fn every_event_of_version_1_is_read_and_says_the_same() {
    let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/logs/v1.jsonl");
    let mut found = BTreeSet::new();
    for line in std::fs::read_to_string(fixture).unwrap().lines() {
        let stored: Value = serde_json::from_str(line).unwrap();
        let kind = stored.get("kind").and_then(Value::as_str).unwrap().to_owned();
        let mut payload = stored.get("payload").unwrap().clone();
        assert_eq!(stored.get("schema_version").and_then(Value::as_u64), Some(1));
        let event =
            Event::from_columns(1, 1, &kind, &payload.to_string()).unwrap_or_else(|e| panic!("{line}: {e}"));
        is_known(&event);
        for (of, key) in NO_LONGER_WRITTEN {
            if kind == *of {
                payload.as_object_mut().unwrap().remove(*key);
            }
        }
        let (again, written) = event.to_columns().unwrap();
        assert_eq!((&again, serde_json::from_str::<Value>(&written).unwrap()), (&kind, payload), "{line}");
        found.insert(kind);
    }
    assert_eq!(found, KINDS.iter().map(ToString::to_string).collect());
    assert_eq!(SCHEMA_VERSION, 1, "a new version wants a fixture of its own beside this one");
}
