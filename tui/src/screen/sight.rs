//! What of an ask has been in sight. What does not fit in the detail is shown in full line by line, and approved only
//! when every line that says what is asked for, and what that would change, was on the screen for long enough.
//!
//! Pure. What the agent says is not among these lines: it may be as long as it likes.

use std::collections::BTreeSet;
use std::ops::Range;

use openshell_domain::id::{Digest, ProposalId};

use super::arming::Subject;
use super::model::{Focus, Model, Overlay};
use super::tab::Tab;
use super::view;

/// What of the detail is in sight now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sight {
    /// Whether that is enough to approve it: all of the ask, for which programs, and every finding.
    pub is_enough: bool,
    /// How many lines say what is asked for and what that would change.
    pub lines: usize,
    /// Which of them are in sight, where they are shown in full.
    pub rows: Range<usize>,
}

/// Which lines of what does not fit in the detail were in sight for long enough.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Part {
    of: Option<(ProposalId, Digest, usize)>,
    rows: BTreeSet<usize>,
}

impl Part {
    /// Begins again with lines that stand otherwise now.
    pub fn rewrap(&mut self) {
        self.rows.clear();
    }

    /// Takes one in of so many, and says whether these are all.
    fn take(&mut self, of: (ProposalId, Digest, usize), row: usize) -> bool {
        if self.of.replace(of) != Some(of) {
            self.rewrap();
        }
        self.rows.insert(row);
        self.rows.len() == of.2
    }

    fn has(&self, of: (ProposalId, Digest, usize), row: usize) -> bool {
        self.of == Some(of) && self.rows.contains(&row)
    }
}

/// Whether enough of the detail was in sight to approve it.
#[must_use]
pub fn was_enough(model: &Model) -> bool {
    let shown = model.detail.as_ref().and_then(|detail| Some((detail.proposal.id, detail.digest?)));
    shown.is_some_and(|(id, digest)| model.selection.seen.get(&id) == Some(&digest))
}

/// What is in sight of the detail, for as long as not enough of it was.
#[must_use]
pub fn subjects(model: &Model) -> Vec<Subject> {
    let is_covered = model.tab != Tab::Pending || model.overlay != Overlay::None;
    let Some((id, digest, sight)) = sight(model).filter(|_| !is_covered) else { return Vec::new() };
    match sight.is_enough {
        true => vec![Subject::Whole(id, digest)],
        false => sight.rows.map(|row| Subject::Line(id, digest, row, sight.lines)).collect(),
    }
}

/// What has to have been in sight for long enough before the detail is approved.
#[must_use]
pub fn needed(model: &Model) -> Vec<Subject> {
    let Some((id, digest, sight)) = sight(model) else { return Vec::new() };
    match sight.is_enough {
        true => vec![Subject::Whole(id, digest)],
        false => unseen(model, (id, digest, sight.lines))
            .map(|row| Subject::Line(id, digest, row, sight.lines))
            .collect(),
    }
}

/// Takes in what was in sight for long enough.
pub fn look(model: &mut Model) {
    let Some(shown) = model.detail.as_ref().and_then(|detail| Some((detail.proposal.id, detail.digest?)))
    else {
        return;
    };
    let selection = &mut model.selection;
    for subject in model.arming.armed() {
        let is_enough = match subject {
            Subject::Whole(id, digest) => (id, digest) == shown,
            Subject::Line(id, digest, row, of) => {
                (id, digest) == shown && selection.part.take((id, digest, of), row)
            }
            _ => false,
        };
        if is_enough {
            selection.seen.insert(shown.0, shown.1);
        }
    }
}

/// Shows the first line of the detail that was not in sight for long enough, if it is not in sight now, and says how
/// many these are.
pub fn show(model: &mut Model) -> Option<String> {
    let focus = model.focus;
    sight(model).filter(|(_, _, sight)| !sight.is_enough)?;
    // Lines are counted as they stand in full.
    model.focus = Focus::Detail;
    let (id, digest, sight) = sight(model)?;
    let unseen: Vec<usize> = unseen(model, (id, digest, sight.lines)).collect();
    let (first, count) = (*unseen.first()?, unseen.len());
    if focus == Focus::Detail && sight.rows.contains(&first) {
        return None;
    }
    let last = view::detail_overflow(model);
    if let Some(detail) = &mut model.detail {
        detail.scroll = first.min(last);
    }
    let lines = if count == 1 { "line of it was" } else { "lines of it were" };
    Some(format!("{count} {lines} not in sight for long enough: look, then press it again"))
}

/// The detail that still has to be looked at, and what of it is in sight.
fn sight(model: &Model) -> Option<(ProposalId, Digest, Sight)> {
    let detail = model.detail.as_ref().filter(|_| !was_enough(model))?;
    Some((detail.proposal.id, detail.digest?, view::sight(model)?))
}

fn unseen(model: &Model, of: (ProposalId, Digest, usize)) -> impl Iterator<Item = usize> {
    (0..of.2).filter(move |row| !model.selection.part.has(of, *row))
}
