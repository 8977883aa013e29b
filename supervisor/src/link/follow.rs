//! Following an `Attach`: each directive is carried out in the order in which it comes, policy before outcome.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use openshell_domain::id::{ProposalId, Revision, RunId};
use openshell_wire::pb::inbox as pb;
use openshell_wire::pb::inbox::report::Report;
use tokio::sync::{mpsc, watch};

use super::{Attached, Done, LinkError};
use crate::clock;
use crate::context::Context;

/// No directive, not even a heartbeat, for this long: the gateway is gone.
const SILENCE: Duration = Duration::from_secs(30);
/// The first pause before reconnecting, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Follows the gateway for as long as the run lasts: `attached` first, and then whatever replaces it.
pub async fn follow(context: Arc<Context>, attached: Attached) {
    let mut attached = attached;
    loop {
        context.gateway.set_attached(true);
        let reason = directives(&context, &mut attached).await;
        context.gateway.set_attached(false);
        tracing::info!("the gateway is away ({reason}); the policy in force stays in force");
        attached = reconnect(&context).await;
        tracing::info!("the gateway is back");
    }
}

async fn reconnect(context: &Context) -> Attached {
    let mut pause = FIRST_PAUSE;
    loop {
        tokio::time::sleep(pause).await;
        match context.gateway.attach().await {
            Ok(attached) => return attached,
            Err(LinkError::RunEnded) => begin_anew(context),
            Err(error) => tracing::debug!("reconnecting: {error}"),
        }
        // A part of the pause that differs from run to run keeps many supervisors from coming back at once.
        let jitter = u64::from(std::process::id() % 64);
        pause = (pause * 2 + Duration::from_millis(jitter)).min(LONGEST_PAUSE);
    }
}

/// What was granted ended with the run: everything is denied until the next run has its policy.
fn begin_anew(context: &Context) {
    match clock::random_id() {
        Ok(run) => {
            let reason = LinkError::RunEnded.to_string();
            tracing::warn!("{reason}; a new one begins");
            let done = context.duty().deny_all(reason, clock::reading());
            // To whom it would be told has ended the run.
            done.lines.iter().for_each(|line| context.log.write(line));
            context.gateway.begin_anew(RunId(run));
        }
        // The next attempt draws again.
        Err(error) => tracing::warn!("drawing an id: {error}"),
    }
}

/// Carries out directives until the stream ends; says why it did.
async fn directives(context: &Context, attached: &mut Attached) -> String {
    let mut waiting = context.waiting.subscribe();
    waiting.mark_changed();
    loop {
        let message = tokio::select! {
            message = tokio::time::timeout(SILENCE, attached.directives.message()) => message,
            // The sender lives in the context.
            _ = waiting.changed() => {
                let report = waits(&waiting.borrow_and_update());
                if attached.reports.send(report).await.is_err() {
                    return "it no longer takes reports".to_owned();
                }
                continue;
            }
        };
        let directive = match message {
            Ok(Ok(Some(pb::Directive { directive: Some(directive) }))) => directive,
            Ok(Ok(Some(_))) => continue,
            Ok(Ok(None)) => return "it closed the stream".to_owned(),
            Ok(Err(status)) if status.code() == tonic::Code::OutOfRange => {
                return too_large(context, attached, status.message()).await;
            }
            Ok(Err(status)) => return status.message().to_owned(),
            Err(_) => return "it fell silent".to_owned(),
        };
        let done = context.duty().carry_out(&directive, clock::reading());
        if !tell(context, &attached.reports, done).await {
            return "it no longer takes reports".to_owned();
        }
    }
}

/// Writes the lines and sends the report; whether the gateway takes reports.
async fn tell(context: &Context, reports: &mpsc::Sender<pb::Report>, done: Done) -> bool {
    for line in &done.lines {
        context.log.write(line);
    }
    match done.report {
        Some(report) => reports.send(pb::Report { report: Some(report) }).await.is_ok(),
        None => true,
    }
}

/// What is too large to be read may be a policy that takes something away: nothing is in force from here on. The
/// stream is over with it; the next one brings it again, until it is another one.
async fn too_large(context: &Context, attached: &Attached, error: &str) -> String {
    let reason = format!("the gateway sent more than a policy may have: {error}");
    let done = context.duty().deny_all(reason.clone(), clock::reading());
    tell(context, &attached.reports, done).await;
    reason
}

/// For which proposals agents wait, as it is told.
fn waits(waiting: &BTreeMap<ProposalId, u32>) -> pb::Report {
    let told = |(id, agents): (&ProposalId, &u32)| pb::Waiting { proposal: id.to_string(), agents: *agents };
    let waiting = waiting.iter().map(told).collect();
    pb::Report { report: Some(Report::Waits(pb::Waits { waiting })) }
}

/// Waits until the first revision is in force.
///
/// # Errors
/// Why it is not: it could not be loaded.
pub async fn first_policy(context: &Context) -> Result<(), String> {
    let mut changed: watch::Receiver<Revision> = context.enforcement.subscribe();
    // The sender lives in the context: this cannot fail.
    let _ = changed.wait_for(|revision| *revision > Revision::default()).await;
    context.enforcement.snapshot().quarantine().map_or(Ok(()), |reason| Err(reason.to_owned()))
}
