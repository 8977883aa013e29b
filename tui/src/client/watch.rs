//! Keeps an inbox up to date: connects, reads a snapshot and then events, and comes back when that breaks.
//!
//! Resumes after the last event it passed on; asks for a new snapshot when the gateway no longer has that place
//! or an event is missing. A stream that is silent for 30 s is dead (the gateway sends heartbeats). Everything
//! goes out over one bounded channel; a slow reader slows the stream down and loses nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use openshell_domain::event::Envelope;
use openshell_domain::id::{ProposalId, SandboxName, Seq};
use openshell_domain::inbox::Inbox;
use openshell_domain::proposal::Proposal;
use openshell_domain::review::Review;
use openshell_wire::pb::inbox as pb;
use openshell_wire::pb::inbox::inbox_frame::Frame;
use openshell_wire::proposal::{review, sandbox_view, settings};
use openshell_wire::{WireError, pb::inbox::Snapshot};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::{Client, ClientError, backoff};

/// The longest silence of a living gateway.
const SILENCE: Duration = Duration::from_secs(30);

/// After this many failed tries the gateway counts as gone and not as coming back.
const PATIENT_TRIES: u32 = 4;

/// What a watcher has to say.
#[derive(Debug, Clone, PartialEq)]
pub enum Update {
    /// The connection is another one now.
    Connection(Connection),
    /// Everything as it is: replaces what was known.
    Snapshot(Box<Inbox>),
    /// The next event.
    Event(Box<Envelope>),
    /// What a pending proposal would change now.
    Reviewed(ProposalId, Box<Review>),
    /// For which proposals of a sandbox agents wait now, and how many for each.
    Waiting(SandboxName, BTreeMap<ProposalId, u32>),
    /// Whether the supervisor of a sandbox is connected now.
    Attached(SandboxName, bool),
}

/// How the connection is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Connection {
    /// What is shown is what is.
    Live,
    /// It broke, or has not come up yet; the next try is after `retry_in`.
    Reconnecting {
        /// How long from now.
        retry_in: Duration,
        /// Why it broke.
        why: String,
    },
    /// Several tries have failed; the next one is after `retry_in`.
    Offline {
        /// How long from now.
        retry_in: Duration,
        /// Why the last one failed.
        why: String,
    },
}

/// The reader has gone away.
struct Unheard;

/// How one connection ended.
enum End {
    Unheard,
    Broken(String),
    NeedsSnapshot(String),
}

impl From<Unheard> for End {
    fn from(_: Unheard) -> Self {
        Self::Unheard
    }
}

impl From<ClientError> for End {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::OutOfRange(why) => Self::NeedsSnapshot(why),
            ClientError::Unreachable { cause, .. } => Self::Broken(cause),
            error => Self::Broken(error.to_string()),
        }
    }
}

impl From<WireError> for End {
    fn from(error: WireError) -> Self {
        Self::Broken(ClientError::from(error).to_string())
    }
}

/// Watches the gateway at `path` until nobody listens to `out` any more.
pub async fn follow<T: From<Update> + Send>(path: PathBuf, out: mpsc::Sender<T>) {
    let mut watcher = Watcher { out, at: None, failures: 0 };
    loop {
        let why = match watcher.session(&path).await {
            End::Unheard => return,
            End::Broken(why) => why,
            End::NeedsSnapshot(why) => {
                watcher.at = None;
                why
            }
        };
        watcher.failures = watcher.failures.saturating_add(1);
        let retry_in = backoff::wait(watcher.failures, backoff::chance());
        let connection = if watcher.failures < PATIENT_TRIES {
            Connection::Reconnecting { retry_in, why }
        } else {
            Connection::Offline { retry_in, why }
        };
        if watcher.say(Update::Connection(connection)).await.is_err() {
            return;
        }
        sleep(retry_in).await;
    }
}

struct Watcher<T> {
    out: mpsc::Sender<T>,
    /// The last event that was passed on.
    at: Option<Seq>,
    /// Tries since something was understood.
    failures: u32,
}

impl<T: From<Update> + Send> Watcher<T> {
    async fn say(&self, update: Update) -> Result<(), Unheard> {
        self.out.send(update.into()).await.map_err(|_| Unheard)
    }

    async fn session(&mut self, path: &Path) -> End {
        match self.listen(path).await {
            Ok(never) => match never {},
            Err(end) => end,
        }
    }

    async fn listen(&mut self, path: &Path) -> Result<std::convert::Infallible, End> {
        let mut client = Client::connect(path).await?;
        let mut frames = client.watch(self.at).await?;
        if self.at.is_some() {
            self.say(Update::Connection(Connection::Live)).await?;
        }
        let mut parts = Inbox::default();
        loop {
            let silent = |_| End::Broken("no heartbeat for 30 s".to_owned());
            let frame = timeout(SILENCE, frames.message()).await.map_err(silent)?;
            let frame = frame.map_err(ClientError::from)?;
            match frame.ok_or_else(|| End::Broken("the gateway has stopped".to_owned()))?.frame {
                Some(Frame::Snapshot(part)) => self.snapshot(&mut parts, &part).await?,
                Some(Frame::Event(record)) => self.event(&record).await?,
                Some(Frame::Reviewed(reviewed)) => {
                    let id = reviewed.proposal.parse().map_err(WireError::from)?;
                    let review = Box::new(review(&reviewed.review)?);
                    self.say(Update::Reviewed(id, review)).await?;
                }
                // Not on a snapshot: one that is followed by an event nobody can read would be fetched at full speed.
                Some(Frame::Heartbeat(_)) => self.failures = 0,
                Some(Frame::Live(live)) => self.live(&live).await?,
                None => {}
            }
        }
    }

    async fn live(&mut self, live: &pb::Live) -> Result<(), End> {
        let pair = |waiting: &pb::Waiting| Ok((waiting.proposal.parse()?, waiting.agents));
        let waiting = live.waiting.iter().map(pair).collect::<Result<_, WireError>>()?;
        let sandbox: SandboxName = live.sandbox.parse().map_err(WireError::from)?;
        self.say(Update::Attached(sandbox.clone(), live.attached)).await?;
        self.say(Update::Waiting(sandbox, waiting)).await?;
        Ok(())
    }

    async fn snapshot(&mut self, parts: &mut Inbox, part: &Snapshot) -> Result<(), End> {
        parts.settings = settings(&part.settings)?;
        for record in &part.sandboxes {
            let (name, view) = sandbox_view(record)?;
            parts.sandboxes.insert(name, view);
        }
        for proposal in &part.proposals {
            let proposal = Proposal::try_from(proposal)?;
            parts.proposals.insert(proposal.id, proposal);
        }
        if part.last {
            parts.seq = part.seq;
            self.at = Some(part.seq);
            self.say(Update::Snapshot(Box::new(std::mem::take(parts)))).await?;
            self.say(Update::Connection(Connection::Live)).await?;
        }
        Ok(())
    }

    async fn event(&mut self, record: &pb::EventRecord) -> Result<(), End> {
        let envelope = Envelope::try_from(record)?;
        let is_next = self.at.is_some_and(|at| record.prev_cursor == at && envelope.seq == at + 1);
        if !is_next {
            return Err(End::NeedsSnapshot(format!("event {} does not follow", envelope.seq)));
        }
        self.at = Some(envelope.seq);
        self.failures = 0;
        self.say(Update::Event(Box::new(envelope))).await?;
        Ok(())
    }
}
