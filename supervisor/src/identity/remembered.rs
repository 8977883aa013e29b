//! Which sockets processes have open, remembered for as long as that cannot have changed.
//!
//! Looking through thousands of descriptors takes milliseconds, and most processes sleep. What a process has open
//! changes by its own doing only: it opens, it takes what it is handed. So of one none of whose threads has been on a
//! processor since it was looked through, what was seen then is what it has. The kernel counts each time that a thread
//! gets on one, at that moment (`schedstat`, third number), and `syscall` says of a thread that it is off: it waits
//! until that is so (`wait_task_inactive`), and says `running` otherwise. Whoever shares descriptors with another
//! process runs the same program: `execve` gives a copy. Where a kernel does not count or does not tell, everything is
//! looked through each time.

use std::collections::HashMap;
use std::fs;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::IdentityError;
use super::process;

/// The most sockets of a process that are remembered, so that all of them together have a bound.
const MAX_SOCKETS: usize = 256;
/// How many more processes are remembered than there are, before those that have ended are forgotten.
const SLACK: usize = 64;

/// What processes had open when they were looked through.
#[derive(Debug, Default)]
pub(super) struct Remembered(Mutex<HashMap<i32, Arc<Seen>>>);

/// What one had open while none of its threads ran.
#[derive(Debug)]
struct Seen {
    threads: Vec<Counted>,
    sockets: Vec<u64>,
}

/// A thread, and what the kernel has counted of it. Also tells it from a later one of the same number, which would
/// have to have run for as many nanoseconds.
#[derive(Debug, PartialEq, Eq)]
struct Counted {
    thread: String,
    schedstat: String,
}

impl Remembered {
    /// Whether `pid` has the socket open.
    pub(super) fn holds(&self, pid: i32, inode: u64) -> Result<bool, IdentityError> {
        // Taken before the descriptors are looked through: who runs in between is counted again by the next look.
        let threads = threads(pid);
        let known = self.lock().get(&pid).map(Arc::clone);
        if let (Some(known), Some(threads)) = (known, &threads)
            && known.threads == *threads
        {
            return Ok(known.sockets.contains(&inode));
        }
        // Only of what was off a processor after it was counted does the count tell that it has not run since.
        let threads = threads.filter(|threads| threads.iter().all(|counted| is_off(pid, &counted.thread)));
        let sockets = process::sockets(pid)?;
        let holds = sockets.contains(&inode);
        match threads {
            Some(threads) if sockets.len() <= MAX_SOCKETS => {
                self.lock().insert(pid, Arc::new(Seen { threads, sockets }));
            }
            _ => drop(self.lock().remove(&pid)),
        }
        Ok(holds)
    }

    /// Forgets who is not there any more, once there are many; `there` is sorted.
    pub(super) fn forget_others(&self, there: &[i32]) {
        let mut known = self.lock();
        if known.len() > there.len() + SLACK {
            known.retain(|pid, _| there.binary_search(pid).is_ok());
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<i32, Arc<Seen>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The threads of a process and what is counted of each; `None` where that cannot be told of one.
fn threads(pid: i32) -> Option<Vec<Counted>> {
    let mut counted = Vec::new();
    for task in fs::read_dir(format!("/proc/{pid}/task")).ok()? {
        let thread = task.ok()?.file_name().into_string().ok()?;
        let schedstat = fs::read_to_string(format!("/proc/{pid}/task/{thread}/schedstat")).ok()?;
        // Never on a processor means that nobody counts.
        if schedstat.split_ascii_whitespace().nth(2)? == "0" {
            return None;
        }
        counted.push(Counted { thread, schedstat });
    }
    (!counted.is_empty()).then_some(counted)
}

/// Whether a thread is off the processor at this moment.
fn is_off(pid: i32, thread: &str) -> bool {
    let told = fs::read_to_string(format!("/proc/{pid}/task/{thread}/syscall"));
    told.is_ok_and(|told| !told.starts_with("running"))
}

#[cfg(test)]
mod tests;
