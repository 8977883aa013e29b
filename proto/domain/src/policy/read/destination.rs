//! Where an endpoint leads to: its host, its ports, the addresses that it may resolve to.
//!
//! Refuses what can never be reached, so that nobody believes in a grant that is none.

use ipnet::IpNet;

use super::document::{Fields, Reader};
use crate::node::{Node, Value};
use crate::policy::address;
use crate::policy::host::{MAX_HOST, parse_pattern};
use crate::policy::pattern::Separator;

pub(super) fn host(reader: &mut Reader, fields: &mut Fields<'_>, endpoint: &Node) -> String {
    let may_be_empty = !reader.is_proposal() && lists_addresses(fields);
    let Some(node) = fields.take("host") else {
        if !may_be_empty {
            reader.problem(Some(endpoint), "host", "missing");
        }
        return String::new();
    };
    let Some(text) = reader.text(node, "host", MAX_HOST) else { return String::new() };
    if text.is_empty() {
        if !may_be_empty {
            let message = "\"\" is not a host name; only an endpoint with `allowed_ips` may have none";
            reader.problem(Some(node), "host", message);
        }
        return text;
    }
    if reader.is_proposal() && !crate::policy::pattern::is_simple(text.trim_matches(['[', ']'])) {
        reader.problem(Some(node), "host", &format!("{text:?} uses more than literals, `*` and `**`"));
        return String::new();
    }
    match parse_pattern(&text) {
        Ok(host) => {
            reader.pattern(Some(node), "host", &host, Separator::Dot);
            if let Some(reason) = address::always_blocked_pattern(&host) {
                reader.problem(Some(node), "host", &format!("{text:?} can never be granted: {reason}"));
            }
            host
        }
        Err(reason) => {
            reader.problem(Some(node), "host", &reason);
            String::new()
        }
    }
}

pub(super) fn ports(reader: &mut Reader, fields: &mut Fields<'_>, endpoint: &Node) -> Vec<u16> {
    let single = fields.take("port").and_then(|node| port(reader, node, "port"));
    let mut ports: Vec<u16> = match fields.take("ports") {
        Some(list) => {
            reader.list(list, "ports", |reader, node| port(reader, node, "")).into_iter().flatten().collect()
        }
        None => Vec::new(),
    };
    if let Some(port) = single {
        if ports.is_empty() {
            ports.push(port);
        } else if !ports.contains(&port) {
            reader.problem(
                fields.node_of("port"),
                "port",
                "`port` and `ports` say different things: write `ports` only",
            );
        }
    }
    if ports.is_empty() && fields.node_of("port").is_none() && fields.node_of("ports").is_none() {
        reader.problem(Some(endpoint), "port", "missing: write `port` or `ports`");
    } else if ports.is_empty() && single.is_none() && fields.node_of("port").is_none() {
        reader.problem(fields.node_of("ports"), "ports", "must name at least one port");
    }
    ports.sort_unstable();
    ports.dedup();
    ports
}

fn port(reader: &mut Reader, node: &Node, key: &str) -> Option<u16> {
    match &node.value {
        Value::Int(number) => {
            let port = u16::try_from(*number).ok().filter(|port| *port > 0);
            if port.is_none() {
                reader.problem(Some(node), key, &format!("{number} is not a port: 1 to 65535"));
            }
            port
        }
        Value::Text(_) => {
            reader.unexpected(node, key, "a port from 1 to 65535, as a plain number");
            None
        }
        _ => {
            reader.unexpected(node, key, "a port from 1 to 65535");
            None
        }
    }
}

/// Tells of ports that no address is reached at. A file may name them: OpenShell takes them for open to public addresses.
pub(super) fn check_open(reader: &mut Reader, fields: &Fields<'_>, endpoint: &Node, ports: &[u16]) {
    if lists_addresses(fields) {
        return;
    }
    for port in ports.iter().filter(|port| address::is_closed(**port, &[])) {
        let at = fields.node_of("ports").or(fields.node_of("port")).or(Some(endpoint));
        let message = format!(
            "{port} is a control-plane port, which stays closed without `allowed_ips`: list the addresses, or remove it"
        );
        if reader.is_proposal() {
            reader.problem(at, "ports", &message);
        } else {
            reader.warning(at, "ports", &message);
        }
    }
}

/// Whether `allowed_ips` holds something: an empty list is none, and then an empty host would be every host.
fn lists_addresses(fields: &Fields<'_>) -> bool {
    fields
        .node_of("allowed_ips")
        .is_some_and(|list| matches!(&list.value, Value::List(items) if !items.is_empty()))
}

/// One item of `allowed_ips`.
pub(super) fn network(reader: &mut Reader, node: &Node) -> Option<IpNet> {
    let text = reader.text(node, "", 64)?;
    let parsed =
        text.parse::<IpNet>().ok().or_else(|| text.parse::<std::net::IpAddr>().ok().map(IpNet::from));
    match parsed {
        None => {
            reader.problem(
                Some(node),
                "",
                &format!("{text:?} is not an address or a range such as 10.20.0.0/16"),
            );
            None
        }
        Some(network) if address::overlaps_blocked(&network) => {
            let message = format!(
                "{text} overlaps loopback, link-local, multicast, unspecified or metadata addresses, which can never be granted"
            );
            reader.problem(Some(node), "", &message);
            None
        }
        Some(network) => {
            let range = network.trunc();
            if range != network {
                reader.warning(Some(node), "", &format!("{text} means {range}"));
            }
            Some(range)
        }
    }
}
