//! The head of an HTTP/1 request, read strictly (RFC 9110 §5, RFC 9112 §2–6): one reading or none.
//!
//! What a lenient parser takes somewhere on the way is refused here: bare LF, folded lines, blanks before a colon,
//! two lengths, any coding but `chunked`. Pure: bytes in, framing of the body or a refusal out.

use http::uri::Authority;
use http::{StatusCode, Uri};

use crate::proxy::malformed::Malformed;

/// The most fields of a head.
const MAX_FIELDS: usize = 100;
/// The longest method.
const MAX_METHOD: usize = 32;
/// Fields that say how a message is framed or where it goes: in no other spelling, and not nominated by `Connection`.
const FRAMING: [&str; 3] = ["content-length", "transfer-encoding", "host"];

/// What follows a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::proxy) enum Framing {
    /// A body of so many bytes; 0: the next head.
    Length(u64),
    /// A chunked body.
    Chunked,
    /// Whatever the answer to it makes of the connection: another head, or a stream that is not HTTP.
    Switch,
}

/// The fields that framing depends on, as they were found.
#[derive(Debug, Default)]
struct Found {
    fields: usize,
    hosts: usize,
    length: Option<u64>,
    is_chunked: bool,
    is_upgrade: bool,
    nominates_upgrade: bool,
}

/// Reads a head: every byte up to and with the empty line.
pub(in crate::proxy) fn read(head: &[u8]) -> Result<Framing, Malformed> {
    let lines = lines(head)?;
    let (first, fields) = lines.split_first().ok_or_else(|| request_line("there is none"))?;
    let (method, is_1_1) = read_request_line(first)?;
    let mut found = Found::default();
    for field in fields {
        found.take(field)?;
    }
    found.framing(method, is_1_1)
}

/// What is wrong with the beginning of a head whatever follows: its lines do not end as they must.
pub(in crate::proxy) fn early(begun: &[u8]) -> Option<Malformed> {
    // The LF of the last byte may be on its way.
    let begun = begun.strip_suffix(b"\r").unwrap_or(begun);
    let ends = begun.iter().enumerate().filter(|(_, byte)| matches!(byte, b'\r' | b'\n' | 0));
    let mut has_line = false;
    for (at, byte) in ends {
        let is_pair = match byte {
            b'\r' => begun.get(at + 1) == Some(&b'\n'),
            b'\n' => at.checked_sub(1).and_then(|before| begun.get(before)) == Some(&b'\r'),
            _ => false,
        };
        if !is_pair {
            return Some(bad_line_end());
        }
        has_line = true;
    }
    let first = begun.split(|byte| *byte == b'\r').next().filter(|_| has_line)?;
    read_request_line(first).err()
}

fn bad_line_end() -> Malformed {
    Malformed::bad("invalid_head", "the head has a bare CR, a bare LF or a NUL in it")
}

/// The lines without their ends, and without the empty one.
fn lines(head: &[u8]) -> Result<Vec<&[u8]>, Malformed> {
    let mut lines = Vec::new();
    let mut rest = head;
    while let Some(at) = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
        let (line, end) = rest.split_at(at);
        let Some(behind) = end.strip_prefix(b"\r\n") else {
            return Err(bad_line_end());
        };
        if line.is_empty() {
            return Ok(lines);
        }
        lines.push(line);
        rest = behind;
    }
    Err(Malformed::bad("invalid_head", "the head does not end"))
}

fn request_line(why: &str) -> Malformed {
    Malformed::bad("invalid_request_line", format!("the request line is not METHOD TARGET HTTP/1.1: {why}"))
}

fn read_request_line(line: &[u8]) -> Result<(&[u8], bool), Malformed> {
    let mut parts = line.split(|byte| *byte == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(request_line("it is not three words with one blank between them"));
    };
    if method.is_empty() || method.len() > MAX_METHOD || !method.iter().all(is_token) {
        return Err(request_line("the method is no token"));
    }
    if target.is_empty() || !target.iter().all(u8::is_ascii_graphic) || target.contains(&b'#') {
        let detail = "the request target is empty, or has a byte that no target has";
        return Err(Malformed::bad("invalid_request_target", detail));
    }
    if has_user(target) {
        return Err(Malformed::bad("invalid_request_target", "the request target names a user"));
    }
    // What hyper could not read it would answer itself, without a word.
    let is_read = if method == b"CONNECT" {
        Authority::try_from(target).is_ok()
    } else {
        Uri::try_from(target).is_ok()
    };
    if !is_read {
        return Err(Malformed::bad(
            "invalid_request_target",
            "the request target is no URI, or of a CONNECT no host:port",
        ));
    }
    match version {
        b"HTTP/1.1" => Ok((method, true)),
        b"HTTP/1.0" => Ok((method, false)),
        _ if version.starts_with(b"HTTP/") => Err(Malformed::new(
            StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            "unsupported_http_version",
            "HTTP/1.1 and HTTP/1.0 are spoken here",
        )),
        _ => Err(request_line("it ends with no version")),
    }
}

/// Whether an authority, in absolute form or of a CONNECT, has a part before an `@` (RFC 9110 §4.2.4).
fn has_user(target: &[u8]) -> bool {
    if target.starts_with(b"/") {
        return false;
    }
    let scheme = target.windows(3).position(|part| part == b"://").map_or(0, |at| at + 3);
    let authority = target.get(scheme..).unwrap_or_default().split(|byte| matches!(byte, b'/' | b'?')).next();
    authority.unwrap_or_default().contains(&b'@')
}

/// RFC 9110 §5.6.2.
pub(in crate::proxy) fn is_token(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte)
}

/// A field line as name and value without the blanks around it.
pub(super) fn field(line: &[u8]) -> Result<(String, &[u8]), Malformed> {
    let bad = |detail: &str| Malformed::bad("invalid_header", detail);
    if line.first().is_some_and(u8::is_ascii_whitespace) {
        return Err(bad("a header line is folded, or begins with a blank"));
    }
    let colon = line.iter().position(|byte| *byte == b':').ok_or_else(|| bad("a header has no colon"))?;
    let (name, value) = line.split_at(colon);
    if name.is_empty() || !name.iter().all(is_token) {
        return Err(bad("a header's name is no token; nothing may stand between it and the colon"));
    }
    let value = value.strip_prefix(b":").unwrap_or_default();
    if value.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
        return Err(bad("a header's value has a control character in it"));
    }
    let name = String::from_utf8_lossy(name).to_ascii_lowercase();
    if FRAMING.iter().any(|framing| name != *framing && name.replace('_', "-") == *framing) {
        return Err(bad("a header looks like one that frames the message, and is not"));
    }
    Ok((name, value.trim_ascii()))
}

impl Found {
    fn take(&mut self, line: &[u8]) -> Result<(), Malformed> {
        let framing = |detail: &str| Err(Malformed::bad("invalid_framing", detail));
        let (name, value) = field(line)?;
        self.fields += 1;
        if self.fields > MAX_FIELDS {
            let detail = format!("more than {MAX_FIELDS} headers");
            return Err(Malformed::new(
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "headers_too_large",
                detail,
            ));
        }
        match name.as_str() {
            "host" => self.hosts += 1,
            "content-length" if self.length.is_some() => return framing("more than one Content-Length"),
            "content-length" => match length(value) {
                Some(length) => self.length = Some(length),
                None => return framing("Content-Length is not a number of bytes"),
            },
            "transfer-encoding" if self.is_chunked || !value.eq_ignore_ascii_case(b"chunked") => {
                return framing("Transfer-Encoding may be `chunked`, once, and nothing else");
            }
            "transfer-encoding" => self.is_chunked = true,
            "upgrade" if options(value).any(|protocol| protocol.eq_ignore_ascii_case(b"h2c")) => {
                let detail = "h2c is not spoken here: HTTP/2 begins with TLS";
                return Err(Malformed::new(StatusCode::FORBIDDEN, "unsupported_l7_protocol", detail));
            }
            "upgrade" => self.is_upgrade = true,
            "connection" => self.take_connection(value)?,
            "expect" if !value.eq_ignore_ascii_case(b"100-continue") => {
                return Err(unknown_expectation());
            }
            _ => {}
        }
        Ok(())
    }

    fn take_connection(&mut self, value: &[u8]) -> Result<(), Malformed> {
        for option in options(value) {
            if FRAMING.iter().any(|name| option.eq_ignore_ascii_case(name.as_bytes())) {
                let detail = "Connection names a header that belongs to the message";
                return Err(Malformed::bad("invalid_header", detail));
            }
            self.nominates_upgrade |= option.eq_ignore_ascii_case(b"upgrade");
        }
        Ok(())
    }

    fn framing(&self, method: &[u8], is_1_1: bool) -> Result<Framing, Malformed> {
        let bad = |detail: &str| Err(Malformed::bad("invalid_framing", detail));
        match self.hosts {
            0 if is_1_1 => return Err(Malformed::bad("invalid_host", "the Host header is missing")),
            0 | 1 => {}
            _ => return Err(Malformed::bad("invalid_host", "more than one Host header")),
        }
        if self.is_chunked && self.length.is_some() {
            return bad("Content-Length beside Transfer-Encoding");
        }
        if self.is_chunked && !is_1_1 {
            return bad("Transfer-Encoding in HTTP/1.0");
        }
        let has_body = self.is_chunked || self.length.is_some_and(|length| length > 0);
        let switches = method == b"CONNECT" || (self.is_upgrade && self.nominates_upgrade);
        match (switches, has_body) {
            (true, true) => bad("a request that leaves HTTP has a body"),
            (true, false) => Ok(Framing::Switch),
            (false, _) if self.is_chunked => Ok(Framing::Chunked),
            (false, _) => Ok(Framing::Length(self.length.unwrap_or(0))),
        }
    }
}

/// RFC 9110 §10.1.1.
pub(in crate::proxy) fn unknown_expectation() -> Malformed {
    Malformed::new(StatusCode::EXPECTATION_FAILED, "unknown_expectation", "Expect may be `100-continue`")
}

/// The members of a list.
fn options(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

/// Digits and nothing else.
fn length(value: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(value).ok()?;
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests;
