//! The way to the gateway: one `Attach` stream that brings policies, outcomes and the switch, and the call that
//! submits proposals. Opened before the command starts; reconnects by itself and resumes with the run's secret.

mod duty;
mod follow;

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use openshell_domain::id::{ProposalId, RunId};
use openshell_wire::door::{self, DoorError};
use openshell_wire::pb::inbox as pb;
use openshell_wire::pb::inbox::supervisor_client::SupervisorClient;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint};
use tonic::{Status, Streaming};

pub(crate) use duty::decided;
pub use duty::{Done, Duty};
pub use follow::{first_policy, follow};

/// How long the gateway may take to take a connection.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
/// How long the gateway may take to hear that the run is over.
const FAREWELL_DEADLINE: Duration = Duration::from_secs(2);
/// The largest directive that is read: many times the largest policy that loads.
const MAX_DIRECTIVE: usize = 16 * 1024 * 1024;
/// How long one call may take.
const CALL_DEADLINE: Duration = Duration::from_secs(15);

/// Why a run could not begin.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The path cannot be a socket.
    #[error(transparent)]
    Door(#[from] DoorError),
    /// The URI of the socket is none.
    #[error("the gateway's address: {0}")]
    Address(tonic::transport::Error),
    /// Nobody answers.
    #[error("no gateway answers at {0}")]
    Unreachable(String),
    /// The gateway has ended the run.
    #[error("the gateway has ended the run: its supervisor was away for too long")]
    RunEnded,
    /// The gateway says no.
    #[error("the gateway refused the run: {0}")]
    Refused(String),
}

/// The gateway, as one run sees it.
#[derive(Debug)]
pub struct Gateway {
    client: SupervisorClient<Channel>,
    door: String,
    hello: pb::Hello,
    run: Mutex<Known>,
    is_attached: watch::Sender<bool>,
}

/// By what the gateway knows this run.
#[derive(Debug, Clone)]
struct Known {
    run: RunId,
    /// Empty until the gateway has taken it.
    secret: Vec<u8>,
}

/// An open `Attach`: reports go out, directives come in.
#[derive(Debug)]
pub struct Attached {
    reports: mpsc::Sender<pb::Report>,
    directives: Streaming<pb::Directive>,
}

impl Gateway {
    /// A gateway behind the sandbox door beside `door`. Nothing is opened yet.
    ///
    /// # Errors
    /// [`LinkError::Door`] and [`LinkError::Address`].
    pub fn new(door: &Path, run: RunId, hello: pb::Hello) -> Result<Self, LinkError> {
        let sandbox_door = door::sandbox_door(door);
        let endpoint = Endpoint::from_shared(door::uri(&sandbox_door)?)
            .map_err(LinkError::Address)?
            .connect_timeout(CONNECT_DEADLINE)
            .http2_keep_alive_interval(Duration::from_secs(10))
            .keep_alive_timeout(Duration::from_secs(20));
        Ok(Self {
            client: SupervisorClient::new(endpoint.connect_lazy()).max_decoding_message_size(MAX_DIRECTIVE),
            door: sandbox_door.display().to_string(),
            hello,
            run: Mutex::new(Known { run, secret: Vec::new() }),
            is_attached: watch::Sender::new(false),
        })
    }

    /// Whether an `Attach` is open now.
    #[must_use]
    pub fn is_attached(&self) -> bool {
        *self.is_attached.borrow()
    }

    /// Changes whenever an `Attach` was opened or has ended.
    #[must_use]
    pub fn attachment(&self) -> watch::Receiver<bool> {
        self.is_attached.subscribe()
    }

    /// Opens an `Attach`: the first of the run, or one that resumes it.
    ///
    /// # Errors
    /// [`LinkError::Unreachable`] and [`LinkError::Refused`].
    pub async fn attach(&self) -> Result<Attached, LinkError> {
        let (reports, outgoing) = mpsc::channel(64);
        let Known { run, secret } = self.known().clone();
        let hello = pb::Hello { run: run.to_string(), run_secret: secret, ..self.hello.clone() };
        let report = pb::Report { report: Some(pb::report::Report::Hello(hello)) };
        // The channel is new and has room.
        let _ = reports.try_send(report);
        let mut client = self.client.clone();
        let opened = tokio::time::timeout(CALL_DEADLINE, async {
            let mut directives = client.attach(ReceiverStream::new(outgoing)).await?.into_inner();
            let first = directives.message().await?;
            Ok::<_, Status>((directives, first))
        })
        .await
        .map_err(|_| LinkError::Unreachable(self.door.clone()))?;
        let (directives, first) = opened.map_err(|status| self.explain(&status))?;
        match first.and_then(|directive| directive.directive) {
            Some(pb::directive::Directive::Accepted(accepted)) => {
                self.known().secret = accepted.run_secret;
                Ok(Attached { reports, directives })
            }
            _ => Err(LinkError::Refused("it did not say that the run is accepted".to_owned())),
        }
    }

    fn explain(&self, status: &Status) -> LinkError {
        match status.code() {
            tonic::Code::Unavailable
            | tonic::Code::Unknown
            | tonic::Code::DeadlineExceeded
            | tonic::Code::Cancelled => LinkError::Unreachable(self.door.clone()),
            _ if refusal(status) == "run_ended" => LinkError::RunEnded,
            _ => LinkError::Refused(status.message().to_owned()),
        }
    }

    /// Is another run from now on: the gateway has ended the one that this was, because it was away for too long.
    pub fn begin_anew(&self, run: RunId) {
        *self.known() = Known { run, secret: Vec::new() };
    }

    /// Tells the gateway that the command has ended. Where it cannot be told, the run ends by the gateway's patience.
    pub async fn end(&self) {
        let request = pb::EndRunRequest { sandbox: self.hello.sandbox.clone(), run_secret: self.secret() };
        let mut client = self.client.clone();
        match tokio::time::timeout(FAREWELL_DEADLINE, client.end_run(request)).await {
            Ok(Ok(_)) => {}
            Ok(Err(status)) => tracing::info!("the end of the run was not told: {}", status.message()),
            Err(_) => tracing::info!("the end of the run was not told: the gateway does not answer"),
        }
    }

    /// Submits proposals; the run's secret is added here.
    ///
    /// # Errors
    /// The gateway's status; `UNAVAILABLE` when it does not answer.
    pub async fn submit(&self, request: pb::SubmitProposalsRequest) -> Result<Vec<pb::SubmitResult>, Status> {
        let request = pb::SubmitProposalsRequest { run_secret: self.secret(), ..request };
        let mut client = self.client.clone();
        match tokio::time::timeout(CALL_DEADLINE, client.submit_proposals(request)).await {
            Ok(answer) => Ok(answer?.into_inner().results),
            Err(_) => Err(Status::unavailable("the gateway did not answer in time")),
        }
    }

    /// Asks what proposals would change; nothing is stored. The run's secret is added here.
    ///
    /// # Errors
    /// The gateway's status; `UNAVAILABLE` when it does not answer.
    pub async fn prove(&self, request: pb::SubmitProposalsRequest) -> Result<Vec<pb::ProveResult>, Status> {
        let request = pb::SubmitProposalsRequest { run_secret: self.secret(), ..request };
        let mut client = self.client.clone();
        match tokio::time::timeout(CALL_DEADLINE, client.prove_proposals(request)).await {
            Ok(answer) => Ok(answer?.into_inner().results),
            Err(_) => Err(Status::unavailable("the gateway did not answer in time")),
        }
    }

    /// Withdraws a proposal; `by` is the binary that asks. `Ok` only once that is stored.
    ///
    /// # Errors
    /// The gateway's status; `UNAVAILABLE` when it does not answer.
    pub async fn withdraw(&self, proposal: ProposalId, by: &str) -> Result<(), Status> {
        let (sandbox, id, by) = (self.hello.sandbox.clone(), proposal.to_string(), by.to_owned());
        let request = pb::WithdrawProposalRequest { sandbox, run_secret: self.secret(), id, by };
        let mut client = self.client.clone();
        match tokio::time::timeout(CALL_DEADLINE, client.withdraw_proposal(request)).await {
            Ok(answer) => answer.map(drop),
            Err(_) => Err(Status::unavailable("the gateway did not answer in time")),
        }
    }

    /// Spends the grant of a proposal for one request. `Ok` only once that is stored.
    ///
    /// # Errors
    /// The gateway's status: `FAILED_PRECONDITION` when it is spent; `UNAVAILABLE` when it does not answer.
    pub async fn spend_once(&self, proposal: ProposalId) -> Result<pb::SpendOnceResponse, Status> {
        let (sandbox, id) = (self.hello.sandbox.clone(), proposal.to_string());
        let request = pb::SpendOnceRequest { sandbox, run_secret: self.secret(), id };
        let mut client = self.client.clone();
        match tokio::time::timeout(CALL_DEADLINE, client.spend_once(request)).await {
            Ok(answer) => Ok(answer?.into_inner()),
            Err(_) => Err(Status::unavailable("the gateway did not answer in time")),
        }
    }

    fn secret(&self) -> Vec<u8> {
        self.known().secret.clone()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.run.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_attached(&self, is_attached: bool) {
        self.is_attached.send_replace(is_attached);
    }
}

/// The word by which the gateway says why not.
fn refusal(status: &Status) -> &str {
    status.metadata().get("openshell-refusal").and_then(|word| word.to_str().ok()).unwrap_or_default()
}
