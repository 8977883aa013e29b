//! Which denials look like an operation of an agent's proposal, and which are of what it is about.

use openshell_domain::mapper::Denied;
use openshell_domain::policy::pattern::{Pattern, Separator};
use openshell_domain::policy::risk::{MAX_EVIDENCE, Seen};
use openshell_domain::policy::verdict::{self, Caller, CompiledPolicy, Connect, Request, RequestVerdict};
use openshell_domain::policy::{Endpoint, Policy, Rule};
use openshell_domain::proposal::body::AddRule;

use super::{Kept, Kind};

/// What looks like an operation among `latest`: at most [`MAX_EVIDENCE`], first what the rule would allow, then what
/// was at the same host and port or from the same program to the same host; the latest first in both.
#[must_use]
pub fn of(add: &AddRule, latest: &[Kept]) -> Vec<Seen> {
    let asked = Asked::new(add);
    let (exact, like): (Vec<&Kept>, Vec<&Kept>) =
        latest.iter().filter(|kept| asked.is_like(&kept.kind)).partition(|kept| asked.allows(&kept.kind));
    exact.into_iter().chain(like).take(MAX_EVIDENCE).map(Seen::from).collect()
}

/// What was denied to the programs of an operation, at its hosts and ports; the latest first.
#[must_use]
pub fn concerning(add: &AddRule, latest: &[Kept]) -> Vec<Denied> {
    let asked = Asked::new(add);
    latest.iter().filter(|kept| asked.is_about(&kept.kind)).map(Denied::from).collect()
}

/// An operation, to be compared with many denials.
struct Asked<'a> {
    rule: &'a Rule,
    /// The hosts of its endpoints; `None` is any host.
    hosts: Vec<Option<Pattern>>,
    binaries: Vec<Pattern>,
    /// The rule as a policy of its own, where it is one.
    judge: Option<CompiledPolicy>,
}

impl<'a> Asked<'a> {
    fn new(add: &'a AddRule) -> Self {
        let rule = &add.rule;
        let compile = |text: &str, separator| Pattern::compile(text, separator).ok();
        let mut alone = Policy { version: 1, ..Policy::default() };
        alone.network_policies.insert(add.rule_name.clone(), rule.clone());
        Self {
            rule,
            hosts: rule.endpoints.iter().map(|at| compile(&at.host, Separator::Dot)).collect(),
            binaries: rule.binaries.iter().filter_map(|by| compile(&by.path, Separator::Slash)).collect(),
            judge: verdict::compile(&alone).ok(),
        }
    }

    /// Program, host and port are those of the operation.
    fn is_about(&self, kind: &Kind) -> bool {
        self.is_by(kind) && self.is_at(kind, |endpoint| endpoint.ports.contains(&kind.key.port))
    }

    fn is_like(&self, kind: &Kind) -> bool {
        let is_by = self.is_by(kind);
        self.is_at(kind, |endpoint| is_by || endpoint.ports.contains(&kind.key.port))
    }

    fn is_by(&self, kind: &Kind) -> bool {
        self.binaries.iter().any(|pattern| pattern.matches(&kind.key.binary))
    }

    /// Whether an endpoint for the host is `wanted`.
    fn is_at(&self, kind: &Kind, wanted: impl Fn(&Endpoint) -> bool) -> bool {
        let host = kind.key.host.to_string();
        let is_for = |endpoint: &Endpoint, pattern: &Option<Pattern>| {
            endpoint.host.is_empty() || pattern.as_ref().is_some_and(|pattern| pattern.matches(&host))
        };
        let mut hosts = self.rule.endpoints.iter().zip(&self.hosts);
        hosts.any(|(endpoint, pattern)| is_for(endpoint, pattern) && wanted(endpoint))
    }

    fn allows(&self, kind: &Kind) -> bool {
        let Some(judge) = &self.judge else { return false };
        let caller = Caller { chain: vec![kind.key.binary.clone()] };
        match (judge.connect(&caller, &kind.key.host, kind.key.port), &kind.request) {
            (Connect::Denied(_), _) => false,
            (Connect::Opaque(_), _) | (Connect::Inspected(_), None) => true,
            (Connect::Inspected(at), Some((method, path))) => {
                let request = Request { method, path, query: None };
                matches!(judge.request(&at, &request), RequestVerdict::Allowed(_))
            }
        }
    }
}
