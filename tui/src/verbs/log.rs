//! `log`: the events as they are stored, and whether the log is whole.

mod words;

use chrono::{DateTime, Utc};
use openshell_domain::event::Envelope;
use serde::Serialize;

use super::VerbError;
use super::event::EventRow;
use crate::cli::{Log, LogVerb, Since};
use crate::client::{Client, ClientError, Verified};
use crate::clock;
use crate::printer::{Column, Printer, Table};
use crate::shown;
pub(super) use words::words;

pub(super) const COLUMNS: [Column; 6] = [
    Column::number("SEQ"),
    Column::whole("AT (UTC)"),
    Column::words("SANDBOX"),
    Column::whole("KIND"),
    Column::words("ACTOR"),
    Column::words("WHAT"),
];

pub(super) async fn run(client: &mut Client, ask: &Log, printer: &mut Printer<'_>) -> Result<(), VerbError> {
    if let Some(LogVerb::Verify) = ask.verb {
        return verify(client, printer).await;
    }
    let filter = Filter::new(ask, clock::now());
    let mut records = client.log(filter.from, &ask.sandbox).await?;
    let mut events = Vec::new();
    while let Some(record) = records.message().await.map_err(ClientError::from)? {
        let envelope = Envelope::try_from(&record).map_err(ClientError::from)?;
        match filter.takes(&record.kind, &envelope) {
            // A log can be longer than memory, and lines need nothing but themselves.
            true if printer.is_lines() => printer.item(&EventRow::new(&envelope)?)?,
            true => events.push(envelope),
            false => {}
        }
    }
    if printer.is_lines() {
        return Ok(());
    }
    if !printer.is_table() {
        return Ok(printer.data(&events.iter().map(EventRow::new).collect::<Result<Vec<_>, _>>()?)?);
    }
    if events.is_empty() {
        return Ok(printer.text("no events\n")?);
    }
    let mut table = Table::new(&COLUMNS);
    events.iter().for_each(|envelope| table.row(cells(envelope)));
    Ok(printer.table(&table)?)
}

/// A row of the log.
pub(super) fn cells(envelope: &Envelope) -> [String; 6] {
    let kind = envelope.event.to_columns().map(|(kind, _)| kind).unwrap_or_default();
    [
        envelope.seq.to_string(),
        clock::minute(envelope.at),
        envelope.sandbox().map(ToString::to_string).unwrap_or_default(),
        kind,
        envelope.actor.id.clone(),
        words(&envelope.event),
    ]
}

/// Which events are wanted.
struct Filter<'a> {
    kinds: &'a [String],
    /// After this one.
    from: u64,
    since: Option<DateTime<Utc>>,
}

impl<'a> Filter<'a> {
    fn new(ask: &'a Log, now: DateTime<Utc>) -> Self {
        let (from, since) = match ask.since {
            None => (0, None),
            Some(Since::Seq(seq)) => (seq, None),
            Some(Since::Ago(time)) => (0, now.checked_sub_signed(time)),
            Some(Since::At(at)) => (0, Some(at)),
        };
        Self { kinds: &ask.kind, from, since }
    }

    fn takes(&self, kind: &str, envelope: &Envelope) -> bool {
        let is_kind = self.kinds.is_empty() || self.kinds.iter().any(|one| one.eq_ignore_ascii_case(kind));
        is_kind && self.since.is_none_or(|since| envelope.at >= since)
    }
}

/// What the gateway has proven.
#[derive(Debug, Serialize)]
struct Proof<'a> {
    whole: bool,
    /// The last event.
    seq: u64,
    /// The hash of that event.
    head: &'a str,
    /// The last event that a signature covers.
    signed: u64,
    problems: &'a [String],
}

async fn verify(client: &mut Client, printer: &mut Printer<'_>) -> Result<(), VerbError> {
    let Verified { seq, head, signed, problems } = client.prove_log().await?;
    let whole = problems.is_empty();
    if printer.is_table() {
        let mut text = format!("{} events, head {}, signed up to {signed}\n", seq, shown::visible(&head));
        text.push_str(if whole { "the log is whole\n" } else { "" });
        problems.iter().for_each(|problem| text.push_str(&format!("! {}\n", shown::visible(problem))));
        printer.text(&text)?;
    } else {
        printer.data(&Proof { whole, seq, head: &head, signed, problems: &problems })?;
    }
    if whole { Ok(()) } else { Err(VerbError::BrokenLog) }
}
