//! Runs: how one begins, what its supervisor reports, how it ends and what ends with it.

use super::{Circumstances, by, revised, revised_without, sandbox};
use crate::command::{EndRun, LoadFailure, Refusal, Report, StartRun};
use crate::event::{Actor, Event, NewEvent};
use crate::id::ProposalId;
use crate::policy::authority;
use crate::proposal::Lease;
use crate::setting::{Key, Value};
use crate::state::{Sandbox, State};

/// How many lines of a difference are told.
const MAX_LINES: usize = 12;

pub(super) fn start(
    state: &State,
    start: &StartRun,
    at: Circumstances<'_>,
) -> Result<Vec<NewEvent>, Refusal> {
    at.orders.admit_base(&start.policy)?;
    let known = state.sandboxes.get(&start.sandbox).map(AsRef::as_ref);
    if let Some(run) = known.and_then(Sandbox::live_run) {
        return Err(Refusal::RunLives { sandbox: start.sandbox.clone(), run });
    }
    let mut composition = known.map(|sandbox| sandbox.composition.clone()).unwrap_or_default();
    let ended = composition.begin(Some(start.run), start.policy.clone());
    if let Some(sandbox) = known.filter(|_| !ended.is_empty() && !start.accept_policy_change) {
        return Err(policy_changed(sandbox, start, &ended));
    }
    let mut events = Vec::new();
    if known.is_none() {
        events.push(Event::SandboxRegistered {});
    }
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
    let advisor = Some(Value::Bool(start.advisor));
    let was = known.and_then(|sandbox| sandbox.view.settings.get(Key::Advisor));
    if was != advisor.as_ref() && (was.is_some() || start.advisor) {
        events.push(Event::SettingChanged { key: Key::Advisor.as_str().to_owned(), value: advisor });
    }
    let fresh = Sandbox::default();
    events.push(revised(known.unwrap_or(&fresh), &composition.effective()));
    Ok(by(&Actor::supervisor(start.run), &start.sandbox, events))
}

/// What stands in the way of another policy file: the grants that it would end, and what else it changes.
fn policy_changed(sandbox: &Sandbox, start: &StartRun, ended: &[ProposalId]) -> Refusal {
    let grants = sandbox.composition.standing().filter(|grant| ended.contains(&grant.proposal));
    let mut changes: Vec<String> = grants
        .map(|grant| format!("the grant {} ({}) would end", grant.key, grant.proposal.short()))
        .collect();
    match authority::between(sandbox.composition.base(), &start.policy) {
        Ok(difference) => {
            let lines = |word: &'static str, items: &[authority::Item]| {
                items.iter().map(move |item| format!("{word} {item}")).collect::<Vec<_>>()
            };
            changes.extend(lines("the new file also allows", &difference.added));
            changes.extend(lines("it no longer allows", &difference.removed));
        }
        Err(error) => changes.push(error.to_string()),
    }
    let more = changes.len().saturating_sub(MAX_LINES);
    changes.truncate(MAX_LINES);
    changes.extend((more > 0).then(|| format!("and {more} more")));
    Refusal::PolicyChanged { sandbox: start.sandbox.clone(), changes }
}

/// Ends a run that lives; one that is over stays as it is.
pub(super) fn end(state: &State, end: &EndRun) -> Result<Vec<NewEvent>, Refusal> {
    let sandbox = sandbox(state, &end.sandbox)?;
    if sandbox.live_run() != Some(end.run) {
        return Err(Refusal::RunEnded { sandbox: end.sandbox.clone(), run: end.run });
    }
    let ended: Vec<ProposalId> = sandbox
        .composition
        .standing()
        .filter(|grant| grant.lease != Lease::Always)
        .map(|grant| grant.proposal)
        .collect();
    let mut events = vec![Event::RunEnded { run: end.run, reason: end.reason }];
    events.extend(ended.iter().map(|proposal| Event::GrantExpired { proposal: *proposal }));
    if !ended.is_empty() {
        events.push(revised_without(sandbox, &ended, chrono::DateTime::UNIX_EPOCH));
    }
    Ok(by(&end.actor, &end.sandbox, events))
}

pub(super) fn report_loaded(state: &State, report: &Report) -> Result<Vec<NewEvent>, Refusal> {
    let sandbox = reporting(state, report)?;
    if sandbox.view.loaded == report.revision && sandbox.view.load_error.is_none() {
        return Ok(Vec::new());
    }
    let event = Event::PolicyLoaded { revision: report.revision, run: report.run };
    Ok(by(&Actor::supervisor(report.run), &report.sandbox, [event]))
}

pub(super) fn report_load_failed(
    state: &State,
    report: &Report,
    failure: &LoadFailure,
) -> Result<Vec<NewEvent>, Refusal> {
    let LoadFailure { error, is_retained } = failure;
    let view = &reporting(state, report)?.view;
    // A supervisor that comes back fails again in the same way: that is nothing new.
    let is_known = view.failed == report.revision && view.load_error.as_ref() == Some(error);
    if is_known && view.is_retained == *is_retained {
        return Ok(Vec::new());
    }
    let (revision, run) = (report.revision, report.run);
    let event = Event::PolicyLoadFailed { revision, run, error: error.clone(), is_retained: *is_retained };
    Ok(by(&Actor::supervisor(report.run), &report.sandbox, [event]))
}

fn reporting<'s>(state: &'s State, report: &Report) -> Result<&'s Sandbox, Refusal> {
    let sandbox = sandbox(state, &report.sandbox)?;
    if sandbox.live_run() != Some(report.run) {
        return Err(Refusal::RunEnded { sandbox: report.sandbox.clone(), run: report.run });
    }
    if report.revision > sandbox.view.revision {
        return Err(Refusal::UnknownRevision(report.sandbox.clone(), report.revision));
    }
    Ok(sandbox)
}
