//! Lines for a screen reader. Whatever somebody else wrote in them has been through [`crate::shown`].

use chrono::{DateTime, Utc};
use openshell_domain::event::{Envelope, Event};
use openshell_domain::inbox::SandboxView;
use openshell_domain::policy::render::endpoint_lines;
use openshell_domain::proposal::Proposal;

use crate::clock;
use crate::isolation::KeptIn;
use crate::review::{self, Tone};
use crate::screen::history::History;
use crate::screen::risk;
use crate::shown;
use crate::verbs::{VerbError, quoted};

/// How many endpoints a line names: `show` names all of them.
const ENDPOINTS: usize = 3;

/// `3 asks are pending`.
pub(super) fn count(pending: usize) -> String {
    match pending {
        0 => "no ask is pending".to_owned(),
        1 => "1 ask is pending".to_owned(),
        many => format!("{many} asks are pending"),
    }
}

/// A pending proposal on one line: its name, its sandbox, who asks for what at which layer, what to know of it.
pub(super) fn ask(
    verb: &str,
    proposal: &Proposal,
    sandbox: Option<&SandboxView>,
    now: DateTime<Utc>,
) -> String {
    let age = clock::brief(clock::between(proposal.submitted_at, now));
    let warning = KeptIn::from(sandbox).warning().map(|warning| format!(" {warning}")).unwrap_or_default();
    let (name, asker) = (quoted(proposal), review::asker(proposal));
    let programs = review::programs(proposal).join(" and ");
    let lines = endpoint_lines(&proposal.draft.rule);
    let more = lines.len().saturating_sub(ENDPOINTS);
    let named: Vec<String> = lines.iter().take(ENDPOINTS).map(|line| shown::visible(line)).collect();
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    let what = format!("{}{more}", named.join(" and "));
    let sandbox = &proposal.sandbox;
    let head = format!("{verb} {name}, sandbox {sandbox}{warning}, {age} ago, asked by {asker}");
    format!("{head}: {what}, for {programs}. {}", findings(proposal))
}

fn findings(proposal: &Proposal) -> String {
    if proposal.review.is_none() {
        return "What it would change is not known yet".to_owned();
    }
    let entries = review::findings(proposal).entries;
    if entries.is_empty() {
        return "No findings".to_owned();
    }
    let told: Vec<String> = entries.iter().map(|entry| spoken(entry.tone, &entry.text)).collect();
    format!("Findings: {}", told.join(" "))
}

/// A finding with a word in the place of its sign.
fn spoken(tone: Tone, text: &str) -> String {
    let word = match tone {
        Tone::Alarm => "danger",
        Tone::Warn => "warning",
        _ => "note",
    };
    format!("{word} {}", text.trim_start_matches(['!', '-', ' ']))
}

/// The findings that must be accepted by name.
pub(super) fn risks(proposal: &Proposal) -> Vec<String> {
    risk::of(proposal)
        .map(|finding| format!("danger {}: {}", finding.code, shown::worded(&finding.sentence)))
        .collect()
}

/// Why nothing can be decided about a proposal yet.
pub(super) fn uncompared(proposal: &Proposal) -> String {
    format!("what {} would change is not known yet: try again in a moment", proposal.id.short())
}

/// What went wrong, and what to do about it.
pub(super) fn error(error: &VerbError) -> String {
    shown::visible(&error.to_string())
}

/// Whether an event is a reviewer's word.
pub(super) fn is_decision(event: &Event) -> bool {
    matches!(
        event,
        Event::ProposalApproved { .. }
            | Event::ProposalRejected { .. }
            | Event::DecisionUndone { .. }
            | Event::GrantRevoked { .. }
    )
}

/// An event that matters on one line. What is asked has a line of its own, once it is known what it would change.
pub(super) fn event(envelope: &Envelope) -> Option<String> {
    let matters = is_decision(&envelope.event)
        || matches!(
            envelope.event,
            Event::RunStarted { .. }
                | Event::RunEnded { .. }
                | Event::SettingChanged { .. }
                | Event::PolicyLoaded { .. }
                | Event::PolicyLoadFailed { .. }
                | Event::DraftRevised { .. }
                | Event::GrantExpired { .. }
                | Event::ProposalSuperseded { .. }
                | Event::ProposalWithdrawn { .. }
                | Event::ProposalClosed { .. }
                | Event::LeaseSpent { .. }
        );
    let mut history = History::default();
    history.fold(envelope);
    let entry = history.entries.pop_back().filter(|_| matters)?;
    let sandbox =
        if entry.sandbox.is_empty() { String::new() } else { format!(", sandbox {}", entry.sandbox) };
    Some(format!("{}, by {}{sandbox}", entry.what, entry.who))
}
