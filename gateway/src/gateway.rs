//! A running gateway: the log, the writer, two servers, and how they begin and end.
//!
//! Owns the order of things. To begin: lock, replay, doors. To end: streams, connections, writer, log. Called by
//! the binaries; a program that embeds a gateway uses [`Gateway::start`], after which clients can connect.

use std::ffi::OsString;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use openshell_domain::decide::Orders;
use openshell_wire::door;
use tokio::net::{TcpListener, UnixListener};
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, SystemClock};
use crate::config::{Limits, Settings};
use crate::doors::{self, Door, DoorError};
use crate::idle::idle;
use crate::ledger::Ledger;
use crate::lock::LockError;
use crate::orders;
use crate::presence::{Crowd, Presence};
use crate::probes;
use crate::registry::Registry;
use crate::reviews::Reviews;
use crate::servers::{Servers, serve_all};
use crate::settle;
use crate::standing::Fixed;
use crate::store::StoreError;
use crate::store::archive::Archive;
use crate::store::snapshot::EVERY;
use crate::store::sqlite::{Opened, SqliteLog};
use crate::store::writer::{Books, Surroundings};
use crate::timers::Timers;

/// How long a gateway that stops still refuses in words after its last answer: a request that meets a closing
/// connection is cancelled by the client's own library, which tells nobody why.
const LINGER: Duration = Duration::from_millis(50);
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
    /// The ceiling or the patterns cannot be followed; the message names the file, the place and what is wrong.
    #[error("{0}")]
    Orders(String),
    /// A socket cannot be opened.
    #[error("{0}")]
    Door(#[from] DoorError),
    /// The probes' port cannot be opened.
    #[error("cannot serve metrics on {0}: {1}")]
    Probes(std::net::SocketAddr, std::io::Error),
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
    pub(crate) presence: Presence,
    pub(crate) limits: Limits,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) orders: Arc<Orders>,
    pub(crate) archive: Arc<dyn Archive>,
    /// Cancelled when the gateway stops: streams end, so that connections can.
    pub(crate) stopping: CancellationToken,
}

/// A gateway that has its log and listens, and serves once it is [run](Gateway::run).
pub struct Gateway {
    shared: Shared,
    fixed: Fixed,
    doors: [(Door, UnixListener); 2],
    probes: Option<TcpListener>,
    writer_ended: CancellationToken,
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway").field("socket", &self.socket()).finish_non_exhaustive()
    }
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
    pub async fn start(settings: Settings) -> Result<Self, ServeError> {
        let orders = orders::read(&settings).map_err(|error| ServeError::Orders(error.to_string()))?;
        let db = std::path::absolute(settings.db.map_or_else(default_db, Ok)?)?;
        let socket = settings.socket.map_or_else(|| door::default_door(environment), Ok)?;
        let path = db.clone();
        let Opened { mut log, state, account } = blocking(move || SqliteLog::open(&path)).await??;
        log.snapshot_every(settings.snapshot_events.map_or(EVERY, u64::from));
        let (probes, metrics_address) = match settings.metrics_listen {
            Some(address) => {
                let bound =
                    probes::bind(address).await.map_err(|error| ServeError::Probes(address, error))?;
                (Some(bound.0), Some(bound.1))
            }
            None => (None, None),
        };
        let doors = blocking(move || doors::open(&socket)).await??;
        let doors = doors.map(|(door, listener)| UnixListener::from_std(listener).map(|l| (door, l)));
        let [reviewers, supervisors] = doors;
        let (reviewers, supervisors) = (reviewers?, supervisors?);
        let reader = log.reader();
        let books = Books { signer: log.signer()?, log, account };
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let orders = Arc::new(orders);
        let surroundings = Surroundings { clock: clock.clone(), orders: orders.clone() };
        let archive = Arc::new(reader.clone());
        let (ledger, writer_ended) = Ledger::start(books, reader, state, surroundings)?;
        let shared = Shared {
            reviews: Reviews::new(ledger.metrics().clone()),
            ledger,
            registry: Registry::default(),
            presence: Presence::default(),
            limits: settings.limits,
            clock,
            orders,
            archive,
            stopping: CancellationToken::new(),
        };
        let socket = reviewers.0.path.clone();
        let fixed = Fixed { socket, db, metrics: metrics_address, idle_exit: settings.idle_exit };
        Ok(Self { shared, fixed, doors: [reviewers, supervisors], probes, writer_ended })
    }

    /// The reviewers' socket; the supervisors' is [`door::sandbox_door`] of it.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.fixed.socket
    }

    /// Serves until `shutdown` is done, then lets streams and connections end and closes the log.
    ///
    /// # Errors
    /// [`ServeError`] when a server or the writer ended by itself.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) -> Result<(), ServeError> {
        self.run_until(shutdown, std::future::pending()).await
    }

    /// Like [`run`](Self::run); once `hurry` is done, connections are no longer waited for. What was answered is
    /// in the log either way.
    ///
    /// # Errors
    /// [`ServeError`] when a server or the writer ended by itself.
    pub async fn run_until(
        self,
        shutdown: impl Future<Output = ()> + Send,
        hurry: impl Future<Output = ()> + Send,
    ) -> Result<(), ServeError> {
        let Self { shared, fixed, doors: [(reviewers, inbox), (supervisors, sandbox)], probes, writer_ended } =
            self;
        let (stopping, ledger, presence) =
            (shared.stopping.clone(), shared.ledger.clone(), shared.presence.clone());
        tracing::info!(socket = %fixed.socket.display(), db = %fixed.db.display(), events = ledger.state().seq, "ready");
        if let Some(address) = fixed.metrics {
            tracing::info!(%address, "serving /healthz, /readyz and /metrics");
        }
        let span = fixed.idle_exit;
        let timers = tokio::spawn(Timers::new(&shared).run(stopping.clone()));
        let settler = tokio::spawn(settle::run(shared.ledger.clone(), stopping.clone()));
        let (busy, closing) = (Crowd::default(), CancellationToken::new());
        let mut servers = serve_all(shared, fixed, [inbox, sandbox], probes, (busy.clone(), closing.clone()));
        let ended: Result<&str, ServeError> = tokio::select! {
            () = shutdown => Ok("it was told to"),
            () = idle(span, &presence, ledger.subscribe(), || ledger.pending() > 0) => {
                Ok("nobody was here and nothing was pending for the time of idle_exit")
            }
            () = writer_ended.cancelled() => Err(ServeError::Writer),
            Some(ended) = servers.join_next() => match ended {
                Ok(Err(error)) => Err(error.into()),
                Ok(Ok(())) | Err(_) => Err(ServeError::Writer),
            },
        };
        let why = ended.as_ref().map_or_else(ToString::to_string, |why| (*why).to_owned());
        tracing::info!(why, "stopping");
        stopping.cancel();
        // New clients go to whoever listens next; those that are here get FAREWELL to leave.
        drop((reviewers, supervisors));
        tokio::select! {
            () = farewell(&mut servers, &busy, &closing) => {}
            () = hurry => tracing::warn!("hurried: connections that are still open are cut"),
        }
        servers.shutdown().await;
        drop(ledger);
        let _ = tokio::join!(timers, settler);
        let _ = tokio::time::timeout(FAREWELL, writer_ended.cancelled()).await;
        tracing::info!("stopped");
        ended.map(drop)
    }
}

/// Lets whoever is being answered have the answer, then closes the doors and waits until everybody has left.
async fn farewell(servers: &mut Servers, busy: &Crowd, closing: &CancellationToken) {
    let leaving = async {
        // The sender is here: it cannot be gone.
        let _ = busy.changes().wait_for(|count| *count == 0).await;
        tokio::time::sleep(LINGER).await;
        closing.cancel();
        while servers.join_next().await.is_some() {}
    };
    // Who does not leave is cut off.
    let _ = tokio::time::timeout(FAREWELL, leaving).await;
}

/// Replaying a long log must not stop the runtime of a program that embeds the gateway.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, std::io::Error> {
    tokio::task::spawn_blocking(work).await.map_err(std::io::Error::other)
}
