//! What a supervisor does when it is told something: puts policies in force, keeps outcomes and settings.
//!
//! Sends and writes nothing and asks no clock: the report and the log lines are given back. Called by the one who
//! follows the gateway, in the order in which directives come, policy before outcome.

use openshell_domain::id::Revision;
use openshell_domain::policy::Policy;
use openshell_domain::proposal::{Proposal, Status as ProposalStatus};
use openshell_wire::pb::inbox as pb;
use openshell_wire::pb::inbox::directive::Directive;
use openshell_wire::pb::inbox::report::Report;

use crate::clock::Reading;
use crate::enforcement::Enforcement;
use crate::lease::Grant;
use crate::log::line::{Line, Severity};
use crate::policy_local::summary;
use crate::proposals::Proposals;
use crate::settings::InForce;

/// What directives change.
#[derive(Debug, Clone, Copy)]
pub struct Duty<'a> {
    /// The policy in force.
    pub enforcement: &'a Enforcement,
    /// The sandbox's own proposals.
    pub proposals: &'a Proposals,
    /// What is set for it.
    pub settings: &'a InForce,
}

/// What is left to do after a directive was carried out.
#[derive(Debug, Default)]
pub struct Done {
    /// What the gateway has to be told.
    pub report: Option<Report>,
    /// What goes into the log.
    pub lines: Vec<Line>,
}

impl Duty<'_> {
    /// Carries out a directive.
    pub fn carry_out(&self, directive: &Directive, at: Reading) -> Done {
        match directive {
            Directive::Policy(policy) => self.load(policy, at),
            Directive::Outcomes(outcomes) => Done { report: None, lines: self.take(outcomes) },
            Directive::Settings(settings) => {
                self.settings.take(settings);
                Done::default()
            }
            Directive::Accepted(_) | Directive::Heartbeat(_) => Done::default(),
        }
    }

    /// Denies everything until the next policy comes.
    pub fn deny_all(&self, reason: String, at: Reading) {
        let revision = self.enforcement.snapshot_at(at).revision;
        // That it is not in force is what is wanted.
        let _ = self.enforcement.load(revision, Err(reason), Vec::new(), at);
    }

    /// Puts a pushed revision in force. One that is in force already is only reported again.
    fn load(&self, pushed: &pb::PolicyRevision, at: Reading) -> Done {
        let revision = Revision(pushed.revision);
        let loaded = Some(Report::Loaded(pb::Loaded { revision: pushed.revision }));
        let held = self.enforcement.snapshot_at(at);
        let is_held = held.pushed.is_some_and(|hash| hash.to_string() == pushed.hash);
        if held.revision == revision && held.judge.is_ok() && is_held {
            return Done { report: loaded, lines: Vec::new() };
        }
        let read = read_policy(pushed).and_then(|policy| Ok((policy, read_grants(pushed)?)));
        let (policy, grants) = match read {
            Ok((policy, grants)) => (Ok(policy), grants),
            Err(error) => (Err(error), Vec::new()),
        };
        match self.enforcement.load(revision, policy, grants, at) {
            Ok(()) => {
                let line = Line::Config {
                    state: "LOADED",
                    severity: Severity::Info,
                    message: "Policy reloaded successfully".to_owned(),
                    facts: vec![("version", format!("v{revision}")), ("hash", pushed.hash.clone())],
                    proposal: None,
                };
                Done { report: loaded, lines: vec![line] }
            }
            Err(error) => {
                let line = Line::Config {
                    state: "FAIL_CLOSED",
                    severity: Severity::High,
                    message: "Policy could not be loaded; everything is denied".to_owned(),
                    facts: vec![("version", format!("v{revision}")), ("error", error.clone())],
                    proposal: None,
                };
                let failed = pb::LoadFailed { revision: pushed.revision, error };
                Done { report: Some(Report::LoadFailed(failed)), lines: vec![line] }
            }
        }
    }

    fn take(&self, outcomes: &pb::Outcomes) -> Vec<Line> {
        let read = outcomes.proposals.iter().filter_map(|proposal| match Proposal::try_from(proposal) {
            Ok(proposal) => Some(proposal),
            Err(error) => {
                tracing::warn!("the gateway sent a proposal that cannot be read: {error}");
                None
            }
        });
        self.proposals.update(read.collect(), outcomes.complete).iter().filter_map(decided).collect()
    }
}

fn read_policy(pushed: &pb::PolicyRevision) -> Result<Policy, String> {
    let message = pushed.policy.as_ref().ok_or("the gateway sent a revision without a policy")?;
    let policy = openshell_wire::policy::policy(message).map_err(|error| error.to_string())?;
    let hash = policy.hash().to_string();
    if hash == pushed.hash {
        Ok(policy)
    } else {
        Err(format!("the policy's hash is {hash}, the gateway says {}", pushed.hash))
    }
}

/// A grant that cannot be read could not be ended in time: then nothing is in force.
fn read_grants(pushed: &pb::PolicyRevision) -> Result<Vec<Grant>, String> {
    let read = pushed.grants.iter().map(|grant| {
        let (proposal, rule, lease) = openshell_wire::grant::grant(grant)?;
        Ok(Grant { proposal, rule, lease })
    });
    read.collect::<Result<_, openshell_wire::WireError>>().map_err(|error| format!("a grant: {error}"))
}

fn decided(proposal: &Proposal) -> Option<Line> {
    let (state, severity, message) = match &proposal.status {
        ProposalStatus::Approved { .. } => ("APPROVED", Severity::Info, "approved".to_owned()),
        ProposalStatus::Rejected { decision, .. } => {
            let reason = if decision.reason.is_empty() { "(no guidance)" } else { &decision.reason };
            ("REJECTED", Severity::Low, format!("rejected reason:{reason:?}"))
        }
        ProposalStatus::Closed { reason, .. } => {
            ("APPROVED", Severity::Info, format!("closed as {}", reason.as_str()))
        }
        ProposalStatus::Revoked { by, .. } => {
            ("REVOKED", Severity::Low, format!("revoked reason:{:?}", by.reason))
        }
        ProposalStatus::Expired { .. } => ("EXPIRED", Severity::Info, "expired".to_owned()),
        ProposalStatus::Superseded { by, .. } => {
            ("SUPERSEDED", Severity::Info, format!("superseded by {by}"))
        }
        ProposalStatus::Withdrawn { .. } => ("WITHDRAWN", Severity::Info, "withdrawn".to_owned()),
        ProposalStatus::Pending => return None,
    };
    let by = proposal.status.decision().map(|decision| decision.by.kind.as_str()).unwrap_or_default();
    let mut facts = vec![("by", by.to_owned())];
    if let ProposalStatus::Approved { revision, .. } = proposal.status {
        facts.push(("version", format!("v{revision}")));
    }
    let message = format!("chunk:{} {message} {}", proposal.id, summary(proposal));
    Some(Line::Config { state, severity, message, facts, proposal: Some(proposal.id) })
}
