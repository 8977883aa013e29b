//! `approve`, `reject`, `undo`, `revoke`: quotes the digest of what was shown, prints what was recorded, and for an approval
//! waits for the event that says that the sandbox has loaded it.

mod load;

use openshell_domain::id::Digest;
use openshell_domain::policy::authority::Difference;
use openshell_domain::policy::render::endpoint_lines;
use openshell_domain::proposal::{Draft, Lease, Proposal};
use serde::Serialize;

use super::VerbError;
use super::show::told;
use super::target::{Target, quoted};
use crate::cli::{Approve, Back, Reject};
use crate::client::{Client, Decision, Recorded, Verb};
use crate::clock;
use crate::printer::Printer;
use crate::review;
use crate::shown;
use load::{Load, PATIENCE};

#[derive(Serialize)]
struct Answer<'a> {
    id: String,
    status: &'a str,
    seq: u64,
    revision: Option<u64>,
    /// How long the grant lives; `null` where none was made.
    lease: Option<Lease>,
    /// `null` for a rejection.
    loaded: Option<bool>,
    /// From the decision to the report that it is loaded; `null` where there was none.
    loaded_ms: Option<u64>,
    /// Why it is not; `null` where nothing says so.
    load_error: Option<String>,
    /// What an approval changed; `null` for a rejection.
    difference: Option<&'a Difference>,
}

/// What a verb asks for.
#[derive(Debug, Default)]
pub(super) struct Ask {
    id: String,
    reason: String,
    lease: String,
    hints: Vec<String>,
    snooze: String,
}

impl From<Approve> for Ask {
    fn from(Approve { id, reason, lease }: Approve) -> Self {
        let lease = lease.map(|text| text.0).unwrap_or_default();
        Self { id, reason, lease, ..Self::default() }
    }
}

impl From<Reject> for Ask {
    fn from(Reject { id, reason, hint, snooze }: Reject) -> Self {
        let hints = hint.iter().map(ToString::to_string).collect();
        let snooze = snooze.map(|text| text.0).unwrap_or_default();
        Self { id, reason, hints, snooze, ..Self::default() }
    }
}

impl From<Back> for Ask {
    fn from(Back { id, reason }: Back) -> Self {
        Self { id, reason, ..Self::default() }
    }
}

pub(super) async fn run(
    client: &mut Client,
    verb: Verb,
    ask: Ask,
    printer: &mut Printer<'_>,
) -> Result<(), VerbError> {
    let Ask { id, reason, lease, hints, snooze } = ask;
    let target = Target::parse(&id)?;
    let found = target.find(client).await?;
    let proposal = &found.proposal;
    let is_bare = target.digest.is_none() && proposal.is_pending();
    if is_bare && is_worded_anew(proposal) {
        return Err(VerbError::WordedAnew(proposal.id.short()));
    }
    let is_told = printer.is_table() && verb == Verb::Approve;
    if is_bare && is_told {
        printer.text(&tell(proposal)).map_err(VerbError::Untold)?;
    }
    // One that was closed has no digest: the gateway says what became of it.
    let digest = proposal.digest().unwrap_or(Digest([0; 32]));
    let decision = Decision { proposal: proposal.id, digest, verb, reason, lease, hints, snooze };
    let recorded = client.decide(&decision).await?;
    if printer.is_table() {
        printer.text(&announce(verb, proposal, &recorded))?;
    }
    if is_told && !is_bare {
        printer.text(told(&[review::newly(proposal)]).trim_start())?;
    }
    let load = match recorded.revision {
        Some(revision) => Some(load::wait(client, &proposal.sandbox, revision, &recorded).await),
        None => None,
    };
    if !printer.is_table() {
        return Ok(printer.data(&answer(verb, proposal, &recorded, load.as_ref()))?);
    }
    let last = load.map(|load| conclude(proposal, &load, recorded.is_attached));
    Ok(printer.text(&last.unwrap_or_default())?)
}

/// Whether the wording in force is another one than that which was submitted. One that was taken back is the same.
fn is_worded_anew(proposal: &Proposal) -> bool {
    let wording = |draft: &Draft| (draft.rule_name.clone(), draft.rule.clone());
    let first = proposal.earlier.first().map(|earlier| wording(&earlier.draft));
    match first {
        Some(first) => first != wording(&proposal.draft),
        // Where the first wording did not come along, nothing says that it is this one.
        None => proposal.draft.number > 1,
    }
}

/// What a bare id approves: nobody has quoted what was shown.
fn tell(proposal: &Proposal) -> String {
    let [newly, later, taken] = review::changes(proposal);
    let text = told(&[newly, later, taken, review::findings(proposal)]);
    format!("approving {}\n{text}\n", quoted(proposal))
}

/// What was recorded, safe for a terminal.
pub(crate) fn announce(verb: Verb, proposal: &Proposal, recorded: &Recorded) -> String {
    let mut text = format!("{}  {}  seq {}", verb.done(), proposal.id.short(), recorded.seq);
    if let Some(revision) = recorded.revision {
        text.push_str(&format!("  policy revision {revision}"));
    }
    text.push('\n');
    if let Some(lease) = recorded.lease {
        text.push_str(&format!("  {lease}\n"));
        for line in endpoint_lines(&proposal.draft.rule) {
            text.push_str(&format!("  {}\n", shown::visible(&line)));
        }
        for binary in &proposal.draft.rule.binaries {
            text.push_str(&format!("  for {}\n", shown::visible(&binary.path)));
        }
    }
    text
}

fn conclude(proposal: &Proposal, load: &Load, is_attached: bool) -> String {
    let sandbox = &proposal.sandbox;
    match load {
        Load::Loaded(took) => format!("loaded by {sandbox} in {}\n", clock::precise(*took)),
        Load::Failed(error) => format!("not loaded by {sandbox}: {}\n", shown::visible(error)),
        Load::NotYet if is_attached => {
            format!("not loaded yet: {sandbox} has not said so within {} s\n", PATIENCE.as_secs())
        }
        Load::NotYet => format!("recorded, not in force: no supervisor of {sandbox} is connected\n"),
    }
}

fn answer<'a>(verb: Verb, proposal: &'a Proposal, recorded: &Recorded, load: Option<&Load>) -> Answer<'a> {
    let review = proposal.review.as_ref().filter(|_| verb == Verb::Approve);
    Answer {
        id: proposal.id.to_string(),
        status: verb.done(),
        seq: recorded.seq,
        revision: recorded.revision.map(|revision| revision.0),
        lease: recorded.lease,
        loaded: load.map(|load| matches!(load, Load::Loaded(_))),
        loaded_ms: match load {
            Some(Load::Loaded(took)) => u64::try_from(took.as_millis()).ok(),
            _ => None,
        },
        difference: review.and_then(|review| review.difference.as_ref()),
        load_error: match load {
            Some(Load::Failed(error)) => Some(error.clone()),
            _ => None,
        },
    }
}
