//! The programs that a proposal asks for, each with what was seen of its file.

use openshell_domain::proposal::Proposal;

use crate::shown;

/// How many digits of a hash are shown: enough to compare; `show --output json` has all of them.
const DIGITS: usize = 12;

/// Each program; of one that was denied before, the SHA-256 of its file, or that it was not read by then. A program
/// that was replaced in between has several.
#[must_use]
pub fn programs(proposal: &Proposal) -> Vec<String> {
    proposal.draft.rule.binaries.iter().map(|binary| program(proposal, &binary.path)).collect()
}

fn program(proposal: &Proposal, path: &str) -> String {
    let shown = shown::visible(path);
    let mut seen = proposal.evidence.iter().filter(|seen| seen.binary == path).peekable();
    if seen.peek().is_none() {
        return shown;
    }
    let mut hashes: Vec<String> = Vec::new();
    for hash in seen.filter_map(|seen| seen.sha256) {
        let short = hash.to_string().chars().take(DIGITS).collect();
        if !hashes.contains(&short) {
            hashes.push(short);
        }
    }
    let hashes = if hashes.is_empty() { "unknown".to_owned() } else { hashes.join(", ") };
    format!("{shown} (sha256 {hashes})")
}
