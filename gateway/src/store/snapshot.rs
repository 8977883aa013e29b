//! What the log added up to at one event, kept in `<database>.snapshot` so that a start need not fold what is before.
//!
//! A cache and nothing else: it is read only where its seal holds, the program that wrote it folds as this one does,
//! and the log has that event with that hash; on any doubt it is dropped and everything is folded. It is a file and
//! no table, because a table would be written by the log's own connection: a state of many megabytes would go
//! through the write-ahead log while commands wait. It is replaced by renaming, and not synced: what a crash leaves
//! of it is whole, or the seal says that it is not.
//! The seal keeps accidents out. Whoever may write this file may write the database beside it; that the state is
//! what the log makes of it, `log verify` proves.

mod keeper;

use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use openshell_domain::id::{Digest, Seq};
use openshell_domain::state::{FORM, State};
use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Head;
use super::account::Account;
pub(crate) use keeper::{EVERY, Keeper};

/// How the account is folded and written: whoever changes that changes this number.
const ACCOUNT: u32 = 1;

/// What the log added up to at one event.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Snapshot {
    /// That event.
    pub(crate) head: Head,
    pub(crate) state: State,
    pub(crate) account: Account,
    /// How large the file is.
    pub(crate) bytes: u64,
}

/// Why a snapshot is of no use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Doubt {
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
    /// It ends early, or is no snapshot.
    #[error("it is not whole")]
    Torn,
    /// Its bytes are not those that were sealed.
    #[error("it was changed after it was written")]
    Seal,
    /// Another program wrote it.
    #[error("it is of the form {0}, this program's is {form}", form = form())]
    Form(String),
    /// What was sealed is not what this program writes.
    #[error("it does not say a state: {0}")]
    Content(#[from] serde_json::Error),
    /// It is not about the event that it is sealed for.
    #[error("it is sealed for event {sealed} and is about event {found}")]
    Event {
        /// In the seal.
        sealed: Seq,
        /// In the state.
        found: Seq,
    },
    /// The log has another event in its place, or none.
    #[error("the log does not have the event {0} that it was taken at: it is of another log")]
    Log(Seq),
}

/// The body: one line of JSON.
#[derive(Serialize, Deserialize)]
struct Body<S, A> {
    state: S,
    account: A,
}

/// The last line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seal {
    form: String,
    seq: Seq,
    head: Digest,
    /// SHA-256 of the body.
    body: Digest,
}

/// What this program makes of events, and how it writes it.
fn form() -> String {
    format!("{FORM}/{ACCOUNT}")
}

/// The snapshot's file.
fn path(database: &Path) -> PathBuf {
    super::beside(database, ".snapshot")
}

/// A snapshot whose seal holds, and which this program can read.
#[derive(Debug)]
pub(crate) struct Sealed {
    file: Vec<u8>,
    seal: Seal,
}

/// The snapshot of a log, if there is one.
///
/// # Errors
/// The [`Doubt`].
pub(crate) fn open(database: &Path) -> Result<Option<Sealed>, Doubt> {
    match std::fs::read(path(database)) {
        Ok(file) => Sealed::new(file).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Takes away a snapshot that is of no use, and says why.
pub(crate) fn discard(database: &Path, why: &Doubt) {
    let path = path(database);
    tracing::warn!(%why, snapshot = %path.display(), "the snapshot is dropped: the whole log is folded");
    if let Err(error) = std::fs::remove_file(&path) {
        // It is doubted again the next time.
        tracing::warn!(%error, snapshot = %path.display(), "the dropped snapshot cannot be removed");
    }
}

/// Writes the snapshot in place of the one before, and returns its size.
///
/// # Errors
/// The system's; the one before is still there then.
fn write(database: &Path, head: Head, state: &State, account: &Account) -> io::Result<u64> {
    let new = super::beside(database, ".snapshot.new");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let file = options.custom_flags(OFlags::NOFOLLOW.bits().cast_signed()).open(&new)?;
    let bytes = encode(file, head, state, account)?;
    std::fs::rename(&new, path(database))?;
    Ok(bytes)
}

/// Writes body and seal, and returns how long they are.
pub(crate) fn encode(out: impl Write, head: Head, state: &State, account: &Account) -> io::Result<u64> {
    let mut body = Sealing { out: BufWriter::with_capacity(1 << 18, out), hash: Sha256::new(), bytes: 0 };
    serde_json::to_writer(&mut body, &Body { state, account })?;
    let Sealing { mut out, hash, bytes } = body;
    let seal = Seal { form: form(), seq: head.seq, head: head.hash, body: Digest(hash.finalize().into()) };
    let seal = serde_json::to_string(&seal)?;
    write!(out, "\n{seal}\n")?;
    out.flush()?;
    Ok(bytes + seal.len() as u64 + 2)
}

impl Sealed {
    /// Proves the seal of a snapshot.
    ///
    /// # Errors
    /// The [`Doubt`].
    pub(crate) fn new(file: Vec<u8>) -> Result<Self, Doubt> {
        let (body, seal) = split(&file).ok_or(Doubt::Torn)?;
        let seal: Seal = serde_json::from_slice(seal).map_err(|_| Doubt::Torn)?;
        if seal.form != form() {
            return Err(Doubt::Form(seal.form));
        }
        if <[u8; 32]>::from(Sha256::digest(body)) != seal.body.0 {
            return Err(Doubt::Seal);
        }
        Ok(Self { file, seal })
    }

    /// The event that it is sealed for.
    pub(crate) fn head(&self) -> Head {
        Head { seq: self.seal.seq, hash: self.seal.head }
    }

    /// What it says.
    ///
    /// # Errors
    /// The [`Doubt`].
    pub(crate) fn read(&self) -> Result<Snapshot, Doubt> {
        let (body, _) = split(&self.file).ok_or(Doubt::Torn)?;
        let Body { state, account }: Body<State, Account> = serde_json::from_slice(body)?;
        let head = self.head();
        if state.seq != head.seq {
            return Err(Doubt::Event { sealed: head.seq, found: state.seq });
        }
        Ok(Snapshot { head, state, account, bytes: self.file.len() as u64 })
    }
}

/// Body and seal: two lines, each with its end.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let lines = bytes.strip_suffix(b"\n")?;
    let end = lines.iter().rposition(|byte| *byte == b'\n')?;
    Some((lines.get(..end)?, lines.get(end + 1..)?))
}

/// Counts and hashes what is written through it.
struct Sealing<W: Write> {
    out: BufWriter<W>,
    hash: Sha256,
    bytes: u64,
}

impl<W: Write> Write for Sealing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write_all(bytes)?;
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests;
