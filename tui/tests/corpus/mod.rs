//! What the corpora of `fixtures/requests` share: how their bytes are written, and how an origin reads what arrives.

#![allow(
    dead_code,
    unreachable_pub,
    missing_debug_implementations,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "each test file uses its part; a test that cannot go on has failed"
)]

/// `\r \n \t \0 \xHH \\ \"`.
pub fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = text.bytes();
    let mut out = Vec::new();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        out.push(match bytes.next().unwrap() {
            b'r' => b'\r',
            b'n' => b'\n',
            b't' => b'\t',
            b'0' => 0,
            b'x' => {
                let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            other => other,
        });
    }
    out
}

/// A request as the origin read it.
#[derive(Debug)]
pub struct Arrived {
    pub case: Option<usize>,
    pub line: String,
    pub head: String,
    pub body: Vec<u8>,
    /// Bytes behind it, which are nobody's.
    pub behind: Vec<u8>,
}

/// The first whole request of these bytes, and how many they are.
pub fn parse(bytes: &[u8]) -> Option<(Arrived, usize)> {
    let end = bytes.windows(4).position(|part| part == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let value = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
    };
    let (body, used) = if value("transfer-encoding").is_some() {
        let (body, used) = unchunk(&bytes[end..])?;
        (body, end + used)
    } else {
        let length = value("content-length").map_or(0, |length| length.parse().unwrap());
        (bytes.get(end..end + length)?.to_vec(), end + length)
    };
    let line = head.lines().next().unwrap().trim_end_matches(" HTTP/1.1").to_owned();
    let case = value("x-case").map(|case| case.parse().unwrap());
    Some((Arrived { case, line, head, body, behind: Vec::new() }, used))
}

fn unchunk(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (mut at, mut body) = (0, Vec::new());
    loop {
        let line = bytes[at..].windows(2).position(|part| part == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[at..at + line]).unwrap(), 16).unwrap();
        at += line + 2;
        if size == 0 {
            let end = bytes[at..].windows(2).position(|part| part == b"\r\n")?;
            assert_eq!(end, 0, "trailers are not forwarded");
            return Some((body, at + 2));
        }
        body.extend_from_slice(bytes.get(at..at + size)?);
        at += size + 2;
    }
}

/// What no request at an origin may be.
pub fn odd(arrived: &Arrived, host: &str) -> Option<String> {
    let head = arrived.head.to_ascii_lowercase();
    let count = |name: &str| head.lines().filter(|line| line.starts_with(name)).count();
    let is_odd = arrived.case.is_none()
        || !arrived.behind.is_empty()
        || arrived.line.contains("secret")
        || count(&format!("host: {host}")) != 1
        || count("host:") != 1
        || count("transfer-encoding:") + count("content-length:") > 1
        || [
            "connection:",
            "upgrade:",
            "te:",
            "keep-alive:",
            "proxy-",
            "x-hop:",
            "trailer:",
            "http2-settings:",
        ]
        .iter()
        .any(|name| count(name) > 0);
    is_odd.then(|| format!("at the origin: {arrived:?}"))
}
