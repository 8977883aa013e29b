//! Standing orders: what may never be granted here, and what may be granted without a person.
//!
//! A *ceiling* is a policy: nothing that adds authority outside it is accepted, and an agent is not told what lies
//! inside. It bounds and grants nothing, so a preset in it is read as the rules of its methods, written out: what a
//! rule may say below it may also become a WebSocket. *Patterns* are named rules: in mode `auto`, what adds authority
//! only inside one of them, and has no finding that wants a person, is granted at once. Both are read by the shell,
//! from files of the reviewer's.

use std::collections::BTreeMap;

use crate::command::Refusal;
use crate::policy::authority::{self, Ground};
use crate::policy::risk::Level;
use crate::policy::{Access, AllowRule, Endpoint, Policy, RequestPattern, Rule};
use crate::review::Review;

/// What reviewers have ordered beforehand.
#[derive(Debug, Clone, Default)]
pub struct Orders {
    /// With the presets written out.
    ceiling: Option<Policy>,
    patterns: Vec<(String, Policy)>,
}

/// Orders that cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrdersError {
    /// A pattern would let anything be sent in a query.
    #[error(
        "auto_approve pattern {pattern}: {path:?} is no exact path and has no query clause, so that anything could be \
         sent in a query: write exact paths, or say what the query may be"
    )]
    AnyQuery {
        /// Which.
        pattern: String,
        /// Its path.
        path: String,
    },
    /// A pattern would let anything be sent.
    #[error("auto_approve pattern {0}: only `protocol: rest` endpoints with `rules` can be patterns")]
    NotRules(String),
}

impl Orders {
    /// Orders from a ceiling and from a policy of which each rule is a pattern.
    ///
    /// # Errors
    /// [`OrdersError`], naming the pattern.
    pub fn new(ceiling: Option<Policy>, patterns: Option<&Policy>) -> Result<Self, OrdersError> {
        let rules = patterns.into_iter().flat_map(|policy| &policy.network_policies);
        let patterns = rules.map(|(key, rule)| pattern(key.as_str(), rule)).collect::<Result<_, _>>()?;
        Ok(Self { ceiling: ceiling.map(written_out), patterns })
    }

    /// Refuses a policy file that allows more than the ceiling.
    pub(super) fn admit_base(&self, base: &Policy) -> Result<(), Refusal> {
        let Some(ceiling) = &self.ceiling else { return Ok(()) };
        match authority::exceeds(base, ceiling) {
            Ok(None) => Ok(()),
            Ok(Some(witness)) => Err(Refusal::BaseOutsideCeiling(witness.to_string())),
            Err(error) => Err(Refusal::BaseOutsideCeiling(error.to_string())),
        }
    }

    /// Refuses a rule that would add authority outside the ceiling, now or later.
    pub(super) fn admit(&self, ground: &Ground<'_>, rule: &Rule) -> Result<(), Refusal> {
        let Some(ceiling) = &self.ceiling else { return Ok(()) };
        match ground.exceeds(rule, ceiling) {
            Ok(None) => Ok(()),
            Ok(Some(_)) => Err(Refusal::OutsideCeiling),
            Err(_) => Err(Refusal::TooComplex),
        }
    }

    /// On what grounds a rule may be granted without a person, if it may.
    pub(super) fn grounds(&self, ground: &Ground<'_>, rule: &Rule, review: &Review) -> Option<String> {
        review.difference.as_ref()?;
        if self.patterns.is_empty() {
            return review.findings.is_empty().then(|| "no findings".to_owned());
        }
        if review.findings.iter().any(|finding| finding.level != Level::Note) {
            return None;
        }
        let mut patterns = self.patterns.iter();
        let inside = patterns.find(|(_, pattern)| matches!(ground.exceeds(rule, pattern), Ok(None)));
        inside.map(|(name, _)| format!("pattern {name}"))
    }
}

/// The policy with the methods of each preset as rules. In a policy that is enforced that would open WebSockets, which
/// a preset does not; a bound that held no WebSocket would refuse every rule that allows GET.
fn written_out(mut policy: Policy) -> Policy {
    policy.network_policies.values_mut().flat_map(|rule| &mut rule.endpoints).for_each(write_out);
    policy
}

fn write_out(endpoint: &mut Endpoint) {
    let allow = |method: &&str| RequestPattern {
        method: (*method).to_owned(),
        path: "**".to_owned(),
        query: BTreeMap::new(),
    };
    let methods = endpoint.access.take().map(Access::methods).unwrap_or_default();
    endpoint.rules.extend(methods.iter().map(allow).map(|allow| AllowRule { allow }));
}

fn pattern(name: &str, rule: &Rule) -> Result<(String, Policy), OrdersError> {
    for endpoint in &rule.endpoints {
        if !endpoint.is_l7() || endpoint.rules.is_empty() {
            return Err(OrdersError::NotRules(name.to_owned()));
        }
        let open = endpoint
            .rules
            .iter()
            .find(|allow| allow.allow.query.is_empty() && allow.allow.path.contains(['*', '?', '[', '{']));
        if let Some(open) = open {
            let (pattern, path) = (name.to_owned(), open.allow.path.clone());
            return Err(OrdersError::AnyQuery { pattern, path });
        }
    }
    let mut policy = Policy::default();
    if let Ok(key) = name.parse() {
        policy.network_policies.insert(key, rule.clone());
    }
    Ok((name.to_owned(), policy))
}
