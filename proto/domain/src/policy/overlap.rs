//! Rules that may not stand together in one policy.
//!
//! Asks only whether two patterns *may* meet, and says yes on doubt (binaries are not compared at all: a chain
//! such as bash → curl is hit by rules that have no path in common): a refusal that names both rules costs a
//! person a minute, a `tls: skip` beside an inspected endpoint would open what the other rule denies.

use std::collections::BTreeSet;
use std::fmt;

use ipnet::IpNet;

use super::pattern::{Pattern, Separator, is_glob};
use super::{Endpoint, Policy, Tls};
use crate::id::RuleName;

/// Two endpoints that may not stand together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The rule of the endpoint that makes the trouble.
    pub rule: RuleName,
    /// The rule that it may not stand beside.
    pub other: RuleName,
    /// Its place in `endpoints`, from 0.
    pub endpoint: usize,
    /// The key of that endpoint which would have to change.
    pub key: &'static str,
    message: String,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// The most conflicts that are told: a policy with more of them has one cause.
const MOST: usize = 100;

/// The conflicts between two endpoints of a policy, at most 100 of them.
#[must_use]
pub fn conflicts(policy: &Policy) -> Vec<Conflict> {
    let sites: Vec<Site<'_>> = sites(policy).collect();
    let skipped = sites.iter().filter(|site| site.endpoint.tls == Tls::Skip);
    let listed = sites.iter().filter(|site| !site.endpoint.allowed_ips.is_empty());
    skipped
        .flat_map(|skip| inspected_beside(&sites, skip))
        .chain(listed.flat_map(|listed| otherwise_listed_beside(&sites, listed)))
        .take(MOST)
        .collect()
}

/// One endpoint, where it stands, and its host as it is compared.
struct Site<'p> {
    name: &'p RuleName,
    index: usize,
    endpoint: &'p Endpoint,
    /// `None` where the host does not compile: it may meet anything.
    pattern: Option<Pattern>,
    is_glob: bool,
    networks: BTreeSet<IpNet>,
}

impl Site<'_> {
    fn conflict(&self, other: &Self, key: &'static str, message: String) -> Conflict {
        Conflict { rule: self.name.clone(), other: other.name.clone(), endpoint: self.index, key, message }
    }
}

fn sites(policy: &Policy) -> impl Iterator<Item = Site<'_>> {
    policy.network_policies.iter().flat_map(|(name, rule)| {
        rule.endpoints.iter().enumerate().map(move |(index, endpoint)| Site {
            name,
            index,
            endpoint,
            pattern: Pattern::compile(&endpoint.host, Separator::Dot).ok(),
            is_glob: is_glob(&endpoint.host),
            networks: endpoint.allowed_ips.iter().copied().collect(),
        })
    })
}

fn inspected_beside<'s>(sites: &'s [Site<'s>], skip: &'s Site<'s>) -> impl Iterator<Item = Conflict> + 's {
    sites
        .iter()
        .filter(move |other| other.endpoint.is_l7() && may_share_destination(skip, other))
        .map(move |other| {
            let message = format!(
                "`tls: skip` in {} for {:?} stands beside the inspected endpoint {:?} of {} on the same port: one of them must go",
                skip.name, skip.endpoint.host, other.endpoint.host, other.name
            );
            skip.conflict(other, "tls", message)
        })
}

/// Two endpoints for one destination with different `allowed_ips`: OpenShell goes by the first of them, so the same
/// policy could allow more here. Where both list some, the later one is told.
fn otherwise_listed_beside<'s>(
    sites: &'s [Site<'s>],
    listed: &'s Site<'s>,
) -> impl Iterator<Item = Conflict> + 's {
    let is_told_there = |other: &Site<'_>| {
        !other.networks.is_empty() && (other.name, other.index) > (listed.name, listed.index)
    };
    sites
        .iter()
        .filter(move |other| {
            other.networks != listed.networks && !is_told_there(other) && may_share_destination(listed, other)
        })
        .map(move |other| {
            let message = format!(
                "{} and {} list different `allowed_ips` for {:?} and {:?} on the same port: list the same in both",
                listed.name, other.name, listed.endpoint.host, other.endpoint.host
            );
            listed.conflict(other, "allowed_ips", message)
        })
}

fn may_share_destination(a: &Site<'_>, b: &Site<'_>) -> bool {
    a.endpoint.ports.iter().any(|port| b.endpoint.ports.contains(port)) && hosts_may_meet(a, b)
}

fn hosts_may_meet(a: &Site<'_>, b: &Site<'_>) -> bool {
    let (a_host, b_host) = (&a.endpoint.host, &b.endpoint.host);
    if a_host.is_empty() || b_host.is_empty() {
        return true;
    }
    let matches = |site: &Site<'_>, text: &str| site.pattern.as_ref().is_none_or(|p| p.matches(text));
    match (a.is_glob, b.is_glob) {
        (false, false) => a_host == b_host,
        (true, false) => matches(a, b_host),
        (false, true) => matches(b, a_host),
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
