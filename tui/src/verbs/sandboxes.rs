//! `sandboxes` and `release`: who is there, and how a name is freed whose supervisor is gone.

use std::io::Write;

use openshell_domain::inbox::SandboxView;
use openshell_wire::pb::inbox as pb;
use openshell_wire::proposal::{isolation_word, sandbox_view};
use serde::Serialize;

use super::{VerbError, json};
use crate::cli::Output;
use crate::client::{Client, ClientError};
use crate::isolation;
use crate::shown;

#[derive(Serialize)]
struct Row {
    name: String,
    connected: bool,
    isolation: &'static str,
    host_root: bool,
    /// Set where its latest run is over.
    ended: bool,
    revision: u64,
    loaded: u64,
    load_error: Option<String>,
    /// The policy before the one that does not load stays in force.
    retained: bool,
    #[serde(skip)]
    not_loaded: Option<String>,
    agents_waiting: u32,
    pending: u32,
    grants: u32,
}

pub(super) async fn list(client: &mut Client, output: Output, out: &mut dyn Write) -> Result<(), VerbError> {
    let sandboxes = client.sandboxes().await?;
    let rows = sandboxes.iter().map(row).collect::<Result<Vec<_>, _>>().map_err(ClientError::from)?;
    match output {
        Output::Json => json(out, &rows),
        Output::Table if rows.is_empty() => Ok(writeln!(out, "no sandboxes")?),
        Output::Table => table(&rows, out),
    }
}

fn row(status: &pb::SandboxStatus) -> Result<Row, openshell_wire::WireError> {
    let record = status.sandbox.as_ref().ok_or(openshell_wire::WireError::Missing("sandbox"))?;
    let (name, view): (_, SandboxView) = sandbox_view(record)?;
    let live = status.live.clone().unwrap_or_default();
    Ok(Row {
        name: name.to_string(),
        connected: live.attached,
        isolation: view.isolation.map_or("", isolation_word),
        host_root: view.host_root,
        ended: view.ended.is_some(),
        revision: view.revision.0,
        loaded: view.loaded.0,
        not_loaded: isolation::not_loaded(&view),
        retained: view.is_retained,
        load_error: view.load_error,
        agents_waiting: live.waiting.iter().map(|waiting| waiting.agents).sum(),
        pending: status.pending,
        grants: status.grants,
    })
}

fn table(rows: &[Row], out: &mut dyn Write) -> Result<(), VerbError> {
    let widest = rows.iter().map(|row| row.name.len()).max().unwrap_or(0).max(7);
    writeln!(out, "{:widest$}  STATE      ISOLATION  REVISION  LOADED  WAITING  PENDING  GRANTS", "SANDBOX")?;
    for row in rows {
        let state = match (row.connected, row.ended) {
            (true, _) => "connected",
            (false, true) => "ended",
            (false, false) => "lost",
        };
        writeln!(
            out,
            "{:widest$}  {state:9}  {:9}  {:>8}  {:>6}  {:>7}  {:>7}  {:>6}",
            row.name, row.isolation, row.revision, row.loaded, row.agents_waiting, row.pending, row.grants
        )?;
        if let Some(told) = &row.not_loaded {
            writeln!(out, "{:widest$}  {told}", "")?;
        }
    }
    Ok(out.flush()?)
}

pub(super) async fn release(
    client: &mut Client,
    sandbox: &str,
    output: Output,
    out: &mut dyn Write,
) -> Result<(), VerbError> {
    let seq = client.release(sandbox).await?;
    match output {
        Output::Json => json(out, &serde_json::json!({"sandbox": sandbox, "released": true, "seq": seq})),
        Output::Table => {
            writeln!(out, "released  {}  seq {seq}", shown::visible(sandbox))?;
            Ok(out.flush()?)
        }
    }
}
