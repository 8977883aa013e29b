//! Whether an approved policy is in force: waits for the event that says so.

use std::time::Duration;

use openshell_domain::event::{Envelope, Event};
use openshell_domain::id::{Revision, SandboxName};
use openshell_wire::pb::inbox::inbox_frame::Frame;
use tokio::time::timeout;

use crate::client::{Client, ClientError, Recorded};
use crate::clock;

/// How long an approval waits for its policy to be loaded.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// What became of an approved policy.
pub(super) enum Load {
    Loaded(Duration),
    Failed(String),
    NotYet,
}

/// Waits for the sandbox to load a revision. That it did not, in time or at all, is an answer and not an error:
/// the decision is recorded.
pub(super) async fn wait(
    client: &mut Client,
    sandbox: &SandboxName,
    revision: Revision,
    recorded: &Recorded,
) -> Load {
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
