//! A request that becomes a WebSocket: only where a rule allows GET on its path in so many words.
//!
//! Where none does (a preset, an audit or a grant for one request is none) it is denied, with the rule that would do as
//! its proposal. What passes has a connection of its own upstream; both ways are copied unread, for as long as the policy
//! lets it; then the client gets a close frame with the code 1008. Only `websocket` is forwarded: what else an upgrade may lead to is HTTP that nobody would judge.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Method, Request, Response, StatusCode, Version, header};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use openshell_domain::policy::path::Target;
use openshell_domain::policy::verdict;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;

use super::exchange::{Origin, Stopped, answered, ended, log_allowed, relay_failed};
use super::watched::Ended;
use super::websocket::Frames;
use super::{Session, hop};
use crate::context::Context;
use crate::denial::{self, Ask};
use crate::pipeline::{Permission, Permit, Refused, Standing};
use crate::reply::{self, Body};

/// How long a client may take to be told that its WebSocket ends.
const CLOSE_DEADLINE: Duration = Duration::from_secs(1);

/// Whether a request asks for a WebSocket (RFC 6455 §4.1).
pub(super) fn is_wanted(request: &Request<Incoming>) -> bool {
    request.method() == Method::GET && request.version() == Version::HTTP_11 && switches(request.headers())
}

/// Whether headers switch to a WebSocket, and to nothing else.
fn switches(headers: &HeaderMap) -> bool {
    let mut protocols = headers.get_all(header::UPGRADE).iter();
    let is_websocket =
        protocols.next().is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"));
    let options = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    is_websocket
        && protocols.next().is_none()
        && options
            .flat_map(|value| value.split(','))
            .any(|option| option.trim().eq_ignore_ascii_case("upgrade"))
}

/// Permits the upgrade, or says why not.
pub(super) async fn judge(
    context: &Context,
    origin: &Origin,
    target: &Target,
) -> Result<(Permit, Standing), Stopped> {
    let request = verdict::Request { method: "GET", path: &target.path, query: target.query.as_deref() };
    let admission = origin.intent().admit(context.enforcement.snapshot())?;
    let clearance = admission.clear_upgrade(&request)?;
    let route = origin.route.get_or_try_init(|| clearance.route(&context.resolver)).await?;
    let permit = clearance.permit(route).and_then(Permission::granted)?;
    Ok((permit, Standing::upgraded(&admission, &request, route.clone())))
}

/// Asks the origin, and relays both ways if it agrees.
pub(super) async fn relay(
    session: &Arc<Session>,
    origin: &Origin,
    (permit, standing): (Permit, Standing),
    (target, ask): (&Target, Ask),
    mut request: Request<Incoming>,
) -> Response<Body> {
    let context = &session.context;
    let client = hyper::upgrade::on(&mut request);
    log_allowed(context, origin, &request, target, &permit);
    let mut outgoing = hop::outgoing(request, target, origin.authority(), origin.carrier());
    hop::switch_to_websocket(outgoing.headers_mut());
    let mut ended = ended(context, Some(standing));
    let sent = tokio::select! {
        sent = session.pool.send_alone(&permit, origin.carrier(), &context.upstream, outgoing) => sent,
        refused = &mut ended => {
            return context.deny(refused, &origin.holders(), origin.authority(), ask);
        }
    };
    let mut response = match sent {
        Ok(response) if response.status() == StatusCode::SWITCHING_PROTOCOLS => response,
        Ok(response) => return answered(context, origin, hop::incoming(response), ended),
        Err(error) => return relay_failed(&error),
    };
    if !switches(response.headers()) {
        let detail = "the origin switched to another protocol than it was asked for";
        return reply::error(StatusCode::BAD_GATEWAY, "upstream_failed", detail);
    }
    let upstream = hyper::upgrade::on(&mut response);
    let (session, holders) = (Arc::clone(session), origin.holders());
    let (host, port) = (permit.host().clone(), permit.port());
    tokio::spawn(async move {
        let Ok((client, upstream)) = tokio::try_join!(client, upstream) else { return };
        if let Some(refused) = pass(TokioIo::new(client), TokioIo::new(upstream), ended).await {
            session.context.log.write(&denial::closed(&refused, holders.first(), (&host, port)));
        }
    });
    let mut response = hop::incoming(response).map(|_| reply::full(bytes::Bytes::new()));
    hop::switch_to_websocket(response.headers_mut());
    response
}

/// Copies both ways until both sides are done, or until it may not go on: then the client is told why, with a close
/// frame where one may stand.
async fn pass<C, U>(client: C, upstream: U, ended: Ended) -> Option<Refused>
where
    C: AsyncRead + AsyncWrite,
    U: AsyncRead + AsyncWrite,
{
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_upstream, mut to_upstream) = tokio::io::split(upstream);
    let mut frames = Frames::default();
    let up = async {
        // Either side may go away at any time; there is nobody to tell.
        let _ = tokio::io::copy(&mut from_client, &mut to_upstream).await;
        let _ = to_upstream.shutdown().await;
    };
    let down = down(&mut from_upstream, &mut to_client, &mut frames);
    let refused = tokio::select! {
        _ = async { tokio::join!(up, down) } => return None,
        refused = ended => refused,
    };
    let _ = timeout(CLOSE_DEADLINE, async {
        if let Some(close) = frames.close(&refused.reason) {
            to_client.write_all(&close).await?;
        }
        to_client.shutdown().await
    })
    .await;
    Some(refused)
}

/// What was given to the client is followed, also where it is not all taken at once.
async fn down<U, C>(from: &mut U, to: &mut C, frames: &mut Frames)
where
    U: AsyncRead + Unpin,
    C: AsyncWrite + Unpin,
{
    let mut space = [0; 8192];
    while let Ok(count @ 1..) = from.read(&mut space).await {
        let mut rest = space.get(..count).unwrap_or_default();
        while !rest.is_empty() {
            let Ok(taken @ 1..) = to.write(rest).await else { return };
            frames.follow(rest.get(..taken).unwrap_or_default());
            rest = rest.get(taken..).unwrap_or_default();
        }
        if to.flush().await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}
