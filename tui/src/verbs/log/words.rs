//! What an event is about, on one line; raw, a table makes it safe.

use openshell_domain::event::{Event, RunEnd};
use openshell_domain::id::ProposalId;
use openshell_domain::policy::render::first_line;

/// The proposal, and what there is to say of it; or what else it is about.
pub(in crate::verbs) fn words(event: &Event) -> String {
    match event {
        Event::ProposalSubmitted { draft, .. } | Event::DraftRevised { draft, .. } => {
            about(event, &first_line(&draft.rule))
        }
        Event::ProposalApproved { lease, reason, .. } => about(event, &format!("{lease} {reason}")),
        Event::ProposalRejected { reason, .. }
        | Event::DecisionUndone { reason, .. }
        | Event::GrantRevoked { reason, .. } => about(event, reason),
        Event::ProposalSuperseded { by, .. } => about(event, &format!("by {}", by.short())),
        Event::ProposalClosed { reason, .. } => about(event, reason.as_str()),
        Event::RunStarted { run, supervisor_version, .. } => {
            format!("run {run}, supervisor {supervisor_version}")
        }
        Event::RunEnded { run, reason } => {
            let why = match reason {
                RunEnd::Finished => "finished",
                RunEnd::Lost => "lost",
                RunEnd::Released => "released",
            };
            format!("run {run} {why}")
        }
        Event::BasePolicySet { file, .. } => file.clone(),
        Event::SettingChanged { key, value } => {
            let value = value.as_ref().map_or_else(|| "unset".to_owned(), ToString::to_string);
            format!("{key} {value}")
        }
        Event::PolicyRevised { revision, .. } | Event::PolicyLoaded { revision, .. } => {
            format!("revision {revision}")
        }
        Event::PolicyLoadFailed { revision, error, .. } => format!("revision {revision}: {error}"),
        Event::Checkpoint { seq, .. } => format!("up to event {seq}"),
        _ => about(event, ""),
    }
}

fn about(event: &Event, more: &str) -> String {
    let proposal = event.proposal().map(ProposalId::short).unwrap_or_default();
    format!("{proposal} {more}").trim().to_owned()
}
