//! A language with as few states as it can have.
//!
//! It runs beside every product of patterns, so each state that is there twice doubles the product. Sets of states
//! from which the same texts follow are one here.

use std::collections::HashMap;

use crate::policy::pattern::{Automaton, States};

/// An automaton, and for each set of states the one that stands for it.
pub(super) struct Language {
    pub(super) automaton: Automaton,
    representatives: HashMap<States, States>,
}

impl Language {
    pub(super) fn new(automaton: Automaton) -> Self {
        let (sets, moves) = reachable(&automaton);
        let mut classes: Vec<usize> = sets.iter().map(|set| usize::from(automaton.accepts(set))).collect();
        let mut count = 0;
        loop {
            let mut numbers: HashMap<Vec<usize>, usize> = HashMap::new();
            let refined = moves.iter().zip(&classes).map(|(moves, class)| {
                let to = moves.iter().map(|to| classes.get(*to).copied().unwrap_or(usize::MAX));
                let signature: Vec<usize> = std::iter::once(*class).chain(to).collect();
                let next = numbers.len();
                *numbers.entry(signature).or_insert(next)
            });
            classes = refined.collect();
            if numbers.len() == count {
                break;
            }
            count = numbers.len();
        }
        let mut first: HashMap<usize, States> = HashMap::new();
        let representatives = sets.into_iter().zip(classes).map(|(set, class)| {
            let one = first.entry(class).or_insert_with(|| set.clone()).clone();
            (set, one)
        });
        Self { representatives: representatives.collect(), automaton }
    }

    /// Where a run is after one more byte.
    pub(super) fn step(&self, states: &[u16], byte: u8) -> States {
        let next = self.automaton.step(states, byte);
        self.representatives.get(&next).cloned().unwrap_or(next)
    }
}

/// The sets of states that runs can be in, and where each byte leads; `usize::MAX` is nowhere.
fn reachable(automaton: &Automaton) -> (Vec<States>, Vec<Vec<usize>>) {
    let mut sets = vec![automaton.start()];
    let mut numbers: HashMap<States, usize> = HashMap::from([(automaton.start(), 0)]);
    let mut moves: Vec<Vec<usize>> = Vec::new();
    while let Some(set) = sets.get(moves.len()).cloned() {
        let mut row = Vec::with_capacity(256);
        for byte in 0..=u8::MAX {
            let next = automaton.step(&set, byte);
            row.push(if next.is_empty() {
                usize::MAX
            } else {
                *numbers.entry(next).or_insert_with_key(|next| {
                    sets.push(next.clone());
                    sets.len() - 1
                })
            });
        }
        moves.push(row);
    }
    (sets, moves)
}
