//! The proxy: accepts connections, finds out who is calling, and hands each request to its adapter.
//!
//! A connection that no process of the sandbox holds is answered 403 on every route. CONNECT, plain forward and
//! `policy.local` are the adapters; what may pass is decided in [`crate::pipeline`] alone.

mod alpn;
mod connect;
mod exchange;
mod forward;
mod guard;
mod hop;
mod http2;
mod malformed;
mod outgoing;
mod pool;
mod tunnel;
mod upgrade;
mod watched;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::context::Context;
use crate::denial;
use crate::identity::{Holder, IdentityError};
use crate::log::line::{Actor, Line, Severity};
use crate::policy_local;
use crate::reply::{self, Body};
use guard::{After, Guarded};
use malformed::Malformed;
use pool::Pool;

/// How long a client may take to begin what a tunnel is for, its TLS handshake included.
const HEAD_DEADLINE: Duration = Duration::from_secs(10);
/// How long nothing is accepted after accepting failed: without descriptors it would fail again at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How much of a connection hyper reads ahead, in bytes.
const BUFFER: usize = 64 * 1024;
/// The longest list of headers in HTTP/2, in bytes: as long as a head may be in HTTP/1.
const MAX_HEADERS: u32 = 32 * 1024;
/// The most connections at once, tunnels included.
const MAX_CONNECTIONS: usize = 1024;

/// One client connection and who holds it.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) context: Arc<Context>,
    pub(crate) holders: Result<Arc<Vec<Holder>>, IdentityError>,
    pub(crate) pool: Arc<Pool>,
    /// Its place among the connections, kept by its tunnel too.
    _place: OwnedSemaphorePermit,
}

/// Accepts connections until the listener is dropped.
pub async fn serve(context: Arc<Context>, listener: TcpListener) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut has_complained = false;
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, client)) => {
                let context = Arc::clone(&context);
                let listener = listener.local_addr();
                tokio::spawn(async move {
                    if let Ok(listener) = listener {
                        connection(context, (stream, client), listener, place).await;
                    }
                });
            }
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

async fn connection(
    context: Arc<Context>,
    (stream, client): (TcpStream, SocketAddr),
    listener: SocketAddr,
    place: OwnedSemaphorePermit,
) {
    // Only latency is at stake.
    let _ = stream.set_nodelay(true);
    let asking = Arc::clone(&context);
    let identified = tokio::task::spawn_blocking(move || asking.identifier.identify(client, listener)).await;
    let holders = identified.unwrap_or_else(|error| Err(IdentityError::NoSocket(error.to_string())));
    let session =
        Arc::new(Session { context, holders: holders.map(Arc::new), pool: Arc::default(), _place: place });
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
        let answer = watch.next().map(|after| (after, handle(request)));
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
    let served = http1::Builder::new()
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(guarded), service)
        .with_upgrades()
        .await;
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

    /// Logs what has no single reading, and answers it.
    fn refuse(&self, malformed: &Malformed, holder: Option<&Holder>) -> Response<Body> {
        let known = || self.holders.as_ref().ok().and_then(|holders| holders.first());
        self.context.log.write(&Line::Net {
            activity: "REFUSE",
            severity: Severity::Medium,
            action: "DENIED",
            actor: denial::actor(holder.or_else(known)),
            destination: "-".to_owned(),
            tag: Some(("-".to_owned(), "http")),
            reason: Some(malformed.to_string()),
        });
        malformed.reply()
    }

    fn refuse_peer(&self, error: &IdentityError, request: &Request<Incoming>) -> Response<Body> {
        self.context.log.write(&Line::Net {
            activity: "REFUSE",
            severity: Severity::Medium,
            action: "DENIED",
            actor: Actor::unknown(),
            destination: request.uri().authority().map_or_else(|| "-".to_owned(), ToString::to_string),
            tag: Some(("-".to_owned(), "supervisor")),
            reason: Some(error.to_string()),
        });
        reply::error(
            StatusCode::FORBIDDEN,
            "peer_refused",
            &format!("{error}: only processes started by this sandbox's command may use this proxy"),
        )
    }
}
