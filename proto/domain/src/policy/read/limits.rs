//! How much one proposal may ask for: what a person can read, and what a screen can show without effort.

use super::document::Reader;
use crate::node::Node;
use crate::policy::{Binary, Endpoint};

/// The most endpoints, ports of an endpoint, rules of an endpoint and binaries.
const MAX_ENDPOINTS: usize = 16;
const MAX_PORTS: usize = 16;
const MAX_RULES: usize = 64;
const MAX_BINARIES: usize = 16;
/// The most text, in bytes, that its endpoint lines may have together: every port repeats every rule.
const MAX_SHOWN: usize = 32 * 1024;

/// Reports what is too much.
pub(super) fn check(reader: &mut Reader, node: &Node, endpoints: &[Endpoint], binaries: &[Binary]) {
    let mut limit = |key: &str, found: usize, most: usize| {
        if found > most {
            reader.problem(
                Some(node),
                key,
                &format!("{found} of them, at most {most} fit into one proposal: split it"),
            );
        }
    };
    limit("endpoints", endpoints.len(), MAX_ENDPOINTS);
    limit("binaries", binaries.len(), MAX_BINARIES);
    for endpoint in endpoints {
        limit("endpoints.ports", endpoint.ports.len(), MAX_PORTS);
        limit("endpoints.rules", endpoint.rules.len(), MAX_RULES);
    }
    let shown: usize = endpoints.iter().map(|endpoint| endpoint.ports.len() * line_length(endpoint)).sum();
    if shown > MAX_SHOWN {
        let message =
            format!("{shown} bytes of rules over all ports, a person can be shown {MAX_SHOWN}: split it");
        reader.problem(Some(node), "endpoints", &message);
    }
}

fn line_length(endpoint: &Endpoint) -> usize {
    let query = |rule: &crate::policy::AllowRule| -> usize {
        rule.allow
            .query
            .iter()
            .map(|(key, value)| 3 * (key.len() + value.globs().map(str::len).sum::<usize>()))
            .sum()
    };
    let rules: usize = endpoint.rules.iter().map(|rule| rule.allow.path.len() + query(rule) + 16).sum();
    endpoint.host.len() + endpoint.path.len() + rules + 20 * endpoint.allowed_ips.len() + 32
}
