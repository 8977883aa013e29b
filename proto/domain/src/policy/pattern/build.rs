//! Building an automaton part by part.

use super::automaton::{Automaton, ByteSet, MAX_STATES};

/// The most moves, which nested optional parts multiply.
const MAX_MOVES: usize = 1 << 16;

/// Part of a language: where a run enters it, where it may leave it.
#[derive(Debug, Clone, Default)]
pub(in crate::policy) struct Part {
    first: Vec<u16>,
    last: Vec<u16>,
    /// Whether it matches nothing at all.
    is_optional: bool,
}

/// Builds an automaton part by part.
#[derive(Debug)]
pub(in crate::policy) struct Builder {
    enters: Vec<ByteSet>,
    moves: Vec<Vec<u16>>,
    count: usize,
}

/// The automaton would be larger than a pattern is worth.
#[derive(Debug)]
pub(in crate::policy) struct TooLarge;

impl Builder {
    pub(in crate::policy) fn new() -> Self {
        Self { enters: vec![ByteSet::EMPTY], moves: vec![Vec::new()], count: 0 }
    }

    /// Matches nothing at all.
    pub(in crate::policy) fn nothing() -> Part {
        Part { is_optional: true, ..Part::default() }
    }

    /// One byte of `set`.
    pub(in crate::policy) fn byte(&mut self, set: ByteSet) -> Result<Part, TooLarge> {
        let state = u16::try_from(self.enters.len()).map_err(|_| TooLarge)?;
        if self.enters.len() >= MAX_STATES {
            return Err(TooLarge);
        }
        self.enters.push(set);
        self.moves.push(Vec::new());
        Ok(Part { first: vec![state], last: vec![state], is_optional: false })
    }

    /// `part`, any number of times.
    pub(in crate::policy) fn repeated(&mut self, part: Part) -> Result<Part, TooLarge> {
        self.connect(&part.last, &part.first)?;
        Ok(Part { is_optional: true, ..part })
    }

    /// `head`, then `tail`.
    pub(in crate::policy) fn then(&mut self, head: Part, tail: Part) -> Result<Part, TooLarge> {
        self.connect(&head.last, &tail.first)?;
        let mut first = head.first;
        if head.is_optional {
            first.extend(tail.first);
        }
        let mut last = tail.last;
        if tail.is_optional {
            last.extend(head.last);
        }
        Ok(Part { first, last, is_optional: head.is_optional && tail.is_optional })
    }

    /// One of the two.
    pub(in crate::policy) fn either(mut one: Part, other: Part) -> Part {
        one.first.extend(other.first);
        one.last.extend(other.last);
        one.is_optional |= other.is_optional;
        one
    }

    fn connect(&mut self, from: &[u16], to: &[u16]) -> Result<(), TooLarge> {
        self.count += from.len() * to.len();
        if self.count > MAX_MOVES {
            return Err(TooLarge);
        }
        for state in from {
            if let Some(moves) = self.moves.get_mut(usize::from(*state)) {
                moves.extend_from_slice(to);
            }
        }
        Ok(())
    }

    pub(in crate::policy) fn finish(mut self, whole: Part) -> Result<Automaton, TooLarge> {
        let mut accepting = vec![false; self.enters.len()];
        self.connect(&[0], &whole.first)?;
        if let Some(start) = accepting.first_mut() {
            *start = whole.is_optional;
        }
        for state in &whole.last {
            if let Some(accepts) = accepting.get_mut(usize::from(*state)) {
                *accepts = true;
            }
        }
        let mut begins = Vec::with_capacity(self.moves.len() + 1);
        let mut moves = Vec::with_capacity(self.count);
        for mut targets in self.moves {
            targets.sort_unstable();
            targets.dedup();
            begins.push(u32::try_from(moves.len()).map_err(|_| TooLarge)?);
            moves.append(&mut targets);
        }
        begins.push(u32::try_from(moves.len()).map_err(|_| TooLarge)?);
        Ok(Automaton {
            enters: self.enters.into(),
            begins: begins.into(),
            moves: moves.into(),
            accepting: accepting.into(),
        })
    }
}
