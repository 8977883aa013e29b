use std::sync::Arc;

use super::*;
use openshell_domain::id::{RunId, SandboxName};
use openshell_domain::policy::read::{Source, rule_from_node};
use openshell_domain::proposal::{Draft, Origin, Status as Life};
use openshell_domain::state::{Map, Sandbox};

const RULE: &str = r#"{"endpoints":[{"host":"a.example","port":443}],"binaries":[{"path":"/usr/bin/curl"}]}"#;

fn proposal(sandbox: &SandboxName, id: u128, at: i64) -> Proposal {
    let node = openshell_domain::node::from_json(RULE.as_bytes()).unwrap();
    Proposal {
        id: ProposalId(Uuid::from_u128(id)),
        sandbox: sandbox.clone(),
        run: RunId(Uuid::nil()),
        origin: Origin::AgentAuthored,
        submitted_by: "/usr/bin/curl".into(),
        submitted_at: chrono::DateTime::from_timestamp_micros(at).unwrap(),
        draft: Draft {
            number: 1,
            rule_name: "r".parse().unwrap(),
            rule: rule_from_node(&node, Source::Proposal, "rule").unwrap(),
            rationale: String::new(),
        },
        earlier: Vec::new(),
        evidence: Vec::new(),
        since: 0,
        validation_result: String::new(),
        status: Life::Pending,
        review: None,
    }
}

/// Sandboxes with proposals (id, time).
fn state(sandboxes: &[(&str, &[(u128, i64)])]) -> State {
    let mut state = State::default();
    for (name, proposals) in sandboxes {
        let name: SandboxName = name.parse().unwrap();
        let proposals: Map<_, _> = proposals
            .iter()
            .map(|(id, at)| proposal(&name, *id, *at))
            .map(|proposal| (proposal.id, proposal))
            .collect();
        proposals.keys().for_each(|id| state.owners.insert_mut(*id, name.clone()));
        state.sandboxes.insert(name, Arc::new(Sandbox { proposals, ..Sandbox::default() }));
    }
    state
}

const A: u128 = 0x3f0c_5c1e_6f0b_4a52_9c33_1f5b_2d4c_7e10;
const B: u128 = 0x3f0c_9999_0000_4000_8000_0000_0000_0001;

#[test]
fn a_proposal_is_found_by_its_id_or_by_a_prefix_that_only_it_has() {
    let state = state(&[("one", &[(A, 1)]), ("two", &[(B, 2)])]);
    for text in
        ["3f0c5c1e-6f0b-4a52-9c33-1f5b2d4c7e10", "3F0C5", "3f0c5c1e-6", "3f0c5c1e6f0b4a529c331f5b2d4c7e10"]
    {
        assert_eq!(find(&state, text).unwrap().id.0.as_u128(), A, "{text}");
    }
    let error = find(&state, "3f0c").unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
    assert!(error.message().contains("2 proposals begin with 3f0c"), "{error}");
    assert_eq!(find(&state, "3f0d").unwrap_err().code(), Code::NotFound);
    let longer = "3f0c5c1e-6f0b-4a52-9c33-1f5b2d4c7e100";
    for text in ["", "3f0", "wxyz", "3f0c5c1g", "3f0c ", "----", longer] {
        assert_eq!(find(&state, text).unwrap_err().code(), Code::InvalidArgument, "{text}");
    }
}

#[test]
fn pages_are_newest_first_and_neither_repeat_nor_hide() {
    let times: Vec<(u128, i64)> = (1..=25).map(|n| (n, i64::try_from(n / 3).unwrap())).collect();
    let mut state = state(&[("one", &times[..10]), ("two", &times[10..])]);
    let mut request = pb::ListProposalsRequest { limit: 4, ..Default::default() };
    let mut seen = Vec::new();
    loop {
        let answer = list::page(&state, &request).unwrap();
        assert!(answer.proposals.len() <= 4);
        seen.extend(answer.proposals.iter().map(|p| Uuid::try_parse(&p.id).unwrap().as_u128()));
        if answer.next_page.is_empty() {
            break;
        }
        request.page = answer.next_page;
        // One that arrives in between is newer than every page to come.
        let name: SandboxName = "one".parse().unwrap();
        let late = proposal(&name, 1000, 1_000_000);
        Arc::make_mut(state.sandboxes.get_mut(&name).unwrap()).proposals.insert_mut(late.id, late);
    }
    assert_eq!(seen, (1..=25).rev().collect::<Vec<_>>());
}

#[test]
fn a_page_stays_below_what_a_client_accepts() {
    let mut state = state(&[("one", &(1..=40).map(|n| (n, 1)).collect::<Vec<_>>())]);
    let sandbox = Arc::make_mut(state.sandboxes.values_mut().next().unwrap());
    let ids: Vec<ProposalId> = sandbox.proposals.keys().copied().collect();
    for id in ids {
        let proposal = sandbox.proposals.get_mut(&id).unwrap();
        proposal.draft.rationale = "x".repeat(200_000);
    }
    let mut request = pb::ListProposalsRequest::default();
    let mut counts = Vec::new();
    loop {
        let answer = list::page(&state, &request).unwrap();
        assert!(prost::Message::encoded_len(&answer) < 4 * 1024 * 1024);
        counts.push(answer.proposals.len());
        if answer.next_page.is_empty() {
            break;
        }
        request.page = answer.next_page;
    }
    assert_eq!((counts.iter().sum::<usize>(), counts.len()), (40, 3), "{counts:?}");
    let snapshot: Vec<_> = watch::Snapshot::new(&state, |_| true).collect();
    assert!(snapshot.iter().all(|part| prost::Message::encoded_len(part) < 4 * 1024 * 1024));
    assert_eq!(snapshot.iter().map(|part| part.proposals.len()).sum::<usize>(), 40);
}

#[test]
fn lists_are_filtered_and_wrong_filters_named() {
    let state = state(&[("one", &[(1, 1), (2, 2)]), ("two", &[(3, 3)])]);
    let page = |status: &str, sandbox: &str, page: &str| {
        let request = pb::ListProposalsRequest {
            status: status.into(),
            sandbox: sandbox.into(),
            limit: 0,
            page: page.into(),
        };
        list::page(&state, &request).map(|answer| answer.proposals.len())
    };
    let request = pb::ListProposalsRequest { limit: 2, ..Default::default() };
    let sandboxes = list::page(&state, &request).unwrap().sandboxes;
    let names: Vec<&str> = sandboxes.iter().map(|sandbox| sandbox.name.as_str()).collect();
    assert_eq!(names, ["one", "two"], "each sandbox of the page, once");
    assert_eq!(page("", "", "").unwrap(), 3);
    assert_eq!(page("pending", "one", "").unwrap(), 2);
    assert_eq!(page("approved", "", "").unwrap(), 0);
    assert_eq!(page("", "three", "").unwrap(), 0);
    for (status, sandbox, token) in [("open", "", ""), ("", "../x", ""), ("", "", "2"), ("", "", "x:y")] {
        assert_eq!(page(status, sandbox, token).unwrap_err().code(), Code::InvalidArgument);
    }
}

#[test]
fn a_snapshot_is_cut_into_frames_and_whole_when_put_together() {
    let many: Vec<(u128, i64)> = (1..=450).map(|n| (n, 1)).collect();
    let state = state(&[("a", &many[..250]), ("b", &[]), ("c", &many[250..])]);
    let frames: Vec<pb::Snapshot> = watch::Snapshot::new(&state, |_| true).collect();
    assert_eq!(frames.iter().map(|frame| frame.proposals.len()).collect::<Vec<_>>(), [200, 200, 50]);
    assert_eq!(frames.iter().map(|frame| frame.last).collect::<Vec<_>>(), [false, false, true]);
    assert_eq!(frames.iter().map(|frame| frame.sandboxes.len()).sum::<usize>(), 3);
    let ids: std::collections::BTreeSet<_> =
        frames.iter().flat_map(|f| &f.proposals).map(|p| &p.id).collect();
    assert_eq!(ids.len(), 450);
    let empty: Vec<_> = watch::Snapshot::new(&State::default(), |_| true).collect();
    assert!(matches!(&empty[..], [only] if only.last && only.proposals.is_empty()));
}
