//! The handle on the writer: ask for a command, look at the state, follow the events.
//!
//! Owns the queue (bounded: a full one makes callers wait) and the start of the writer's thread. Knows no
//! database. Called by both doors.

use std::sync::Arc;

use arc_swap::ArcSwap;
use openshell_domain::command::Command;
use openshell_domain::event::Envelope;
use openshell_domain::id::Seq;
use openshell_domain::state::State;
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::store::writer::{Ask, NotDone, Outcome, Published, Surroundings, Writer};
use crate::store::{EventLog, EventReader};
use crate::tail::Tail;

/// Commands that may wait for the writer.
const QUEUE: usize = 1024;

/// Events that a subscriber may be behind before it has to read the log.
const FEED: usize = 1024;

/// The handle. Cheap to clone; the writer ends with the last one.
#[derive(Clone)]
pub(crate) struct Ledger {
    queue: mpsc::Sender<Ask>,
    published: Published,
    reader: Arc<dyn EventReader>,
}

/// An answer that is on its way.
#[derive(Debug)]
pub(crate) struct Awaited(oneshot::Receiver<Vec<Outcome>>);

impl Ledger {
    /// Starts the writer on a log and the state that it holds. The token is cancelled when the writer has
    /// ended, whether because nobody can ask any more or because it failed.
    pub(crate) fn start(
        log: impl EventLog,
        reader: impl EventReader,
        state: State,
        surroundings: Surroundings,
    ) -> std::io::Result<(Self, CancellationToken)> {
        let published =
            Published { state: Arc::new(ArcSwap::from_pointee(state)), events: broadcast::Sender::new(FEED) };
        let (queue, asks) = mpsc::channel(QUEUE);
        let writer = Writer::new(log, published.clone(), surroundings);
        let ended = CancellationToken::new();
        let guard = ended.clone().drop_guard();
        std::thread::Builder::new().name("log-writer".to_owned()).spawn(move || {
            writer.run(asks);
            drop(guard);
        })?;
        Ok((Self { queue, published, reader: Arc::new(reader) }, ended))
    }

    /// Does a command. When this returns `Ok`, its events are on the disk.
    pub(crate) async fn execute(&self, command: Command) -> Outcome {
        self.enqueue(command).await?.outcome().await
    }

    /// Does several commands in one append, each for itself: what is refused is left out. An error means that
    /// nothing was done.
    pub(crate) async fn execute_all(&self, commands: Vec<Command>) -> Result<Vec<Outcome>, NotDone> {
        let (reply, answer) = oneshot::channel();
        self.queue.send(Ask { commands, reply }).await.map_err(|_| ended())?;
        answer.await.map_err(|_| ended())
    }

    /// Queues a command. Commands queued one after another are decided in that order, often in one transaction.
    pub(crate) async fn enqueue(&self, command: Command) -> Result<Awaited, NotDone> {
        let (reply, answer) = oneshot::channel();
        self.queue.send(Ask { commands: vec![command], reply }).await.map_err(|_| ended())?;
        Ok(Awaited(answer))
    }

    /// The stored events after `seq`, at most `limit`.
    pub(crate) async fn read(&self, seq: Seq, limit: u32) -> Result<Vec<Envelope>, String> {
        let reader = self.reader.clone();
        match tokio::task::spawn_blocking(move || reader.read(seq, limit)).await {
            Ok(events) => events.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// The state after the last stored group.
    pub(crate) fn state(&self) -> Arc<State> {
        self.published.state.load_full()
    }

    /// The raw feed of stored events, for those who can begin again from the state when they fall behind.
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Arc<Envelope>> {
        self.published.events.subscribe()
    }

    /// The state now, and every event after it, without gap or repeat.
    pub(crate) fn follow(&self) -> (Tail, Arc<State>) {
        Tail::new(self.published.clone(), self.reader.clone())
    }
}

impl Awaited {
    pub(crate) async fn outcome(self) -> Outcome {
        self.0.await.ok().and_then(|mut outcomes| outcomes.pop()).unwrap_or_else(|| Err(ended()))
    }
}

fn ended() -> NotDone {
    NotDone::Unavailable("the gateway is stopping".to_owned())
}
