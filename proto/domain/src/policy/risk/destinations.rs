//! Where to: link-local and metadata destinations, private addresses, wildcard hosts, ports.
//!
//! Destinations that can never be granted are looked for in the rule itself, because no request to them is in
//! any difference: they are the ones that refuse. A wildcard or range that only takes one in cannot open it
//! (the supervisor checks every address), but is a person's to approve.

use std::net::IpAddr;

use ipnet::IpNet;

use super::marks::{Mark, Marks};
use super::{Code, Scene};
use crate::policy::address::{
    CONTROL_PLANE_PORTS, Class, always_blocked, classify, overlaps_blocked, overlaps_private,
};
use crate::policy::authority::Item;
use crate::policy::host::Host;
use crate::policy::pattern::{Pattern, Separator, is_glob};
use crate::policy::{Endpoint, Rule};

/// Names under which clouds answer for a machine's identity: Google, AWS, Azure, Oracle, and bare forms of them.
const METADATA_NAMES: [&str; 7] = [
    "instance-data",
    "instance-data.ec2.internal",
    "metadata",
    "metadata.azure.com",
    "metadata.google.internal",
    "metadata.goog",
    "metadata.oraclecloud.com",
];

/// Addresses of the same services: AWS, Google and Azure; ECS and EKS; Azure's wire server; Alibaba; Oracle; AWS on
/// IPv6.
const METADATA_ADDRESSES: [&str; 7] = [
    "169.254.169.254",
    "169.254.170.2",
    "169.254.170.23",
    "168.63.129.16",
    "100.100.100.200",
    "192.0.0.192",
    "fd00:ec2::254",
];

/// Link-local ranges (RFC 3927, RFC 4291 §2.5.6), with the IPv4 one as it is embedded in IPv6.
const LINK_LOCAL: [&str; 3] = ["169.254.0.0/16", "fe80::/10", "::ffff:169.254.0.0/112"];

/// Ports of databases, caches and queues: OpenShell's seven, then Elasticsearch's nodes, MongoDB's shards, AMQP and
/// MQTT with TLS, Kafka, NATS, ZooKeeper, Cassandra, CouchDB, Neo4j, MS SQL, Oracle, Redis with TLS, ClickHouse.
const DATABASE_PORTS: [u16; 24] = [
    5432, 3306, 6379, 27017, 9200, 11211, 5672, 9300, 27018, 27019, 5671, 1883, 8883, 9092, 4222, 2181, 9042,
    5984, 7687, 1433, 1521, 6380, 9000, 33060,
];

/// The last port that a service may be registered for (RFC 6335 §6).
const LAST_REGISTERED_PORT: u16 = 49151;

pub(super) fn find(scene: &Scene<'_>, marks: &mut Marks) {
    for endpoint in &scene.rule.endpoints {
        never_granted(scene.rule, endpoint, marks);
    }
    for item in scene.items() {
        let here = || Mark::destination(&item.host, item.port);
        if item.host.is_empty() || is_glob(&item.host) {
            marks.add(Code::WildcardHost, here());
        }
        if is_private(item) {
            marks.add(Code::PrivateAddress, with_addresses(here(), &item.addresses));
        }
        if takes_in_metadata(&item.host, &item.addresses) {
            marks.add(Code::MetadataAddress, with_addresses(here(), &item.addresses));
        }
        if DATABASE_PORTS.contains(&item.port) || CONTROL_PLANE_PORTS.contains(&item.port) {
            marks.add(Code::DatabasePort, here());
        }
        if item.port > LAST_REGISTERED_PORT {
            marks.add(Code::EphemeralPort, here());
        }
    }
}

fn with_addresses(mark: Mark, addresses: &[IpNet]) -> Mark {
    match addresses {
        [] => mark,
        [first] => mark.with(&format!("at {first}")),
        [first, more @ ..] => mark.with(&format!("at {first} and {} more", more.len())),
    }
}

/// Adds what can never be granted, for every port and binary.
fn never_granted(rule: &Rule, endpoint: &Endpoint, marks: &mut Marks) {
    let host = Host::parse(&endpoint.host).ok().filter(|host| always_blocked(host).is_some());
    let blocked: Vec<&IpNet> = endpoint.allowed_ips.iter().filter(|net| overlaps_blocked(net)).collect();
    if host.is_none() && blocked.is_empty() {
        return;
    }
    let is_metadata = takes_in_metadata(&endpoint.host, &[]) || blocked.iter().any(|net| is_metadata(net));
    let literal = host.as_ref().and_then(Host::address).map(IpNet::from);
    let is_link_local = literal.iter().chain(blocked.iter().copied()).any(is_link_local)
        || (is_metadata && literal.is_none() && host.is_some());
    for port in &endpoint.ports {
        for binary in &rule.binaries {
            let mark = || Mark::place(&endpoint.host, *port, &binary.path);
            if is_link_local {
                marks.refuse(Code::LinkLocalReach, mark());
            }
            if is_metadata {
                marks.refuse(Code::MetadataAddress, mark());
            }
            if !is_link_local && !is_metadata {
                marks.refuse(Code::PrivateAddress, mark());
            }
        }
    }
}

fn is_link_local(network: &IpNet) -> bool {
    let overlaps = |range: IpNet| range.contains(network) || network.contains(&range);
    LINK_LOCAL.iter().filter_map(|text| text.parse().ok()).any(overlaps)
}

/// Whether the range is one metadata service or holds one.
fn is_metadata(network: &IpNet) -> bool {
    METADATA_ADDRESSES.iter().filter_map(|text| text.parse::<IpAddr>().ok()).any(|ip| network.contains(&ip))
}

fn takes_in_metadata(host: &str, addresses: &[IpNet]) -> bool {
    let is_named = !host.is_empty()
        && Pattern::compile(host, Separator::Dot).map_or(true, |pattern| {
            METADATA_NAMES.iter().chain(&METADATA_ADDRESSES).any(|name| pattern.matches(name))
        });
    is_named || addresses.iter().any(is_metadata)
}

/// OpenShell's `allowed_ips` note and its note on IP literals, and names that stand for the own network.
fn is_private(item: &Item) -> bool {
    let is_literal = Host::parse(&item.host)
        .ok()
        .and_then(|host| host.address())
        .is_some_and(|address| classify(address) != Class::Public);
    is_literal || item.addresses.iter().any(overlaps_private)
}
