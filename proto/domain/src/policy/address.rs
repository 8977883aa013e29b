//! Which addresses a name may resolve to.
//!
//! Owns the list of destinations that no rule can open (this machine, this link, metadata services) and the
//! line between public and everything else. Addresses that embed an IPv4 address are judged by it as well, so
//! that `::ffff:127.0.0.1` or a NAT64 form of it is loopback too.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::host::Host;
use super::pattern::is_glob;

/// What kind of destination an address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Reachable by any rule that names the host.
    Public,
    /// Reachable only where `allowed_ips` holds it.
    Private,
    /// Never reachable.
    Blocked,
}

/// Ports of cluster control planes (etcd, the API server, kubelets). See [`is_closed`].
pub const CONTROL_PLANE_PORTS: [u16; 5] = [2379, 2380, 6443, 10250, 10255];

/// Whether `port` is closed to an endpoint that names it and lists these addresses. A control plane is reached where
/// somebody wrote down both the port and the addresses, and by no name alone: who answers to a name may change.
#[must_use]
pub fn is_closed(port: u16, listed: &[IpNet]) -> bool {
    listed.is_empty() && CONTROL_PLANE_PORTS.contains(&port)
}

/// The class of `address`: the worst of its own and those of the IPv4 addresses that it embeds.
#[must_use]
pub fn classify(address: IpAddr) -> Class {
    match address {
        IpAddr::V4(v4) => classify_v4(v4),
        IpAddr::V6(v6) => {
            embedded_v4(v6).map(classify_v4).into_iter().fold(classify_v6(v6), |worst, class| {
                match (worst, class) {
                    (Class::Blocked, _) | (_, Class::Blocked) => Class::Blocked,
                    (Class::Private, _) | (_, Class::Private) => Class::Private,
                    _ => Class::Public,
                }
            })
        }
    }
}

/// Why a host can never be a destination, whatever a rule says; `None` for every other host.
#[must_use]
pub fn always_blocked(host: &Host) -> Option<&'static str> {
    match host {
        Host::Address(address) if classify(*address) == Class::Blocked => Some(
            "loopback, link-local, unspecified, multicast, broadcast and metadata addresses are never reachable",
        ),
        Host::Name(name) if name == "localhost" || name.ends_with(".localhost") => {
            Some("this machine itself is never reachable")
        }
        Host::Name(name) if matches!(name.as_str(), "metadata.google.internal" | "metadata.goog") => {
            Some("metadata services are never reachable")
        }
        Host::Name(name) if name == "policy.local" => {
            Some("policy.local is answered by the supervisor itself")
        }
        _ => None,
    }
}

/// Like [`always_blocked`] for the host of an endpoint, which may be a pattern: blocked where everything that it
/// matches lies below a name that is blocked.
#[must_use]
pub fn always_blocked_pattern(pattern: &str) -> Option<&'static str> {
    if !is_glob(pattern) {
        return always_blocked(&Host::parse(pattern).ok()?);
    }
    let labels: Vec<&str> = pattern.split('.').collect();
    (1..labels.len())
        .filter_map(|first| labels.get(first..))
        .filter(|tail| !tail.iter().any(|label| is_glob(label)))
        .find_map(|tail| always_blocked(&Host::Name(tail.join("."))))
}

/// The names that are never reachable, as host patterns.
pub const BLOCKED_NAMES: [&str; 5] =
    ["localhost", "**.localhost", "metadata.google.internal", "metadata.goog", "policy.local"];

/// Whether `network` holds an address that is never reachable: such a range may not stand in `allowed_ips`.
#[must_use]
pub fn overlaps_blocked(network: &IpNet) -> bool {
    BLOCKED.iter().any(|(head, bits)| overlap(network, *head, *bits))
        || classify(network.addr()) == Class::Blocked
}

/// Whether `network` holds an address that is not public. Says yes on doubt: to ranges of addresses that embed IPv4
/// ones, such as NAT64.
#[must_use]
pub fn overlaps_private(network: &IpNet) -> bool {
    let is_public = |address| classify(address) == Class::Public;
    let embeds = network.prefix_len() < network.max_prefix_len()
        && EMBEDDING.iter().any(|(head, bits)| overlap(network, *head, *bits));
    embeds
        || !is_public(network.addr())
        || !is_public(network.broadcast())
        || PRIVATE_HEADS.iter().any(|head| network.contains(head))
}

fn overlap(network: &IpNet, head: IpAddr, bits: u8) -> bool {
    IpNet::new(head, bits).is_ok_and(|range| range.contains(network) || network.contains(&range))
}

/// The first addresses of private ranges that lie between public ones.
const PRIVATE_HEADS: [IpAddr; 13] = [
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, 0)),
    IpAddr::V4(Ipv4Addr::new(100, 64, 0, 0)),
    IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)),
    IpAddr::V4(Ipv4Addr::new(172, 16, 0, 0)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 0)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, 0)),
    IpAddr::V4(Ipv4Addr::new(192, 88, 99, 0)),
    IpAddr::V4(Ipv4Addr::new(192, 168, 0, 0)),
    IpAddr::V4(Ipv4Addr::new(198, 18, 0, 0)),
    IpAddr::V4(Ipv4Addr::new(198, 51, 100, 0)),
    IpAddr::V4(Ipv4Addr::new(203, 0, 113, 0)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0)),
    IpAddr::V6(Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0)),
];

/// Ranges of addresses that embed IPv4 addresses, as network and prefix length: NAT64, Teredo, 6to4.
const EMBEDDING: [(IpAddr, u8); 3] = [
    (IpAddr::V6(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0)), 32),
    (IpAddr::V6(Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0)), 32),
    (IpAddr::V6(Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0)), 16),
];

/// The ranges of [`Class::Blocked`] as network and prefix length, without single metadata addresses: a private
/// range around one of those may be allowed, the address itself stays blocked.
const BLOCKED: [(IpAddr, u8); 10] = [
    (IpAddr::V4(Ipv4Addr::new(0, 0, 0, 0)), 8),
    (IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), 8),
    (IpAddr::V4(Ipv4Addr::new(169, 254, 0, 0)), 16),
    (IpAddr::V4(Ipv4Addr::new(224, 0, 0, 0)), 3),
    (IpAddr::V6(Ipv6Addr::UNSPECIFIED), 96),
    (IpAddr::V6(Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0x7f00, 0)), 104),
    (IpAddr::V6(Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0xa9fe, 0)), 112),
    (IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0)), 10),
    (IpAddr::V6(Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0)), 10),
    (IpAddr::V6(Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0)), 8),
];

/// The addresses (v4, v6) of cloud metadata services outside link-local.
const METADATA_V4: [Ipv4Addr; 2] = [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(168, 63, 129, 16)];
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

fn classify_v4(address: Ipv4Addr) -> Class {
    let [a, b, c, _] = address.octets();
    let blocked = a == 0 || a == 127 || (a == 169 && b == 254) || a >= 224 || METADATA_V4.contains(&address);
    if blocked {
        return Class::Blocked;
    }
    let private = address.is_private()
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && (c == 0 || c == 2))
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (18..20).contains(&b))
        || (a == 198 && b == 51 && c == 100)
        || (a == 203 && b == 0 && c == 113);
    if private { Class::Private } else { Class::Public }
}

fn classify_v6(address: Ipv6Addr) -> Class {
    let head = address.segments()[0];
    let blocked = address.is_unspecified()
        || address.is_loopback()
        || address.is_multicast()
        || (head & 0xffc0) == 0xfe80
        || (head & 0xffc0) == 0xfec0
        || address == METADATA_V6;
    if blocked {
        return Class::Blocked;
    }
    // Global unicast is 2000::/3 and nothing else; documentation and benchmarking ranges inside it are not.
    let documentation = (head == 0x2001 && address.segments()[1] == 0xdb8) || head == 0x3fff;
    let translated = embedded_v4(address).is_some();
    if translated || ((head & 0xe000) == 0x2000 && !documentation) { Class::Public } else { Class::Private }
}

/// The IPv4 address inside a v4-mapped, v4-compatible, NAT64, 6to4 or Teredo address.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let octets = address.octets();
    let tail = Ipv4Addr::new(octets[12], octets[13], octets[14], octets[15]);
    match address.segments() {
        [0, 0, 0, 0, 0, 0 | 0xffff, ..] if !address.is_loopback() && !address.is_unspecified() => Some(tail),
        [0, 0, 0, 0, 0xffff, 0, ..] | [0x64, 0xff9b, ..] => Some(tail),
        [0x2002, ..] => Some(Ipv4Addr::new(octets[2], octets[3], octets[4], octets[5])),
        [0x2001, 0, ..] => Some(Ipv4Addr::new(!octets[12], !octets[13], !octets[14], !octets[15])),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_below_a_blocked_name_is_blocked() {
        for blocked in
            ["*.x.localhost", "**.metadata.google.internal", "x-*.policy.local", "*.a.metadata.goog"]
        {
            assert!(always_blocked_pattern(blocked).is_some(), "{blocked}");
        }
        for open in
            ["*.google.internal", "*.localhost.example", "policy.local.example", "*.policy-local.example"]
        {
            assert!(always_blocked_pattern(open).is_none(), "{open}");
        }
    }

    fn class(text: &str) -> Class {
        classify(text.parse().unwrap())
    }

    /// Kills: an address that counts as public because it is written in a form, or embedded in a range, that nobody
    /// thought of (NAT64, 6to4, Teredo, v4-compatible, multicast, 240/4, 0/8, fec0::/10, the metadata of IPv6).
    #[test]
    fn w32_what_is_this_machine_or_this_link_is_blocked_in_every_form() {
        for text in [
            "127.0.0.1",
            "127.255.1.2",
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "100.100.100.200",
            "168.63.129.16",
            "::",
            "::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "fd00:ec2::254",
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::7f00:1",
            "64:ff9b:1::a9fe:a9fe",
            "2002:7f00:1::",
            "2001:0:1:2:3:4:80ff:fffe",
        ] {
            assert_eq!(class(text), Class::Blocked, "{text}");
        }
    }

    #[test]
    fn private_ranges_are_not_public() {
        for text in [
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "192.0.2.1",
            "198.18.0.1",
            "203.0.113.9",
            "fc00::1",
            "2001:db8::1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "4000::1",
        ] {
            assert_eq!(class(text), Class::Private, "{text}");
        }
        for text in ["8.8.8.8", "140.82.121.6", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"] {
            assert_eq!(class(text), Class::Public, "{text}");
        }
    }

    #[test]
    fn ranges_that_hold_a_private_address_are_not_public() {
        let overlaps = |text: &str| overlaps_private(&text.parse().unwrap());
        for text in ["10.1.0.0/16", "8.0.0.0/6", "192.168.1.1/32", "0.0.0.0/0", "172.0.0.0/8", "203.0.0.0/16"]
        {
            assert!(overlaps(text), "{text}");
        }
        for text in ["fd00::/8", "2001::/16", "2001:db8:1::/48", "2002::/17", "64:ff9b::/96", "::/0"] {
            assert!(overlaps(text), "{text}");
        }
        for text in
            ["8.8.8.0/24", "140.82.112.0/20", "2606:4700::/32", "2001:4860::/32", "2002:808:808::/128"]
        {
            assert!(!overlaps(text), "{text}");
        }
    }

    #[test]
    fn names_of_this_machine_and_of_metadata_are_blocked() {
        for text in
            ["localhost", "LOCALHOST.", "x.localhost", "metadata.google.internal.", "127.1", "policy.local"]
        {
            assert!(always_blocked(&Host::parse(text).unwrap()).is_some(), "{text}");
        }
        assert!(always_blocked(&Host::parse("api.github.com").unwrap()).is_none());
    }
}
