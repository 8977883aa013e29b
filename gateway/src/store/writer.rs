//! The one writer: a thread that decides commands in groups and appends each group in one transaction.
//!
//! Owns the working state and the log. The order is the promise: decide → commit (fsync) → publish the state →
//! broadcast the events → answer. A refusal touches only its own command; a failed commit throws the working
//! copy away and refuses the whole group, because its later commands were decided on what was not stored.
//! Signs the head of the log when it is time. Called through [`crate::ledger::Ledger`].

mod admission;
mod gather;
mod group;

use std::sync::Arc;

use arc_swap::ArcSwap;
use openshell_domain::command::{Command, Refusal};
use openshell_domain::decide::{Circumstances, Orders};
use openshell_domain::event::Envelope;
use openshell_domain::state::State;
use tokio::sync::{broadcast, mpsc, oneshot};

use super::account::Account;
use super::key::Signer;
use super::{EventLog, StoreError};
use crate::clock::Clock;
use admission::Admission;
pub(crate) use admission::Reason;
use gather::Gather;
use group::Group;

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
    /// The log cannot bear what it would cost.
    #[error("{0}")]
    NotAdmitted(Reason),
    /// It cannot be stored now.
    #[error("{0}")]
    Unavailable(String),
}

/// Commands for one append, and where their answers go. None at all: the writer looks whether the head of the log
/// is to be signed.
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

/// A log and what belongs to it.
#[derive(Debug)]
pub(crate) struct Books<L> {
    /// The log.
    pub(crate) log: L,
    /// What its events add up to.
    pub(crate) account: Account,
    /// Who signs its heads.
    pub(crate) signer: Signer,
}

/// The writer.
#[derive(Debug)]
pub(crate) struct Writer<L> {
    books: Books<L>,
    published: Published,
    surroundings: Surroundings,
    /// Set when an append failed: the log may or may not hold its events.
    is_in_doubt: bool,
}

impl<L: EventLog> Writer<L> {
    pub(crate) fn new(books: Books<L>, published: Published, surroundings: Surroundings) -> Self {
        let key = books.signer.public_key();
        if books.account.is_new_signer(key) {
            let before = books.account.signer().unwrap_or_default();
            tracing::warn!(
                %key,
                before,
                "checkpoints are signed with another key from now on: if you did not replace it, somebody else did"
            );
        }
        Self { books, published, surroundings, is_in_doubt: false }
    }

    /// Works until nobody can ask any more.
    pub(crate) fn run(mut self, mut queue: mpsc::Receiver<Ask>) {
        let clock = self.surroundings.clock.clone();
        let (mut asks, mut gather) = (Vec::with_capacity(GROUP), Gather::default());
        self.sign();
        while queue.blocking_recv_many(&mut asks, GROUP) > 0 {
            gather.fill(&mut asks, &mut queue, &*clock);
            let (count, begun) = (asks.len(), clock.uptime());
            self.turn(asks.drain(..));
            gather.learn(count, queue.len(), clock.uptime().saturating_sub(begun));
        }
        self.books.log.close(&self.published.state.load(), &self.books.account);
    }

    /// Decides, stores, publishes and answers one group; signs the head of the log and lets it keep the state when it is
    /// time.
    pub(crate) fn turn(&mut self, asks: impl Iterator<Item = Ask>) {
        self.work(asks.filter(|ask| !ask.commands.is_empty()));
        self.sign();
        self.books.log.keep(&self.published.state.load(), &self.books.account);
    }

    fn work(&mut self, asks: impl Iterator<Item = Ask>) {
        let mut failure = self.settle().err().map(|error| error.to_string());
        let mut group = self.group();
        let at = Circumstances { now: self.surroundings.clock.now(), orders: &self.surroundings.orders };
        let mut admission = Admission::new(&self.books.account, at.now);
        for ask in asks {
            let mut outcomes = Vec::with_capacity(ask.commands.len());
            for command in &ask.commands {
                let admitted = match &failure {
                    None => admission.admit(&group, command, &mut self.books.log).map(|()| true),
                    Some(_) => Ok(false),
                };
                let outcome = admitted
                    .and_then(|decides| if decides { group.decide(command, at) } else { Ok(Vec::new()) });
                if let Err(NotDone::Unavailable(why)) = &outcome {
                    failure = Some(why.clone());
                }
                outcomes.push(outcome);
            }
            group.answers.push((ask.reply, outcomes));
        }
        match failure.map_or_else(|| self.append(&group), Err) {
            Ok(()) => self.publish(group),
            Err(why) => group.refuse(&why),
        }
    }

    fn group(&self) -> Group {
        Group::new(State::clone(&self.published.state.load()))
    }

    /// Signs the head of the log when it is time. What is signed is on the disk already; what cannot be signed now
    /// is signed the next time.
    fn sign(&mut self) {
        if !self.books.account.is_checkpoint_due(self.surroundings.clock.now()) {
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
        group.checkpoint(self.books.signer.sign(head.seq, head.hash), self.surroundings.clock.now())?;
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
        for (reply, outcomes) in group.answers {
            // Whoever asked may have gone away; what was stored stays stored.
            let _ = reply.send(outcomes);
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

#[cfg(test)]
mod tests;
