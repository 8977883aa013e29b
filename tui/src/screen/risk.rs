//! The second key: what must be accepted by name before an approval passes over it (`domain.md` §4).

use openshell_domain::id::{Digest, ProposalId};
use openshell_domain::policy::risk::Finding;
use openshell_domain::proposal::Proposal;

/// The key that accepts. It is none that approves, so that no key does both.
pub const KEY: char = 'y';

/// An approval that waits for its second key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accept {
    /// Of what.
    pub proposal: ProposalId,
    /// As it was shown when the first key was pressed.
    pub digest: Option<Digest>,
    /// With which lease; empty is the setting.
    pub lease: &'static str,
}

/// The findings of a proposal that want one.
pub fn of(proposal: &Proposal) -> impl Iterator<Item = &Finding> {
    let found = proposal.review.iter().flat_map(|review| &review.findings);
    found.filter(|finding| finding.second_key)
}

/// Their names: `wildcard_host and any_binary`.
#[must_use]
pub fn names(proposal: &Proposal) -> String {
    let names: Vec<String> = of(proposal).map(|finding| finding.code.to_string()).collect();
    match names.split_last() {
        Some((last, before)) if !before.is_empty() => format!("{} and {last}", before.join(", ")),
        _ => names.concat(),
    }
}
