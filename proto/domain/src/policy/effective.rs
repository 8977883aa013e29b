//! The policy of a sandbox: base ⊕ grants, in the order of approval.
//!
//! Grants stay separate rules; nothing is folded into somebody else's. So undo, expiry and revocation are exact:
//! compose again without that grant.

use super::{Policy, Rule};
use crate::id::{ProposalId, RuleName};

/// A rule that a grant adds.
#[derive(Debug, Clone, Copy)]
pub struct Addition<'a> {
    /// Whose it is.
    pub proposal: ProposalId,
    /// The name that was asked for.
    pub name: &'a RuleName,
    /// The rule.
    pub rule: &'a Rule,
}

/// The base policy with every addition under its own key: the asked name, or `name~<short id>` where taken.
#[must_use]
pub fn compose<'a>(base: &Policy, additions: impl IntoIterator<Item = Addition<'a>>) -> Policy {
    let mut policy = base.clone();
    let added = keys(base, additions).into_iter().map(|(key, addition)| (key, addition.rule.clone()));
    policy.network_policies.extend(added);
    policy
}

/// Every addition with its key: the asked name, or `name~<short id>` where taken.
#[must_use]
pub fn keys<'a>(
    base: &Policy,
    additions: impl IntoIterator<Item = Addition<'a>>,
) -> Vec<(RuleName, Addition<'a>)> {
    let mut keyed: Vec<(RuleName, Addition<'a>)> = Vec::new();
    for addition in additions {
        let name = addition.name;
        let is_taken =
            base.network_policies.contains_key(name) || keyed.iter().any(|(taken, _)| taken == name);
        let key = if is_taken { name.beside(addition.proposal) } else { name.clone() };
        keyed.push((key, addition));
    }
    keyed
}

/// Why a composed policy would not load, if it would not.
///
/// # Errors
/// One line for each conflict, naming the rules.
pub fn check(policy: &Policy) -> Result<(), Vec<String>> {
    let conflicts: Vec<String> = super::overlap::conflicts(policy).iter().map(ToString::to_string).collect();
    if conflicts.is_empty() { Ok(()) } else { Err(conflicts) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::read::policy_from_yaml;

    const BASE: &str = "version: 1\nnetwork_policies:\n  github: {endpoints: [{host: a.example, port: 443}], binaries: [{path: /usr/bin/curl}]}\n";

    #[test]
    fn a_grant_never_touches_another_rule_and_composing_without_it_restores_the_bytes() {
        let base = policy_from_yaml(BASE).unwrap().policy;
        let other = BASE.replace("a.example", "b.example");
        let rule = policy_from_yaml(&other).unwrap().policy.network_policies.into_values().next().unwrap();
        let name: RuleName = "github".parse().unwrap();
        let proposal = "3f0c5c1e-6f0b-4a52-9c33-1f5b2d4c7e10".parse().unwrap();
        let wider = compose(&base, [Addition { proposal, name: &name, rule: &rule }]);
        let keys: Vec<&str> = wider.network_policies.keys().map(RuleName::as_str).collect();
        assert_eq!(keys, ["github", "github~3f0c5c1e"]);
        assert_eq!(wider.network_policies[&name], base.network_policies[&name]);
        assert_eq!(compose(&base, []).hash(), base.hash());
        assert_ne!(wider.hash(), base.hash());
    }
}
