//! Proposals, decisions and sandboxes on the wire.

use std::sync::Arc;

use openshell_domain::event::{Actor, ActorKind, Isolation};
use openshell_domain::id::{Digest, ProposalId, Revision, RuleName, SandboxName};
use openshell_domain::inbox::SandboxView;
use openshell_domain::policy::effective::Provenance;
use openshell_domain::policy::read::Source;
use openshell_domain::policy::risk::{Credential, ScopeError, Seen};
use openshell_domain::proposal::{Draft, Lease, Origin, Proposal};
use openshell_domain::review::Review;
use openshell_domain::setting::Settings;

use crate::pb::inbox as pb;
use crate::{WireError, policy, time};

impl From<&Actor> for pb::Actor {
    fn from(actor: &Actor) -> Self {
        Self {
            kind: actor.kind.as_str().to_owned(),
            id: actor.id.clone(),
            authenticated: actor.authenticated.clone(),
            unisolated: actor.unisolated,
            request: actor.request.as_ref().map(json).unwrap_or_default(),
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
            request: optional("actor.request", &actor.request)?,
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

impl From<&Seen> for pb::SeenDenial {
    fn from(seen: &Seen) -> Self {
        Self {
            binary: seen.binary.clone(),
            host: seen.host.clone(),
            port: seen.port.into(),
            method: seen.method.clone().unwrap_or_default(),
            path: seen.path.clone().unwrap_or_default(),
            count: seen.count,
            sha256: seen.sha256.map(|hash| hash.to_string()).unwrap_or_default(),
        }
    }
}

/// Denials from the wire.
///
/// # Errors
/// [`WireError::Port`] for a port that is none, [`WireError::Id`] for a hash that is none.
pub fn seen(message: &pb::SeenDenial) -> Result<Seen, WireError> {
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let port = u16::try_from(message.port).ok().filter(|port| *port > 0);
    Ok(Seen {
        binary: message.binary.clone(),
        host: message.host.clone(),
        port: port.ok_or(WireError::Port(message.port))?,
        method: text(&message.method),
        path: text(&message.path),
        count: message.count,
        sha256: text(&message.sha256).map(Digest::try_from).transpose()?,
    })
}

/// The origin of what a supervisor submits; without a word it is an agent's.
///
/// # Errors
/// [`WireError::Unknown`] for what no supervisor submits.
pub fn submitted_origin(word: &str) -> Result<Origin, WireError> {
    match word {
        "" | "agent_authored" => Ok(Origin::AgentAuthored),
        "mechanistic" => Ok(Origin::Mechanistic),
        other => Err(unknown("origin", other, "agent_authored, mechanistic")),
    }
}

impl From<&Credential> for pb::Credential {
    fn from(credential: &Credential) -> Self {
        Self { name: credential.name.clone(), hosts: credential.hosts.clone() }
    }
}

impl TryFrom<&pb::Credential> for Credential {
    type Error = ScopeError;
    fn try_from(message: &pb::Credential) -> Result<Self, ScopeError> {
        Self::new(&message.name, message.hosts.iter().map(String::as_str))
    }
}

/// A review for the wire.
#[must_use]
pub fn review_text(review: &Review) -> String {
    json(review)
}

/// A review from the wire.
///
/// # Errors
/// [`WireError::Json`]
pub fn review(text: &str) -> Result<Review, WireError> {
    from_json("review", text).map(|read: Review| exact(&read))
}

/// A copy without spare room: lists that were read grow by doubling, from four on, and inboxes keep thousands of them.
fn exact<T: Clone>(read: &T) -> T {
    read.clone()
}

/// The types that come here have no map with a key that is not text: this cannot fail.
fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn from_json<T: serde::de::DeserializeOwned>(field: &'static str, text: &str) -> Result<T, WireError> {
    serde_json::from_str(text).map_err(|error| WireError::Json { field, error: error.to_string() })
}

fn optional<T: serde::de::DeserializeOwned>(field: &'static str, text: &str) -> Result<Option<T>, WireError> {
    if text.is_empty() { Ok(None) } else { from_json(field, text).map(Some) }
}

impl From<&Proposal> for pb::Proposal {
    fn from(proposal: &Proposal) -> Self {
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
            digest: proposal.digest().map(|digest| digest.to_string()).unwrap_or_default(),
            status: proposal.status.as_str().to_owned(),
            life: json(&proposal.status),
            review: proposal.review.as_deref().map(review_text).unwrap_or_default(),
            validation_result: proposal.validation_result.clone(),
            evidence: proposal.evidence.iter().map(Into::into).collect(),
            since: proposal.since,
            earlier: if proposal.earlier.is_empty() { String::new() } else { json(&proposal.earlier) },
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
                rule: exact(&policy::rule(rule, Source::File, "rule")?),
                rationale: proposal.rationale.clone(),
            },
            earlier: optional("earlier", &proposal.earlier)?.unwrap_or_default(),
            since: proposal.since,
            evidence: proposal.evidence.iter().map(seen).collect::<Result<_, _>>()?,
            validation_result: proposal.validation_result.clone(),
            status: from_json("life", &proposal.life)?,
            review: match proposal.review.as_str() {
                "" => None,
                text => Some(Arc::new(review(text)?)),
            },
        })
    }
}

/// A lease for the wire.
#[must_use]
pub fn lease_text(lease: Lease) -> String {
    json(&lease)
}

/// A lease from the wire; none where nothing was granted.
///
/// # Errors
/// [`WireError::Json`]
pub fn lease(text: &str) -> Result<Option<Lease>, WireError> {
    optional("lease", text)
}

/// Where a rule comes from, for the wire.
#[must_use]
pub fn provenance_text(provenance: &Provenance) -> String {
    json(provenance)
}

/// Where a rule comes from, from the wire.
///
/// # Errors
/// [`WireError::Json`]
pub fn provenance(text: &str) -> Result<Provenance, WireError> {
    from_json("origins", text)
}

/// Settings for the wire.
#[must_use]
pub fn settings_text(settings: &Settings) -> String {
    json(settings)
}

/// Settings from the wire.
///
/// # Errors
/// [`WireError::Json`]
pub fn settings(text: &str) -> Result<Settings, WireError> {
    Ok(optional("settings", text)?.unwrap_or_default())
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
        ended: view.ended.as_ref().map(json).unwrap_or_default(),
        settings: json(&view.settings),
        failed: view.failed.0,
        retained: view.is_retained,
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
        ended: optional("ended", &record.ended)?,
        settings: optional("settings", &record.settings)?.unwrap_or_default(),
        failed: Revision(record.failed),
        is_retained: record.retained,
    };
    Ok((record.name.parse()?, view))
}

#[cfg(test)]
mod tests {
    use openshell_domain::event::{RequestKey, RunEnd};
    use openshell_domain::id::Digest;
    use openshell_domain::policy::authority::Difference;
    use openshell_domain::policy::read::policy_from_yaml;
    use openshell_domain::proposal::{Closure, Decision, Earlier, Hint, Status, Undone};

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
            earlier: Vec::new(),
            since: 2,
            evidence: vec![Seen {
                binary: "/usr/bin/curl".into(),
                host: "a.b".into(),
                port: 443,
                method: Some("PUT".into()),
                path: None,
                count: 3,
                sha256: Some(Digest([7; 32])),
            }],
            validation_result: "prover: no new findings".into(),
            status,
            review: None,
        }
    }

    #[test]
    fn a_proposal_crosses_the_wire_unchanged_in_every_state() {
        let by = Actor {
            kind: ActorKind::Reviewer,
            id: "uid:1000".into(),
            authenticated: "door".into(),
            unisolated: true,
            request: Some(RequestKey { key: "k".into(), body: Digest([3; 32]) }),
        };
        let decision = || Decision {
            by: by.clone(),
            at: time(1_800_000_001_000_000).unwrap(),
            reason: "no\n\"x\"".into(),
            digest: Digest([7; 32]),
        };
        let closed = Status::Closed {
            reason: Closure::AlreadyCovered(vec!["github".into()]),
            at: time(1_800_000_001_000_000).unwrap(),
            revision: Revision(1),
        };
        for status in [
            Status::Pending,
            closed,
            Status::Approved { decision: decision(), revision: Revision(2), lease: Lease::Run },
            Status::Rejected {
                decision: decision(),
                hints: vec![Hint::TooBroad],
                snoozed_until: time(1_800_000_002_000_000).ok(),
            },
            Status::Superseded { by: proposal(Status::Pending).id, at: time(7).unwrap() },
            Status::Withdrawn { at: time(7).unwrap() },
            Status::Expired { decision: decision(), at: time(1_800_000_002_000_000).unwrap() },
            Status::Revoked { decision: decision(), by: decision() },
        ] {
            let draft = proposal(Status::Pending).draft;
            let undone = Undone { was: "approved".into(), decision: decision(), reason: "oops".into() };
            let earlier = Earlier { draft, at: time(9).unwrap(), by: by.clone(), undone: Some(undone) };
            let before = Proposal { earlier: vec![earlier], ..proposal(status) };
            let message = pb::Proposal::from(&before);
            assert_eq!(Proposal::try_from(&message).unwrap(), before);
            assert_eq!(message.digest, before.digest().map(|d| d.to_string()).unwrap_or_default());
        }
    }

    #[test]
    fn a_review_crosses_the_wire_with_its_proposal() {
        let review = Review {
            digest: Digest([9; 32]),
            difference: Some(Difference::default()),
            findings: Vec::new(),
            breadth: Vec::new(),
        };
        let before = Proposal { review: Some(Arc::new(review)), ..proposal(Status::Pending) };
        let message = pb::Proposal::from(&before);
        assert_eq!(message.digest, "09".repeat(32));
        assert_eq!(Proposal::try_from(&message).unwrap(), before);
        let broken = pb::Proposal { review: "{".into(), ..message };
        assert!(Proposal::try_from(&broken).unwrap_err().to_string().starts_with("review: "));
    }

    /// Kills: a megabyte of nothing for every few hundred proposals that somebody keeps.
    #[test]
    fn what_is_kept_for_long_has_no_spare_room() {
        let before = proposal(Status::Pending);
        let after = Proposal::try_from(&pb::Proposal::from(&before)).unwrap();
        let rule = &after.draft.rule;
        assert_eq!(rule.endpoints.capacity(), rule.endpoints.len());
        assert_eq!(rule.binaries.capacity(), rule.binaries.len());
        let finding = r#"{"code": "mutating_method", "level": "note", "second_key": false, "sentence": "s", "evidence": ["PUT"]}"#;
        let text = format!(
            r#"{{"digest": "{}", "difference": null, "findings": [{finding}], "breadth": []}}"#,
            "09".repeat(32)
        );
        let read = review(&text).unwrap();
        assert_eq!((read.findings.capacity(), read.findings[0].evidence.capacity()), (1, 1));
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
            failed: Revision(3),
            is_retained: true,
            ended: Some(RunEnd::Lost),
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
            (pb::Proposal { life: r#"{"status":"approved"}"#.into(), ..sound.clone() }, "life: "),
            (pb::Proposal { earlier: "{".into(), ..sound.clone() }, "earlier: "),
            (pb::Proposal { origin: "me".into(), ..sound.clone() }, "origin"),
            (pb::Proposal { rule: None, ..sound.clone() }, "rule is missing"),
            (pb::Proposal { id: "x".into(), ..sound.clone() }, "is not an id"),
        ] {
            let error = Proposal::try_from(&broken).unwrap_err().to_string();
            assert!(error.contains(wanted), "{error}");
        }
    }
}
