//! Daily files `<form>.YYYY-MM-DD.log`, by the UTC date of each line, bounded in number and in size.
//!
//! [`KEPT_DAYS`] files of a form are kept and [`MAX_DAY`] bytes of a day; changes of policy have [`RESERVE`] more, so
//! that no flood of requests hides one. A file that cannot be opened leaves the one of yesterday in use, so that no
//! line is lost at midnight. What cannot be written is counted and told once a minute. Never panics, never retries in
//! place. Asks no clock: each line brings its time. Several supervisors may share a
//! folder: each line is one append, and what another one has removed is removed. Called by the log's writer.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

/// How many daily files of one form are kept, today's with them.
pub const KEPT_DAYS: usize = 7;
/// The most bytes of one form in one day: 64 MiB.
pub const MAX_DAY: u64 = 64 * 1024 * 1024;
/// How much more there is in a day for changes of policy: 1 MiB.
pub const RESERVE: u64 = 1024 * 1024;
/// How long nothing is said after something was said.
const QUIET: TimeDelta = TimeDelta::minutes(1);

/// What a line is worth when the day's room is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// A request or a connection.
    Ordinary,
    /// A change of policy: it may use the reserve.
    Policy,
}

/// The files of one form.
#[derive(Debug)]
pub struct Daily {
    folder: PathBuf,
    form: &'static str,
    max: u64,
    open: Option<Open>,
    /// How many lines could not be written.
    unwritten: u64,
    complained: Option<DateTime<Utc>>,
}

#[derive(Debug)]
struct Open {
    day: NaiveDate,
    file: File,
    size: u64,
    /// A line was cut short: the next one begins on a line of its own.
    is_torn: bool,
}

impl Daily {
    /// Files in `folder`, which is made (mode 0700) when the first line is written.
    #[must_use]
    pub fn new(folder: PathBuf, form: &'static str) -> Self {
        Self { folder, form, max: MAX_DAY, open: None, unwritten: 0, complained: None }
    }

    /// Where the files are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// How many lines could not be written.
    #[must_use]
    pub fn unwritten(&self) -> u64 {
        self.unwritten
    }

    /// Whether a file is open.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Writes one line, and gives what a person should be told when it could not be.
    pub fn write(&mut self, at: DateTime<Utc>, weight: Weight, line: &str) -> Option<String> {
        let turned = self.turn(at.date_naive());
        let written = self.append(weight, line);
        let error = match (turned, written) {
            (Ok(()), Ok(())) => return None,
            (_, Err(error)) => {
                self.unwritten += 1;
                error
            }
            // The line stands in the file of another day.
            (Err(error), Ok(())) => error,
        };
        self.complain(at, &error)
    }

    /// Opens the file of the day, where another one is open, and removes those that are too old.
    fn turn(&mut self, today: NaiveDate) -> io::Result<()> {
        if self.open.as_ref().is_some_and(|open| open.day == today) {
            return Ok(());
        }
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let path = self.folder.join(format!("{}.{today}.log", self.form));
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&path)?;
        let metadata = file.metadata()?;
        let (size, is_torn) = (metadata.len(), metadata.is_file() && is_torn(&path, metadata.len()));
        self.open = Some(Open { day: today, file, size, is_torn });
        self.prune(today)
    }

    fn prune(&self, today: NaiveDate) -> io::Result<()> {
        let mut days: Vec<NaiveDate> = std::fs::read_dir(&self.folder)?
            .filter_map(|entry| self.day_of(entry.ok()?.file_name().to_str()?))
            .filter(|day| *day != today)
            .collect();
        days.sort_unstable_by(|one, other| other.cmp(one));
        for day in days.into_iter().skip(KEPT_DAYS - 1) {
            match std::fs::remove_file(self.folder.join(format!("{}.{day}.log", self.form))) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                // Also where another supervisor was faster.
                _ => {}
            }
        }
        Ok(())
    }

    fn day_of(&self, name: &str) -> Option<NaiveDate> {
        name.strip_prefix(self.form)?.strip_prefix('.')?.strip_suffix(".log")?.parse().ok()
    }

    fn append(&mut self, weight: Weight, line: &str) -> io::Result<()> {
        let max = if weight == Weight::Policy { self.max + RESERVE } else { self.max };
        let Some(open) = &mut self.open else {
            return Err(io::Error::new(io::ErrorKind::NotFound, "no file could be opened"));
        };
        let text = format!("{}{line}\n", if open.is_torn { "\n" } else { "" });
        let size = open.size + text.len() as u64;
        if size > max {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the day's room is used up"));
        }
        let written = open.file.write_all(text.as_bytes());
        open.is_torn = written.is_err();
        if written.is_ok() {
            open.size = size;
        }
        written
    }

    fn complain(&mut self, at: DateTime<Utc>, error: &io::Error) -> Option<String> {
        if self.complained.is_some_and(|last| (at - last).abs() < QUIET) {
            return None;
        }
        self.complained = Some(at);
        Some(format!(
            "{}.*.log in {}: {error}; {} lines of this run are not in it: make the folder writable and free some space, or choose another with --log-dir",
            self.form,
            self.folder.display(),
            self.unwritten
        ))
    }
}

/// Whether a file of this size ends in the middle of a line: who wrote it was killed, or found no space.
fn is_torn(path: &Path, size: u64) -> bool {
    let mut last = [b'\n'];
    let place = size.saturating_sub(1);
    // What cannot be looked at is begun on a line of its own.
    let read = File::open(path)
        .and_then(|file| if size > 0 { file.read_exact_at(&mut last, place) } else { Ok(()) });
    read.is_err() || last != [b'\n']
}

#[cfg(test)]
mod tests;
