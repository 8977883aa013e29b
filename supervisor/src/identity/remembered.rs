//! The processes of a sandbox, remembered for as long as they cannot have changed.
//!
//! Looking through thousands of descriptors takes milliseconds, and most processes sleep. What a process has open and
//! which threads it has changes by its own doing only: it opens, it takes what it is handed, it starts a thread. So of
//! one none of whose threads has been on a processor since, what was seen then is what it has. Its children are read
//! each time: it is given orphans in its sleep. Whoever shares descriptors with another process runs the same program:
//! `execve` gives a copy. Where a kernel does not count or does not tell, or there are too many threads to keep files
//! of each open, everything is looked through each time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};
use tokio::sync::Semaphore;

use super::IdentityError;
use super::process;
use super::sockets::Sockets;
use super::thread::{self, Count, Thread};

/// The most threads that files are kept open of, in all processes of the sandbox.
const MAX_THREADS: usize = 1024;
/// The most descriptors that those take.
pub(crate) const DESCRIPTORS: usize = MAX_THREADS * thread::DESCRIPTORS;
/// Which part of what the system allows that may be: one in so many.
const SHARE: u64 = 5;

/// What is known of processes by their numbers.
#[derive(Debug)]
pub(super) struct Remembered {
    known: Mutex<HashMap<i32, Arc<Process>>>,
    places: Arc<Semaphore>,
}

/// A process when it was looked at.
#[derive(Debug)]
struct Process {
    threads: Vec<Arc<Thread>>,
    /// What was counted of each of them when no one else was there and all were off a processor, before `sockets` were
    /// looked through: as long as that is the count, all of this is true.
    asleep: Option<Vec<Count>>,
    sockets: Arc<Sockets>,
}

/// What a look at a process found.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) pid: i32,
    /// `None` where it cannot be kept.
    process: Option<Arc<Process>>,
    /// Whether it has slept since it was looked at the last time.
    has_slept: bool,
}

impl Default for Remembered {
    fn default() -> Self {
        let allowed = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX) / SHARE;
        let descriptors = usize::try_from(allowed).unwrap_or(DESCRIPTORS).min(DESCRIPTORS);
        Self::with_places(descriptors / thread::DESCRIPTORS)
    }
}

impl Remembered {
    pub(super) fn with_places(places: usize) -> Self {
        Self { known: Mutex::default(), places: Arc::new(Semaphore::new(places)) }
    }

    /// Looks at a process: whether it is the one that is remembered and has slept since, else which threads it has.
    pub(super) fn look(&self, pid: i32) -> Result<Look, IdentityError> {
        let known = self.lock().get(&pid).map(Arc::clone);
        if let Some(known) = &known
            && known.has_slept()
        {
            return Ok(Look { pid, process: Some(Arc::clone(known)), has_slept: true });
        }
        let ids = process::threads(pid)?;
        let threads = self.open(pid, &ids, known.as_deref());
        let sockets = known.map(|known| Arc::clone(&known.sockets)).unwrap_or_default();
        let process = threads.map(|threads| self.keep(pid, Process { threads, asleep: None, sockets }));
        Ok(Look { pid, process, has_slept: false })
    }

    /// Whether the process has the socket open.
    pub(super) fn holds(&self, look: &Look, inode: u64) -> Result<bool, IdentityError> {
        let pid = look.pid;
        let Some(process) = &look.process else {
            return Ok(Sockets::look_for(pid, inode)?.has(inode) == Some(true));
        };
        if look.has_slept
            && let Some(has) = process.sockets.has(inode)
        {
            return Ok(has);
        }
        if process.sockets.is_still_at_its_place(pid, inode) {
            return Ok(true);
        }
        // First the count, then the descriptors: who runs in between is counted again by the next look.
        let asleep = if look.has_slept { process.asleep.clone() } else { process.fall_asleep(pid) };
        let sockets = Sockets::look_for(pid, inode)?;
        let holds = sockets.has(inode) == Some(true);
        let sockets = Arc::new(sockets.bounded());
        self.keep(pid, Process { threads: process.threads.clone(), asleep, sockets });
        Ok(holds)
    }

    /// Forgets who is not there any more, and closes their files; `there` is sorted.
    pub(super) fn forget_others(&self, there: &[i32]) {
        self.lock().retain(|pid, _| there.binary_search(pid).is_ok());
    }

    /// The threads by their numbers, those that are known and others; `None` where there is no place for all of them,
    /// or one cannot be looked at.
    fn open(&self, pid: i32, ids: &[i32], known: Option<&Process>) -> Option<Vec<Arc<Thread>>> {
        let known = known.map(|known| known.threads.as_slice()).unwrap_or_default();
        let known: HashMap<i32, &Arc<Thread>> = known.iter().map(|thread| (thread.id, thread)).collect();
        let mut threads = Vec::with_capacity(ids.len());
        for id in ids {
            if let Some(thread) = known.get(id)
                && thread.is_there()
            {
                threads.push(Arc::clone(thread));
                continue;
            }
            let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
            match Thread::open(pid, *id, place) {
                Ok(thread) => threads.push(Arc::new(thread)),
                // It has ended.
                Err(Errno::NOENT | Errno::SRCH) => {}
                Err(_) => return None,
            }
        }
        Some(threads)
    }

    fn keep(&self, pid: i32, process: Process) -> Arc<Process> {
        let process = Arc::new(process);
        self.lock().insert(pid, Arc::clone(&process));
        process
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<i32, Arc<Process>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Process {
    /// What is counted of each thread; `None` where that cannot be told of one.
    fn counts(&self) -> Option<Vec<Count>> {
        self.threads.iter().map(|thread| thread.count()).collect()
    }

    fn has_slept(&self) -> bool {
        self.asleep.is_some() && self.asleep == self.counts()
    }

    /// What is counted of each thread, where all are off a processor and there are no others.
    fn fall_asleep(&self, pid: i32) -> Option<Vec<Count>> {
        let counts = self.counts()?;
        // Only of what was off a processor after it was counted does the count tell that it has not run since.
        let is_off = self.threads.iter().all(|thread| thread.is_off(pid));
        // And after that: what started another thread before it went off was no longer counted.
        let are_all =
            || process::threads(pid).is_ok_and(|ids| self.threads.iter().map(|thread| thread.id).eq(ids));
        (is_off && !counts.is_empty() && are_all()).then_some(counts)
    }
}

impl Look {
    /// The children of every thread; none where the process has ended.
    pub(super) fn children(&self) -> Result<Vec<i32>, IdentityError> {
        let pid = self.pid;
        let Some(process) = &self.process else { return process::children(pid) };
        let mut found = Vec::new();
        for thread in &process.threads {
            match thread.children(pid) {
                Ok(children) => found.extend(children),
                Err(error) => process::gone(pid, &error)?,
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
impl Remembered {
    /// As if a process that has ended had had this number.
    pub(super) fn give_number(&self, ended: i32, heir: i32) {
        let process = self.lock().get(&ended).map(Arc::clone).unwrap();
        self.lock().insert(heir, process);
    }

    pub(super) fn places_left(&self) -> usize {
        self.places.available_permits()
    }
}

#[cfg(test)]
impl Look {
    pub(super) fn has_slept(&self) -> bool {
        self.has_slept
    }
}

#[cfg(test)]
mod tests;
