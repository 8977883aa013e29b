//! A holder that cannot be taken for another process: opened by `pidfd_open` before anything is read of it, and alive
//! when everything was read.
//!
//! As long as the process behind the descriptor has not ended, its number is nobody else's (`pidfd_open(2)`). When it
//! started is compared as well: that also catches a number that was given out again before it was opened.

use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, PidfdFlags};

use super::IdentityError;
use super::process::{self, Stat, Tree};
use super::program::Program;

/// One process, and what was read of it.
#[derive(Debug)]
pub(super) struct Pinned {
    pub(super) pid: i32,
    /// Its executable and its ancestors'.
    pub(super) chain: Vec<Program>,
    handle: OwnedFd,
    started: u64,
}

impl Pinned {
    /// Opens a process and reads who it is.
    pub(super) fn open(root: i32, pid: i32, tree: Tree) -> Result<Self, IdentityError> {
        let unreadable = IdentityError::Unreadable(pid);
        let known = Pid::from_raw(pid).ok_or(unreadable.clone())?;
        let handle =
            rustix::process::pidfd_open(known, PidfdFlags::empty()).map_err(|_| unreadable.clone())?;
        let started = Stat::of(pid).ok_or(unreadable)?.started;
        Ok(Self { pid, chain: process::chain(root, pid, tree)?, handle, started })
    }

    /// Whether it lives, and everything that was read of it still holds: it has not become another program, nor been
    /// handed to another parent.
    pub(super) fn is_as_it_was(&self, root: i32, tree: Tree) -> bool {
        self.is_alive()
            && process::chain(root, self.pid, tree).is_ok_and(|chain| chain == self.chain)
            // Last: only of a process that has not ended meanwhile was all of that read.
            && self.is_alive()
    }

    fn is_alive(&self) -> bool {
        let mut ended = [PollFd::new(&self.handle, PollFlags::IN)];
        let has_ended = rustix::event::poll(&mut ended, Some(&Timespec::default())) != Ok(0);
        !has_ended && Stat::of(self.pid).is_some_and(|stat| !stat.has_ended && stat.started == self.started)
    }
}

#[cfg(test)]
mod tests;
