//! A copy of the log, made while a gateway writes to it.
//!
//! Owns the order that makes a copy safe: copied under another name, proven, made durable, then named; a name
//! that is taken is refused. The copy is one file that needs nothing beside it. Called by `backup`.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use super::audit::{Audit, audit};
use super::{BUSY, read_only};
use crate::store::{StoreError, schema};

/// Copies the log at `source` to `target`, and audits the copy.
///
/// # Errors
/// [`StoreError`]: the source cannot be read, the target is there already or cannot be written. A copy that is
/// not whole keeps no name; its problems are told.
pub(crate) fn backup(source: &Path, target: &Path) -> Result<Audit, StoreError> {
    let failed = |error| StoreError::File { path: target.into(), error };
    if target.symlink_metadata().is_ok() {
        return Err(StoreError::Taken(target.into()));
    }
    let from = read_only(source)?;
    if !schema::inspect(&from, source)? {
        return Err(StoreError::Foreign(source.into()));
    }
    let draft = Draft::make(target)?;
    copy(&from, &draft.0)?;
    let audit = audit(&draft.0, None)?;
    if audit.problems.is_empty() {
        File::open(&draft.0).and_then(|file| file.sync_all()).map_err(failed)?;
        // A link, because a rename would replace what appeared under that name meanwhile.
        std::fs::hard_link(&draft.0, target).map_err(failed)?;
        drop(draft);
        let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new("."))).and_then(|folder| folder.sync_all()).map_err(failed)?;
    }
    Ok(audit)
}

fn copy(from: &Connection, draft: &Path) -> Result<(), StoreError> {
    let mut to = Connection::open_with_flags(draft, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    // All pages in one step: a copy in steps begins anew each time that the gateway commits.
    let step = Backup::new(from, &mut to)?.step(-1)?;
    if step != StepResult::Done {
        return Err(StoreError::Busy(BUSY));
    }
    // Without this the copy would want a -wal and a -shm beside it, even to be read.
    to.pragma_update_and_check(None, "journal_mode", "delete", |_| Ok(()))?;
    Ok(())
}

/// The copy under its first name, which it loses in any case.
struct Draft(PathBuf);

impl Draft {
    fn make(target: &Path) -> Result<Self, StoreError> {
        let mut name = target.as_os_str().to_owned();
        name.push(format!(".{}.partial", std::process::id()));
        let path = PathBuf::from(name);
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        made.map_err(|error| StoreError::File { path: path.clone(), error })?;
        Ok(Self(path))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            tracing::warn!(path = %self.0.display(), %error, "an unfinished copy stays behind");
        }
    }
}
