//! The servers: one behind each door, and the probes'.
//!
//! Owns the limits of connections. Each server ends when its door is closed, after whoever is being answered. Called
//! by [`crate::gateway`], which owns when they begin and end.

use std::time::Duration;

use futures_util::StreamExt as _;
use openshell_wire::pb::inbox::gateway_server::GatewayServer;
use openshell_wire::pb::inbox::inbox_server::InboxServer;
use openshell_wire::pb::inbox::supervisor_server::SupervisorServer;
use tokio::net::{TcpListener, UnixListener};
use tokio::task::JoinSet;
use tokio_stream::wrappers::UnixListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::transport::Server;

use crate::doorkeeper::Doorkeeper;
use crate::gateway::Shared;
use crate::health;
use crate::inbox_service::InboxService;
use crate::peer;
use crate::presence::Crowd;
use crate::probes;
use crate::standing::{Fixed, StandingService};
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
    (busy, closing): (Crowd, CancellationToken),
) -> Servers {
    let mut servers = JoinSet::new();
    if let Some(listener) = probes {
        let served = probes::serve(listener, shared.clone(), closing.clone());
        servers.spawn(async move {
            served.await;
            Ok(())
        });
    }
    let keeper =
        Doorkeeper { metrics: shared.ledger.metrics().clone(), busy, stopping: shared.stopping.clone() };
    let standing = GatewayServer::new(StandingService::new(shared.clone(), fixed));
    let reviewers =
        InboxServer::new(InboxService::new(shared.clone())).max_decoding_message_size(MAX_REQUEST);
    let supervisors =
        SupervisorServer::new(SupervisorService::new(shared)).max_decoding_message_size(MAX_REQUEST);
    let mut at_reviewers = Routes::builder();
    at_reviewers.add_service(reviewers).add_service(standing);
    let reporter = health::add(&mut at_reviewers);
    let reporting = health::report(reporter, keeper.metrics.writable(), keeper.stopping.clone());
    servers.spawn(async move {
        reporting.await;
        Ok(())
    });
    servers.spawn(listen(at_reviewers.routes(), inbox, keeper.clone(), closing.clone()));
    servers.spawn(listen(Routes::new(supervisors), sandbox, keeper, closing));
    servers
}

/// Serves behind one door until it is closed.
async fn listen(
    routes: Routes,
    listener: UnixListener,
    keeper: Doorkeeper,
    closing: CancellationToken,
) -> Result<(), tonic::transport::Error> {
    let neighbours = UnixListenerStream::new(listener).filter(|stream| {
        let refused = stream.as_ref().ok().and_then(|stream| peer::check(stream).err());
        if let Some(why) = &refused {
            tracing::warn!(%why, "a connection is refused");
        }
        std::future::ready(refused.is_none())
    });
    Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        .layer(keeper)
        .add_routes(routes)
        .serve_with_incoming_shutdown(neighbours, closing.cancelled_owned())
        .await
}
