//! What a proxy costs: the processor time and the memory of its processes, read from `/proc`.

use std::collections::HashMap;
use std::process::Child;
use std::time::Duration;

/// What Linux counts processor time in, a second (`USER_HZ`).
const TICKS: u64 = 100;
const PAGE: u64 = 4096;

/// A process that is stopped when this is dropped.
pub(crate) struct Running {
    child: Child,
    /// Whether its children do its work too; the children of a supervisor are its command.
    has_helpers: bool,
}

impl Running {
    pub(crate) fn new(child: Child, has_helpers: bool) -> Self {
        Self { child, has_helpers }
    }

    /// User and system time so far, of all threads.
    pub(crate) fn processor_time(&self) -> Duration {
        let ticks: u64 = self.stats().iter().map(|stat| number(stat, 14) + number(stat, 15)).sum();
        Duration::from_millis(ticks * 1000 / TICKS)
    }

    /// Resident memory, in MiB.
    pub(crate) fn memory(&self) -> f64 {
        let pages: u64 = self.stats().iter().map(|stat| number(stat, 24)).sum();
        (pages * PAGE) as f64 / f64::from(1 << 20)
    }

    fn stats(&self) -> Vec<String> {
        if !self.has_helpers {
            return stat(self.child.id()).into_iter().collect();
        }
        let all: HashMap<u64, String> = std::fs::read_dir("/proc")
            .unwrap()
            .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok())
            .filter_map(|pid: u32| Some((u64::from(pid), stat(pid)?)))
            .collect();
        let root = u64::from(self.child.id());
        let is_below = |mut pid: u64| {
            while pid != root && pid != 0 {
                pid = all.get(&pid).map_or(0, |stat| number(stat, 4));
            }
            pid == root
        };
        all.iter().filter(|(pid, _)| is_below(**pid)).map(|(_, stat)| stat.clone()).collect()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // By its id, and politely: it ends what it has started.
        if let Some(pid) = rustix::process::Pid::from_raw(self.child.id().cast_signed()) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let _ = self.child.wait();
    }
}

fn stat(pid: u32) -> Option<String> {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()
}

/// A field by its number in `proc_pid_stat(5)`; the second may have blanks in it.
fn number(stat: &str, field: usize) -> u64 {
    stat.rsplit_once(')').unwrap().1.split_whitespace().nth(field - 3).unwrap().parse().unwrap()
}
