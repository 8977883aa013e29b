//! How often a client of HTTP/2 may take requests back that were judged and under way already (CVE-2023-44487).
//!
//! Taking one back is its right, and costs it a frame; by then a rule was asked, a name looked up, an origin dialled. So
//! what is taken back is counted against what is answered, without a clock: who only takes back is not served for long.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio_util::sync::CancellationToken;

/// How many more requests may be taken back than are answered.
const MOST: usize = 256;

/// The count of one connection.
#[derive(Debug, Default)]
pub(super) struct Patience {
    taken_back: AtomicUsize,
    over: CancellationToken,
}

/// One request under way. Dropped before it is answered, it was taken back.
#[derive(Debug)]
pub(super) struct UnderWay<'a> {
    patience: &'a Patience,
    is_answered: bool,
}

impl Patience {
    pub(super) fn begin(&self) -> UnderWay<'_> {
        UnderWay { patience: self, is_answered: false }
    }

    /// Comes when there is none left.
    pub(super) async fn over(&self) {
        self.over.cancelled().await;
    }
}

impl UnderWay<'_> {
    pub(super) fn answered(mut self) {
        self.is_answered = true;
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let count = &self.patience.taken_back;
        if self.is_answered {
            // At 0 it stays.
            let _ = count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| count.checked_sub(1));
        } else if count.fetch_add(1, Ordering::Relaxed) >= MOST {
            self.patience.over.cancel();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kills: a budget that answers do not give back, and one that is never used up.
    #[test]
    fn answers_make_up_for_what_is_taken_back_and_nothing_else_does() {
        let patience = Patience::default();
        for _ in 0..10 * MOST {
            drop(patience.begin());
            patience.begin().answered();
        }
        assert!(!patience.over.is_cancelled());
        for _ in 0..MOST {
            drop(patience.begin());
        }
        assert!(!patience.over.is_cancelled());
        drop(patience.begin());
        assert!(patience.over.is_cancelled());
    }
}
