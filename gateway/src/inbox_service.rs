//! The reviewers' door: watch, list, look at, decide.
//!
//! Adapters only: parse → authorise → command → reply. The door is the authorisation (whoever may open `PATH` is
//! a reviewer); the peer's uid becomes the actor of a decision. Called by tonic.

mod decide;
mod explain;
mod list;
mod log;
mod preview;
mod proof;
mod revisions;
mod sandboxes;
pub(crate) mod watch;

use std::pin::Pin;
use std::sync::Arc;

use futures_util::Stream;
use openshell_domain::event::{Actor, ActorKind};
use openshell_domain::id::ProposalId;
use openshell_domain::proposal::Proposal;
use openshell_domain::state::State;
use openshell_wire::pb::inbox as pb;
use openshell_wire::pb::inbox::inbox_server::Inbox;
use openshell_wire::proposal::sandbox_record;
use tokio::sync::Semaphore;
use tonic::transport::server::UdsConnectInfo;
use tonic::{Code, Request, Response, Status};
use uuid::Uuid;

use crate::gateway::Shared;
use crate::status;

/// The fewest hexadecimal digits by which a proposal is found.
const MIN_PREFIX: usize = 4;

/// The service on `PATH`.
pub(crate) struct InboxService {
    shared: Shared,
    /// One place for whoever has the log verified.
    verifying: Arc<Semaphore>,
    /// The places for wordings that are tried out.
    previewing: Arc<Semaphore>,
}

impl InboxService {
    pub(crate) fn new(shared: Shared) -> Self {
        let (verifying, previewing) = (Semaphore::new(1), Semaphore::new(preview::PLACES));
        Self { shared, verifying: Arc::new(verifying), previewing: Arc::new(previewing) }
    }
}

#[tonic::async_trait]
impl Inbox for InboxService {
    type ReadLogStream = log::Records;
    type WatchInboxStream = Pin<Box<dyn Stream<Item = Result<pb::InboxFrame, Status>> + Send>>;

    async fn watch_inbox(
        &self,
        request: Request<pb::WatchInboxRequest>,
    ) -> Result<Response<Self::WatchInboxStream>, Status> {
        watch::frames(&self.shared, request.get_ref()).map(Response::new)
    }

    async fn list_proposals(
        &self,
        request: Request<pb::ListProposalsRequest>,
    ) -> Result<Response<pb::ListProposalsResponse>, Status> {
        let state = self.shared.ledger.state();
        let mut answer = list::page(&state, request.get_ref())?;
        for message in answer.proposals.iter_mut().filter(|message| message.status == "pending") {
            let known = message.id.parse().ok().and_then(|id| state.proposal(id));
            if let Some(proposal) = known {
                *message = (&self.shared.reviews.with(&state, proposal).await).into();
            }
        }
        Ok(Response::new(answer))
    }

    async fn get_proposal(
        &self,
        request: Request<pb::GetProposalRequest>,
    ) -> Result<Response<pb::GetProposalResponse>, Status> {
        let state = self.shared.ledger.state();
        let proposal = find(&state, &request.get_ref().id)?;
        let sandbox = state.sandboxes.get(&proposal.sandbox);
        Ok(Response::new(pb::GetProposalResponse {
            proposal: Some((&self.shared.reviews.with(&state, proposal).await).into()),
            sandbox: sandbox.map(|sandbox| sandbox_record(&proposal.sandbox, &sandbox.view)),
            attached: self.shared.registry.is_attached(&proposal.sandbox),
        }))
    }

    async fn decide(
        &self,
        request: Request<pb::DecideRequest>,
    ) -> Result<Response<pb::DecideResponse>, Status> {
        let reviewer = reviewer(&request)?;
        decide::one(&self.shared, reviewer, request.into_inner()).await.map(Response::new)
    }

    async fn decide_many(
        &self,
        request: Request<pb::DecideManyRequest>,
    ) -> Result<Response<pb::DecideManyResponse>, Status> {
        let reviewer = reviewer(&request)?;
        decide::many(&self.shared, reviewer, request.into_inner()).await.map(Response::new)
    }

    async fn revise_draft(
        &self,
        request: Request<pb::ReviseDraftRequest>,
    ) -> Result<Response<pb::ReviseDraftResponse>, Status> {
        let reviewer = reviewer(&request)?;
        decide::revise(&self.shared, reviewer, request.into_inner()).await.map(Response::new)
    }

    async fn preview_draft(
        &self,
        request: Request<pb::PreviewDraftRequest>,
    ) -> Result<Response<pb::PreviewDraftResponse>, Status> {
        preview::draft(&self.shared, &self.previewing, request.into_inner()).await.map(Response::new)
    }

    async fn list_sandboxes(
        &self,
        _: Request<pb::ListSandboxesRequest>,
    ) -> Result<Response<pb::ListSandboxesResponse>, Status> {
        Ok(Response::new(sandboxes::list(&self.shared)))
    }

    async fn get_policy(
        &self,
        request: Request<pb::GetPolicyRequest>,
    ) -> Result<Response<pb::GetPolicyResponse>, Status> {
        sandboxes::policy(&self.shared, &request.get_ref().sandbox).map(Response::new)
    }

    async fn get_settings(
        &self,
        request: Request<pb::GetSettingsRequest>,
    ) -> Result<Response<pb::GetSettingsResponse>, Status> {
        sandboxes::settings(&self.shared, &request.get_ref().sandbox).map(Response::new)
    }

    async fn set_setting(
        &self,
        request: Request<pb::SetSettingRequest>,
    ) -> Result<Response<pb::SetSettingResponse>, Status> {
        let reviewer = reviewer(&request)?;
        sandboxes::set(&self.shared, reviewer, request.into_inner()).await.map(Response::new)
    }

    async fn release_run(
        &self,
        request: Request<pb::ReleaseRunRequest>,
    ) -> Result<Response<pb::ReleaseRunResponse>, Status> {
        let reviewer = reviewer(&request)?;
        sandboxes::release(&self.shared, reviewer, &request.get_ref().sandbox).await.map(Response::new)
    }

    async fn read_log(
        &self,
        request: Request<pb::ReadLogRequest>,
    ) -> Result<Response<Self::ReadLogStream>, Status> {
        log::read(&self.shared, request.get_ref()).map(Response::new)
    }

    async fn verify_log(
        &self,
        request: Request<pb::VerifyLogRequest>,
    ) -> Result<Response<pb::VerifyLogResponse>, Status> {
        proof::verify(&self.shared, &self.verifying, request.get_ref()).await.map(Response::new)
    }

    async fn list_revisions(
        &self,
        request: Request<pb::ListRevisionsRequest>,
    ) -> Result<Response<pb::ListRevisionsResponse>, Status> {
        revisions::list(&self.shared, request.get_ref()).await.map(Response::new)
    }

    async fn explain_verdict(
        &self,
        request: Request<pb::ExplainVerdictRequest>,
    ) -> Result<Response<pb::ExplainVerdictResponse>, Status> {
        explain::verdict(&self.shared, request.into_inner()).await.map(Response::new)
    }
}

/// The peer as the actor of a decision.
fn reviewer<T>(request: &Request<T>) -> Result<Actor, Status> {
    let peer = request.extensions().get::<UdsConnectInfo>().and_then(|info| info.peer_cred);
    let peer = peer.ok_or_else(|| Status::unauthenticated("the peer of the socket is not known"))?;
    Ok(Actor {
        kind: ActorKind::Reviewer,
        id: format!("uid:{}", peer.uid()),
        authenticated: "door".to_owned(),
        unisolated: false,
        request: None,
    })
}

/// The proposal with this id, or the only one whose id begins with it.
fn find<'s>(state: &'s State, text: &str) -> Result<&'s Proposal, Status> {
    let digits = text.replace('-', "").to_ascii_lowercase();
    let is_prefix =
        (MIN_PREFIX..=32).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit());
    let bound = |fill: &str| Uuid::try_parse(&format!("{digits}{}", fill.repeat(32 - digits.len().min(32))));
    let (true, Ok(first), Ok(last)) = (is_prefix, bound("0"), bound("f")) else {
        let message = format!("{text:?} is not an id, nor {MIN_PREFIX} or more of its first digits");
        return Err(status::invalid_text(&message));
    };
    let mut found = state.owners.range(ProposalId(first)..=ProposalId(last)).map(|(id, _)| *id);
    let unknown =
        || status::refuse(Code::NotFound, "unknown_proposal", &format!("there is no proposal {digits}"));
    let id = found.next().ok_or_else(unknown)?;
    match found.count() {
        0 => state.proposal(id).ok_or_else(unknown),
        more => {
            let message = format!("{} proposals begin with {digits}: write more digits", more + 1);
            Err(status::refuse(Code::InvalidArgument, "ambiguous", &message))
        }
    }
}

#[cfg(test)]
mod tests;
