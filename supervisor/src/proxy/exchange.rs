//! One HTTP request through the pipeline: judged, then relayed as it was judged. Used by forward and tunnel alike.

use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, Response, StatusCode, Version, header};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use openshell_domain::policy::host::Host;
use openshell_domain::policy::path::{self, Target};
use openshell_domain::policy::verdict;
use tokio::sync::OnceCell;

use super::pool::{Carrier, RelayError};
use super::watched::{Ended, Watched};
use super::{Session, hop, upgrade};
use crate::context::Context;
use crate::denial::{self, Ask};
use crate::identity::Holder;
use crate::log::line::{Line, Severity};
use crate::pipeline::relay::DialError;
use crate::pipeline::{Intent, Layer, Permission, Permit, Refused, Route, Standing};
use crate::reply::{self, Body};
use crate::resolve::ResolveError;

/// How much of a denied request's body is read, so that the client sees the reply and not a reset.
const DRAIN: usize = 64 * 1024;
/// How long that may take.
const DRAIN_DEADLINE: Duration = Duration::from_secs(5);

/// Where the requests of one tunnel, or one forward request, go.
#[derive(Debug)]
pub(super) struct Origin {
    holders: Arc<Vec<Holder>>,
    host: Host,
    port: u16,
    carrier: Carrier,
    /// Looked up once, when the first request is permitted or TLS with a client of HTTP/2 begins.
    pub(super) route: OnceCell<Route>,
}

impl Origin {
    pub(super) fn new(holders: Arc<Vec<Holder>>, host: Host, port: u16, carrier: Carrier) -> Self {
        Self { holders, host, port, carrier, route: OnceCell::new() }
    }

    /// With what its client turned out to speak.
    pub(super) fn over(self, carrier: Carrier) -> Self {
        Self { carrier, ..self }
    }

    /// What its connection is for.
    pub(super) fn intent(&self) -> Intent {
        Intent { holders: Arc::clone(&self.holders), host: self.host.clone(), port: self.port }
    }

    /// How it is spoken with.
    pub(super) fn carrier(&self) -> Carrier {
        self.carrier
    }

    /// Those who hold the connection.
    pub(super) fn holders(&self) -> Arc<Vec<Holder>> {
        Arc::clone(&self.holders)
    }

    /// The first of those who hold the connection.
    pub(super) fn holder(&self) -> Option<&Holder> {
        self.holders.first()
    }

    /// The host that requests must name.
    pub(super) fn authority(&self) -> (&Host, u16) {
        (&self.host, self.port)
    }
}

/// Judges one request and relays it, or says why not.
pub(super) async fn exchange(
    session: &Arc<Session>,
    origin: &Origin,
    mut request: Request<Incoming>,
) -> Response<Body> {
    let context = &session.context;
    // Rules are compared ignoring case; what is sent is what was judged.
    if let Ok(method) = Method::from_bytes(request.method().as_str().to_ascii_uppercase().as_bytes()) {
        *request.method_mut() = method;
    }
    let target = match read_target(&request) {
        Ok(target) => target,
        Err(response) => return drained(request, response).await,
    };
    let is_upgrade = upgrade::is_wanted(&request);
    let ask = Ask::Request { method: request.method().to_string(), path: target.path.clone(), is_upgrade };
    let stopped = |stopped| match stopped {
        Stopped::Refused(refused) => context.deny(refused, &origin.holders, origin.authority(), ask.clone()),
        Stopped::Unresolved(response) => *response,
    };
    if is_upgrade {
        return match upgrade::judge(context, origin, &target).await {
            // Boxed, as all that is rare: each request would carry the room for it.
            Ok(passed) => Box::pin(upgrade::relay(session, origin, passed, (&target, ask), request)).await,
            Err(why) => drained(request, stopped(why)).await,
        };
    }
    let (permit, standing) = match judge(context, origin, request.method(), &target).await {
        Ok(permitted) => permitted,
        Err(why) => return drained(request, stopped(why)).await,
    };
    log_allowed(context, origin, &request, &target, &permit);
    let outgoing = hop::outgoing(request, &target, origin.authority(), origin.carrier);
    let broken = outgoing.body().broken();
    let mut ended = ended(context, standing);
    let sent = tokio::select! {
        sent = session.pool.send(&permit, origin.carrier, &context.upstream, outgoing) => sent,
        refused = &mut ended => {
            return context.deny(refused, &origin.holders, origin.authority(), ask);
        }
    };
    match sent {
        Ok(response) => answered(context, origin, response, ended),
        Err(error) => match broken.malformed() {
            Some(malformed) => session.refuse(&malformed, origin.holder()),
            None => relay_failed(&error),
        },
    }
}

/// The origin's response, for as long as it may go on.
pub(super) fn answered(
    context: &Arc<Context>,
    origin: &Origin,
    response: Response<Incoming>,
    ended: Ended,
) -> Response<Body> {
    let (context, holders) = (Arc::clone(context), origin.holders());
    let (host, port) = (origin.host.clone(), origin.port);
    let tell = move |refused: &Refused| {
        context.log.write(&denial::closed(refused, holders.first(), (&host, port)));
    };
    response.map(|body| Watched::new(body, ended, tell).boxed_unsync())
}

pub(super) fn ended(context: &Arc<Context>, standing: Option<Standing>) -> Ended {
    let context = Arc::clone(context);
    match standing {
        Some(standing) => Box::pin(async move { standing.ended(&context.enforcement).await }),
        // It was for this one request.
        None => Box::pin(std::future::pending()),
    }
}

fn read_target(request: &Request<Incoming>) -> Result<Target, Response<Body>> {
    let raw = request.uri().path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    path::canonical(raw, true)
        .map_err(|error| reply::error(StatusCode::BAD_REQUEST, "invalid_request_target", &error.to_string()))
}

/// Why a request stopped before it had a permit.
pub(super) enum Stopped {
    Refused(Refused),
    Unresolved(Box<Response<Body>>),
}

impl From<Refused> for Stopped {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<ResolveError> for Stopped {
    fn from(error: ResolveError) -> Self {
        let (status, code) = (StatusCode::BAD_GATEWAY, "upstream_unreachable");
        Self::Unresolved(Box::new(reply::error(status, code, &error.to_string())))
    }
}

async fn judge(
    context: &Context,
    origin: &Origin,
    method: &Method,
    target: &Target,
) -> Result<(Permit, Option<Standing>), Stopped> {
    if matches!(*method, Method::TRACE | Method::CONNECT) {
        return Err(Stopped::Refused(Refused {
            error: "policy_denied",
            engine: "l7",
            layer: Layer::L7,
            rule: "-".to_owned(),
            reason: format!("{method} {} is never forwarded", target.path),
            is_fixable: false,
            lacking: Vec::new(),
        }));
    }
    let admission = origin.intent().admit(context.enforcement.snapshot())?;
    let request =
        verdict::Request { method: method.as_str(), path: &target.path, query: target.query.as_deref() };
    let clearance = admission.clear(&request)?;
    let route = origin.route.get_or_try_init(|| clearance.route(&context.resolver)).await?;
    match clearance.permit(route)? {
        Permission::Granted(permit) => {
            Ok((permit, Some(Standing::new(&admission, Some(&request), route.clone()))))
        }
        Permission::Once(unspent) => {
            let answer = Box::pin(context.gateway.spend_once(unspent.proposal())).await;
            Ok((unspent.answered(answer)?, None))
        }
    }
}

pub(super) fn log_allowed(
    context: &Context,
    origin: &Origin,
    request: &Request<Incoming>,
    target: &Target,
    permit: &Permit,
) {
    context.log.write(&Line::Http {
        method: request.method().to_string(),
        severity: Severity::Info,
        action: if permit.is_audited { "ALLOWED [AUDIT]" } else { "ALLOWED" },
        actor: denial::actor(origin.holders.first()),
        url: denial::url(&origin.host, origin.port, &target.path),
        tag: Some((permit.rule.clone(), "l7")),
        reason: None,
    });
}

pub(super) fn relay_failed(error: &RelayError) -> Response<Body> {
    let (status, code) = match error {
        RelayError::Dial(DialError::Tls { .. }) => (StatusCode::BAD_GATEWAY, "upstream_tls"),
        RelayError::Dial(DialError::TimedOut(_)) => (StatusCode::GATEWAY_TIMEOUT, "upstream_unreachable"),
        RelayError::Dial(DialError::Unreachable { .. }) => (StatusCode::BAD_GATEWAY, "upstream_unreachable"),
        RelayError::Exchange(_) => (StatusCode::BAD_GATEWAY, "upstream_failed"),
        RelayError::Busy(busy) => return busy.reply(),
    };
    reply::error(status, code, &error.to_string())
}

/// Reads what is left of a request before it is answered. A client that waits for `100 Continue` has sent nothing
/// and is not asked to. In HTTP/2 the reply ends the stream alone, and nothing has to be read for it.
async fn drained(request: Request<Incoming>, response: Response<Body>) -> Response<Body> {
    if request.version() != Version::HTTP_2 && !request.headers().contains_key(header::EXPECT) {
        let rest = Limited::new(request.into_body(), DRAIN).collect();
        // Whether it was read, was too long or stalled: the reply is the same.
        let _ = tokio::time::timeout(DRAIN_DEADLINE, rest).await;
    }
    response
}
