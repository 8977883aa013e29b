//! The one writer: a thread that decides commands in groups and appends each group in one transaction.
//!
//! Owns the working state and the log. The order is the promise: decide → commit (fsync) → publish the state →
//! broadcast the events → answer. A refusal touches only its own command; a failed commit throws the working
//! copy away and refuses the whole group, because its later commands were decided on what was not stored.
//! Called through [`crate::ledger::Ledger`].

use std::sync::Arc;

use arc_swap::ArcSwap;
use chrono::{DateTime, Utc};
use openshell_domain::command::{Command, Refusal};
use openshell_domain::decide::{Circumstances, Orders, decide};
use openshell_domain::event::{Envelope, NewEvent};
use openshell_domain::state::State;
use tokio::sync::{broadcast, mpsc, oneshot};

use super::{EventLog, StoreError};
use crate::clock::{self, Clock};

/// The most commands in one transaction.
const GROUP: usize = 256;

/// What a command came to: its events, now on the disk.
pub(crate) type Outcome = Result<Vec<Arc<Envelope>>, NotDone>;

/// Why a command was not done.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(crate) enum NotDone {
    /// It may not be done.
    #[error("{0}")]
    Refused(Refusal),
    /// It cannot be stored now.
    #[error("{0}")]
    Unavailable(String),
}

/// Commands for one append, and where their answers go.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) commands: Vec<Command>,
    pub(crate) reply: oneshot::Sender<Vec<Outcome>>,
}

/// What decisions depend on beside the state.
#[derive(Debug, Clone)]
pub(crate) struct Surroundings {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) orders: Arc<Orders>,
}

/// What everybody may see: the state, and each event after it was stored.
#[derive(Debug, Clone)]
pub(crate) struct Published {
    pub(crate) state: Arc<ArcSwap<State>>,
    pub(crate) events: broadcast::Sender<Arc<Envelope>>,
}

/// The writer.
#[derive(Debug)]
pub(crate) struct Writer<L> {
    log: L,
    published: Published,
    surroundings: Surroundings,
    /// Set when an append failed: the log may or may not hold its events.
    is_in_doubt: bool,
}

/// A group of commands on its way to the disk.
struct Group {
    working: State,
    events: Vec<Arc<Envelope>>,
    answers: Vec<(oneshot::Sender<Vec<Outcome>>, Vec<Outcome>)>,
}

impl<L: EventLog> Writer<L> {
    pub(crate) fn new(log: L, published: Published, surroundings: Surroundings) -> Self {
        Self { log, published, surroundings, is_in_doubt: false }
    }

    /// Works until nobody can ask any more.
    pub(crate) fn run(mut self, mut queue: mpsc::Receiver<Ask>) {
        let mut asks = Vec::with_capacity(GROUP);
        while queue.blocking_recv_many(&mut asks, GROUP) > 0 {
            self.work(asks.drain(..));
        }
    }

    /// Decides, stores, publishes and answers one group.
    pub(crate) fn work(&mut self, asks: impl Iterator<Item = Ask>) {
        let doubt = if self.is_in_doubt { self.recover() } else { Ok(()) };
        let mut group = Group {
            working: State::clone(&self.published.state.load()),
            events: Vec::new(),
            answers: Vec::new(),
        };
        let mut failure = doubt.err().map(|error| error.to_string());
        let at = Circumstances { now: self.surroundings.clock.now(), orders: &self.surroundings.orders };
        for ask in asks {
            let mut outcomes = Vec::with_capacity(ask.commands.len());
            for command in &ask.commands {
                let outcome = if failure.is_some() { Ok(Vec::new()) } else { group.decide(command, at) };
                if let Err(NotDone::Unavailable(why)) = &outcome {
                    failure = Some(why.clone());
                }
                outcomes.push(outcome);
            }
            group.answers.push((ask.reply, outcomes));
        }
        if failure.is_none() && !group.events.is_empty() {
            failure = self.log.append(&group.events).err().map(|error| {
                self.is_in_doubt = true;
                error.to_string()
            });
        }
        match failure {
            None => self.publish(group),
            Some(why) => group.refuse(&why),
        }
    }

    fn publish(&self, group: Group) {
        if !group.events.is_empty() {
            self.published.state.store(Arc::new(group.working));
        }
        for envelope in group.events {
            // Nobody listening is no error.
            let _ = self.published.events.send(envelope);
        }
        for (reply, outcome) in group.answers {
            // Whoever asked may have gone away; what was stored stays stored.
            let _ = reply.send(outcome);
        }
    }

    /// Takes in what the log holds after a failed append: its events may have reached the disk after all.
    fn recover(&mut self) -> Result<(), StoreError> {
        let mut state = State::clone(&self.published.state.load());
        let events = self.log.recover(state.seq)?;
        for envelope in &events {
            state.fold(envelope)?;
        }
        self.is_in_doubt = false;
        tracing::info!(seq = state.seq, "the event log can be written again");
        let events = events.into_iter().map(Arc::new).collect();
        self.publish(Group { working: state, events, answers: Vec::new() });
        Ok(())
    }
}

impl Group {
    fn decide(&mut self, command: &Command, at: Circumstances<'_>) -> Outcome {
        let events = decide(&self.working, command, at).map_err(NotDone::Refused)?;
        let stored =
            events.into_iter().map(|event| self.take(event, at.now)).collect::<Result<Vec<_>, String>>();
        stored.map_err(NotDone::Unavailable)
    }

    /// Gives an event its place, id and time, and folds it.
    fn take(&mut self, new: NewEvent, at: DateTime<Utc>) -> Result<Arc<Envelope>, String> {
        let NewEvent { stream, actor, event } = new;
        let stream_seq = self.working.stream_seq(&stream) + 1;
        let envelope = Arc::new(Envelope {
            seq: self.working.seq.saturating_add(1),
            id: clock::event_id(at).map_err(|error| error.to_string())?,
            stream,
            stream_seq,
            at,
            actor,
            event,
        });
        self.working.fold(&envelope).map_err(|error| error.to_string())?;
        self.events.push(envelope.clone());
        Ok(envelope)
    }

    fn refuse(self, why: &str) {
        tracing::error!(why, commands = self.answers.len(), "nothing was stored");
        for (reply, outcomes) in self.answers {
            let refused = outcomes.iter().map(|_| Err(NotDone::Unavailable(why.to_owned())));
            let _ = reply.send(refused.collect());
        }
    }
}

#[cfg(test)]
mod tests;
