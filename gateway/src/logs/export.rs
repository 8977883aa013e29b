//! `log export`: the events as lines, and then those that come.
//!
//! Follows by asking SQLite whether anybody has committed, which costs a look at shared memory; the gateway need
//! not run, and is not asked.

use std::io::{ErrorKind, Write};
use std::time::Duration;

use super::{ExportArgs, Failure, Format, unwritable};
use crate::store::StoreError;
use crate::store::sqlite::export::Export;

/// How often a follower looks whether there is more.
const LOOK: Duration = Duration::from_millis(100);

pub(super) fn export(args: ExportArgs, out: &mut impl Write) -> Result<(), Failure> {
    let Format::Jsonl = args.format;
    let path = args.file.path()?;
    let mut export = Export::open(&path, args.from)?;
    loop {
        // Taken before the lines: what is committed after it makes another number.
        let version = export.version()?.ok_or_else(|| StoreError::Replaced(path.clone()))?;
        if !write(&mut export, out)? {
            return Ok(());
        }
        if !args.follow {
            return Ok(());
        }
        while export.version()?.ok_or_else(|| StoreError::Replaced(path.clone()))? == version {
            std::thread::sleep(LOOK);
        }
    }
}

/// Writes all lines that there are; false when nobody reads them any more.
fn write(export: &mut Export, out: &mut impl Write) -> Result<bool, Failure> {
    loop {
        let lines = export.lines()?;
        if lines.is_empty() {
            return Ok(true);
        }
        for line in lines {
            match writeln!(out, "{line}") {
                Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(false),
                other => other.map_err(unwritable)?,
            }
        }
        match out.flush() {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(false),
            other => other.map_err(unwritable)?,
        }
    }
}
