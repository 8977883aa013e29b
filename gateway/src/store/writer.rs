//! The one writer: a thread that decides commands in groups and appends each group in one transaction.
//!
//! Owns the working state and the log. The order is the promise: decide → commit (fsync) → publish the state →
//! broadcast the events → answer. A refusal touches only its own command; a failed commit throws the working
//! copy away and refuses the whole group, because its later commands were decided on what was not stored.
//! Called through [`crate::ledger::Ledger`].

mod admission;

use std::sync::Arc;

use arc_swap::ArcSwap;
use chrono::{DateTime, Utc};
use openshell_domain::checkpoint::Checkpoint;
use openshell_domain::command::{Command, Refusal};
use openshell_domain::decide::decide;
use openshell_domain::event::{Actor, Envelope, NewEvent};
use openshell_domain::id::Stream;
use openshell_domain::state::State;
use tokio::sync::{broadcast, mpsc, oneshot};

use super::account::Account;
use super::key::Signer;
use super::record::Record;
use super::{EventLog, StoreError};
use crate::clock;
use admission::Admission;
pub(crate) use admission::Reason;

/// The most commands in one transaction.
const GROUP: usize = 256;

/// What a command came to: its events, now on the disk.
pub(crate) type Outcome = Result<Vec<Arc<Envelope>>, NotDone>;

/// Where the writer reads the time.
pub(crate) type Now = fn() -> DateTime<Utc>;

/// Why a command was not done.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(crate) enum NotDone {
    /// It may not be done.
    #[error("{0}")]
    Refused(Refusal),
    /// It may not be done now, because of what it would cost.
    #[error("{0}")]
    NotAdmitted(Reason),
    /// It cannot be stored now.
    #[error("{0}")]
    Unavailable(String),
}

/// What the writer is told.
#[derive(Debug)]
pub(crate) enum Ask {
    /// A command, and where its answer goes.
    Do { command: Command, reply: oneshot::Sender<Outcome> },
    /// To look whether the head of the log is to be signed.
    Look,
}

/// What everybody may see: the state, and each event after it was stored.
#[derive(Debug, Clone)]
pub(crate) struct Published {
    pub(crate) state: Arc<ArcSwap<State>>,
    pub(crate) events: broadcast::Sender<Arc<Envelope>>,
}

/// What a writer begins with.
#[derive(Debug)]
pub(crate) struct Books<L> {
    /// The log.
    pub(crate) log: L,
    /// What its events add up to.
    pub(crate) account: Account,
    /// Who signs its heads.
    pub(crate) signer: Signer,
    /// What time it is.
    pub(crate) now: Now,
}

/// The writer.
#[derive(Debug)]
pub(crate) struct Writer<L> {
    books: Books<L>,
    published: Published,
    /// Set when an append failed: the log may or may not hold its events.
    is_in_doubt: bool,
}

/// A group of commands on its way to the disk.
struct Group {
    working: State,
    now: Now,
    records: Vec<Record>,
    answers: Vec<(oneshot::Sender<Outcome>, Outcome)>,
}

impl<L: EventLog> Writer<L> {
    pub(crate) fn new(books: Books<L>, published: Published) -> Self {
        let key = books.signer.public_key();
        if books.account.is_new_signer(key) {
            let before = books.account.signer.as_deref().unwrap_or_default();
            tracing::warn!(
                %key,
                before,
                "checkpoints are signed with another key from now on: if you did not replace it, somebody else did"
            );
        }
        Self { books, published, is_in_doubt: false }
    }

    /// Works until nobody can ask any more.
    pub(crate) fn run(mut self, mut queue: mpsc::Receiver<Ask>) {
        let mut asks = Vec::with_capacity(GROUP);
        self.sign();
        while queue.blocking_recv_many(&mut asks, GROUP) > 0 {
            let commands = asks.drain(..).filter_map(|ask| match ask {
                Ask::Do { command, reply } => Some((command, reply)),
                Ask::Look => None,
            });
            self.work(commands);
            self.sign();
        }
    }

    fn group(&self) -> Group {
        Group {
            working: State::clone(&self.published.state.load()),
            now: self.books.now,
            records: Vec::new(),
            answers: Vec::new(),
        }
    }

    fn work(&mut self, asks: impl Iterator<Item = (Command, oneshot::Sender<Outcome>)>) {
        let mut asks = asks.peekable();
        if asks.peek().is_none() {
            return;
        }
        let mut failure = self.settle().err().map(|error| error.to_string());
        let mut group = self.group();
        let mut admission = Admission::new(&self.books.account);
        for (command, reply) in asks {
            let outcome = match &failure {
                Some(_) => Ok(Vec::new()),
                None => admission
                    .admit(&group, &command, &mut self.books.log)
                    .and_then(|()| group.decide(&command)),
            };
            if let Err(NotDone::Unavailable(why)) = &outcome {
                failure = Some(why.clone());
            }
            group.answers.push((reply, outcome));
        }
        match failure.map_or_else(|| self.append(&group), Err) {
            Ok(()) => self.publish(group),
            Err(why) => group.refuse(&why),
        }
    }

    /// Signs the head of the log when it is time. What is signed is on the disk already; what cannot be signed now
    /// is signed the next time.
    fn sign(&mut self) {
        if !self.books.account.is_checkpoint_due((self.books.now)()) {
            return;
        }
        if let Err(why) = self.try_sign() {
            tracing::warn!(why, "the head of the log was not signed");
        }
    }

    fn try_sign(&mut self) -> Result<(), String> {
        self.settle().map_err(|error| error.to_string())?;
        let head = self.books.log.head();
        let mut group = self.group();
        group.checkpoint(self.books.signer.sign(head.seq, head.hash))?;
        self.append(&group)?;
        self.publish(group);
        Ok(())
    }

    fn append(&mut self, group: &Group) -> Result<(), String> {
        if group.records.is_empty() {
            return Ok(());
        }
        let appended = self.books.log.append(&group.records);
        self.is_in_doubt |= appended.is_err();
        appended.map_err(|error| error.to_string())
    }

    fn publish(&mut self, group: Group) {
        if !group.records.is_empty() {
            self.published.state.store(Arc::new(group.working));
        }
        for record in group.records {
            self.books.account.add(&record);
            // Nobody listening is no error.
            let _ = self.published.events.send(record.envelope);
        }
        for (reply, outcome) in group.answers {
            // Whoever asked may have gone away; what was stored stays stored.
            let _ = reply.send(outcome);
        }
    }

    /// Takes in what the log holds after a failed append: its events may have reached the disk after all.
    fn settle(&mut self) -> Result<(), StoreError> {
        if !self.is_in_doubt {
            return Ok(());
        }
        let mut group = self.group();
        group.records = self.books.log.recover(group.working.seq)?;
        for record in &group.records {
            group.working.fold(&record.envelope)?;
        }
        self.is_in_doubt = false;
        tracing::info!(seq = group.working.seq, "the event log can be written again");
        self.publish(group);
        Ok(())
    }
}

impl Group {
    fn decide(&mut self, command: &Command) -> Outcome {
        let events = decide(&self.working, command).map_err(NotDone::Refused)?;
        let stored = events.into_iter().map(|event| self.take(event)).collect::<Result<Vec<_>, String>>();
        stored.map_err(NotDone::Unavailable)
    }

    fn checkpoint(&mut self, checkpoint: Checkpoint) -> Result<(), String> {
        let event = checkpoint.into_event();
        self.take(NewEvent { stream: Stream::Gateway, actor: Actor::gateway(), event }).map(drop)
    }

    /// Gives an event its place, id and time, and folds it.
    fn take(&mut self, new: NewEvent) -> Result<Arc<Envelope>, String> {
        let NewEvent { stream, actor, event } = new;
        let at = (self.now)();
        let stream_seq = self.working.stream_seq(&stream).saturating_add(1);
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
        self.records.push(Record::of(envelope.clone()).map_err(|error| error.to_string())?);
        Ok(envelope)
    }

    fn refuse(self, why: &str) {
        tracing::error!(why, commands = self.answers.len(), "nothing was stored");
        for (reply, _) in self.answers {
            let _ = reply.send(Err(NotDone::Unavailable(why.to_owned())));
        }
    }
}

#[cfg(test)]
mod tests;
