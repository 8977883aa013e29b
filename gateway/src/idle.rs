//! When nobody needs a gateway any more: no supervisor attached, no inbox watching, nothing pending, for a time.
//!
//! Any event and any coming or going begins the time anew. Reads no clock: the runtime's timer is the only one, so
//! tests drive it. Called by [`crate::gateway`].

use std::future::pending;
use std::time::Duration;

use tokio::sync::broadcast;
use tokio::time::timeout;

use crate::presence::Presence;

/// Comes to an end when it was idle for `span`; never without one.
pub(crate) async fn idle<T: Clone>(
    span: Option<Duration>,
    presence: &Presence,
    mut events: broadcast::Receiver<T>,
    has_pending: impl Fn() -> bool,
) {
    let Some(span) = span else { return pending().await };
    let (mut supervisors, mut watchers) = (presence.supervisors.changes(), presence.watchers.changes());
    loop {
        let is_idle =
            *supervisors.borrow_and_update() == 0 && *watchers.borrow_and_update() == 0 && !has_pending();
        let activity = async {
            tokio::select! {
                _ = supervisors.changed() => {}
                _ = watchers.changed() => {}
                _ = events.recv() => {}
            }
        };
        if !is_idle {
            activity.await;
        } else if timeout(span, activity).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tokio::time::{Instant, advance};

    use super::*;

    const SPAN: Duration = Duration::from_secs(600);

    /// Whether `SPAN` without a change ends it from now on.
    async fn ends(idle: &mut (impl Future<Output = ()> + Unpin)) -> bool {
        let short = timeout(SPAN - Duration::from_secs(1), &mut *idle).await.is_ok();
        assert!(!short, "it ended too early");
        timeout(Duration::from_secs(2), idle).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_after_the_time_in_which_nobody_was_there_and_nothing_pending() {
        let (presence, events, is_pending) =
            (Presence::default(), broadcast::Sender::new(4), Cell::new(false));
        let watcher = presence.watchers.enter();
        let mut idle = Box::pin(idle(Some(SPAN), &presence, events.subscribe(), || is_pending.get()));
        assert!(!ends(&mut idle).await, "an inbox watches");
        let supervisor = presence.supervisors.enter();
        drop(watcher);
        assert!(!ends(&mut idle).await, "a supervisor is attached");
        is_pending.set(true);
        drop(supervisor);
        assert!(!ends(&mut idle).await, "something is pending");
        is_pending.set(false);
        events.send(()).unwrap();
        assert!(ends(&mut idle).await);
    }

    #[tokio::test(start_paused = true)]
    async fn every_event_begins_the_time_anew_and_without_a_time_there_is_no_end() {
        let (presence, events) = (Presence::default(), broadcast::Sender::new(1));
        let mut limited = Box::pin(idle(Some(SPAN), &presence, events.subscribe(), || false));
        let began = Instant::now();
        for _ in 0..3 {
            assert!(timeout(SPAN / 2, &mut limited).await.is_err());
            // More than it can hold: that some were missed is activity, too.
            for _ in 0..3 {
                events.send(()).unwrap();
            }
        }
        assert!(ends(&mut limited).await);
        assert!(began.elapsed() > SPAN * 2);
        let mut endless = Box::pin(idle(None, &presence, events.subscribe(), || false));
        advance(SPAN * 1000).await;
        assert!(timeout(SPAN, &mut endless).await.is_err());
    }
}
