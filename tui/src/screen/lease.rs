//! For how long: the choice of a lease, over the proposal that it is for.
//!
//! Says of each lease what it means and when it ends, and which of them the gateway would cut down. Pure; sending is
//! `update`'s business.

use chrono::{DateTime, FixedOffset, Utc};
use openshell_domain::id::{Digest, ProposalId};
use openshell_domain::policy::Endpoint;
use openshell_domain::proposal::{Lease, LeaseAsk};
use openshell_domain::setting::{Key, Scope};

use super::model::Model;

/// The leases: what people and what the gateway calls them.
const LEASES: [(&str, &str); 5] =
    [("once", "once"), ("15 m", "15m"), ("1 h", "1h"), ("this run", "run"), ("always", "always")];

/// The choice, while it is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Menu {
    /// For what.
    pub proposal: ProposalId,
    /// As it was shown when the menu was opened.
    pub digest: Option<Digest>,
    /// Which line is marked.
    pub chosen: usize,
}

/// One line of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// What people call it.
    pub label: &'static str,
    /// What the gateway calls it.
    pub wire: &'static str,
    /// When it ends.
    pub means: String,
    /// Whether an approval has it where nothing is chosen.
    pub is_default: bool,
    /// Why it cannot be chosen.
    pub objection: Option<&'static str>,
}

/// The lines for what is in the detail.
#[must_use]
pub fn choices(model: &Model) -> Vec<Choice> {
    let (Some(detail), Some(inbox)) = (&model.detail, &model.inbox) else { return Vec::new() };
    let Some(view) = inbox.sandboxes.get(&detail.proposal.sandbox) else { return Vec::new() };
    let scope = Scope { gateway: &inbox.settings, sandbox: &view.settings };
    let (default, longest) = (scope.lease(Key::DefaultLease), scope.lease(Key::MaxLease).at(model.now));
    let is_read = detail.proposal.draft.rule.endpoints.iter().all(Endpoint::is_l7);
    let choice = |(label, wire): (&'static str, &'static str)| {
        let ask: LeaseAsk = wire.parse().ok()?;
        let (wanted, granted) = (ask.at(model.now), ask.at(model.now).capped(longest));
        let cut = if wanted == granted { "" } else { ": max_lease allows no more" };
        Some(Choice {
            label,
            wire,
            means: format!("{}{cut}", means(granted, model.zone)),
            is_default: ask == default,
            objection: (granted == Lease::Once && !is_read)
                .then_some("not for L4: its requests are not read"),
        })
    };
    LEASES.into_iter().filter_map(choice).collect()
}

fn means(lease: Lease, zone: FixedOffset) -> String {
    let clock = |end: DateTime<Utc>| end.with_timezone(&zone).format("%H:%M").to_string();
    match lease {
        Lease::Once => "for one request, then it ends".to_owned(),
        Lease::Until(end) => format!("until {}, or until the run ends", clock(end)),
        Lease::Run => "until this run ends".to_owned(),
        Lease::Always => "in later runs too, of the same policy file".to_owned(),
    }
}
