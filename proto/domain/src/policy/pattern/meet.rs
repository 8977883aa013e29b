//! Whether two patterns have a text in common.
//!
//! Exact, also for two globs neither of which covers the other (`a*.x.y` and `*c.x.y`): their automata run side
//! by side over the same bytes. Called by the findings, for which "no" must be certain; where an answer would
//! cost too much it is therefore "yes".

use std::collections::{HashSet, VecDeque};

use super::{Automaton, Pattern};

/// How many moves of both automata together are tried before the answer is "yes".
const MAX_STEPS: usize = 1 << 21;

impl Pattern {
    /// Whether some text is in the language of both. "No" is certain; "yes" is too, unless both patterns are so
    /// large that finding out costs too much.
    #[must_use]
    pub fn meets(&self, other: &Self) -> bool {
        match (self.is_literal(), other.is_literal()) {
            (true, _) => other.matches(self.text()),
            (false, true) => self.matches(other.text()),
            (false, false) => match (self.automaton(), other.automaton()) {
                (Ok(one), Ok(two)) => meet(&one, &two),
                _ => true,
            },
        }
    }
}

fn meet(one: &Automaton, two: &Automaton) -> bool {
    let mut seen: HashSet<(u16, u16)> = HashSet::from([(0, 0)]);
    let mut queue: VecDeque<(u16, u16)> = VecDeque::from([(0, 0)]);
    let mut steps = 0;
    while let Some((a, b)) = queue.pop_front() {
        if one.accepts_in(a) && two.accepts_in(b) {
            return true;
        }
        for next_a in one.moves_of(a) {
            let enters = one.enters(*next_a);
            for next_b in two.moves_of(b) {
                steps += 1;
                if steps > MAX_STEPS {
                    return true;
                }
                let is_shared = !enters.and(&two.enters(*next_b)).is_empty();
                if is_shared && seen.insert((*next_a, *next_b)) {
                    queue.push_back((*next_a, *next_b));
                }
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::policy::pattern::{Pattern, Separator};

    fn compile(text: &str) -> Pattern {
        Pattern::compile(text, Separator::Dot).unwrap()
    }

    #[test]
    fn globs_that_only_intersect_meet() {
        for (one, two, meets) in [
            ("a*.x.y", "*c.x.y", true),
            ("a*.x.y", "b*.x.y", false),
            ("*.x.y", "**.y", true),
            ("*.x.y", "*.*.x.y", false),
            ("**.x.y", "*.*.x.y", true),
            ("*.x.y", "a.x.y", true),
            ("*.x.y", "x.y", false),
            ("a.b", "a.b", true),
            ("**", "*.a", true),
        ] {
            assert_eq!(compile(one).meets(&compile(two)), meets, "{one} {two}");
            assert_eq!(compile(two).meets(&compile(one)), meets, "{two} {one}");
        }
    }

    /// Every text of at most six of the characters that the patterns tell apart.
    fn short_texts() -> Vec<String> {
        let mut all = vec![String::new()];
        let mut last = all.clone();
        for _ in 0..6 {
            last = last.iter().flat_map(|text| ["a", "b", "."].map(|c| format!("{text}{c}"))).collect();
            all.extend(last.iter().cloned());
        }
        all
    }

    proptest! {
        #[test]
        fn what_meets_is_what_a_short_text_shows(
            one in "(\\*\\*\\.|\\*\\.)?(a|b|\\*){1,2}(\\.(a|b|\\*))?",
            two in "(\\*\\*\\.|\\*\\.)?(a|b|\\*){1,2}(\\.(a|b|\\*))?",
        ) {
            let both = (Pattern::compile(&one, Separator::Dot), Pattern::compile(&two, Separator::Dot));
            if let (Ok(a), Ok(b)) = both {
                let shown = short_texts().iter().any(|text| a.matches(text) && b.matches(text));
                prop_assert_eq!(a.meets(&b), shown, "{} {}", one, two);
            }
        }
    }
}
