//! The servers behind the doors, and what holds for every request: refusals are counted, and a gateway that stops
//! refuses what is new.
//!
//! Called by [`crate::gateway`], which owns when they begin and end.

use std::sync::Arc;
use std::time::Duration;

use openshell_wire::pb::inbox::gateway_server::GatewayServer;
use openshell_wire::pb::inbox::inbox_server::InboxServer;
use openshell_wire::pb::inbox::supervisor_server::SupervisorServer;
use tokio::net::{TcpListener, UnixListener};
use tokio::task::JoinSet;
use tokio_stream::wrappers::UnixListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::Request;
use tonic::body::Body;
use tonic::service::interceptor::ResponseBody;
use tonic::service::{InterceptorLayer, Routes};
use tonic::transport::Server;
use tower::util::MapResponseLayer;

use crate::gateway::Shared;
use crate::inbox_service::InboxService;
use crate::metrics::Metrics;
use crate::probes;
use crate::standing::{Fixed, StandingService};
use crate::status;
use crate::supervisor_service::SupervisorService;

/// The largest request, in bytes.
const MAX_REQUEST: usize = 1024 * 1024;
/// A connection whose peer does not answer a ping in [`KEEPALIVE_TIMEOUT`] is closed.
const KEEPALIVE: Duration = Duration::from_secs(10);
/// How long an answer to a ping may take.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);
/// The running servers; each ends with the gateway, or with why it failed.
pub(crate) type Servers = JoinSet<Result<(), tonic::transport::Error>>;

/// Starts a server for each door, and one for the probes.
pub(crate) fn serve_all(
    shared: Shared,
    fixed: Fixed,
    [inbox, sandbox]: [UnixListener; 2],
    probes: Option<TcpListener>,
) -> Servers {
    let mut servers = JoinSet::new();
    let stopping = shared.stopping.clone();
    if let Some(listener) = probes {
        let served = probes::serve(listener, shared.clone());
        servers.spawn(async move {
            served.await;
            Ok(())
        });
    }
    let metrics = shared.ledger.metrics().clone();
    let standing = GatewayServer::new(StandingService::new(shared.clone(), fixed));
    let reviewers =
        InboxServer::new(InboxService::new(shared.clone())).max_decoding_message_size(MAX_REQUEST);
    let supervisors =
        SupervisorServer::new(SupervisorService::new(shared)).max_decoding_message_size(MAX_REQUEST);
    let reviewers = Routes::new(reviewers).add_service(standing);
    servers.spawn(listen(reviewers, inbox, metrics.clone(), stopping.clone()));
    servers.spawn(listen(Routes::new(supervisors), sandbox, metrics, stopping));
    servers
}

/// Serves behind one door. What it refuses is counted, and once the gateway stops it refuses what is new: a client
/// learns in words what a closing connection would leave in doubt.
async fn listen(
    routes: Routes,
    listener: UnixListener,
    metrics: Arc<Metrics>,
    stopping: CancellationToken,
) -> Result<(), tonic::transport::Error> {
    let count = move |response: http::Response<ResponseBody<Body>>| {
        if let Some(word) = response.headers().get(status::WORD) {
            metrics.refused(word.as_bytes());
        }
        response
    };
    let closed = stopping.clone();
    let admit = move |request: Request<()>| {
        if closed.is_cancelled() { Err(status::stopping()) } else { Ok(request) }
    };
    Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        .layer(MapResponseLayer::new(count))
        .layer(InterceptorLayer::new(admit))
        .add_routes(routes)
        .serve_with_incoming_shutdown(UnixListenerStream::new(listener), stopping.cancelled_owned())
        .await
}
