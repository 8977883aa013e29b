//! A language as the smallest deterministic automaton: what patterns are run beside.
//!
//! Made once for each language that requests are made of. Small, because every state of it is multiplied by those
//! of the patterns; and it knows which bytes lead to the same place, so that only one of them has to be tried.

use std::collections::{BTreeMap, HashMap};

use crate::policy::pattern::{Automaton, ByteSet, States};

/// The automaton. State 0 is the beginning; there is no state from which nothing can be accepted.
#[derive(Debug)]
pub(super) struct Language(Vec<State>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct State {
    is_accepting: bool,
    /// Where each set of bytes leads. The sets have no byte in common.
    moves: Vec<(ByteSet, usize)>,
}

impl Language {
    /// The language of an automaton.
    pub(super) fn of(automaton: &Automaton) -> Self {
        minimal(&trimmed(&deterministic(automaton)))
    }

    /// The sets of bytes that lead from `state` to different places.
    pub(super) fn moves(&self, state: usize) -> impl Iterator<Item = (ByteSet, usize)> + '_ {
        self.0.get(state).into_iter().flat_map(|state| state.moves.iter().copied())
    }

    pub(super) fn accepts(&self, state: usize) -> bool {
        self.0.get(state).is_some_and(|state| state.is_accepting)
    }

    /// Whether the whole of `text` is in the language.
    pub(super) fn holds(&self, text: &str) -> bool {
        let step = |state: usize, byte: u8| {
            self.moves(state).find(|(bytes, _)| bytes.contains(byte)).map(|(_, to)| to)
        };
        text.bytes().try_fold(0, step).is_some_and(|state| self.accepts(state)) && !self.0.is_empty()
    }
}

/// Sets of states become states.
fn deterministic(automaton: &Automaton) -> Vec<State> {
    let mut numbers: HashMap<States, usize> = HashMap::from([(automaton.start(), 0)]);
    let mut sets = vec![automaton.start()];
    let mut states = Vec::new();
    while let Some(set) = sets.get(states.len()).cloned() {
        let mut moves: BTreeMap<usize, ByteSet> = BTreeMap::new();
        for bytes in parts(ByteSet::ALL, automaton.distinguishes(&set)) {
            let next = bytes.bytes().next().map(|byte| automaton.step(&set, byte)).unwrap_or_default();
            if next.is_empty() {
                continue;
            }
            let number = *numbers.entry(next).or_insert_with_key(|next| {
                sets.push(next.clone());
                sets.len() - 1
            });
            let led = moves.entry(number).or_insert(ByteSet::EMPTY);
            *led = led.or(&bytes);
        }
        let moves = moves.into_iter().map(|(to, bytes)| (bytes, to)).collect();
        states.push(State { is_accepting: automaton.accepts(&set), moves });
    }
    states
}

/// Without the moves to where nothing can be accepted.
fn trimmed(states: &[State]) -> Vec<State> {
    let mut alive: Vec<bool> = states.iter().map(|state| state.is_accepting).collect();
    for _ in states {
        let leads = |state: &State| state.moves.iter().any(|(_, to)| alive.get(*to) == Some(&true));
        let next: Vec<bool> =
            states.iter().zip(&alive).map(|(state, is_alive)| *is_alive || leads(state)).collect();
        if next == alive {
            break;
        }
        alive = next;
    }
    let keep = |state: &State| State {
        moves: state.moves.iter().filter(|(_, to)| alive.get(*to) == Some(&true)).copied().collect(),
        ..state.clone()
    };
    states.iter().map(keep).collect()
}

/// Moore's algorithm: states that no text tells apart become one.
fn minimal(states: &[State]) -> Language {
    let mut blocks: Vec<usize> = states.iter().map(|state| usize::from(!state.is_accepting)).collect();
    loop {
        let mut numbers: HashMap<(usize, Vec<(ByteSet, usize)>), usize> = HashMap::new();
        let next: Vec<usize> = states
            .iter()
            .zip(&blocks)
            .map(|(state, block)| {
                let count = numbers.len();
                *numbers.entry((*block, merged(state, &blocks))).or_insert(count)
            })
            .collect();
        let is_stable = next.iter().max() == blocks.iter().max();
        blocks = next;
        if is_stable {
            break;
        }
    }
    // The first state is the first of its block, and blocks are numbered as they are met: it stays the first.
    let mut made: Vec<State> = Vec::new();
    for (state, block) in states.iter().zip(&blocks) {
        if *block == made.len() {
            made.push(State { is_accepting: state.is_accepting, moves: merged(state, &blocks) });
        }
    }
    Language(made)
}

/// The moves of a state to blocks, one for each block, in their order.
fn merged(state: &State, blocks: &[usize]) -> Vec<(ByteSet, usize)> {
    let mut moves: BTreeMap<usize, ByteSet> = BTreeMap::new();
    for (bytes, to) in &state.moves {
        let led = moves.entry(blocks.get(*to).copied().unwrap_or_default()).or_insert(ByteSet::EMPTY);
        *led = led.or(bytes);
    }
    moves.into_iter().map(|(block, bytes)| (bytes, block)).collect()
}

/// `whole`, cut along every one of `sets`.
pub(super) fn parts(whole: ByteSet, sets: impl Iterator<Item = ByteSet>) -> Vec<ByteSet> {
    let mut parts = vec![whole];
    for set in sets {
        // Most sets cut nothing, or one part.
        for at in 0..parts.len() {
            let Some(part) = parts.get_mut(at) else { continue };
            let (inside, outside) = (part.and(&set), part.without(&set));
            if !inside.is_empty() && !outside.is_empty() {
                *part = inside;
                parts.push(outside);
            }
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::policy::pattern::{Pattern, Separator};

    #[test]
    fn equal_states_are_one() {
        let pattern = Pattern::compile("{ab,cb}", Separator::Slash).unwrap();
        let language = Language::of(&pattern.automaton().unwrap());
        assert_eq!(language.0.len(), 3);
        assert!(
            language.holds("ab") && language.holds("cb") && !language.holds("bb") && !language.holds("a")
        );
    }

    #[test]
    fn nothing_holds_nothing() {
        assert!(!Language::of(&Automaton::empty()).holds(""));
    }

    proptest! {
        #[test]
        fn the_smallest_automaton_says_the_same(pattern in "/(a|b|\\*|\\?|/|\\{a,bb\\}){0,6}", text in "/(a|b|/){0,6}") {
            if let Ok(pattern) = Pattern::compile(&pattern, Separator::Slash) {
                let language = Language::of(&pattern.automaton().unwrap());
                prop_assert_eq!(language.holds(&text), pattern.matches(&text));
            }
        }
    }
}
