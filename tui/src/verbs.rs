//! The inbox without a screen: everything that can be asked and decided, as a table or as data.
//!
//! Owns what is printed and the exit codes; [`crate::printer`] owns the forms. All text of others goes through
//! [`crate::shown`] in tables and is escaped by JSON and YAML otherwise. `policy check` alone needs no gateway.

mod decide;
mod edit;
mod effective;
mod error;
mod event;
mod history;
mod list;
mod log;
pub mod policy;
mod record;
mod sandboxes;
mod settings;
mod show;
mod target;
mod watch;
mod why;

use std::path::Path;

pub(crate) use decide::announce;
pub use error::VerbError;
pub(crate) use show::page;
pub(crate) use target::{Target, quoted};

use crate::cli::{PolicyShow, Verb};
use crate::client::{self, Client};
use crate::printer::Printer;

/// Does one verb against the gateway at `door`; what it has to say goes to `printer`.
///
/// # Errors
/// [`VerbError`], with its exit code and a hint.
pub async fn run(verb: Verb, door: &Path, printer: &mut Printer<'_>) -> Result<(), VerbError> {
    let mut client = Client::connect(door).await?;
    let done = match verb {
        Verb::List(ask) => list::run(&mut client, &ask, printer).await,
        Verb::Show(ask) => show::run(&mut client, &ask.id, printer).await,
        Verb::Edit(ask) => edit::run(&mut client, &ask, printer).await,
        Verb::History(ask) => history::run(&mut client, ask.about.as_deref(), printer).await,
        Verb::Watch(ask) => watch::run(door, ask.sandbox.as_deref(), printer).await,
        Verb::Log(ask) => log::run(&mut client, &ask, printer).await,
        Verb::Why(ask) => why::run(&mut client, ask, printer).await,
        Verb::Sandboxes => sandboxes::list(&mut client, printer).await,
        Verb::Release(ask) => sandboxes::release(&mut client, &ask.sandbox, printer).await,
        Verb::Settings(ask) => settings::run(&mut client, &ask, printer).await,
        Verb::Approve(ask) => decide::run(&mut client, client::Verb::Approve, ask.into(), printer).await,
        Verb::Reject(ask) => decide::run(&mut client, client::Verb::Reject, ask.into(), printer).await,
        Verb::Undo(ask) => decide::run(&mut client, client::Verb::Undo, ask.into(), printer).await,
        Verb::Revoke(ask) => decide::run(&mut client, client::Verb::Revoke, ask.into(), printer).await,
    };
    heard(done)
}

/// Shows the policy that a sandbox has now.
///
/// # Errors
/// [`VerbError`], with its exit code and a hint.
pub async fn show_policy(ask: &PolicyShow, door: &Path, printer: &mut Printer<'_>) -> Result<(), VerbError> {
    let mut client = Client::connect(door).await?;
    heard(effective::run(&mut client, ask, printer).await)
}

/// Whoever went away while it was being told has seen enough.
fn heard(done: Result<(), VerbError>) -> Result<(), VerbError> {
    match done {
        Err(VerbError::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}
