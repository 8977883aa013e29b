//! `why`: what the policy in force says to a request, and why.

use std::collections::BTreeSet;

use openshell_domain::policy::pattern::is_glob;
use serde::Serialize;
use serde_json::Value;

use super::VerbError;
use super::target::sandbox;
use crate::cli::Why;
use crate::client::Client;
use crate::client::asks::{Asked, Explained};
use crate::printer::Printer;

/// The method that stands for bytes that nobody reads.
const STREAM: &str = "CONNECT";

/// The most programs that are asked about unasked.
const MOST: usize = 16;

#[derive(Serialize)]
struct Record {
    sandbox: String,
    revision: u64,
    /// The latest revision that the supervisor has loaded.
    loaded: u64,
    /// One for each program.
    answers: Vec<Value>,
}

pub(super) async fn run(client: &mut Client, ask: Why, printer: &mut Printer<'_>) -> Result<(), VerbError> {
    let Why { host, method, path, binary, sandbox: named, port, websocket: is_upgrade } = ask;
    let sandbox = sandbox(client, named.as_deref()).await?;
    let programs = match binary {
        Some(binary) => vec![binary],
        None => named_by_policy(client, &sandbox).await?,
    };
    let method = if method.eq_ignore_ascii_case(STREAM) { String::new() } else { method };
    let mut told = Vec::new();
    for binary in programs {
        let (sandbox, host, method) = (sandbox.clone(), host.clone(), method.clone());
        let asked = Asked { sandbox, binary, host, port, method, target: path.clone(), is_upgrade };
        told.push(client.explain(&asked).await?);
    }
    if printer.is_table() {
        return Ok(printer.text(&told.iter().map(Explained::words).collect::<String>())?);
    }
    let revision = told.first().map_or(0, |one| one.revision.0);
    let loaded = told.first().map_or(0, |one| one.loaded.0);
    let answers = told.into_iter().map(|one| one.explanation).collect();
    Ok(printer.data(&Record { sandbox, revision, loaded, answers })?)
}

/// Every program that the policy names by its whole path.
async fn named_by_policy(client: &mut Client, sandbox: &str) -> Result<Vec<String>, VerbError> {
    let effective = client.effective(sandbox).await?;
    let binaries = effective.policy.network_policies.values().flat_map(|rule| &rule.binaries);
    let paths: BTreeSet<&str> = binaries.map(|binary| binary.path.as_str()).collect();
    let programs: Vec<String> =
        paths.into_iter().filter(|path| !is_glob(path)).take(MOST).map(str::to_owned).collect();
    if programs.is_empty() {
        return Err(VerbError::WhichBinary(sandbox.to_owned()));
    }
    Ok(programs)
}
