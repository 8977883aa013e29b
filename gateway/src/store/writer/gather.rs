//! How many commands a group waits for before it is committed.
//!
//! Whoever was just answered often asks again at once. A writer that starts with the first of them pays an fsync
//! for it alone while the others queue up behind; so it lets them come, but never longer than a part of what the
//! last group took. One who is alone is never waited for. (PostgreSQL's `commit_delay` with `commit_siblings`,
//! except that nobody has to find the numbers.) Called by the writer.

use std::time::Duration;

use tokio::sync::mpsc::Receiver;
use tokio::sync::mpsc::error::TryRecvError;

use super::{Ask, GROUP};
use crate::clock::Clock;

/// The part of the last group's time that the next one may wait.
const PART: u32 = 4;
/// The longest wait, however slow the disk is.
const LONGEST: Duration = Duration::from_millis(1);
/// So often it is looked whether somebody came, even where no time passes: a clock may stand still.
const LOOKS: usize = 10_000;

/// What the last group taught.
#[derive(Debug, Default)]
pub(super) struct Gather {
    /// Those who were answered and those who waited already: as many may come.
    wanted: usize,
    patience: Duration,
}

impl Gather {
    /// Adds to a group what comes in time.
    pub(super) fn fill(&self, asks: &mut Vec<Ask>, queue: &mut Receiver<Ask>, clock: &dyn Clock) {
        if asks.len() >= self.wanted {
            return;
        }
        let begun = clock.uptime();
        for _ in 0..LOOKS {
            match queue.try_recv() {
                Ok(ask) => asks.push(ask),
                Err(TryRecvError::Disconnected) => return,
                Err(TryRecvError::Empty) if clock.uptime().saturating_sub(begun) >= self.patience => return,
                Err(TryRecvError::Empty) => std::thread::yield_now(),
            }
            if asks.len() >= self.wanted {
                return;
            }
        }
    }

    /// Takes in how the last group went.
    pub(super) fn learn(&mut self, answered: usize, waiting: usize, took: Duration) {
        self.wanted = GROUP.min(answered.saturating_add(waiting));
        self.patience = LONGEST.min(took / PART);
    }
}
