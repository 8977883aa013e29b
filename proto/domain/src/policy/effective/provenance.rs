//! Where each rule of a policy comes from, in words and as data: a line of the policy file, or a proposal, its
//! reviewer, the time and the reason.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use super::{Composition, Grant, Origin};
use crate::id::{ProposalId, RuleName};
use crate::node::Place;
use crate::proposal::Lease;
use crate::untrusted::Untrusted;

/// The policy file that the base was read from.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// Its name, as it was given.
    pub file: &'a str,
    /// Where the key of each of its rules stands.
    pub places: &'a BTreeMap<RuleName, Place>,
}

/// Where a rule comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "snake_case")]
pub enum Provenance {
    /// The policy file.
    File {
        /// Its name.
        file: String,
        /// The line of the rule's key, where it is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        line: Option<u64>,
    },
    /// A grant.
    Proposal {
        /// The proposal.
        proposal: ProposalId,
        /// Which of its wordings.
        draft: u32,
        /// The name that was asked for.
        asked: RuleName,
        /// Who approved it.
        reviewer: String,
        /// When.
        at: DateTime<Utc>,
        /// With which words; may be empty.
        reason: String,
        /// For how long.
        lease: Lease,
        /// When it ended, if it has.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ended: Option<DateTime<Utc>>,
    },
}

impl From<&Grant> for Provenance {
    fn from(grant: &Grant) -> Self {
        Self::Proposal {
            proposal: grant.proposal,
            draft: grant.draft.number,
            asked: grant.draft.rule_name.clone(),
            reviewer: grant.decision.by.id.clone(),
            at: grant.decision.at,
            reason: grant.decision.reason.clone(),
            lease: grant.lease,
            ended: grant.ended,
        }
    }
}

impl Composition {
    /// Where the rule with this key comes from; a key that is nobody's grant is the file's.
    #[must_use]
    pub fn provenance(&self, key: &RuleName, source: &Source<'_>) -> Provenance {
        match self.origin(key) {
            Some(Origin::Grant(grant)) => grant.into(),
            Some(Origin::Base) | None => Provenance::File {
                file: source.file.to_owned(),
                line: source.places.get(key).map(|place| place.line),
            },
        }
    }

    /// Where every rule of the effective policy comes from.
    #[must_use]
    pub fn provenances(&self, source: &Source<'_>) -> BTreeMap<RuleName, Provenance> {
        let base = self.base().network_policies.keys();
        let keys = base.chain(self.standing().map(|grant| &grant.key));
        keys.map(|key| (key.clone(), self.provenance(key, source))).collect()
    }
}

impl fmt::Display for Provenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = |at: &DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
        match self {
            Self::File { file, line: None } => write!(f, "{}", Untrusted::new(file)),
            Self::File { file, line: Some(line) } => write!(f, "{}:{line}", Untrusted::new(file)),
            Self::Proposal { proposal, draft, reviewer, at, reason, lease, ended, .. } => {
                write!(f, "proposal {}", proposal.short())?;
                if *draft > 1 {
                    write!(f, " (draft {draft})")?;
                }
                write!(f, " approved by {} at {}", Untrusted::new(reviewer), time(at))?;
                if !reason.is_empty() {
                    write!(f, " “{}”", Untrusted::new(reason))?;
                }
                match ended {
                    Some(ended) => write!(f, ", ended at {}", time(ended)),
                    None => write!(f, ", {lease}"),
                }
            }
        }
    }
}
