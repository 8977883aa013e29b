//! TLS inside a tunnel: what the origin speaks decides what the client is offered.
//!
//! A client that could speak HTTP/2 waits in its handshake until the origin chose: the L4 rules said yes, so the
//! origin may be dialled (see [`crate::pipeline::Reach`]), and the connection is kept for the first request. Where it
//! cannot be reached or verified, the client gets all that it offers, and each of its requests the reason.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use super::exchange::Origin;
use super::limits::Room;
use super::pool::Carrier;
use super::tunnel::check_server_name;
use super::{HEAD_DEADLINE, Session, TLS_BUFFER};
use crate::upstream::{Offer, chose_http2};

/// How long a client waits in its handshake for the origin.
const PROBE_DEADLINE: Duration = Duration::from_secs(10);

/// A client whose TLS ends here.
pub(super) struct Opened<S> {
    pub(super) stream: TlsStream<S>,
    /// How its origin is spoken with.
    pub(super) carrier: Carrier,
    /// Whether it speaks HTTP/2.
    pub(super) has_http2: bool,
    /// What HTTP/2 may hold beyond HTTP/1, where it could be spoken.
    pub(super) room: Option<Room>,
}

/// Ends the client's TLS. The name that it asks for must be the one that was judged.
pub(super) async fn open<S>(session: &Session, origin: &Origin, client: S) -> Result<Opened<S>, String>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (host, _) = origin.authority();
    let late = |_| "the TLS handshake took too long".to_owned();
    let hello = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), client);
    let hello = timeout(HEAD_DEADLINE, hello)
        .await
        .map_err(late)?
        .map_err(|error| format!("no TLS handshake: {error}"))?;
    check_server_name(hello.client_hello().server_name(), host)?;
    let wanted = hello.client_hello().alpn().map_or(Offer::Http1, Offer::read);
    // Where HTTP/2 finds no room, a client that speaks both speaks HTTP/1.1, and one that does not ends its handshake.
    let room = if wanted.has_http2() { session.limits.http2() } else { None };
    let offer = if room.is_some() { Box::pin(learn(session, origin, wanted)).await } else { Offer::Http1 };
    let config = session.context.authority.server_config(host, offer).map_err(|error| error.to_string())?;
    let mut stream =
        timeout(HEAD_DEADLINE, hello.into_stream(config)).await.map_err(late)?.map_err(|error| {
            match (&room, wanted) {
                (None, Offer::Http2) => "there is no room for one more connection of HTTP/2".to_owned(),
                _ => format!("the TLS handshake failed: {error}"),
            }
        })?;
    stream.get_mut().1.set_buffer_limit(Some(TLS_BUFFER));
    let has_http2 = chose_http2(stream.get_ref().1.alpn_protocol());
    // A client of HTTP/1.1 keeps the protocol upstream too, whatever an origin that comes back may prefer.
    let carrier = Carrier::Tls(if has_http2 { Offer::Both } else { Offer::Http1 });
    Ok(Opened { stream, carrier, has_http2, room: room.filter(|_| has_http2) })
}

/// What the client is offered of what it wants.
async fn learn(session: &Session, origin: &Origin, wanted: Offer) -> Offer {
    let probed = timeout(PROBE_DEADLINE, origin.probe(session, wanted)).await;
    match (probed.ok().flatten(), wanted) {
        (Some(true), _) => Offer::Http2,
        (Some(false), Offer::Both) => Offer::Http1,
        // Not learnt, or an origin that ignores what it was asked: its answers are translated.
        _ => wanted,
    }
}

impl Origin {
    /// Opens a connection to it, and says whether it speaks HTTP/2. `None` where it cannot be opened now: the first
    /// request finds out why, and is told.
    async fn probe(&self, session: &Session, offer: Offer) -> Option<bool> {
        let context = &session.context;
        let admission = self.intent().admit(context.enforcement.snapshot()).ok()?;
        let reach = admission.reach().ok()?;
        let route = self.route.get_or_try_init(|| reach.route(&context.resolver)).await.ok()?;
        let opening = reach.open(route).ok()?;
        session.pool.open(&opening, self.authority(), &context.upstream, offer).await.ok()
    }
}
