//! A proposal as JSON: raw texts under stable names.

use openshell_domain::event::Isolation;
use openshell_domain::inbox::SandboxView;
use openshell_domain::policy::Rule;
use openshell_domain::policy::render::endpoint_lines;
use openshell_domain::policy::risk::Seen;
use openshell_domain::proposal::{Closure, Proposal, Status};
use openshell_domain::review::Review;
use serde::Serialize;

/// A proposal. Fields are added, never renamed.
#[derive(Debug, Serialize)]
pub(super) struct Record<'a> {
    id: String,
    sandbox: &'a str,
    /// How the command of the sandbox's latest run is kept in: `netns`, `none`; `null` while no run is known.
    isolation: Option<Isolation>,
    /// Whether that command, though isolated, is root outside as well.
    host_root: bool,
    run: String,
    status: &'a str,
    rule_name: &'a str,
    endpoints: Vec<String>,
    /// What the lines of `endpoints` and `binaries` say, as a policy file has it.
    rule: &'a Rule,
    binaries: Vec<&'a str>,
    rationale: &'a str,
    origin: &'a str,
    submitted_by: &'a str,
    submitted_at: String,
    draft: u32,
    /// What a decision must quote, or has quoted; `null` where there was nothing to decide.
    digest: Option<String>,
    revision: Option<u64>,
    /// Whether it was decided where agent and reviewer could not be told apart; `null` while undecided.
    unisolated: Option<bool>,
    decision: Option<DecisionRecord<'a>>,
    /// The codes of the findings; `null` where nobody has looked, or nobody needs to any more.
    findings: Option<Vec<&'static str>>,
}

/// A proposal with everything that a reviewer is shown beside its wording.
#[derive(Debug, Serialize)]
pub(super) struct Full<'a> {
    #[serde(flatten)]
    record: Record<'a>,
    /// Digest, difference, findings, breadth; `null` like `findings`.
    review: Option<&'a Review>,
    /// What was denied before it.
    evidence: &'a [Seen],
    /// The findings in OpenShell's words, as they were when it was submitted.
    validation_result: &'a str,
    /// Why it was closed without a decision.
    closure: Option<&'a Closure>,
}

impl<'a> Full<'a> {
    pub(super) fn new(proposal: &'a Proposal, sandbox: Option<&SandboxView>) -> Self {
        Self {
            record: Record::new(proposal, sandbox),
            review: proposal.review.as_deref(),
            evidence: &proposal.evidence,
            validation_result: &proposal.validation_result,
            closure: match &proposal.status {
                Status::Closed { reason, .. } => Some(reason),
                _ => None,
            },
        }
    }
}

#[derive(Debug, Serialize)]
struct DecisionRecord<'a> {
    by: &'a str,
    kind: &'a str,
    unisolated: bool,
    at: String,
    reason: &'a str,
}

impl<'a> Record<'a> {
    pub(super) fn new(proposal: &'a Proposal, sandbox: Option<&SandboxView>) -> Self {
        let draft = &proposal.draft;
        let decision = proposal.status.decision().map(|decision| DecisionRecord {
            by: &decision.by.id,
            kind: decision.by.kind.as_str(),
            unisolated: decision.by.unisolated,
            at: decision.at.to_rfc3339(),
            reason: &decision.reason,
        });
        Self {
            id: proposal.id.to_string(),
            sandbox: proposal.sandbox.as_str(),
            isolation: sandbox.and_then(|view| view.isolation),
            host_root: sandbox.is_some_and(|view| view.host_root),
            run: proposal.run.to_string(),
            status: proposal.status.as_str(),
            rule_name: draft.rule_name.as_str(),
            endpoints: endpoint_lines(&draft.rule),
            rule: &draft.rule,
            binaries: draft.rule.binaries.iter().map(|binary| binary.path.as_str()).collect(),
            rationale: &draft.rationale,
            origin: proposal.origin.as_str(),
            submitted_by: &proposal.submitted_by,
            submitted_at: proposal.submitted_at.to_rfc3339(),
            draft: draft.number,
            digest: proposal.digest().map(|digest| digest.to_string()),
            revision: match &proposal.status {
                Status::Approved { revision, .. } => Some(revision.0),
                _ => None,
            },
            unisolated: decision.as_ref().map(|decision| decision.unisolated),
            decision,
            findings: proposal
                .review
                .as_ref()
                .map(|review| review.findings.iter().map(|finding| finding.code.as_str()).collect()),
        }
    }
}
