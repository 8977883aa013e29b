//! `history`: what was decided, read from the log: who, when, what, why, and the revision that it made.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Utc};
use openshell_domain::event::{Envelope, Event};
use openshell_domain::id::{ProposalId, Revision};
use openshell_domain::policy::render::endpoint_lines;
use openshell_domain::proposal::{Draft, Hint, Lease};
use serde::Serialize;

use super::VerbError;
use super::target::Target;
use crate::client::{Client, ClientError};
use crate::clock;
use crate::printer::{Column, Printer, Table};

const COLUMNS: [Column; 7] = [
    Column::number("SEQ"),
    Column::whole("AT (UTC)"),
    Column::whole("WHAT"),
    Column::whole("ID"),
    Column::words("BY"),
    Column::number("REV"),
    Column::place("ENDPOINTS"),
];

/// A decision. Fields are added, never renamed.
#[derive(Debug, Serialize)]
struct Row {
    seq: u64,
    at: String,
    #[serde(skip)]
    when: DateTime<Utc>,
    /// approved, rejected, undone, revoked
    what: &'static str,
    by: String,
    /// reviewer, system
    kind: &'static str,
    unisolated: bool,
    sandbox: String,
    proposal: String,
    draft: Option<u32>,
    /// The digest that it quoted.
    digest: String,
    rule_name: Option<String>,
    endpoints: Vec<String>,
    reason: String,
    hints: Vec<Hint>,
    lease: Option<Lease>,
    /// The policy that it made; `null` where it made none.
    revision: Option<Revision>,
}

pub(super) async fn run(
    client: &mut Client,
    about: Option<&str>,
    printer: &mut Printer<'_>,
) -> Result<(), VerbError> {
    let (sandbox, only) = scope(client, about).await?;
    let mut records = client.log(0, &sandbox).await?;
    let mut history = History::default();
    while let Some(record) = records.message().await.map_err(ClientError::from)? {
        history.take(&Envelope::try_from(&record).map_err(ClientError::from)?);
    }
    let mut rows = history.rows;
    rows.retain(|row| only.is_none_or(|only| row.proposal == only.to_string()));
    if !printer.is_table() {
        return Ok(printer.data(&rows)?);
    }
    if rows.is_empty() {
        return Ok(printer.text("no decisions\n")?);
    }
    let mut table = Table::new(&COLUMNS);
    for row in &rows {
        table.row(cells(row));
        if !row.reason.is_empty() {
            table.note(&format!("“{}”", row.reason));
        }
    }
    Ok(printer.table(&table)?)
}

/// The sandbox (empty: all) and the proposal that are meant. A name that is a sandbox's is that sandbox.
async fn scope(client: &mut Client, about: Option<&str>) -> Result<(String, Option<ProposalId>), VerbError> {
    let Some(about) = about else { return Ok((String::new(), None)) };
    let known = client.sandboxes().await?;
    let is_named = |status: &openshell_wire::pb::inbox::SandboxStatus| {
        status.sandbox.as_ref().is_some_and(|record| record.name == about)
    };
    if known.iter().any(is_named) {
        return Ok((about.to_owned(), None));
    }
    let Ok(target) = Target::parse(about) else {
        return Err(ClientError::NotFound(format!("{about:?} is neither a sandbox nor an id")).into());
    };
    let proposal = target.find(client).await?.proposal;
    Ok((proposal.sandbox.to_string(), Some(proposal.id)))
}

fn cells(row: &Row) -> [String; 7] {
    let mark = if row.unisolated { " (unisolated)" } else { "" };
    [
        row.seq.to_string(),
        clock::minute(row.when),
        row.what.to_owned(),
        row.proposal.chars().take(8).collect(),
        format!("{}{mark}", row.by),
        row.revision.map(|revision| revision.to_string()).unwrap_or_default(),
        row.endpoints.join(", "),
    ]
}

/// What has been read of the log.
#[derive(Default)]
struct History {
    rows: Vec<Row>,
    /// The wordings in force.
    drafts: BTreeMap<ProposalId, Draft>,
}

impl History {
    fn take(&mut self, envelope: &Envelope) {
        match &envelope.event {
            Event::ProposalSubmitted { proposal, draft, .. }
            | Event::DraftRevised { proposal, draft, .. } => {
                self.drafts.insert(*proposal, draft.clone());
            }
            Event::ProposalApproved { proposal, digest, reason, lease, revision, .. } => {
                let row = self.row(envelope, *proposal, ("approved", digest.to_string(), reason));
                self.rows.push(Row { lease: Some(*lease), revision: Some(*revision), ..row });
            }
            Event::ProposalRejected { proposal, digest, reason, hints, .. } => {
                let row = self.row(envelope, *proposal, ("rejected", digest.to_string(), reason));
                self.rows.push(Row { hints: hints.clone(), ..row });
            }
            Event::DecisionUndone { proposal, digest, reason, reopened, .. } => {
                let row = self.row(envelope, *proposal, ("undone", digest.to_string(), reason));
                self.rows.push(row);
                if let Some(draft) = self.drafts.get_mut(proposal) {
                    draft.number = *reopened;
                }
            }
            Event::GrantRevoked { proposal, digest, reason } => {
                let row = self.row(envelope, *proposal, ("revoked", digest.to_string(), reason));
                self.rows.push(row);
            }
            Event::PolicyRevised { revision, .. } => self.revised(envelope, *revision),
            _ => {}
        }
    }

    fn row(
        &self,
        envelope: &Envelope,
        proposal: ProposalId,
        (what, digest, reason): (&'static str, String, &str),
    ) -> Row {
        let draft = self.drafts.get(&proposal);
        Row {
            seq: envelope.seq,
            when: envelope.at,
            at: envelope.at.to_rfc3339_opts(SecondsFormat::Secs, true),
            what,
            by: envelope.actor.id.clone(),
            kind: envelope.actor.kind.as_str(),
            unisolated: envelope.actor.unisolated,
            sandbox: envelope.sandbox().map(ToString::to_string).unwrap_or_default(),
            proposal: proposal.to_string(),
            draft: draft.map(|draft| draft.number),
            digest,
            rule_name: draft.map(|draft| draft.rule_name.to_string()),
            endpoints: draft.map(|draft| endpoint_lines(&draft.rule)).unwrap_or_default(),
            reason: reason.to_owned(),
            hints: Vec::new(),
            lease: None,
            revision: None,
        }
    }

    /// What a decision changes follows it in the same append, so right behind it.
    fn revised(&mut self, envelope: &Envelope, revision: Revision) {
        if let Some(last) = self.rows.last_mut()
            && last.seq + 1 == envelope.seq
        {
            last.revision = Some(revision);
        }
    }
}
