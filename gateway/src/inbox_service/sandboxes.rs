//! What a reviewer can ask and set about sandboxes: who is there, which policy is in force and why, settings.

use openshell_domain::command::{Command, EndRun, SetSetting};
use openshell_domain::event::{Actor, RunEnd};
use openshell_domain::id::{IdError, SandboxName, Stream};
use openshell_domain::policy::write::to_yaml;
use openshell_domain::setting::{Key, Scope, SettingError, Settings};
use openshell_domain::state::{Sandbox, State};
use openshell_wire::pb::inbox as pb;
use openshell_wire::proposal::{provenance_text, sandbox_record};
use openshell_wire::setting;
use tonic::{Code, Status};

use crate::gateway::Shared;
use crate::keys;
use crate::status;

pub(super) fn list(shared: &Shared) -> pb::ListSandboxesResponse {
    let state = shared.ledger.state();
    let status = |(name, sandbox): (&SandboxName, &std::sync::Arc<Sandbox>)| pb::SandboxStatus {
        sandbox: Some(sandbox_record(name, &sandbox.view)),
        live: Some(shared.registry.live(name)),
        pending: u32::try_from(sandbox.pending.size()).unwrap_or(u32::MAX),
        grants: u32::try_from(sandbox.composition.standing().count()).unwrap_or(u32::MAX),
    };
    pb::ListSandboxesResponse { sandboxes: state.sandboxes.iter().map(status).collect() }
}

pub(super) fn policy(shared: &Shared, name: &str) -> Result<pb::GetPolicyResponse, Status> {
    let state = shared.ledger.state();
    let (_, sandbox) = known(&state, name)?;
    let origins = sandbox.composition.provenances(&sandbox.source());
    Ok(pb::GetPolicyResponse {
        revision: sandbox.view.revision.0,
        hash: sandbox.policy.hash().to_string(),
        policy_yaml: to_yaml(&sandbox.policy).map_err(Status::internal)?,
        origins: origins.iter().map(|(key, from)| (key.to_string(), provenance_text(from))).collect(),
        loaded: sandbox.view.loaded.0,
        load_error: sandbox.view.load_error.clone().unwrap_or_default(),
    })
}

pub(super) fn settings(shared: &Shared, name: &str) -> Result<pb::GetSettingsResponse, Status> {
    let state = shared.ledger.state();
    let none = Settings::default();
    let own = if name.is_empty() { &none } else { &known(&state, name)?.1.view.settings };
    let scope = Scope { gateway: &state.settings, sandbox: own };
    Ok(pb::GetSettingsResponse { settings: setting::in_force(scope) })
}

pub(super) async fn set(
    shared: &Shared,
    reviewer: Actor,
    request: pb::SetSettingRequest,
) -> Result<pb::SetSettingResponse, Status> {
    let invalid = |error: SettingError| status::invalid_text(&error.to_string());
    let scope: Stream = request.sandbox.parse().map_err(|error: IdError| status::invalid(&error.into()))?;
    let key: Key = request.key.parse().map_err(invalid)?;
    let value = request.value.as_ref().map(|text| key.read(text)).transpose().map_err(invalid)?;
    let body = pb::SetSettingRequest { idempotency_key: String::new(), ..request.clone() };
    let reviewer = Actor { request: keys::key(&request.idempotency_key, "set", &body)?, ..reviewer };
    let set = Command::Set(SetSetting { scope, key, value, reviewer });
    let events = match shared.ledger.execute(set).await {
        Ok(events) => events,
        Err(reason) => return repeated(reason),
    };
    Ok(pb::SetSettingResponse { seq: events.first().map_or(0, |event| event.seq) })
}

fn repeated(reason: crate::store::writer::NotDone) -> Result<pb::SetSettingResponse, Status> {
    use crate::store::writer::NotDone;
    use openshell_domain::command::Refusal;
    match reason {
        NotDone::Refused(Refusal::Repeated(done)) => Ok(pb::SetSettingResponse { seq: done.seq }),
        reason => Err(status::not_done(reason)),
    }
}

/// Ends a run whose supervisor is not here. One that is here has to be stopped where it runs.
pub(super) async fn release(
    shared: &Shared,
    reviewer: Actor,
    name: &str,
) -> Result<pb::ReleaseRunResponse, Status> {
    let state = shared.ledger.state();
    let (name, sandbox) = known(&state, name)?;
    if shared.registry.is_attached(&name) {
        let message = format!("the supervisor of {name} is connected: stop it where it runs");
        return Err(status::refuse(Code::FailedPrecondition, "attached", &message));
    }
    let Some(run) = sandbox.live_run() else {
        let message = format!("sandbox {name} has no run now: its name is free");
        return Err(status::refuse(Code::FailedPrecondition, "run_ended", &message));
    };
    let end = EndRun { sandbox: name, run, reason: RunEnd::Released, actor: reviewer };
    let events = shared.ledger.execute(Command::EndRun(end)).await.map_err(status::not_done)?;
    Ok(pb::ReleaseRunResponse { seq: events.first().map_or(0, |event| event.seq) })
}

pub(super) fn known<'s>(state: &'s State, name: &str) -> Result<(SandboxName, &'s Sandbox), Status> {
    let name: SandboxName = name.parse().map_err(|error: IdError| status::invalid(&error.into()))?;
    match state.sandboxes.get(&name) {
        Some(sandbox) => Ok((name, sandbox)),
        None => {
            let message = format!("there is no sandbox {name}");
            Err(status::refuse(Code::NotFound, "unknown_sandbox", &message))
        }
    }
}
