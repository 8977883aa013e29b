//! A pattern as a position automaton: what the matcher runs and what the difference takes products of.
//!
//! Glushkov's construction: one state for each byte that a pattern can consume, no empty moves. So a pattern of
//! `n` bytes has at most `n + 1` states, building it is linear in what it writes down, and no pattern can make
//! it explode; sets of states are what a run is in.

/// A set of bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ByteSet([u64; 4]);

impl std::fmt::Debug for ByteSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let members: Vec<u8> = self.bytes().collect();
        write!(f, "ByteSet({})", members.escape_ascii())
    }
}

impl ByteSet {
    /// No byte.
    pub const EMPTY: Self = Self([0; 4]);
    /// Every byte.
    pub const ALL: Self = Self([u64::MAX; 4]);

    /// The bytes from `low` to `high`, both included.
    #[must_use]
    pub fn range(low: u8, high: u8) -> Self {
        let mut set = Self::EMPTY;
        for byte in low..=high {
            set.insert(byte);
        }
        set
    }

    /// This byte alone.
    #[must_use]
    pub fn of(byte: u8) -> Self {
        Self::range(byte, byte)
    }

    /// Adds a byte.
    pub fn insert(&mut self, byte: u8) {
        if let Some(word) = self.0.get_mut(usize::from(byte >> 6)) {
            *word |= 1 << (byte & 63);
        }
    }

    /// Whether `byte` is in it.
    #[must_use]
    pub fn contains(&self, byte: u8) -> bool {
        self.0.get(usize::from(byte >> 6)).is_some_and(|word| word >> (byte & 63) & 1 == 1)
    }

    /// The bytes in this set and in `other`.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let mut out = *self;
        out.0.iter_mut().zip(other.0).for_each(|(word, with)| *word &= with);
        out
    }

    /// The bytes in this set or in `other`.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        let mut out = *self;
        out.0.iter_mut().zip(other.0).for_each(|(word, with)| *word |= with);
        out
    }

    /// The bytes of this set that are not in `other`.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        let mut out = *self;
        out.0.iter_mut().zip(other.0).for_each(|(word, with)| *word &= !with);
        out
    }

    /// Whether it is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0 == [0; 4]
    }

    /// Its bytes, ascending.
    pub fn bytes(&self) -> impl Iterator<Item = u8> + '_ {
        (0..=u8::MAX).filter(|byte| self.contains(*byte))
    }
}

/// The most states; a pattern that needs more is too complex.
pub(super) const MAX_STATES: usize = 4224;
/// Words of a bit set over all states.
const WORDS: usize = MAX_STATES / 64;

/// The automaton. State 0 is the beginning.
#[derive(Debug, Clone)]
pub struct Automaton {
    /// The byte that leads into each state.
    pub(super) enters: Box<[ByteSet]>,
    /// Where the moves of each state begin in `moves`; one more at the end.
    pub(super) begins: Box<[u32]>,
    pub(super) moves: Box<[u16]>,
    pub(super) accepting: Box<[bool]>,
}

/// A set of states that a run may be in, ascending. Empty: the run has failed.
pub type States = Vec<u16>;

impl Automaton {
    pub(super) fn moves_of(&self, state: u16) -> &[u16] {
        let at = usize::from(state);
        let bounds = self.begins.get(at).zip(self.begins.get(at + 1));
        bounds.and_then(|(from, to)| self.moves.get(*from as usize..*to as usize)).unwrap_or_default()
    }

    pub(super) fn enters(&self, state: u16) -> ByteSet {
        self.enters.get(usize::from(state)).copied().unwrap_or(ByteSet::EMPTY)
    }

    pub(super) fn accepts_in(&self, state: u16) -> bool {
        self.accepting.get(usize::from(state)).copied().unwrap_or(false)
    }

    /// Where every run begins.
    #[must_use]
    pub fn start(&self) -> States {
        vec![0]
    }

    /// Where a run is after one more byte.
    #[must_use]
    pub fn step(&self, states: &[u16], byte: u8) -> States {
        let mut next: States = states
            .iter()
            .flat_map(|state| self.moves_of(*state))
            .copied()
            .filter(|to| self.enters(*to).contains(byte))
            .collect();
        next.sort_unstable();
        next.dedup();
        next
    }

    /// Whether what was read so far is in the language.
    #[must_use]
    pub fn accepts(&self, states: &[u16]) -> bool {
        states.iter().any(|state| self.accepts_in(*state))
    }

    /// The sets of bytes that the next step distinguishes.
    pub fn distinguishes(&self, states: &[u16]) -> impl Iterator<Item = ByteSet> {
        states.iter().flat_map(|state| self.moves_of(*state)).map(|to| self.enters(*to))
    }

    /// The automaton of no text at all.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            enters: Box::new([ByteSet::EMPTY]),
            begins: Box::new([0, 0]),
            moves: Box::new([]),
            accepting: Box::new([false]),
        }
    }

    /// Whether the whole of `subject` is in the language. Does not allocate.
    #[must_use]
    pub fn matches_all(&self, subject: &[u8]) -> bool {
        self.matches_from(0, subject)
    }

    /// Whether the whole of `subject` is in the language, given that its first `skip` bytes lead to state `skip`.
    /// Does not allocate.
    pub(super) fn matches_from(&self, skip: usize, subject: &[u8]) -> bool {
        // Room for the largest pattern takes longer to clear than a usual one takes to match.
        if self.accepting.len() <= 128 {
            self.run(&mut [0; 2], &mut [0; 2], skip, subject)
        } else {
            self.run(&mut [0; WORDS], &mut [0; WORDS], skip, subject)
        }
    }

    /// `now` and `next` are empty sets with room for every state.
    fn run<'s>(&self, mut now: &'s mut [u64], mut next: &'s mut [u64], skip: usize, subject: &[u8]) -> bool {
        mark(now, u16::try_from(skip).unwrap_or(u16::MAX));
        for byte in subject.get(skip..).unwrap_or_default() {
            next.fill(0);
            let mut is_alive = false;
            for state in marked(now) {
                for to in self.moves_of(state) {
                    if self.enters(*to).contains(*byte) {
                        mark(next, *to);
                        is_alive = true;
                    }
                }
            }
            if !is_alive {
                return false;
            }
            std::mem::swap(&mut now, &mut next);
        }
        marked(now).any(|state| self.accepts_in(state))
    }
}

fn mark(set: &mut [u64], state: u16) {
    if let Some(word) = set.get_mut(usize::from(state >> 6)) {
        *word |= 1 << (state & 63);
    }
}

fn marked(set: &[u64]) -> impl Iterator<Item = u16> + '_ {
    set.iter().zip(0_u16..).flat_map(|(word, index)| {
        let mut rest = *word;
        std::iter::from_fn(move || {
            let low = u16::try_from(rest.trailing_zeros()).ok().filter(|low| *low < 64)?;
            rest &= rest - 1;
            Some(index * 64 + low)
        })
    })
}
