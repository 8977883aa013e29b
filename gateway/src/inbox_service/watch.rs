//! `WatchInbox`: a snapshot at one place of the log, then every event after it.
//!
//! The feed is subscribed to before the state is taken, so nothing falls between them. The snapshot is made
//! frame by frame from a state that does not change, as fast as the client reads it. Refuses a `from_seq` that
//! lies beyond the log: the database was replaced, and the client has to ask for a snapshot.

mod snapshot;

use std::collections::{BTreeSet, HashMap};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use openshell_domain::event::{Envelope, Event};
use openshell_domain::id::{IdError, ProposalId, SandboxName, Seq};
use openshell_domain::proposal::Proposal;
use openshell_domain::state::{Sandbox, State};
use openshell_wire::pb::inbox::{self as pb, inbox_frame::Frame};
use openshell_wire::{envelope, proposal};
use tokio::sync::watch;
use tonic::{Code, Status};

use crate::gateway::Shared;
use crate::presence::Present;
use crate::registry::Registry;
use crate::reviews::Reviews;
use crate::status;
use crate::tail::{Tail, TailEnd};
pub(crate) use snapshot::Snapshot;

/// After this long without an event, the client is told that the connection lives.
const HEARTBEAT: Duration = Duration::from_secs(10);

type Frames = Pin<Box<dyn Stream<Item = Result<pb::InboxFrame, Status>> + Send>>;

/// The stream of one client.
pub(super) fn frames(shared: &Shared, request: &pb::WatchInboxRequest) -> Result<Frames, Status> {
    let scope = Scope::read(&request.sandbox)?;
    let (tail, state) = shared.ledger.follow();
    let (from, snapshot) = match request.from_seq {
        None => (state.seq, Some(Snapshot::new(&state, |name| scope.has(name)))),
        Some(seq) if seq <= state.seq => (seq, None),
        Some(seq) => {
            let message =
                format!("there is no event {seq}, the log ends at {}: ask for a snapshot", state.seq);
            return Err(status::refuse(Code::OutOfRange, "beyond_the_log", &message));
        }
    };
    let snapshot = stream::iter(snapshot.into_iter().flatten()).map(|part| Ok(frame(Frame::Snapshot(part))));
    let stopped = shared.stopping.clone().cancelled_owned();
    let wanted = state.sandboxes.iter().filter(|(name, _)| scope.has(name));
    let follow = Follow {
        _present: shared.presence.watchers.enter(),
        reviews: shared.reviews.clone(),
        tail: tail.from(from),
        cursor: from,
        unseen: wanted.flat_map(|(_, sandbox)| sandbox.pending.keys().copied()).collect(),
        changed: Some(Vec::new()),
        live: Live::new(&shared.registry),
        scope,
    };
    let frames = snapshot.chain(events(follow)).take_until(stopped);
    let farewell = stream::once(async { Err(status::stopping()) });
    Ok(Box::pin(frames.chain(farewell).scan(false, |has_failed, frame| {
        // Nothing follows an error: not the farewell after a failed read.
        let next = (!*has_failed).then_some(frame);
        *has_failed = matches!(next, Some(Err(_)));
        std::future::ready(next)
    })))
}

fn frame(frame: Frame) -> pb::InboxFrame {
    pb::InboxFrame { frame: Some(frame) }
}

/// What a client wants to hear of.
struct Scope(Option<SandboxName>);

impl Scope {
    fn read(text: &str) -> Result<Self, Status> {
        let name = (!text.is_empty()).then(|| text.parse()).transpose();
        name.map(Self).map_err(|error: IdError| status::invalid(&error.into()))
    }

    fn has(&self, name: &SandboxName) -> bool {
        self.0.as_ref().is_none_or(|wanted| wanted == name)
    }
}

/// What is going on now and is not in the log.
struct Live {
    registry: Registry,
    changes: watch::Receiver<u64>,
    told: HashMap<SandboxName, pb::Live>,
    is_due: bool,
}

impl Live {
    fn new(registry: &Registry) -> Self {
        let changes = registry.changes();
        Self { registry: registry.clone(), changes, told: HashMap::new(), is_due: true }
    }

    /// The next sandbox of these of which something else is known than was told.
    fn next<'a>(&mut self, mut names: impl Iterator<Item = &'a SandboxName>) -> Option<pb::Live> {
        if !self.is_due {
            return None;
        }
        let registry = &self.registry;
        let news = names.find_map(|name| {
            let live = registry.live(name);
            let is_news = self.told.get(name).map_or(live.attached, |told| *told != live);
            is_news.then_some((name, live))
        });
        self.is_due = news.is_some();
        let (name, live) = news?;
        self.told.insert(name.clone(), live.clone());
        Some(live)
    }
}

/// One client's place in the log.
struct Follow {
    _present: Present,
    /// Not the whole gateway: a stream that is about to be dropped must not keep the log open.
    reviews: Reviews,
    tail: Tail,
    cursor: Seq,
    scope: Scope,
    /// Pending proposals of which the client has to be told what they would change.
    unseen: BTreeSet<ProposalId>,
    /// Whose grants came or went since the last revision; `None`: the policy file is another one.
    changed: Option<Vec<ProposalId>>,
    live: Live,
}

/// What a pending proposal would change, as text.
async fn look(reviews: &Reviews, state: &Arc<State>, proposal: Option<&Proposal>) -> Option<String> {
    reviews.of(state, proposal?).await.map(|review| proposal::review_text(&review))
}

/// Every event after the cursor, what each changes of the pending proposals behind it, who waits, and heartbeats.
fn events(follow: Follow) -> impl Stream<Item = Result<pb::InboxFrame, Status>> + Send {
    stream::unfold(follow, |mut follow| async move {
        loop {
            if let Some(live) = follow.live() {
                return Some((Ok(frame(Frame::Live(live))), follow));
            }
            let (state, next) = (follow.tail.state(), follow.unseen.first().copied());
            let unseen = next.and_then(|id| state.proposal(id)).filter(|known| known.is_pending());
            if unseen.is_none() && follow.unseen.pop_first().is_some() {
                continue;
            }
            let next = tokio::select! {
                // What has happened comes first: a look can take its time.
                biased;
                next = follow.tail.next() => next,
                review = look(&follow.reviews, &state, unseen), if unseen.is_some() => {
                    let id = follow.unseen.pop_first();
                    let (Some(id), Some(review)) = (id, review) else { continue };
                    let reviewed = pb::Reviewed { proposal: id.to_string(), review };
                    return Some((Ok(frame(Frame::Reviewed(reviewed))), follow));
                }
                // The sender lives in the registry that this holds.
                _ = follow.live.changes.changed() => {
                    follow.live.is_due = true;
                    continue;
                }
                () = tokio::time::sleep(HEARTBEAT) => {
                    return Some((Ok(frame(Frame::Heartbeat(pb::Heartbeat {}))), follow));
                }
            };
            match next {
                Ok(event) => {
                    if let Some(record) = follow.take(&event) {
                        return Some((record, follow));
                    }
                }
                Err(TailEnd::Stopped) => return None,
                Err(error) => {
                    let failed = status::refuse(Code::Unavailable, "unavailable", &error.to_string());
                    return Some((Err(failed), follow));
                }
            }
        }
    })
}

impl Follow {
    /// The frame of an event, if the client wants it.
    fn take(&mut self, event: &Envelope) -> Option<Result<pb::InboxFrame, Status>> {
        if event.sandbox().is_some_and(|name| !self.scope.has(name)) {
            return None;
        }
        let record = envelope::record(event, self.cursor)
            .map(|record| frame(Frame::Event(record)))
            .map_err(|error| Status::internal(error.to_string()));
        self.cursor = event.seq;
        self.note(event);
        Some(record)
    }

    fn live(&mut self) -> Option<pb::Live> {
        let state = self.tail.state();
        let scope = &self.scope;
        self.live.next(state.sandboxes.keys().filter(|name| scope.has(name)))
    }

    /// Remembers of which proposals an event may have changed what they would change.
    fn note(&mut self, event: &Envelope) {
        match &event.event {
            Event::ProposalSubmitted { proposal, .. }
            | Event::DraftRevised { proposal, .. }
            | Event::DenialObserved { proposal, .. } => drop(self.unseen.insert(*proposal)),
            Event::DecisionUndone { proposal, .. } => {
                self.unseen.insert(*proposal);
                self.changed.as_mut().into_iter().for_each(|changed| changed.push(*proposal));
            }
            Event::ProposalApproved { proposal, .. }
            | Event::GrantExpired { proposal }
            | Event::GrantRevoked { proposal, .. } => {
                self.changed.as_mut().into_iter().for_each(|changed| changed.push(*proposal));
            }
            Event::BasePolicySet { .. } => self.changed = None,
            Event::PolicyRevised { .. } => {
                let state = self.tail.state();
                let changed = self.changed.replace(Vec::new());
                if let Some(sandbox) = event.sandbox().and_then(|name| state.sandboxes.get(name)) {
                    self.unseen.extend(concerned(sandbox, changed));
                }
            }
            _ => {}
        }
    }
}

/// The pending proposals that may change otherwise now that these grants came or went.
fn concerned(sandbox: &Sandbox, changed: Option<Vec<ProposalId>>) -> Vec<ProposalId> {
    let Some(changed) = changed else { return sandbox.pending.keys().copied().collect() };
    let rule = |id: &ProposalId| sandbox.proposals.get(id).map(|known| &known.draft.rule);
    let changed: Vec<_> = changed.iter().filter_map(rule).collect();
    let is_concerned =
        |id: &&ProposalId| rule(id).is_some_and(|asked| changed.iter().any(|grant| !grant.is_apart(asked)));
    sandbox.pending.keys().filter(is_concerned).copied().collect()
}
