//! What a reviewer is shown beside the wording of a proposal, and what a decision is bound to.
//!
//! Computed from the sandbox as it stands, never stored with the proposal: another approval may change what this one
//! would newly allow. The digest covers all of it and nothing else, so a decision on something that looks
//! otherwise now is refused, and one on something that does not is never disturbed (`domain.md` §5).

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::id::{Digest, ProposalId};
use crate::policy::authority::{Because, Difference, Ground};
use crate::policy::risk::{self, Breadth, Finding, Level, Scene, Seen};
use crate::proposal::Draft;
use crate::state::Sandbox;

/// A proposal, looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    /// What a decision must quote.
    pub digest: Digest,
    /// What an approval would change; `None` where that is too complex to be computed, and nothing can be approved.
    pub difference: Option<Difference>,
    /// What a reviewer should know before saying yes.
    pub findings: Vec<Finding>,
    /// Every wildcard against what was denied.
    pub breadth: Vec<Breadth>,
}

/// How a proposal that would allow nothing new is to be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Idle {
    /// All of it is allowed already, by these rules.
    Covered(Vec<String>),
    /// Some of it is not allowed and would not be, for these reasons.
    InVain(Vec<String>),
}

impl Review {
    /// Looks at one wording of a proposal of `sandbox`; `seen` is what was denied before it.
    #[must_use]
    pub fn of(sandbox: &Sandbox, proposal: ProposalId, draft: &Draft, seen: &[Seen]) -> Self {
        Self::on(&sandbox.ground(), sandbox, (proposal, draft), seen)
    }

    /// The same on the sandbox's ground with a patience of its own: too complex is also what took longer.
    #[must_use]
    pub fn on(
        ground: &Ground<'_>,
        sandbox: &Sandbox,
        (proposal, draft): (ProposalId, &Draft),
        seen: &[Seen],
    ) -> Self {
        let difference = ground.difference(&draft.rule).ok();
        let scene = |difference| Scene {
            rule: &draft.rule,
            rule_name: draft.rule_name.as_str(),
            difference,
            ground,
            credentials: &sandbox.credentials,
            writable: &sandbox.writable,
            seen,
        };
        let findings = difference.as_ref().map(|found| risk::findings(&scene(found))).unwrap_or_default();
        let breadth = risk::breadth(&draft.rule, seen);
        Self {
            digest: digest(proposal, draft, difference.as_ref(), &findings),
            difference,
            findings,
            breadth,
        }
    }

    /// The findings in OpenShell's words.
    #[must_use]
    pub fn validation_result(&self) -> String {
        match self.difference {
            Some(_) => risk::validation_result(&self.findings),
            None => "validation unavailable".to_owned(),
        }
    }

    /// The sentences of the findings for which nobody may grant it.
    #[must_use]
    pub fn refusals(&self) -> Vec<String> {
        let refusing = self.findings.iter().filter(|finding| finding.level == Level::Refuses);
        refusing.map(|finding| finding.sentence.clone()).collect()
    }

    /// Whether nothing would change, and why; `None` where something would.
    #[must_use]
    pub fn idle(&self) -> Option<Idle> {
        let difference = self.difference.as_ref()?;
        let changes = [&difference.added, &difference.latent, &difference.removed];
        if changes.iter().any(|list| !list.is_empty()) {
            return None;
        }
        let is_covered = difference.idle.iter().all(|except| except.because == Because::AlreadyAllowed);
        Some(if is_covered && !difference.idle.is_empty() {
            Idle::Covered(difference.idle.iter().map(|except| except.rule.clone()).collect())
        } else {
            Idle::InVain(difference.idle.iter().map(ToString::to_string).collect())
        })
    }
}

/// SHA-256 over tag, proposal, draft number, name, canonical rule, difference and codes of the findings, each with
/// its length in front.
fn digest(
    proposal: ProposalId,
    draft: &Draft,
    difference: Option<&Difference>,
    findings: &[Finding],
) -> Digest {
    // Serializing these types cannot fail: no map in them has a key that is not text.
    let rule = serde_json::to_vec(&draft.rule).unwrap_or_default();
    let canonical = difference.map_or_else(|| "too complex".to_owned(), Difference::canonical);
    let codes: Vec<&str> = findings.iter().map(|finding| finding.code.as_str()).collect();
    let mut hash = Sha256::new();
    for part in [
        b"openshell-inbox/review/1".as_slice(),
        proposal.0.as_bytes(),
        &draft.number.to_be_bytes(),
        draft.rule_name.as_str().as_bytes(),
        &rule,
        canonical.as_bytes(),
        codes.join(" ").as_bytes(),
    ] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    Digest(hash.finalize().into())
}
