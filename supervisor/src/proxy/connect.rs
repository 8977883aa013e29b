//! CONNECT: judged before it is answered, then read (TLS opened with the sandbox's authority, or plain HTTP), passed
//! unread, or answered here (`policy.local:80`, and where it is denied on a port that speaks TLS).

mod inside;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::{Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use openshell_domain::policy::host::{Host, parse_authority};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::alpn;
use super::busy::Busy;
use super::exchange::{Origin, exchange};
use super::forward::host_header;
use super::http2;
use super::malformed::Malformed;
use super::pool::Carrier;
use super::tunnel::{self, Prefixed};
use super::{HEAD_DEADLINE, Session, serve_http};
use crate::denial::{self, Ask};
use crate::identity::Holder;
use crate::log::line::{Line, Severity};
use crate::pipeline::{Intent, Permission, Refused, Standing};
use crate::policy_local::{self, routes};
use crate::reply::{self, Body};
use inside::Denied;

/// How much of what a client sends into a tunnel that ends is read.
const DRAIN: u64 = 64 * 1024;
/// How long that may take.
const CLOSE_DEADLINE: Duration = Duration::from_secs(1);
/// The first byte of a TLS record that begins a handshake.
const TLS_HANDSHAKE: u8 = 0x16;

/// Answers a CONNECT.
pub(super) async fn handle(
    session: Arc<Session>,
    holders: Arc<Vec<Holder>>,
    mut request: Request<Incoming>,
) -> Response<Body> {
    let (host, port) = match destination(&request) {
        Ok(destination) => destination,
        Err(malformed) => return session.refuse(&malformed, holders.first()),
    };
    let upgrade = hyper::upgrade::on(&mut request);
    if host == Host::Name(routes::HOST.to_owned()) && port == 80 {
        let context = Arc::clone(&session.context);
        context.clients.spawn(policy_local_tunnel(session, holders, upgrade));
        return established();
    }
    match open(&session, &holders, (&host, port)).await {
        Ok(Opened::Read) => {
            if !session.limits.handshake().await {
                return Busy::Handshakes.reply();
            }
            let context = Arc::clone(&session.context);
            context.clients.spawn(inspect(session, holders, (host, port), upgrade));
        }
        Ok(Opened::Unread(upstream, standing)) => {
            tokio::spawn(async move {
                if let Ok(client) = upgrade.await {
                    let streams = (TokioIo::new(client), upstream);
                    tunnel::relay(&session, holders.first(), (&host, port), streams, *standing).await;
                }
            });
        }
        Err(Closed::Refused(refused)) if denies_inside(&session, port).await => {
            let context = Arc::clone(&session.context);
            let denied = Denied { holders, host, port, refused };
            context.denied_tunnels.spawn(inside::deny(session, denied, upgrade));
        }
        Err(Closed::Refused(refused)) => {
            return session.context.deny(refused, &holders, (&host, port), Ask::Connect);
        }
        Err(Closed::Unreached(detail)) => {
            return reply::error(StatusCode::BAD_GATEWAY, "upstream_unreachable", &detail);
        }
    }
    established()
}

/// Whether what is denied is answered inside the tunnel. A handshake too many is not worth a denial.
async fn denies_inside(session: &Session, port: u16) -> bool {
    session.context.denies_inside(port) && session.limits.handshake().await
}

/// What becomes of a tunnel.
enum Opened {
    /// Its requests are judged one by one.
    Read,
    /// Its bytes go here as they are, for as long as it may.
    Unread(TcpStream, Box<Standing>),
}

/// Why there is no tunnel.
enum Closed {
    Refused(Refused),
    Unreached(String),
}

impl From<Refused> for Closed {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

/// Judges a stream and, where its bytes pass unread, dials.
async fn open(
    session: &Session,
    holders: &Arc<Vec<Holder>>,
    (host, port): (&Host, u16),
) -> Result<Opened, Closed> {
    let context = &session.context;
    let intent = Intent { holders: Arc::clone(holders), host: host.clone(), port };
    let admission = intent.admit(context.enforcement.snapshot())?;
    if admission.is_inspected() {
        return Ok(Opened::Read);
    }
    let clearance = admission.clear_stream()?;
    let route =
        clearance.route(&context.resolver).await.map_err(|error| Closed::Unreached(error.to_string()))?;
    let standing = Standing::new(&admission, None, route.clone());
    let permit = clearance.permit(&route).and_then(Permission::granted)?;
    let (upstream, _) = permit.dial().await.map_err(|error| Closed::Unreached(error.to_string()))?;
    context.log.write(&Line::Net {
        activity: "OPEN",
        severity: Severity::Info,
        action: "ALLOWED",
        actor: denial::actor(holders.first()),
        destination: host.with_port(port),
        tag: Some((permit.rule.clone(), "opa")),
        reason: None,
    });
    Ok(Opened::Unread(upstream, Box::new(standing)))
}

/// The host and port of a CONNECT. A `Host` header, where there is one, must name the same (RFC 9110 §7.2).
pub(super) fn destination<B>(request: &Request<B>) -> Result<(Host, u16), Malformed> {
    let bad = |detail: String| Malformed::bad("invalid_request_target", detail);
    let authority = request.uri().authority().ok_or_else(|| bad("CONNECT needs host:port".to_owned()))?;
    let (host, port) = parse_authority(authority.as_str()).map_err(|error| bad(error.to_string()))?;
    let port = port.ok_or_else(|| bad("CONNECT needs a port".to_owned()))?;
    match host_header(request)? {
        Some((named, its_port)) if named != host || its_port.is_some_and(|its_port| its_port != port) => {
            Err(Malformed::bad(
                "request_authority_mismatch",
                "the Host header names another host than the target",
            ))
        }
        _ => Ok((host, port)),
    }
}

fn established() -> Response<Body> {
    Response::new(reply::full(bytes::Bytes::new()))
}

async fn policy_local_tunnel(session: Arc<Session>, holders: Arc<Vec<Holder>>, upgrade: OnUpgrade) {
    let Ok(client) = upgrade.await else { return };
    let serving = Arc::clone(&session);
    serve_http(&session, TokioIo::new(client), move |request| {
        let (session, holders) = (Arc::clone(&serving), Arc::clone(&holders));
        async move {
            let own = (&Host::Name(routes::HOST.to_owned()), 80);
            match check_authority(&request, own) {
                Ok(()) => policy_local::serve(&session.context, &holders, request).await,
                Err(malformed) => session.refuse_inside(&malformed, &request, &holders, own),
            }
        }
    })
    .await;
}

/// Reads what comes through the tunnel: TLS or plain HTTP by its first byte, anything else ends it.
async fn inspect(
    session: Arc<Session>,
    holders: Arc<Vec<Holder>>,
    (host, port): (Host, u16),
    upgrade: OnUpgrade,
) {
    let Ok(client) = upgrade.await else { return };
    let Some((client, is_tls)) = first_byte(client).await else { return };
    let origin = Origin::new(Arc::clone(&holders), host.clone(), port, Carrier::Plain);
    let has_asked = Arc::default();
    if !is_tls {
        return requests(session, origin, client, has_asked).await;
    }
    match requests_in_tls(Arc::clone(&session), origin, client, has_asked).await {
        Ok(()) => {}
        Err(reason) => session.context.log.write(&Line::Net {
            activity: "FAIL",
            severity: Severity::Low,
            action: "DENIED",
            actor: denial::actor(holders.first()),
            destination: host.with_port(port),
            tag: Some(("-".to_owned(), "tls")),
            reason: Some(reason),
        }),
    }
}

/// A client behind an answered CONNECT, with what was read of it still to be read.
type Client = Prefixed<TokioIo<Upgraded>>;

/// Whether the client begins a TLS handshake; `None` where it says nothing.
async fn first_byte(client: Upgraded) -> Option<(Client, bool)> {
    let mut client = TokioIo::new(client);
    let mut first = [0];
    let read = timeout(HEAD_DEADLINE, client.read(&mut first)).await;
    matches!(read, Ok(Ok(1))).then(|| (Prefixed::new(first.to_vec(), client), first == [TLS_HANDSHAKE]))
}

/// Ends a tunnel so that its client sees the 200 and an end, and not a reset in place of both.
async fn close(mut client: Client) {
    let _ = timeout(CLOSE_DEADLINE, async {
        client.shutdown().await?;
        tokio::io::copy(&mut client.take(DRAIN), &mut tokio::io::sink()).await
    })
    .await;
}

/// Ends the client's TLS and judges the requests in it, in the protocol that it chose.
async fn requests_in_tls(
    session: Arc<Session>,
    origin: Origin,
    client: Client,
    has_asked: Arc<AtomicBool>,
) -> Result<(), String> {
    let alpn::Opened { stream, carrier, has_http2, room } = alpn::open(&session, &origin, client).await?;
    let origin = origin.over(carrier);
    if has_http2 {
        http2::serve(session, origin, stream, has_asked).await;
    } else {
        requests(session, origin, stream, has_asked).await;
    }
    drop(room);
    Ok(())
}

/// Judges the requests of a stream, each for itself. Says whether there was one.
async fn requests<S>(session: Arc<Session>, origin: Origin, stream: S, has_asked: Arc<AtomicBool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let origin = Arc::new(origin);
    let serving = Arc::clone(&session);
    serve_http(&session, stream, move |request| {
        let (session, origin) = (Arc::clone(&serving), Arc::clone(&origin));
        has_asked.store(true, Ordering::Release);
        async move {
            match check_authority(&request, origin.authority()) {
                Ok(()) => exchange(&session, &origin, request).await,
                Err(malformed) => {
                    session.refuse_inside(&malformed, &request, &origin.holders(), origin.authority())
                }
            }
        }
    })
    .await;
}

/// A request inside a tunnel names the tunnel's own host and port, or it is misdirected.
pub(super) fn check_authority(
    request: &Request<Incoming>,
    (host, port): (&Host, u16),
) -> Result<(), Malformed> {
    let mismatch = || {
        Malformed::new(
            StatusCode::MISDIRECTED_REQUEST,
            "request_authority_mismatch",
            format!("this tunnel leads to {}, the request names another host", host.with_port(port)),
        )
    };
    let fits = |(name, its_port): (Host, Option<u16>)| name == *host && its_port.is_none_or(|p| p == port);
    if let Some(authority) = request.uri().authority()
        && !parse_authority(authority.as_str()).is_ok_and(fits)
    {
        return Err(mismatch());
    }
    match host_header(request)? {
        Some(named) if fits(named.clone()) => Ok(()),
        Some(_) => Err(mismatch()),
        // HTTP/2 names the host in `:authority`, which was looked at above.
        None if request.version() == Version::HTTP_2 && request.uri().authority().is_some() => Ok(()),
        None => Err(Malformed::bad("invalid_host", "the Host header is missing")),
    }
}
