//! `State × Command × now → events | refusal`: the only place where anything is decided.
//!
//! Pure. The shell appends all events of one command in one transaction, so an approval and the policy revision
//! that it causes can never be seen apart.

mod decision;
mod lease;
mod orders;
mod run;
mod submit;

use chrono::{DateTime, Utc};

use crate::command::{Command, Refusal, SetSetting};
use crate::event::{Actor, Event, NewEvent, RequestKey};
use crate::id::{ProposalId, RuleName, SandboxName, Stream};
use crate::policy::Policy;
use crate::policy::effective::{self, Composition};
use crate::proposal::Draft;
use crate::state::{Sandbox, State};
pub use decision::MAX_REASON;
pub use orders::{Orders, OrdersError};
pub use submit::{Proof, prove};

/// What a decision depends on beside the state.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances<'a> {
    /// The time.
    pub now: DateTime<Utc>,
    /// What reviewers have ordered beforehand.
    pub orders: &'a Orders,
}

/// Decides one command.
///
/// # Errors
/// The [`Refusal`]; nothing is to be appended then.
pub fn decide(state: &State, command: &Command, at: Circumstances<'_>) -> Result<Vec<NewEvent>, Refusal> {
    match command {
        Command::StartRun(start) => run::start(state, start, at),
        Command::EndRun(end) => run::end(state, end),
        Command::Submit(submit) => submit::submit(state, submit, at),
        Command::Withdraw(withdraw) => submit::withdraw(state, withdraw),
        Command::Approve(decision, lease) => decision::approve(state, decision, *lease, at),
        Command::Reject(decision, answer) => decision::reject(state, decision, answer, at),
        Command::Revise(revise) => decision::revise(state, revise, at),
        Command::Undo(decision) => decision::undo(state, decision, at),
        Command::Revoke(decision) => decision::revoke(state, decision, at),
        Command::Settle(proposal, granted) => submit::settle(state, *proposal, *granted),
        Command::Spend(spend) => lease::spend(state, spend, at),
        Command::Expire => Ok(lease::expire(state, at.now)),
        Command::Set(set) => set_setting(state, set),
        Command::ReportLoaded(report) => run::report_loaded(state, report),
        Command::ReportLoadFailed(report, failure) => run::report_load_failed(state, report, failure),
    }
}

fn set_setting(state: &State, set: &SetSetting) -> Result<Vec<NewEvent>, Refusal> {
    let (settings, is_isolated) = match &set.scope {
        Stream::Gateway => (&state.settings, true),
        Stream::Sandbox(name) => {
            let sandbox = sandbox(state, name)?;
            (&sandbox.view.settings, sandbox.is_isolated())
        }
    };
    once(state, &set.reviewer, &set.scope)?;
    if settings.get(set.key) == set.value.as_ref() {
        return Ok(Vec::new());
    }
    let event = Event::SettingChanged { key: set.key.as_str().to_owned(), value: set.value.clone() };
    let actor = Actor { unisolated: !is_isolated, ..set.reviewer.clone() };
    Ok(vec![NewEvent { stream: set.scope.clone(), actor, event }])
}

fn sandbox<'s>(state: &'s State, name: &SandboxName) -> Result<&'s Sandbox, Refusal> {
    state.sandboxes.get(name).map(AsRef::as_ref).ok_or_else(|| Refusal::UnknownSandbox(name.clone()))
}

/// Refuses what was asked before under the same key.
fn once(state: &State, actor: &Actor, stream: &Stream) -> Result<(), Refusal> {
    let Some(request) = &actor.request else { return Ok(()) };
    match state.requests.done(actor, stream, request) {
        None => Ok(()),
        Some(done) if done.body == request.body => Err(Refusal::Repeated(done.clone())),
        Some(_) => Err(Refusal::KeyReused(request.key.clone())),
    }
}

/// Puts events of one actor into the stream of one sandbox.
fn by(actor: &Actor, name: &SandboxName, events: impl IntoIterator<Item = Event>) -> Vec<NewEvent> {
    let wrap = |event| NewEvent { stream: name.into(), actor: actor.clone(), event };
    events.into_iter().map(wrap).collect()
}

/// Who asks for an agent.
fn agent(sandbox: &Sandbox, binary: &str, request: Option<&RequestKey>) -> Actor {
    Actor {
        kind: crate::event::ActorKind::Agent,
        id: binary.to_owned(),
        authenticated: "supervisor".to_owned(),
        unisolated: !sandbox.is_isolated(),
        request: request.cloned(),
    }
}

/// The revision that a changed composition makes.
fn revised(sandbox: &Sandbox, policy: &Policy) -> Event {
    Event::PolicyRevised { revision: sandbox.view.revision.next(), hash: policy.hash() }
}

/// The revision without the grants of these proposals.
fn revised_without(sandbox: &Sandbox, ended: &[ProposalId], now: DateTime<Utc>) -> Event {
    let mut composition: Composition = sandbox.composition.clone();
    ended.iter().for_each(|proposal| composition.end(*proposal, now));
    revised(sandbox, &composition.effective())
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

#[cfg(test)]
mod tests;
