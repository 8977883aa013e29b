//! What crosses the proxy and what ends at it (RFC 9110 §7.6.1), from and to either version of HTTP.
//!
//! A request leaves here as HTTP/1.1 would have it; [`as_http2`] writes the same one for a connection that speaks
//! HTTP/2. Nothing is added to what was judged, and no framing of one side is carried over to the other.

use http::uri::{PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Uri, Version, header};
use hyper::body::{Body as _, Incoming};
use openshell_domain::policy::host::Host;
use openshell_domain::policy::path::Target;

use super::outgoing::Outgoing;
use super::pool::Carrier;

/// Headers that are about one connection only.
const HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("http2-settings"),
];

/// The request as it goes upstream: the canonical target that was judged, one `Host`, no hop-by-hop headers.
pub(super) fn outgoing(
    request: Request<Incoming>,
    target: &Target,
    (host, port): (&Host, u16),
    carrier: Carrier,
) -> Request<Outgoing> {
    let (mut parts, body) = request.into_parts();
    let is_chunked = match parts.version {
        Version::HTTP_2 => !parts.headers.contains_key(header::CONTENT_LENGTH) && !body.is_end_stream(),
        _ => parts.headers.contains_key(header::TRANSFER_ENCODING),
    };
    if parts.headers.get(header::TE).is_some_and(|te| te.as_bytes() == b"trailers") {
        parts.extensions.insert(TakesTrailers);
    }
    strip(&mut parts.headers);
    if parts.version == Version::HTTP_2 {
        join_cookies(&mut parts.headers);
    }
    if is_chunked {
        // Framing of our own for a body of unknown length, with any method: hyper sends none with a GET otherwise.
        parts.headers.remove(header::CONTENT_LENGTH);
        parts.headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    parts.headers.remove(header::EXPECT);
    parts.headers.remove("proxy-connection");
    let default = if carrier == Carrier::Plain { 80 } else { 443 };
    let authority = match host {
        Host::Name(name) if port == default => name.clone(),
        other => other.with_port(port),
    };
    // Both are made of bytes that were checked; were one refused all the same, the request would go out without a
    // host or to `/` and be answered with an error.
    if let Ok(value) = HeaderValue::from_str(&authority) {
        parts.headers.insert(header::HOST, value);
    }
    parts.uri = Uri::try_from(target.as_sent()).unwrap_or_default();
    parts.version = Version::HTTP_11;
    Request::from_parts(parts, Outgoing::new(body))
}

/// Whether the client takes trailers, which a gRPC origin insists on.
#[derive(Clone)]
struct TakesTrailers;

/// The request for a connection that speaks HTTP/2: the host is in `:authority`, the frames say where it ends.
pub(super) fn as_http2(request: Request<Outgoing>) -> Request<Outgoing> {
    let (mut parts, body) = request.into_parts();
    if let Some(host) = parts.headers.remove(header::HOST) {
        let target = parts.uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
        let uri = Uri::builder().scheme(Scheme::HTTPS).authority(host.as_bytes()).path_and_query(target);
        // Of parts that were one a moment ago; were it refused all the same, the origin would miss its name.
        parts.uri = uri.build().unwrap_or_default();
    }
    parts.headers.remove(header::TRANSFER_ENCODING);
    if parts.extensions.get::<TakesTrailers>().is_some() {
        parts.headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    parts.version = Version::HTTP_2;
    Request::from_parts(parts, body)
}

/// The request for a connection that speaks HTTP/1.1, also after it could not be sent on one that speaks HTTP/2.
pub(super) fn as_http1(request: Request<Outgoing>) -> Request<Outgoing> {
    if request.version() != Version::HTTP_2 {
        return request;
    }
    let (mut parts, body) = request.into_parts();
    let host = parts.uri.authority().and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
    if let Some(host) = host {
        parts.headers.insert(header::HOST, host);
    }
    parts.headers.remove(header::TE);
    if !parts.headers.contains_key(header::CONTENT_LENGTH) && !body.is_end_stream() {
        parts.headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    parts.uri = parts.uri.path_and_query().cloned().map(Uri::from).unwrap_or_default();
    parts.version = Version::HTTP_11;
    Request::from_parts(parts, body)
}

/// HTTP/2 lets a client split its cookies, HTTP/1.1 does not (RFC 9113 §8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let crumbs: Vec<&[u8]> = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if crumbs.len() > 1
        && let Ok(joined) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..]))
    {
        headers.insert(header::COOKIE, joined);
    }
}

/// Says that what follows is a WebSocket.
pub(super) fn switch_to_websocket(headers: &mut HeaderMap) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
}

/// The response as it goes to the client.
pub(super) fn incoming(mut response: Response<Incoming>) -> Response<Incoming> {
    strip(response.headers_mut());
    *response.version_mut() = Version::HTTP_11;
    response
}

fn strip(headers: &mut HeaderMap) {
    let nominated: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .filter(|name| *name != header::HOST && *name != header::CONTENT_LENGTH)
        .collect();
    for name in HOP_BY_HOP.iter().chain(&nominated) {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hop_by_hop_headers_and_what_connection_names_end_here() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, X-Secret, host, content-length"),
            ("x-secret", "1"),
            ("x-kept", "1"),
            ("host", "a.b"),
            ("content-length", "3"),
            ("upgrade", "h2c"),
            ("te", "trailers"),
            ("proxy-authorization", "Basic x"),
        ] {
            headers.insert(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        strip(&mut headers);
        let mut left: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["content-length", "host", "x-kept"]);
    }
}
