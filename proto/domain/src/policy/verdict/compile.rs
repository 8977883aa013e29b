//! A policy with its patterns compiled, and the matching of one request against one pattern.

use std::collections::BTreeMap;

use ipnet::IpNet;

use super::{Caller, Request};
use crate::policy::pattern::{Pattern, PatternError, Separator};
use crate::policy::{Access, Endpoint, Enforcement, Policy, RequestPattern, Rule};

/// A pattern that does not compile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("rule {rule}: {error}")]
pub struct CompileError {
    /// The key of the rule.
    pub rule: String,
    /// What is wrong with the pattern.
    pub error: PatternError,
}

/// A policy that can judge. Immutable; a new revision is a new value.
#[derive(Debug)]
pub struct CompiledPolicy {
    pub(super) rules: Vec<CompiledRule>,
}

#[derive(Debug)]
pub(super) struct CompiledRule {
    pub(super) name: String,
    binaries: Vec<Pattern>,
    pub(super) endpoints: Vec<CompiledEndpoint>,
}

#[derive(Debug)]
pub(super) struct CompiledEndpoint {
    /// `None` is every host: an endpoint of `allowed_ips` alone.
    host: Option<Pattern>,
    ports: Vec<u16>,
    /// `None` is every path.
    path: Option<Pattern>,
    pub(super) is_l7: bool,
    pub(super) enforcement: Enforcement,
    pub(super) allows: Vec<CompiledRequest>,
    pub(super) denies: Vec<CompiledRequest>,
    pub(super) allowed_ips: Vec<IpNet>,
    pub(super) allow_encoded_slash: bool,
}

#[derive(Debug)]
pub(super) struct CompiledRequest {
    method: String,
    path: Pattern,
    query: Vec<(String, Vec<Pattern>)>,
}

impl CompiledPolicy {
    pub(super) fn new(policy: &Policy) -> Result<Self, CompileError> {
        let rules = policy.network_policies.iter();
        let compiled = rules.map(|(name, rule)| {
            CompiledRule::new(name.as_str(), rule)
                .map_err(|error| CompileError { rule: name.to_string(), error })
        });
        Ok(Self { rules: compiled.collect::<Result<_, _>>()? })
    }
}

impl CompiledRule {
    fn new(name: &str, rule: &Rule) -> Result<Self, PatternError> {
        let binaries = rule.binaries.iter().map(|binary| Pattern::compile(&binary.path, Separator::Slash));
        Ok(Self {
            name: name.to_owned(),
            binaries: binaries.collect::<Result<_, _>>()?,
            endpoints: rule.endpoints.iter().map(CompiledEndpoint::new).collect::<Result<_, _>>()?,
        })
    }

    pub(super) fn is_hit_by(&self, caller: &Caller) -> bool {
        self.binaries.iter().any(|pattern| caller.chain.iter().any(|path| pattern.matches(path)))
    }
}

impl CompiledEndpoint {
    fn new(endpoint: &Endpoint) -> Result<Self, PatternError> {
        let host = (!endpoint.host.is_empty())
            .then(|| Pattern::compile(&endpoint.host, Separator::Dot))
            .transpose()?;
        let path = (!endpoint.path.is_empty())
            .then(|| Pattern::compile(&endpoint.path, Separator::Slash))
            .transpose()?;
        let written = endpoint.rules.iter().map(|rule| CompiledRequest::new(&rule.allow));
        let preset = endpoint.access.map(Access::methods).unwrap_or_default();
        let expanded = preset.iter().map(|method| CompiledRequest::any_path(method));
        Ok(Self {
            host,
            ports: endpoint.ports.clone(),
            path,
            is_l7: endpoint.is_l7(),
            // The reader fills this in for every inspected endpoint; without it, deny.
            enforcement: endpoint.enforcement.unwrap_or(Enforcement::Enforce),
            allows: written.chain(expanded).collect::<Result<_, _>>()?,
            denies: endpoint.deny_rules.iter().map(CompiledRequest::new).collect::<Result<_, _>>()?,
            allowed_ips: endpoint.allowed_ips.clone(),
            allow_encoded_slash: endpoint.allow_encoded_slash,
        })
    }

    pub(super) fn is_for(&self, host: &str, port: u16) -> bool {
        self.ports.contains(&port) && self.host.as_ref().is_none_or(|pattern| pattern.matches(host))
    }

    pub(super) fn is_about(&self, path: &str) -> bool {
        let slash_fits = self.allow_encoded_slash || !path.contains("%2F");
        slash_fits && self.path.as_ref().is_none_or(|pattern| pattern.matches(path))
    }

    pub(super) fn reads_queries(&self) -> bool {
        self.allows.iter().chain(&self.denies).any(|request| !request.query.is_empty())
    }
}

impl CompiledRequest {
    fn new(pattern: &RequestPattern) -> Result<Self, PatternError> {
        let query = pattern.query.iter().map(|(key, value)| {
            let globs = value.globs().map(|glob| Pattern::compile(glob, Separator::Dot));
            Ok((key.clone(), globs.collect::<Result<_, _>>()?))
        });
        Ok(Self {
            method: pattern.method.clone(),
            path: Pattern::compile(&pattern.path, Separator::Slash)?,
            query: query.collect::<Result<_, PatternError>>()?,
        })
    }

    fn any_path(method: &str) -> Result<Self, PatternError> {
        Ok(Self {
            method: method.to_owned(),
            path: Pattern::compile("**", Separator::Slash)?,
            query: Vec::new(),
        })
    }

    /// `*` is any; `GET` stands for `HEAD` too, for allow and for deny.
    fn has_method(&self, method: &str) -> bool {
        self.method == "*"
            || self.method.eq_ignore_ascii_case(method)
            || (self.method == "GET" && method.eq_ignore_ascii_case("HEAD"))
    }

    /// Every listed key is there, and all of its values match.
    pub(super) fn allows(&self, request: &Request<'_>, query: &Query) -> bool {
        self.has_method(request.method)
            && self.path.matches(request.path)
            && self.query.iter().all(|(key, globs)| {
                query
                    .values(key)
                    .is_some_and(|values| values.iter().all(|v| globs.iter().any(|g| g.matches(v))))
            })
    }

    /// Every listed key is there, and some of its values match.
    pub(super) fn denies(&self, request: &Request<'_>, query: &Query) -> bool {
        self.has_method(request.method)
            && self.path.matches(request.path)
            && self.query.iter().all(|(key, globs)| {
                query
                    .values(key)
                    .is_some_and(|values| values.iter().any(|v| globs.iter().any(|g| g.matches(v))))
            })
    }
}

/// A query, decoded: `+` is a space, percent-encoding is resolved, a key may have several values.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Query(BTreeMap<String, Vec<String>>);

impl Query {
    /// `None` where the query has no single reading: a bad escape, a `;`, or bytes that are not UTF-8.
    pub(super) fn read(query: Option<&str>) -> Option<Self> {
        let mut values: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            values.entry(decode(key)?).or_default().push(decode(value)?);
        }
        Some(Self(values))
    }

    fn values(&self, key: &str) -> Option<&[String]> {
        self.0.get(key).map(Vec::as_slice)
    }
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b';' => return None,
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16).and_then(|d| u8::try_from(d).ok());
                digit()? << 4 | digit()?
            }
            plain => plain,
        });
    }
    String::from_utf8(bytes).ok()
}
