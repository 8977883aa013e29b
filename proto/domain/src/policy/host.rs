//! Host names in one spelling.
//!
//! An agent chooses how it writes a host; rules are written once. Whatever is judged, resolved, compared with
//! SNI and `Host`, or shown, has gone through here first: lower case, no trailing dot, IDNA (punycode), IPv4 in
//! any spelling as dotted decimal, IPv6 compressed and without brackets. Refuses everything else.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A canonical host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// A DNS name in lower-case ASCII, without a trailing dot.
    Name(String),
    /// An IP literal.
    Address(IpAddr),
}

/// A text that is not a host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a host name or an IP address")]
pub struct HostError(pub String);

/// The longest DNS name, in bytes (RFC 1035 §2.3.4).
pub const MAX_HOST: usize = 253;

impl Host {
    /// Reads a host as it stands in a request target, a `Host` header, a policy or an SNI.
    /// Percent-encoding is refused rather than decoded.
    ///
    /// # Errors
    /// [`HostError`] when it is no host in any spelling.
    pub fn parse(text: &str) -> Result<Self, HostError> {
        let refuse = || HostError(text.to_owned());
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        if let Some(address) = bare.or(Some(text)).and_then(|t| t.parse::<Ipv6Addr>().ok()) {
            return Ok(Self::Address(IpAddr::V6(address)));
        }
        if text.is_empty() || text.len() > 4 * MAX_HOST || text.contains(['%', '[', ']']) {
            return Err(refuse());
        }
        let undotted = text.strip_suffix('.').unwrap_or(text);
        match url::Host::parse(undotted).map_err(|_| refuse())? {
            url::Host::Ipv4(address) => Ok(Self::Address(IpAddr::V4(address))),
            url::Host::Ipv6(address) => Ok(Self::Address(IpAddr::V6(address))),
            url::Host::Domain(name) => {
                let labels_fit = name.split('.').all(|label| (1..=63).contains(&label.len()));
                if labels_fit && name.len() <= MAX_HOST && name.bytes().all(is_name_byte) {
                    Ok(Self::Name(name))
                } else {
                    Err(refuse())
                }
            }
        }
    }

    /// The address, if this is a literal.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Name(_) => None,
            Self::Address(address) => Some(*address),
        }
    }

    /// `host:port`, with IPv6 in brackets.
    #[must_use]
    pub fn with_port(&self, port: u16) -> String {
        match self {
            Self::Address(IpAddr::V6(address)) => format!("[{address}]:{port}"),
            other => format!("{other}:{port}"),
        }
    }
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_' | b'.')
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(address) => address.fmt(f),
        }
    }
}

impl From<Ipv4Addr> for Host {
    fn from(address: Ipv4Addr) -> Self {
        Self::Address(IpAddr::V4(address))
    }
}

/// Splits `host:port`, `[v6]:port`, `host` or `[v6]`.
///
/// # Errors
/// [`HostError`] when the host is none or the port is not a number from 1 to 65535.
pub fn parse_authority(text: &str) -> Result<(Host, Option<u16>), HostError> {
    let refuse = || HostError(text.to_owned());
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    if host.contains(':') && !(host.starts_with('[') && host.ends_with(']')) {
        return Err(refuse());
    }
    let port = match port {
        None => None,
        Some(digits)
            if !digits.is_empty() && digits.len() <= 5 && digits.bytes().all(|b| b.is_ascii_digit()) =>
        {
            Some(digits.parse::<u16>().ok().filter(|port| *port > 0).ok_or_else(refuse)?)
        }
        Some(_) => return Err(refuse()),
    };
    Ok((Host::parse(host).map_err(|_| refuse())?, port))
}

/// Reads the host of an endpoint: a host, or a glob over hosts in lower case.
///
/// # Errors
/// What is wrong with it, in words.
pub fn parse_pattern(text: &str) -> Result<String, String> {
    if !text.contains('*') {
        // Without a `*` OpenShell compares hosts literally: `{a,b}.example.com` would match nothing there.
        return Host::parse(text).map(|host| host.to_string()).map_err(|error| error.to_string());
    }
    let lower = text.to_ascii_lowercase();
    let labels: Vec<&str> = lower.split('.').collect();
    let wide = "a wildcard host needs two literal labels at least, as in `*.example.com`";
    if labels.len() <= 2 {
        return Err(wide.to_owned());
    }
    for (index, label) in labels.iter().enumerate() {
        if label.is_empty() {
            return Err("a label is empty".to_owned());
        }
        if label.contains("**") && (index > 0 || *label != "**") {
            return Err("`**` may only be the whole first label, as in `**.example.com`".to_owned());
        }
        if index > 0 && label.contains('*') && *label != "*" {
            return Err("`*` in a later label must be the whole label".to_owned());
        }
        if !label.bytes().all(|b| is_name_byte(b) || b"*?[]{},!".contains(&b)) {
            return Err(format!("the label {label:?} has a character that host names do not have"));
        }
    }
    if labels.last().is_some_and(|label| label.bytes().all(|b| b.is_ascii_digit())) {
        return Err("a wildcard stands for names: write addresses as `allowed_ips`".to_owned());
    }
    let literal_tail = labels.iter().rev().take_while(|label| !super::pattern::is_glob(label)).count();
    if literal_tail < 2 { Err(wide.to_owned()) } else { Ok(lower) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_spelling_of_a_host_is_one_host() {
        for (raw, canonical) in [
            ("API.GitHub.com", "api.github.com"),
            ("api.github.com.", "api.github.com"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("127.1", "127.0.0.1"),
            ("0x7f000001", "127.0.0.1"),
            ("2130706433", "127.0.0.1"),
            ("0177.0.0.1", "127.0.0.1"),
            ("[::1]", "::1"),
            ("0:0:0:0:0:0:0:1", "::1"),
            ("[::ffff:127.0.0.1]", "::ffff:127.0.0.1"),
            ("a_b.example", "a_b.example"),
        ] {
            assert_eq!(Host::parse(raw).unwrap().to_string(), canonical, "{raw}");
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for bad in [
            "",
            ".",
            "..",
            "a..b",
            "a b",
            "a/b",
            "a%2eb",
            "%6cocalhost",
            "[::1",
            "a:b",
            "user@host",
            "a\0b",
            "a..",
        ] {
            assert!(Host::parse(bad).is_err(), "{bad:?} must be refused");
        }
        assert!(Host::parse(&format!("{}.example", "x".repeat(64))).is_err());
        assert!(Host::parse(&"a.".repeat(200)).is_err());
    }

    #[test]
    fn authorities_split_into_host_and_port() {
        let read = |text: &str| parse_authority(text).map(|(host, port)| (host.to_string(), port));
        assert_eq!(read("a.b:443").unwrap(), ("a.b".into(), Some(443)));
        assert_eq!(read("a.b").unwrap(), ("a.b".into(), None));
        assert_eq!(read("[::1]:80").unwrap(), ("::1".into(), Some(80)));
        assert_eq!(read("[::1]").unwrap(), ("::1".into(), None));
        for bad in ["a.b:", "a.b:0", "a.b:65536", "a.b:+80", "a.b:8 0", "::1:80", "u@a.b:80", ":80", "a:b:80"]
        {
            assert!(read(bad).is_err(), "{bad} must be refused");
        }
    }

    #[test]
    fn wildcard_hosts_keep_two_literal_labels() {
        for good in ["*.a.b", "**.a.b", "x-*.a.b", "*.s3.*.amazonaws.com", "{a,b}*.example.com"] {
            assert!(parse_pattern(good).is_ok(), "{good}");
        }
        for bad in [
            "*",
            "**",
            "*.com",
            "a.*",
            "a.**.b.c",
            "a.x*.b.c",
            "*.a.*",
            "*..b.c",
            "*.a b.c",
            "{a,b}.example.com",
            "a?.example.com",
            "[::1]x",
            "*.0.0.1",
        ] {
            assert!(parse_pattern(bad).is_err(), "{bad} must be refused");
        }
        assert_eq!(parse_pattern("*.GitHub.COM").unwrap(), "*.github.com");
    }

    proptest! {
        #[test]
        fn canonical_is_a_fixed_point(text in "\\PC{0,20}") {
            if let Ok(host) = Host::parse(&text) {
                prop_assert_eq!(Host::parse(&host.to_string()).unwrap(), host);
            }
        }
    }
}
