//! Any text as a request target and as a host: refused, or one spelling that is judged, sent and read again as itself.

#![no_main]

use std::net::{IpAddr, Ipv4Addr};

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use openshell_domain::policy::address::{always_blocked, always_blocked_pattern, classify};
use openshell_domain::policy::host::{Host, parse_authority, parse_pattern};
use openshell_domain::policy::path::{MAX_TARGET, Target, canonical};

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    address: [u8; 4],
    port: u16,
    text: &'a str,
}

fuzz_target!(|input: Input<'_>| {
    target(input.text);
    host(input.text, input.port.max(1));
    authority(input.text);
    pattern(input.text);
    address(Ipv4Addr::from(input.address));
});

fn target(text: &str) {
    let [strict, lax] = [false, true].map(|allow_encoded_slash| canonical(text, allow_encoded_slash));
    if let Ok(target) = &strict {
        assert_eq!(lax.as_ref(), Ok(target), "the flag changes nothing but encoded slashes");
        assert!(!target.path.contains("%2F"));
        is_canonical(target, false);
    }
    if let Ok(target) = &lax {
        is_canonical(target, true);
    }
}

fn is_canonical(target: &Target, allow_encoded_slash: bool) {
    let sent = target.as_sent();
    assert!(sent.len() <= MAX_TARGET, "longer than what is read: {}", sent.len());
    assert_eq!(canonical(&sent, allow_encoded_slash).as_ref(), Ok(target), "sent is not judged: {sent}");
    let path = &target.path;
    assert!(path.starts_with('/') && !path.contains("//"), "{path}");
    let is_odd = |byte: u8| !(0x21..0x7f).contains(&byte) || b"\\#?;".contains(&byte);
    assert!(!path.bytes().any(is_odd), "{path}");
    assert!(!target.query.iter().any(|query| query.contains(|c: char| !c.is_ascii_graphic() || c == '#')));
    let decoded = decoded(path);
    assert!(!decoded.iter().any(|byte| byte.is_ascii_control() || *byte == b'\\'), "{path}");
    let segments = path.split('/').map(str::as_bytes).chain(decoded.split(|byte| *byte == b'/'));
    assert!(!segments.into_iter().any(|segment| segment == b"." || segment == b".."), "{path}");
}

fn decoded(path: &str) -> Vec<u8> {
    let mut parts = path.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2).expect("two digits");
        assert!(!digits.bytes().any(|byte| byte.is_ascii_lowercase()), "{path}");
        bytes.push(u8::from_str_radix(digits, 16).expect("hexadecimal"));
        bytes.extend_from_slice(rest.as_bytes());
    }
    bytes
}

fn host(text: &str, port: u16) {
    let Ok(host) = Host::parse(text) else { return };
    let written = host.to_string();
    let is_same = |spelling: &str| assert_eq!(Host::parse(spelling).as_ref(), Ok(&host), "{spelling:?}");
    is_same(&written);
    is_same(&written.to_ascii_uppercase());
    match host.address() {
        Some(IpAddr::V6(_)) => is_same(&format!("[{written}]")),
        _ => is_same(&format!("{written}.")),
    }
    if host.address().is_none() {
        let is_plain =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
        assert!(written.bytes().all(is_plain) && written.len() <= 253, "{written:?}");
        assert!(written.split('.').all(|label| (1..=63).contains(&label.len())), "{written:?}");
    }
    assert_eq!(parse_authority(&host.with_port(port)).as_ref(), Ok(&(host.clone(), Some(port))));
    assert_eq!(always_blocked_pattern(&written), always_blocked(&host), "{written}");
}

fn authority(text: &str) {
    let Ok((host, port)) = parse_authority(text) else { return };
    assert_ne!(port, Some(0));
    let written = host.with_port(port.unwrap_or(443));
    assert_eq!(parse_authority(&written), Ok((host, port.or(Some(443)))), "{written}");
}

fn pattern(text: &str) {
    let Ok(pattern) = parse_pattern(text) else { return };
    assert_eq!(parse_pattern(&pattern).as_ref(), Ok(&pattern));
    if let Ok(host) = Host::parse(text) {
        assert_eq!(pattern, host.to_string(), "a host is a pattern of itself");
    }
}

/// Every spelling of an IPv4 address is that address, and what embeds it is of its class.
fn address(address: Ipv4Addr) {
    let [a, b, c, d] = address.octets();
    let (whole, low, mid) = (u32::from(address), u16::from_be_bytes([c, d]), u32::from(address) & 0xff_ffff);
    let spellings = [
        format!("{address}."),
        format!("{whole}"),
        format!("{whole:#x}"),
        format!("0{whole:o}"),
        format!("{a}.{mid}"),
        format!("{a:#x}.{b}.{low}"),
        format!("0{a:o}.0{b:o}.{c:#X}.{d}"),
        format!("{address}").replace('.', "\u{3002}"),
    ];
    let wanted = Host::Address(IpAddr::V4(address));
    for spelling in &spellings {
        let host = Host::parse(spelling).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(host, wanted, "{spelling}");
        assert_eq!(always_blocked(&host), always_blocked(&wanted));
    }
    let class = classify(IpAddr::V4(address));
    for text in [format!("::ffff:{address}"), format!("[64:ff9b::{address}]")] {
        let embedding = Host::parse(&text).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(embedding.address().map(classify), Some(class), "{text}");
    }
}
