//! The process that listens on a gateway's socket, held so that it cannot become another one meanwhile.
//!
//! The kernel names the peer of a connection; a descriptor of that process is taken, and only then the gateway
//! answers over the same connection: so the descriptor is its. Refuses a peer of another PID namespace, which has
//! no number here.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use openshell_wire::pb::inbox as pb;
use openshell_wire::pb::inbox::gateway_client::GatewayClient;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::net::UnixStream;
use tonic::transport::Endpoint;
use tonic::{Code, Status};

use super::GatewayError;
use crate::client::ClientError;

/// How long the gateway may take to say how it stands.
const PATIENCE: Duration = Duration::from_secs(5);

/// A gateway that answered a moment ago.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) status: pb::GetStatusResponse,
    /// As this process sees it.
    pub(super) pid: u32,
    process: OwnedFd,
}

/// The gateway that listens on `door`.
pub(super) async fn find(door: &Path) -> Result<Running, GatewayError> {
    let unreachable =
        |error: io::Error| ClientError::Unreachable { path: door.to_owned(), cause: error.to_string() };
    let stream = UnixStream::connect(door).await.map_err(unreachable)?;
    let peer = stream.peer_cred().map_err(unreachable)?.pid().filter(|pid| *pid > 0);
    let pid = peer.and_then(Pid::from_raw).ok_or_else(|| lost("is in another PID namespace"))?;
    let process = pidfd_open(pid, PidfdFlags::empty()).map_err(|error| lost(&format!("is gone: {error}")))?;
    let status = tokio::time::timeout(PATIENCE, ask(stream)).await;
    let status = status.map_err(|_| ClientError::Broken("it does not answer".to_owned()))?.map_err(said)?;
    Ok(Running { status, pid: pid.as_raw_nonzero().get().unsigned_abs(), process })
}

fn lost(why: &str) -> GatewayError {
    GatewayError::Process(why.to_owned())
}

/// Asks over this connection and no other.
async fn ask(stream: UnixStream) -> Result<pb::GetStatusResponse, Status> {
    let mut once = Some(TokioIo::new(stream));
    let connector = tower::service_fn(move |_| {
        std::future::ready(once.take().ok_or_else(|| io::Error::other("the connection was closed")))
    });
    let endpoint = Endpoint::from_static("http://gateway");
    let channel = endpoint.connect_with_connector(connector).await;
    let channel = channel.map_err(|error| Status::unavailable(error.to_string()))?;
    let answer = GatewayClient::new(channel).get_status(pb::GetStatusRequest {}).await?;
    Ok(answer.into_inner())
}

/// One that is stopping is as good as none.
fn said(status: Status) -> ClientError {
    match status.code() {
        Code::Unavailable => ClientError::Broken(status.message().to_owned()),
        _ => status.into(),
    }
}

impl Running {
    /// Asks it to end.
    pub(super) fn terminate(&self) -> Result<(), GatewayError> {
        match pidfd_send_signal(&self.process, Signal::TERM) {
            // It has just ended by itself.
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => Err(lost(&format!("cannot be told to stop: {error}"))),
        }
    }

    /// Waits until it has ended, or not longer than that; says whether it has.
    pub(super) async fn ended(self, within: Duration) -> Result<bool, GatewayError> {
        // A process descriptor becomes readable when the process ends; there is nothing to read from it.
        let wait = move || {
            let timeout =
                Timespec { tv_sec: i64::try_from(within.as_secs()).unwrap_or(i64::MAX), tv_nsec: 0 };
            poll(&mut [PollFd::new(&self.process, PollFlags::IN)], Some(&timeout))
        };
        let waited = tokio::task::spawn_blocking(wait).await.map_err(io::Error::from);
        let ready = waited.and_then(|ready| ready.map_err(io::Error::from));
        ready.map(|ready| ready > 0).map_err(|error| lost(&format!("cannot be waited for: {error}")))
    }
}
