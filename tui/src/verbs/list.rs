//! `list`: one row a proposal, a further line for each further endpoint.

use chrono::{DateTime, Utc};
use openshell_domain::policy::render::endpoint_lines;

use super::VerbError;
use super::record::Record;
use super::target::quoted;
use crate::cli::{List, StatusWord};
use crate::client::{Client, Listed};
use crate::clock;
use crate::isolation::KeptIn;
use crate::printer::{Column, Printer, Table};
use crate::review;

const COLUMNS: [Column; 6] = [
    Column::whole("ID"),
    Column::number("AGE"),
    Column::whole("STATUS"),
    Column::words("SANDBOX"),
    Column::words("RULE"),
    Column::place("ENDPOINTS"),
];

pub(super) async fn run(client: &mut Client, ask: &List, printer: &mut Printer<'_>) -> Result<(), VerbError> {
    let status = ask.status.map(StatusWord::as_str).unwrap_or_default();
    let listed = client.list(status, &ask.sandbox).await?;
    if !printer.is_table() {
        let record = |proposal| Record::new(proposal, listed.sandbox(proposal));
        return Ok(printer.data(&listed.proposals.iter().map(record).collect::<Vec<_>>())?);
    }
    if listed.proposals.is_empty() {
        let none =
            if status.is_empty() { "no proposals".to_owned() } else { format!("no {status} proposals") };
        return Ok(printer.text(&format!("{none}\n"))?);
    }
    Ok(printer.table(&table(&listed, clock::now()))?)
}

fn table(listed: &Listed, now: DateTime<Utc>) -> Table {
    let mut table = Table::new(&COLUMNS);
    for proposal in &listed.proposals {
        let name = proposal.sandbox.as_str();
        let warning = KeptIn::from(listed.sandbox(proposal)).warning();
        let mut lines = endpoint_lines(&proposal.draft.rule).into_iter();
        table.row([
            quoted(proposal),
            clock::brief(clock::between(proposal.submitted_at, now)),
            format!("{} {}", proposal.status.as_str(), review::weight(proposal).1).trim_end().to_owned(),
            warning.map_or_else(|| name.to_owned(), |warning| format!("{name} {warning}")),
            proposal.draft.rule_name.to_string(),
            lines.next().unwrap_or_default(),
        ]);
        for line in lines {
            let [a, b, c, d, e] = <[String; 5]>::default();
            table.row([a, b, c, d, e, line]);
        }
    }
    table
}
