//! `log verify`, `log export`, `log checkpoint` and `backup`: what can be done with a log beside its gateway.
//!
//! Owns the command line and the words; the work is the store's. Nothing here can write to a log, so all of it is
//! safe while a gateway runs. Exit codes: 0 done and whole, 1 the log is broken, 2 wrong usage (clap's), 3 it
//! cannot be read. Called by `openshell-gateway`.

mod export;
mod verify;

use std::io::Write;
use std::path::PathBuf;

use openshell_domain::id::Seq;
use openshell_domain::untrusted::Untrusted;

use crate::gateway::default_db;
use crate::store::StoreError;
use crate::store::sqlite::backup::backup as copy;
use export::export;
use verify::{checkpoint, verify};

/// Proves, exports and copies the event log.
#[derive(Debug, Clone, clap::Args)]
pub struct LogArgs {
    #[command(subcommand)]
    verb: LogVerb,
}

#[derive(Debug, Clone, clap::Subcommand)]
enum LogVerb {
    /// Prove that the log is whole: pages, triggers, hash chain, stream numbers, signed checkpoints.
    Verify(VerifyArgs),
    /// Write the events as lines of JSON, proving the chain on the way.
    Export(ExportArgs),
    /// Print the newest signed checkpoint, to be kept elsewhere: with it, `verify --checkpoint` finds a log that was
    /// cut off or written anew.
    Checkpoint(FileArgs),
}

/// Which log.
#[derive(Debug, Clone, clap::Args)]
struct FileArgs {
    /// The event log [default: $XDG_STATE_HOME/openshell-inbox/inbox.db]
    #[arg(long, value_name = "FILE", env = "OPENSHELL_GATEWAY_DB")]
    db: Option<PathBuf>,
}

#[derive(Debug, Clone, clap::Args)]
struct VerifyArgs {
    #[command(flatten)]
    file: FileArgs,
    /// A checkpoint of this log that was kept elsewhere (from `log checkpoint`)
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
}

#[derive(Debug, Clone, clap::Args)]
struct ExportArgs {
    #[command(flatten)]
    file: FileArgs,
    /// How the events are written
    #[arg(long, value_enum, default_value_t = Format::Jsonl)]
    format: Format,
    /// Wait for more events at the end, until interrupted
    #[arg(long)]
    follow: bool,
    /// The first event to write
    #[arg(long, value_name = "SEQ", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    from: Seq,
}

/// How events are written.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Format {
    /// One JSON object a line
    Jsonl,
}

/// Copies the event log to a new file, also while a gateway writes to it, and proves the copy.
#[derive(Debug, Clone, clap::Args)]
pub struct BackupArgs {
    #[command(flatten)]
    file: FileArgs,
    /// The file to make; nothing is overwritten
    #[arg(value_name = "FILE")]
    target: PathBuf,
}

/// Why an ask about a log was not answered with "whole".
#[derive(Debug)]
enum Failure {
    /// The log is broken, in this many ways, which have been told.
    Broken,
    /// It cannot be read, or the answer cannot be written.
    Unreadable(String),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        if !error.is_damage() {
            return Self::Unreadable(error.to_string());
        }
        complain(&error.to_string());
        Self::Broken
    }
}

/// `openshell-gateway log`: gives the exit code.
#[must_use]
pub fn log(args: LogArgs) -> u8 {
    let mut out = std::io::stdout().lock();
    code(match args.verb {
        LogVerb::Verify(args) => verify(args, &mut out),
        LogVerb::Export(args) => export(args, &mut out),
        LogVerb::Checkpoint(args) => checkpoint(args, &mut out),
    })
}

/// `openshell-gateway backup`: gives the exit code.
#[must_use]
pub fn backup(args: BackupArgs) -> u8 {
    let work = || -> Result<(), Failure> {
        let source = args.file.path()?;
        let audit = copy(&source, &args.target)?;
        if verify::tell_problems(&source, &audit) {
            complain("no copy was made");
            return Err(Failure::Broken);
        }
        let mut out = std::io::stdout().lock();
        say(
            &mut out,
            &format!(
                "{}: {} events, head {}, whole. The key that signs checkpoints ({}.key) is not part of a copy.",
                args.target.display(),
                audit.head.seq,
                audit.head.hash,
                source.display()
            ),
        )
    };
    code(work())
}

impl FileArgs {
    fn path(&self) -> Result<PathBuf, Failure> {
        let default = || default_db().map_err(|error| Failure::Unreadable(error.to_string()));
        self.db.clone().map_or_else(default, Ok)
    }
}

fn code(result: Result<(), Failure>) -> u8 {
    match result {
        Ok(()) => 0,
        Err(Failure::Broken) => 1,
        Err(Failure::Unreadable(why)) => {
            complain(&why);
            3
        }
    }
}

/// A line on standard error. What is in a broken log was written by anybody: nothing of it reaches the terminal raw.
fn complain(line: &str) {
    eprintln!("openshell-gateway: {}", Untrusted::new(line).visible_lines().join("\n"));
}

fn say(out: &mut impl Write, line: &str) -> Result<(), Failure> {
    let line = Untrusted::new(line).visible_lines().join("\n");
    writeln!(out, "{line}").and_then(|()| out.flush()).map_err(unwritable)
}

fn unwritable(error: std::io::Error) -> Failure {
    Failure::Unreadable(format!("the output cannot be written: {error}"))
}
