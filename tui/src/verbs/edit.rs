//! `edit`: a new wording of a pending proposal, from an editor or a file.
//!
//! The rule is written as a policy file writes it, under the name that is asked for. What comes back goes through the
//! reader of proposals here, so that every mistake has its line, and again in the gateway. Bound to the digest of what
//! was shown; nothing that was typed is lost when it is refused.

use std::io::Read;
use std::path::{Path, PathBuf};

use openshell_domain::id::Digest;
use openshell_domain::policy::read::MAX_FILE;
use openshell_domain::proposal::Proposal;
use serde::Serialize;

use super::VerbError;
use super::record::Full;
use super::show::told;
use super::target::{Target, quoted};
use crate::cli::Edit;
use crate::client::asks::Wording;
use crate::client::{Client, ClientError, Shown};
use crate::printer::Printer;
use crate::review;
use crate::wording::{self, editor};

#[derive(Serialize)]
struct Answer<'a> {
    /// The event of the new draft; `null` where the wording is the one that it was.
    seq: Option<u64>,
    proposal: Full<'a>,
}

pub(super) async fn run(client: &mut Client, ask: &Edit, printer: &mut Printer<'_>) -> Result<(), VerbError> {
    let found = Target::parse(&ask.id)?.find(client).await?;
    if !found.proposal.is_pending() {
        return Err(ClientError::AlreadyDecided(Some(Box::new(found.proposal))).into());
    }
    match &ask.file {
        Some(path) => {
            let text = read(path)?;
            revise(client, &found, (&text, &path.display().to_string()), printer).await
        }
        None => {
            let written = editor::open(&page(&found.proposal)).await?;
            let done = revise(client, &found, (&written.text, "the new wording"), printer).await;
            done.map_err(|cause| keep(written, cause, &quoted(&found.proposal)))
        }
    }
}

/// At most as much as a policy may have, and one byte more, to see that there is more.
fn read(path: &Path) -> Result<String, VerbError> {
    let most = MAX_FILE as u64 + 1;
    let mut text = String::new();
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(most).read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(most).read_to_string(&mut text))
    };
    read.map_err(|cause| VerbError::File { path: PathBuf::from(path), cause })?;
    Ok(text)
}

async fn revise(
    client: &mut Client,
    found: &Shown,
    (text, whence): (&str, &str),
    printer: &mut Printer<'_>,
) -> Result<(), VerbError> {
    let (rule_name, rule) = wording::read(text).map_err(|problems| {
        let lines: Vec<String> = problems.0.iter().map(|problem| problem.in_file(whence)).collect();
        VerbError::NoRule(lines.join("\n"))
    })?;
    let proposal = &found.proposal;
    if (&rule_name, &rule) == (&proposal.draft.rule_name, &proposal.draft.rule) {
        return answer(found, None, printer);
    }
    let digest = proposal.digest().unwrap_or(Digest([0; 32]));
    let wording = Wording { proposal: proposal.id, digest, rule_name, rule };
    let (seq, proposal) = client.revise(&wording).await?;
    answer(&Shown { proposal, ..found.clone() }, Some(seq), printer)
}

fn answer(found: &Shown, seq: Option<u64>, printer: &mut Printer<'_>) -> Result<(), VerbError> {
    let proposal = &found.proposal;
    if !printer.is_table() {
        let proposal = Full::new(proposal, found.sandbox.as_ref());
        return Ok(printer.data(&Answer { seq, proposal })?);
    }
    let Some(seq) = seq else {
        return Ok(printer.text(&format!("unchanged  {}\n", quoted(proposal)))?);
    };
    let number = proposal.draft.number;
    let [newly, later, taken] = review::changes(proposal);
    let changes = told(&[newly, later, taken, review::findings(proposal)]);
    Ok(printer.text(&format!("revised  {}  seq {seq}  draft {number}\n{changes}", quoted(proposal)))?)
}

/// The wording in force, with what to do about it.
fn page(proposal: &Proposal) -> String {
    let rule = wording::text(&proposal.draft.rule_name, &proposal.draft.rule);
    wording::head(proposal, &quoted(proposal)) + &rule
}

/// The same error, and where the text is.
fn keep(written: editor::Written, cause: VerbError, id: &str) -> VerbError {
    if matches!(cause, VerbError::Output(_)) {
        return cause;
    }
    let id = id.split('@').next().unwrap_or(id).to_owned();
    match written.keep() {
        Some(path) => VerbError::Kept { cause: Box::new(cause), id, path },
        None => cause,
    }
}
