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
use prost::Message as _;

use crate::clock::Reading;
use crate::enforcement::{Enforcement, NotLoaded, Pushed};
use crate::lease::Grant;
use crate::log::line::{Line, Severity};
use crate::policy_local::{proposed, summary};
use crate::proposals::Proposals;
use crate::settings::{InForce, LoadFailure};

/// The most rules of a policy, and its largest message: some sixteen times what a policy file may have.
const MAX_RULES: usize = 10_000;
const MAX_POLICY: usize = 4 * 1024 * 1024;

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
    pub fn deny_all(&self, reason: String, at: Reading) -> Done {
        let revision = self.enforcement.snapshot_at(at).latest();
        self.enforce(Pushed::unread(revision, reason), at).err().unwrap_or_default()
    }

    /// Puts a pushed revision in force. One that is in force already is only reported again.
    fn load(&self, pushed: &pb::PolicyRevision, at: Reading) -> Done {
        let revision = Revision(pushed.revision);
        let report = Some(Report::Loaded(pb::Loaded { revision: pushed.revision }));
        let held = self.enforcement.snapshot_at(at);
        let is_held = held.pushed.is_some_and(|hash| hash.to_string() == pushed.hash);
        if held.latest() == revision && held.judge.is_ok() && is_held {
            return Done { report, lines: Vec::new() };
        }
        match self.enforce(self.read(pushed), at) {
            Ok(()) => {
                let line = Line::Config {
                    state: "LOADED",
                    severity: Severity::Info,
                    message: "Policy reloaded successfully".to_owned(),
                    facts: vec![("version", format!("v{revision}")), ("hash", pushed.hash.clone())],
                    proposal: None,
                };
                Done { report, lines: vec![line] }
            }
            Err(done) => done,
        }
    }

    /// Puts a revision in force, or gives what is to be told of that it is not.
    fn enforce(&self, pushed: Pushed, at: Reading) -> Result<(), Done> {
        let (held, revision) = (self.enforcement.snapshot_at(at), pushed.revision);
        self.enforcement.load(pushed, at).map_err(|error| {
            let retained = matches!(error, NotLoaded::Retained(..));
            let failed = pb::LoadFailed { revision: revision.0, error: error.to_string(), retained };
            // Who comes back is pushed the same again: reported, for a gateway that did not hear it, and no news.
            let is_known = (held.latest(), held.load_error(), held.failed.is_some())
                == (revision, Some(&failed.error), retained);
            let lines = if is_known { Vec::new() } else { vec![not_loaded(revision, &error)] };
            Done { report: Some(Report::LoadFailed(failed)), lines }
        })
    }

    /// What was pushed, as far as it can be read, and what may stay in force where it is not put in force.
    fn read(&self, pushed: &pb::PolicyRevision) -> Pushed {
        let is_retaining = self.settings.now().policy_load_failure == LoadFailure::RetainLastValid;
        let is_told = pushed.nothing_removed_since > 0;
        let retain_since = (is_retaining && is_told).then_some(Revision(pushed.nothing_removed_since));
        let revision = Revision(pushed.revision);
        match read_policy(pushed).and_then(|policy| Ok((policy, read_grants(pushed)?))) {
            Ok((policy, grants)) => Pushed { revision, policy: Ok(policy), grants, retain_since },
            Err(error) => Pushed { retain_since, ..Pushed::unread(revision, error) },
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
        let decided = self.proposals.update(read.collect(), outcomes.complete);
        // One that was decided as it came is proposed first; the log tells that once.
        let lines = |proposal| std::iter::once(proposed(proposal)).chain(self::decided(proposal));
        decided.iter().flat_map(lines).collect()
    }
}

fn not_loaded(revision: Revision, error: &NotLoaded) -> Line {
    let (state, message) = match error {
        NotLoaded::Quarantined(_) => {
            ("FAIL_CLOSED", "Policy could not be loaded; everything is denied".to_owned())
        }
        NotLoaded::Retained(before, _) => {
            ("RETAINED", format!("Policy could not be loaded; v{before} stays in force"))
        }
    };
    let facts = vec![("version", format!("v{revision}")), ("error", error.to_string())];
    Line::Config { state, severity: Severity::High, message, facts, proposal: None }
}

fn read_policy(pushed: &pb::PolicyRevision) -> Result<Policy, String> {
    let message = pushed.policy.as_ref().ok_or("the gateway sent a revision without a policy")?;
    let (rules, bytes) = (message.network_policies.len(), message.encoded_len());
    if rules > MAX_RULES || bytes > MAX_POLICY {
        return Err(format!(
            "a policy of {rules} rules and {bytes} bytes: at most {MAX_RULES} rules and {MAX_POLICY} bytes are enforced, so end some grants"
        ));
    }
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

/// The line that tells of a decision.
pub(crate) fn decided(proposal: &Proposal) -> Option<Line> {
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
    let mut facts: Vec<_> = (!by.is_empty()).then(|| ("by", by.to_owned())).into_iter().collect();
    if let ProposalStatus::Approved { revision, .. } | ProposalStatus::Closed { revision, .. } =
        proposal.status
    {
        facts.push(("version", format!("v{revision}")));
    }
    let message = format!("chunk:{} {message} {}", proposal.id, summary(proposal));
    Some(Line::Config { state, severity, message, facts, proposal: Some(proposal.id) })
}

#[cfg(test)]
mod tests;
