//! `WatchInbox`: a snapshot at one place of the log, then every event after it.
//!
//! The feed is subscribed to before the state is taken, so nothing falls between them. The snapshot is made
//! frame by frame from a state that does not change, as fast as the client reads it. Refuses a `from_seq` that
//! lies beyond the log: the database was replaced, and the client has to ask for a snapshot.

use std::collections::VecDeque;
use std::ops::Bound;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use openshell_domain::event::{Envelope, Event};
use openshell_domain::id::{ProposalId, SandboxName, Seq};
use openshell_domain::state::{Sandbox, State};
use openshell_wire::pb::inbox::{self as pb, inbox_frame::Frame};
use openshell_wire::{envelope, proposal};
use prost::Message;
use tonic::{Code, Status};

use crate::gateway::Shared;
use crate::reviews::Reviews;
use crate::status;
use crate::tail::{Tail, TailEnd};

/// After this long without an event, the client is told that the connection lives.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// The most proposals in a frame.
const FRAME_PROPOSALS: usize = 200;
/// The most sandboxes in a frame.
const FRAME_SANDBOXES: usize = 500;
/// A frame ends once it is this large; a client accepts 4 MiB.
const FRAME_BYTES: usize = 1024 * 1024;

type Frames = Pin<Box<dyn Stream<Item = Result<pb::InboxFrame, Status>> + Send>>;

/// The stream of one client.
pub(super) fn frames(shared: &Shared, from_seq: Option<Seq>) -> Result<Frames, Status> {
    let (tail, state) = shared.ledger.follow();
    let (from, snapshot) = match from_seq {
        None => (state.seq, Some(Snapshot::new(&state))),
        Some(seq) if seq <= state.seq => (seq, None),
        Some(seq) => {
            let message =
                format!("there is no event {seq}, the log ends at {}: ask for a snapshot", state.seq);
            return Err(status::refuse(Code::OutOfRange, "beyond_the_log", &message));
        }
    };
    let snapshot = stream::iter(snapshot.into_iter().flatten()).map(|part| Ok(frame(Frame::Snapshot(part))));
    let stopped = shared.stopping.clone().cancelled_owned();
    let pending = state.sandboxes.values().flat_map(|sandbox| sandbox.pending.keys());
    let follow = Follow {
        reviews: shared.reviews.clone(),
        tail: tail.from(from),
        cursor: from,
        unseen: pending.copied().collect(),
    };
    let frames = snapshot.chain(events(follow)).take_until(stopped);
    let farewell = stream::once(async { Err(status::refuse(Code::Unavailable, "stopping", STOPPING)) });
    Ok(Box::pin(frames.chain(farewell).scan(false, |has_failed, frame| {
        // Nothing follows an error: not the farewell after a failed read.
        let next = (!*has_failed).then_some(frame);
        *has_failed = matches!(next, Some(Err(_)));
        std::future::ready(next)
    })))
}

/// What streams end with when the gateway does.
const STOPPING: &str = "the gateway is stopping";

fn frame(frame: Frame) -> pb::InboxFrame {
    pb::InboxFrame { frame: Some(frame) }
}

/// One client's place in the log.
struct Follow {
    /// Not the whole gateway: a stream that is about to be dropped must not keep the log open.
    reviews: Reviews,
    tail: Tail,
    cursor: Seq,
    /// Pending proposals of which the client has to be told what they would change.
    unseen: VecDeque<ProposalId>,
}

/// Every event after the cursor, what each changes of the pending proposals behind it, and heartbeats.
fn events(follow: Follow) -> impl Stream<Item = Result<pb::InboxFrame, Status>> + Send {
    stream::unfold(follow, |mut follow| async move {
        if let Some(reviewed) = follow.reviewed().await {
            return Some((Ok(frame(Frame::Reviewed(reviewed))), follow));
        }
        let Ok(next) = tokio::time::timeout(HEARTBEAT, follow.tail.next()).await else {
            return Some((Ok(frame(Frame::Heartbeat(pb::Heartbeat {}))), follow));
        };
        match next {
            Ok(event) => {
                let record = envelope::record(&event, follow.cursor)
                    .map(|record| frame(Frame::Event(record)))
                    .map_err(|error| Status::internal(error.to_string()));
                follow.cursor = event.seq;
                follow.note(&event);
                Some((record, follow))
            }
            Err(TailEnd::Stopped) => None,
            Err(error) => {
                let failed = status::refuse(Code::Unavailable, "unavailable", &error.to_string());
                Some((Err(failed), follow))
            }
        }
    })
}

impl Follow {
    /// Remembers of which proposals an event may have changed what they would change.
    fn note(&mut self, event: &Envelope) {
        match &event.event {
            Event::ProposalSubmitted { proposal, .. }
            | Event::DraftRevised { proposal, .. }
            | Event::DenialObserved { proposal, .. }
            | Event::DecisionUndone { proposal, .. } => self.unseen.push_back(*proposal),
            Event::PolicyRevised { .. } => {
                let state = self.tail.state();
                let sandbox = event.sandbox().and_then(|name| state.sandboxes.get(name));
                self.unseen.extend(sandbox.into_iter().flat_map(|sandbox| sandbox.pending.keys()));
            }
            _ => {}
        }
    }

    /// The next of them that is still pending, as it is now.
    async fn reviewed(&mut self) -> Option<pb::Reviewed> {
        while let Some(id) = self.unseen.pop_front() {
            let state = self.tail.state();
            let Some(proposal) = state.proposal(id) else { continue };
            if let Some(review) = self.reviews.of(&state, proposal).await {
                return Some(pb::Reviewed {
                    proposal: id.to_string(),
                    review: proposal::review_text(&review),
                });
            }
        }
        None
    }
}

/// The frames of a snapshot, made one at a time.
pub(super) struct Snapshot {
    seq: Seq,
    settings: String,
    sandboxes: Vec<(SandboxName, Arc<Sandbox>)>,
    /// Sandboxes of which the record has been sent.
    listed: usize,
    /// The sandbox whose proposals are sent, and the last of them that was.
    at: (usize, Option<ProposalId>),
    is_done: bool,
}

impl Snapshot {
    pub(super) fn new(state: &State) -> Self {
        let pair = |(name, sandbox): (&SandboxName, &Arc<Sandbox>)| (name.clone(), sandbox.clone());
        let sandboxes = state.sandboxes.iter().map(pair).collect();
        let settings = proposal::settings_text(&state.settings);
        Self { seq: state.seq, settings, sandboxes, listed: 0, at: (0, None), is_done: false }
    }

    fn fill(&mut self, part: &mut pb::Snapshot) {
        let mut bytes = 0;
        while let Some((name, sandbox)) = self.sandboxes.get(self.listed) {
            if part.sandboxes.len() == FRAME_SANDBOXES || bytes >= FRAME_BYTES {
                return;
            }
            let record = proposal::sandbox_record(name, &sandbox.view);
            bytes += record.encoded_len();
            part.sandboxes.push(record);
            self.listed += 1;
        }
        while let Some((_, sandbox)) = self.sandboxes.get(self.at.0) {
            for (id, proposal) in sandbox.proposals.range(after(self.at.1)) {
                if part.proposals.len() == FRAME_PROPOSALS || bytes >= FRAME_BYTES {
                    return;
                }
                let message = pb::Proposal::from(proposal);
                bytes += message.encoded_len();
                part.proposals.push(message);
                self.at.1 = Some(*id);
            }
            self.at = (self.at.0 + 1, None);
        }
        self.is_done = true;
    }
}

fn after(last: Option<ProposalId>) -> (Bound<ProposalId>, Bound<ProposalId>) {
    (last.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded)
}

impl Iterator for Snapshot {
    type Item = pb::Snapshot;

    fn next(&mut self) -> Option<pb::Snapshot> {
        if self.is_done {
            return None;
        }
        let mut part =
            pb::Snapshot { seq: self.seq, settings: self.settings.clone(), ..pb::Snapshot::default() };
        self.fill(&mut part);
        part.last = self.is_done;
        Some(part)
    }
}
