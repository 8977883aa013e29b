//! HTTP/2 by hand (RFC 9113, RFC 7541): frames that no library would send, and how each stream ended.

#![allow(
    dead_code,
    unreachable_pub,
    missing_debug_implementations,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::string_slice,
    reason = "each test file uses its part; a test that cannot go on has failed"
)]

use tokio::io::{AsyncRead, AsyncReadExt as _};

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const CONTINUATION: u8 = 9;
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;
pub const ACK: u8 = 1;

pub const REFUSED_STREAM: u32 = 7;
pub const CANCEL: u32 = 8;
pub const ENHANCE_YOUR_CALM: u32 = 11;

/// A frame as it is sent.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// The preface and a client's settings.
pub fn opening() -> Vec<u8> {
    [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()
}

/// Headers as literals that are not indexed, names and values as they are.
pub fn block<N: AsRef<[u8]>, V: AsRef<[u8]>>(headers: &[(N, V)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in headers {
        bytes.push(0);
        for text in [name.as_ref(), value.as_ref()] {
            length(&mut bytes, text.len());
            bytes.extend_from_slice(text);
        }
    }
    bytes
}

/// RFC 7541 §5.1, with a prefix of seven bits.
fn length(bytes: &mut Vec<u8>, length: usize) {
    if length < 127 {
        return bytes.push(length as u8);
    }
    bytes.push(127);
    let mut rest = length - 127;
    while rest >= 128 {
        bytes.push((rest % 128) as u8 | 128);
        rest /= 128;
    }
    bytes.push(rest as u8);
}

/// `GET path` as a whole request.
pub fn get(stream: u32, path: &str) -> Vec<u8> {
    let headers = [(":method", "GET"), (":scheme", "https"), (":authority", "web.invalid"), (":path", path)];
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &block(&headers))
}

/// A frame as it came.
#[derive(Debug)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl Frame {
    /// The code of a frame that ends something.
    pub fn code(&self) -> u32 {
        u32::from_be_bytes(*self.payload.last_chunk().unwrap())
    }

    /// Of GOAWAY: why.
    pub fn away(&self) -> u32 {
        u32::from_be_bytes(self.payload[4..8].try_into().unwrap())
    }
}

/// The next frame; none where the connection is over, however it is.
pub async fn next<S: AsyncRead + Unpin>(stream: &mut S) -> Option<Frame> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).await.ok()?;
    let size = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut payload = vec![0; size as usize];
    stream.read_exact(&mut payload).await.ok()?;
    let number = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
    Some(Frame { kind: head[3], flags: head[4], stream: number, payload })
}

/// How a stream ended: `RST`, `GOAWAY`, `closed`, or a status; and the body of the answer.
pub async fn ending<S: AsyncRead + Unpin>(stream: &mut S, number: u32) -> (String, String) {
    let (mut status, mut body) = (String::new(), Vec::new());
    while let Some(frame) = next(stream).await {
        let is_ours = frame.stream == number;
        match frame.kind {
            GOAWAY if frame.away() != 0 => return ("GOAWAY".into(), String::new()),
            RST_STREAM if is_ours => return ("RST".into(), String::new()),
            HEADERS if is_ours && status.is_empty() => status = read_status(&frame.payload),
            DATA if is_ours => body.extend_from_slice(&frame.payload),
            _ => {}
        }
        if is_ours && matches!(frame.kind, HEADERS | DATA) && frame.flags & END_STREAM != 0 {
            return (status, String::from_utf8_lossy(&body).into_owned());
        }
    }
    ("closed".into(), String::new())
}

/// The first field of a header block, which is the status: indexed, or a literal of digits.
pub fn read_status(block: &[u8]) -> String {
    let block = if block[0] & 0xe0 == 0x20 { &block[1..] } else { block };
    if block[0] & 0x80 != 0 {
        let known = ["200", "204", "206", "304", "400", "404", "500"];
        return known[usize::from(block[0] & 0x7f) - 8].into();
    }
    let size = usize::from(block[1] & 0x7f);
    let text = &block[2..2 + size];
    if block[1] & 0x80 == 0 { String::from_utf8_lossy(text).into_owned() } else { digits(text) }
}

/// Digits in the code of RFC 7541, appendix B: 0 to 2 have five bits, 3 to 9 have six.
fn digits(bytes: &[u8]) -> String {
    let bits: String = bytes.iter().map(|byte| format!("{byte:08b}")).collect();
    let (mut at, mut out) = (0, String::new());
    while out.len() < 3 {
        let short = u8::from_str_radix(&bits[at..at + 5], 2).unwrap();
        let (digit, size) = if short < 3 {
            (short, 5)
        } else {
            (u8::from_str_radix(&bits[at..at + 6], 2).unwrap() - 0b01_1001 + 3, 6)
        };
        out.push(char::from(b'0' + digit));
        at += size;
    }
    out
}
