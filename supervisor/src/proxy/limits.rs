//! How much one sandbox may have open at once: connections, memory for what is under way, TLS handshakes a second.
//!
//! Memory is bounded by construction: whatever is opened first reserves the most that it can hold, in KiB of one
//! budget, and what finds no room is refused with a reply. A client's connection holds at most the guard's head (36), the
//! parser's buffers (36 each way) and TLS records (34 in, 16 out); an origin's the same without the guard. HTTP/2 holds
//! 128 heads of 32, 128 frames of 16 on their way, and a window of 1,024 each way.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

use crate::clock;

/// The most connections at once, tunnels included.
const MAX_CONNECTIONS: usize = 1024;
/// What all of them may hold, in KiB.
const BUFFERS: usize = 256 * 1024;
/// What a client's connection may hold, in KiB.
const CLIENT: u32 = 160;
/// What a connection to an origin may hold, in KiB.
const ORIGIN: u32 = 128;
/// What HTTP/2 with a client may hold beyond that, in KiB.
const HTTP2: u32 = 8 * 1024;
/// The most of these at once: half of the memory is for who speaks HTTP/1.1.
const MAX_HTTP2: usize = 16;
/// The most callers that are looked for at once: each takes a thread, and more would only wait for a processor.
const MAX_LOOKUPS: usize = 4;
/// The most TLS handshakes a second.
const HANDSHAKES: u32 = 256;
/// How long a handshake may have to wait for its turn.
const LONGEST_TURN: Duration = Duration::from_secs(2);

/// What is left.
#[derive(Debug)]
pub(crate) struct Limits {
    connections: Arc<Semaphore>,
    buffers: Arc<Semaphore>,
    http2: Arc<Semaphore>,
    lookups: Semaphore,
    turns: Mutex<Turns>,
}

/// Room that is reserved until this is dropped.
#[derive(Debug)]
pub(crate) struct Room {
    _buffers: OwnedSemaphorePermit,
    _place: Option<OwnedSemaphorePermit>,
}

impl Limits {
    pub(super) fn new() -> Self {
        Self {
            connections: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
            buffers: Arc::new(Semaphore::new(BUFFERS)),
            http2: Arc::new(Semaphore::new(MAX_HTTP2)),
            lookups: Semaphore::new(MAX_LOOKUPS),
            turns: Mutex::default(),
        }
    }

    /// For a client's connection.
    pub(super) fn client(&self) -> Option<Room> {
        room(&self.buffers, CLIENT, Some(&self.connections))
    }

    /// For a connection to an origin.
    pub(super) fn origin(&self) -> Option<Room> {
        room(&self.buffers, ORIGIN, None)
    }

    /// For a client's connection to become one of HTTP/2.
    pub(super) fn http2(&self) -> Option<Room> {
        room(&self.buffers, HTTP2, Some(&self.http2))
    }

    /// Waits for a thread to look for a caller with, in the order in which they came.
    pub(super) async fn lookup(&self) -> Option<SemaphorePermit<'_>> {
        // It is never closed.
        self.lookups.acquire().await.ok()
    }

    /// Waits until one more TLS handshake may begin; `false` where too many wait already.
    pub(super) async fn handshake(&self) -> bool {
        let turn = self.turns.lock().unwrap_or_else(PoisonError::into_inner).next(clock::reading().boot);
        match turn {
            Some(wait) if wait.is_zero() => true,
            Some(wait) => {
                tokio::time::sleep(wait).await;
                true
            }
            None => false,
        }
    }
}

fn room(buffers: &Arc<Semaphore>, size: u32, places: Option<&Arc<Semaphore>>) -> Option<Room> {
    let place = match places {
        Some(places) => Some(Arc::clone(places).try_acquire_owned().ok()?),
        None => None,
    };
    let buffers = Arc::clone(buffers).try_acquire_many_owned(size).ok()?;
    Some(Room { _buffers: buffers, _place: place })
}

/// Turns that are so far apart that there are [`HANDSHAKES`] in a second, up to a second's worth of them at once.
#[derive(Debug, Default)]
struct Turns {
    /// When the next one would be due if there were no burst.
    due: Duration,
}

impl Turns {
    /// How long from now until its turn; none where that would be too long.
    fn next(&mut self, now: Duration) -> Option<Duration> {
        let burst = Duration::from_secs(1);
        let due = self.due.max(now);
        let wait = due.saturating_sub(now + burst);
        if wait > LONGEST_TURN {
            return None;
        }
        self.due = due + burst / HANDSHAKES;
        Some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kills: a budget that is not shared, and room that is not given back.
    #[test]
    fn room_is_counted_in_one_budget_and_given_back() {
        let limits = Limits::new();
        let clients: Vec<Room> = std::iter::from_fn(|| limits.client()).collect();
        assert_eq!(clients.len(), MAX_CONNECTIONS);
        let left = BUFFERS - MAX_CONNECTIONS * CLIENT as usize;
        let origins: Vec<Room> = std::iter::from_fn(|| limits.origin()).collect();
        assert_eq!(origins.len(), left / ORIGIN as usize);
        assert!(limits.http2().is_none());
        drop(clients);
        assert!(limits.http2().is_some() && limits.client().is_some());
    }

    /// Kills: HTTP/2 that takes all of the memory.
    #[test]
    fn http2_leaves_half_of_the_memory_to_the_others() {
        let limits = Limits::new();
        let http2: Vec<Room> = std::iter::from_fn(|| limits.http2()).collect();
        assert_eq!(http2.len(), MAX_HTTP2);
        assert_eq!(limits.buffers.available_permits(), BUFFERS / 2);
    }

    /// Kills: a rate without a bound on who waits for it.
    #[test]
    fn handshakes_beyond_the_rate_wait_for_their_turn_and_not_for_ever() {
        let (mut turns, start) = (Turns::default(), Duration::from_secs(1_000));
        let mut take = |now| turns.next(now);
        let waits: Vec<Duration> = std::iter::from_fn(|| take(start)).collect();
        let waiting = 2 * HANDSHAKES as usize;
        assert_eq!(waits.iter().filter(|wait| wait.is_zero()).count(), HANDSHAKES as usize + 1);
        assert_eq!(waits.len(), HANDSHAKES as usize + waiting + 1);
        assert!(waits.is_sorted() && *waits.last().unwrap() <= LONGEST_TURN);
        let later = start + Duration::from_secs(1);
        let again = std::iter::from_fn(|| take(later)).count();
        assert_eq!(again, HANDSHAKES as usize, "a second gives as many again");
        let much_later = start + Duration::from_secs(60);
        assert_eq!(take(much_later), Some(Duration::ZERO));
    }
}
