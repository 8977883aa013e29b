//! One request against the endpoints behind the gates that its connection met: `domain.md` §3, step 3.
//!
//! Denies are looked for first, over every inspected endpoint; then allows; only what neither settles walks the
//! endpoints one by one, to tell an audited request from a denied one and to name the rule.

use super::compile::{CompiledPolicy, Gate, PatternId, Patterns, RequestRef};
use super::query::Query;
use super::{EndpointRef, Endpoints, Inspected, Request, RequestDenial, RequestVerdict};
use crate::policy::Enforcement;

/// A request pattern, compiled.
#[derive(Debug)]
pub(super) struct CompiledRequest {
    pub(super) method: Method,
    pub(super) path: PatternId,
    pub(super) query: Vec<Clause>,
    /// Written out in a rule, and not part of an `access` preset.
    pub(super) is_explicit: bool,
}

/// What the values of one query key must be: any of these.
#[derive(Debug)]
pub(super) struct Clause {
    pub(super) key: String,
    pub(super) globs: Vec<PatternId>,
}

#[derive(Debug)]
pub(super) enum Method {
    Any,
    /// `GET` stands for `HEAD` too, for allow and for deny.
    Get,
    Named(String),
}

impl Method {
    pub(super) fn new(text: &str) -> Self {
        match text {
            "*" => Self::Any,
            "GET" => Self::Get,
            other => Self::Named(other.to_owned()),
        }
    }

    fn is_of(&self, method: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Get => method.eq_ignore_ascii_case("GET") || method.eq_ignore_ascii_case("HEAD"),
            Self::Named(name) => name.eq_ignore_ascii_case(method),
        }
    }
}

impl CompiledRequest {
    pub(super) fn reads_queries(&self) -> bool {
        !self.query.is_empty()
    }

    fn is_about(&self, patterns: &Patterns, request: &Request<'_>) -> bool {
        self.method.is_of(request.method) && patterns.matches(self.path, request.path)
    }

    /// Every listed key is there, and all of its values match.
    fn allows(&self, patterns: &Patterns, request: &Request<'_>, query: &Query<'_>) -> bool {
        self.is_about(patterns, request)
            && self.query.iter().all(|clause| {
                let mut values = query.values(&clause.key).peekable();
                values.peek().is_some() && values.all(|value| clause.holds_for(patterns, value))
            })
    }

    /// Every listed key is there, and some of its values match.
    fn denies(&self, patterns: &Patterns, request: &Request<'_>, query: &Query<'_>) -> bool {
        self.is_about(patterns, request)
            && self
                .query
                .iter()
                .all(|clause| query.values(&clause.key).any(|value| clause.holds_for(patterns, value)))
    }
}

impl Clause {
    fn holds_for(&self, patterns: &Patterns, value: &str) -> bool {
        self.globs.iter().any(|glob| patterns.matches(*glob, value))
    }
}

/// A request before the gates that a connection met.
pub(super) struct Case<'a> {
    policy: &'a CompiledPolicy,
    inspected: &'a Inspected,
    request: &'a Request<'a>,
    has_encoded_slash: bool,
}

impl<'a> Case<'a> {
    pub(super) fn new(
        policy: &'a CompiledPolicy,
        inspected: &'a Inspected,
        request: &'a Request<'a>,
    ) -> Self {
        Self { policy, inspected, request, has_encoded_slash: request.path.contains("%2F") }
    }

    pub(super) fn verdict(&self) -> RequestVerdict {
        self.verdict_by(|_| true)
    }

    /// The verdict on a request that becomes a WebSocket: only the allow rules count that are written out.
    pub(super) fn upgrade_verdict(&self) -> RequestVerdict {
        if self.request.method.eq_ignore_ascii_case("GET")
            && let allowed @ RequestVerdict::Allowed(_) = self.verdict_by(|pattern| pattern.is_explicit)
        {
            return allowed;
        }
        match self.verdict() {
            RequestVerdict::Allowed(at) | RequestVerdict::Audited(at) => {
                let first = at.first().map(|at| self.rule(*at)).unwrap_or_default();
                RequestVerdict::Denied(RequestDenial::NotWritten(first))
            }
            denied @ RequestVerdict::Denied(_) => denied,
        }
    }

    fn verdict_by(&self, counts: impl Fn(&CompiledRequest) -> bool) -> RequestVerdict {
        let reads_queries = self.gates().filter_map(|gate| gate.reads_queries).min();
        let query = match reads_queries {
            None => Query::default(),
            Some(at) => match Query::read(self.request.query) {
                Some(query) => query,
                None if self.endpoints().any(|at| self.is_about(at)) => {
                    return RequestVerdict::Denied(RequestDenial::UnclearQuery(self.rule(at)));
                }
                None => return self.no_path(),
            },
        };
        let denying = self.denying(&query);
        let allowing = if denying.is_none() { self.allowing(&query, counts) } else { Endpoints::new() };
        if allowing.is_empty() { self.unallowed(denying) } else { RequestVerdict::Allowed(allowing) }
    }

    /// The endpoints about the path, where every one of them only audits.
    pub(super) fn audited(&self) -> Option<Endpoints> {
        if self.enforcing().is_some() {
            return None;
        }
        let mut about = Endpoints::new();
        self.endpoints().filter(|at| self.is_about(*at)).for_each(|at| self.policy.keep(&mut about, at));
        (!about.is_empty()).then_some(about)
    }

    fn unallowed(&self, denying: Option<EndpointRef>) -> RequestVerdict {
        RequestVerdict::Denied(match (self.enforcing(), denying) {
            (Some(_), Some(at)) => RequestDenial::DenyRule(self.rule(at)),
            (Some(at), None) => RequestDenial::NotAllowed(self.rule(at)),
            (None, _) => return self.audited().map_or_else(|| self.no_path(), RequestVerdict::Audited),
        })
    }

    fn no_path(&self) -> RequestVerdict {
        let first = self.gates().filter_map(|gate| gate.inspected.first()).min();
        RequestVerdict::Denied(RequestDenial::NoPath(first.map(|at| self.rule(*at)).unwrap_or_default()))
    }

    fn gates(&self) -> impl Iterator<Item = &'a Gate> {
        let policy = self.policy;
        self.inspected.0.iter().filter_map(|gate| policy.gates.get(*gate))
    }

    fn endpoints(&self) -> impl Iterator<Item = EndpointRef> {
        self.gates().flat_map(|gate| gate.inspected.iter().copied())
    }

    fn rule(&self, at: EndpointRef) -> String {
        self.policy.rule_name(at).to_owned()
    }

    fn is_about(&self, at: EndpointRef) -> bool {
        let patterns = &self.policy.patterns;
        self.policy.endpoint(at).is_some_and(|endpoint| {
            (endpoint.allow_encoded_slash || !self.has_encoded_slash)
                && endpoint.path.is_none_or(|path| patterns.matches(path, self.request.path))
        })
    }

    /// The first endpoint about the path that enforces.
    fn enforcing(&self) -> Option<EndpointRef> {
        let enforces = |at: &EndpointRef| {
            self.policy.endpoint(*at).is_some_and(|e| e.enforcement == Enforcement::Enforce)
                && self.is_about(*at)
        };
        self.gates().filter_map(|gate| gate.inspected.iter().copied().find(enforces)).min()
    }

    /// The endpoints about the path with an allow rule that counts and matches.
    fn allowing(&self, query: &Query<'_>, counts: impl Fn(&CompiledRequest) -> bool) -> Endpoints {
        let Self { policy, request, .. } = *self;
        let mut allowing = Endpoints::new();
        for gate in self.gates() {
            gate.allows.search(request.path.split('/'), |RequestRef { endpoint: at, number }| {
                let pattern = policy.endpoint(at).and_then(|endpoint| endpoint.allows.get(number));
                if pattern.is_some_and(|pattern| {
                    counts(pattern) && pattern.allows(&policy.patterns, request, query)
                }) && self.is_about(at)
                {
                    policy.keep(&mut allowing, at);
                }
            });
        }
        allowing
    }

    /// The first endpoint with a deny rule that matches, whatever paths the endpoint is about.
    fn denying(&self, query: &Query<'_>) -> Option<EndpointRef> {
        let Self { policy, request, .. } = *self;
        let mut denying: Option<EndpointRef> = None;
        for gate in self.gates() {
            gate.denies.search(request.path.split('/'), |RequestRef { endpoint: at, number }| {
                let pattern = policy.endpoint(at).and_then(|endpoint| endpoint.denies.get(number));
                if pattern.is_some_and(|pattern| pattern.denies(&policy.patterns, request, query)) {
                    denying = Some(denying.map_or(at, |first| first.min(at)));
                }
            });
        }
        denying
    }
}
