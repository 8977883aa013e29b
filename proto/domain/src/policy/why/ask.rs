//! Whether asking could help: the least rule that would, tried out on the matcher.
//!
//! What is offered is a rule that the door for proposals reads, that composes with the policy in force, and that
//! makes the request pass. Nothing is concluded from the kind of the denial.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;

use super::Question;
use super::judge::{Judged, judge};
use crate::id::RuleName;
use crate::node::from_json;
use crate::policy::address::is_closed;
use crate::policy::pattern::is_glob;
use crate::policy::read::{Source, rule_from_node};
use crate::policy::verdict::{Request, compile};
use crate::policy::{
    AllowRule, Binary, Endpoint, Enforcement, Policy, Protocol, RequestPattern, Rule, Tls, effective,
};

/// The least rule that would let it pass, if any would: inspected rather than not, public addresses rather than
/// others.
pub(super) fn find(policy: &Policy, question: &Question<'_>) -> Option<Rule> {
    least(policy, question, &networks(policy, question))
}

/// Whether a rule would let it pass that lists the addresses of the host, which nobody has looked up.
pub(super) fn wants_addresses(policy: &Policy, question: &Question<'_>) -> bool {
    let is_unknown = question.addresses.is_none() && question.host.address().is_none();
    is_unknown
        && is_closed(question.port, &[])
        && least(policy, question, &[vec![IpNet::from(ANY_PUBLIC)]]).is_some()
}

/// What is listed to see whether a list would help.
const ANY_PUBLIC: IpAddr = IpAddr::V4(Ipv4Addr::new(93, 184, 215, 14));

fn least(policy: &Policy, question: &Question<'_>, networks: &[Vec<IpNet>]) -> Option<Rule> {
    let binary = question.caller.binary().filter(|path| !is_glob(path))?;
    let inspected = question.traffic.request().map(|request| inspected(question, &request));
    let layers = inspected.into_iter().chain([unread(question)]);
    let endpoints = layers.flat_map(|layer| {
        networks.iter().map(move |list| Endpoint { allowed_ips: list.clone(), ..layer.clone() })
    });
    let rules = endpoints.map(|endpoint| Rule {
        name: None,
        endpoints: vec![endpoint],
        binaries: vec![Binary { path: binary.to_owned() }],
    });
    rules.filter_map(as_proposed).find(|rule| helps(policy, rule, question))
}

fn unread(question: &Question<'_>) -> Endpoint {
    Endpoint {
        host: question.host.to_string(),
        ports: vec![question.port],
        path: String::new(),
        protocol: Protocol::L4,
        tls: Tls::Auto,
        enforcement: None,
        access: None,
        rules: Vec::new(),
        deny_rules: Vec::new(),
        allowed_ips: Vec::new(),
        allow_encoded_slash: false,
    }
}

fn inspected(question: &Question<'_>, request: &Request<'_>) -> Endpoint {
    // A proposal writes literals, `*` and `**`: a segment that is neither can only be asked for as `*`.
    let literal = |segment| if is_glob(segment) { "*" } else { segment };
    let path: Vec<&str> = request.path.split('/').map(literal).collect();
    let allow = RequestPattern {
        method: request.method.to_ascii_uppercase(),
        path: path.join("/"),
        query: BTreeMap::new(),
    };
    Endpoint {
        protocol: Protocol::Rest,
        enforcement: Some(Enforcement::Enforce),
        rules: vec![AllowRule { allow }],
        allow_encoded_slash: request.path.contains("%2F"),
        ..unread(question)
    }
}

/// The address lists to try: every public address, those of rules that may be about the same host, and the
/// addresses themselves.
fn networks(policy: &Policy, question: &Question<'_>) -> Vec<Vec<IpNet>> {
    let mut lists = vec![Vec::new()];
    let endpoints = policy.network_policies.values().flat_map(|rule| &rule.endpoints);
    let here = endpoints.filter(|endpoint| endpoint.ports.contains(&question.port));
    let literal = question.host.address();
    let known: Vec<IpAddr> = question.addresses.map_or_else(|| literal.into_iter().collect(), <[_]>::to_vec);
    let exact = known.into_iter().map(IpNet::from).collect();
    for list in here.map(|endpoint| endpoint.allowed_ips.clone()).chain([exact]) {
        if !lists.contains(&list) {
            lists.push(list);
        }
    }
    lists
}

/// The rule as the door for proposals reads it.
fn as_proposed(rule: Rule) -> Option<Rule> {
    let json = serde_json::to_vec(&rule).ok()?;
    rule_from_node(&from_json(&json).ok()?, Source::Proposal, "rule").ok()
}

fn helps(policy: &Policy, rule: &Rule, question: &Question<'_>) -> bool {
    let mut wider = policy.clone();
    let mut names = (0..=policy.network_policies.len()).filter_map(|n| format!("ask-{n}").parse().ok());
    let free = names.find(|name: &RuleName| !policy.network_policies.contains_key(name));
    wider.network_policies.extend(free.map(|name| (name, rule.clone())));
    effective::check(&wider, |_| None).is_ok()
        && compile(&wider).is_ok_and(|compiled| matches!(judge(&compiled, question), Judged::Allowed(_)))
}
