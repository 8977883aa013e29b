//! `approve`, `reject`, `undo`, `revoke`: quotes the digest of what was shown, prints what was recorded, and for an approval
//! waits for the event that says that the sandbox has loaded it.

use std::io::Write;
use std::time::Duration;

use openshell_domain::event::{Envelope, Event};
use openshell_domain::id::{Digest, Revision, SandboxName};
use openshell_domain::policy::authority::Difference;
use openshell_domain::policy::render::endpoint_lines;
use openshell_domain::proposal::{Lease, Proposal};
use openshell_wire::pb::inbox::inbox_frame::Frame;
use serde::Serialize;
use tokio::time::timeout;

use super::show::told;
use super::target::Target;
use super::{VerbError, json};
use crate::cli::Output;
use crate::client::{Client, ClientError, Decision, Recorded, Verb};
use crate::clock;
use crate::review;
use crate::shown;

/// How long an approval waits for its policy to be loaded.
const PATIENCE: Duration = Duration::from_secs(5);

/// What became of an approved policy.
enum Load {
    Loaded(Duration),
    Failed(String),
    NotYet,
}

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
    #[serde(skip_serializing_if = "Option::is_none")]
    load_error: Option<String>,
    /// What an approval changed; `null` for a rejection.
    difference: Option<&'a Difference>,
}

/// What a verb asks for beside the proposal.
#[derive(Debug, Default)]
pub(super) struct Ask {
    pub(super) reason: String,
    pub(super) lease: String,
    pub(super) hints: Vec<String>,
    pub(super) snooze: String,
}

pub(super) async fn run(
    client: &mut Client,
    verb: Verb,
    id: &str,
    ask: Ask,
    (output, out): (Output, &mut dyn Write),
) -> Result<(), VerbError> {
    let target = Target::parse(id)?;
    let found = target.find(client).await?;
    let proposal = &found.proposal;
    if target.digest.is_none() && proposal.is_pending() && proposal.draft.number > 1 {
        return Err(VerbError::WordedAnew(proposal.id.short()));
    }
    let is_bare = target.digest.is_none() && proposal.is_pending();
    if is_bare && verb == Verb::Approve && output == Output::Table {
        tell(out, proposal)?;
    }
    // One that was closed has no digest: the gateway says what became of it.
    let digest = proposal.digest().unwrap_or(Digest([0; 32]));
    let Ask { reason, lease, hints, snooze } = ask;
    let decision = Decision { proposal: proposal.id, digest, verb, reason, lease, hints, snooze };
    let recorded = client.decide(&decision).await?;
    if output == Output::Table {
        announce(out, verb, proposal, &recorded)?;
        if verb == Verb::Approve && !is_bare {
            out.write_all(told(&[review::newly(proposal)]).trim_start().as_bytes())?;
        }
    }
    let load = match recorded.revision {
        Some(revision) => Some(wait(client, &proposal.sandbox, revision, &recorded).await),
        None => None,
    };
    match output {
        Output::Json => json(out, &answer(verb, proposal, &recorded, load.as_ref())),
        Output::Table => load.map_or(Ok(()), |load| conclude(out, proposal, &load, recorded.is_attached)),
    }
}

/// What a bare id approves: nobody has quoted what was shown.
fn tell(out: &mut dyn Write, proposal: &Proposal) -> Result<(), VerbError> {
    let digest = proposal.digest().map(|digest| format!("@{}", digest.short())).unwrap_or_default();
    let [newly, later, taken] = review::changes(proposal);
    let text = told(&[newly, later, taken, review::findings(proposal)]);
    write!(out, "approving {}{digest}\n{text}\n", proposal.id.short())?;
    Ok(out.flush()?)
}

fn announce(
    out: &mut dyn Write,
    verb: Verb,
    proposal: &Proposal,
    recorded: &Recorded,
) -> Result<(), VerbError> {
    write!(out, "{}  {}  seq {}", verb.done(), proposal.id.short(), recorded.seq)?;
    if let Some(revision) = recorded.revision {
        writeln!(out, "  policy revision {revision}")?;
    } else {
        writeln!(out)?;
    }
    if let Some(lease) = recorded.lease {
        writeln!(out, "  {lease}")?;
        for line in endpoint_lines(&proposal.draft.rule) {
            writeln!(out, "  {}", shown::visible(&line))?;
        }
        for binary in &proposal.draft.rule.binaries {
            writeln!(out, "  for {}", shown::visible(&binary.path))?;
        }
    }
    Ok(out.flush()?)
}

fn conclude(
    out: &mut dyn Write,
    proposal: &Proposal,
    load: &Load,
    is_attached: bool,
) -> Result<(), VerbError> {
    let sandbox = &proposal.sandbox;
    match load {
        Load::Loaded(took) => writeln!(out, "loaded by {sandbox} in {}", clock::precise(*took))?,
        Load::Failed(error) => writeln!(out, "not loaded by {sandbox}: {}", shown::visible(error))?,
        Load::NotYet if is_attached => {
            writeln!(out, "not loaded yet: {sandbox} has not said so within {} s", PATIENCE.as_secs())?;
        }
        Load::NotYet => writeln!(out, "recorded, not in force: no supervisor of {sandbox} is connected")?,
    }
    Ok(out.flush()?)
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
        difference: review.and_then(|review| review.difference.as_ref()),
        load_error: match load {
            Some(Load::Failed(error)) => Some(error.clone()),
            _ => None,
        },
    }
}

/// Waits for the sandbox to load a revision. That it did not, in time or at all, is an answer and not an error:
/// the decision is recorded.
async fn wait(client: &mut Client, sandbox: &SandboxName, revision: Revision, recorded: &Recorded) -> Load {
    // Without a supervisor nothing will come, but one that is just coming back is worth a moment.
    let patience = if recorded.is_attached { PATIENCE } else { PATIENCE / 10 };
    let heard = timeout(patience, listen(client, sandbox, revision, recorded.seq)).await;
    heard.ok().and_then(Result::ok).unwrap_or(Load::NotYet)
}

async fn listen(
    client: &mut Client,
    sandbox: &SandboxName,
    revision: Revision,
    seq: u64,
) -> Result<Load, ClientError> {
    // From the event before the decision, so that the decision's own time is known.
    let mut frames = client.watch(Some(seq.saturating_sub(1))).await?;
    let mut decided_at = None;
    while let Some(frame) = frames.message().await? {
        let Some(Frame::Event(record)) = frame.frame else { continue };
        let envelope = Envelope::try_from(&record)?;
        if envelope.seq == seq {
            decided_at = Some(envelope.at);
        }
        if envelope.sandbox() != Some(sandbox) {
            continue;
        }
        match envelope.event {
            Event::PolicyLoaded { revision: loaded, .. } if loaded >= revision => {
                let took = decided_at.map(|at| clock::between(at, envelope.at));
                return Ok(Load::Loaded(took.unwrap_or_default()));
            }
            Event::PolicyLoadFailed { revision: failed, error, .. } if failed >= revision => {
                return Ok(Load::Failed(error));
            }
            _ => {}
        }
    }
    Ok(Load::NotYet)
}
