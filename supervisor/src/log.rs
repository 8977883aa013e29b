//! The log of a sandbox: one record for each verdict and each change of policy, written as shorthand and, where the
//! setting `ocsf_json_enabled` is on, as OCSF as well.
//!
//! Daily files by UTC date: `openshell.YYYY-MM-DD.log`, always, and `openshell-ocsf.YYYY-MM-DD.log` (one JSON object a
//! line). Seven days of each are kept, and 64 MiB of a day ([`daily`]). Lines are redacted and escaped when they are
//! *written*: no query string and no control character is ever in a file. Keeps the latest denials in memory as well,
//! for `/v1/denials`, at once; a thread of its own writes the files, so that no request waits for a disk ([`writer`]).
//! A log that cannot be written is said on stderr once a minute, and never stops the proxy.

pub mod daily;
pub mod kept;
pub mod line;
pub mod ocsf;
pub mod writer;

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use openshell_domain::id::ProposalId;
use tokio::sync::watch;

use crate::clock;
use crate::denial::Denial;
use crate::settings::Settings;
use daily::Weight;
use kept::{Denials, KEPT, Page};
use line::Line;
use ocsf::Source;
use writer::{Entry, Writer};

/// Of how many proposals it is known that they were told.
const TOLD: usize = 512;

/// The log of one sandbox.
#[derive(Debug)]
pub struct Log {
    source: Source,
    settings: watch::Receiver<Settings>,
    files: Writer,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    denials: Denials,
    latest: VecDeque<String>,
    /// The proposals whose `CONFIG:PROPOSED` is written.
    proposed: VecDeque<ProposalId>,
}

impl Log {
    /// A log in `folder`, which is made (mode 0700) when the first line is written.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn new(folder: PathBuf, source: Source, settings: watch::Receiver<Settings>) -> io::Result<Self> {
        let inner =
            Inner { denials: Denials::new(clock::now()), latest: VecDeque::new(), proposed: VecDeque::new() };
        let files = Writer::begin(folder, source.clone())?;
        Ok(Self { source, settings, files, inner: Mutex::new(inner) })
    }

    /// Writes one record, with the time in front: `2026-07-02T09:14:03.120Z OCSF <record>`.
    pub fn write(&self, record: &Line) {
        self.write_at(clock::now(), record, None);
    }

    /// Writes a denial, and keeps its facts.
    pub fn deny(&self, denial: &Denial) {
        self.write_at(clock::now(), &denial.line(), Some(denial));
    }

    fn write_at(&self, at: DateTime<Utc>, record: &Line, denial: Option<&Denial>) {
        let source = self.settings.borrow().ocsf_json.then_some(&self.source);
        let entry = Entry::new(record, (at, weight(record)), source);
        let facts = record.is_denial().then(|| kept::facts(record, denial, at));
        let mut inner = self.lock();
        if !inner.is_news(record) {
            return;
        }
        let short = kept::bounded(&entry.line);
        if let Some(facts) = facts {
            inner.denials.push(short.clone(), facts);
        }
        if inner.latest.len() == KEPT {
            inner.latest.pop_front();
        }
        inner.latest.push_back(short);
        // Under the lock, so that the files have the order of what is kept.
        self.files.push(entry);
    }

    /// The latest denials, newest first.
    #[must_use]
    pub fn denials(&self, last: usize) -> Page {
        self.lock().denials.latest(last)
    }

    /// The denials after a cursor, newest first; `None` where it is no cursor of this run.
    #[must_use]
    pub fn denials_since(&self, cursor: &str, last: usize) -> Option<Page> {
        self.lock().denials.since(cursor, last)
    }

    /// The latest lines, newest first.
    #[must_use]
    pub fn latest(&self, last: usize) -> Vec<String> {
        self.lock().latest.iter().rev().take(last).cloned().collect()
    }

    /// Whether the files are or can be written, as far as that is known.
    #[must_use]
    pub fn is_available(&self) -> bool {
        self.files.is_available()
    }

    /// How many lines of this run are not in the files.
    #[must_use]
    pub fn unwritten(&self) -> u64 {
        self.files.unwritten()
    }

    /// Waits until what was written is in the files, or no longer than this.
    pub fn flush(&self, patience: Duration) {
        self.files.flush(patience);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Programs are made by the sandbox, so that it could use the reserve up with them.
fn weight(record: &Line) -> Weight {
    match record {
        Line::Config { state: "PROGRAM", .. } | Line::Net { .. } | Line::Http { .. } => Weight::Ordinary,
        Line::Config { .. } => Weight::Policy,
    }
}

impl Inner {
    /// Whether it was not said before: a submission that is sent twice is proposed once.
    fn is_news(&mut self, record: &Line) -> bool {
        let Line::Config { state: "PROPOSED", proposal: Some(id), .. } = record else { return true };
        if self.proposed.contains(id) {
            return false;
        }
        if self.proposed.len() == TOLD {
            self.proposed.pop_front();
        }
        self.proposed.push_back(*id);
        true
    }
}

#[cfg(test)]
mod tests;
