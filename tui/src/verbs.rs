//! The inbox without a screen: `list`, `show`, `approve`, `reject`, `undo`, `revoke`, `sandboxes`, `settings`; and `policy check`, without a gateway.
//!
//! Owns what is printed, in both forms, and the exit codes. All text of others goes through [`crate::shown`] in
//! tables and is escaped by JSON otherwise.

mod decide;
mod error;
mod list;
pub mod policy;
mod record;
mod sandboxes;
mod settings;
mod show;
mod target;

use std::io::Write;
use std::path::Path;

pub use error::VerbError;

use crate::cli::{Approve, Back, Output, Reject, Verb};
use crate::client::{self, Client};
use decide::Ask;

/// Does one verb against the gateway at `path`; what it has to say goes to `out`.
///
/// # Errors
/// [`VerbError`], with its exit code and a hint.
pub async fn run(verb: Verb, output: Output, path: &Path, out: &mut dyn Write) -> Result<(), VerbError> {
    let mut client = Client::connect(path).await?;
    let done = match verb {
        Verb::List(ask) => list::run(&mut client, &ask, output, out).await,
        Verb::Show(ask) => show::run(&mut client, &ask.id, output, out).await,
        Verb::Approve(Approve { id, reason, lease }) => {
            let ask = Ask { reason, lease: lease.map(|text| text.0).unwrap_or_default(), ..Ask::default() };
            decide::run(&mut client, client::Verb::Approve, &id, ask, (output, out)).await
        }
        Verb::Reject(Reject { id, reason, hint, snooze }) => {
            let hints = hint.iter().map(ToString::to_string).collect();
            let snooze = snooze.map(|text| text.0).unwrap_or_default();
            let ask = Ask { reason, hints, snooze, ..Ask::default() };
            decide::run(&mut client, client::Verb::Reject, &id, ask, (output, out)).await
        }
        Verb::Undo(Back { id, reason }) => {
            let ask = Ask { reason, ..Ask::default() };
            decide::run(&mut client, client::Verb::Undo, &id, ask, (output, out)).await
        }
        Verb::Revoke(Back { id, reason }) => {
            let ask = Ask { reason, ..Ask::default() };
            decide::run(&mut client, client::Verb::Revoke, &id, ask, (output, out)).await
        }
        Verb::Sandboxes => sandboxes::list(&mut client, output, out).await,
        Verb::Release(ask) => sandboxes::release(&mut client, &ask.sandbox, output, out).await,
        Verb::Settings(ask) => settings::run(&mut client, &ask, output, out).await,
    };
    match done {
        // Whoever read it has seen enough.
        Err(VerbError::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}

fn json<T: serde::Serialize>(out: &mut dyn Write, value: &T) -> Result<(), VerbError> {
    let text = serde_json::to_string_pretty(value).map_err(std::io::Error::from)?;
    writeln!(out, "{}", openshell_domain::untrusted::visible_json(&text))?;
    Ok(out.flush()?)
}
