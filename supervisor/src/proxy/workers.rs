//! The threads that serve clients: each has a runtime of its own, and a connection stays with one of them.
//!
//! A request goes through two tasks, its client's and its origin's. Where any thread may take any task, each step wakes
//! another thread through the kernel, which costs more than all that is done with the request; here both are on the
//! thread that the client was given to. What else the supervisor does, such as reading a policy or talking to the gateway,
//! has the main runtime's threads and keeps no request waiting. Ended when dropped: what is under way is cut off then.

use std::io;
use std::num::NonZero;
use std::sync::Arc;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// The most threads: a sandbox is one of many programs on its host.
const MOST: usize = 4;

/// The threads.
#[derive(Debug)]
pub struct Workers(Vec<Worker>);

#[derive(Debug)]
struct Worker {
    runtime: Handle,
    /// Shared with each of its connections.
    load: Arc<()>,
    _over: oneshot::Sender<()>,
}

/// A connection's place on a thread: it counts for as long as this is kept.
#[derive(Debug)]
pub(super) struct Seat {
    _load: Arc<()>,
}

impl Workers {
    /// Starts as many as there are processors, and no more than four.
    ///
    /// # Errors
    /// The system gives no thread, or not what a runtime needs.
    pub fn start() -> io::Result<Self> {
        let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
        (0..processors.min(MOST)).map(|_| Worker::start()).collect::<io::Result<_>>().map(Self)
    }

    /// The thread with the fewest connections; the first of several.
    pub(super) fn seat(&self) -> Option<(&Handle, Seat)> {
        let worker = self.0.iter().min_by_key(|worker| Arc::strong_count(&worker.load))?;
        Some((&worker.runtime, Seat { _load: Arc::clone(&worker.load) }))
    }
}

impl Worker {
    fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (over, is_over) = oneshot::channel::<()>();
        let serve = move || {
            // Told by being dropped.
            let _ = runtime.block_on(is_over);
            runtime.shutdown_background();
        };
        std::thread::Builder::new().name("proxy".to_owned()).spawn(serve)?;
        Ok(Self { runtime: handle, load: Arc::default(), _over: over })
    }
}

#[cfg(test)]
mod tests;
