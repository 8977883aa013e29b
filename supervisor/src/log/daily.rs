//! Daily files `<form>.YYYY-MM-DD.log`, by the UTC date of each line, bounded in number and in size.
//!
//! [`KEPT_DAYS`] files of a form are kept and [`MAX_DAY`] bytes of a day; changes of policy have [`RESERVE`] more, so
//! that no flood of requests hides one. A file that cannot be opened leaves the one of yesterday in use, so that no
//! line is lost at midnight. What cannot be written is counted and told once a minute. Never panics, never retries in
//! place. Asks no clock: each line brings its time. Lines are gathered and appended together. Several supervisors may
//! share a folder: each append is of whole lines, and what another one has removed is removed. Called by the log's writer.

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
/// How many bytes of lines are gathered before they are appended: 64 KiB.
const GATHERED: usize = 64 * 1024;
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
    gathered: Gathered,
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

/// Whole lines of the open file's day that are not in it yet.
#[derive(Debug, Default)]
struct Gathered {
    text: Vec<u8>,
    lines: u64,
    /// The time of the last of them.
    last: DateTime<Utc>,
}

impl Daily {
    /// Files in `folder`, which is made (mode 0700) when the first line is written.
    #[must_use]
    pub fn new(folder: PathBuf, form: &'static str) -> Self {
        let gathered = Gathered::default();
        Self { folder, form, max: MAX_DAY, open: None, gathered, unwritten: 0, complained: None }
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

    /// Takes one line, which [`Self::flush`] writes, and gives what a person should be told when it could not be.
    pub fn add(&mut self, at: DateTime<Utc>, weight: Weight, line: &str) -> Option<String> {
        let is_full = self.gathered.text.len() >= GATHERED;
        let is_over = self.open.as_ref().is_some_and(|open| open.day != at.date_naive());
        let told = if is_full || is_over { self.flush() } else { None };
        let turned = self.turn(at.date_naive());
        let error = match (turned, self.gather(at, weight, line)) {
            (Ok(()), Ok(())) => return told,
            (_, Err(error)) => {
                self.unwritten += 1;
                error
            }
            // The line stands in the file of another day.
            (Err(error), Ok(())) => error,
        };
        told.or(self.complain(at, &error))
    }

    /// Writes the lines that were taken, and gives what a person should be told when they could not be.
    pub fn flush(&mut self) -> Option<String> {
        let Gathered { mut text, lines, last } = std::mem::take(&mut self.gathered);
        let open = self.open.as_mut().filter(|_| lines > 0)?;
        let is_torn = open.is_torn;
        if is_torn {
            text.insert(0, b'\n');
        }
        let (count, appended) = append(&mut open.file, &text);
        open.size += count as u64;
        open.is_torn = appended.is_err();
        let part = text.get(usize::from(is_torn)..count).unwrap_or_default();
        let whole = part.iter().filter(|byte| **byte == b'\n').count() as u64;
        // Its space serves the next lines.
        text.clear();
        self.gathered.text = text;
        self.unwritten += lines - whole;
        appended.err().and_then(|error| self.complain(last, &error))
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

    fn gather(&mut self, at: DateTime<Utc>, weight: Weight, line: &str) -> io::Result<()> {
        let max = if weight == Weight::Policy { self.max + RESERVE } else { self.max };
        let Some(open) = &self.open else {
            return Err(io::Error::new(io::ErrorKind::NotFound, "no file could be opened"));
        };
        let Gathered { text, lines, last } = &mut self.gathered;
        if open.size + (text.len() + line.len() + 1) as u64 > max {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the day's room is used up"));
        }
        text.extend_from_slice(line.as_bytes());
        text.push(b'\n');
        (*lines, *last) = (*lines + 1, at);
        Ok(())
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

/// Appends all of it, and says how much of it is in the file.
fn append(file: &mut File, text: &[u8]) -> (usize, io::Result<()>) {
    let mut count = 0;
    while let Some(rest) = text.get(count..).filter(|rest| !rest.is_empty()) {
        match file.write(rest) {
            Ok(0) => return (count, Err(io::ErrorKind::WriteZero.into())),
            Ok(more) => count += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (count, Err(error)),
        }
    }
    (count, Ok(()))
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
