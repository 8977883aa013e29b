//! `show`: everything about one proposal, first of all what it asks for.

use openshell_domain::policy::render::endpoint_lines;
use openshell_domain::proposal::{Proposal, Status};

use super::VerbError;
use super::record::Full;
use super::target::Target;
use crate::client::{Client, Shown};
use crate::clock;
use crate::isolation::KeptIn;
use crate::printer::Printer;
use crate::review::{self, Section};
use crate::shown;

pub(super) async fn run(client: &mut Client, id: &str, printer: &mut Printer<'_>) -> Result<(), VerbError> {
    let found = Target::parse(id)?.find(client).await?;
    if printer.is_table() {
        return Ok(printer.text(&page(&found, clock::now()))?);
    }
    Ok(printer.data(&Full::new(&found.proposal, found.sandbox.as_ref()))?)
}

/// Everything about one proposal, safe for a terminal.
pub(crate) fn page(found: &Shown, now: chrono::DateTime<chrono::Utc>) -> String {
    let proposal = &found.proposal;
    let draft = &proposal.draft;
    let mut page = Page::default();
    let digest = proposal.digest().map(|digest| format!("@{}", digest.short())).unwrap_or_default();
    page.line("proposal", &format!("{}{digest}", proposal.id));
    page.line("status", &status(proposal));
    page.line("sandbox", &sandbox(found));
    page.lines("asks for", endpoint_lines(&draft.rule).iter().map(|line| shown::visible(line)));
    page.lines("binaries", review::programs(proposal).into_iter());
    page.line("rule", &shown::visible(draft.rule_name.as_str()));
    page.line("origin", proposal.origin.as_str());
    page.line("asked by", &review::asker(proposal));
    if let Some(by) = review::reworder(proposal) {
        page.line("worded by", &format!("{by}, who changed what was asked for"));
    }
    let age = clock::brief(clock::between(proposal.submitted_at, now));
    page.line("asked", &format!("{age} ago, {}", proposal.submitted_at.to_rfc3339()));
    if let Some(decision) = proposal.status.decision() {
        let by = shown::visible(&decision.by.id);
        let mark = if decision.by.unisolated { " (unisolated)" } else { "" };
        page.line("decided by", &format!("{by}{mark}, {}", decision.at.to_rfc3339()));
        page.lines("reason", shown::visible_lines(&decision.reason).into_iter());
    }
    page.text(&told(&review::sections(proposal)));
    page.text("\n");
    page.lines("prover", shown::visible_lines(&proposal.validation_result).into_iter());
    page.text(&format!("\n{} (unverified):\n", review::teller(proposal)));
    for line in shown::visible_lines(&draft.rationale) {
        page.text(&format!("  | {line}\n"));
    }
    page.0
}

/// Every section under its label, each example under its line.
pub(super) fn told(sections: &[Section]) -> String {
    let mut out = String::new();
    for section in sections.iter().filter(|section| !section.entries.is_empty()) {
        out.push_str(&format!("\n{}:\n", section.label));
        for entry in &section.entries {
            out.push_str(&format!("  {}\n", entry.text));
            entry.more.iter().for_each(|more| out.push_str(&format!("      {more}\n")));
        }
    }
    out
}

fn status(proposal: &Proposal) -> String {
    match &proposal.status {
        Status::Approved { revision, .. } => format!("approved, policy revision {revision}"),
        Status::Expired { at, .. } => format!("expired at {}", at.to_rfc3339()),
        Status::Closed { at, revision, .. } => {
            let why = review::closure(&proposal.status).unwrap_or_default();
            format!("closed at {}, policy revision {revision}: {}", at.to_rfc3339(), shown::visible(&why))
        }
        status => status.as_str().to_owned(),
    }
}

fn sandbox(found: &Shown) -> String {
    let isolation = KeptIn::from(found.sandbox.as_ref()).fact();
    let attached = if found.is_attached { "connected" } else { "not connected" };
    format!("{}, {isolation}, supervisor {attached}", found.proposal.sandbox)
}

#[derive(Default)]
struct Page(String);

impl Page {
    fn line(&mut self, label: &str, value: &str) {
        self.0.push_str(&format!("{label:<11} {value}\n"));
    }

    fn lines(&mut self, label: &str, values: impl Iterator<Item = String>) {
        for (label, value) in std::iter::once(label).chain(std::iter::repeat("")).zip(values) {
            self.line(label, &value);
        }
    }

    fn text(&mut self, text: &str) {
        self.0.push_str(text);
    }
}
