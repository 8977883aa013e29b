//! Following the log: every event after a place, in order, without gap or repeat.
//!
//! Live events come from the broadcast; whoever resumes or fell behind reads the log until it has caught up, so
//! a slow reader costs disk reads and never memory, and is never cut off. Called by `WatchInbox`.

use std::collections::VecDeque;
use std::sync::Arc;

use openshell_domain::event::Envelope;
use openshell_domain::id::Seq;
use openshell_domain::state::State;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinHandle;

use crate::store::writer::Published;
use crate::store::{EventReader, StoreError};

/// Events read from the log at once. An event can hold a whole policy, so this is not many.
const PAGE: u32 = 64;

/// The stream of events after a place.
pub(crate) struct Tail {
    published: Published,
    reader: Arc<dyn EventReader>,
    live: broadcast::Receiver<Arc<Envelope>>,
    backlog: VecDeque<Arc<Envelope>>,
    /// A page on its way. Kept here so that a caller that stops waiting finds it when it waits again.
    page: Option<JoinHandle<Result<Vec<Envelope>, StoreError>>>,
    /// The last event given out.
    at: Seq,
    /// Everything up to here must come from the log.
    behind: Seq,
}

/// Why there are no more events.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TailEnd {
    /// The gateway stops.
    #[error("the gateway is stopping")]
    Stopped,
    /// The log cannot be read.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The reading task failed.
    #[error("reading the log failed: {0}")]
    Task(#[from] tokio::task::JoinError),
}

impl Tail {
    /// The state now, and the events after it. Subscribes first and takes the state after that: an event is in
    /// one of the two, or in both and then skipped.
    pub(crate) fn new(published: Published, reader: Arc<dyn EventReader>) -> (Self, Arc<State>) {
        let live = published.events.subscribe();
        let state = published.state.load_full();
        let tail = Self {
            published,
            reader,
            live,
            backlog: VecDeque::new(),
            page: None,
            at: state.seq,
            behind: state.seq,
        };
        (tail, state)
    }

    /// Begins after `seq` instead, which must not lie beyond the state that came with this tail.
    pub(crate) fn from(mut self, seq: Seq) -> Self {
        self.at = seq;
        self
    }

    /// The state after the last stored group, which may be ahead of the next event.
    pub(crate) fn state(&self) -> Arc<State> {
        self.published.state.load_full()
    }

    /// The next event. Nothing is lost when this future is dropped.
    pub(crate) async fn next(&mut self) -> Result<Arc<Envelope>, TailEnd> {
        loop {
            if let Some(envelope) = self.backlog.pop_front() {
                self.at = envelope.seq;
                return Ok(envelope);
            }
            if self.at < self.behind {
                self.backlog = self.read().await?;
                continue;
            }
            let received = self.live.recv().await;
            if let Some(envelope) = self.take(received)? {
                return Ok(envelope);
            }
        }
    }

    /// Takes in what the feed gave: the next event, if it is that.
    fn take(&mut self, received: Result<Arc<Envelope>, RecvError>) -> Result<Option<Arc<Envelope>>, TailEnd> {
        match received {
            Ok(envelope) if envelope.seq <= self.at => {}
            Ok(envelope) if envelope.seq == self.at.saturating_add(1) => {
                self.at = envelope.seq;
                return Ok(Some(envelope));
            }
            Ok(envelope) => self.behind = envelope.seq,
            // The state is published before its events are sent, so it knows of every one that was missed.
            Err(RecvError::Lagged(_)) => self.behind = self.published.state.load().seq,
            Err(RecvError::Closed) => return Err(TailEnd::Stopped),
        }
        Ok(None)
    }

    /// The next event that is there without waiting.
    #[cfg(test)]
    pub(crate) fn try_next(&mut self) -> Result<Option<Arc<Envelope>>, TailEnd> {
        use tokio::sync::broadcast::error::TryRecvError;
        loop {
            if let Some(envelope) = self.backlog.pop_front() {
                self.at = envelope.seq;
                return Ok(Some(envelope));
            }
            if self.at < self.behind {
                let events = self.reader.read(self.at, PAGE)?;
                self.backlog = self.page(events)?;
                continue;
            }
            let received = match self.live.try_recv() {
                Ok(envelope) => Ok(envelope),
                Err(TryRecvError::Empty) => return Ok(None),
                Err(TryRecvError::Lagged(missed)) => Err(RecvError::Lagged(missed)),
                Err(TryRecvError::Closed) => Err(RecvError::Closed),
            };
            if let Some(envelope) = self.take(received)? {
                return Ok(Some(envelope));
            }
        }
    }

    async fn read(&mut self) -> Result<VecDeque<Arc<Envelope>>, TailEnd> {
        let page = self.page.get_or_insert_with(|| {
            let (reader, at) = (self.reader.clone(), self.at);
            tokio::task::spawn_blocking(move || reader.read(at, PAGE))
        });
        let events = page.await;
        self.page = None;
        self.page(events??)
    }

    /// A page of the log, if it continues where this stands.
    fn page(&self, events: Vec<Envelope>) -> Result<VecDeque<Arc<Envelope>>, TailEnd> {
        if events.first().map(|first| first.seq) != Some(self.at.saturating_add(1)) {
            return Err(StoreError::Shorter(self.behind).into());
        }
        Ok(events.into_iter().map(Arc::new).collect())
    }
}

#[cfg(test)]
mod tests;
