//! What a reviewer types as a request: `HOST[:PORT] METHOD PATH`, `METHOD HOST/PATH`, or a URL before or behind a
//! method. Pure.

/// The method that stands for bytes that nobody reads.
pub(super) const STREAM: &str = "CONNECT";

/// The method that stands for a handshake that opens a WebSocket.
pub(super) const WEBSOCKET: &str = "WEBSOCKET";

/// What is wanted, where something else was typed.
const WANTED: &str = "wanted: api.example.com GET /v1/items, or GET https://api.example.com/v1/items";

/// A request that was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) host: String,
    pub(super) port: u16,
    /// Empty for bytes that nobody reads.
    pub(super) method: String,
    /// Path and query; empty where there is no request.
    pub(super) target: String,
    /// Whether it is to open a WebSocket.
    pub(super) is_upgrade: bool,
}

/// Reads a request.
pub(super) fn read(text: &str) -> Result<Request, String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let (place, method, path) = match words.as_slice() {
        [] => return Err(WANTED.to_owned()),
        [url] if url.contains("://") => (*url, "GET", None),
        [method, place] if is_method(method) && !is_method(place) => (*place, *method, None),
        [place, method] => (*place, *method, None),
        [place, method, path] => (*place, *method, Some(*path)),
        [_] => return Err(format!("a method is missing; {WANTED}")),
        [_, _, _, rest, ..] => return Err(format!("what is {rest} behind the path? {WANTED}")),
    };
    let (scheme, rest) = place.split_once("://").map_or((None, place), |(scheme, rest)| (Some(scheme), rest));
    let port = match scheme.map(str::to_ascii_lowercase).as_deref() {
        None | Some("https" | "wss") => 443,
        Some("http" | "ws") => 80,
        Some(other) => return Err(format!("{other}:// is not understood: https, http, wss or ws")),
    };
    let (authority, target) = rest.find(['/', '?']).map_or((rest, ""), |at| rest.split_at(at));
    let target = match (path, target) {
        (Some(path), "") => path.to_owned(),
        (Some(path), _) => return Err(format!("there are two paths, {target} and {path}; {WANTED}")),
        (None, "") => "/".to_owned(),
        (None, query) if query.starts_with('?') => format!("/{query}"),
        (None, target) => target.to_owned(),
    };
    let (host, port) = split(authority, port)?;
    let is_socket = scheme.is_some_and(|scheme| scheme.to_ascii_lowercase().starts_with("ws"));
    let is_upgrade = is_socket || method.eq_ignore_ascii_case(WEBSOCKET);
    let (method, target) = match () {
        () if method.eq_ignore_ascii_case(STREAM) => (String::new(), String::new()),
        () if is_upgrade => ("GET".to_owned(), target),
        () => (method.to_owned(), target),
    };
    Ok(Request { host, port, method, target, is_upgrade })
}

/// Whether a word can only be a method: capital letters alone. Hosts are written small, or have a dot.
fn is_method(word: &str) -> bool {
    word.chars().all(|c| c.is_ascii_uppercase() || c == '-')
}

/// Host and port of an authority; an IPv6 address with a port stands in brackets.
fn split(authority: &str, port: u16) -> Result<(String, u16), String> {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !host.ends_with(':') && !port.contains(']') => {
            (host, port.parse().map_err(|_| format!("{port} is no port: 1 to 65535"))?)
        }
        _ => (authority, port),
    };
    let host = host.trim_matches(['[', ']']);
    if host.is_empty() {
        return Err(format!("a host is missing; {WANTED}"));
    }
    Ok((host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_is_understood() {
        for (text, host, port, method, target, is_upgrade) in [
            ("api.example.com GET /v1?q=1", "api.example.com", 443, "GET", "/v1?q=1", false),
            ("api.example.com PUT", "api.example.com", 443, "PUT", "/", false),
            ("GET https://api.example.com/v1?q=1", "api.example.com", 443, "GET", "/v1?q=1", false),
            ("https://api.example.com:8443/v1 DELETE", "api.example.com", 8443, "DELETE", "/v1", false),
            ("https://api.example.com", "api.example.com", 443, "GET", "/", false),
            ("HTTP://api.example.com?q", "api.example.com", 80, "GET", "/?q", false),
            ("PATCH api.example.com/v1/a", "api.example.com", 443, "PATCH", "/v1/a", false),
            ("wss://ws.example.com/chat", "ws.example.com", 443, "GET", "/chat", true),
            ("ws.example.com websocket /chat", "ws.example.com", 443, "GET", "/chat", true),
            ("[::1]:8080 connect", "::1", 8080, "", "", false),
            ("GET http://[::1]:8080/x", "::1", 8080, "GET", "/x", false),
        ] {
            let wanted = Request {
                host: host.to_owned(),
                port,
                method: method.to_owned(),
                target: target.to_owned(),
                is_upgrade,
            };
            assert_eq!(read(text), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn what_is_not_understood_is_said() {
        for (text, told) in [
            ("", "wanted: api.example.com GET"),
            ("api.example.com", "a method is missing"),
            ("api.example.com GET /a b", "what is b behind the path?"),
            ("https://api.example.com/a GET /b", "there are two paths, /a and /b"),
            ("ftp://api.example.com/a", "ftp:// is not understood"),
            ("api.example.com:99999 GET /", "99999 is no port"),
            ("GET https:///a", "a host is missing"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(told), "{text}: {error}");
        }
    }
}
