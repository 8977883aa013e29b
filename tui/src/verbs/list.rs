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
    Column::spare("RULE"),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::tests::world::{World, rule};

    /// Kills: a host that is cut at its end, where it says whose it is, while names of rules stand there whole.
    #[test]
    fn a_host_stays_whole_on_80_columns() {
        let mut world = World::with_three();
        let long = "endpoints: [{host: eu-central-1.objects.githubusercontent.example.com, port: 443}, {host: 'a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r.s.t.u.v.w.x.y.z.a-host-beyond-all-measure.example', port: 443}]\nbinaries: [{path: /usr/bin/curl}]";
        world.submit(4, "a_rule_with_a_long_name_that_nobody_needs", rule(long), "");
        let inbox = world.model.inbox.clone().unwrap();
        let proposals: Vec<_> = inbox.proposals.into_values().collect();
        let now = proposals.iter().map(|one| one.submitted_at).max().unwrap();
        let listed = Listed { proposals, sandboxes: inbox.sandboxes };
        for cells in [80, 100] {
            insta::assert_snapshot!(format!("list_{cells}"), table(&listed, now).render(Some(cells)));
        }
        let mut ordinary = listed;
        ordinary
            .proposals
            .retain(|one| one.draft.rule_name.as_str() != "a_rule_with_a_long_name_that_nobody_needs");
        for cells in [80, 100] {
            insta::assert_snapshot!(format!("ordinary_{cells}"), table(&ordinary, now).render(Some(cells)));
        }
    }
}
