//! Upstream connections: one kept for each client connection, used again for the same destination.
//!
//! Takes a [`Permit`] for every request, also when the connection is already there: its address must be covered. An
//! HTTP/2 connection carries many requests at once; an HTTP/1.1 one carries one at a time, and is kept only where the
//! client speaks HTTP/1.1 too, so that no request of an HTTP/2 client waits for another one.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use openshell_domain::policy::host::Host;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::busy::Busy;
use super::limits::{Limits, Room};
use super::outgoing::Outgoing;
use super::{BUFFER, TLS_BUFFER, hop};
use crate::pipeline::relay::DialError;
use crate::pipeline::{Opening, Permit};
use crate::upstream::{Offer, Upstream, chose_http2};

/// How often a quiet HTTP/2 connection with requests under way is asked whether it still works.
const PING_INTERVAL: Duration = Duration::from_secs(20);
/// How long the answer may take.
const PING_DEADLINE: Duration = Duration::from_secs(20);
/// How much one response, and one connection, may have under way before the client takes it, in bytes.
const WINDOW: u32 = 1024 * 1024;

/// The connection kept, if any.
#[derive(Debug)]
pub(crate) struct Pool {
    kept: Mutex<Option<Kept>>,
    limits: Arc<Limits>,
}

#[derive(Debug)]
struct Kept {
    host: Host,
    port: u16,
    address: SocketAddr,
    is_tls: bool,
    sender: Sender,
}

#[derive(Debug)]
enum Sender {
    Http1(http1::SendRequest<Outgoing>),
    Http2(http2::SendRequest<Outgoing>),
}

/// How a destination is spoken with: over TLS with this offer, or without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Carrier {
    Plain,
    Tls(Offer),
}

/// Why a request got no response.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RelayError {
    /// The origin was not reached.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// The origin did not answer properly.
    #[error("the origin did not answer properly: {0}")]
    Exchange(#[from] hyper::Error),
    /// There is no room for one more connection.
    #[error(transparent)]
    Busy(#[from] Busy),
}

impl Pool {
    pub(super) fn new(limits: Arc<Limits>) -> Self {
        Self { kept: Mutex::default(), limits }
    }

    fn room(&self) -> Result<Room, Busy> {
        self.limits.origin().ok_or(Busy::Buffers)
    }

    /// Sends a request that was permitted and judged.
    pub(super) async fn send(
        &self,
        permit: &Permit,
        carrier: Carrier,
        upstream: &Upstream,
        request: Request<Outgoing>,
    ) -> Result<Response<Incoming>, RelayError> {
        let mut request = request;
        if let Some(mut open) = self.take(permit, carrier)
            && open.sender.is_usable().await
        {
            match open.sender.try_send(request).await {
                Ok(response) => {
                    self.put(open, carrier);
                    return Ok(hop::incoming(response));
                }
                // The origin had closed the connection before a byte of the request was sent: dial again.
                Err(mut failed) => match failed.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(failed.into_error().into()),
                },
            }
        }
        // Boxed, as all that is only for a new connection: most requests find one, and would carry the room for it.
        let mut open = Box::pin(Kept::dial(permit, carrier, upstream, self.room()?)).await?;
        if let Some(shared) = open.shared() {
            self.put(shared, carrier);
        }
        let response = open.sender.try_send(request).await.map_err(TrySendError::into_error)?;
        self.put(open, carrier);
        Ok(hop::incoming(response))
    }

    /// Opens a connection before there is a request, and says whether it speaks HTTP/2.
    pub(super) async fn open(
        &self,
        opening: &Opening,
        (host, port): (&Host, u16),
        upstream: &Upstream,
        offer: Offer,
    ) -> Result<bool, RelayError> {
        let room = self.room()?;
        let (stream, address) = opening.dial_tls(upstream.offering(offer)).await?;
        let has_http2 = chose_http2(stream.get_ref().1.alpn_protocol());
        let sender = Box::pin(Sender::over_tls(stream, room)).await?;
        let open = Kept { host: host.clone(), port, address, is_tls: true, sender };
        *self.lock() = Some(open);
        Ok(has_http2)
    }

    /// The kept connection, where it may be used for this permit. One of HTTP/2 stays for others too.
    fn take(&self, permit: &Permit, carrier: Carrier) -> Option<Kept> {
        let mut kept = self.lock();
        let open = kept.take().filter(|kept| kept.is_for(permit, carrier))?;
        *kept = open.shared();
        Some(open)
    }

    fn put(&self, open: Kept, carrier: Carrier) {
        let is_for_one = matches!(open.sender, Sender::Http1(_));
        let has_http2_client = matches!(carrier, Carrier::Tls(offer) if offer.has_http2());
        if !(is_for_one && has_http2_client) {
            *self.lock() = Some(open);
        }
    }

    /// A panic elsewhere leaves what is kept whole: it is changed as one.
    fn lock(&self) -> MutexGuard<'_, Option<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn is_for(&self, permit: &Permit, carrier: Carrier) -> bool {
        self.is_tls == (carrier != Carrier::Plain)
            && (&self.host, self.port) == (permit.host(), permit.port())
            && permit.covers(self.address)
            && !self.sender.is_closed()
    }

    /// The same connection for somebody else, where it carries many requests.
    fn shared(&self) -> Option<Self> {
        let Sender::Http2(sender) = &self.sender else { return None };
        let sender = Sender::Http2(sender.clone());
        let Self { host, port, address, is_tls, .. } = self;
        Some(Self { host: host.clone(), port: *port, address: *address, is_tls: *is_tls, sender })
    }

    async fn dial(
        permit: &Permit,
        carrier: Carrier,
        upstream: &Upstream,
        room: Room,
    ) -> Result<Self, RelayError> {
        let (sender, address) = match carrier {
            Carrier::Plain => {
                let (stream, address) = permit.dial().await?;
                (Sender::http1(stream, room).await?, address)
            }
            Carrier::Tls(offer) => {
                let (stream, address) = permit.dial_tls(upstream.offering(offer)).await?;
                (Sender::over_tls(stream, room).await?, address)
            }
        };
        let is_tls = carrier != Carrier::Plain;
        Ok(Self { host: permit.host().clone(), port: permit.port(), address, is_tls, sender })
    }
}

impl Sender {
    async fn over_tls(mut stream: TlsStream<TcpStream>, room: Room) -> Result<Self, hyper::Error> {
        stream.get_mut().1.set_buffer_limit(Some(TLS_BUFFER));
        if chose_http2(stream.get_ref().1.alpn_protocol()) {
            Box::pin(Self::http2(stream, room)).await
        } else {
            Box::pin(Self::http1(stream, room)).await
        }
    }

    async fn http1<S>(stream: S, room: Room) -> Result<Self, hyper::Error>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) =
            http1::Builder::new().max_buf_size(BUFFER).handshake(TokioIo::new(stream)).await?;
        spawn(connection, room);
        Ok(Self::Http1(sender))
    }

    async fn http2<S>(stream: S, room: Room) -> Result<Self, hyper::Error>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_DEADLINE)
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .max_header_list_size(super::MAX_HEADERS)
            .handshake(TokioIo::new(stream))
            .await?;
        spawn(connection, room);
        Ok(Self::Http2(sender))
    }

    fn is_closed(&self) -> bool {
        match self {
            Self::Http1(sender) => sender.is_closed(),
            Self::Http2(sender) => sender.is_closed(),
        }
    }

    async fn is_usable(&mut self) -> bool {
        match self {
            Self::Http1(sender) => sender.ready().await.is_ok(),
            Self::Http2(sender) => sender.ready().await.is_ok(),
        }
    }

    async fn try_send(
        &mut self,
        request: Request<Outgoing>,
    ) -> Result<Response<Incoming>, TrySendError<Request<Outgoing>>> {
        match self {
            Self::Http1(sender) => sender.try_send_request(hop::as_http1(request)).await,
            Self::Http2(sender) => sender.try_send_request(hop::as_http2(request)).await,
        }
    }
}

impl Pool {
    /// Sends a request that was permitted and may leave HTTP, on a connection of its own.
    pub(super) async fn send_alone(
        &self,
        permit: &Permit,
        carrier: Carrier,
        upstream: &Upstream,
        request: Request<Outgoing>,
    ) -> Result<Response<Incoming>, RelayError> {
        let room = self.room()?;
        let mut sender = match carrier {
            Carrier::Plain => alone(permit.dial().await?.0, room).await?,
            Carrier::Tls(_) => alone(permit.dial_tls(upstream.offering(Offer::Http1)).await?.0, room).await?,
        };
        Ok(sender.send_request(request).await?)
    }
}

async fn alone<S>(stream: S, room: Room) -> Result<http1::SendRequest<Outgoing>, hyper::Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) =
        http1::Builder::new().max_buf_size(BUFFER).handshake(TokioIo::new(stream)).await?;
    spawn(connection.with_upgrades(), room);
    Ok(sender)
}

/// Its room is given back when it ends.
fn spawn(connection: impl Future<Output = Result<(), hyper::Error>> + Send + 'static, room: Room) {
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!("an upstream connection ended: {error}");
        }
        drop(room);
    });
}
