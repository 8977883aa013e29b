//! One thread of a process, by two files of it that stay open: what the kernel has counted of it, and its children.
//!
//! An open file in `/proc` is of the thread itself and never of a later one that is given its number: reading it fails
//! then, or gives nothing. The kernel counts each time that a thread gets on a processor, at that moment (`schedstat`,
//! third number), and `syscall` says of a thread that it is off: it waits until that is so (`wait_task_inactive`), and
//! says `running` otherwise. Each thread that is kept takes a place, so that the descriptors have a bound.

use std::fs;
use std::io::{self, Read as _};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use tokio::sync::OwnedSemaphorePermit;

/// How many descriptors one takes.
pub(super) const DESCRIPTORS: usize = 2;
/// How much of a list of children the kernel gives at once, in bytes: a page, less a number that found no room.
const PAGE: usize = 4096;
const LONGEST_NUMBER: usize = 16;

/// A thread.
#[derive(Debug)]
pub(super) struct Thread {
    pub(super) id: i32,
    /// `None` where the kernel has no such file.
    schedstat: Option<OwnedFd>,
    children: OwnedFd,
    _place: OwnedSemaphorePermit,
}

/// What the kernel has counted of a thread: nanoseconds that it ran and waited, and how often it got on a processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Count {
    ran: u64,
    waited: u64,
    times: u64,
}

impl Thread {
    /// Opens the files of a thread.
    ///
    /// # Errors
    /// `ENOENT` or `ESRCH` where it has ended, and what opening a file may meet.
    pub(super) fn open(pid: i32, id: i32, place: OwnedSemaphorePermit) -> Result<Self, Errno> {
        let open = |file: &str| {
            let path = format!("/proc/{pid}/task/{id}/{file}");
            rustix::fs::openat(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        };
        let children = open("children")?;
        Ok(Self { id, schedstat: open("schedstat").ok(), children, _place: place })
    }

    /// Whether it has not ended.
    pub(super) fn is_there(&self) -> bool {
        self.schedstat.as_ref().is_some_and(|file| rustix::io::pread(file, &mut [0; 1], 0) == Ok(1))
    }

    /// What is counted by now; `None` where it has ended, has not run yet, or where nobody counts.
    pub(super) fn count(&self) -> Option<Count> {
        let mut line = [0; 80];
        let length = rustix::io::pread(self.schedstat.as_ref()?, &mut line, 0).ok()?;
        Count::of(line.get(..length)?)
    }

    /// The children that it started or was given.
    pub(super) fn children(&self, pid: i32) -> io::Result<Vec<i32>> {
        let mut page = [MaybeUninit::uninit(); PAGE];
        let (line, _) = match rustix::io::pread(&self.children, &mut page[..], 0) {
            Err(Errno::SRCH) => return Ok(Vec::new()),
            read => read?,
        };
        if line.len() + LONGEST_NUMBER < PAGE {
            return Ok(numbers(line));
        }
        // More of them: in a file of one's own, which nobody else reads from the beginning meanwhile.
        let mut line = Vec::with_capacity(4 * PAGE);
        fs::File::open(format!("/proc/{pid}/task/{}/children", self.id))?.read_to_end(&mut line)?;
        Ok(numbers(&line))
    }

    /// Whether it is off the processor at this moment.
    pub(super) fn is_off(&self, pid: i32) -> bool {
        let told = fs::read_to_string(format!("/proc/{pid}/task/{}/syscall", self.id));
        told.is_ok_and(|told| !told.starts_with("running"))
    }
}

impl Count {
    fn of(line: &[u8]) -> Option<Self> {
        let mut numbers = std::str::from_utf8(line).ok()?.split_ascii_whitespace().map(str::parse);
        let mut next = || numbers.next()?.ok();
        let count = Self { ran: next()?, waited: next()?, times: next()? };
        // Never on a processor means that nobody counts, or that the thread is so young.
        (count.times > 0).then_some(count)
    }
}

/// The numbers in a list of `/proc`.
pub(super) fn numbers(line: &[u8]) -> Vec<i32> {
    let numbers = line.split(u8::is_ascii_whitespace).filter_map(|number| std::str::from_utf8(number).ok());
    numbers.filter_map(|number| number.parse().ok()).collect()
}

#[cfg(test)]
mod tests;
