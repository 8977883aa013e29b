//! The queries that clauses tell apart.
//!
//! A clause is about one key: an allow needs it there and all its values in a language, a deny needs it there
//! and some value in one. So a key is absent, or has a set of value classes, of which only two things matter:
//! what holds for all values and what holds for some.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::classes::classes;
use super::{Budget, TooComplex, space};
use crate::policy::RequestPattern;
use crate::policy::pattern::{Pattern, Separator};

/// One class of queries.
#[derive(Debug, Clone, Default)]
pub(super) struct QueryClass<'p> {
    keys: BTreeMap<&'p str, Values>,
}

/// What the values of one key that is there have in common: a bit for each glob list.
#[derive(Debug, Clone, Default)]
struct Values {
    all: u64,
    some: u64,
    witness: Vec<String>,
}

/// The glob lists of the clauses of a comparison, by key.
#[derive(Debug, Default)]
pub(super) struct Clauses<'p>(BTreeMap<&'p str, Vec<Vec<&'p str>>>);

/// The most classes of queries of one request.
const MAX_CLASSES: usize = 1024;

impl<'p> Clauses<'p> {
    /// Takes the clauses of a request pattern in.
    pub(super) fn add(&mut self, pattern: &'p RequestPattern) {
        for (key, value) in &pattern.query {
            let globs: Vec<&str> = value.globs().collect();
            let lists = self.0.entry(key).or_default();
            if !lists.contains(&globs) {
                lists.push(globs);
            }
        }
    }

    fn bit(&self, key: &str, globs: impl Iterator<Item = &'p str> + Clone) -> Option<u64> {
        let lists = self.0.get(key)?;
        let at = lists.iter().position(|list| list.iter().copied().eq(globs.clone()))?;
        u32::try_from(at).ok().and_then(|at| 1_u64.checked_shl(at))
    }

    /// Whether an allow rule with this pattern lets the query pass.
    pub(super) fn allows(&self, class: &QueryClass<'p>, pattern: &'p RequestPattern) -> bool {
        self.hold(class, pattern, |values, bit| values.all & bit != 0)
    }

    /// Whether a deny rule with this pattern is about the query.
    pub(super) fn denies(&self, class: &QueryClass<'p>, pattern: &'p RequestPattern) -> bool {
        self.hold(class, pattern, |values, bit| values.some & bit != 0)
    }

    fn hold(
        &self,
        class: &QueryClass<'p>,
        pattern: &'p RequestPattern,
        holds: impl Fn(&Values, u64) -> bool,
    ) -> bool {
        pattern.query.iter().all(|(key, value)| {
            let values = class.keys.get(key.as_str());
            let bit = self.bit(key, value.globs());
            values.zip(bit).is_some_and(|(values, bit)| holds(values, bit))
        })
    }

    /// Every class. The first is the query without keys.
    pub(super) fn classes(&self, budget: &mut Budget) -> Result<Vec<QueryClass<'p>>, TooComplex> {
        let mut found = vec![QueryClass::default()];
        for (key, lists) in &self.0 {
            let present = values(lists, budget)?;
            let beside: Vec<QueryClass<'p>> = found
                .iter()
                .flat_map(|class| {
                    present.iter().map(move |values| {
                        let mut class = class.clone();
                        class.keys.insert(key, values.clone());
                        class
                    })
                })
                .collect();
            found.extend(beside);
            if found.len() > MAX_CLASSES {
                return Err(TooComplex);
            }
        }
        Ok(found)
    }
}

/// What the values of a key can have in common.
fn values(lists: &[Vec<&str>], budget: &mut Budget) -> Result<Vec<Values>, TooComplex> {
    if lists.len() > 64 {
        return Err(TooComplex);
    }
    let compile = |glob: &&str| Pattern::compile(glob, Separator::Dot).map_err(|_| TooComplex);
    let compiled: Vec<Pattern> = lists.iter().flatten().map(compile).collect::<Result<_, _>>()?;
    let owners: Vec<usize> =
        lists.iter().enumerate().flat_map(|(at, list)| list.iter().map(move |_| at)).collect();
    let patterns: Vec<&Pattern> = compiled.iter().collect();
    let mut singles: Vec<Values> = Vec::new();
    for class in classes(&space::VALUES, &[], &patterns, budget)? {
        let bits =
            class.matched.iter().filter_map(|at| owners.get(*at)).fold(0, |bits, list| bits | 1_u64 << list);
        if !singles.iter().any(|values| values.all == bits) {
            singles.push(Values { all: bits, some: bits, witness: vec![class.witness] });
        }
    }
    let mut found = singles.clone();
    let mut next = 0;
    while let Some(values) = found.get(next).cloned() {
        for single in &singles {
            budget.spend(1)?;
            let (all, some) = (values.all & single.all, values.some | single.some);
            if !found.iter().any(|known| (known.all, known.some) == (all, some)) {
                let witness = values.witness.iter().chain(&single.witness).cloned().collect();
                found.push(Values { all, some, witness });
            }
        }
        next += 1;
        if found.len() > MAX_CLASSES {
            return Err(TooComplex);
        }
    }
    Ok(found)
}

impl QueryClass<'_> {
    /// A query of the class, as it is written behind the `?`; `None` where it has no keys.
    pub(super) fn witness(&self) -> Option<String> {
        let pairs =
            self.keys.iter().flat_map(|(key, values)| values.witness.iter().map(move |value| (key, value)));
        let mut out = String::new();
        for (key, value) in pairs {
            if !out.is_empty() {
                out.push('&');
            }
            encode(&mut out, key);
            out.push('=');
            encode(&mut out, value);
        }
        (!out.is_empty()).then_some(out)
    }
}

fn encode(out: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/:".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::QueryPattern;

    fn pattern(clauses: &[(&str, &[&str])]) -> RequestPattern {
        let any = |globs: &[&str]| QueryPattern::Any { any: globs.iter().map(|g| (*g).to_owned()).collect() };
        let query = clauses.iter().map(|(key, globs)| ((*key).to_owned(), any(globs))).collect();
        RequestPattern { method: "GET".into(), path: "/**".into(), query }
    }

    #[test]
    fn all_and_some_are_told_apart() {
        let (allow, deny) = (pattern(&[("q", &["a", "b*"])]), pattern(&[("q", &["bad"])]));
        let mut clauses = Clauses::default();
        clauses.add(&allow);
        clauses.add(&deny);
        let mut seen: Vec<(bool, bool)> = clauses
            .classes(&mut Budget::default())
            .unwrap()
            .iter()
            .map(|class| (clauses.allows(class, &allow), clauses.denies(class, &deny)))
            .collect();
        seen.sort();
        seen.dedup();
        // Absent; `bad` beside something foreign; all in `a|b*` without and with `bad`.
        assert_eq!(seen, [(false, false), (false, true), (true, false), (true, true)]);
    }

    #[test]
    fn a_witness_is_written_so_that_it_reads_as_meant() {
        let only = pattern(&[("k y", &["é&1"])]);
        let mut clauses = Clauses::default();
        clauses.add(&only);
        let classes = clauses.classes(&mut Budget::default()).unwrap();
        let hit = classes.iter().find(|class| clauses.allows(class, &only)).unwrap();
        assert_eq!(hit.witness().as_deref(), Some("k%20y=%C3%A9%261"));
        assert_eq!(classes[0].witness(), None);
    }
}
