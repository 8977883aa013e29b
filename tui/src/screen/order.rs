//! In which order the rows of *Pending* stand, and where in it a proposal has its place.
//!
//! A place is made of what is known of the proposal and ends with its id, so that an order is total and stays what it
//! is for as long as the proposal does. Pure; the list is kept by `update`.

use std::cmp::Reverse;
use std::hash::{DefaultHasher, Hash, Hasher};

use chrono::{DateTime, Utc};
use openshell_domain::id::ProposalId;
use openshell_domain::policy::risk::Level;
use openshell_domain::proposal::Proposal;

/// What comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// What agents wait for, longest wait first, then the others, newest first.
    #[default]
    Waiting,
    /// The latest ask.
    Newest,
    /// The first ask.
    Oldest,
    /// By host, in the order of the alphabet; the newest of each first.
    Host,
    /// What has most and gravest findings.
    Findings,
}

impl Order {
    /// The one after it; the last is followed by the first.
    #[must_use]
    pub fn next(self) -> Self {
        match self {
            Self::Waiting => Self::Newest,
            Self::Newest => Self::Oldest,
            Self::Oldest => Self::Host,
            Self::Host => Self::Findings,
            Self::Findings => Self::Waiting,
        }
    }

    /// What a title calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting first",
            Self::Newest => "newest first",
            Self::Oldest => "oldest first",
            Self::Host => "by host",
            Self::Findings => "by findings",
        }
    }

    /// Where a proposal stands, for which agents wait or do not.
    #[must_use]
    pub fn place(self, proposal: &Proposal, agents: u32) -> Place {
        let (at, id) = (proposal.submitted_at, proposal.id);
        match self {
            Self::Waiting if agents > 0 => Place::Oldest(at, id),
            Self::Oldest => Place::Oldest(at, id),
            Self::Waiting | Self::Newest => Place::Newest(Reverse(at), id),
            Self::Host => Place::Host(Host::of(proposal), Reverse(at), id),
            Self::Findings => Place::Findings(Reverse(weight(proposal)), Reverse(at), id),
        }
    }
}

/// Where a proposal stands in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The oldest first.
    Oldest(DateTime<Utc>, ProposalId),
    /// The newest first.
    Newest(Reverse<DateTime<Utc>>, ProposalId),
    /// Beside others for the same host.
    Host(Host, Reverse<DateTime<Utc>>, ProposalId),
    /// The gravest first.
    Findings(Reverse<u64>, Reverse<DateTime<Utc>>, ProposalId),
}

impl Place {
    /// Whose place it is.
    #[must_use]
    pub fn id(self) -> ProposalId {
        match self {
            Self::Oldest(_, id) | Self::Newest(_, id) | Self::Host(_, _, id) | Self::Findings(_, _, id) => id,
        }
    }
}

/// A host in the order of the alphabet: its beginning, and what tells it from others that begin alike. A list of
/// 100,000 rows has no text of its own in each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Host([u8; 16], u64);

impl Host {
    fn of(proposal: &Proposal) -> Self {
        let host = proposal.draft.rule.endpoints.first().map_or("", |endpoint| endpoint.host.as_str());
        let mut front = [0; 16];
        for (to, byte) in front.iter_mut().zip(host.bytes()) {
            *to = byte.to_ascii_lowercase();
        }
        let mut hasher = DefaultHasher::new();
        host.hash(&mut hasher);
        Self(front, hasher.finish())
    }
}

/// What needs a second key weighs more than any number of others; notes weigh nothing.
fn weight(proposal: &Proposal) -> u64 {
    let found = proposal.review.iter().flat_map(|review| &review.findings);
    found.map(|one| if one.second_key { 1 << 32 } else { u64::from(one.level != Level::Note) }).sum()
}
