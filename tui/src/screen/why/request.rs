//! The request that is typed: `METHOD URL`, a URL alone, or `HOST[:PORT] METHOD PATH`, as people have it at hand.
//!
//! Nothing is guessed: what cannot be part of a request on the wire (a user name, what stands behind `#`) is an
//! objection that says so. Pure.

/// The methods that are known when they stand before a URL without a scheme; any other one may stand before one with.
const KNOWN: [&str; 10] =
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", STREAM, WEBSOCKET];

/// The method that stands for bytes that nobody reads.
pub(super) const STREAM: &str = "CONNECT";

/// The method that stands for a handshake that opens a WebSocket.
pub(super) const WEBSOCKET: &str = "WEBSOCKET";

const WANTED: &str = "wanted: GET https://api.example.com/v1/items, or api.example.com GET /v1/items";

/// A request as it was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    /// Where to, without brackets.
    pub(super) host: String,
    /// At which port, from 1.
    pub(super) port: u16,
    /// The method; empty is a stream that nobody reads.
    pub(super) method: String,
    /// Path and query; empty for a stream.
    pub(super) target: String,
    /// Whether it is to become a WebSocket.
    pub(super) is_upgrade: bool,
}

/// Reads what was typed.
///
/// # Errors
/// What is wrong with it, for a reviewer.
pub(super) fn read(text: &str) -> Result<Request, String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let (place, method, path) = match words.as_slice() {
        [] => return Err(WANTED.to_owned()),
        [url] if url.contains("://") => (*url, "GET", &[][..]),
        [_] => return Err(format!("a method is missing; {WANTED}")),
        [method, place, rest @ ..] if is_method_first(method, place) => (*place, *method, rest),
        [place, method, rest @ ..] => (*place, *method, rest),
    };
    let place = Place::read(place)?;
    let target = match (path, place.target) {
        ([], "") => "/".to_owned(),
        ([], target) if target.starts_with('?') => format!("/{target}"),
        ([], target) => target.to_owned(),
        ([path], "" | "/") => (*path).to_owned(),
        ([_], _) => return Err("the path is there twice: in the URL and behind it".to_owned()),
        ([_, rest, ..], _) => return Err(format!("what is {rest} behind the path? {WANTED}")),
    };
    let is_upgrade = place.is_websocket || method.eq_ignore_ascii_case(WEBSOCKET);
    let is_stream = method.eq_ignore_ascii_case(STREAM);
    if place.is_websocket && !["GET", WEBSOCKET].iter().any(|known| method.eq_ignore_ascii_case(known)) {
        return Err(format!("a WebSocket begins with GET, not with {method}"));
    }
    let (method, target) = match () {
        () if is_stream => (String::new(), String::new()),
        () if is_upgrade => ("GET".to_owned(), target),
        () => (method.to_owned(), target),
    };
    Ok(Request { host: place.host.to_owned(), port: place.port, method, target, is_upgrade })
}

/// Whether the first of two words is the method, the second where to.
fn is_method_first(first: &str, second: &str) -> bool {
    let is_known = |word: &str| KNOWN.iter().any(|known| word.eq_ignore_ascii_case(known));
    second.contains("://") || (is_known(first) && !is_known(second))
}

/// `https://api.example.com:8443/v1?a=b`, or any part of that with a host in it.
struct Place<'t> {
    host: &'t str,
    port: u16,
    /// Path and query; may be empty.
    target: &'t str,
    is_websocket: bool,
}

impl<'t> Place<'t> {
    fn read(text: &'t str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("https", text));
        let (port, is_websocket) = match scheme.to_ascii_lowercase().as_str() {
            "https" => (443, false),
            "http" => (80, false),
            "wss" => (443, true),
            "ws" => (80, true),
            _ => return Err(format!("{scheme}:// is not asked about: https, http, wss or ws")),
        };
        if rest.contains('#') {
            return Err("leave # out and what stands behind it: it is never sent".to_owned());
        }
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at_checked(end).unwrap_or((rest, ""));
        if authority.contains('@') {
            return Err("leave out the user name before the @: no rule is about it".to_owned());
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !host.ends_with(':') && !port.contains(']') => {
                let number = port.parse().ok().filter(|port| *port > 0);
                (host, number.ok_or_else(|| format!("{port} is no port: 1 to 65535"))?)
            }
            _ => (authority, port),
        };
        let host = host.trim_matches(['[', ']']);
        if host.is_empty() {
            return Err(format!("which host? {WANTED}"));
        }
        Ok(Self { host, port, target, is_websocket })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_however_people_have_it() {
        for (typed, host, port, method, target, is_upgrade) in [
            ("api.example.com GET /v1/items", "api.example.com", 443, "GET", "/v1/items", false),
            ("api.example.com:8443 put", "api.example.com", 8443, "put", "/", false),
            ("GET https://api.example.com/v1?a=b", "api.example.com", 443, "GET", "/v1?a=b", false),
            ("post HTTPS://a.example:8443", "a.example", 8443, "post", "/", false),
            ("DELETE http://a.example/x", "a.example", 80, "DELETE", "/x", false),
            ("PROPFIND https://a.example/dav", "a.example", 443, "PROPFIND", "/dav", false),
            ("GET a.example/v1/items", "a.example", 443, "GET", "/v1/items", false),
            ("GET a.example:80 /v1", "a.example", 80, "GET", "/v1", false),
            ("GET a.example?q=1", "a.example", 443, "GET", "/?q=1", false),
            ("a.example/v1 PATCH", "a.example", 443, "PATCH", "/v1", false),
            ("https://a.example/ GET /v1", "a.example", 443, "GET", "/v1", false),
            ("get GET /v1", "get", 443, "GET", "/v1", false),
            ("CONNECT db.example:5432", "db.example", 5432, "", "", false),
            ("[::1]:8080 connect", "::1", 8080, "", "", false),
            ("GET https://[::1]/x", "::1", 443, "GET", "/x", false),
            ("https://a.example", "a.example", 443, "GET", "/", false),
            ("wss://a.example/chat", "a.example", 443, "GET", "/chat", true),
            ("get HTTPS://a.example/x", "a.example", 443, "get", "/x", false),
            ("GET wss://a.example/chat", "a.example", 443, "GET", "/chat", true),
            ("websocket ws://a.example/chat", "a.example", 80, "GET", "/chat", true),
            ("a.example WEBSOCKET /chat", "a.example", 443, "GET", "/chat", true),
        ] {
            let (host, method, target) = (host.to_owned(), method.to_owned(), target.to_owned());
            assert_eq!(read(typed), Ok(Request { host, port, method, target, is_upgrade }), "{typed}");
        }
    }

    #[test]
    fn what_is_no_request_says_what_is_wrong_with_it() {
        for (typed, what) in [
            ("", "wanted: GET https://"),
            ("a.example", "a method is missing"),
            ("a.example/v1", "a method is missing"),
            ("a.example:99999 GET /", "99999 is no port"),
            ("GET https://a.example:0/", "0 is no port"),
            ("GET https:///v1", "which host?"),
            ("GET ftp://a.example/", "ftp:// is not asked about"),
            ("GET https://me@a.example/", "leave out the user name"),
            ("GET https://a.example/#top", "never sent"),
            ("GET https://a.example/v1 /v2", "twice"),
            ("POST wss://a.example/", "begins with GET, not with POST"),
            ("a.example GET / more", "what is more"),
        ] {
            let objection = read(typed).unwrap_err();
            assert!(objection.contains(what), "{typed}: {objection}");
        }
    }
}
