//! The thread that writes the files, so that no request waits for a disk.
//!
//! Lines wait in one queue, in their order. Ordinary ones have [`ROOM`] bytes in it and changes of policy
//! [`RESERVE`] more, so that no flood of requests keeps one out. What finds no room, because the disk does not keep up,
//! is dropped and counted, and the files say how many after the last line before the gap. Who writes a line wakes nobody
//! where the thread is awake or about to be: it takes what comes within `LINGER` with it. Fed by the log under its lock;
//! what is told on stderr is said here.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};

use super::daily::{Daily, Weight};
use super::line::{Line, Severity};
use super::ocsf::{self, Source};

/// The most bytes of lines that wait: 8 MiB.
pub const ROOM: usize = 8 * 1024 * 1024;
/// How many more there may be for changes of policy: 1 MiB.
pub const RESERVE: usize = 1024 * 1024;

/// How long the first line of a batch waits for others: a wake and a system call for each would cost more than the
/// request that it is about.
const LINGER: Duration = Duration::from_millis(20);
/// How many bytes wait for no others.
const BATCH: usize = 256 * 1024;

/// One record in both forms.
#[derive(Debug)]
pub struct Entry {
    /// Its time.
    pub at: DateTime<Utc>,
    /// What it is worth.
    pub weight: Weight,
    /// The shorthand.
    pub line: String,
    /// The OCSF event, where that is switched on.
    pub event: Option<String>,
}

impl Entry {
    /// A record as it is written: `2026-07-02T09:14:03.120Z OCSF <record>`, and its event for this source, if one is
    /// wanted.
    #[must_use]
    pub fn new(record: &Line, (at, weight): (DateTime<Utc>, Weight), source: Option<&Source>) -> Self {
        let line = format!("{} OCSF {record}", at.to_rfc3339_opts(SecondsFormat::Millis, true));
        Self { at, weight, line, event: source.map(|source| ocsf::event(record, at, source).to_string()) }
    }

    fn size(&self) -> usize {
        self.line.len() + self.event.as_ref().map_or(0, String::len)
    }
}

/// The files' thread.
#[derive(Debug)]
pub struct Writer(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    /// Something is to be written, or nothing ever will be again.
    filled: Condvar,
    /// Everything is written.
    emptied: Condvar,
}

/// How the thread sleeps, and so whether it has to be woken.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Sleep {
    /// Not at all: it looks at the queue again before it sleeps.
    #[default]
    Awake,
    /// Until there is a line.
    UntilAny,
    /// Until [`LINGER`] is over, or there is no more reason to wait for others.
    UntilMany,
}

/// How many lines found no room, and the last of them.
type Dropped = (u64, Entry);
/// What is written at once, and what is missing behind it.
type Batch = (VecDeque<Entry>, Option<Dropped>);

#[derive(Debug, Default)]
struct Queue {
    entries: VecDeque<Entry>,
    bytes: usize,
    /// Lines of the batch that is being written count as waiting.
    is_writing: bool,
    /// What the thread waits for.
    sleep: Sleep,
    /// Somebody waits until everything is written.
    is_flushed: bool,
    is_closed: bool,
    /// What is not yet said to be missing in the files.
    dropped: Option<Dropped>,
    /// How many of the run are not in the files, of both forms.
    unwritten: u64,
    is_failing: bool,
}

impl Writer {
    /// Files in this folder, and the thread that writes them.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn begin(folder: PathBuf, source: Source) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let own = Arc::clone(&shared);
        let files = Files {
            shorthand: Daily::new(folder.clone(), "openshell"),
            ocsf: Daily::new(folder, "openshell-ocsf"),
            source,
        };
        std::thread::Builder::new().name("log".to_owned()).spawn(move || own.write(files))?;
        Ok(Self(shared))
    }

    /// Lets a record be written, unless there is no room. Never waits for a disk.
    pub fn push(&self, entry: Entry) {
        let mut queue = self.0.lock();
        let room = if entry.weight == Weight::Policy { ROOM + RESERVE } else { ROOM };
        let bytes = queue.bytes + entry.size();
        if bytes > room {
            queue.unwritten += 1 + u64::from(entry.event.is_some());
            let before = queue.dropped.take().map_or(0, |(count, _)| count);
            queue.dropped = Some((before + 1, entry));
        } else {
            queue.bytes = bytes;
            queue.entries.push_back(entry);
        }
        self.0.wake(queue);
    }

    /// How many lines of the run are not in the files: they could not be written, or found no room.
    #[must_use]
    pub fn unwritten(&self) -> u64 {
        self.0.lock().unwritten
    }

    /// Whether the shorthand files are or can be written, as far as that is known.
    #[must_use]
    pub fn is_available(&self) -> bool {
        !self.0.lock().is_failing
    }

    /// Waits until what was pushed is in the files, or no longer than this.
    pub fn flush(&self, patience: Duration) {
        let is_waiting = |queue: &mut Queue| queue.is_writing || !queue.is_empty();
        let mut queue = self.0.lock();
        queue.is_flushed = !queue.is_empty();
        self.0.wake(queue);
        let queue = self.0.lock();
        // Poisoned only by a panic elsewhere: then there is nothing more to wait for.
        drop(self.0.emptied.wait_timeout_while(queue, patience, is_waiting));
    }
}

impl Drop for Writer {
    /// The thread writes what is left and ends.
    fn drop(&mut self) {
        let mut queue = self.0.lock();
        queue.is_closed = true;
        self.0.wake(queue);
    }
}

#[derive(Debug)]
struct Files {
    shorthand: Daily,
    ocsf: Daily,
    source: Source,
}

impl Files {
    fn write(&mut self, entry: &Entry) {
        let told = [
            self.shorthand.add(entry.at, entry.weight, &entry.line),
            entry.event.as_ref().and_then(|event| self.ocsf.add(entry.at, entry.weight, event)),
        ];
        complain(told);
    }

    fn flush(&mut self) {
        complain([self.shorthand.flush(), self.ocsf.flush()]);
    }

    /// Says that lines are missing here, with the time of the last of them.
    fn tell_dropped(&mut self, (count, last): &Dropped) {
        let record = Line::Config {
            state: "DROPPED",
            severity: Severity::Medium,
            message: format!("{count} lines are missing here: the disk did not keep up"),
            facts: Vec::new(),
            proposal: None,
        };
        let source = last.event.as_ref().map(|_| &self.source);
        self.write(&Entry::new(&record, (last.at, Weight::Policy), source));
    }

    fn unwritten(&self) -> u64 {
        self.shorthand.unwritten() + self.ocsf.unwritten()
    }
}

fn complain(told: [Option<String>; 2]) {
    for complaint in told.into_iter().flatten() {
        tracing::warn!("the log cannot be written: {complaint}");
    }
}

impl Queue {
    fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.dropped.is_none()
    }

    /// Whether the thread would wait any longer for this.
    fn keeps_asleep(&self, sleep: Sleep) -> bool {
        match sleep {
            Sleep::Awake => false,
            Sleep::UntilAny => self.is_empty() && !self.is_closed,
            Sleep::UntilMany => {
                self.bytes < BATCH && self.dropped.is_none() && !self.is_flushed && !self.is_closed
            }
        }
    }
}

impl Shared {
    /// Wakes the thread if it sleeps and should not any more, once.
    fn wake(&self, mut queue: MutexGuard<'_, Queue>) {
        if queue.sleep != Sleep::Awake && !queue.keeps_asleep(queue.sleep) {
            queue.sleep = Sleep::Awake;
            drop(queue);
            self.filled.notify_one();
        }
    }

    /// Writes until the log is gone and nothing is left.
    fn write(&self, mut files: Files) {
        loop {
            let known = files.unwritten();
            let Some((batch, dropped)) = self.next() else { return };
            batch.iter().for_each(|entry| files.write(entry));
            // Room is made by taking the batch alone, so that every ordinary line of it is older than the gap.
            if let Some(dropped) = &dropped {
                files.tell_dropped(dropped);
            }
            files.flush();
            let mut queue = self.lock();
            queue.unwritten += files.unwritten() - known;
            queue.is_failing = !files.shorthand.is_open();
            queue.is_writing = false;
            if queue.is_empty() {
                queue.is_flushed = false;
                self.emptied.notify_all();
            }
        }
    }

    /// Everything that waits, soon after something does.
    fn next(&self) -> Option<Batch> {
        let keeps_asleep = |queue: &mut Queue| queue.keeps_asleep(queue.sleep);
        let mut queue = self.lock();
        queue.sleep = Sleep::UntilAny;
        let mut queue = self.filled.wait_while(queue, keeps_asleep).unwrap_or_else(PoisonError::into_inner);
        queue.sleep = Sleep::UntilMany;
        let waited = self.filled.wait_timeout_while(queue, LINGER, keeps_asleep);
        let (mut queue, _) = waited.unwrap_or_else(PoisonError::into_inner);
        queue.sleep = Sleep::Awake;
        let (batch, dropped) = (std::mem::take(&mut queue.entries), queue.dropped.take());
        if batch.is_empty() && dropped.is_none() {
            return None;
        }
        (queue.bytes, queue.is_writing) = (0, true);
        Some((batch, dropped))
    }

    /// A panic elsewhere leaves the queue whole: each change of it is one.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
