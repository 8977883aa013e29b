//! CONNECT: judged before it is answered, then read (TLS opened with the sandbox's authority, or plain HTTP), passed
//! unread, or answered here (`policy.local:80`).

use std::sync::Arc;

use http::{Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use openshell_domain::policy::host::{Host, parse_authority};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::time::timeout;

use super::alpn::{self, Opened};
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
use crate::pipeline::{Intent, Permission, Standing};
use crate::policy_local::{self, routes};
use crate::reply::{self, Body};

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
        tokio::spawn(policy_local_tunnel(session, holders, upgrade));
        return established();
    }
    let intent = Intent { holders: Arc::clone(&holders), host: host.clone(), port };
    let standing_intent = intent.clone();
    let context = Arc::clone(&session.context);
    let deny = |refused| context.deny(refused, holders.first(), (&host, port), Ask::Connect);
    let admission = match intent.admit(context.enforcement.snapshot()) {
        Ok(admission) => admission,
        Err(refused) => return deny(refused),
    };
    if admission.is_inspected() {
        tokio::spawn(inspect(session, holders, (host, port), upgrade));
        return established();
    }
    let clearance = match admission.clear_stream() {
        Ok(clearance) => clearance,
        Err(refused) => return deny(refused),
    };
    let route = match clearance.route(&context.resolver).await {
        Ok(route) => route,
        Err(error) => {
            return reply::error(StatusCode::BAD_GATEWAY, "upstream_unreachable", &error.to_string());
        }
    };
    let standing = Standing::new(standing_intent, None, route.clone());
    let permit = match clearance.permit(&route).and_then(Permission::granted) {
        Ok(permit) => permit,
        Err(refused) => return deny(refused),
    };
    let upstream = match permit.dial().await {
        Ok((upstream, _)) => upstream,
        Err(error) => {
            return reply::error(StatusCode::BAD_GATEWAY, "upstream_unreachable", &error.to_string());
        }
    };
    context.log.write(&Line::Net {
        activity: "OPEN",
        severity: Severity::Info,
        action: "ALLOWED",
        actor: denial::actor(holders.first()),
        destination: host.with_port(port),
        tag: Some((permit.rule.clone(), "opa")),
        reason: None,
    });
    tokio::spawn(async move {
        if let Ok(client) = upgrade.await {
            let streams = (TokioIo::new(client), upstream);
            tunnel::relay(&session, holders.first(), (&host, port), streams, standing).await;
        }
    });
    established()
}

/// The host and port of a CONNECT. A `Host` header, where there is one, must name the same (RFC 9110 §7.2).
fn destination(request: &Request<Incoming>) -> Result<(Host, u16), Malformed> {
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
            match check_authority(&request, (&Host::Name(routes::HOST.to_owned()), 80)) {
                Ok(()) => policy_local::serve(&session.context, &holders, request).await,
                Err(malformed) => session.refuse(&malformed, holders.first()),
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
    let mut client: TokioIo<Upgraded> = TokioIo::new(client);
    let mut first = [0];
    if !matches!(timeout(HEAD_DEADLINE, client.read(&mut first)).await, Ok(Ok(1))) {
        return;
    }
    let client = Prefixed::new(first.to_vec(), client);
    let origin = Origin::new(Arc::clone(&holders), host.clone(), port, Carrier::Plain);
    if first != [TLS_HANDSHAKE] {
        return requests(session, origin, client).await;
    }
    match alpn::open(&session, &origin, client).await {
        Ok(Opened { stream, carrier, has_http2: true }) => {
            http2::serve(session, origin.over(carrier), stream).await;
        }
        Ok(Opened { stream, carrier, .. }) => requests(session, origin.over(carrier), stream).await,
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

async fn requests<S>(session: Arc<Session>, origin: Origin, stream: S)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let origin = Arc::new(origin);
    let serving = Arc::clone(&session);
    serve_http(&session, stream, move |request| {
        let (session, origin) = (Arc::clone(&serving), Arc::clone(&origin));
        async move {
            match check_authority(&request, origin.authority()) {
                Ok(()) => exchange(&session, &origin, request).await,
                Err(malformed) => session.refuse(&malformed, origin.holder()),
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
