//! The handle on the writer: ask for a command, look at the state, follow the events.
//!
//! Owns the queue (bounded: a full one makes callers wait) and the start of the writer's thread. Knows no
//! database. Called by both doors.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use openshell_domain::command::Command;
use openshell_domain::event::Envelope;
use openshell_domain::id::Seq;
use openshell_domain::state::State;
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::measured::Measured;
use crate::metrics::Metrics;
use crate::store::writer::{Ask, Books, NotDone, Outcome, Published, Surroundings, Writer};
use crate::store::{EventLog, EventReader};
use crate::tail::Tail;

/// Commands that may wait for the writer.
const QUEUE: usize = 1024;

/// How often the writer looks whether a checkpoint is due without being asked for anything.
const LOOK: Duration = Duration::from_secs(5);

/// Events that a subscriber may be behind before it has to read the log.
const FEED: usize = 1024;

/// The handle. Cheap to clone; the writer ends with the last one.
#[derive(Clone)]
pub(crate) struct Ledger {
    queue: mpsc::Sender<Ask>,
    published: Published,
    reader: Arc<dyn EventReader>,
    metrics: Arc<Metrics>,
}

/// An answer that is on its way.
#[derive(Debug)]
pub(crate) struct Awaited {
    answer: oneshot::Receiver<Vec<Outcome>>,
    metrics: Arc<Metrics>,
}

impl Ledger {
    /// Starts the writer on a log and the state that it holds. The token is cancelled when the writer has
    /// ended, whether because nobody can ask any more or because it failed.
    pub(crate) fn start(
        books: Books<impl EventLog>,
        reader: impl EventReader,
        state: State,
        surroundings: Surroundings,
    ) -> std::io::Result<(Self, CancellationToken)> {
        let published =
            Published { state: Arc::new(ArcSwap::from_pointee(state)), events: broadcast::Sender::new(FEED) };
        let (queue, asks) = mpsc::channel(QUEUE);
        let metrics = Arc::new(Metrics::default());
        let Books { log, account, signer } = books;
        let log = Measured { log, metrics: metrics.clone(), clock: surroundings.clock.clone() };
        look(queue.downgrade(), surroundings.clock.clone());
        let writer = Writer::new(Books { log, account, signer }, published.clone(), surroundings);
        let ended = CancellationToken::new();
        let guard = ended.clone().drop_guard();
        std::thread::Builder::new().name("log-writer".to_owned()).spawn(move || {
            writer.run(asks);
            drop(guard);
        })?;
        Ok((Self { queue, published, reader: Arc::new(reader), metrics }, ended))
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
        let outcomes = answer.await.map_err(|_| ended())?;
        outcomes.iter().for_each(|outcome| self.metrics.answered(outcome));
        Ok(outcomes)
    }

    /// Queues a command. Commands queued one after another are decided in that order, often in one transaction.
    pub(crate) async fn enqueue(&self, command: Command) -> Result<Awaited, NotDone> {
        let (reply, answer) = oneshot::channel();
        self.queue.send(Ask { commands: vec![command], reply }).await.map_err(|_| ended())?;
        Ok(Awaited { answer, metrics: self.metrics.clone() })
    }

    /// Commands that wait for the writer.
    pub(crate) fn queued(&self) -> usize {
        self.queue.max_capacity().saturating_sub(self.queue.capacity())
    }

    /// Proposals that nobody has decided.
    pub(crate) fn pending(&self) -> u64 {
        self.state().sandboxes.values().map(|sandbox| sandbox.pending.size() as u64).sum()
    }

    /// Whether the last append reached the disk.
    pub(crate) fn is_writable(&self) -> bool {
        self.metrics.is_writable()
    }

    /// What is counted and timed.
    pub(crate) fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
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
        let outcomes = self.answer.await.ok().and_then(|mut outcomes| outcomes.pop());
        let outcome = outcomes.unwrap_or_else(|| Err(ended()));
        self.metrics.answered(&outcome);
        outcome
    }
}

/// Lets the writer look from time to time whether the head of the log is to be signed, as long as anybody could ask.
fn look(queue: mpsc::WeakSender<Ask>, clock: Arc<dyn Clock>) {
    tokio::spawn(async move {
        loop {
            clock.sleep(LOOK).await;
            let Some(queue) = queue.upgrade() else { return };
            // A full queue makes the writer look anyway.
            let _ = queue.try_send(Ask { commands: Vec::new(), reply: oneshot::channel().0 });
        }
    });
}

fn ended() -> NotDone {
    NotDone::Unavailable("the gateway is stopping".to_owned())
}
