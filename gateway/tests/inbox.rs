//! The reviewers' door: watch, list, decide.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeMap;

use common::*;
use openshell_domain::event::Envelope;
use openshell_domain::id::ProposalId;
use openshell_domain::inbox::Inbox;
use openshell_domain::proposal::{Closure, Lease, Proposal, Status};
use openshell_domain::review::Review;
use openshell_wire::pb::inbox::directive::Directive;
use openshell_wire::pb::inbox::inbox_client::InboxClient;
use openshell_wire::pb::inbox::inbox_frame::Frame;
use openshell_wire::pb::inbox::report::Report;
use openshell_wire::pb::inbox::{self as pb, Verb};
use openshell_wire::proposal::{review, sandbox_view};
use prost::Message;
use tonic::transport::Channel;
use tonic::{Code, Streaming};

/// A screen: the projection of `openshell-domain` behind a real stream.
struct Screen {
    inbox: Inbox,
    cursor: u64,
    frames: Streaming<pb::InboxFrame>,
}

impl Screen {
    async fn open(client: &mut InboxClient<Channel>) -> Self {
        let request = pb::WatchInboxRequest { from_seq: None, ..Default::default() };
        let mut frames = within(client.watch_inbox(request)).await.unwrap().into_inner();
        let mut inbox = Inbox::default();
        loop {
            let Frame::Snapshot(part) = frame(&mut frames).await.unwrap() else { panic!("no snapshot") };
            inbox.seq = part.seq;
            inbox.sandboxes.extend(part.sandboxes.iter().map(|record| sandbox_view(record).unwrap()));
            let proposals = part.proposals.iter().map(|p| Proposal::try_from(p).unwrap());
            inbox.proposals.extend(proposals.map(|p| (p.id, p)));
            if part.last {
                let cursor = inbox.seq;
                return Self { inbox, cursor, frames };
            }
        }
    }

    /// The same screen after its connection was lost.
    async fn resume(self, client: &mut InboxClient<Channel>) -> Self {
        let request = pb::WatchInboxRequest { from_seq: Some(self.cursor), ..Default::default() };
        let frames = within(client.watch_inbox(request)).await.unwrap().into_inner();
        Self { frames, ..self }
    }

    async fn until(&mut self, seq: u64) {
        while self.cursor < seq {
            let record = match frame(&mut self.frames).await.unwrap() {
                Frame::Event(record) => record,
                Frame::Reviewed(reviewed) => {
                    self.take(&reviewed);
                    continue;
                }
                other => panic!("{other:?}"),
            };
            assert_eq!((record.prev_cursor, record.cursor), (self.cursor, self.cursor + 1));
            self.cursor = record.cursor;
            self.inbox.apply(&Envelope::try_from(&record).unwrap()).unwrap();
        }
    }

    fn take(&mut self, reviewed: &pb::Reviewed) -> ProposalId {
        let id = reviewed.proposal.parse().unwrap();
        self.inbox.reviewed(id, review(&reviewed.review).unwrap());
        id
    }

    /// Waits until it has been told what this proposal would change.
    async fn reviewed(&mut self, proposal: &pb::Proposal) -> Review {
        loop {
            if let Frame::Reviewed(reviewed) = frame(&mut self.frames).await.unwrap()
                && self.take(&reviewed).to_string() == proposal.id
            {
                return review(&reviewed.review).unwrap();
            }
        }
    }

    /// What it shows, but for the reviews, which come when they are ready.
    fn bare(&self) -> Inbox {
        let mut inbox = self.inbox.clone();
        inbox.proposals.values_mut().for_each(|proposal| proposal.review = None);
        inbox
    }

    fn statuses(&self) -> BTreeMap<String, String> {
        let pair = |p: &Proposal| (p.id.to_string(), p.status.as_str().to_owned());
        self.inbox.proposals.values().map(pair).collect()
    }
}

async fn all(client: &mut InboxClient<Channel>) -> Vec<pb::Proposal> {
    let mut all = Vec::new();
    let mut request = pb::ListProposalsRequest { limit: 500, ..Default::default() };
    loop {
        let answer = within(client.list_proposals(request.clone())).await.unwrap().into_inner();
        all.extend(answer.proposals);
        if answer.next_page.is_empty() {
            return all;
        }
        request.page = answer.next_page;
    }
}

#[tokio::test]
async fn a_screen_is_a_snapshot_and_every_event_after_it_also_when_it_resumes() {
    let place = Place::new();
    let running = place.start().await;
    let mut client = place.inbox().await;
    let mut empty = Screen::open(&mut client).await;
    assert_eq!((empty.cursor, empty.inbox.sandboxes.len()), (0, 0), "an empty log has a snapshot, too");
    let mut agent = place.run("demo", 1).await;
    let first = agent.submit("/a").await;
    let mut screen = Screen::open(&mut client).await;
    assert_eq!(screen.statuses(), BTreeMap::from([(first.id.clone(), "pending".into())]));
    let second = agent.submit("/b").await;
    let seq = within(client.decide(decision(&first, Verb::Approve, "fine"))).await.unwrap().into_inner().seq;
    screen.until(seq + 1).await;
    drop(screen.frames);
    screen.frames =
        within(client.watch_inbox(pb::WatchInboxRequest { from_seq: None, ..Default::default() }))
            .await
            .unwrap()
            .into_inner();
    let missed = within(client.decide(decision(&second, Verb::Reject, "no"))).await.unwrap().into_inner().seq;
    let third = agent.submit("/c").await;
    let mut screen = screen.resume(&mut client).await;
    screen.until(missed + 1).await;
    empty.until(missed + 1).await;
    let wanted = [(&first, "approved"), (&second, "rejected"), (&third, "pending")];
    assert_eq!(screen.statuses(), wanted.map(|(p, s)| (p.id.clone(), s.to_owned())).into());
    assert_eq!(screen.bare(), empty.bare(), "however it came there");
    let listed: BTreeMap<_, _> =
        all(&mut client).await.iter().map(|p| Proposal::try_from(p).unwrap()).map(|p| (p.id, p)).collect();
    assert!(listed.values().all(|p| p.is_pending() == p.review.is_some()), "whoever lists looks at once");
    let listed = listed.into_iter().map(|(id, p)| (id, Proposal { review: None, ..p })).collect();
    assert_eq!(screen.bare().proposals, listed);
    running.stop().await;
}

#[tokio::test]
async fn whoever_watches_is_told_what_each_ask_would_change_and_again_when_that_changes() {
    let place = Place::new();
    let running = place.start().await;
    let mut client = place.inbox().await;
    let mut screen = Screen::open(&mut client).await;
    let mut agent = place.run("demo", 1).await;
    let (first, wider) = (agent.submit("/a").await, agent.submit("/*").await);
    let before = screen.reviewed(&wider).await;
    assert_eq!(before.digest.to_string(), wider.digest);
    assert_eq!(before.difference.unwrap().added[0].to_string(), "api.github.com:443 PUT /* by /usr/bin/curl");
    within(client.decide(decision(&first, Verb::Approve, ""))).await.unwrap();
    let after = screen.reviewed(&wider).await;
    assert_ne!(after.digest, before.digest);
    assert_eq!(after.difference.unwrap().added[0].except.len(), 1, "what is granted by now");
    let stale = within(client.decide(decision(&wider, Verb::Approve, ""))).await.unwrap_err();
    assert_eq!(word(&stale), "stale");
    let late = Screen::open(&mut client).await.reviewed(&wider).await;
    assert_eq!(late.digest, after.digest, "who comes later is told as well");
    running.stop().await;
}

#[tokio::test]
async fn what_two_asked_for_is_decided_once_and_both_hear_of_it() {
    let place = Place::new();
    let running = place.start().await;
    let mut client = place.inbox().await;
    let mut agent = place.run("demo", 1).await;
    agent.complete().await;
    let (first, same) = (agent.submit("/a").await, agent.submit("/a").await);
    let other = agent.submit("/b").await;
    within(client.decide(decision(&first, Verb::Approve, ""))).await.unwrap();
    let seen = agent.until(&same.id, "closed").await;
    let closed = seen.iter().rev().find_map(|directive| match directive {
        Directive::Outcomes(outcomes) => outcomes.proposals.iter().find(|p| p.id == same.id),
        _ => None,
    });
    let Status::Closed { reason, .. } = life(closed.unwrap()) else { panic!("{seen:?}") };
    assert_eq!(reason, Closure::AlreadyCovered(vec!["put_file".into()]));
    within(client.decide(decision(&other, Verb::Approve, ""))).await.unwrap();
    running.stop().await;
}

#[tokio::test]
async fn whoever_does_not_read_for_a_while_misses_nothing() {
    let place = Place::new();
    let running = place.start().await;
    let mut client = place.inbox().await;
    let mut slow = Screen::open(&mut client).await;
    // A supervisor that reads none of its outcomes, until they no longer fit into the pipe …
    let mut agent = place.run("demo", 1).await;
    for n in 0..60 {
        let path = format!("/{n}");
        let request =
            pb::SubmitProposalsRequest { rationale: "x".repeat(4000), ..agent.submission(&[&path]) };
        within(agent.client.submit_proposals(request)).await.unwrap();
    }
    // … and then more events than the feed holds.
    let mut noisy = place.run("noisy", 2).await;
    let marker = pb::GetProposalRequest { id: noisy.submit("/x").await.id };
    for n in 0..1200 {
        let error = format!("{n} {}", "x".repeat(1000));
        noisy.report(Report::LoadFailed(pb::LoadFailed { revision: 1, error, retained: false })).await;
    }
    let mut other = place.inbox().await;
    let last_report = async {
        loop {
            let answer = other.get_proposal(marker.clone()).await.unwrap().into_inner();
            if answer.sandbox.unwrap().load_error.starts_with("1199 ") {
                return;
            }
        }
    };
    within(last_report).await;
    let fresh = Screen::open(&mut other).await;
    slow.until(fresh.cursor).await;
    assert_eq!(slow.bare(), fresh.bare());
    agent.complete().await;
    loop {
        match agent.next().await.unwrap() {
            Directive::Outcomes(outcomes) if outcomes.complete => {
                assert_eq!(outcomes.proposals.len(), 60, "told everything again");
                break;
            }
            Directive::Outcomes(_) | Directive::Settings(_) | Directive::Policy(_) => {}
            other => panic!("{other:?}"),
        }
    }
    running.stop().await;
}

#[tokio::test]
async fn a_log_that_cannot_be_written_refuses_commands_answers_questions_and_heals() {
    let place = Place::new();
    let running = place.start().await;
    let mut client = place.inbox().await;
    let mut agent = place.run("demo", 1).await;
    let proposal = agent.submit("/a").await;
    let stranger = rusqlite::Connection::open(place.db()).unwrap();
    stranger.execute_batch("BEGIN IMMEDIATE").unwrap();
    let approve = decision(&proposal, Verb::Approve, "");
    let error = within(client.decide(approve.clone())).await.unwrap_err();
    assert_eq!((error.code(), word(&error)), (Code::Unavailable, "unavailable"));
    assert!(error.message().contains("locked"), "{error}");
    assert_eq!(all(&mut client).await, std::slice::from_ref(&proposal), "reads go on, nothing changed");
    stranger.execute_batch("ROLLBACK").unwrap();
    within(client.decide(approve)).await.unwrap();
    assert_eq!(all(&mut client).await[0].status, "approved");
    running.stop().await;
}

#[tokio::test]
async fn a_place_beyond_the_log_is_out_of_range() {
    let place = Place::new();
    let running = place.start().await;
    let mut client = place.inbox().await;
    let error = client
        .watch_inbox(pb::WatchInboxRequest { from_seq: Some(7), ..Default::default() })
        .await
        .unwrap_err();
    assert_eq!((error.code(), word(&error)), (Code::OutOfRange, "beyond_the_log"));
    running.stop().await;
}

#[tokio::test]
async fn an_approval_reaches_the_supervisor_as_policy_and_then_outcome() {
    let place = Place::new();
    let running = place.start().await;
    let mut client = place.inbox().await;
    let mut agent = place.run("demo", 1).await;
    let mut other = place.run("other", 2).await;
    other.complete().await;
    let (settings, policy, proposals) = agent.complete().await;
    assert_eq!(set(&settings, "agent_policy_proposals_enabled"), "true");
    assert!(proposals.is_empty());
    assert_eq!((policy.revision, policy.grants.len()), (1, 0));
    let proposal = agent.submit("/a").await;
    agent.until(&proposal.id, "pending").await;
    let answer =
        within(client.decide(decision(&proposal, Verb::Approve, "fine"))).await.unwrap().into_inner();
    assert!(answer.attached);
    assert_eq!(answer.revision, 2);
    let seen = agent.until(&proposal.id, "approved").await;
    let [Directive::Policy(policy), Directive::Outcomes(outcomes)] = &seen[..] else { panic!("{seen:?}") };
    let [grant] = &policy.grants[..] else { panic!("{policy:?}") };
    assert_eq!((policy.revision, &grant.proposal, grant.lease.as_str()), (2, &proposal.id, r#""run""#));
    assert!(policy.policy.as_ref().unwrap().network_policies.contains_key(&grant.rule));
    let read = openshell_wire::policy::policy(policy.policy.as_ref().unwrap()).unwrap();
    assert_eq!(read.hash().to_string(), policy.hash);
    assert_eq!(read.network_policies.len(), 2);
    let Status::Approved { decision: decided, revision, lease } = life(&outcomes.proposals[0]) else {
        panic!("{outcomes:?}")
    };
    assert_eq!((decided.reason.as_str(), revision.0, lease), ("fine", 2, Lease::Run));
    let by = decided.by;
    let us = format!("uid:{}", rustix::process::geteuid().as_raw());
    assert_eq!(
        (by.kind.as_str(), by.id.as_str(), by.authenticated.as_str()),
        ("reviewer", us.as_str(), "door")
    );
    assert!(by.unisolated);
    // The other sandbox heard nothing of it: the next thing it is told is its own.
    let own = other.submit("/b").await;
    assert_eq!(other.until(&own.id, "pending").await.len(), 1);
    running.stop().await;
}

#[tokio::test]
async fn a_decision_on_something_else_than_was_shown_is_refused_with_the_fresh_proposal() {
    let place = Place::new();
    let running = place.start().await;
    let mut client = place.inbox().await;
    let mut agent = place.run("demo", 1).await;
    let (first, second) = (agent.submit("/a").await, agent.submit("/b").await);
    let wrong = pb::DecideRequest { digest: second.digest.clone(), ..decision(&first, Verb::Approve, "") };
    let error = client.decide(wrong).await.unwrap_err();
    assert_eq!((error.code(), word(&error)), (Code::FailedPrecondition, "stale"));
    assert_eq!(fresh(&error), first);
    within(client.decide(decision(&first, Verb::Reject, "too broad"))).await.unwrap();
    let error = client.decide(decision(&first, Verb::Approve, "")).await.unwrap_err();
    assert_eq!((error.code(), word(&error)), (Code::FailedPrecondition, "already_decided"));
    assert_eq!(life(&fresh(&error)).decision().unwrap().reason, "too broad");
    let request = pb::GetProposalRequest { id: second.id.clone() };
    let answer = within(client.get_proposal(request)).await.unwrap().into_inner();
    assert_eq!(answer.proposal, Some(second));
    assert!(answer.attached);
    assert_eq!(answer.sandbox.unwrap().name, "demo");
    running.stop().await;
}

fn fresh(error: &tonic::Status) -> pb::Proposal {
    let bytes = error.metadata().get_bin("openshell-proposal-bin").unwrap().to_bytes().unwrap();
    pb::Proposal::decode(bytes).unwrap()
}

#[tokio::test]
async fn a_proposal_that_does_not_fit_into_a_header_is_left_out_of_the_refusal() {
    let place = Place::new();
    let running = place.start().await;
    let mut client = place.inbox().await;
    let mut agent = place.run("demo", 1).await;
    let mut request = agent.submission(&["/a"]);
    request.rationale = "ü".repeat(2048);
    let rule = request.operations[0].rule.as_mut().unwrap();
    rule.endpoints =
        (0..16).map(|n| common::put(&format!("/{n}{}", "x".repeat(300))).endpoints.remove(0)).collect();
    let answer = within(agent.client.submit_proposals(request)).await.unwrap().into_inner();
    let proposal = answer.results[0].proposal.clone().unwrap();
    let wrong = pb::DecideRequest { digest: "0".repeat(64), ..decision(&proposal, Verb::Approve, "") };
    let error = client.decide(wrong).await.unwrap_err();
    assert_eq!((error.code(), word(&error)), (Code::FailedPrecondition, "stale"));
    assert!(error.metadata().get_bin("openshell-proposal-bin").is_none());
    running.stop().await;
}

#[tokio::test]
async fn of_two_who_decide_at_once_one_wins_and_the_other_learns_how() {
    let place = Place::new();
    let running = place.start().await;
    let mut agent = place.run("demo", 1).await;
    let (mut one, mut two) = (place.inbox().await, place.inbox().await);
    for n in 0..20 {
        let proposal = agent.submit(&format!("/{n}")).await;
        let (yes, no) = (decision(&proposal, Verb::Approve, "yes"), decision(&proposal, Verb::Reject, "no"));
        let (yes, no) = tokio::join!(one.decide(yes), two.decide(no));
        let (lost, winner) = match (yes, no) {
            (Ok(_), Err(lost)) => (lost, "yes"),
            (Err(lost), Ok(_)) => (lost, "no"),
            both => panic!("{both:?}"),
        };
        assert_eq!(word(&lost), "already_decided");
        assert_eq!(life(&fresh(&lost)).decision().unwrap().reason, winner);
    }
    running.stop().await;
}

#[tokio::test]
async fn wrong_arguments_are_named() {
    let place = Place::new();
    let running = place.start().await;
    let mut client = place.inbox().await;
    let mut agent = place.run("demo", 1).await;
    let proposal = agent.submit("/a").await;
    let good = decision(&proposal, Verb::Approve, "");
    for (request, code) in [
        (pb::DecideRequest { id: "3f0c".into(), ..good.clone() }, Code::InvalidArgument),
        (pb::DecideRequest { id: run_id(9), ..good.clone() }, Code::NotFound),
        (pb::DecideRequest { digest: "12".into(), ..good.clone() }, Code::InvalidArgument),
        (pb::DecideRequest { verb: 0, ..good.clone() }, Code::InvalidArgument),
        (pb::DecideRequest { verb: 99, ..good.clone() }, Code::InvalidArgument),
        (pb::DecideRequest { reason: "x".repeat(4097), ..good.clone() }, Code::InvalidArgument),
    ] {
        let error = client.decide(request.clone()).await.unwrap_err();
        assert_eq!(error.code(), code, "{request:?}: {error}");
    }
    let prefix = pb::GetProposalRequest { id: proposal.id.chars().take(8).collect() };
    assert_eq!(within(client.get_proposal(prefix)).await.unwrap().into_inner().proposal, Some(proposal));
    running.stop().await;
}

/// How a decision went: the proposal, and whether it was this one's.
async fn race(
    mut client: InboxClient<Channel>,
    proposals: Vec<pb::Proposal>,
    n: usize,
) -> Vec<(String, bool)> {
    let verb = if n.is_multiple_of(2) { Verb::Approve } else { Verb::Reject };
    let mut won = Vec::new();
    // Everybody begins somewhere else, so that each wins some.
    for proposal in proposals.iter().cycle().skip(n * 61).take(proposals.len()) {
        let mine = decision(proposal, verb, &format!("by {n}"));
        match client.decide(mine).await {
            Ok(_) => won.push((proposal.id.clone(), true)),
            Err(error) => {
                assert_eq!(word(&error), "already_decided", "{error}");
                let known = life(&fresh(&error));
                let decided = known.decision().unwrap();
                assert!(decided.reason.starts_with("by ") && decided.by.id.starts_with("uid:"), "{known:?}");
                won.push((proposal.id.clone(), false));
            }
        }
    }
    won
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixteen_who_decide_the_same_thousand_decide_each_once_and_the_others_learn_who_did() {
    let place = Place::new();
    let running = place.start().await;
    let mut agent = place.run("demo", 1).await;
    let mut proposals = Vec::new();
    for batch in 0..63 {
        let paths: Vec<String> = (0..16).map(|n| format!("/{batch}/{n}")).collect();
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        let answer = agent.client.submit_proposals(agent.submission(&paths)).await.unwrap().into_inner();
        proposals.extend(answer.results.into_iter().map(|result| result.proposal.unwrap()));
    }
    proposals.truncate(1000);
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..16 {
        tasks.spawn(race(place.inbox().await, proposals.clone(), n));
    }
    let mut winners: BTreeMap<String, usize> = BTreeMap::new();
    while let Some(results) = tasks.join_next().await {
        for (id, has_won) in results.unwrap() {
            *winners.entry(id).or_default() += usize::from(has_won);
        }
    }
    assert_eq!(winners.len(), 1000);
    assert!(winners.values().all(|times| *times == 1), "each is decided once");
    let approved = all(&mut place.inbox().await).await.iter().filter(|p| p.status == "approved").count();
    let request = pb::GetPolicyRequest { sandbox: "demo".into() };
    let policy = place.inbox().await.get_policy(request).await.unwrap().into_inner();
    assert_eq!(policy.origins.len(), approved + 1, "every grant and the file's one rule, and nothing else");
    running.stop().await;
}
