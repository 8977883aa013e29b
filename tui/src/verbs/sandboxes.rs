//! `sandboxes` and `release`: who is there, and how a name is freed whose supervisor is gone.

use openshell_domain::inbox::SandboxView;
use openshell_wire::pb::inbox as pb;
use openshell_wire::proposal::{isolation_word, sandbox_view};
use serde::Serialize;

use super::VerbError;
use crate::client::{Client, ClientError};
use crate::isolation;
use crate::printer::{Column, Printer, Table};
use crate::shown;

const COLUMNS: [Column; 8] = [
    Column::words("SANDBOX"),
    Column::whole("STATE"),
    Column::whole("ISOLATION"),
    Column::number("REVISION"),
    Column::number("LOADED"),
    Column::number("WAITING"),
    Column::number("PENDING"),
    Column::number("GRANTS"),
];

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

pub(super) async fn list(client: &mut Client, printer: &mut Printer<'_>) -> Result<(), VerbError> {
    let sandboxes = client.sandboxes().await?;
    let rows = sandboxes.iter().map(row).collect::<Result<Vec<_>, _>>().map_err(ClientError::from)?;
    if !printer.is_table() {
        return Ok(printer.data(&rows)?);
    }
    if rows.is_empty() {
        return Ok(printer.text("no sandboxes\n")?);
    }
    Ok(printer.table(&table(&rows))?)
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

fn table(rows: &[Row]) -> Table {
    let mut table = Table::new(&COLUMNS);
    for row in rows {
        let state = match (row.connected, row.ended) {
            (true, _) => "connected",
            (false, true) => "ended",
            (false, false) => "lost",
        };
        table.row([
            row.name.clone(),
            state.to_owned(),
            row.isolation.to_owned(),
            row.revision.to_string(),
            row.loaded.to_string(),
            row.agents_waiting.to_string(),
            row.pending.to_string(),
            row.grants.to_string(),
        ]);
        if let Some(told) = &row.not_loaded {
            table.note(told);
        }
    }
    table
}

pub(super) async fn release(
    client: &mut Client,
    sandbox: &str,
    printer: &mut Printer<'_>,
) -> Result<(), VerbError> {
    let seq = client.release(sandbox).await?;
    if printer.is_table() {
        return Ok(printer.text(&format!("released  {}  seq {seq}\n", shown::visible(sandbox)))?);
    }
    Ok(printer.data(&serde_json::json!({"sandbox": sandbox, "released": true, "seq": seq}))?)
}
