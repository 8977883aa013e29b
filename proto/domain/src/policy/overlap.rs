//! Rules that may not stand together in one policy.
//!
//! Asks only whether two patterns *may* meet, and says yes on doubt (binaries are not compared at all: a chain
//! such as bash → curl is hit by rules that have no path in common): a refusal that names both rules costs a
//! person a minute, a `tls: skip` beside an inspected endpoint would open what the other rule denies.

use std::collections::BTreeSet;

use ipnet::IpNet;

use super::pattern::{Pattern, Separator, is_glob};
use super::{Endpoint, Policy, Tls};
use crate::id::RuleName;

/// Every conflict between two endpoints of a policy, in words.
#[must_use]
pub fn conflicts(policy: &Policy) -> Vec<String> {
    let skipped = endpoints(policy).filter(|(_, endpoint)| endpoint.tls == Tls::Skip);
    let listed = endpoints(policy).filter(|(_, endpoint)| !endpoint.allowed_ips.is_empty());
    skipped
        .flat_map(|skip| inspected_beside(policy, skip))
        .chain(listed.flat_map(|listed| otherwise_listed_beside(policy, listed)))
        .collect()
}

type Place<'p> = (&'p RuleName, &'p Endpoint);

fn endpoints(policy: &Policy) -> impl Iterator<Item = Place<'_>> {
    policy
        .network_policies
        .iter()
        .flat_map(|(name, rule)| rule.endpoints.iter().map(move |endpoint| (name, endpoint)))
}

fn inspected_beside<'p>(policy: &'p Policy, (name, skip): Place<'p>) -> impl Iterator<Item = String> + 'p {
    endpoints(policy)
        .filter(move |(_, other)| {
            other.is_l7() && may_share_destination(skip, other)
        })
        .map(move |(other_name, other)| {
            format!(
                "`tls: skip` in {name} for {:?} stands beside the inspected endpoint {:?} of {other_name} on the same port: one of them must go",
                skip.host, other.host
            )
        })
}

/// Two endpoints for one destination with different `allowed_ips`: OpenShell goes by the first of them, so the same
/// policy could allow more here.
fn otherwise_listed_beside<'p>(
    policy: &'p Policy,
    (name, listed): Place<'p>,
) -> impl Iterator<Item = String> + 'p {
    let networks =
        |endpoint: &Endpoint| -> BTreeSet<IpNet> { endpoint.allowed_ips.iter().copied().collect() };
    endpoints(policy)
        .filter(move |(_, other)| networks(other) != networks(listed) && may_share_destination(listed, other))
        .map(move |(other_name, other)| {
            format!(
                "{name} and {other_name} list different `allowed_ips` for {:?} and {:?} on the same port: list the same in both",
                listed.host, other.host
            )
        })
}

fn may_share_destination(a: &Endpoint, b: &Endpoint) -> bool {
    let hosts_meet = a.host.is_empty() || b.host.is_empty() || may_meet(&a.host, &b.host, Separator::Dot);
    hosts_meet && a.ports.iter().any(|port| b.ports.contains(port))
}

fn may_meet(a: &str, b: &str, separator: Separator) -> bool {
    let matches = |pattern: &str, text: &str| {
        Pattern::compile(pattern, separator).map_or(true, |pattern| pattern.matches(text))
    };
    match (is_glob(a), is_glob(b)) {
        (false, false) => a == b,
        (true, false) => matches(a, b),
        (false, true) => matches(b, a),
        (true, true) => true,
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::read::policy_from_yaml;

    fn load(skip_host: &str, skip_port: u16) -> Result<(), String> {
        let text = format!(
            "version: 1\nnetwork_policies:\n  raw: {{endpoints: [{{host: '{skip_host}', port: {skip_port}, tls: skip}}], binaries: [{{path: /usr/bin/git}}]}}\n  api: {{endpoints: [{{host: api.a.example, port: 443, protocol: rest, enforcement: enforce, access: full}}], binaries: [{{path: /usr/bin/curl}}]}}\n"
        );
        policy_from_yaml(&text).map(drop).map_err(|problems| problems.to_string())
    }

    #[test]
    fn a_skipped_tls_beside_an_inspected_endpoint_does_not_load() {
        assert!(load("api.a.example", 443).unwrap_err().contains("one of them must go"));
        assert!(load("*.a.example", 443).is_err());
        assert!(load("api.a.example", 8443).is_ok());
        assert!(load("other.example", 443).is_ok());
    }

    #[test]
    fn different_allowed_ips_for_one_destination_do_not_load() {
        let load = |second: &str| {
            let text = format!(
                "version: 1\nnetwork_policies:\n  a: {{endpoints: [{{host: db.example, port: 5432, allowed_ips: [10.0.0.0/8]}}], binaries: [{{path: /a}}]}}\n  b: {{endpoints: [{second}], binaries: [{{path: /b}}]}}\n"
            );
            policy_from_yaml(&text).map(drop).map_err(|problems| problems.to_string())
        };
        assert!(load("{host: db.example, port: 5432}").unwrap_err().contains("list different `allowed_ips`"));
        assert!(load("{host: '**.db.example', port: 5432}").is_ok());
        assert!(load("{host: db.example, port: 5432, allowed_ips: [10.0.0.0/8]}").is_ok());
        assert!(load("{host: db.example, port: 5433}").is_ok());
    }
}
