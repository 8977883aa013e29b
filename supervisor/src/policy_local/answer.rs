//! The state of a proposal in OpenShell's words, for the routes that tell it.

use chrono::SecondsFormat;
use openshell_domain::event::ActorKind;
use openshell_domain::proposal::{Lease, Proposal, Status};
use serde_json::{Value, json};

use super::put;
use crate::enforcement::PolicySnapshot;

/// `pending`, `approved` or `rejected`, and everything that goes with it.
#[must_use]
pub(super) fn body(proposal: &Proposal, snapshot: &PolicySnapshot) -> Value {
    let (status, detail) = match &proposal.status {
        Status::Pending => ("pending", None),
        Status::Approved { .. } => ("approved", None),
        Status::Closed { reason, .. } => ("approved", Some(reason.as_str())),
        Status::Rejected { .. } => ("rejected", None),
        Status::Superseded { .. } => ("rejected", Some("superseded")),
        Status::Withdrawn { .. } => ("rejected", Some("withdrawn")),
        Status::Expired { .. } => ("rejected", Some("expired")),
        Status::Revoked { .. } => ("rejected", Some("revoked")),
    };
    let mut body = json!({
        "chunk_id": proposal.id.to_string(),
        "status": status,
        "rule_name": proposal.draft.rule_name.as_str(),
        "binary": proposal.draft.binary(),
        "rejection_reason": rejection_reason(proposal),
        "validation_result": proposal.validation_result,
        "application_error": "",
    });
    if let Some(decision) = proposal.status.decision() {
        let by = if decision.by.kind == ActorKind::Reviewer { "human" } else { "auto" };
        put(&mut body, "decided_by", by);
    }
    if let Some(detail) = detail {
        put(&mut body, "status_detail", detail);
    }
    match &proposal.status {
        Status::Approved { lease: Lease::Until(end), .. } => {
            put(&mut body, "lease_expires_at", end.to_rfc3339_opts(SecondsFormat::Secs, true));
        }
        Status::Rejected { hints, .. } if !hints.is_empty() => {
            let hints: Vec<&str> = hints.iter().map(|hint| hint.as_str()).collect();
            put(&mut body, "hints", hints);
        }
        _ => {}
    }
    if status == "approved" {
        put(&mut body, "policy_reloaded", is_reloaded(proposal, snapshot));
        if let Some(reason) = snapshot.load_error() {
            put(&mut body, "reload_error", reason);
        }
    }
    body
}

fn rejection_reason(proposal: &Proposal) -> String {
    match &proposal.status {
        Status::Rejected { decision, .. } => decision.reason.clone(),
        Status::Revoked { by, .. } if by.reason.is_empty() => "a reviewer has ended the grant".to_owned(),
        Status::Revoked { by, .. } => by.reason.clone(),
        Status::Superseded { by, .. } => format!("proposal {by} asks for all of it: wait for that one"),
        Status::Withdrawn { .. } => "it was withdrawn".to_owned(),
        Status::Expired { .. } => "the grant has ended with its lease".to_owned(),
        Status::Pending | Status::Approved { .. } | Status::Closed { .. } => String::new(),
    }
}

/// Whether the grant is enforced here and now.
#[must_use]
pub(super) fn is_reloaded(proposal: &Proposal, snapshot: &PolicySnapshot) -> bool {
    match proposal.status {
        Status::Approved { revision, .. } => snapshot.has_grant(proposal.id, revision),
        Status::Closed { revision, .. } => snapshot.quarantine().is_none() && snapshot.revision >= revision,
        _ => false,
    }
}
