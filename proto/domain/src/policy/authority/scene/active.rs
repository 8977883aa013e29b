//! An endpoint where it matters, with its patterns compiled.

use super::super::TooComplex;
use super::super::destinations::{Destination, ListRef};
use super::super::universe::Facts;
use crate::policy::pattern::{Pattern, Separator};
use crate::policy::{Access, Endpoint, Enforcement, RequestPattern};

/// An endpoint that is for the host and port of a scene.
pub(in super::super) struct Active<'p> {
    /// Whose it is: a place in [`Scene::members`].
    pub(in super::super) slot: usize,
    /// Its place in its rule.
    pub(in super::super) at: usize,
    pub(in super::super) endpoint: &'p Endpoint,
    pub(in super::super) list: ListRef,
    scope: Option<Pattern>,
    pub(in super::super) allows: Vec<Clause<'p>>,
    pub(in super::super) denies: Vec<Clause<'p>>,
}

/// An allow or deny rule, or one method of a preset.
pub(in super::super) struct Clause<'p> {
    method: &'p str,
    pub(in super::super) path: Pattern,
    /// The rule as it was written; `None` for a preset, which has no query.
    pub(in super::super) written: Option<&'p RequestPattern>,
}

impl<'p> Clause<'p> {
    fn new(pattern: &'p RequestPattern) -> Result<Self, TooComplex> {
        Ok(Self { method: &pattern.method, path: path_pattern(&pattern.path)?, written: Some(pattern) })
    }

    fn preset(method: &'static str) -> Result<Self, TooComplex> {
        Ok(Self { method, path: path_pattern("**")?, written: None })
    }

    /// `*` is any; `GET` stands for `HEAD` too.
    pub(in super::super) fn has_method(&self, method: &str) -> bool {
        self.method == "*" || self.method == method || (self.method == "GET" && method == "HEAD")
    }

    /// The methods that it names.
    pub(in super::super) fn methods(&self) -> &[&'p str] {
        match self.method {
            "*" => &[],
            "GET" => &["GET", "HEAD"],
            _ => std::slice::from_ref(&self.method),
        }
    }

    pub(in super::super) fn is_any_method(&self) -> bool {
        self.method == "*"
    }

    pub(in super::super) fn reads_queries(&self) -> bool {
        self.written.is_some_and(|pattern| !pattern.query.is_empty())
    }
}

fn path_pattern(text: &str) -> Result<Pattern, TooComplex> {
    Pattern::compile(text, Separator::Slash).map_err(|_| TooComplex)
}

impl<'p> Active<'p> {
    pub(in super::super) fn new(
        slot: usize,
        at: usize,
        endpoint: &'p Endpoint,
        list: ListRef,
    ) -> Result<Self, TooComplex> {
        let written = endpoint.rules.iter().map(|rule| Clause::new(&rule.allow));
        let preset = endpoint.access.map(Access::methods).unwrap_or_default();
        let scope = (!endpoint.path.is_empty()).then(|| path_pattern(&endpoint.path)).transpose()?;
        Ok(Self {
            slot,
            at,
            endpoint,
            list,
            scope,
            allows: written
                .chain(preset.iter().map(|method| Clause::preset(method)))
                .collect::<Result<_, _>>()?,
            denies: endpoint.deny_rules.iter().map(Clause::new).collect::<Result<_, _>>()?,
        })
    }

    /// Whether the endpoint is about `path`.
    pub(in super::super) fn is_about(&self, path: &str) -> bool {
        (self.endpoint.allow_encoded_slash || !path.contains("%2F"))
            && self.scope.as_ref().is_none_or(|scope| scope.matches(path))
    }

    pub(in super::super) fn audits(&self) -> bool {
        self.endpoint.is_l7() && self.endpoint.enforcement == Some(Enforcement::Audit)
    }

    pub(in super::super) fn scope(&self) -> Option<&Pattern> {
        self.scope.as_ref()
    }

    /// Every path pattern in it.
    pub(in super::super) fn paths(&self) -> impl Iterator<Item = &Pattern> {
        self.scope.iter().chain(self.allows.iter().chain(&self.denies).map(|clause| &clause.path))
    }

    pub(in super::super) fn reads_queries(&self) -> bool {
        self.allows.iter().chain(&self.denies).any(Clause::reads_queries)
    }

    /// What it says of every request to `destination`, whatever the path.
    pub(in super::super) fn facts(&self, destination: &Destination) -> Facts {
        if !self.endpoint.is_l7() {
            return Facts::L4.when(destination.is_allowed_by(self.list));
        }
        Facts::L7.and(Facts::READS_QUERIES.when(self.reads_queries()))
    }
}
