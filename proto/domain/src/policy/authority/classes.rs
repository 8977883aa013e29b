//! The classes into which patterns divide the texts of a language, each with a shortest text of it.
//!
//! Two texts of one class are matched by the same patterns, so whatever a policy says of one it says of the
//! other: to look at one text of each class is to look at all texts. Literals are classes of their own; the
//! rest is found by running the language and all globs side by side, breadth first.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

use super::language::Language;
use super::{Budget, TooComplex};
use crate::policy::pattern::{Automaton, ByteSet, Pattern, States};

/// One class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Class {
    /// The patterns that match every text of it, by their place in the list, ascending.
    pub(super) matched: Vec<usize>,
    /// A shortest text of it.
    pub(super) witness: String,
}

/// The classes of the texts of `language` that match all of `required`.
///
/// # Errors
/// [`TooComplex`] when the budget is spent.
pub(super) fn classes(
    language: &Language,
    required: &[&Pattern],
    patterns: &[&Pattern],
    budget: &mut Budget,
) -> Result<Vec<Class>, TooComplex> {
    let mut literals: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for pattern in required.iter().filter(|pattern| pattern.is_literal()) {
        literals.entry(pattern.text()).or_default();
    }
    for (at, pattern) in patterns.iter().enumerate().filter(|(_, pattern)| pattern.is_literal()) {
        literals.entry(pattern.text()).or_default().push(at);
    }
    let globs: Vec<(usize, &&Pattern)> =
        patterns.iter().enumerate().filter(|(_, pattern)| !pattern.is_literal()).collect();
    let mut found = Vec::new();
    for (text, at) in &literals {
        budget.spend(1 + globs.len() / 64)?;
        if language.automaton.matches_all(text.as_bytes()) && required.iter().all(|p| p.matches(text)) {
            let mut matched = at.clone();
            matched.extend(globs.iter().filter(|(_, p)| p.matches(text)).map(|(at, _)| at));
            matched.sort_unstable();
            found.push(Class { matched, witness: (*text).to_owned() });
        }
    }
    if required.iter().any(|p| p.is_literal()) {
        return Ok(found);
    }
    // A glob's shortest text may be one of the literals, which is another class: then look again beside it.
    let mut avoided: BTreeSet<&str> = BTreeSet::new();
    loop {
        let globs = Product::new(language, required, patterns, &avoided)?.classes(budget)?;
        let taken: Vec<&str> =
            literals.keys().copied().filter(|text| globs.iter().any(|c| c.witness == *text)).collect();
        if taken.is_empty() {
            found.extend(globs);
            return Ok(found);
        }
        avoided.extend(taken);
    }
}

/// What a pattern is run for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// The text must be in it.
    Required,
    /// Whether the text is in it tells classes apart; its place in the list.
    Telling(usize),
    /// The text must not be it.
    Avoided,
}

/// The language and the patterns, run side by side.
struct Product<'a> {
    language: &'a Language,
    runners: Vec<(Role, std::borrow::Cow<'a, Automaton>)>,
    required: usize,
    /// The sets of states that were met, by runner, and the numbers that stand for them.
    numbers: HashMap<(usize, States), u32>,
    sets: Vec<States>,
}

/// Where all runs are: the language's states, and each living runner with its own.
type Position = (u32, Vec<(usize, u32)>);

const LANGUAGE: usize = usize::MAX;

impl<'a> Product<'a> {
    fn new(
        language: &'a Language,
        required: &[&'a Pattern],
        patterns: &[&'a Pattern],
        avoided: &BTreeSet<&str>,
    ) -> Result<Self, TooComplex> {
        let mut runners = Vec::new();
        for pattern in required {
            runners.push((Role::Required, pattern.automaton().map_err(|_| TooComplex)?));
        }
        for (index, pattern) in patterns.iter().enumerate() {
            if !pattern.is_literal() {
                runners.push((Role::Telling(index), pattern.automaton().map_err(|_| TooComplex)?));
            } else if avoided.contains(pattern.text()) {
                runners.push((Role::Avoided, pattern.automaton().map_err(|_| TooComplex)?));
            }
        }
        Ok(Self { language, runners, required: required.len(), numbers: HashMap::new(), sets: Vec::new() })
    }

    fn number(&mut self, runner: usize, states: States) -> u32 {
        let next = u32::try_from(self.sets.len()).unwrap_or(u32::MAX);
        let sets = &mut self.sets;
        *self.numbers.entry((runner, states)).or_insert_with_key(|(_, states)| {
            sets.push(states.clone());
            next
        })
    }

    fn states(&self, number: u32) -> &[u16] {
        self.sets.get(number as usize).map_or(&[], Vec::as_slice)
    }

    /// How many states the runs are in together.
    fn size(&self, (language, living): &Position) -> usize {
        let sizes = living.iter().map(|(_, number)| self.states(*number).len());
        self.states(*language).len() + sizes.sum::<usize>()
    }

    fn classes(mut self, budget: &mut Budget) -> Result<Vec<Class>, TooComplex> {
        let start = self.start();
        let mut seen: HashSet<Position> = HashSet::from([start.clone()]);
        let mut queue: VecDeque<(Position, Vec<u8>)> = VecDeque::from([(start, Vec::new())]);
        let mut signatures: HashSet<Vec<usize>> = HashSet::new();
        let mut found = Vec::new();
        while let Some((position, text)) = queue.pop_front() {
            if let Some(matched) = self.accepts(&position)
                && signatures.insert(matched.clone())
                && let Ok(witness) = String::from_utf8(text.clone())
            {
                found.push(Class { matched, witness });
            }
            for byte in self.next_bytes(&position) {
                let Some(next) = self.step(&position, byte) else { continue };
                budget.spend(1 + self.size(&next))?;
                if seen.insert(next.clone()) {
                    let mut longer = text.clone();
                    longer.push(byte);
                    queue.push_back((next, longer));
                }
            }
        }
        Ok(found)
    }

    fn start(&mut self) -> Position {
        let language = self.number(LANGUAGE, self.language.automaton.start());
        let starts: Vec<States> = self.runners.iter().map(|(_, automaton)| automaton.start()).collect();
        let living = starts.into_iter().enumerate().map(|(at, states)| (at, self.number(at, states)));
        (language, living.collect())
    }

    /// The patterns that match what was read, if it is a text of the language that counts.
    fn accepts(&self, (language, living): &Position) -> Option<Vec<usize>> {
        if !self.language.automaton.accepts(self.states(*language)) {
            return None;
        }
        let mut required = 0;
        let mut matched = Vec::new();
        for (at, number) in living {
            let Some((role, automaton)) = self.runners.get(*at) else { continue };
            if automaton.accepts(self.states(*number)) {
                match role {
                    Role::Required => required += 1,
                    Role::Telling(index) => matched.push(*index),
                    Role::Avoided => return None,
                }
            }
        }
        (required == self.required).then_some(matched)
    }

    /// One byte for each way in which the next byte can matter, the most readable one.
    fn next_bytes(&self, (language, living): &Position) -> Vec<u8> {
        let mut allowed = union(self.language.automaton.distinguishes(self.states(*language)));
        let mut telling: Vec<ByteSet> =
            self.language.automaton.distinguishes(self.states(*language)).collect();
        for (at, number) in living {
            let Some((role, automaton)) = self.runners.get(*at) else { continue };
            let sets: Vec<ByteSet> = automaton.distinguishes(self.states(*number)).collect();
            if *role == Role::Required {
                allowed = allowed.and(&union(sets.iter().copied()));
            }
            telling.extend(sets);
        }
        let mut parts = vec![allowed];
        let mut seen = HashSet::new();
        for set in telling.into_iter().filter(|set| seen.insert(*set)) {
            let split = parts.iter().flat_map(|part| [part.and(&set), part.without(&set)]);
            parts = split.filter(|part| !part.is_empty()).collect();
        }
        let mut bytes: Vec<u8> = parts.iter().filter_map(most_readable).collect();
        bytes.sort_unstable_by_key(|byte| readability(*byte));
        bytes
    }

    /// Where all runs are after `byte`; `None` where no text of the class can begin like that.
    fn step(&mut self, (language, living): &Position, byte: u8) -> Option<Position> {
        let next = self.language.step(self.states(*language), byte);
        if next.is_empty() {
            return None;
        }
        let language = self.number(LANGUAGE, next);
        let mut alive = Vec::with_capacity(living.len());
        for (at, number) in living {
            let Some((role, automaton)) = self.runners.get(*at) else { continue };
            let next = automaton.step(self.states(*number), byte);
            match (next.is_empty(), role) {
                (true, Role::Required) => return None,
                (true, _) => {}
                (false, _) => alive.push((*at, self.number(*at, next))),
            }
        }
        Some((language, alive))
    }
}

fn union(sets: impl Iterator<Item = ByteSet>) -> ByteSet {
    sets.fold(ByteSet::EMPTY, |all, set| all.or(&set))
}

fn most_readable(set: &ByteSet) -> Option<u8> {
    set.bytes().min_by_key(|byte| readability(*byte))
}

/// Letters, digits, then what reads worse.
fn readability(byte: u8) -> (u8, u8) {
    let group = match byte {
        b'a'..=b'z' => 0,
        b'0'..=b'9' => 1,
        b'A'..=b'Z' => 2,
        b'-' | b'_' => 3,
        b'.' | b'/' => 4,
        0x21..=0x7e => 5,
        0x80..=0xff => 6,
        _ => 7,
    };
    (group, byte)
}

#[cfg(test)]
mod tests {
    use super::super::space;
    use super::*;
    use crate::policy::pattern::Separator;

    fn found(required: &[&str], patterns: &[&str]) -> Vec<(String, Vec<usize>)> {
        let compile = |texts: &[&str]| -> Vec<Pattern> {
            texts.iter().map(|text| Pattern::compile(text, Separator::Slash).unwrap()).collect()
        };
        let (required, patterns) = (compile(required), compile(patterns));
        let classes = classes(
            &space::PATHS,
            &required.iter().collect::<Vec<_>>(),
            &patterns.iter().collect::<Vec<_>>(),
            &mut Budget::default(),
        );
        let mut found: Vec<_> = classes.unwrap().into_iter().map(|c| (c.witness, c.matched)).collect();
        found.sort();
        found
    }

    #[test]
    fn every_class_is_found_once_with_a_shortest_text() {
        assert_eq!(found(&["/a/b"], &["/a/*", "/c"]), [("/a/b".into(), vec![0])]);
        assert_eq!(
            found(&["/a/**"], &["/a/*", "/a/*/x", "/b/**"]),
            [("/a/".into(), vec![0]), ("/a/a/".into(), vec![]), ("/a/a/x".into(), vec![1])]
        );
        assert_eq!(
            found(&["/*"], &["/", "/a", "/b", "/[ab]"]),
            [
                ("/".into(), vec![0]),
                ("/a".into(), vec![1, 3]),
                ("/b".into(), vec![2, 3]),
                ("/c".into(), vec![]),
            ]
        );
    }

    #[test]
    fn what_no_canonical_path_can_be_is_no_class() {
        assert_eq!(found(&["/a//*"], &[]), []);
        assert_eq!(found(&["/{.,..}/x"], &[]), []);
        assert_eq!(found(&["/?"], &["/[!.]"]), [("/a".into(), vec![0])]);
    }

    #[test]
    fn what_costs_too_much_says_so() {
        let bomb = format!("/*a{}", "?".repeat(40));
        let pattern = Pattern::compile(&bomb, Separator::Slash).unwrap();
        let classes = classes(&space::PATHS, &[&pattern], &[], &mut Budget::default());
        assert_eq!(classes, Err(TooComplex));
    }
}
