//! Each kind of event in one line. Whatever somebody else wrote in it has been through [`crate::shown`].

use openshell_domain::event::{ActorKind, Envelope, Event, RunEnd};
use openshell_domain::id::ProposalId;
use openshell_domain::proposal::Draft;
use openshell_wire::proposal::isolation_word;

use super::{Entry, denial, who};
use crate::screen::summary;
use crate::screen::text;
use crate::screen::view::header;
use crate::shown;

/// How many cells a rule gets in a line: what is wider than the screen is cut there.
const RULE: usize = 160;

pub(super) fn entry(envelope: &Envelope) -> Entry {
    let actor = &envelope.actor;
    let who = match actor.kind {
        ActorKind::System if actor.id.starts_with("supervisor:") => "supervisor".to_owned(),
        _ => who(actor),
    };
    Entry {
        seq: envelope.seq,
        at: envelope.at,
        sandbox: envelope.sandbox().map(ToString::to_string).unwrap_or_default(),
        who,
        what: what(&envelope.event),
    }
}

fn what(event: &Event) -> String {
    match event {
        Event::SandboxRegistered {} => "sandbox seen for the first time".to_owned(),
        Event::RunStarted { isolation, supervisor_version, .. } => {
            let version = shown::visible(supervisor_version);
            format!("run started, isolation {}, supervisor {version}", isolation_word(*isolation))
        }
        Event::BasePolicySet { file, policy, .. } => {
            let rules = header::count(policy.network_policies.len(), "rule", "rules");
            format!("policy file {}, {rules}", shown::visible(file))
        }
        Event::RunEnded { reason, .. } => format!("run ended: {}", end(*reason)),
        Event::SettingChanged { key, value } => match value {
            Some(value) => {
                format!("setting {} = {}", shown::visible(key), shown::visible(&value.to_string()))
            }
            None => format!("setting {} taken away", shown::visible(key)),
        },
        Event::PolicyRevised { revision, .. } => format!("policy revision {revision}"),
        Event::PolicyLoaded { revision, .. } => format!("revision {revision} loaded"),
        Event::PolicyLoadFailed { revision, error, .. } => {
            format!("revision {revision} NOT loaded: {}", shown::visible(error))
        }
        Event::Checkpoint { seq, .. } => format!("signed up to event {seq}"),
        event => of_proposal(event),
    }
}

fn of_proposal(event: &Event) -> String {
    let on = |verb: &str, id: &ProposalId| format!("{verb} {}", id.short());
    match event {
        Event::ProposalSubmitted { proposal, draft, .. } => named("asked", *proposal, draft),
        Event::DraftRevised { proposal, draft, .. } => named("reworded", *proposal, draft),
        Event::DenialObserved { proposal, seen } => {
            let last = seen.last().map(denial).unwrap_or_default();
            format!("{}: {last}", on("denied again", proposal))
        }
        Event::ProposalApproved { proposal, lease, reason, revision, grounds, .. } => {
            let grounds =
                grounds.as_deref().map(|on| format!(", by {}", shown::visible(on))).unwrap_or_default();
            let done = on("approved", proposal);
            format!("{done} {lease}, revision {revision}{grounds}{}", quoted(reason))
        }
        Event::ProposalRejected { proposal, reason, .. } => {
            format!("{}{}", on("rejected", proposal), quoted(reason))
        }
        Event::DecisionUndone { proposal, reason, .. } => {
            format!("{}{}", on("undone", proposal), quoted(reason))
        }
        Event::GrantRevoked { proposal, reason, .. } => {
            format!("{}{}", on("revoked", proposal), quoted(reason))
        }
        Event::GrantExpired { proposal } => on("grant ended:", proposal),
        Event::ProposalSuperseded { proposal, by } => {
            format!("{} by {}", on("superseded", proposal), by.short())
        }
        Event::ProposalWithdrawn { proposal } => on("withdrawn", proposal),
        Event::ProposalClosed { proposal, reason, .. } => {
            format!("{}: {}", on("closed", proposal), reason.as_str())
        }
        Event::LeaseSpent { proposal } => on("used once:", proposal),
        _ => String::new(),
    }
}

fn named(verb: &str, id: ProposalId, draft: &Draft) -> String {
    format!("{verb} {}", summary::of(&draft.rule).name(id, RULE.saturating_sub(text::width(verb))))
}

fn quoted(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(" “{}”", shown::visible(reason)) }
}

fn end(reason: RunEnd) -> &'static str {
    match reason {
        RunEnd::Finished => "finished",
        RunEnd::Lost => "its supervisor was gone for too long",
        RunEnd::Released => "released by a reviewer",
    }
}
