//! The proxy: accepts connections, finds out who is calling, and hands each request to its adapter.
//!
//! A connection that no process of the sandbox holds is answered 403 on every route. CONNECT, plain forward and
//! `policy.local` are the adapters; what may pass is decided in [`crate::pipeline`] alone.

mod alpn;
mod busy;
mod connect;
mod exchange;
mod forward;
pub(crate) mod fuzzing;
mod guard;
mod hop;
mod http2;
mod limits;
mod malformed;
mod outgoing;
mod patience;
mod pool;
mod refuse;
mod tunnel;
mod upgrade;
mod watched;
mod websocket;
mod workers;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::context::Context;
use crate::identity::{self, Holder, IdentityError};
use crate::policy_local;
use crate::reply::Body;
use busy::Busy;
use guard::{After, Guarded};
use limits::{Limits, Room};
use pool::Pool;
use workers::Seat;
pub use workers::Workers;

/// How long a client may take to begin what a tunnel is for, its TLS handshake included.
const HEAD_DEADLINE: Duration = Duration::from_secs(10);
/// How long nothing is accepted after accepting failed: without descriptors it would fail again at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How much of a connection hyper reads ahead, and keeps to be written, in bytes: a whole head, and some more.
const BUFFER: usize = 36 * 1024;
/// How much TLS keeps to be written, in bytes: one record.
const TLS_BUFFER: usize = 16 * 1024;
/// The longest list of headers in HTTP/2, in bytes: as long as a head may be in HTTP/1.
const MAX_HEADERS: u32 = 32 * 1024;
/// Two for each connection, HTTP/2's to origins of HTTP/1.1, and some; and what telling callers apart keeps open.
const DESCRIPTORS: u64 = 8192 + identity::DESCRIPTORS as u64;
/// The most clients at once that are told why they are not served; more are closed without a word.
const MAX_REFUSALS: usize = 64;

/// One client connection and who holds it.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) context: Arc<Context>,
    pub(crate) holders: Result<Arc<Vec<Holder>>, IdentityError>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) limits: Arc<Limits>,
    /// Its place among the connections, kept by its tunnel too.
    _room: Room,
    _seat: Seat,
}

/// A client that has just come, and what it takes up.
#[derive(Debug)]
struct Arrival {
    stream: std::net::TcpStream,
    client: SocketAddr,
    room: Room,
    seat: Seat,
}

/// How many descriptors this process may have.
pub fn descriptors() -> Rlimit {
    getrlimit(Resource::Nofile)
}

/// Lets this process have as many descriptors as its connections may need, where the system allows it. What it starts
/// from here on has that limit too, unless it is given its own.
pub fn make_room_for_connections() {
    let limit = descriptors();
    let wanted = limit.maximum.map_or(DESCRIPTORS, |maximum| maximum.min(DESCRIPTORS));
    if limit.current.is_some_and(|current| current < wanted) {
        // Fewer connections are accepted then.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), ..limit });
    }
}

/// Accepts connections until the run ends; then nobody listens any more, and what is under way is answered by the workers.
pub async fn serve(context: Arc<Context>, listener: TcpListener, workers: Arc<Workers>) {
    let (limits, refusals) = (Arc::new(Limits::new()), Arc::new(Semaphore::new(MAX_REFUSALS)));
    let Ok(own) = listener.local_addr() else { return };
    let mut has_complained = false;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = context.ending.cancelled() => return,
        };
        match accepted {
            Ok((stream, client)) => match limits.client() {
                Some(room) => {
                    let Some((worker, seat)) = workers.seat() else { return };
                    // Its events come to the worker that it is given to.
                    let Ok(stream) = stream.into_std() else { continue };
                    let arrival = Arrival { stream, client, room, seat };
                    let serving = connection(Arc::clone(&context), arrival, own, Arc::clone(&limits));
                    context.clients.spawn_on(serving, worker);
                }
                None => {
                    if let Ok(place) = Arc::clone(&refusals).try_acquire_owned() {
                        tokio::spawn(async move {
                            Busy::Connections.tell(stream).await;
                            drop(place);
                        });
                    }
                }
            },
            // Out of descriptors, or a connection that was gone before it was taken: the next may work.
            Err(error) => {
                if !std::mem::replace(&mut has_complained, true) {
                    tracing::warn!("accepting a connection: {error}");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connection(context: Arc<Context>, arrival: Arrival, listener: SocketAddr, limits: Arc<Limits>) {
    let Arrival { stream, client, room, seat } = arrival;
    let stream = match TcpStream::from_std(stream) {
        Ok(stream) => stream,
        Err(error) => return tracing::warn!("taking a connection: {error}"),
    };
    // Only latency is at stake.
    let _ = stream.set_nodelay(true);
    let asking = Arc::clone(&context);
    let turn = limits.lookup().await;
    let identified = tokio::task::spawn_blocking(move || asking.identifier.identify(client, listener)).await;
    drop(turn);
    let holders = identified.unwrap_or_else(|error| Err(IdentityError::NoSocket(error.to_string())));
    let pool = Arc::new(Pool::new(Arc::clone(&limits)));
    let holders = holders.map(Arc::new);
    let session = Arc::new(Session { context, holders, pool, limits, _room: room, _seat: seat });
    let serving = Arc::clone(&session);
    serve_http(&session, stream, move |request| Arc::clone(&serving).handle(request)).await;
}

/// Speaks HTTP/1.1 with a client until either side is done. What is malformed is refused here.
async fn serve_http<S, F, R>(session: &Session, stream: S, handle: F)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Fn(Request<Incoming>) -> R,
    R: Future<Output = Response<Body>> + Send,
{
    let (guarded, watch) = Guarded::new(stream);
    let service = service_fn(|request| {
        let leaves = if request.method() == Method::CONNECT {
            StatusCode::OK
        } else {
            StatusCode::SWITCHING_PROTOCOLS
        };
        // Boxed: it is moved from one future to the next several times, and what is parked keeps room for each.
        let answer = watch.next().map(|after| (after, Box::pin(handle(request))));
        let watch = watch.clone();
        async move {
            let response = match answer {
                Ok((after, response)) => {
                    let response = response.await;
                    let response = watch.broken_body().map_or(response, |body| session.refuse(&body, None));
                    if after == After::Either {
                        watch.settle(response.status() == leaves);
                    }
                    response
                }
                Err(malformed) => session.refuse(&malformed, None),
            };
            Ok::<_, Infallible>(response)
        }
    });
    let connection =
        http1::Builder::new().max_buf_size(BUFFER).serve_connection(TokioIo::new(guarded), service);
    let mut connection = pin!(connection.with_upgrades());
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = session.context.ending.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        tracing::debug!("a client connection ended: {error}");
    }
}

impl Session {
    async fn handle(self: Arc<Self>, request: Request<Incoming>) -> Response<Body> {
        let holders = match &self.holders {
            Ok(holders) => Arc::clone(holders),
            Err(error) => return self.refuse_peer(error, &request),
        };
        if request.method() == Method::CONNECT {
            return connect::handle(self, holders, request).await;
        }
        match forward::target(&request) {
            Ok(forward::Target::PolicyLocal) => policy_local::serve(&self.context, &holders, request).await,
            Ok(forward::Target::Origin { host, port }) => {
                forward::handle(&self, holders, (host, port), request).await
            }
            Err(malformed) => self.refuse(&malformed, holders.first()),
        }
    }
}
