//! How much one proposal may ask for: what a person can read, and what a screen can show without effort.

use super::document::Reader;
use crate::node::Node;
use crate::policy::render::endpoint_line;
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
    let line = |endpoint| endpoint_line(endpoint, u16::MAX).len();
    let shown: usize = endpoints.iter().map(|endpoint| endpoint.ports.len() * line(endpoint)).sum();
    if shown > MAX_SHOWN {
        let message =
            format!("{shown} bytes of rules over all ports, a person can be shown {MAX_SHOWN}: split it");
        reader.problem(Some(node), "endpoints", &message);
    }
}

#[cfg(test)]
mod tests {
    use crate::node::from_yaml;
    use crate::policy::read::{Source, rule_from_node};

    #[test]
    fn long_addresses_count_as_they_are_shown() {
        let rule = |count: usize| {
            let list: Vec<String> = (0..count)
                .map(|n| format!("'2606:4700:1111:2222:3333:4444:5555:{:x}'", 0x1000 + n))
                .collect();
            let ports: Vec<String> = (10_000..10_016).map(|port| port.to_string()).collect();
            let (ports, list) = (ports.join(", "), list.join(", "));
            let text = format!(
                "{{endpoints: [{{host: a.b, ports: [{ports}], allowed_ips: [{list}]}}], binaries: [{{path: /a}}]}}"
            );
            rule_from_node(&from_yaml(&text).unwrap(), Source::Proposal, "rule")
        };
        assert!(rule(45).is_ok());
        assert!(rule(60).unwrap_err().to_string().contains("a person can be shown 32768"));
    }
}
