//! What a rule would newly allow: the heart of the review.
//!
//! A request is a chain of programs, a host, a port, the addresses that the host resolves to, and either a stream
//! that is not read or method, path and query (`domain.md` §3), with or without becoming a WebSocket. Other headers
//! and bodies are not part of it. The *authority* of a policy is the set of requests that it allows or audits; two
//! policies differ by the requests that one of them allows. That set is computed, not sampled: patterns divide hosts,
//! paths, programs and queries into finitely many classes, all requests of a combination of classes get the same
//! verdict from every policy, and one request of each is judged. What is reported carries such a request, and the
//! matcher that enforces the policy has confirmed it.

mod budget;
mod classes;
mod confirm;
mod destinations;
mod difference;
mod explore;
mod items;
mod language;
mod queries;
mod reach;
mod scene;
mod show;
mod space;
mod universe;

use super::{Policy, Rule};
use budget::Budget;
pub use budget::Patience;
pub use difference::{Because, Difference, Effect, Except, Item, What, Witness};
pub use reach::Reach;
pub use show::MAY_UPGRADE;

use items::Collector;
use universe::{Side, Universe};

/// The comparison would take more work than it is allowed, so nothing is said about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the rule is too complex to be compared with the policy: write it with literals, `*` and `**`")]
pub struct TooComplex;

/// The policy that an ask is compared with: base and grants in force, apart, because grants end.
#[derive(Debug, Clone)]
pub struct Ground<'p> {
    /// The policy file.
    pub base: &'p Policy,
    /// The grants in force, with the keys of their rules.
    pub grants: Vec<(&'p str, &'p Rule)>,
    /// For how long comparisons with it are wanted.
    pub patience: Patience,
}

/// The key under which messages name the rule that is asked for.
pub const ASKED: &str = "(asked)";

impl<'p> Ground<'p> {
    /// A base and the grants in force, for whoever has time.
    #[must_use]
    pub fn new(base: &'p Policy, grants: Vec<(&'p str, &'p Rule)>) -> Self {
        Self { base, grants, patience: Patience::default() }
    }

    /// What granting `rule` would change.
    ///
    /// # Errors
    /// [`TooComplex`]
    pub fn difference(&self, rule: &'p Rule) -> Result<Difference, TooComplex> {
        let mut universe = Universe::default();
        let sides = self.sides(&mut universe, &[]);
        universe.add(ASKED, rule, &[sides.base_with, sides.after], true);
        let mut collector = Collector::new(&universe, sides.before, sides.after);
        explore::explore(&universe, &mut Budget::within(&self.patience), &mut |cell| {
            let (before, after) = (cell.allowed.has(sides.before), cell.allowed.has(sides.after));
            let is_latent = cell.allowed.has(sides.base_with) && !cell.allowed.has(sides.base);
            collector.added(cell, after && !before);
            collector.latent(cell, is_latent && (before || !after), after && !before);
            collector.removed(cell, before && !after);
        })?;
        let difference = collector.finish();
        confirm::difference(&universe, &sides, &difference)?;
        Ok(difference)
    }

    /// A request that granting `rule` would allow, at once or when other grants end, and `bound` does not.
    ///
    /// # Errors
    /// [`TooComplex`]
    pub fn exceeds(&self, rule: &'p Rule, bound: &'p Policy) -> Result<Option<Witness>, TooComplex> {
        let mut universe = Universe::default();
        let sides = self.sides(&mut universe, &[]);
        let limit = universe.side();
        universe.add(ASKED, rule, &[sides.base_with, sides.after], true);
        universe.add_policy(bound, &[limit]);
        first(&universe, &self.patience, |allowed| sides.gains(allowed) && !allowed.has(limit))
    }

    /// Whether granting `wide` would allow, now or later, all that granting `narrow` would.
    ///
    /// # Errors
    /// [`TooComplex`]
    pub fn covers(&self, wide: &'p Rule, narrow: &'p Rule) -> Result<bool, TooComplex> {
        let mut universe = Universe::default();
        let (wide_base, wide_after) = (universe.side(), universe.side());
        let sides = self.sides(&mut universe, &[wide_base, wide_after]);
        universe.add(ASKED, wide, &[wide_base, wide_after], false);
        universe.add(ASKED, narrow, &[sides.base_with, sides.after], true);
        let with_wide = Sides4 { base_with: wide_base, after: wide_after, ..sides };
        let is_beyond = |allowed| sides.gains(allowed) && !with_wide.gains(allowed);
        let beyond = first(&universe, &self.patience, is_beyond)?;
        Ok(beyond.is_none())
    }

    /// The four policies of a comparison. `more` are a base and an effective policy that hold the same rules.
    fn sides(&self, universe: &mut Universe<'p>, more: &[Side]) -> Sides4 {
        let sides = Sides4 {
            base: universe.side(),
            base_with: universe.side(),
            before: universe.side(),
            after: universe.side(),
        };
        let mut all = vec![sides.base, sides.base_with, sides.before, sides.after];
        all.extend(more);
        universe.add_policy(self.base, &all);
        let mut granted = vec![sides.before, sides.after];
        granted.extend(more.last());
        for (key, rule) in &self.grants {
            universe.add(key, rule, &granted, false);
        }
        sides
    }
}

/// The policies of a comparison.
#[derive(Debug, Clone, Copy)]
struct Sides4 {
    /// The policy file.
    base: Side,
    /// The policy file and the ask.
    base_with: Side,
    /// The policy file and the grants.
    before: Side,
    /// The policy file, the grants and the ask.
    after: Side,
}

impl Sides4 {
    /// Whether a request is added or latent.
    fn gains(self, allowed: universe::Sides) -> bool {
        let added = allowed.has(self.after) && !allowed.has(self.before);
        added || (allowed.has(self.base_with) && !allowed.has(self.base))
    }
}

/// What changes between two policies.
///
/// # Errors
/// [`TooComplex`]
pub fn between(before: &Policy, after: &Policy) -> Result<Difference, TooComplex> {
    let mut universe = Universe::default();
    let (old, new) = (universe.side(), universe.side());
    for (key, rule) in &before.network_policies {
        if after.network_policies.get(key) == Some(rule) {
            universe.add(key.as_str(), rule, &[old, new], false);
        } else {
            universe.add(key.as_str(), rule, &[old], true);
        }
    }
    for (key, rule) in &after.network_policies {
        if before.network_policies.get(key) != Some(rule) {
            universe.add(key.as_str(), rule, &[new], true);
        }
    }
    let mut collector = Collector::new(&universe, old, new);
    explore::explore(&universe, &mut Budget::default(), &mut |cell| {
        let (was, is) = (cell.allowed.has(old), cell.allowed.has(new));
        collector.added(cell, is && !was);
        collector.removed(cell, was && !is);
    })?;
    Ok(collector.finish())
}

/// A request that `policy` allows and `bound` does not.
///
/// # Errors
/// [`TooComplex`]
pub fn exceeds(policy: &Policy, bound: &Policy) -> Result<Option<Witness>, TooComplex> {
    let mut universe = Universe::default();
    let (inner, outer) = (universe.side(), universe.side());
    for (key, rule) in &policy.network_policies {
        universe.add(key.as_str(), rule, &[inner], true);
    }
    universe.add_policy(bound, &[outer]);
    first(&universe, &Patience::default(), |allowed| allowed.has(inner) && !allowed.has(outer))
}

fn first(
    universe: &Universe<'_>,
    patience: &Patience,
    is_wanted: impl Fn(universe::Sides) -> bool,
) -> Result<Option<Witness>, TooComplex> {
    let mut found = None;
    explore::explore(universe, &mut Budget::within(patience), &mut |cell| {
        if found.is_none() && is_wanted(cell.allowed) {
            found = Some(cell.witness());
        }
    })?;
    Ok(found)
}

#[cfg(test)]
mod tests;
