//! Plain forward proxying: `GET http://host/path`, and telling `policy.local` from everything else.

use std::sync::Arc;

use http::uri::Scheme;
use http::{Request, Response, header};
use hyper::body::Incoming;
use openshell_domain::policy::host::{Host, parse_authority};

use super::Session;
use super::exchange::{Origin, exchange};
use super::malformed::Malformed;
use super::pool::Carrier;
use crate::identity::Holder;
use crate::policy_local::routes;
use crate::reply::Body;

/// Where a request that is not a CONNECT wants to go.
pub(super) enum Target {
    /// To the supervisor itself.
    PolicyLocal,
    /// To an origin, over plain HTTP.
    Origin { host: Host, port: u16 },
}

/// Reads the target of a request: absolute-form, or origin-form with `Host: policy.local`.
pub(super) fn target(request: &Request<Incoming>) -> Result<Target, Malformed> {
    let bad = |error, detail: String| Malformed::bad(error, detail);
    let named = host_header(request)?;
    let Some(authority) = request.uri().authority() else {
        return match named {
            Some((Host::Name(name), None | Some(80))) if name == routes::HOST => Ok(Target::PolicyLocal),
            _ => Err(bad(
                "invalid_request_target",
                "this is a proxy: send the absolute form, or CONNECT".to_owned(),
            )),
        };
    };
    let (host, port) = parse_authority(authority.as_str())
        .map_err(|error| bad("invalid_request_target", error.to_string()))?;
    let is_policy_local = host == Host::Name(routes::HOST.to_owned());
    if request.uri().scheme() != Some(&Scheme::HTTP) {
        let (error, detail) = if is_policy_local {
            ("invalid_policy_local_scheme", "use http://policy.local only")
        } else {
            ("unsupported_proxy_scheme", "use CONNECT for https")
        };
        return Err(bad(error, detail.to_owned()));
    }
    let port = port.unwrap_or(80);
    if named.is_some_and(|(name, its_port)| (name, its_port.unwrap_or(80)) != (host.clone(), port)) {
        return Err(bad(
            "request_authority_mismatch",
            "the Host header names another host than the target".to_owned(),
        ));
    }
    match (is_policy_local, port) {
        (true, 80) => Ok(Target::PolicyLocal),
        (true, _) => Err(bad("invalid_policy_local_scheme", "use http://policy.local only".to_owned())),
        (false, port) => Ok(Target::Origin { host, port }),
    }
}

/// The one `Host` header, read.
pub(super) fn host_header<B>(request: &Request<B>) -> Result<Option<(Host, Option<u16>)>, Malformed> {
    let mut values = request.headers().get_all(header::HOST).iter();
    let (first, second) = (values.next(), values.next());
    let bad = |detail: &str| Malformed::bad("invalid_host", detail);
    if second.is_some() {
        return Err(bad("more than one Host header"));
    }
    let Some(value) = first else { return Ok(None) };
    let text = value.to_str().map_err(|_| bad("the Host header is not ASCII"))?;
    parse_authority(text).map(Some).map_err(|error| bad(&error.to_string()))
}

/// Judges and relays one request to an origin.
pub(super) async fn handle(
    session: &Arc<Session>,
    holders: Arc<Vec<Holder>>,
    (host, port): (Host, u16),
    request: Request<Incoming>,
) -> Response<Body> {
    let origin = Origin::new(holders, host, port, Carrier::Plain);
    exchange(session, &origin, request).await
}
