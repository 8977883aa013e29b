//! The judge: reads the log by its own way (the exported lines), folds it on its own, and compares.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use openshell_domain::event::{Envelope, Event};
use openshell_domain::id::ProposalId;
use openshell_domain::state::State;
use openshell_wire::pb::inbox::{self as pb, Verb};
use serde_json::Value;

use crate::common::*;
use crate::load::Acknowledged;

/// A log, folded.
pub(crate) struct Replayed {
    events: Vec<Envelope>,
    state: State,
}

fn program(place: &Place, verb: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_openshell-gateway"));
    let output = command.args(["log", verb, "--db"]).arg(place.db()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Pages, triggers, chain, numbers, checkpoints.
pub(crate) fn verify(place: &Place) {
    assert!(program(place, "verify").contains("the log is whole"));
}

pub(crate) fn replay(place: &Place) -> Replayed {
    let (mut events, mut state) = (Vec::new(), State::default());
    for line in program(place, "export").lines() {
        let envelope = envelope(&serde_json::from_str(line).unwrap());
        state.fold(&envelope).unwrap();
        events.push(envelope);
    }
    Replayed { events, state }
}

fn envelope(line: &Value) -> Envelope {
    let text = |key: &str| line[key].as_str().unwrap();
    let number = |key: &str| line[key].as_u64().unwrap();
    let (seq, version) = (number("seq"), number("schema_version").try_into().unwrap());
    Envelope {
        seq,
        id: text("id").parse().unwrap(),
        stream: text("stream").parse().unwrap(),
        stream_seq: number("stream_seq"),
        at: text("at").parse().unwrap(),
        actor: serde_json::from_value(line["actor"].clone()).unwrap(),
        event: Event::from_columns(seq, version, text("kind"), &line["payload"].to_string()).unwrap(),
    }
}

/// What the gateway says is what the log says.
pub(crate) async fn compare(place: &Place, replayed: &Replayed) {
    let mut client = place.inbox().await;
    let mut request = pb::ListProposalsRequest::default();
    let mut told = BTreeMap::new();
    loop {
        let answer = within(client.list_proposals(request.clone())).await.unwrap().into_inner();
        told.extend(answer.proposals.into_iter().map(|proposal| (proposal.id.clone(), bare(proposal))));
        if answer.next_page.is_empty() {
            break;
        }
        request.page = answer.next_page;
    }
    let proposals = replayed.state.sandboxes.values().flat_map(|sandbox| sandbox.proposals.values());
    let wanted: BTreeMap<String, pb::Proposal> =
        proposals.map(|proposal| (proposal.id.to_string(), bare(proposal.into()))).collect();
    assert_eq!(told.len(), wanted.len());
    for (id, wanted) in &wanted {
        assert_eq!(told.get(id), Some(wanted));
    }
    let Some(id) = wanted.keys().next_back() else { return };
    let one = within(client.get_proposal(pb::GetProposalRequest { id: id.clone() })).await.unwrap();
    assert_eq!(one.into_inner().proposal.map(bare).as_ref(), wanted.get(id));
}

/// Without what is computed for a reviewer's eyes and is no part of the log.
fn bare(proposal: pb::Proposal) -> pb::Proposal {
    pb::Proposal { digest: String::new(), review: String::new(), ..proposal }
}

/// Nothing acknowledged is lost, nothing was decided twice, and the policy holds what was granted.
pub(crate) fn judge(replayed: &Replayed, acknowledged: &Acknowledged) {
    for id in acknowledged.submitted.lock().unwrap().iter() {
        assert!(replayed.state.proposal(id.parse().unwrap()).is_some(), "the submission {id} was lost");
    }
    for (id, verb, seq) in acknowledged.decided.lock().unwrap().iter() {
        let id: ProposalId = id.parse().unwrap();
        let event = usize::try_from(seq - 1).ok().and_then(|index| replayed.events.get(index));
        let is_it = event.is_some_and(|envelope| match &envelope.event {
            Event::ProposalApproved { proposal, .. } => *verb == Verb::Approve && *proposal == id,
            Event::ProposalRejected { proposal, .. } => *verb == Verb::Reject && *proposal == id,
            _ => false,
        });
        assert!(is_it, "the decision in event {seq} on {id} was lost: {event:?}");
    }
    let (mut decided, mut granted) = (BTreeSet::new(), BTreeSet::new());
    for envelope in &replayed.events {
        match &envelope.event {
            Event::ProposalApproved { proposal, draft, .. } => {
                assert!(decided.insert((*proposal, *draft)), "{proposal} was decided twice: {envelope:?}");
                granted.insert(*proposal);
            }
            Event::ProposalRejected { proposal, draft, .. } => {
                assert!(decided.insert((*proposal, *draft)), "{proposal} was decided twice: {envelope:?}");
            }
            Event::GrantExpired { proposal } => assert!(granted.remove(proposal), "{envelope:?}"),
            _ => {}
        }
    }
    in_force(&replayed.state, &granted);
}

/// The grants that stand are those that were approved and have not ended, and each is a rule of its policy.
fn in_force(state: &State, granted: &BTreeSet<ProposalId>) {
    let mut standing = BTreeSet::new();
    for (name, sandbox) in &state.sandboxes {
        for grant in sandbox.composition.standing() {
            standing.insert(grant.proposal);
            let rule = sandbox.policy.network_policies.get(&grant.key);
            let asked = &sandbox.proposals[&grant.proposal].draft.rule;
            let is_it =
                rule.is_some_and(|rule| rule.endpoints == asked.endpoints && rule.binaries == asked.binaries);
            assert!(is_it, "the grant {} of {name} is not in its policy: {rule:?}", grant.key);
        }
    }
    assert_eq!(&standing, granted);
}
