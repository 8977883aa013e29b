//! What was denied before the proposal came, and how much wider than that it asks.

use openshell_domain::policy::Endpoint;
use openshell_domain::policy::risk::{Likeness, likeness};
use openshell_domain::proposal::Proposal;

use super::{Entry, Section, Tone};
use crate::shown;

/// The denials, then every wildcard against them.
#[must_use]
pub fn evidence(proposal: &Proposal) -> Section {
    let is_l7 = proposal.draft.rule.endpoints.iter().all(Endpoint::is_l7);
    let found = likeness(&proposal.draft.rule, &proposal.evidence);
    let is_like = found.exact > 0 || found.like > 0;
    let mut told = Entry::new(if is_like { Tone::Plain } else { Tone::Note }, words(found, is_l7));
    let breadth = proposal.review.as_ref().map_or(&[][..], |review| &review.breadth);
    told.more = breadth
        .iter()
        .map(|wide| match wide.examples.as_slice() {
            [] => shown::worded(&wide.to_string()),
            some => shown::worded(&format!("{wide}: {}", some.join(", "))),
        })
        .collect();
    Section::new("Evidence", vec![told])
}

fn words(found: Likeness, is_l7: bool) -> String {
    let same = if is_l7 { "same method and path" } else { "same host and port" };
    let Likeness { exact, like, near } = found;
    let near_too = if near > 0 { format!(" (and {near} more on this host)") } else { String::new() };
    match (exact, like, near) {
        (0, 0, 0) => "nothing like it was denied".to_owned(),
        (0, 0, near) => format!("{} on this host, none like it", denials(near)),
        (exact, 0, _) => format!("{}, {same}{near_too}", denials(exact)),
        (0, like, _) => format!("{} that it would have allowed{near_too}", denials(like)),
        (exact, like, _) => {
            let all = exact.saturating_add(like);
            format!("{} that it would have allowed, {exact} {same}{near_too}", denials(all))
        }
    }
}

fn denials(count: u64) -> String {
    if count == 1 { "1 denial".to_owned() } else { format!("{count} denials") }
}
