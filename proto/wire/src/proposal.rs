//! Proposals, decisions and sandboxes on the wire.

use openshell_domain::event::{Actor, ActorKind, Isolation};
use openshell_domain::id::{ProposalId, Revision, RuleName, SandboxName};
use openshell_domain::inbox::SandboxView;
use openshell_domain::policy::read::Source;
use openshell_domain::proposal::{Decision, Draft, Lease, Origin, Proposal, Status};

use crate::pb::inbox as pb;
use crate::{WireError, policy, time};

impl From<&Actor> for pb::Actor {
    fn from(actor: &Actor) -> Self {
        Self {
            kind: actor.kind.as_str().to_owned(),
            id: actor.id.clone(),
            authenticated: actor.authenticated.clone(),
            unisolated: actor.unisolated,
        }
    }
}

impl TryFrom<&pb::Actor> for Actor {
    type Error = WireError;
    fn try_from(actor: &pb::Actor) -> Result<Self, WireError> {
        let kind = match actor.kind.as_str() {
            "reviewer" => ActorKind::Reviewer,
            "agent" => ActorKind::Agent,
            "system" => ActorKind::System,
            other => return Err(unknown("actor.kind", other, "reviewer, agent, system")),
        };
        Ok(Self {
            kind,
            id: actor.id.clone(),
            authenticated: actor.authenticated.clone(),
            unisolated: actor.unisolated,
        })
    }
}

/// The word for an isolation.
#[must_use]
pub fn isolation_word(isolation: Isolation) -> &'static str {
    match isolation {
        Isolation::None => "none",
        Isolation::Netns => "netns",
    }
}

/// The isolation of a word.
///
/// # Errors
/// [`WireError::Unknown`] for any other word.
pub fn isolation(word: &str) -> Result<Isolation, WireError> {
    match word {
        "none" => Ok(Isolation::None),
        "netns" => Ok(Isolation::Netns),
        other => Err(unknown("isolation", other, "none, netns")),
    }
}

fn unknown(field: &'static str, found: &str, allowed: &'static str) -> WireError {
    WireError::Unknown { field, found: found.to_owned(), allowed }
}

impl From<&Proposal> for pb::Proposal {
    fn from(proposal: &Proposal) -> Self {
        let (revision, expired_at_us) = match &proposal.status {
            Status::Approved { revision, .. } => (revision.0, 0),
            Status::Expired { at, .. } => (0, at.timestamp_micros()),
            Status::Pending | Status::Rejected { .. } => (0, 0),
        };
        Self {
            id: proposal.id.to_string(),
            sandbox: proposal.sandbox.to_string(),
            run: proposal.run.to_string(),
            origin: proposal.origin.as_str().to_owned(),
            submitted_by: proposal.submitted_by.clone(),
            submitted_at_us: proposal.submitted_at.timestamp_micros(),
            draft: proposal.draft.number,
            rule_name: proposal.draft.rule_name.to_string(),
            rule: Some((&proposal.draft.rule).into()),
            rationale: proposal.draft.rationale.clone(),
            digest: proposal.digest().to_string(),
            status: proposal.status.as_str().to_owned(),
            decision: proposal.status.decision().map(|decision| pb::Decision {
                by: Some((&decision.by).into()),
                at_us: decision.at.timestamp_micros(),
                reason: decision.reason.clone(),
            }),
            revision,
            expired_at_us,
        }
    }
}

impl TryFrom<&pb::Proposal> for Proposal {
    type Error = WireError;
    fn try_from(proposal: &pb::Proposal) -> Result<Self, WireError> {
        let origin = match proposal.origin.as_str() {
            "agent_authored" => Origin::AgentAuthored,
            "mechanistic" => Origin::Mechanistic,
            "reviewer" => Origin::Reviewer,
            other => return Err(unknown("origin", other, "agent_authored, mechanistic, reviewer")),
        };
        let rule = proposal.rule.as_ref().ok_or(WireError::Missing("rule"))?;
        Ok(Self {
            id: proposal.id.parse::<ProposalId>()?,
            sandbox: proposal.sandbox.parse::<SandboxName>()?,
            run: proposal.run.parse()?,
            origin,
            submitted_by: proposal.submitted_by.clone(),
            submitted_at: time(proposal.submitted_at_us)?,
            draft: Draft {
                number: proposal.draft,
                rule_name: proposal.rule_name.parse::<RuleName>()?,
                rule: policy::rule(rule, Source::File, "rule")?,
                rationale: proposal.rationale.clone(),
            },
            status: status(proposal)?,
        })
    }
}

fn status(proposal: &pb::Proposal) -> Result<Status, WireError> {
    let decision = || -> Result<Decision, WireError> {
        let decision = proposal.decision.as_ref().ok_or(WireError::Missing("decision"))?;
        let by = decision.by.as_ref().ok_or(WireError::Missing("decision.by"))?;
        Ok(Decision { by: by.try_into()?, at: time(decision.at_us)?, reason: decision.reason.clone() })
    };
    match proposal.status.as_str() {
        "pending" => Ok(Status::Pending),
        "approved" => Ok(Status::Approved {
            decision: decision()?,
            revision: Revision(proposal.revision),
            lease: Lease::Run,
        }),
        "rejected" => Ok(Status::Rejected { decision: decision()? }),
        "expired" => Ok(Status::Expired { decision: decision()?, at: time(proposal.expired_at_us)? }),
        other => Err(unknown("status", other, "pending, approved, rejected, expired")),
    }
}

/// A sandbox for the wire.
#[must_use]
pub fn sandbox_record(name: &SandboxName, view: &SandboxView) -> pb::SandboxRecord {
    pb::SandboxRecord {
        name: name.to_string(),
        run: view.run.map(|run| run.to_string()).unwrap_or_default(),
        isolation: view.isolation.map(isolation_word).unwrap_or_default().to_owned(),
        advisor: view.advisor,
        revision: view.revision.0,
        loaded: view.loaded.0,
        load_error: view.load_error.clone().unwrap_or_default(),
        host_root: view.host_root,
    }
}

/// A sandbox from the wire.
///
/// # Errors
/// [`WireError`] for a name, run or isolation that is none.
pub fn sandbox_view(record: &pb::SandboxRecord) -> Result<(SandboxName, SandboxView), WireError> {
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let view = SandboxView {
        run: text(&record.run).map(|run| run.parse()).transpose()?,
        isolation: text(&record.isolation).map(|word| isolation(&word)).transpose()?,
        advisor: record.advisor,
        revision: Revision(record.revision),
        loaded: Revision(record.loaded),
        load_error: text(&record.load_error),
        host_root: record.host_root,
    };
    Ok((record.name.parse()?, view))
}

#[cfg(test)]
mod tests {
    use openshell_domain::policy::read::policy_from_yaml;

    use super::*;

    const POLICY: &str = "version: 1\nnetwork_policies:\n  r: {endpoints: [{host: a.b, port: 443, protocol: rest, enforcement: enforce, access: read-only}], binaries: [{path: /usr/bin/curl}]}\n";

    fn proposal(status: Status) -> Proposal {
        let rules = policy_from_yaml(POLICY).unwrap().policy.network_policies;
        Proposal {
            id: "3f0c5c1e-6f0b-4a52-9c33-1f5b2d4c7e10".parse().unwrap(),
            sandbox: "demo".parse().unwrap(),
            run: "018f0000-0000-7000-8000-000000000001".parse().unwrap(),
            origin: Origin::AgentAuthored,
            submitted_by: "/usr/bin/curl".into(),
            submitted_at: time(1_800_000_000_000_001).unwrap(),
            draft: Draft {
                number: 1,
                rule_name: "r".parse().unwrap(),
                rule: rules.into_values().next().unwrap(),
                rationale: "one\n\u{202e}two".into(),
            },
            status,
        }
    }

    #[test]
    fn a_proposal_crosses_the_wire_unchanged_in_every_state() {
        let by = Actor {
            kind: ActorKind::Reviewer,
            id: "uid:1000".into(),
            authenticated: "door".into(),
            unisolated: true,
        };
        let decision = || Decision {
            by: by.clone(),
            at: time(1_800_000_001_000_000).unwrap(),
            reason: "no\n\"x\"".into(),
        };
        for status in [
            Status::Pending,
            Status::Approved { decision: decision(), revision: Revision(2), lease: Lease::Run },
            Status::Rejected { decision: decision() },
            Status::Expired { decision: decision(), at: time(1_800_000_002_000_000).unwrap() },
        ] {
            let before = proposal(status);
            let message = pb::Proposal::from(&before);
            assert_eq!(Proposal::try_from(&message).unwrap(), before);
            assert_eq!(message.digest, before.digest().to_string());
        }
    }

    #[test]
    fn a_sandbox_crosses_the_wire_unchanged() {
        let name: SandboxName = "demo".parse().unwrap();
        let known = SandboxView {
            isolation: Some(Isolation::Netns),
            host_root: true,
            advisor: true,
            revision: Revision(3),
            loaded: Revision(2),
            load_error: Some("no".into()),
            ..SandboxView::default()
        };
        for view in [SandboxView::default(), known] {
            assert_eq!(sandbox_view(&sandbox_record(&name, &view)).unwrap(), (name.clone(), view));
        }
    }

    #[test]
    fn what_means_nothing_is_refused_by_field() {
        let sound = pb::Proposal::from(&proposal(Status::Pending));
        for (broken, wanted) in [
            (pb::Proposal { status: "superseded".into(), ..sound.clone() }, "status"),
            (pb::Proposal { status: "approved".into(), ..sound.clone() }, "decision is missing"),
            (pb::Proposal { origin: "me".into(), ..sound.clone() }, "origin"),
            (pb::Proposal { rule: None, ..sound.clone() }, "rule is missing"),
            (pb::Proposal { id: "x".into(), ..sound.clone() }, "is not an id"),
        ] {
            let error = Proposal::try_from(&broken).unwrap_err().to_string();
            assert!(error.contains(wanted), "{error}");
        }
    }
}
