//! The shorthand log: one line for each verdict and each change of policy.
//!
//! Always on, in daily files `openshell.YYYY-MM-DD.log`. Lines are redacted and escaped when they are *written*:
//! no query string and no control character is ever in the file. Keeps the latest denials in memory as well, for
//! `/v1/denials`. A log that cannot be written is said once on stderr and never stops the proxy.

pub mod line;

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};

use crate::clock;

/// How many lines, and how many denials, are kept in memory: the most that `policy.local` gives at once.
const KEPT: usize = 100;

/// The log of one sandbox.
#[derive(Debug)]
pub struct Log {
    folder: PathBuf,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    open: Option<(NaiveDate, File)>,
    denials: VecDeque<String>,
    latest: VecDeque<String>,
    has_complained: bool,
}

impl Log {
    /// A log in `folder`, which is made (mode 0700) when the first line is written.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, inner: Mutex::new(Inner::default()) }
    }

    /// Where the files are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes one event, with the time in front: `2026-07-02T09:14:03.120Z OCSF <event>`.
    pub fn write(&self, event: &line::Line) {
        self.write_at(clock::now(), event);
    }

    fn write_at(&self, at: DateTime<Utc>, event: &line::Line) {
        let line = format!("{} OCSF {event}", at.to_rfc3339_opts(SecondsFormat::Millis, true));
        let mut inner = self.lock();
        if event.is_denial() {
            keep(&mut inner.denials, &line);
        }
        keep(&mut inner.latest, &line);
        if let Err(error) = append(&self.folder, &mut inner.open, at.date_naive(), &line)
            && !std::mem::replace(&mut inner.has_complained, true)
        {
            tracing::warn!("the log in {} cannot be written: {error}", self.folder.display());
        }
    }

    /// The latest denials, newest first.
    #[must_use]
    pub fn denials(&self, last: usize) -> Vec<String> {
        self.lock().denials.iter().rev().take(last).cloned().collect()
    }

    /// The latest lines, newest first.
    #[must_use]
    pub fn latest(&self, last: usize) -> Vec<String> {
        self.lock().latest.iter().rev().take(last).cloned().collect()
    }

    /// Whether the file of today is open.
    #[must_use]
    pub fn is_available(&self) -> bool {
        self.lock().open.is_some()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn keep(lines: &mut VecDeque<String>, line: &str) {
    if lines.len() == KEPT {
        lines.pop_front();
    }
    lines.push_back(line.to_owned());
}

fn append(
    folder: &Path,
    open: &mut Option<(NaiveDate, File)>,
    today: NaiveDate,
    line: &str,
) -> std::io::Result<()> {
    if open.as_ref().is_none_or(|(day, _)| *day != today) {
        let mut builder = std::fs::DirBuilder::new();
        std::os::unix::fs::DirBuilderExt::mode(builder.recursive(true), 0o700);
        builder.create(folder)?;
        let path = folder.join(format!("openshell.{today}.log"));
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
        *open = Some((today, file));
    }
    match open {
        Some((_, file)) => file.write_all(format!("{line}\n").as_bytes()),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::line::{Actor, Line, Severity};
    use super::*;

    fn denial(n: usize) -> Line {
        Line::Http {
            method: "GET".into(),
            severity: Severity::Medium,
            action: "DENIED",
            actor: Actor::unknown(),
            url: format!("http://a.example/{n}?token=x"),
            tag: Some(("-".into(), "opa")),
            reason: Some("no\x1b[2J".into()),
        }
    }

    #[test]
    fn lines_go_to_the_file_of_their_day_and_denials_are_kept_newest_first() {
        let folder = tempfile::tempdir().unwrap();
        let log = Log::new(folder.path().join("demo"));
        let day = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        log.write_at(day("2026-07-02T23:59:59.999Z"), &denial(0));
        for n in 1..150 {
            log.write_at(day("2026-07-03T00:00:00Z"), &denial(n));
        }
        let first = std::fs::read_to_string(folder.path().join("demo/openshell.2026-07-02.log")).unwrap();
        assert_eq!(
            first,
            "2026-07-02T23:59:59.999Z OCSF HTTP:GET [MED] DENIED -(0) -> GET http://a.example/0?[redacted] [policy:- engine:opa] [reason:no\\u{1b}[2J]\n"
        );
        let kept = log.denials(1000);
        assert_eq!(kept.len(), KEPT);
        assert!(kept[0].contains("/149?[redacted]") && kept[99].contains("/50?[redacted]"), "{}", kept[99]);
        assert_eq!(log.denials(2).len(), 2);
    }

    #[test]
    fn a_log_that_cannot_be_written_stops_nobody() {
        let log = Log::new("/proc/nowhere".into());
        log.write(&denial(0));
        assert!(!log.is_available());
        assert_eq!(log.denials(1).len(), 1);
    }
}
