//! The supervisors' door: attach, submit. There is no way to decide here.
//!
//! Adapters only. Everything after the first `Attach` of a run is authorised by the run's secret, of which the
//! log keeps the SHA-256; it is compared in constant time, and a wrong one gets the same answer as an unknown
//! sandbox. Called by tonic.

pub(crate) mod attach;
pub(crate) mod course;
mod directives;
mod session;
mod submit;

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use futures_util::Stream;
use openshell_domain::command::{Command, EndRun, Spend, Withdraw};
use openshell_domain::event::{Actor, RunEnd};
use openshell_domain::id::{Digest, IdError, RunId, SandboxName};
use openshell_domain::proposal::Origin;
use openshell_domain::state::{Sandbox, State};
use openshell_wire::pb::inbox as pb;
use openshell_wire::pb::inbox::supervisor_server::Supervisor;
use openshell_wire::proposal;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;
use tonic::{Code, Request, Response, Status, Streaming};

use crate::bucket::Bucket;
use crate::gateway::Shared;
use crate::status;
use submit::Proving;

/// The longest path of a binary, in bytes: Linux's `PATH_MAX`.
const MAX_BINARY: usize = 4096;

/// The service on `PATH.sandbox`.
pub(crate) struct SupervisorService {
    shared: Shared,
    buckets: Buckets,
    /// How fast each sandbox's denials may become proposals, which takes nothing from its agents.
    mapper_buckets: Buckets,
    proving: Proving,
}

/// How fast each sandbox may submit. Only sandboxes whose secret was shown have one.
type Buckets = Mutex<HashMap<SandboxName, Bucket>>;

impl SupervisorService {
    pub(crate) fn new(shared: Shared) -> Self {
        let (buckets, mapper_buckets) = (Mutex::default(), Mutex::default());
        Self { shared, buckets, mapper_buckets, proving: Proving::default() }
    }

    /// The sandbox and the run whose secret this is.
    fn authorised(&self, sandbox: &str, secret: &[u8]) -> Result<(SandboxName, RunId), Status> {
        let name: SandboxName = sandbox.parse().map_err(|error: IdError| status::invalid(&error.into()))?;
        let known = authorise(&self.shared.ledger.state(), &name, secret)?;
        known.run().map(|run| (name, run)).ok_or_else(denied)
    }
}

#[tonic::async_trait]
impl Supervisor for SupervisorService {
    type AttachStream = Pin<Box<dyn Stream<Item = Result<pb::Directive, Status>> + Send>>;

    async fn attach(
        &self,
        request: Request<Streaming<pb::Report>>,
    ) -> Result<Response<Self::AttachStream>, Status> {
        let directives = attach::attach(&self.shared, request.into_inner()).await?;
        Ok(Response::new(Box::pin(directives)))
    }

    async fn submit_proposals(
        &self,
        request: Request<pb::SubmitProposalsRequest>,
    ) -> Result<Response<pb::SubmitProposalsResponse>, Status> {
        let request = request.into_inner();
        let is_mapper = matches!(proposal::submitted_origin(&request.origin), Ok(Origin::Mechanistic));
        let buckets = if is_mapper { &self.mapper_buckets } else { &self.buckets };
        submit::submit(&self.shared, buckets, request).await.map(Response::new)
    }

    async fn prove_proposals(
        &self,
        request: Request<pb::SubmitProposalsRequest>,
    ) -> Result<Response<pb::ProveProposalsResponse>, Status> {
        let desk = (&self.buckets, &self.proving);
        submit::prove(&self.shared, desk, request.into_inner()).await.map(Response::new)
    }

    async fn withdraw_proposal(
        &self,
        request: Request<pb::WithdrawProposalRequest>,
    ) -> Result<Response<pb::WithdrawProposalResponse>, Status> {
        let request = request.into_inner();
        let (sandbox, _) = self.authorised(&request.sandbox, &request.run_secret)?;
        let proposal = request.id.parse().map_err(|error: IdError| status::invalid(&error.into()))?;
        if request.by.len() > MAX_BINARY {
            return Err(status::invalid_text(&format!("by: longer than {MAX_BINARY} bytes")));
        }
        let withdraw = Withdraw { sandbox, proposal, by: request.by };
        self.shared.ledger.execute(Command::Withdraw(withdraw)).await.map_err(status::not_done)?;
        Ok(Response::new(pb::WithdrawProposalResponse {}))
    }

    async fn spend_once(
        &self,
        request: Request<pb::SpendOnceRequest>,
    ) -> Result<Response<pb::SpendOnceResponse>, Status> {
        let request = request.into_inner();
        let (sandbox, run) = self.authorised(&request.sandbox, &request.run_secret)?;
        let proposal = request.id.parse().map_err(|error: IdError| status::invalid(&error.into()))?;
        let spend = Spend { sandbox, run, proposal };
        self.shared.ledger.execute(Command::Spend(spend)).await.map_err(status::not_done)?;
        Ok(Response::new(pb::SpendOnceResponse {}))
    }

    async fn end_run(
        &self,
        request: Request<pb::EndRunRequest>,
    ) -> Result<Response<pb::EndRunResponse>, Status> {
        let request = request.into_inner();
        let (sandbox, run) = self.authorised(&request.sandbox, &request.run_secret)?;
        let end = EndRun { sandbox, run, reason: RunEnd::Finished, actor: Actor::supervisor(run) };
        self.shared.ledger.execute(Command::EndRun(end)).await.map_err(status::not_done)?;
        Ok(Response::new(pb::EndRunResponse {}))
    }
}

/// SHA-256 of a run's secret.
fn fingerprint(secret: &[u8]) -> Digest {
    Digest(Sha256::digest(secret).into())
}

/// The sandbox, if this is the secret of its latest run.
pub(crate) fn authorise(state: &State, name: &SandboxName, secret: &[u8]) -> Result<Arc<Sandbox>, Status> {
    let sandbox = state.sandboxes.get(name);
    let stored = sandbox.and_then(|sandbox| sandbox.secret_hash);
    // An unknown sandbox takes as long as a known one.
    let is_right = fingerprint(secret).0.ct_eq(&stored.unwrap_or(Digest([0; 32])).0);
    match sandbox {
        Some(sandbox) if stored.is_some() && is_right.into() => Ok(sandbox.clone()),
        _ => Err(denied()),
    }
}

fn denied() -> Status {
    let message = "the run secret is not the one of the sandbox's latest run";
    status::refuse(Code::PermissionDenied, "run_secret", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_secret_of_the_latest_run_opens_a_sandbox() {
        let name: SandboxName = "demo".parse().unwrap();
        let mut state = State::default();
        assert!(authorise(&state, &name, b"").is_err());
        state.sandboxes.insert(name.clone(), Arc::default());
        assert!(authorise(&state, &name, b"").is_err(), "a sandbox without a run has no secret");
        let sandbox = Sandbox { secret_hash: Some(fingerprint(b"right")), ..Sandbox::default() };
        state.sandboxes.insert(name.clone(), Arc::new(sandbox));
        assert!(authorise(&state, &name, b"right").is_ok());
        assert!(authorise(&state, &name, b"wrong").is_err());
        assert!(authorise(&state, &name, b"").is_err());
    }
}
