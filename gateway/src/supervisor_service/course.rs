//! The course of one `Attach`: what its supervisor is told when something changes, and what its reports ask for.
//!
//! What is sent is computed from the *state*, an event only says that something changed: so a policy always goes
//! out before the outcome that it belongs to, and a supervisor that fell behind is simply sent everything again.
//! Waits for nothing and sends nothing: the session does, and so does the simulation.

use std::collections::BTreeSet;
use std::sync::Arc;

use openshell_domain::command::{Command, LoadFailure, Refusal, Report as LoadReport};
use openshell_domain::event::Envelope;
use openshell_domain::id::{ProposalId, Revision, RunId, SandboxName};
use openshell_domain::state::State;
use openshell_wire::pb::inbox::{self as pb, directive::Directive, report::Report};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};

use super::directives::{self, Sent};

/// The longest load error that is stored, in bytes.
const MAX_ERROR: usize = 4096;

/// One attached run, and what it was told.
#[derive(Debug)]
pub(crate) struct Course {
    name: SandboxName,
    run: RunId,
    sent: Sent,
}

impl Course {
    /// A run that was told nothing yet.
    pub(crate) fn new(name: SandboxName, run: RunId) -> Self {
        Self { name, run, sent: Sent::default() }
    }

    /// What the supervisor does not have: policy first, then settings, then outcomes.
    ///
    /// # Errors
    /// The run is over: there is nothing more to tell it.
    pub(crate) fn due(&mut self, state: &State, touched: Touched) -> Result<Vec<Directive>, Refusal> {
        let sandbox = state.sandboxes.get(&self.name).filter(|s| s.live_run() == Some(self.run));
        let sandbox =
            sandbox.ok_or_else(|| Refusal::RunEnded { sandbox: self.name.clone(), run: self.run })?;
        Ok(match touched {
            Touched::Nothing => Vec::new(),
            Touched::Some(ids) => directives::changes(state, sandbox, &mut self.sent, &ids),
            Touched::All => directives::everything(state, sandbox, &mut self.sent),
        })
    }
}

/// What a run's report asks for, if it asks for anything.
pub(crate) fn command(name: &SandboxName, run: RunId, report: Report) -> Option<Command> {
    let about = |revision: u64| LoadReport { sandbox: name.clone(), run, revision: Revision(revision) };
    match report {
        Report::Loaded(pb::Loaded { revision }) => Some(Command::ReportLoaded(about(revision))),
        Report::LoadFailed(pb::LoadFailed { revision, error, retained }) => {
            let failure = LoadFailure { error: shorten(error), is_retained: retained };
            Some(Command::ReportLoadFailed(about(revision), failure))
        }
        Report::Hello(_) | Report::Heartbeat(_) | Report::Waits(_) => None,
    }
}

/// What changed for a sandbox.
#[derive(Debug)]
pub(crate) enum Touched {
    Nothing,
    Some(BTreeSet<ProposalId>),
    All,
}

impl Touched {
    /// What this event and those that wait behind it change for a sandbox.
    pub(crate) fn by(
        name: &SandboxName,
        event: Result<Arc<Envelope>, RecvError>,
        feed: &mut Receiver<Arc<Envelope>>,
    ) -> Self {
        let mut touched = Self::Nothing;
        let mut next = Some(event);
        while let Some(event) = next.take() {
            match event {
                // What is set for all may hold for this one.
                Ok(event) if event.sandbox().is_none_or(|sandbox| sandbox == name) => {
                    touched.add(event.event.proposal());
                }
                Ok(_) => {}
                // Closed cannot be: whoever asks holds the feed open.
                Err(RecvError::Lagged(_) | RecvError::Closed) => touched = Self::All,
            }
            next = match feed.try_recv() {
                Ok(event) => Some(Ok(event)),
                Err(TryRecvError::Lagged(missed)) => Some(Err(RecvError::Lagged(missed))),
                Err(TryRecvError::Empty | TryRecvError::Closed) => None,
            };
        }
        touched
    }

    fn add(&mut self, proposal: Option<ProposalId>) {
        if let Self::Nothing = self {
            *self = Self::Some(BTreeSet::new());
        }
        if let Self::Some(ids) = self {
            ids.extend(proposal);
        }
    }
}

fn shorten(mut error: String) -> String {
    error.truncate(error.floor_char_boundary(MAX_ERROR));
    error
}
