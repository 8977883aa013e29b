//! A set in order whose places are numbered: what a list of 100,000 rows is made of.
//!
//! One block of memory and binary search: finding a row, its number and the rows in sight takes no walk over the
//! others, and one row more or less moves at most the block.

/// Things in order, each once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sorted<T>(
    /// The last first: what is new comes first on a screen, and at the end of a block it moves nothing.
    Vec<T>,
);

impl<T> Default for Sorted<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Ord + Copy> FromIterator<T> for Sorted<T> {
    fn from_iter<I: IntoIterator<Item = T>>(things: I) -> Self {
        let mut things: Vec<T> = things.into_iter().collect();
        things.sort_unstable_by(|one, other| other.cmp(one));
        things.dedup();
        Self(things)
    }
}

impl<T: Ord + Copy> Sorted<T> {
    /// Where a thing is in the block, or belongs.
    fn find(&self, thing: &T) -> Result<usize, usize> {
        self.0.binary_search_by(|known| thing.cmp(known))
    }

    /// Puts a thing into its place; says whether it is new.
    pub fn insert(&mut self, thing: T) -> bool {
        let found = self.find(&thing);
        if let Err(at) = found {
            self.0.insert(at, thing);
        }
        found.is_err()
    }

    /// Takes a thing away; says whether it was there.
    pub fn remove(&mut self, thing: &T) -> bool {
        let found = self.find(thing);
        if let Ok(at) = found {
            self.0.remove(at);
        }
        found.is_ok()
    }

    /// The number of a thing, if it is there.
    #[must_use]
    pub fn position(&self, thing: &T) -> Option<usize> {
        self.find(thing).ok().map(|at| self.0.len() - 1 - at)
    }

    /// How many things come before this one, whether or not it is there itself.
    #[must_use]
    pub fn before(&self, thing: &T) -> usize {
        self.0.len() - self.0.partition_point(|known| known >= thing)
    }

    /// The thing with this number.
    #[must_use]
    pub fn get(&self, at: usize) -> Option<T> {
        self.0.get(self.0.len().checked_sub(at + 1)?).copied()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The things from number `at` on.
    pub fn iter_from(&self, at: usize) -> impl DoubleEndedIterator<Item = T> + '_ {
        self.0.get(..self.0.len().saturating_sub(at)).unwrap_or_default().iter().rev().copied()
    }

    /// Keeps those of which this is true.
    pub fn retain(&mut self, is_kept: impl FnMut(&T) -> bool) {
        self.0.retain(is_kept);
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_set_with_numbers(steps in prop::collection::vec((any::<bool>(), 0_u8..40), 0..200)) {
            let (mut sorted, mut set) = (Sorted::default(), BTreeSet::new());
            for (is_added, thing) in steps {
                if is_added {
                    prop_assert_eq!(sorted.insert(thing), set.insert(thing));
                } else {
                    prop_assert_eq!(sorted.remove(&thing), set.remove(&thing));
                }
            }
            prop_assert_eq!(sorted.iter_from(0).collect::<Vec<_>>(), set.iter().copied().collect::<Vec<_>>());
            for at in 0..42 {
                prop_assert_eq!(sorted.get(at), set.iter().nth(at).copied());
                prop_assert_eq!(sorted.iter_from(at).collect::<Vec<_>>(), set.iter().skip(at).copied().collect::<Vec<_>>());
            }
            for thing in 0..40 {
                prop_assert_eq!(sorted.before(&thing), set.range(..thing).count());
                prop_assert_eq!(sorted.position(&thing), set.iter().position(|known| *known == thing));
            }
        }
    }
}
