//! The client to the gateway's reviewer door: a Unix socket, and typed answers.
//!
//! Owns the translation of statuses into [`ClientError`]; whatever comes from the wire is checked again by
//! `TryFrom`. Knows neither screen nor verbs. [`watch`] keeps an inbox up to date over it.

pub mod asks;
pub mod backoff;
mod reads;
mod status;
pub mod watch;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use openshell_domain::id::{Digest, ProposalId, Revision, SandboxName, Seq};
use openshell_domain::inbox::SandboxView;
use openshell_domain::proposal::{Lease, Proposal};
use openshell_wire::pb::inbox as pb;
use openshell_wire::pb::inbox::inbox_client::InboxClient;
use openshell_wire::proposal::{lease, sandbox_view};
use tonic::Streaming;
use tonic::transport::{Channel, Endpoint};

pub use reads::{Effective, Verified};
pub use status::{ClientError, Fresh};

/// How long a connection or an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The largest answer that is read: the snapshot comes in parts, so this is far more than is sent.
const MAX_ANSWER: usize = 16 * 1024 * 1024;

/// A reviewer's connection to a gateway.
#[derive(Debug, Clone)]
pub struct Client {
    inbox: InboxClient<Channel>,
}

/// What a reviewer decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Grant it.
    Approve,
    /// Refuse it.
    Reject,
    /// Take the decision back.
    Undo,
    /// End the grant.
    Revoke,
}

impl Verb {
    /// What has been done with it: `approved`, `rejected`.
    #[must_use]
    pub fn done(self) -> &'static str {
        match self {
            Self::Approve => "approved",
            Self::Reject => "rejected",
            Self::Undo => "undone",
            Self::Revoke => "revoked",
        }
    }
}

/// One decision, bound to what was shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// On which proposal.
    pub proposal: ProposalId,
    /// The digest of what was shown.
    pub digest: Digest,
    /// Which way.
    pub verb: Verb,
    /// The reviewer's words, byte for byte.
    pub reason: String,
    /// How long an approval is to hold; empty is the setting.
    pub lease: String,
    /// What would be better, beside a rejection.
    pub hints: Vec<String>,
    /// How long the mapper does not ask for it again, beside a rejection; empty is the setting.
    pub snooze: String,
}

impl Decision {
    /// A decision that leaves the lease and the like to the settings.
    #[must_use]
    pub fn new(proposal: ProposalId, digest: Digest, verb: Verb, reason: String) -> Self {
        let (lease, hints, snooze) = (String::new(), Vec::new(), String::new());
        Self { proposal, digest, verb, reason, lease, hints, snooze }
    }
}

/// A decision as the gateway recorded it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recorded {
    /// The event of the decision.
    pub seq: Seq,
    /// The first revision with the grant; `None` for a rejection.
    pub revision: Option<Revision>,
    /// Whether the sandbox's supervisor is connected.
    pub is_attached: bool,
    /// How long the grant lives, where one was made.
    pub lease: Option<Lease>,
}

/// A proposal with its surroundings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The proposal.
    pub proposal: Proposal,
    /// Its sandbox.
    pub sandbox: Option<SandboxView>,
    /// Whether the sandbox's supervisor is connected.
    pub is_attached: bool,
}

/// Proposals with their sandboxes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listed {
    /// The proposals, newest first.
    pub proposals: Vec<Proposal>,
    /// What is known of their sandboxes.
    pub sandboxes: BTreeMap<SandboxName, SandboxView>,
}

impl Listed {
    /// What is known of a proposal's sandbox.
    #[must_use]
    pub fn sandbox(&self, proposal: &Proposal) -> Option<&SandboxView> {
        self.sandboxes.get(&proposal.sandbox)
    }
}

impl Client {
    /// Connects to the reviewer door at `path`.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`] when nobody answers there.
    pub async fn connect(path: impl AsRef<Path>) -> Result<Self, ClientError> {
        let path = path.as_ref();
        let unreachable = |cause: String| ClientError::Unreachable { path: path.to_owned(), cause };
        // A connector of our own, because a path is bytes and not every path is a part of a URI.
        let socket: PathBuf = path.to_owned();
        let connector = tower::service_fn(move |_| {
            let socket = socket.clone();
            async move { tokio::net::UnixStream::connect(socket).await.map(TokioIo::new) }
        });
        let endpoint = Endpoint::from_static("http://gateway");
        let connecting = endpoint.connect_with_connector(connector);
        match tokio::time::timeout(PATIENCE, connecting).await {
            Ok(Ok(channel)) => {
                Ok(Self { inbox: InboxClient::new(channel).max_decoding_message_size(MAX_ANSWER) })
            }
            Ok(Err(error)) => Err(unreachable(root_cause(&error))),
            Err(_) => Err(unreachable("it does not answer".to_owned())),
        }
    }

    /// The proposals with this status and of this sandbox (empty: all), newest first.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn list(&mut self, status: &str, sandbox: &str) -> Result<Listed, ClientError> {
        let mut listed = Listed::default();
        let mut page = String::new();
        loop {
            let ask = pb::ListProposalsRequest {
                status: status.to_owned(),
                sandbox: sandbox.to_owned(),
                limit: 0,
                page,
            };
            let answer = patient(self.inbox.list_proposals(ask)).await?;
            for proposal in &answer.proposals {
                listed.proposals.push(Proposal::try_from(proposal)?);
            }
            for record in &answer.sandboxes {
                listed.sandboxes.extend([sandbox_view(record)?]);
            }
            page = answer.next_page;
            if page.is_empty() {
                return Ok(listed);
            }
        }
    }

    /// One proposal, by id or by a prefix that only one id has.
    ///
    /// # Errors
    /// [`ClientError::NotFound`] and the others.
    pub async fn proposal(&mut self, id: &str) -> Result<Shown, ClientError> {
        let answer = patient(self.inbox.get_proposal(pb::GetProposalRequest { id: id.to_owned() })).await?;
        let proposal = answer.proposal.as_ref().ok_or(openshell_wire::WireError::Missing("proposal"))?;
        let sandbox = answer.sandbox.as_ref().map(sandbox_view).transpose()?;
        Ok(Shown {
            proposal: proposal.try_into()?,
            sandbox: sandbox.map(|(_, view): (SandboxName, _)| view),
            is_attached: answer.attached,
        })
    }

    /// Decides.
    ///
    /// # Errors
    /// [`ClientError::Stale`] and [`ClientError::AlreadyDecided`] with the proposal as it is, and the others.
    pub async fn decide(&mut self, decision: &Decision) -> Result<Recorded, ClientError> {
        recorded(&patient(self.inbox.decide(request(decision))).await?)
    }

    /// The sandboxes and what goes on in them.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn sandboxes(&mut self) -> Result<Vec<pb::SandboxStatus>, ClientError> {
        Ok(patient(self.inbox.list_sandboxes(pb::ListSandboxesRequest {})).await?.sandboxes)
    }

    /// Ends the run of a sandbox whose supervisor is gone, and gives the event.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn release(&mut self, sandbox: &str) -> Result<Seq, ClientError> {
        let ask = pb::ReleaseRunRequest { sandbox: sandbox.to_owned() };
        Ok(patient(self.inbox.release_run(ask)).await?.seq)
    }

    /// What holds for a sandbox, or for all (empty).
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn settings(&mut self, sandbox: &str) -> Result<Vec<pb::Setting>, ClientError> {
        let ask = pb::GetSettingsRequest { sandbox: sandbox.to_owned() };
        Ok(patient(self.inbox.get_settings(ask)).await?.settings)
    }

    /// Sets a value for a sandbox or for all (empty), or takes it away. Gives the event, if something changed.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn set(
        &mut self,
        sandbox: &str,
        key: &str,
        value: Option<String>,
    ) -> Result<Option<Seq>, ClientError> {
        let (sandbox, key) = (sandbox.to_owned(), key.to_owned());
        let ask = pb::SetSettingRequest { sandbox, key, value, idempotency_key: String::new() };
        let seq = patient(self.inbox.set_setting(ask)).await?.seq;
        Ok((seq > 0).then_some(seq))
    }

    /// What happens after event `from`, or a snapshot and then what happens.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn watch(&mut self, from: Option<Seq>) -> Result<Streaming<pb::InboxFrame>, ClientError> {
        patient(self.inbox.watch_inbox(pb::WatchInboxRequest { from_seq: from, sandbox: String::new() }))
            .await
    }
}

fn request(decision: &Decision) -> pb::DecideRequest {
    let verb = match decision.verb {
        Verb::Approve => pb::Verb::Approve,
        Verb::Reject => pb::Verb::Reject,
        Verb::Undo => pb::Verb::Undo,
        Verb::Revoke => pb::Verb::Revoke,
    };
    pb::DecideRequest {
        id: decision.proposal.to_string(),
        digest: decision.digest.to_string(),
        verb: verb.into(),
        reason: decision.reason.clone(),
        lease: decision.lease.clone(),
        hints: decision.hints.clone(),
        snooze: decision.snooze.clone(),
        ..pb::DecideRequest::default()
    }
}

fn recorded(answer: &pb::DecideResponse) -> Result<Recorded, ClientError> {
    Ok(Recorded {
        seq: answer.seq,
        revision: (answer.revision > 0).then_some(Revision(answer.revision)),
        is_attached: answer.attached,
        lease: lease(&answer.lease)?,
    })
}

async fn patient<T>(
    answer: impl Future<Output = Result<tonic::Response<T>, tonic::Status>>,
) -> Result<T, ClientError> {
    within(PATIENCE, answer).await
}

async fn within<T>(
    patience: Duration,
    answer: impl Future<Output = Result<tonic::Response<T>, tonic::Status>>,
) -> Result<T, ClientError> {
    match tokio::time::timeout(patience, answer).await {
        Ok(answer) => Ok(answer?.into_inner()),
        Err(_) => Err(ClientError::Broken("the gateway does not answer".to_owned())),
    }
}

/// The innermost error: tonic's own says only "transport error".
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}
