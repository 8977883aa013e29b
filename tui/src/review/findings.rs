//! The findings: a sign, the code, the sentence.
//!
//! `!!` is one that an approval must not pass over, `!` one that only a person may grant, `-` one that is worth
//! knowing. Their texts were made visible where they were worded, and are looked through once more.

use openshell_domain::policy::risk::{Finding, Level};
use openshell_domain::proposal::Proposal;

use super::{Entry, Section, Tone};
use crate::shown;

/// The findings, the gravest first.
#[must_use]
pub fn findings(proposal: &Proposal) -> Section {
    let found = gravest_first(proposal);
    let entry = |finding: &Finding| {
        let (tone, mark) = mark(finding);
        Entry {
            tone,
            text: format!("{mark} {}: {}", finding.code, shown::worded(&finding.sentence)),
            more: evidence(finding),
        }
    };
    Section::new("Findings", found.into_iter().map(entry).collect())
}

/// What shows it, unless the sentence says it all.
fn evidence(finding: &Finding) -> Vec<String> {
    match finding.evidence.as_slice() {
        [one] if finding.sentence.contains(one) => Vec::new(),
        all => all.iter().map(|text| shown::worded(text)).collect(),
    }
}

/// The codes alone with their signs: `!! wildcard_host`.
#[must_use]
pub fn codes(proposal: &Proposal) -> Vec<(Tone, String)> {
    let found = gravest_first(proposal);
    let code = |finding: &Finding| {
        let (tone, mark) = mark(finding);
        (tone, format!("{mark} {}", finding.code))
    };
    found.into_iter().map(code).collect()
}

fn gravest_first(proposal: &Proposal) -> Vec<&Finding> {
    let mut found: Vec<&Finding> = proposal.review.iter().flat_map(|review| &review.findings).collect();
    found.sort_by_key(|finding| (!finding.second_key, finding.level));
    found
}

fn mark(finding: &Finding) -> (Tone, &'static str) {
    match (finding.second_key, finding.level) {
        (true, _) | (false, Level::Refuses) => (Tone::Alarm, "!!"),
        (false, Level::BlocksAuto) => (Tone::Warn, "!"),
        (false, Level::Note) => (Tone::Note, "-"),
    }
}

/// `!2`: the sign of the gravest finding and how many are no mere notes; empty where none is.
#[must_use]
pub fn weight(proposal: &Proposal) -> (Tone, String) {
    let found = gravest_first(proposal);
    let (tone, sign) = found.first().map_or((Tone::Note, "-"), |gravest| mark(gravest));
    match found.iter().filter(|finding| mark(finding).0 != Tone::Note).count() {
        0 => (tone, String::new()),
        many => (tone, format!("{sign}{many}")),
    }
}
