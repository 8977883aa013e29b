//! Which endpoint and which pattern: found by asking the matcher about policies that hold nothing else.

use std::collections::BTreeMap;

use super::judge::{Judged, Refused, judge};
use super::{Decisive, Layer, MOST, Question, Ruling, Traffic};
use crate::id::RuleName;
use crate::policy::effective::{Composition, Provenance, Source};
use crate::policy::verdict::{ConnectDenial, RequestDenial, compile};
use crate::policy::{AllowRule, Endpoint, Enforcement, Policy, RequestPattern, Rule, render};

/// What an explanation is made from.
#[derive(Clone, Copy)]
pub(super) struct Facts<'a> {
    pub(super) composition: &'a Composition,
    pub(super) source: &'a Source<'a>,
    pub(super) policy: &'a Policy,
    pub(super) question: &'a Question<'a>,
}

/// One endpoint of one rule.
#[derive(Debug, Clone, Copy)]
pub(super) struct Site<'a> {
    pub(super) name: &'a RuleName,
    pub(super) rule: &'a Rule,
    pub(super) endpoint: &'a Endpoint,
}

impl<'a> Site<'a> {
    /// What a policy of this endpoint alone would say, changed in some way.
    pub(super) fn alone(
        &self,
        question: &Question<'_>,
        change: impl FnOnce(&mut Endpoint),
    ) -> Option<Judged> {
        let mut endpoint = self.endpoint.clone();
        change(&mut endpoint);
        let rule = Rule { name: None, endpoints: vec![endpoint], binaries: self.rule.binaries.clone() };
        let network_policies = [(self.name.clone(), rule)].into();
        let policy = Policy { version: 1, network_policies, ..Policy::default() };
        Some(judge(&compile(&policy).ok()?, question))
    }

    fn is_for(&self, question: &Question<'_>) -> bool {
        let names = |judged| {
            !matches!(
                judged,
                Judged::Denied(Refused::Connect(ConnectDenial::NoEndpoint | ConnectDenial::NoRules))
            )
        };
        self.endpoint.ports.contains(&question.port) && self.alone(question, |_| {}).is_some_and(names)
    }

    fn is_hit(&self, question: &Question<'_>) -> bool {
        let hits = |judged| !matches!(judged, Judged::Denied(Refused::Connect(_)));
        self.endpoint.ports.contains(&question.port) && self.alone(question, |_| {}).is_some_and(hits)
    }

    /// What the endpoint would say if it allowed every request of the paths that it is about.
    fn opened(&self, question: &Question<'_>) -> Option<Judged> {
        let (method, path) = ("*".to_owned(), "**".to_owned());
        let allow = RequestPattern { method, path, query: BTreeMap::new() };
        self.alone(question, |endpoint| {
            // Written out: a preset would open no WebSocket.
            endpoint.access = None;
            endpoint.rules = vec![AllowRule { allow }];
            endpoint.deny_rules.clear();
        })
    }

    fn is_about(&self, question: &Question<'_>) -> bool {
        let passes = |judged| matches!(judged, Judged::Allowed(_) | Judged::Denied(Refused::Destination(..)));
        self.endpoint.is_l7() && self.opened(question).is_some_and(passes)
    }

    fn allowing_pattern(&self, question: &Question<'_>) -> Option<Decisive> {
        if let Some(access) = self.endpoint.access {
            return Some(Decisive::Access(access.as_str()));
        }
        let allows = self.endpoint.rules.iter().find(|allow| {
            let only = self.alone(question, |endpoint| {
                endpoint.rules = vec![(*allow).clone()];
                endpoint.enforcement = Some(Enforcement::Enforce);
            });
            matches!(only, Some(Judged::Allowed(_)))
        });
        allows.map(|allow| Decisive::Allow(render::request_line(&allow.allow)))
    }

    fn denying_pattern(&self, question: &Question<'_>) -> Option<Decisive> {
        let denies = self.endpoint.deny_rules.iter().find(|deny| {
            let only = self.alone(question, |endpoint| {
                endpoint.deny_rules = vec![(*deny).clone()];
                endpoint.enforcement = Some(Enforcement::Enforce);
                // A deny holds beyond the paths that its endpoint is about.
                endpoint.path = String::new();
                endpoint.allow_encoded_slash = true;
            });
            matches!(only, Some(Judged::Denied(Refused::Request(RequestDenial::DenyRule(_)))))
        });
        denies.map(|deny| Decisive::Deny(render::request_line(deny)))
    }
}

impl<'a> Facts<'a> {
    /// Every endpoint of the policy, in the order of the matcher.
    fn sites(&self) -> impl Iterator<Item = Site<'a>> {
        self.policy
            .network_policies
            .iter()
            .flat_map(|(name, rule)| rule.endpoints.iter().map(move |endpoint| Site { name, rule, endpoint }))
    }

    fn sites_of(&self, rule: &str) -> impl Iterator<Item = Site<'a>> {
        self.sites().filter(move |site| site.name.as_str() == rule)
    }

    /// The inspected endpoints that the caller meets.
    pub(super) fn met(&self) -> impl Iterator<Item = Site<'a>> {
        self.sites().filter(|site| site.endpoint.is_l7() && site.is_hit(self.question))
    }

    pub(super) fn ruling(&self, site: Site<'_>, pattern: Option<Decisive>) -> Ruling {
        let port = Some(self.question.port).filter(|port| site.endpoint.ports.contains(port));
        let port = port.or(site.endpoint.ports.first().copied()).unwrap_or_default();
        Ruling {
            rule: site.name.clone(),
            endpoint: render::endpoint_line(site.endpoint, port),
            layer: if site.endpoint.is_l7() { Layer::L7 } else { Layer::L4 },
            enforcement: site.endpoint.enforcement,
            pattern,
            binaries: site.rule.binaries.iter().map(|binary| binary.path.clone()).collect(),
            provenance: self.composition.provenance(site.name, self.source),
        }
    }

    fn listed(&self, sites: impl Iterator<Item = Site<'a>>) -> Vec<Ruling> {
        sites.take(MOST).map(|site| self.ruling(site, None)).collect()
    }

    pub(super) fn allowing(&self, rule: &str) -> Option<Ruling> {
        let lets = |site: &Site<'_>| {
            let judged = site.alone(self.question, |endpoint| endpoint.deny_rules.clear());
            matches!(judged, Some(Judged::Allowed(_)))
        };
        let site = self.sites_of(rule).find(lets)?;
        let is_read = site.endpoint.is_l7() && self.question.traffic.request().is_some();
        let pattern = if is_read { site.allowing_pattern(self.question) } else { None };
        Some(self.ruling(site, pattern))
    }

    /// What lets a request through that may not become a WebSocket.
    pub(super) fn passing(&self, rule: &str) -> Option<Ruling> {
        let request = self.question.traffic.request()?;
        let question = &Question { traffic: Traffic::Request(request), ..*self.question };
        let plain = Facts { question, ..*self };
        // Where it may be dialled is asked later, and may be refused as well.
        let reads = |site: &Site<'_>| {
            let judged = site.alone(question, |endpoint| endpoint.deny_rules.clear());
            matches!(judged, Some(Judged::Denied(Refused::Destination(..))))
        };
        let undialled = || plain.sites_of(rule).find(reads).map(|site| plain.ruling(site, None));
        plain.allowing(rule).or_else(|| plain.auditing(rule)).or_else(undialled)
    }

    pub(super) fn auditing(&self, rule: &str) -> Option<Ruling> {
        let audits = |site: &Site<'_>| {
            site.endpoint.enforcement == Some(Enforcement::Audit)
                && site.is_about(self.question)
                && matches!(site.opened(self.question), Some(Judged::Allowed(_)))
        };
        let denies = || self.met().find_map(|site| site.denying_pattern(self.question));
        self.sites_of(rule).find(audits).map(|site| self.ruling(site, denies()))
    }

    pub(super) fn denying(&self, rule: &str) -> Option<Ruling> {
        let site = self.sites_of(rule).filter(|site| site.is_hit(self.question));
        let mut found = site.filter_map(|site| Some((site, site.denying_pattern(self.question)?)));
        found.next().map(|(site, pattern)| self.ruling(site, Some(pattern)))
    }

    pub(super) fn refusing(&self, rule: &str) -> Option<Ruling> {
        let enforces = |site: &Site<'_>| {
            site.endpoint.enforcement != Some(Enforcement::Audit) && site.is_about(self.question)
        };
        self.sites_of(rule).find(enforces).map(|site| self.ruling(site, None))
    }

    pub(super) fn querying(&self, rule: &str) -> Option<Ruling> {
        let reads = |site: &Site<'_>| {
            let allows = site.endpoint.rules.iter().map(|allow| &allow.allow);
            let reads = allows.chain(&site.endpoint.deny_rules).any(|pattern| !pattern.query.is_empty());
            reads && site.is_hit(self.question)
        };
        self.sites_of(rule).find(reads).map(|site| self.ruling(site, None))
    }

    pub(super) fn dialling(&self, rule: &str) -> Option<Ruling> {
        let stopped = |site: &Site<'_>| {
            let judged = if site.endpoint.is_l7() {
                site.opened(self.question)
            } else {
                site.alone(self.question, |_| {})
            };
            matches!(judged, Some(Judged::Denied(Refused::Destination(..))))
        };
        self.sites_of(rule).find(stopped).map(|site| self.ruling(site, None))
    }

    pub(super) fn inspecting(&self) -> Option<Ruling> {
        self.met().next().map(|site| self.ruling(site, None))
    }

    pub(super) fn inspected(&self) -> Vec<Ruling> {
        self.listed(self.met())
    }

    pub(super) fn naming(&self, rules: &[String]) -> Vec<Ruling> {
        let named = self.sites().filter(|site| rules.iter().any(|rule| rule == site.name.as_str()));
        self.listed(named.filter(|site| site.is_for(self.question)))
    }

    /// Endpoints that name the host at other ports.
    pub(super) fn elsewhere(&self) -> Vec<Ruling> {
        let named = self.sites().filter(|site| {
            let port = site.endpoint.ports.first().copied().unwrap_or_default();
            !site.endpoint.host.is_empty() && site.is_for(&Question { port, ..*self.question })
        });
        self.listed(named)
    }

    /// The grants that ended in this run and would allow it.
    pub(super) fn ended(&self) -> Vec<Provenance> {
        let allows = |rule: &Rule, key: &RuleName| {
            let mut policy = self.policy.clone();
            policy.network_policies.insert(key.clone(), rule.clone());
            let judged = compile(&policy).map(|compiled| judge(&compiled, self.question));
            matches!(judged, Ok(Judged::Allowed(_)))
        };
        let ended = self.composition.ended().filter(|grant| allows(&grant.draft.rule, &grant.key));
        let mut last: Vec<Provenance> = ended.map(Provenance::from).collect();
        last.drain(..last.len().saturating_sub(MOST));
        last
    }
}
