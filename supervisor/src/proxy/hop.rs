//! What crosses the proxy and what ends at it (RFC 9110 §7.6.1).

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Uri, Version, header};
use hyper::body::Incoming;
use openshell_domain::policy::host::Host;
use openshell_domain::policy::path::Target;

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
    is_tls: bool,
) -> Request<Incoming> {
    let (mut parts, body) = request.into_parts();
    let is_chunked = parts.headers.contains_key(header::TRANSFER_ENCODING);
    strip(&mut parts.headers);
    if is_chunked {
        // Framing of our own for a body of unknown length, with any method: hyper sends none with a GET otherwise.
        parts.headers.remove(header::CONTENT_LENGTH);
        parts.headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    parts.headers.remove(header::EXPECT);
    parts.headers.remove("proxy-connection");
    let default = if is_tls { 443 } else { 80 };
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
    Request::from_parts(parts, body)
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
