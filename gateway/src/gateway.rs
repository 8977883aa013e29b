//! A running gateway: the log, the writer, two servers, and how they begin and end.
//!
//! Owns the order of things. To begin: lock, replay, doors. To end: streams, connections, writer, log. Called by
//! the binaries; a program that embeds a gateway uses [`Gateway::start`], after which clients can connect.

use std::ffi::OsString;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use openshell_wire::door;
use openshell_wire::pb::inbox::inbox_server::InboxServer;
use openshell_wire::pb::inbox::supervisor_server::SupervisorServer;
use tokio::net::UnixListener;
use tokio::task::JoinSet;
use tokio_stream::wrappers::UnixListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::transport::server::Router;

use crate::clock::{Clock, SystemClock};
use crate::config::{Limits, ServeArgs};
use crate::doors::{self, Door, DoorError};
use crate::inbox_service::InboxService;
use crate::ledger::Ledger;
use crate::lock::LockError;
use crate::peer;
use crate::registry::Registry;
use crate::reviews::Reviews;
use crate::settle;
use crate::store::StoreError;
use crate::store::sqlite::{Opened, SqliteLog};
use crate::store::writer::{Books, Surroundings};
use crate::supervisor_service::SupervisorService;
use crate::timers::Timers;

/// The largest request, in bytes.
const MAX_REQUEST: usize = 1024 * 1024;
/// A connection whose peer does not answer a ping in [`KEEPALIVE_TIMEOUT`] is closed.
const KEEPALIVE: Duration = Duration::from_secs(10);
/// How long an answer to a ping may take.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);
/// How long connections may take to end when the gateway stops.
const FAREWELL: Duration = Duration::from_secs(3);

/// Why a gateway does not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// No default path can be computed.
    #[error("{0}")]
    NoHome(#[from] door::DoorError),
    /// Another gateway has the database; the message says which and what to do.
    #[error("{0}")]
    InUse(String),
    /// The event log cannot be used; the message names the file, the reason and the way out.
    #[error("{0}")]
    Log(String),
    /// A socket cannot be opened.
    #[error("{0}")]
    Door(#[from] DoorError),
    /// The system refused something else.
    #[error("cannot start: {0}")]
    Io(#[from] std::io::Error),
    /// A server failed while it ran.
    #[error("the server failed: {0}")]
    Server(#[from] tonic::transport::Error),
    /// The writer ended while it was needed.
    #[error("the log's writer has stopped: nothing can be stored any more")]
    Writer,
}

impl ServeError {
    /// Whether the gateway had already begun to serve.
    #[must_use]
    pub fn is_late(&self) -> bool {
        matches!(self, Self::Server(_) | Self::Writer)
    }

    /// Whether another gateway has the database or the socket: a client may connect to that one instead.
    #[must_use]
    pub fn is_in_use(&self) -> bool {
        matches!(self, Self::InUse(_) | Self::Door(DoorError::Live(_)))
    }
}

impl From<StoreError> for ServeError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Lock(LockError::Held { .. }) => Self::InUse(error.to_string()),
            other => Self::Log(other.to_string()),
        }
    }
}

/// What both services work with.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) ledger: Ledger,
    pub(crate) registry: Registry,
    pub(crate) reviews: Reviews,
    pub(crate) limits: Limits,
    pub(crate) clock: Arc<dyn Clock>,
    /// Cancelled when the gateway stops: streams end, so that connections can.
    pub(crate) stopping: CancellationToken,
}

/// A gateway that has its log and listens, and serves once it is [run](Gateway::run).
pub struct Gateway {
    shared: Shared,
    doors: [(Door, UnixListener); 2],
    writer_ended: CancellationToken,
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway").field("socket", &self.socket()).finish_non_exhaustive()
    }
}

/// Runs a gateway until `shutdown` is done.
///
/// # Errors
/// [`ServeError`]: why it could not start, or why it ended by itself.
pub async fn serve(args: ServeArgs, shutdown: impl Future<Output = ()> + Send) -> Result<(), ServeError> {
    Gateway::start(args).await?.run(shutdown).await
}

fn environment(key: &str) -> Option<OsString> {
    std::env::var_os(key)
}

/// The event log: `inbox.db` in the state folder.
pub(crate) fn default_db() -> Result<PathBuf, door::DoorError> {
    Ok(door::state_folder(environment)?.join("inbox.db"))
}

impl Gateway {
    /// Takes the lock, replays the log and opens the doors. When this returns, clients can connect.
    ///
    /// # Errors
    /// [`ServeError`]: why it cannot start. Nothing is left behind but an empty log file.
    pub async fn start(args: ServeArgs) -> Result<Self, ServeError> {
        let db = args.db.map_or_else(default_db, Ok)?;
        let socket = args.socket.map_or_else(|| door::default_door(environment), Ok)?;
        let Opened { log, state, account } = blocking(move || SqliteLog::open(&db)).await??;
        let doors = blocking(move || doors::open(&socket)).await??;
        let doors = doors.map(|(door, listener)| UnixListener::from_std(listener).map(|l| (door, l)));
        let [reviewers, supervisors] = doors;
        let reader = log.reader();
        let books = Books { signer: log.signer()?, log, account };
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let surroundings = Surroundings { clock: clock.clone(), orders: Arc::default() };
        let (ledger, writer_ended) = Ledger::start(books, reader, state, surroundings)?;
        let shared = Shared {
            ledger,
            registry: Registry::default(),
            reviews: Reviews::default(),
            limits: args.limits,
            clock,
            stopping: CancellationToken::new(),
        };
        Ok(Self { shared, doors: [reviewers?, supervisors?], writer_ended })
    }

    /// The reviewers' socket; the supervisors' is [`door::sandbox_door`] of it.
    #[must_use]
    pub fn socket(&self) -> &Path {
        let [(door, _), _] = &self.doors;
        &door.path
    }

    /// Serves until `shutdown` is done, then lets streams and connections end and closes the log.
    ///
    /// # Errors
    /// [`ServeError`] when a server or the writer ended by itself.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) -> Result<(), ServeError> {
        let Self { shared, doors: [(reviewers, inbox), (supervisors, sandbox)], writer_ended } = self;
        let state = shared.ledger.state();
        tracing::info!(socket = %reviewers.path.display(), events = state.seq, "ready");
        let stopping = shared.stopping.clone();
        let timers = tokio::spawn(Timers::new(&shared).run(stopping.clone()));
        let settler = tokio::spawn(settle::run(shared.ledger.clone(), stopping.clone()));
        let inbox_service = InboxService::new(shared.clone());
        let inbox_server = InboxServer::new(inbox_service).max_decoding_message_size(MAX_REQUEST);
        let supervisor_service = SupervisorService::new(shared);
        let supervisor_server =
            SupervisorServer::new(supervisor_service).max_decoding_message_size(MAX_REQUEST);
        let mut servers = JoinSet::new();
        servers.spawn(listen(server().add_service(inbox_server), inbox, stopping.clone()));
        servers.spawn(listen(server().add_service(supervisor_server), sandbox, stopping.clone()));
        let result = tokio::select! {
            () = shutdown => Ok(()),
            () = writer_ended.cancelled() => Err(ServeError::Writer),
            Some(ended) = servers.join_next() => match ended {
                Ok(Err(error)) => Err(error.into()),
                Ok(Ok(())) | Err(_) => Err(ServeError::Writer),
            },
        };
        tracing::info!("stopping");
        stopping.cancel();
        // New clients go to whoever listens next; those that are here get FAREWELL to leave.
        drop((reviewers, supervisors));
        let _ = tokio::time::timeout(FAREWELL, async { while servers.join_next().await.is_some() {} }).await;
        servers.shutdown().await;
        let _ = tokio::join!(timers, settler);
        let _ = tokio::time::timeout(FAREWELL, writer_ended.cancelled()).await;
        result
    }
}

fn server() -> Server {
    Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
}

async fn listen(
    router: Router,
    listener: UnixListener,
    stopping: CancellationToken,
) -> Result<(), tonic::transport::Error> {
    let neighbours = UnixListenerStream::new(listener).filter(|stream| {
        let refused = stream.as_ref().ok().and_then(|stream| peer::check(stream).err());
        if let Some(why) = &refused {
            tracing::warn!(%why, "a connection is refused");
        }
        std::future::ready(refused.is_none())
    });
    router.serve_with_incoming_shutdown(neighbours, stopping.cancelled_owned()).await
}

/// Replaying a long log must not stop the runtime of a program that embeds the gateway.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, std::io::Error> {
    tokio::task::spawn_blocking(work).await.map_err(std::io::Error::other)
}
