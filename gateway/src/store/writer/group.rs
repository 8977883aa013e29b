//! A group of commands on its way to the disk: decided one after another on a copy of the state.
//!
//! Owns what the commands would make, until it is published or thrown away as a whole. Called by the writer.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use openshell_domain::checkpoint::Checkpoint;
use openshell_domain::command::Command;
use openshell_domain::decide::{Circumstances, decide};
use openshell_domain::event::{Actor, Envelope, NewEvent};
use openshell_domain::id::Stream;
use openshell_domain::state::State;
use tokio::sync::oneshot;

use super::{NotDone, Outcome};
use crate::clock;
use crate::store::record::Record;

/// The group.
pub(super) struct Group {
    /// The state after its events.
    pub(super) working: State,
    /// Its events.
    pub(super) records: Vec<Record>,
    /// Its answers, to be sent once its events are on the disk.
    pub(super) answers: Vec<(oneshot::Sender<Vec<Outcome>>, Vec<Outcome>)>,
}

impl Group {
    pub(super) fn new(working: State) -> Self {
        Self { working, records: Vec::new(), answers: Vec::new() }
    }

    pub(super) fn decide(&mut self, command: &Command, at: Circumstances<'_>) -> Outcome {
        let events = decide(&self.working, command, at).map_err(NotDone::Refused)?;
        let stored =
            events.into_iter().map(|event| self.take(event, at.now)).collect::<Result<Vec<_>, String>>();
        stored.map_err(NotDone::Unavailable)
    }

    pub(super) fn checkpoint(&mut self, checkpoint: Checkpoint, at: DateTime<Utc>) -> Result<(), String> {
        let event = checkpoint.into_event();
        self.take(NewEvent { stream: Stream::Gateway, actor: Actor::gateway(), event }, at).map(drop)
    }

    /// Gives an event its place, id and time, and folds it.
    fn take(&mut self, new: NewEvent, at: DateTime<Utc>) -> Result<Arc<Envelope>, String> {
        let NewEvent { stream, actor, event } = new;
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

    /// Answers every command of it with this: none of its events is known to be stored.
    pub(super) fn refuse(self, why: &str) {
        tracing::error!(why, commands = self.answers.len(), "nothing was stored");
        for (reply, outcomes) in self.answers {
            let refused = outcomes.iter().map(|_| Err(NotDone::Unavailable(why.to_owned())));
            let _ = reply.send(refused.collect());
        }
    }
}
