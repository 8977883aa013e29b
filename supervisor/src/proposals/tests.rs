//! Whose decision is news, and that it is told once.

use chrono::DateTime;
use openshell_domain::event::Actor;
use openshell_domain::id::{Digest, Revision, RunId};
use openshell_domain::policy::read::policy_from_yaml;
use openshell_domain::proposal::{Decision, Draft, Lease, Origin, Status};
use uuid::Uuid;

use super::*;

const POLICY: &str =
    "version: 1\nnetwork_policies:\n  r: {endpoints: [{host: a.b, port: 443}], binaries: [{path: /a}]}\n";

/// One that awaits a decision.
pub(crate) fn proposal(id: u128) -> Proposal {
    let rules = policy_from_yaml(POLICY).unwrap().policy.network_policies;
    let rule = rules.into_values().next().unwrap();
    Proposal {
        id: ProposalId(Uuid::from_u128(id)),
        sandbox: "demo".parse().unwrap(),
        run: RunId(Uuid::from_u128(1)),
        origin: Origin::AgentAuthored,
        submitted_by: "/a".into(),
        submitted_at: DateTime::UNIX_EPOCH,
        draft: Draft { number: 1, rule_name: "r".parse().unwrap(), rule, rationale: String::new() },
        earlier: Vec::new(),
        since: 1,
        evidence: Vec::new(),
        validation_result: String::new(),
        status: Status::Pending,
        review: None,
    }
}

/// The same, approved in revision 2.
pub(crate) fn approved(id: u128) -> Proposal {
    let by = Actor::supervisor(RunId(Uuid::from_u128(1)));
    let decision = Decision { by, at: DateTime::UNIX_EPOCH, reason: String::new(), digest: Digest([0; 32]) };
    Proposal {
        status: Status::Approved { decision, revision: Revision(2), lease: Lease::Run },
        ..proposal(id)
    }
}

fn ids(decided: &[Proposal]) -> Vec<u128> {
    decided.iter().map(|proposal| proposal.id.0.as_u128()).collect()
}

/// Kills: the approval of what was approved as it came told by nobody, or by the answer and the push both; what was
/// decided in an earlier run told again; and an approval told again at each push.
#[test]
fn each_decision_is_news_once_whichever_way_it_comes_first() {
    let proposals = Proposals::default();
    assert_eq!(ids(&proposals.update(vec![approved(1), proposal(2)], true)), [0; 0], "of an earlier run");
    assert_eq!(ids(&proposals.update(vec![approved(2)], false)), [2], "decided by a reviewer");
    assert_eq!(ids(&proposals.update(vec![approved(3)], false)), [3], "pushed before it is answered");
    assert!(!proposals.add(approved(3)));
    assert!(proposals.add(approved(4)), "answered before it is pushed");
    assert!(!proposals.add(approved(4)));
    let all = || vec![approved(1), approved(2), approved(3), approved(4)];
    assert_eq!(ids(&proposals.update(all(), false)), [0; 0]);
    assert_eq!(ids(&proposals.update(all(), true)), [0; 0]);
    assert!(!proposals.add(proposal(5)));
    assert_eq!(ids(&proposals.update(vec![approved(5)], true)), [5], "decided while the gateway was away");
}
