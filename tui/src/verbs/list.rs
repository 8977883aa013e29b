//! `list`: one row a proposal, a further line for each further endpoint.

use std::io::Write;

use chrono::{DateTime, Utc};
use openshell_domain::policy::render::endpoint_lines;

use super::record::Record;
use super::{VerbError, json};
use crate::cli::{List, Output, StatusWord};
use crate::client::{Client, Listed};
use crate::clock;
use crate::isolation::KeptIn;
use crate::review;
use crate::screen::text;
use crate::shown;

pub(super) async fn run(
    client: &mut Client,
    ask: &List,
    output: Output,
    out: &mut dyn Write,
) -> Result<(), VerbError> {
    let status = ask.status.map(StatusWord::as_str).unwrap_or_default();
    let listed = client.list(status, &ask.sandbox).await?;
    match output {
        Output::Json => {
            let record = |proposal| Record::new(proposal, listed.sandbox(proposal));
            json(out, &listed.proposals.iter().map(record).collect::<Vec<_>>())
        }
        Output::Table if listed.proposals.is_empty() && status.is_empty() => {
            Ok(writeln!(out, "no proposals")?)
        }
        Output::Table if listed.proposals.is_empty() => Ok(writeln!(out, "no {status} proposals")?),
        Output::Table => {
            out.write_all(table(&listed, clock::now()).as_bytes())?;
            Ok(out.flush()?)
        }
    }
}

fn table(listed: &Listed, now: DateTime<Utc>) -> String {
    let head = ["ID", "AGE", "STATUS", "SANDBOX", "RULE", "ENDPOINTS"].map(str::to_owned);
    let mut rows = vec![head];
    for proposal in &listed.proposals {
        let name = proposal.sandbox.as_str();
        let warning = KeptIn::from(listed.sandbox(proposal)).warning();
        let mut lines = endpoint_lines(&proposal.draft.rule).into_iter().map(|line| shown::visible(&line));
        rows.push([
            proposal.id.short(),
            clock::brief(clock::between(proposal.submitted_at, now)),
            format!("{} {}", proposal.status.as_str(), review::weight(proposal)).trim_end().to_owned(),
            warning.map_or_else(|| name.to_owned(), |warning| format!("{name} {warning}")),
            proposal.draft.rule_name.to_string(),
            lines.next().unwrap_or_default(),
        ]);
        rows.extend(lines.map(|line| {
            let [a, b, c, d, e] = <[String; 5]>::default();
            [a, b, c, d, e, line]
        }));
    }
    aligned(&rows)
}

fn aligned(rows: &[[String; 6]]) -> String {
    let widest = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| text::width(cell)).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..5).map(widest).collect();
    let mut out = String::new();
    for [id, age, status, sandbox, rule, endpoint] in rows {
        let cells = [id, age, status, sandbox, rule];
        for (column, (cell, width)) in cells.into_iter().zip(&widths).enumerate() {
            let cell = if column == 1 { text::right(cell, *width) } else { text::left(cell, *width) };
            out.push_str(&cell);
            out.push_str("  ");
        }
        out.push_str(endpoint);
        out.push('\n');
    }
    out
}
