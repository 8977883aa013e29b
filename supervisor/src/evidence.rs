//! What was denied in this run, folded: the evidence for proposals.
//!
//! In memory only and never more than `KEPT` kinds; the one that was longest not seen goes first. Paths are
//! canonical and stand without their queries. It shows what the agent did and proves nothing in its favour.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use openshell_domain::policy::host::Host;
use openshell_domain::policy::pattern::{Pattern, Separator};
use openshell_domain::policy::risk::{MAX_EVIDENCE, MAX_METHOD, Seen};
use openshell_domain::policy::verdict::{self, Caller, CompiledPolicy, Connect, Request, RequestVerdict};
use openshell_domain::policy::{Policy, Rule};
use openshell_domain::proposal::body::AddRule;

use crate::denial::{Ask, Denial};

/// How many kinds of denials are kept.
const KEPT: usize = 500;

/// The denials of one run.
#[derive(Debug, Default)]
pub struct Evidence {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    kept: HashMap<Kind, Count>,
    /// How many were recorded: the time of this run's denials.
    recorded: u64,
}

/// What is one kind of denial.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Kind {
    binary: String,
    host: Host,
    port: u16,
    /// Method and path, where the request was read.
    request: Option<(String, String)>,
}

#[derive(Debug, Clone, Copy)]
struct Count {
    times: u64,
    last: u64,
}

impl Evidence {
    /// Counts a denial. One of nobody, or with a method that no rule can name, is evidence for nothing.
    pub fn record(&self, denial: &Denial) {
        let Some(binary) = denial.holder.as_ref().and_then(|holder| holder.caller.binary()) else { return };
        let request = match &denial.ask {
            Ask::Connect => None,
            Ask::Request { method, .. } if method.len() > MAX_METHOD => return,
            Ask::Request { method, path } => Some((method.clone(), path.clone())),
        };
        let (host, port) = (denial.host.clone(), denial.port);
        self.count(Kind { binary: binary.to_owned(), host, port, request });
    }

    fn count(&self, kind: Kind) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.recorded += 1;
        let now = inner.recorded;
        if let Some(count) = inner.kept.get_mut(&kind) {
            *count = Count { times: count.times + 1, last: now };
            return;
        }
        if inner.kept.len() >= KEPT {
            let oldest = inner.kept.iter().min_by_key(|(_, count)| count.last).map(|(kind, _)| kind.clone());
            oldest.and_then(|oldest| inner.kept.remove(&oldest));
        }
        inner.kept.insert(kind, Count { times: 1, last: now });
    }

    /// Everything that is kept, the latest first.
    #[must_use]
    pub fn latest(&self) -> Vec<Kept> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let mut kept: Vec<Kept> =
            inner.kept.iter().map(|(kind, count)| Kept { kind: kind.clone(), count: *count }).collect();
        drop(inner);
        kept.sort_unstable_by_key(|kept| std::cmp::Reverse(kept.count.last));
        kept
    }
}

/// A kind of denial and how often it was seen.
#[derive(Debug, Clone)]
pub struct Kept {
    kind: Kind,
    count: Count,
}

impl From<&Kept> for Seen {
    fn from(kept: &Kept) -> Self {
        let (method, path) = kept.kind.request.clone().unzip();
        Self {
            binary: kept.kind.binary.clone(),
            host: kept.kind.host.to_string(),
            port: kept.kind.port,
            method,
            path,
            count: kept.count.times,
        }
    }
}

/// What looks like an operation among `latest`: at most [`MAX_EVIDENCE`], first what the rule would allow, then what
/// was at the same host and port or from the same program to the same host; the latest first in both.
#[must_use]
pub fn of(add: &AddRule, latest: &[Kept]) -> Vec<Seen> {
    let asked = Asked::new(add);
    let (exact, like): (Vec<&Kept>, Vec<&Kept>) =
        latest.iter().filter(|kept| asked.is_like(&kept.kind)).partition(|kept| asked.allows(&kept.kind));
    exact.into_iter().chain(like).take(MAX_EVIDENCE).map(Seen::from).collect()
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

    fn is_like(&self, kind: &Kind) -> bool {
        let host = kind.host.to_string();
        let is_by = || self.binaries.iter().any(|pattern| pattern.matches(&kind.binary));
        self.rule.endpoints.iter().zip(&self.hosts).any(|(endpoint, pattern)| {
            let is_host =
                endpoint.host.is_empty() || pattern.as_ref().is_some_and(|pattern| pattern.matches(&host));
            is_host && (endpoint.ports.contains(&kind.port) || is_by())
        })
    }

    fn allows(&self, kind: &Kind) -> bool {
        let Some(judge) = &self.judge else { return false };
        let caller = Caller { chain: vec![kind.binary.clone()] };
        match (judge.connect(&caller, &kind.host, kind.port), &kind.request) {
            (Connect::Denied(_), _) => false,
            (Connect::Opaque(_), _) | (Connect::Inspected(_), None) => true,
            (Connect::Inspected(at), Some((method, path))) => {
                let request = Request { method, path, query: None };
                matches!(judge.request(&at, &request), RequestVerdict::Allowed(_))
            }
        }
    }
}

#[cfg(test)]
mod tests;
