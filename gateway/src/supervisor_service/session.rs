//! `Attach`, from the first directive to the last: one task for each attached supervisor.
//!
//! What is sent, [`Course`] says; this waits and sends. Ends when the supervisor leaves, a newer stream of the same run replaces it, the run ends or the gateway
//! stops.

use std::time::Duration;

use futures_util::Stream;
use openshell_domain::id::{ProposalId, RunId, SandboxName};
use openshell_wire::pb::inbox::{self as pb, directive::Directive, report::Report};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};

use super::course::{self, Course, Touched};
use crate::gateway::Shared;
use crate::registry::Attachment;
use crate::status;
use crate::store::writer::NotDone;

/// How often the supervisor is told that the connection lives.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// Directives that may wait for the supervisor to read them.
const QUEUE: usize = 16;
/// The most proposals of a sandbox that are told to be waited for.
const MAX_WAITING: usize = 512;

/// An attached supervisor.
pub(super) struct Session {
    pub(super) shared: Shared,
    pub(super) name: SandboxName,
    pub(super) run: RunId,
    pub(super) attachment: Attachment,
    pub(super) reports: Streaming<pb::Report>,
}

/// Where directives go.
type Out = mpsc::Sender<Result<pb::Directive, Status>>;

/// The session is over; a status is for the supervisor to read.
struct Over(Option<Status>);

/// Starts the session and gives back its directives.
pub(super) fn serve(
    session: Session,
    secret: Vec<u8>,
) -> impl Stream<Item = Result<pb::Directive, Status>> + Send {
    let (out, directives) = mpsc::channel(QUEUE);
    let present = session.shared.presence.supervisors.enter();
    tokio::spawn(async move {
        let _present = present;
        let replaced = session.attachment.replaced.clone();
        let stopping = session.shared.stopping.clone();
        let farewell = out.clone();
        let ended = tokio::select! {
            Over(status) = session.run(secret, out) => status,
            () = replaced.cancelled() => Some(status::refuse(
                Code::Aborted, "replaced", "a newer stream of this run took over",
            )),
            () = stopping.cancelled() => Some(status::stopping()),
        };
        if let Some(status) = ended {
            // Who does not read gets no farewell: the stream just ends.
            let _ = farewell.try_send(Err(status));
        }
    });
    ReceiverStream::new(directives)
}

impl Session {
    async fn run(mut self, secret: Vec<u8>, out: Out) -> Over {
        // Subscribed before the state is looked at, so that no change falls between the two.
        let mut feed = self.shared.ledger.subscribe();
        let accepted = Directive::Accepted(pb::Accepted { run_secret: secret });
        let mut course = Course::new(self.name.clone(), self.run);
        if let Err(over) = send(&out, [accepted]).await {
            return over;
        }
        if let Err(over) = self.bring_up_to_date(&out, &mut course, Touched::All).await {
            return over;
        }
        let mut heartbeat = tokio::time::interval(HEARTBEAT);
        heartbeat.reset();
        loop {
            let step = tokio::select! {
                report = self.reports.message() => self.receive(report).await,
                event = feed.recv() => {
                    let touched = Touched::by(&self.name, event, &mut feed);
                    self.bring_up_to_date(&out, &mut course, touched).await
                }
                _ = heartbeat.tick() => send(&out, [Directive::Heartbeat(pb::Heartbeat {})]).await,
            };
            if let Err(over) = step {
                return over;
            }
        }
    }

    /// Sends what the supervisor does not have.
    async fn bring_up_to_date(&self, out: &Out, course: &mut Course, touched: Touched) -> Result<(), Over> {
        let due = course.due(&self.shared.ledger.state(), touched);
        let due = due.map_err(|refusal| Over(Some(status::not_done(NotDone::Refused(refusal)))))?;
        send(out, due).await
    }

    async fn receive(&self, report: Result<Option<pb::Report>, Status>) -> Result<(), Over> {
        let command = match report {
            Ok(Some(pb::Report { report: Some(Report::Waits(waits)) })) => {
                self.attachment.set_waiting(bounded(waits));
                return Ok(());
            }
            Ok(Some(pb::Report { report: Some(report) })) => {
                match course::command(&self.name, self.run, report) {
                    Some(command) => command,
                    None => return Ok(()),
                }
            }
            Ok(Some(pb::Report { report: None })) => return Ok(()),
            Ok(None) | Err(_) => return Err(Over(None)),
        };
        match self.shared.ledger.execute(command).await {
            Ok(_) => Ok(()),
            // The supervisor says it again when it attaches again.
            Err(reason @ (NotDone::Unavailable(_) | NotDone::NotAdmitted(_))) => {
                Err(Over(Some(status::not_done(reason))))
            }
            Err(NotDone::Refused(refusal)) => {
                tracing::warn!(sandbox = %self.name, %refusal, "a report was refused");
                Ok(())
            }
        }
    }
}

async fn send(out: &Out, directives: impl IntoIterator<Item = Directive>) -> Result<(), Over> {
    for directive in directives {
        let message = pb::Directive { directive: Some(directive) };
        out.send(Ok(message)).await.map_err(|_| Over(None))?;
    }
    Ok(())
}

/// What a supervisor may say of waits: it stands next to the agents.
fn bounded(waits: pb::Waits) -> Vec<pb::Waiting> {
    let is_id = |waiting: &pb::Waiting| waiting.proposal.parse::<ProposalId>().is_ok();
    waits.waiting.into_iter().filter(is_id).take(MAX_WAITING).collect()
}
