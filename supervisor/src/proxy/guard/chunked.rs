//! A chunked body, read strictly (RFC 9112 §7.1) and passed on as it is.
//!
//! Sizes are hexadecimal digits and nothing else, extensions are visible text, every line ends with CRLF, trailers are
//! headers that frame nothing. Pure: it is told bytes and says how many of them belong to the body.

use super::head::field;
use crate::proxy::malformed::Malformed;

/// The longest line of a size with its extension, and of a trailer, in bytes.
const MAX_LINE: usize = 1024;
/// The most bytes of trailers.
const MAX_TRAILERS: usize = 8 * 1024;
/// The most digits of a size.
const MAX_DIGITS: usize = 15;
/// Fields that have no meaning behind a body, and one before it (RFC 9110 §6.5.1).
const NO_TRAILERS: [&str; 11] = [
    "content-length",
    "transfer-encoding",
    "host",
    "connection",
    "trailer",
    "te",
    "upgrade",
    "authorization",
    "proxy-authorization",
    "content-encoding",
    "expect",
];

/// Where in a chunked body the next byte stands.
#[derive(Debug)]
pub(in crate::proxy) struct Chunked {
    at: At,
    line: Vec<u8>,
    trailers: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Size,
    Data(u64),
    /// The line end behind a chunk's data; whether its CR was there.
    DataEnd(bool),
    Trailer,
    Done,
}

impl Chunked {
    pub(in crate::proxy) fn new() -> Self {
        Self { at: At::Size, line: Vec::new(), trailers: 0 }
    }

    /// Whether its last byte was seen.
    pub(in crate::proxy) fn is_done(&self) -> bool {
        self.at == At::Done
    }

    /// Takes the next bytes and gives how many of them are part of the body: fewer than there are at its end only.
    pub(in crate::proxy) fn take(&mut self, bytes: &[u8]) -> Result<usize, Malformed> {
        let mut rest = bytes;
        while let (Some((byte, behind)), false) = (rest.split_first(), self.is_done()) {
            rest = match self.at {
                At::Data(left) => {
                    let count = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                    let left = left.saturating_sub(count as u64);
                    self.at = if left == 0 { At::DataEnd(false) } else { At::Data(left) };
                    rest.get(count..).unwrap_or_default()
                }
                At::DataEnd(false) if *byte == b'\r' => {
                    self.at = At::DataEnd(true);
                    behind
                }
                At::DataEnd(true) if *byte == b'\n' => {
                    self.at = At::Size;
                    behind
                }
                At::DataEnd(_) => return Err(bad("a chunk is longer or shorter than it says")),
                At::Size | At::Trailer => {
                    self.take_in_line(*byte)?;
                    behind
                }
                At::Done => rest,
            };
        }
        Ok(bytes.len() - rest.len())
    }

    fn take_in_line(&mut self, byte: u8) -> Result<(), Malformed> {
        self.line.push(byte);
        if self.line.len() > MAX_LINE {
            return Err(bad("a line of the chunked body is too long"));
        }
        let has_cr = self.line.iter().rev().nth(1) == Some(&b'\r');
        match byte {
            b'\n' if has_cr => {
                let line = std::mem::take(&mut self.line);
                self.end_of(line.strip_suffix(b"\r\n").unwrap_or_default())
            }
            b'\n' | 0 => Err(bad("a bare LF or a NUL in the framing of the chunked body")),
            _ if has_cr => Err(bad("a bare CR in the framing of the chunked body")),
            _ => Ok(()),
        }
    }

    fn end_of(&mut self, line: &[u8]) -> Result<(), Malformed> {
        if self.at == At::Size {
            self.at = match size(line)? {
                0 => At::Trailer,
                size => At::Data(size),
            };
            return Ok(());
        }
        if line.is_empty() {
            self.at = At::Done;
            return Ok(());
        }
        self.trailers += line.len();
        let (name, _) = field(line)?;
        if self.trailers > MAX_TRAILERS || !may_trail(&name) {
            return Err(bad("a trailer that may not be one, or too many of them"));
        }
        Ok(())
    }
}

/// Whether a field of this name, in lower case, may stand behind a body.
pub(in crate::proxy) fn may_trail(name: &str) -> bool {
    !NO_TRAILERS.contains(&name.replace('_', "-").as_str())
}

fn bad(detail: &str) -> Malformed {
    Malformed::bad("invalid_framing", detail)
}

/// `1*HEXDIG`, and behind a `;` whatever is visible.
fn size(line: &[u8]) -> Result<u64, Malformed> {
    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default();
    let extension = line.get(digits.len()..).unwrap_or_default();
    if !extension.iter().all(|byte| byte.is_ascii_graphic() || matches!(byte, b' ' | b'\t')) {
        return Err(bad("a chunk's extension has a byte that it may not have"));
    }
    let is_fit = (1..=MAX_DIGITS).contains(&digits.len()) && digits.iter().all(u8::is_ascii_hexdigit);
    let text = std::str::from_utf8(digits).ok().filter(|_| is_fit);
    text.and_then(|text| u64::from_str_radix(text, 16).ok())
        .ok_or_else(|| bad("a chunk's size is not a hexadecimal number"))
}

#[cfg(test)]
mod tests;
