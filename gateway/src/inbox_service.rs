//! The reviewers' door: watch, list, look at, decide.
//!
//! Adapters only: parse → authorise → command → reply. The door is the authorisation (whoever may open `PATH` is
//! a reviewer); the peer's uid becomes the actor of a decision. Called by tonic.

mod list;
mod watch;

use std::pin::Pin;

use futures_util::Stream;
use openshell_domain::command::{Answer, Command, Decide};
use openshell_domain::event::{Actor, ActorKind, Event};
use openshell_domain::id::{Digest, IdError, ProposalId};
use openshell_domain::proposal::Proposal;
use openshell_domain::state::State;
use openshell_wire::pb::inbox::inbox_server::Inbox;
use openshell_wire::pb::inbox::{self as pb, Verb};
use openshell_wire::proposal::sandbox_record;
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
}

impl InboxService {
    pub(crate) fn new(shared: Shared) -> Self {
        Self { shared }
    }
}

#[tonic::async_trait]
impl Inbox for InboxService {
    type WatchInboxStream = Pin<Box<dyn Stream<Item = Result<pb::InboxFrame, Status>> + Send>>;

    async fn watch_inbox(
        &self,
        request: Request<pb::WatchInboxRequest>,
    ) -> Result<Response<Self::WatchInboxStream>, Status> {
        watch::frames(&self.shared, request.into_inner().from_seq).map(Response::new)
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
        let request = request.into_inner();
        let proposal: ProposalId =
            request.id.parse().map_err(|error: IdError| status::invalid(&error.into()))?;
        let digest: Digest =
            request.digest.parse().map_err(|error: IdError| status::invalid(&error.into()))?;
        let decision = Decide { proposal, digest, reviewer, reason: request.reason };
        let command = match Verb::try_from(request.verb) {
            Ok(Verb::Approve) => Command::Approve(decision, None),
            Ok(Verb::Reject) => Command::Reject(decision, Answer::default()),
            Ok(Verb::Unspecified) | Err(_) => {
                return Err(status::invalid_text("verb: neither VERB_APPROVE nor VERB_REJECT"));
            }
        };
        let events = self.shared.ledger.execute(command).await.map_err(status::not_done)?;
        let decided = events.first().ok_or_else(|| Status::internal("a decision without an event"))?;
        let revision = match &decided.event {
            Event::ProposalApproved { revision, .. } => revision.0,
            _ => 0,
        };
        let attached = decided.sandbox().is_some_and(|name| self.shared.registry.is_attached(name));
        Ok(Response::new(pb::DecideResponse { seq: decided.seq, revision, attached }))
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
