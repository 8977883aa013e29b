//! Who is here now: how many supervisors are attached and how many inboxes watch.
//!
//! In memory only. Each stream holds a place for as long as it lives, however it ends. Called by both doors; read
//! by `GetStatus`, by the metrics and by [`crate::idle`], which waits for changes.

use tokio::sync::watch;

/// Everybody who is here.
#[derive(Debug, Clone, Default)]
pub(crate) struct Presence {
    pub(crate) supervisors: Crowd,
    pub(crate) watchers: Crowd,
}

/// How many of one kind.
#[derive(Debug, Clone, Default)]
pub(crate) struct Crowd(watch::Sender<usize>);

/// A place in a crowd, given up when it is dropped.
#[derive(Debug)]
pub(crate) struct Present(Crowd);

impl Crowd {
    pub(crate) fn enter(&self) -> Present {
        self.0.send_modify(|count| *count += 1);
        Present(self.clone())
    }

    pub(crate) fn count(&self) -> usize {
        *self.0.borrow()
    }

    pub(crate) fn changes(&self) -> watch::Receiver<usize> {
        self.0.subscribe()
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        self.0.0.send_modify(|count| *count = count.saturating_sub(1));
    }
}
