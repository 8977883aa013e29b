//! How much work a comparison may be: so many steps of an automaton, and no more once nobody waits for it.
//!
//! The steps bound every comparison the same everywhere. The patience is the caller's own: this crate knows no clock.

use std::fmt;
use std::sync::Arc;

use super::TooComplex;

/// The most steps of one comparison.
const STEPS: usize = 1 << 22;
/// After how many of them the patience is asked.
const BETWEEN: usize = 1 << 10;

/// Whether a comparison is still wanted; the default is for ever.
#[derive(Clone, Default)]
pub struct Patience(Option<Arc<dyn Fn() -> bool + Send + Sync>>);

impl Patience {
    /// Until `is_over` says so. It is asked often, by whoever compares.
    pub fn until(is_over: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(is_over)))
    }

    /// Whether it has ended.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.0.as_ref().is_some_and(|is_over| is_over())
    }
}

impl fmt::Debug for Patience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Patience").field("is_bounded", &self.0.is_some()).finish()
    }
}

/// What is left of one comparison's.
#[derive(Debug)]
pub(super) struct Budget {
    steps: usize,
    /// So many steps until the patience is asked.
    unasked: usize,
    patience: Patience,
}

impl Default for Budget {
    fn default() -> Self {
        Self::within(&Patience::default())
    }
}

impl Budget {
    pub(super) fn within(patience: &Patience) -> Self {
        Self { steps: STEPS, unasked: 0, patience: patience.clone() }
    }

    pub(super) fn spend(&mut self, steps: usize) -> Result<(), TooComplex> {
        self.steps = self.steps.checked_sub(steps).ok_or(TooComplex)?;
        match self.unasked.checked_sub(steps) {
            Some(left) => self.unasked = left,
            None if self.patience.is_over() => return Err(TooComplex),
            None => self.unasked = BETWEEN,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Kills: a patience that is asked once, or never, and one that is asked at every step.
    #[test]
    fn work_ends_soon_after_the_patience_does_and_at_the_last_step_anyway() {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let patience = Patience::until(move || count.fetch_add(1, Ordering::Relaxed) == 3);
        let mut budget = Budget::within(&patience);
        let done = (0..STEPS).take_while(|_| budget.spend(1).is_ok()).count();
        assert!((3 * BETWEEN..4 * BETWEEN).contains(&done), "{done}");
        assert_eq!(asked.load(Ordering::Relaxed), 4);
        let mut endless = Budget::default();
        assert_eq!((endless.spend(STEPS), endless.spend(1)), (Ok(()), Err(TooComplex)));
    }
}
