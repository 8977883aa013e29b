//! The supervisors' door: attach, resume, submit; and nothing else.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::*;
use openshell_gateway::Limits;
use openshell_wire::door;
use openshell_wire::pb::inbox::directive::Directive;
use openshell_wire::pb::inbox::inbox_client::InboxClient;
use openshell_wire::pb::inbox::report::Report;
use openshell_wire::pb::inbox::supervisor_client::SupervisorClient;
use openshell_wire::pb::inbox::{self as pb, Verb};
use tonic::Code;

async fn sandbox_of(place: &Place, proposal: &pb::Proposal) -> (pb::SandboxRecord, bool) {
    let request = pb::GetProposalRequest { id: proposal.id.clone() };
    let answer = within(place.inbox().await.get_proposal(request)).await.unwrap().into_inner();
    (answer.sandbox.unwrap(), answer.attached)
}

/// Asks until the answer is right.
async fn eventually(
    place: &Place,
    proposal: &pb::Proposal,
    is_right: impl Fn(&pb::SandboxRecord, bool) -> bool,
) {
    within(async {
        loop {
            let (sandbox, attached) = sandbox_of(place, proposal).await;
            if is_right(&sandbox, attached) {
                return;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn each_door_has_only_its_own_service() {
    let place = Place::new();
    let running = place.start().await;
    let door = address(&door::sandbox_door(&place.socket()));
    let mut intruder = InboxClient::connect(door).await.unwrap();
    let mut agent = place.run("demo", 1).await;
    let proposal = agent.submit("/a").await;
    let approve = decision(&proposal, Verb::Approve, "");
    assert_eq!(intruder.decide(approve).await.unwrap_err().code(), Code::Unimplemented);
    let watch = pb::WatchInboxRequest { from_seq: None, ..Default::default() };
    assert_eq!(intruder.watch_inbox(watch).await.unwrap_err().code(), Code::Unimplemented);
    let list = pb::ListProposalsRequest::default();
    assert_eq!(intruder.list_proposals(list).await.unwrap_err().code(), Code::Unimplemented);
    let get = pb::GetProposalRequest { id: proposal.id.clone() };
    assert_eq!(intruder.get_proposal(get).await.unwrap_err().code(), Code::Unimplemented);
    let mut astray = SupervisorClient::connect(address(&place.socket())).await.unwrap();
    let submission = agent.submission(&["/b"]);
    assert_eq!(astray.submit_proposals(submission).await.unwrap_err().code(), Code::Unimplemented);
    let (sandbox, _) = sandbox_of(&place, &proposal).await;
    assert_eq!(sandbox.revision, 1);
    running.stop().await;
}

#[tokio::test]
async fn another_policy_file_under_a_name_with_standing_grants_needs_a_yes() {
    let place = Place::new();
    let running = place.start().await;
    let mut client = place.inbox().await;
    let mut agent = place.run("demo", 1).await;
    agent.complete().await;
    let proposal = agent.submit("/a").await;
    let always = pb::DecideRequest { lease: "always".into(), ..decision(&proposal, Verb::Approve, "") };
    within(client.decide(always)).await.unwrap();
    let end = pb::EndRunRequest { sandbox: "demo".into(), run_secret: agent.secret.clone() };
    within(agent.client.end_run(end)).await.unwrap();
    let policy_yaml = POLICY.replace("read-only", "read-write");
    let other = pb::Hello { policy_yaml, ..hello("demo", 2) };
    let error = place.attach(other.clone()).await.err().unwrap();
    assert_eq!((error.code(), word(&error)), (Code::FailedPrecondition, "policy_changed"));
    assert!(error.message().contains("put_file") && error.message().contains("--accept-policy-change"));
    let mut accepted = place.attach(pb::Hello { accept_policy_change: true, ..other }).await.unwrap();
    let (_, policy, proposals) = accepted.complete().await;
    assert_eq!((policy.grants.len(), proposals[0].status.as_str()), (0, "expired"));
    running.stop().await;
}

#[tokio::test]
async fn a_run_resumes_with_its_secret_and_nobody_else_does() {
    let place = Place::new();
    let running = place.start().await;
    let mut first = place.run("demo", 1).await;
    first.complete().await;
    let proposal = first.submit("/a").await;
    let secret = first.secret.clone();
    assert_eq!(secret.len(), 32);
    for (hello, why) in [
        (pb::Hello { run_secret: vec![0; 32], ..hello("demo", 1) }, "another secret"),
        (pb::Hello { run_secret: secret[..31].to_vec(), ..hello("demo", 1) }, "a part of it"),
        (pb::Hello { run_secret: secret.clone(), ..hello("demo", 2) }, "another run"),
        (pb::Hello { run_secret: secret.clone(), ..hello("nobody", 1) }, "another sandbox"),
    ] {
        let error = place.attach(hello).await.err().unwrap();
        assert_eq!((error.code(), word(&error)), (Code::PermissionDenied, "run_secret"), "{why}");
    }
    let error = place.attach(hello("demo", 2)).await.err().unwrap();
    assert_eq!((error.code(), word(&error)), (Code::FailedPrecondition, "attached"));
    assert!(error.message().contains("choose another --sandbox"), "{error}");
    let mut second =
        place.attach(pb::Hello { run_secret: secret.clone(), ..hello("demo", 1) }).await.unwrap();
    assert_eq!(second.secret, secret);
    let (_, policy, proposals) = second.complete().await;
    assert_eq!((policy.revision, proposals.len()), (1, 1), "to resume stores nothing and tells everything");
    let error = loop {
        match first.next().await {
            Ok(Directive::Outcomes(_)) => {}
            Ok(other) => panic!("{other:?}"),
            Err(error) => break error,
        }
    };
    assert_eq!((error.code(), word(&error)), (Code::Aborted, "replaced"));
    let (_, attached) = sandbox_of(&place, &proposal).await;
    assert!(attached, "the older stream did not take the newer one's place with it");
    drop(second);
    drop(first);
    eventually(&place, &proposal, |_, attached| !attached).await;
    running.stop().await;
}

#[tokio::test]
async fn a_new_run_ends_the_grants_and_the_secret_of_the_one_before() {
    let place = Place::new();
    let running = place.start().await;
    let mut client = place.inbox().await;
    let mut first = place.run("demo", 1).await;
    first.complete().await;
    let proposal = first.submit("/a").await;
    within(client.decide(decision(&proposal, Verb::Approve, ""))).await.unwrap();
    let secret = first.secret.clone();
    drop(first);
    eventually(&place, &proposal, |_, attached| !attached).await;
    let mut second = place.run("demo", 2).await;
    let (_, policy, proposals) = second.complete().await;
    assert_eq!((policy.revision, policy.grants.len()), (4, 0));
    assert_eq!(proposals[0].status, "expired");
    let stolen = pb::Hello { run_secret: secret.clone(), ..hello("demo", 1) };
    assert_eq!(place.attach(stolen).await.err().unwrap().code(), Code::PermissionDenied);
    let request = pb::SubmitProposalsRequest { run_secret: secret, ..second.submission(&["/b"]) };
    assert_eq!(second.client.submit_proposals(request).await.unwrap_err().code(), Code::PermissionDenied);
    running.stop().await;
}

#[tokio::test]
async fn what_a_supervisor_reports_is_seen_by_reviewers() {
    let place = Place::new();
    let running = place.start().await;
    let mut agent = place.run("demo", 1).await;
    let proposal = agent.submit("/a").await;
    agent.report(Report::Loaded(pb::Loaded { revision: 1 })).await;
    eventually(&place, &proposal, |sandbox, attached| attached && sandbox.loaded == 1).await;
    // Refused and survived: there is no such revision.
    agent.report(Report::Loaded(pb::Loaded { revision: 99 })).await;
    let error = "ü".repeat(9000);
    agent.report(Report::LoadFailed(pb::LoadFailed { revision: 1, error, retained: false })).await;
    eventually(&place, &proposal, |sandbox, _| sandbox.load_error == "ü".repeat(2048)).await;
    running.stop().await;
}

#[tokio::test]
async fn how_the_command_is_kept_in_is_of_the_latest_run_and_marks_its_decisions() {
    let place = Place::new();
    let running = place.start().await;
    let mut client = place.inbox().await;
    for (run, isolation, host_root) in [(1, "none", false), (2, "netns", true), (3, "netns", false)] {
        let hello = pb::Hello { isolation: isolation.into(), host_root, ..hello("demo", run) };
        let mut agent = place.run_as(hello).await;
        agent.complete().await;
        let proposal = agent.submit("/a").await;
        let (sandbox, _) = sandbox_of(&place, &proposal).await;
        assert_eq!((sandbox.isolation.as_str(), sandbox.host_root), (isolation, host_root));
        let list = pb::ListProposalsRequest::default();
        let listed = within(client.list_proposals(list)).await.unwrap().into_inner();
        assert_eq!(listed.sandboxes, [sandbox]);
        within(client.decide(decision(&proposal, Verb::Approve, ""))).await.unwrap();
        let request = pb::GetProposalRequest { id: proposal.id.clone() };
        let decided = within(client.get_proposal(request)).await.unwrap().into_inner().proposal.unwrap();
        assert_eq!(life(&decided).decision().unwrap().by.unisolated, isolation == "none");
        drop(agent);
        eventually(&place, &proposal, |_, attached| !attached).await;
    }
    running.stop().await;
}

#[tokio::test]
async fn a_hello_that_cannot_be_is_refused_with_every_reason() {
    let place = Place::new();
    let running = place.start().await;
    let bad = "version: 2\nnetwork_policies:\n  x: {endpoints: [], binaries: [{path: curl}]}\n";
    let error = place.attach(pb::Hello { policy_yaml: bad.into(), ..hello("demo", 1) }).await.err().unwrap();
    assert_eq!((error.code(), word(&error)), (Code::InvalidArgument, "policy"));
    let lines: Vec<&str> = error.message().lines().collect();
    assert!(lines.len() >= 3 && lines.iter().all(|line| line.starts_with("policy.yaml:")), "{error}");
    assert!(lines[0].starts_with("policy.yaml:1:"), "with line and column: {error}");
    for hello in [
        pb::Hello { sandbox: "../x".into(), ..hello("demo", 1) },
        pb::Hello { run: "1".into(), ..hello("demo", 1) },
        pb::Hello { isolation: "vm".into(), ..hello("demo", 1) },
        pb::Hello { supervisor_version: "v".repeat(129), ..hello("demo", 1) },
    ] {
        assert_eq!(place.attach(hello).await.err().unwrap().code(), Code::InvalidArgument);
    }
    place.run("demo", 1).await.complete().await;
    running.stop().await;
}

#[tokio::test]
async fn credentials_and_writable_paths_beyond_their_bounds_are_refused_by_place() {
    let place = Place::new();
    let running = place.start().await;
    let credential = |name: &str, hosts: &[&str]| pb::Credential {
        name: name.into(),
        hosts: hosts.iter().map(ToString::to_string).collect(),
    };
    let many = |n: usize| (0..n).map(|n| credential(&format!("n{n}"), &["a.example"])).collect::<Vec<_>>();
    let hello = || hello("demo", 1);
    let with = |credentials: Vec<pb::Credential>| pb::Hello { credentials, ..hello() };
    let writable = |paths: Vec<String>| pb::Hello { writable: paths, ..hello() };
    for (hello, wanted) in [
        (with(many(33)), "credentials: more than 32"),
        (with(vec![credential("a", &["a.b"]), credential("b c", &["a.b"])]), "credentials[1]: \"b c\""),
        (
            with(vec![credential("a", &["a.b"]), credential("a", &["c.d"])]),
            "credentials: a stands there twice",
        ),
        (with(vec![credential("a", &["a.b"; 33])]), "credentials[0]: a: 33 hosts"),
        (with(vec![credential("a", &["https://a.b"])]), "credentials[0]: a: hosts are wanted"),
        (with(vec![credential("a", &["ghp_16c7e42f292c6912e771"])]), "looks like a secret"),
        (writable(vec!["/a".into(); 257]), "writable: 257 writable paths"),
        (writable(vec!["/a".into(), "work".into()]), "writable: writable path 1"),
        (writable(vec![format!("/{}", "x".repeat(4096))]), "writable: writable path 0"),
    ] {
        let error = place.attach(hello).await.err().unwrap();
        assert_eq!((error.code(), word(&error)), (Code::InvalidArgument, "invalid"));
        assert!(error.message().contains(wanted), "{wanted}: {error}");
    }
    let full = pb::Hello { writable: vec!["/a".into(); 256], ..with(many(32)) };
    place.attach(full).await.unwrap().complete().await;
    running.stop().await;
}

#[tokio::test]
async fn evidence_is_kept_with_its_operation_and_bounded() {
    let place = Place::new();
    let running = place.start().await;
    let mut agent = place.run("demo", 1).await;
    let seen = |path: &str| pb::SeenDenial {
        binary: "/usr/bin/curl".into(),
        host: "api.github.com".into(),
        port: 443,
        method: "PUT".into(),
        path: path.into(),
        count: 2,
        sha256: "7c".repeat(32),
    };
    let with = |agent: &Attached, evidence: Vec<Vec<pb::SeenDenial>>| pb::SubmitProposalsRequest {
        evidence: evidence.into_iter().map(|seen| pb::Evidence { seen }).collect(),
        ..agent.submission(&["/a", "/b"])
    };
    let request = with(&agent, vec![vec![seen("/a")], vec![]]);
    let answer = within(agent.client.submit_proposals(request)).await.unwrap().into_inner();
    let proposals: Vec<pb::Proposal> = answer.results.into_iter().filter_map(|it| it.proposal).collect();
    assert_eq!(proposals[0].evidence, [seen("/a")]);
    assert!(!proposals[0].review.contains("no_evidence"), "{}", proposals[0].review);
    assert!(proposals[1].review.contains("no_evidence"), "the other one's is not its own");
    let hashed = |sha256: String| pb::SeenDenial { sha256, ..seen("/a") };
    let request = with(&agent, vec![vec![hashed("x".repeat(64))], vec![hashed(String::new())]]);
    let answer = within(agent.client.submit_proposals(request)).await.unwrap().into_inner();
    let codes: Vec<&str> = answer.results.iter().map(|result| result.code.as_str()).collect();
    assert_eq!(codes, ["invalid", ""], "what is no hash is none, and none is needed");
    for (evidence, wanted) in [
        (vec![vec![]; 3], "evidence: of 3 operations"),
        (vec![vec![seen("/a"); 17]], "evidence[0]: 17 denials"),
        (vec![vec![], vec![seen(&"/x".repeat(2049))]], "evidence[1].seen[0].path: 4098 bytes"),
        (vec![vec![hashed("7c".repeat(33))]], "evidence[0].seen[0].sha256: 66 bytes"),
    ] {
        let request = with(&agent, evidence);
        let error = agent.client.submit_proposals(request).await.unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument);
        assert!(error.message().contains(wanted), "{wanted}: {error}");
    }
    running.stop().await;
}

#[tokio::test]
async fn each_operation_is_answered_for_itself() {
    let place = Place { limits: Limits { pending: 2, ..OPEN }, ..Place::new() };
    let running = place.start().await;
    let mut agent = place.run("demo", 1).await;
    let mut request = agent.submission(&["/a", "/b", "/c", "/d", "/e"]);
    request.operations[0].rule_name = "_provider_x".into();
    request.operations[2].rule.as_mut().unwrap().endpoints[0].tls = "skip".into();
    let answer = within(agent.client.submit_proposals(request)).await.unwrap().into_inner();
    let codes: Vec<&str> = answer.results.iter().map(|result| result.code.as_str()).collect();
    assert_eq!(codes, ["invalid", "", "invalid", "", "limit"]);
    assert!(answer.results[2].error.contains("operations[2].addRule.rule.endpoints[0].tls"), "{answer:?}");
    assert_eq!(answer.results[1].proposal.as_ref().unwrap().id, answer.results[1].id);
    for (request, code) in [
        (agent.submission(&[]), Code::InvalidArgument),
        (agent.submission(&["/x"; 17]), Code::InvalidArgument),
        (
            pb::SubmitProposalsRequest { rationale: "x".repeat(4097), ..agent.submission(&["/x"]) },
            Code::InvalidArgument,
        ),
        (
            pb::SubmitProposalsRequest { run_secret: vec![], ..agent.submission(&["/x"]) },
            Code::PermissionDenied,
        ),
        (
            pb::SubmitProposalsRequest { sandbox: "other".into(), ..agent.submission(&["/x"]) },
            Code::PermissionDenied,
        ),
        (
            pb::SubmitProposalsRequest { rationale: "x".repeat(2 << 20), ..agent.submission(&["/x"]) },
            Code::OutOfRange,
        ),
    ] {
        assert_eq!(agent.client.submit_proposals(request).await.unwrap_err().code(), code);
    }
    running.stop().await;
}

#[tokio::test]
async fn proposals_can_be_switched_off() {
    let place = Place::new();
    let running = place.start().await;
    let mut agent = place.attach(pb::Hello { advisor: false, ..hello("demo", 1) }).await.unwrap();
    let (settings, ..) = agent.complete().await;
    assert_eq!(set(&settings, "agent_policy_proposals_enabled"), "false");
    let request = agent.submission(&["/a"]);
    let answer = within(agent.client.submit_proposals(request)).await.unwrap().into_inner();
    assert_eq!(answer.results[0].code, "feature_disabled");
    running.stop().await;
}

/// Kills: a door without a rate, at which one agent keeps the gateway from all others.
#[tokio::test]
async fn w20_a_sandbox_that_submits_too_fast_is_told_when_to_come_back_and_others_are_not() {
    let limits = Limits { submissions_burst: 3, submissions_per_minute: 1, ..Limits::default() };
    let place = Place { limits, ..Place::new() };
    let running = place.start().await;
    let (mut agent, mut other) = (place.run("demo", 1).await, place.run("other", 2).await);
    let many = agent.submission(&["/1", "/2", "/3", "/4"]);
    let error = agent.client.submit_proposals(many).await.unwrap_err();
    assert_eq!((error.code(), word(&error)), (Code::ResourceExhausted, "limit"));
    assert!(error.metadata().get("retry-after").is_none(), "waiting would not help: {error}");
    let some = agent.submission(&["/1", "/2", "/3"]);
    within(agent.client.submit_proposals(some)).await.unwrap();
    let one = agent.submission(&["/4"]);
    let error = agent.client.submit_proposals(one).await.unwrap_err();
    assert_eq!(error.code(), Code::ResourceExhausted);
    let seconds: u64 = error.metadata().get("retry-after").unwrap().to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&seconds), "{error}");
    other.submit("/1").await;
    running.stop().await;
}

/// Kills: drafts that are stored as an agent's, that need the agents' switch, or that take from the agents' rate.
#[tokio::test]
async fn the_mappers_drafts_are_its_own_and_take_nothing_from_the_agents() {
    let limits = Limits { submissions_burst: 3, submissions_per_minute: 1, ..Limits::default() };
    let place = Place { limits, ..Place::new() };
    let running = place.start().await;
    let mut agent = place.run("demo", 1).await;
    let drafted = |agent: &Attached, path: &str| pb::SubmitProposalsRequest {
        origin: "mechanistic".into(),
        ..agent.submission(&[path])
    };
    let mut refused = 0;
    for n in 0..5 {
        let request = drafted(&agent, &format!("/{n}"));
        refused += usize::from(within(agent.client.submit_proposals(request)).await.is_err());
    }
    assert_eq!(refused, 2, "it has a rate too");
    let own = agent.submit("/own").await;
    assert_eq!(own.origin, "agent_authored");
    let list = pb::ListProposalsRequest::default();
    let listed = within(place.inbox().await.list_proposals(list)).await.unwrap().into_inner();
    let origins: Vec<&str> = listed.proposals.iter().map(|proposal| proposal.origin.as_str()).collect();
    assert_eq!(origins.iter().filter(|origin| **origin == "mechanistic").count(), 1, "one for each thing");
    let odd = pb::SubmitProposalsRequest { origin: "reviewer".into(), ..agent.submission(&["/x"]) };
    let answer = within(agent.client.submit_proposals(odd)).await.unwrap().into_inner();
    assert!(answer.results[0].error.contains("origin"), "{answer:?}");
    running.stop().await;
}
