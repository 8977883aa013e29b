//! Following an `Attach`: each directive is carried out in the order in which it comes, policy before outcome.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use openshell_domain::id::{ProposalId, Revision, RunId};
use openshell_domain::policy::Policy;
use openshell_domain::proposal::{Proposal, Status as ProposalStatus};
use openshell_wire::pb::inbox as pb;
use openshell_wire::pb::inbox::directive::Directive;
use openshell_wire::pb::inbox::report::Report;
use tokio::sync::watch;

use super::{Attached, LinkError};
use crate::clock;
use crate::context::Context;
use crate::log::line::{Line, Severity};
use crate::policy_local::summary;

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
            let revision = context.enforcement.snapshot().revision;
            let _ = context.enforcement.load(revision, Err(reason), Vec::new());
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
            Ok(Err(status)) => return status.message().to_owned(),
            Err(_) => return "it fell silent".to_owned(),
        };
        match directive {
            Directive::Policy(policy) => {
                let report = load(context, &policy);
                if attached.reports.send(pb::Report { report: Some(report) }).await.is_err() {
                    return "it no longer takes reports".to_owned();
                }
            }
            Directive::Outcomes(outcomes) => take_outcomes(context, &outcomes),
            Directive::Settings(settings) => {
                context.advisor.store(settings.agent_policy_proposals_enabled, Ordering::Release);
            }
            Directive::Accepted(_) | Directive::Heartbeat(_) => {}
        }
    }
}

/// For which proposals agents wait, as it is told.
fn waits(waiting: &BTreeMap<ProposalId, u32>) -> pb::Report {
    let told = |(id, agents): (&ProposalId, &u32)| pb::Waiting { proposal: id.to_string(), agents: *agents };
    let waiting = waiting.iter().map(told).collect();
    pb::Report { report: Some(Report::Waits(pb::Waits { waiting })) }
}

/// Puts a pushed revision in force. One that is in force already is only reported again.
fn load(context: &Context, pushed: &pb::PolicyRevision) -> Report {
    let revision = Revision(pushed.revision);
    let loaded = Report::Loaded(pb::Loaded { revision: pushed.revision });
    let held = context.enforcement.snapshot();
    let is_held = |policy: &Arc<Policy>| policy.hash().to_string() == pushed.hash;
    if held.revision == revision && held.judge.is_ok() && held.policy.as_ref().is_some_and(is_held) {
        return loaded;
    }
    match context.enforcement.load(revision, read_policy(pushed), read_grants(pushed)) {
        Ok(()) => {
            context.log.write(&Line::Config {
                state: "LOADED",
                severity: Severity::Info,
                message: "Policy reloaded successfully".to_owned(),
                facts: vec![("version", format!("v{revision}")), ("hash", pushed.hash.clone())],
            });
            loaded
        }
        Err(error) => {
            context.log.write(&Line::Config {
                state: "FAIL_CLOSED",
                severity: Severity::High,
                message: "Policy could not be loaded; everything is denied".to_owned(),
                facts: vec![("version", format!("v{revision}")), ("error", error.clone())],
            });
            Report::LoadFailed(pb::LoadFailed { revision: pushed.revision, error })
        }
    }
}

fn read_policy(pushed: &pb::PolicyRevision) -> Result<Policy, String> {
    let message = pushed.policy.as_ref().ok_or("the gateway sent a revision without a policy")?;
    let policy = openshell_wire::policy::policy(message).map_err(|error| error.to_string())?;
    let hash = policy.hash().to_string();
    if hash == pushed.hash {
        Ok(policy)
    } else {
        Err(format!("the policy's hash is {hash}, the gateway says {}", pushed.hash))
    }
}

fn read_grants(pushed: &pb::PolicyRevision) -> Vec<ProposalId> {
    pushed.grants.iter().filter_map(|id| id.parse().ok()).collect()
}

fn take_outcomes(context: &Context, outcomes: &pb::Outcomes) {
    let read = outcomes.proposals.iter().filter_map(|proposal| match Proposal::try_from(proposal) {
        Ok(proposal) => Some(proposal),
        Err(error) => {
            tracing::warn!("the gateway sent a proposal that cannot be read: {error}");
            None
        }
    });
    for proposal in context.proposals.update(read.collect(), outcomes.complete) {
        if let Some(line) = decided(&proposal) {
            context.log.write(&line);
        }
    }
}

fn decided(proposal: &Proposal) -> Option<Line> {
    let (state, severity, message) = match &proposal.status {
        ProposalStatus::Approved { .. } => ("APPROVED", Severity::Info, "approved".to_owned()),
        ProposalStatus::Rejected { decision, .. } => {
            let reason = if decision.reason.is_empty() { "(no guidance)" } else { &decision.reason };
            ("REJECTED", Severity::Low, format!("rejected reason:{reason:?}"))
        }
        ProposalStatus::Closed { reason, .. } => {
            ("APPROVED", Severity::Info, format!("closed as {}", reason.as_str()))
        }
        ProposalStatus::Revoked { by, .. } => {
            ("REVOKED", Severity::Low, format!("revoked reason:{:?}", by.reason))
        }
        ProposalStatus::Expired { .. } => ("EXPIRED", Severity::Info, "expired".to_owned()),
        ProposalStatus::Superseded { by, .. } => {
            ("SUPERSEDED", Severity::Info, format!("superseded by {by}"))
        }
        ProposalStatus::Withdrawn { .. } => ("WITHDRAWN", Severity::Info, "withdrawn".to_owned()),
        ProposalStatus::Pending => return None,
    };
    let by = proposal.status.decision().map(|decision| decision.by.kind.as_str()).unwrap_or_default();
    let mut facts = vec![("by", by.to_owned())];
    if let ProposalStatus::Approved { revision, .. } = proposal.status {
        facts.push(("version", format!("v{revision}")));
    }
    let message = format!("chunk:{} {message} {}", proposal.id, summary(proposal));
    Some(Line::Config { state, severity, message, facts })
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
