//! `watch`: every event as it happens, for programs that read lines.
//!
//! Comes back where it was when the gateway does, and says so on standard error. Ends without a complaint when it is
//! told to (SIGINT, SIGTERM), and when nobody reads any more, also while nothing happens.

use std::path::Path;

use openshell_domain::event::Envelope;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::VerbError;
use super::event::EventRow;
use super::log::{COLUMNS, cells};
use crate::client::watch::{Connection, Update, follow};
use crate::clock;
use crate::printer::{Printer, Table};
use crate::shown;

/// How many updates may wait to be written.
const QUEUE: usize = 64;

pub(super) async fn run(
    door: &Path,
    sandbox: Option<&str>,
    printer: &mut Printer<'_>,
) -> Result<(), VerbError> {
    let (send, mut updates) = mpsc::channel::<Update>(QUEUE);
    let following = tokio::spawn(follow(door.to_owned(), send));
    let told = tokio::select! {
        told = tell(&mut updates, sandbox, printer) => told,
        stopped = stopped() => stopped.map_err(VerbError::Output),
        () = unread() => Ok(()),
    };
    following.abort();
    told
}

async fn tell(
    updates: &mut mpsc::Receiver<Update>,
    sandbox: Option<&str>,
    printer: &mut Printer<'_>,
) -> Result<(), VerbError> {
    while let Some(update) = updates.recv().await {
        match update {
            Update::Event(envelope) if is_wanted(&envelope, sandbox) => line(&envelope, printer)?,
            Update::Connection(
                Connection::Reconnecting { retry_in, why } | Connection::Offline { retry_in, why },
            ) => {
                let retry = clock::precise(retry_in);
                eprintln!("openshell-inbox: {}; the next try is in {retry}", shown::visible(&why));
            }
            Update::Snapshot(inbox) => {
                eprintln!("openshell-inbox: watching what happens after event {}", inbox.seq);
            }
            _ => {}
        }
    }
    Ok(())
}

fn is_wanted(envelope: &Envelope, sandbox: Option<&str>) -> bool {
    let of = envelope.sandbox().map(openshell_domain::id::SandboxName::as_str);
    sandbox.is_none() || of.is_none() || of == sandbox
}

fn line(envelope: &Envelope, printer: &mut Printer<'_>) -> Result<(), VerbError> {
    if !printer.is_table() {
        return Ok(printer.item(&EventRow::new(envelope)?)?);
    }
    let mut table = Table::new(&COLUMNS);
    table.row(cells(envelope));
    Ok(printer.rows(&table)?)
}

async fn stopped() -> std::io::Result<()> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

/// Until the reader of a pipe, or the terminal, has gone away. What is neither has no such end.
async fn unread() {
    // On a thread of its own, which ends with the process: standard output is nobody's to be made non-blocking.
    let gone = tokio::task::spawn_blocking(|| {
        let out = std::io::stdout();
        loop {
            // Nothing is asked for: what ends this is the error that a pipe without a reader has.
            match poll(&mut [PollFd::new(&out, PollFlags::empty())], None) {
                Ok(_) => return true,
                Err(Errno::INTR) => {}
                Err(_) => return false,
            }
        }
    });
    if !gone.await.unwrap_or(false) {
        std::future::pending::<()>().await;
    }
}
