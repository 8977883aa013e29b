//! `State × Command → events | refusal`: the only place where anything is decided.
//!
//! Pure. The shell appends all events of one command in one transaction, so an approval and the policy revision
//! that it causes can never be seen apart.

use std::sync::Arc;

use crate::command::{Command, Decide, Refusal, Report, StartRun, Submit};
use crate::event::{Actor, ActorKind, Event, NewEvent};
use crate::id::{ProposalId, RuleName, RunId, SandboxName};
use crate::policy::Policy;
use crate::policy::effective;
use crate::proposal::{Closure, Draft, Lease, Proposal};
use crate::review::{Idle, Review};
use crate::state::{ADVISOR_SETTING, Sandbox, State};

/// The longest reason, in bytes.
pub const MAX_REASON: usize = 4096;

/// Decides one command.
///
/// # Errors
/// The [`Refusal`]; nothing is to be appended then.
pub fn decide(state: &State, command: &Command) -> Result<Vec<NewEvent>, Refusal> {
    match command {
        Command::StartRun(start) => Ok(start_run(state, start)),
        Command::Submit(submit) => submit_proposal(state, submit),
        Command::Approve(decision) => approve(state, decision),
        Command::Reject(decision) => reject(state, decision),
        Command::ReportLoaded(report) => report_loaded(state, report),
        Command::ReportLoadFailed(report, error) => report_load_failed(state, report, error),
    }
}

fn start_run(state: &State, start: &StartRun) -> Vec<NewEvent> {
    let actor = supervisor(start.run);
    let known = state.sandboxes.get(&start.sandbox);
    let mut events = Vec::new();
    if known.is_none() {
        events.push(Event::SandboxRegistered {});
    }
    let mut composition = known.map(|sandbox| sandbox.composition.clone()).unwrap_or_default();
    let ended = composition.begin(Some(start.run), start.policy.clone());
    events.extend(ended.into_iter().map(|proposal| Event::GrantExpired { proposal }));
    events.push(Event::RunStarted {
        run: start.run,
        secret_hash: start.secret_hash,
        supervisor_version: start.supervisor_version.clone(),
        isolation: start.isolation,
        host_root: start.host_root,
        credentials: start.credentials.clone(),
        writable: start.writable.clone(),
    });
    events.push(Event::BasePolicySet {
        file: start.policy_file.clone(),
        file_hash: start.policy_file_hash,
        policy: start.policy.clone(),
        places: start.places.clone(),
    });
    if known.is_some_and(|sandbox| sandbox.view.advisor) != start.advisor {
        events.push(Event::SettingChanged { key: ADVISOR_SETTING.to_owned(), value: start.advisor });
    }
    let policy = composition.effective();
    events.push(Event::PolicyRevised {
        revision: state.revision(&start.sandbox).next(),
        hash: policy.hash(),
        policy,
        grants: composition.standing().map(|grant| grant.proposal).collect(),
    });
    events
        .into_iter()
        .map(|event| NewEvent { stream: (&start.sandbox).into(), actor: actor.clone(), event })
        .collect()
}

fn submit_proposal(state: &State, submit: &Submit) -> Result<Vec<NewEvent>, Refusal> {
    let sandbox = sandbox(state, &submit.sandbox)?;
    let run = sandbox.run().ok_or_else(|| Refusal::UnknownSandbox(submit.sandbox.clone()))?;
    if !sandbox.view.advisor {
        return Err(Refusal::AdvisorOff(submit.sandbox.clone()));
    }
    if state.owners.contains_key(&submit.proposal) {
        return Err(Refusal::DuplicateId(submit.proposal));
    }
    if sandbox.pending() >= submit.pending_limit {
        return Err(Refusal::TooManyPending(sandbox.pending(), submit.pending_limit));
    }
    let draft = Draft {
        number: 1,
        rule_name: submit.rule_name.clone(),
        rule: submit.rule.clone(),
        rationale: submit.rationale.clone(),
    };
    with_grant(sandbox, submit.proposal, &draft)?;
    let review = Review::of(sandbox, submit.proposal, &draft, &submit.evidence);
    let refusals = review.refusals();
    if !refusals.is_empty() {
        return Err(Refusal::NeverGranted(refusals));
    }
    let closure = match (review.difference.is_some(), review.idle()) {
        (false, _) => return Err(Refusal::TooComplex),
        (true, Some(Idle::InVain(reasons))) => return Err(Refusal::ChangesNothing(reasons)),
        (true, Some(Idle::Covered(rules))) => Some(Closure::AlreadyCovered(rules)),
        (true, None) => None,
    };
    let event = Event::ProposalSubmitted {
        proposal: submit.proposal,
        run,
        origin: submit.origin,
        submitted_by: submit.submitted_by.clone(),
        draft,
        evidence: submit.evidence.clone(),
        validation_result: review.validation_result(),
    };
    let actor = Actor {
        kind: ActorKind::Agent,
        id: submit.submitted_by.clone(),
        authenticated: "supervisor".to_owned(),
        unisolated: !sandbox.is_isolated(),
    };
    let submitted = NewEvent { stream: (&submit.sandbox).into(), actor, event };
    let closed = closure.map(|reason| NewEvent {
        stream: (&submit.sandbox).into(),
        actor: gateway(),
        event: Event::ProposalClosed { proposal: submit.proposal, reason, revision: sandbox.view.revision },
    });
    Ok(std::iter::once(submitted).chain(closed).collect())
}

/// The gateway itself as an actor.
fn gateway() -> Actor {
    Actor {
        kind: ActorKind::System,
        id: "gateway".to_owned(),
        authenticated: "itself".to_owned(),
        unisolated: false,
    }
}

fn approve(state: &State, decision: &Decide) -> Result<Vec<NewEvent>, Refusal> {
    let (proposal, review) = decidable(state, decision)?;
    let sandbox = sandbox(state, &proposal.sandbox)?;
    if review.difference.is_none() {
        return Err(Refusal::TooComplex);
    }
    let (key, policy) = with_grant(sandbox, proposal.id, &proposal.draft)?;
    let revision = sandbox.view.revision.next();
    let grants = sandbox.composition.standing().map(|grant| grant.proposal).chain([proposal.id]).collect();
    let approved = Event::ProposalApproved {
        proposal: proposal.id,
        draft: proposal.draft.number,
        digest: decision.digest,
        difference: review.difference,
        lease: Lease::Run,
        reason: decision.reason.clone(),
        revision,
        key: Some(key),
    };
    let revised = Event::PolicyRevised { revision, hash: policy.hash(), policy, grants };
    Ok(by_reviewer(sandbox, proposal, decision, [approved, revised]))
}

fn reject(state: &State, decision: &Decide) -> Result<Vec<NewEvent>, Refusal> {
    let (proposal, _) = decidable(state, decision)?;
    let sandbox = sandbox(state, &proposal.sandbox)?;
    let rejected = Event::ProposalRejected {
        proposal: proposal.id,
        draft: proposal.draft.number,
        digest: decision.digest,
        reason: decision.reason.clone(),
    };
    Ok(by_reviewer(sandbox, proposal, decision, [rejected]))
}

/// The proposal, if this decision may be made on it, as it looks now.
fn decidable<'s>(state: &'s State, decision: &Decide) -> Result<(&'s Proposal, Review), Refusal> {
    let proposal = state.proposal(decision.proposal).ok_or(Refusal::UnknownProposal(decision.proposal))?;
    if decision.reason.len() > MAX_REASON {
        return Err(Refusal::ReasonTooLong(decision.reason.len(), MAX_REASON));
    }
    if !proposal.is_pending() {
        return Err(Refusal::AlreadyDecided(Box::new(proposal.clone())));
    }
    let sandbox = sandbox(state, &proposal.sandbox)?;
    let review = Review::of(sandbox, proposal.id, &proposal.draft, &proposal.evidence);
    if review.digest == decision.digest {
        return Ok((proposal, review));
    }
    let fresh = Proposal { review: Some(Arc::new(review)), ..proposal.clone() };
    Err(Refusal::Stale(Box::new(fresh)))
}

/// The sandbox's policy with one more grant, if it would load, and the key of that grant.
fn with_grant(sandbox: &Sandbox, id: ProposalId, draft: &Draft) -> Result<(RuleName, Policy), Refusal> {
    let key = sandbox.composition.key_for(&draft.rule_name, id).ok_or_else(|| {
        Refusal::WouldNotLoad(vec![format!(
            "every key for {} is taken: ask under another name",
            draft.rule_name
        )])
    })?;
    let policy = sandbox.composition.with(key.clone(), &draft.rule);
    let whence = |rule: &RuleName| {
        (*rule != key).then(|| sandbox.composition.provenance(rule, &sandbox.source()).to_string())
    };
    effective::check(&policy, whence).map_err(Refusal::WouldNotLoad)?;
    Ok((key, policy))
}

fn report_loaded(state: &State, report: &Report) -> Result<Vec<NewEvent>, Refusal> {
    let sandbox = reporting(state, report)?;
    if sandbox.view.loaded == report.revision && sandbox.view.load_error.is_none() {
        return Ok(Vec::new());
    }
    let event = Event::PolicyLoaded { revision: report.revision, run: report.run };
    Ok(vec![NewEvent { stream: (&report.sandbox).into(), actor: supervisor(report.run), event }])
}

fn report_load_failed(state: &State, report: &Report, error: &str) -> Result<Vec<NewEvent>, Refusal> {
    reporting(state, report)?;
    let event =
        Event::PolicyLoadFailed { revision: report.revision, run: report.run, error: error.to_owned() };
    Ok(vec![NewEvent { stream: (&report.sandbox).into(), actor: supervisor(report.run), event }])
}

fn reporting<'s>(state: &'s State, report: &Report) -> Result<&'s Sandbox, Refusal> {
    let sandbox = sandbox(state, &report.sandbox)?;
    if sandbox.run() != Some(report.run) {
        return Err(Refusal::RunEnded { sandbox: report.sandbox.clone(), run: report.run });
    }
    if report.revision > sandbox.view.revision {
        return Err(Refusal::UnknownRevision(report.sandbox.clone(), report.revision));
    }
    Ok(sandbox)
}

fn sandbox<'s>(state: &'s State, name: &SandboxName) -> Result<&'s Sandbox, Refusal> {
    state.sandboxes.get(name).map(AsRef::as_ref).ok_or_else(|| Refusal::UnknownSandbox(name.clone()))
}

fn supervisor(run: RunId) -> Actor {
    Actor {
        kind: ActorKind::System,
        id: format!("supervisor:{run}"),
        authenticated: "run secret".to_owned(),
        unisolated: false,
    }
}

fn by_reviewer(
    sandbox: &Sandbox,
    proposal: &Proposal,
    decision: &Decide,
    events: impl IntoIterator<Item = Event>,
) -> Vec<NewEvent> {
    let actor = Actor { unisolated: !sandbox.is_isolated(), ..decision.reviewer.clone() };
    let wrap = |event| NewEvent { stream: (&proposal.sandbox).into(), actor: actor.clone(), event };
    events.into_iter().map(wrap).collect()
}

#[cfg(test)]
mod tests;
