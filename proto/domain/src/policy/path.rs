//! Request paths in one spelling: what is judged is what is sent.
//!
//! Percent-decoding, dot segments, `//`, `;params`: an origin and a proxy that read a path differently are a
//! hole, so there is one reading, it happens before the verdict, and its bytes go upstream
//! (`reference/openshell-policy-local.md` §6b). Everything that has no single reading is refused.

use std::fmt::Write as _;

/// The longest target, in bytes.
pub const MAX_TARGET: usize = 4096;

/// A path in canonical form and the query that came with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Begins with `/`; upper-case percent-encoding where encoding is needed and nowhere else.
    pub path: String,
    /// What stood after the first `?`, as it was written, without the `?`.
    pub query: Option<String>,
}

impl Target {
    /// Path and query as they are sent upstream.
    #[must_use]
    pub fn as_sent(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        }
    }
}

/// Why a target was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Longer than [`MAX_TARGET`].
    #[error("the request target is longer than {MAX_TARGET} bytes")]
    TooLong,
    /// Does not begin with `/`.
    #[error("the request path does not begin with /")]
    NotAbsolute,
    /// A control character, a space, a byte over 126, a `#`, a backslash, or one of these percent-encoded.
    #[error("the request target holds a control character, a space, a fragment or a byte that is not ASCII")]
    ForbiddenByte,
    /// `%` without two hexadecimal digits behind it.
    #[error("the request path holds a % without two hexadecimal digits")]
    BadEscape,
    /// `%2F`.
    #[error("encoded slash not allowed")]
    EncodedSlash,
    /// A character encoded in more bytes than it needs, such as `%C0%AF`: a slash to some, nothing to others.
    #[error("the request path holds a character encoded in more bytes than it needs")]
    Overlong,
    /// `..` above the root, or a dot segment beside an encoded slash.
    #[error("the request path leaves the root through dot segments")]
    DotSegments,
}

/// Reads the path and query of an origin-form target.
///
/// `allow_encoded_slash` keeps `%2F` as three bytes of its segment instead of refusing it.
///
/// # Errors
/// [`TargetError`] where the target has no single reading.
pub fn canonical(target: &str, allow_encoded_slash: bool) -> Result<Target, TargetError> {
    if target.len() > MAX_TARGET {
        return Err(TargetError::TooLong);
    }
    if target.bytes().any(|b| b <= 0x20 || b >= 0x7f || b == b'#') {
        return Err(TargetError::ForbiddenByte);
    }
    let (raw_path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query.to_owned())),
        None => (target, None),
    };
    let raw_path = if raw_path.is_empty() { "/" } else { raw_path };
    let Some(rest) = raw_path.strip_prefix('/') else { return Err(TargetError::NotAbsolute) };
    let mut kept: Vec<String> = Vec::new();
    let mut trailing_slash = false;
    let mut segments = rest.split('/').peekable();
    while let Some(raw) = segments.next() {
        let is_last = segments.peek().is_none();
        let bare = raw.split_once(';').map_or(raw, |(segment, _)| segment);
        let segment = decode(bare, allow_encoded_slash)?;
        match segment.as_str() {
            "" | "." => trailing_slash |= is_last,
            ".." => {
                kept.pop().ok_or(TargetError::DotSegments)?;
                trailing_slash |= is_last;
            }
            _ => kept.push(segment),
        }
    }
    let mut path = String::with_capacity(raw_path.len());
    for segment in &kept {
        path.push('/');
        path.push_str(segment);
    }
    if kept.is_empty() || trailing_slash {
        path.push('/');
    }
    // What is sent is what the next reader reads: encoding may not outgrow the limit of path and query together.
    let sent = path.len() + query.as_ref().map_or(0, |query| 1 + query.len());
    if sent > MAX_TARGET { Err(TargetError::TooLong) } else { Ok(Target { path, query }) }
}

/// One segment: decoded, judged byte by byte, and encoded again where it must be.
fn decode(segment: &str, allow_encoded_slash: bool) -> Result<String, TargetError> {
    let mut out = String::with_capacity(segment.len());
    let mut has_slash = false;
    let mut before = 0;
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        let decoded = if byte == b'%' {
            let high = bytes.next().and_then(hex_digit).ok_or(TargetError::BadEscape)?;
            let low = bytes.next().and_then(hex_digit).ok_or(TargetError::BadEscape)?;
            high << 4 | low
        } else {
            byte
        };
        if is_overlong(before, decoded) {
            return Err(TargetError::Overlong);
        }
        before = decoded;
        match decoded {
            b'/' if allow_encoded_slash => {
                has_slash = true;
                out.push_str("%2F");
            }
            b'/' => return Err(TargetError::EncodedSlash),
            0..=0x1f | 0x7f => return Err(TargetError::ForbiddenByte),
            // A backslash is a separator to some origins; `;` and `?` decoded would begin something else.
            b'\\' => return Err(TargetError::ForbiddenByte),
            plain if is_plain(plain) => out.push(char::from(plain)),
            other => {
                // Writing to a String cannot fail.
                let _ = write!(out, "%{other:02X}");
            }
        }
    }
    if has_slash && out.split("%2F").any(|part| part == "." || part == "..") {
        return Err(TargetError::DotSegments);
    }
    Ok(out)
}

/// Whether two bytes begin a sequence that is no UTF-8 because a shorter one says the same (RFC 3629 §3).
fn is_overlong(first: u8, second: u8) -> bool {
    match first {
        0xc0 | 0xc1 => (0x80..=0xbf).contains(&second),
        0xe0 => (0x80..=0x9f).contains(&second),
        0xf0 => (0x80..=0x8f).contains(&second),
        _ => false,
    }
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// Unreserved, sub-delims without `;`, `:` and `@` (RFC 3986 §3.3). A decoded `;` is written `%3B` again: as a
/// plain byte it would begin parameters.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,=:@".contains(&byte)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn path(target: &str) -> Result<String, TargetError> {
        canonical(target, false).map(|t| t.path)
    }

    #[test]
    fn one_path_has_one_spelling() {
        for (raw, want) in [
            ("/a/b", "/a/b"),
            ("", "/"),
            ("/", "/"),
            ("//a///b", "/a/b"),
            ("/a/./b", "/a/b"),
            ("/a/../b", "/b"),
            ("/a/b/..", "/a/"),
            ("/a/b/.", "/a/b/"),
            ("/a/%2e%2e/b", "/b"),
            ("/%61bc", "/abc"),
            ("/a;x=1/b;y", "/a/b"),
            ("/..;/a", ""),
            ("/a b", ""),
            ("/a%20b", "/a%20b"),
            ("/%c3%a9", "/%C3%A9"),
            ("/%c0/%af", "/%C0/%AF"),
            ("/%e0%a0%80", "/%E0%A0%80"),
            ("/a%3Bb", "/a%3Bb"),
            ("/a%3fb", "/a%3Fb"),
            ("/a/b/", "/a/b/"),
        ] {
            match path(raw) {
                Ok(got) => assert_eq!(got, want, "{raw}"),
                Err(error) => assert!(want.is_empty(), "{raw}: {error}"),
            }
        }
    }

    #[test]
    fn what_has_no_single_reading_is_refused() {
        use TargetError::*;
        for (raw, want) in [
            ("/../a", DotSegments),
            ("/a/../../b", DotSegments),
            ("/%2e%2e/a", DotSegments),
            ("/a%2fb", EncodedSlash),
            ("/%c0%af", Overlong),
            ("/%C0%AE%c0%ae/a", Overlong),
            ("/a%c1%9cb", Overlong),
            ("/%e0%80%af", Overlong),
            ("/%f0%80%80%af", Overlong),
            ("/a%2", BadEscape),
            ("/a%zz", BadEscape),
            ("/a%00", ForbiddenByte),
            ("/a%0d%0a", ForbiddenByte),
            ("/a\\b", ForbiddenByte),
            ("/a%5cb", ForbiddenByte),
            ("/é", ForbiddenByte),
            ("/a#b", ForbiddenByte),
            ("a/b", NotAbsolute),
        ] {
            assert_eq!(path(raw), Err(want), "{raw}");
        }
        assert_eq!(path(&format!("/{}", "x".repeat(4096))), Err(TooLong));
        assert_eq!(path(&format!("/{}", "\"".repeat(2000))), Err(TooLong), "encoding may not outgrow it");
    }

    #[test]
    fn encoding_may_not_outgrow_the_limit_beside_a_query() {
        let (quotes, fill) = ("\"".repeat(1000), "x".repeat(1096));
        let fits = canonical(&format!("/{quotes}?{}", "x".repeat(1094)), false).unwrap();
        assert_eq!(fits.as_sent().len(), MAX_TARGET);
        assert_eq!(canonical(&format!("/{quotes}?{fill}"), false), Err(TargetError::TooLong));
        assert_eq!(canonical(&format!("?{}", "x".repeat(MAX_TARGET - 1)), false), Err(TargetError::TooLong));
    }

    #[test]
    fn encoded_slashes_stay_encoded_where_they_are_allowed() {
        assert_eq!(canonical("/a%2fb", true).unwrap().path, "/a%2Fb");
        assert_eq!(canonical("/a%2f..", true), Err(TargetError::DotSegments));
        assert_eq!(canonical("/..%2fa", true), Err(TargetError::DotSegments));
    }

    #[test]
    fn the_query_is_kept_as_written() {
        let target = canonical("/a?b=%2e&c=/../d?e", false).unwrap();
        assert_eq!(target.as_sent(), "/a?b=%2e&c=/../d?e");
    }

    proptest! {
        #[test]
        fn canonical_is_a_fixed_point_without_dot_segments(raw in "/([a-c./;%]|%2[eEfF]|%[0-9a-f]{2}){0,12}", slash in any::<bool>()) {
            if let Ok(target) = canonical(&raw, slash) {
                let again = canonical(&target.as_sent(), slash).unwrap();
                prop_assert_eq!(&again, &target);
                prop_assert!(!target.path.split('/').any(|s| s == "." || s == ".."), "{}", target.path);
                prop_assert!(!target.path.contains("//") && target.path.starts_with('/'));
            }
        }

        #[test]
        fn no_text_panics(raw in any::<String>()) {
            let _ = canonical(&raw, true);
        }
    }
}
