use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::*;
use crate::command::{Answer, Decide, EndRun, LoadFailure, Report, StartRun, Submit};
use crate::event::{ActorKind, Envelope, Isolation, RunEnd};
use crate::id::{Digest, EventId, Revision, RuleName, RunId};
use crate::inbox::Inbox;
use crate::policy::authority::Patience;
use crate::policy::read::{Source, policy_from_yaml, rule_from_node};
use crate::policy::render::endpoint_lines;
use crate::policy::{Endpoint, Protocol, Rule};
use crate::proposal::{Closure, Lease, LeaseAsk, Origin, Status};
use crate::review::Review;

const BASE: &str = "version: 1\nnetwork_policies:\n  github: {endpoints: [{host: api.github.com, port: 443, protocol: rest, enforcement: enforce, access: read-only}], binaries: [{path: /usr/bin/curl}]}\n";

mod life;
mod orders;

/// A state with its log, driven as a gateway drives it.
struct World {
    state: State,
    log: Vec<Envelope>,
    /// Seconds after the world's beginning.
    now: u64,
    orders: Orders,
}

fn uuid(n: u128) -> uuid::Uuid {
    uuid::Uuid::from_u128(n << 96 | n)
}

fn at(n: u64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + i64::try_from(n).unwrap(), 0).unwrap()
}

fn name(text: &str) -> SandboxName {
    text.parse().unwrap()
}

/// An agent of `demo` asks.
fn submission(id: u128, rule_name: &str, rule: Rule, limit: usize) -> Submit {
    Submit {
        sandbox: name("demo"),
        proposal: ProposalId(uuid(id)),
        origin: Origin::AgentAuthored,
        submitted_by: "/usr/bin/curl".into(),
        rule_name: rule_name.parse().unwrap(),
        rule,
        rationale: "write one file".into(),
        evidence: Vec::new(),
        pending_limit: limit,
        request: None,
    }
}

fn reviewer() -> Actor {
    Actor {
        kind: ActorKind::Reviewer,
        id: "uid:1000".into(),
        authenticated: "door".into(),
        unisolated: false,
        request: None,
    }
}

fn put(path: &str) -> Rule {
    rule("PUT", path)
}

fn rule(method: &str, path: &str) -> Rule {
    let json = format!(
        r#"{{"endpoints":[{{"host":"api.github.com","port":443,"protocol":"rest","rules":[{{"allow":{{"method":"{method}","path":"{path}"}}}}]}}],"binaries":[{{"path":"/usr/bin/curl"}}]}}"#
    );
    rule_from_node(&crate::node::from_json(json.as_bytes()).unwrap(), Source::Proposal, "rule").unwrap()
}

fn start(sandbox: &str, run: u128) -> StartRun {
    StartRun {
        sandbox: name(sandbox),
        run: RunId(uuid(run)),
        secret_hash: Digest([7; 32]),
        supervisor_version: "0".into(),
        isolation: Isolation::None,
        host_root: false,
        advisor: true,
        policy_file: "p.yaml".into(),
        policy_file_hash: Digest([8; 32]),
        policy: policy_from_yaml(BASE).unwrap().policy,
        places: policy_from_yaml(BASE).unwrap().places,
        credentials: Vec::new(),
        writable: Vec::new(),
        accept_policy_change: false,
    }
}

impl World {
    fn new() -> Self {
        let mut world = Self { state: State::default(), log: Vec::new(), now: 0, orders: Orders::default() };
        world.start("demo", 1, true);
        world
    }

    fn run(&mut self, command: Command) -> Result<usize, Refusal> {
        let events = self.decide(&command)?;
        let count = events.len();
        self.append(events);
        Ok(count)
    }

    fn decide(&self, command: &Command) -> Result<Vec<NewEvent>, Refusal> {
        decide(&self.state, command, Circumstances { now: at(self.now), orders: &self.orders })
    }

    fn append(&mut self, events: Vec<NewEvent>) {
        for NewEvent { stream, actor, event } in events {
            let seq = self.state.seq + 1;
            let stream_seq = self.state.stream_seq(&stream) + 1;
            let id = EventId(uuid(u128::from(seq)));
            let envelope = Envelope { seq, id, stream, stream_seq, at: at(self.now), actor, event };
            self.state.fold(&envelope).unwrap();
            self.log.push(envelope);
        }
    }

    fn start(&mut self, sandbox: &str, run: u128, advisor: bool) {
        self.start_as(StartRun { advisor, ..start(sandbox, run) });
    }

    /// Ends the run that lives, if one does, and starts another.
    fn start_as(&mut self, start: StartRun) {
        let known = self.state.sandboxes.get(&start.sandbox);
        if let Some(run) = known.and_then(|sandbox| sandbox.live_run()) {
            self.end(&start.sandbox, run);
        }
        self.run(Command::StartRun(Box::new(start))).unwrap();
    }

    fn end(&mut self, sandbox: &SandboxName, run: RunId) {
        let end =
            EndRun { sandbox: sandbox.clone(), run, reason: RunEnd::Finished, actor: Actor::supervisor(run) };
        self.run(Command::EndRun(end)).unwrap();
    }

    fn submit_with(
        &mut self,
        id: u128,
        rule_name: &str,
        rule: Rule,
        limit: usize,
    ) -> Result<ProposalId, Refusal> {
        let proposal = ProposalId(uuid(id));
        self.run(Command::Submit(Box::new(submission(id, rule_name, rule, limit))))?;
        Ok(proposal)
    }

    fn submit(&mut self, id: u128, path: &str) -> ProposalId {
        self.submit_with(id, "put_file", put(path), 32).unwrap()
    }

    fn decision(&self, proposal: ProposalId, reason: &str) -> Decide {
        let digest = self.look_at(proposal).digest;
        Decide { proposal, digest, reviewer: reviewer(), reason: reason.into() }
    }

    fn look_at(&self, proposal: ProposalId) -> Review {
        let proposal = self.state.proposal(proposal).unwrap();
        Review::of(&self.state.sandboxes[&proposal.sandbox], proposal.id, &proposal.draft, &proposal.evidence)
    }

    fn approve(&mut self, proposal: ProposalId) -> Result<usize, Refusal> {
        self.run(Command::Approve(self.decision(proposal, ""), None))
    }

    fn demo(&self) -> &Sandbox {
        &self.state.sandboxes[&name("demo")]
    }

    fn rule_lines(&self) -> BTreeMap<String, Vec<String>> {
        let rules = self.demo().policy.network_policies.iter();
        rules.map(|(key, rule)| (key.to_string(), endpoint_lines(rule))).collect()
    }
}

#[test]
fn an_approval_and_its_revision_are_one_append() {
    let mut world = World::new();
    assert_eq!(world.demo().view.revision, Revision(1));
    let id = world.submit(10, "/repos/o/r/contents/a.md");
    let events = world.decide(&Command::Approve(world.decision(id, "ok"), None)).unwrap();
    assert!(matches!(events[0].event, Event::ProposalApproved { revision: Revision(2), .. }));
    assert!(matches!(&events[1].event, Event::PolicyRevised { revision: Revision(2), .. }));
    assert!(events.iter().all(|event| event.actor.unisolated), "an unisolated sandbox marks every decision");
    world.approve(id).unwrap();
    assert_eq!(
        world.rule_lines(),
        BTreeMap::from([
            ("github".into(), vec!["api.github.com:443 [L7 rest, access=read-only]".into()]),
            (
                "put_file".into(),
                vec!["api.github.com:443 [L7 rest, allow PUT /repos/o/r/contents/a.md]".into()]
            ),
        ])
    );
    assert_eq!(world.state.proposal(id).unwrap().status.as_str(), "approved");
}

#[test]
fn how_the_command_is_kept_in_is_known_of_the_latest_run_and_marks_what_comes_of_it() {
    let mut world = World::new();
    let mut id = 10;
    for (isolation, host_root) in
        [(Isolation::Netns, true), (Isolation::Netns, false), (Isolation::None, false)]
    {
        id += 1;
        world.start_as(StartRun { isolation, host_root, ..start("demo", id) });
        assert_eq!((world.demo().view.isolation, world.demo().view.host_root), (Some(isolation), host_root));
        let before = world.log.len();
        let proposal = world.submit(id, "/a");
        world.approve(proposal).unwrap();
        let marks = world.log[before..].iter().map(|envelope| envelope.actor.unisolated);
        assert_eq!(marks.collect::<Vec<_>>(), [isolation == Isolation::None; 3]);
    }
}

#[test]
fn a_draft_is_decided_at_most_once_and_the_loser_learns_how() {
    let mut world = World::new();
    let id = world.submit(10, "/a");
    world.run(Command::Reject(world.decision(id, "too broad"), Answer::default())).unwrap();
    for command in [
        Command::Approve(world.decision(id, ""), None),
        Command::Reject(world.decision(id, ""), Answer::default()),
    ] {
        match world.decide(&command) {
            Err(Refusal::AlreadyDecided(known)) => {
                let decision = known.status.decision().unwrap();
                assert_eq!((decision.reason.as_str(), decision.by.id.as_str()), ("too broad", "uid:1000"));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_decision_is_bound_to_what_was_shown() {
    let mut world = World::new();
    let (first, same) = (world.submit(10, "/a"), world.submit(11, "/a"));
    let other = world.submit(12, "/b");
    let wrong = Decide { digest: world.look_at(same).digest, ..world.decision(first, "") };
    let before = world.state.seq;
    match world.run(Command::Approve(wrong, None)) {
        Err(Refusal::Stale(fresh)) => {
            assert_eq!((fresh.id, fresh.digest()), (first, Some(world.look_at(first).digest)));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(world.state.seq, before);
    let (shown_same, shown_other) = (world.decision(same, ""), world.decision(other, ""));
    world.approve(first).unwrap();
    assert_eq!(world.run(Command::Approve(shown_other, None)), Ok(2), "its own difference is the same");
    match world.run(Command::Approve(shown_same, None)) {
        Err(Refusal::Stale(fresh)) => {
            let difference = fresh.review.unwrap().difference.clone().unwrap();
            assert!(difference.added.is_empty(), "it has been granted");
            assert_eq!(difference.latent[0].until, ["put_file"], "until that grant ends");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_part_of_a_draft_is_in_its_digest() {
    let world = World::new();
    let id = ProposalId(uuid(1));
    let digest_of = |id, draft: &Draft| Review::of(world.demo(), id, draft, &[]).digest;
    let draft = Draft { number: 1, rule_name: "a".parse().unwrap(), rule: put("/a"), rationale: "x".into() };
    let digest = digest_of(id, &draft);
    assert_ne!(digest_of(ProposalId(uuid(2)), &draft), digest);
    assert_ne!(digest_of(id, &Draft { number: 2, ..draft.clone() }), digest);
    assert_ne!(digest_of(id, &Draft { rule_name: "b".parse().unwrap(), ..draft.clone() }), digest);
    assert_ne!(digest_of(id, &Draft { rule: put("/b"), ..draft.clone() }), digest);
    let words = Draft { rationale: "y".into(), ..draft };
    assert_eq!(digest_of(id, &words), digest, "words are a hint, not the contract");
}

#[test]
fn what_is_allowed_already_is_closed_and_what_is_in_vain_is_refused() {
    let mut world = World::new();
    // Not GET: that would let a WebSocket be opened, which the preset does not.
    let covered = world.submit_with(10, "head", rule("HEAD", "/a"), 32).unwrap();
    match &world.state.proposal(covered).unwrap().status {
        Status::Closed { reason: Closure::AlreadyCovered(by), revision, .. } => {
            assert_eq!((by.as_slice(), *revision), (["github".to_owned()].as_slice(), Revision(1)));
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(
        world.run(Command::Approve(world.decision(covered, ""), None)),
        Err(Refusal::AlreadyDecided(_))
    ));
    let mut tunnel = put("/a");
    tunnel.endpoints[0] = Endpoint {
        protocol: Protocol::L4,
        enforcement: None,
        rules: Vec::new(),
        ..tunnel.endpoints[0].clone()
    };
    match world.submit_with(11, "raw", tunnel, 32) {
        Err(Refusal::ChangesNothing(reasons)) => assert_eq!(reasons, ["inspected by github"]),
        other => panic!("{other:?}"),
    }
}

/// Kills: a proof that goes on when nobody waits for it.
#[test]
fn a_proof_ends_with_the_patience_for_it() {
    let world = World::new();
    let proof = |patience: &Patience| {
        prove(&world.state, &submission(10, "a", put("/a"), 32), &Orders::default(), patience)
    };
    assert_eq!(proof(&Patience::until(|| true)), Err(Refusal::TooComplex));
    assert!(proof(&Patience::default()).is_ok());
}

#[test]
fn an_approval_records_what_it_was_shown_to_change() {
    let mut world = World::new();
    let id = world.submit(10, "/a");
    let shown = world.look_at(id).difference;
    world.approve(id).unwrap();
    let recorded = world.log.iter().find_map(|envelope| match &envelope.event {
        Event::ProposalApproved { difference, .. } => Some(difference.clone()),
        _ => None,
    });
    assert_eq!(recorded, Some(shown));
}

#[test]
fn a_taken_name_gets_a_name_of_its_own() {
    let mut world = World::new();
    let first = world.submit_with(10, "github", put("/a"), 32).unwrap();
    let second = world.submit_with(11, "github", put("/b"), 32).unwrap();
    world.approve(first).unwrap();
    world.approve(second).unwrap();
    let keys: Vec<RuleName> = world.demo().policy.network_policies.keys().cloned().collect();
    let github: RuleName = "github".parse().unwrap();
    assert_eq!(keys, [github.clone(), github.beside(first), github.beside(second)]);
}

/// The keys in force, folded from a log.
fn keys(log: &[Envelope]) -> Vec<RuleName> {
    let mut state = State::default();
    log.iter().for_each(|envelope| state.fold(envelope).unwrap());
    state.sandboxes[&name("demo")].composition.standing().map(|grant| grant.key.clone()).collect()
}

#[test]
fn a_key_is_fixed_at_approval_and_follows_from_older_logs_too() {
    let mut world = World::new();
    for id in [10, 11, 12] {
        let proposal = world.submit_with(id, "github", put("/a"), 32).unwrap();
        world.approve(proposal).unwrap();
    }
    let wanted = keys(&world.log);
    let policy = &world.demo().policy;
    assert!(wanted.iter().all(|key| policy.network_policies.contains_key(key)));
    let mut older = world.log.clone();
    for envelope in &mut older {
        if let Event::ProposalApproved { key, .. } = &mut envelope.event {
            assert!(key.take().is_some());
            let (kind, payload) = envelope.event.to_columns().unwrap();
            assert!(!payload.contains("\"key\""), "{payload}");
            envelope.event = Event::from_columns(envelope.seq, 1, &kind, &payload).unwrap();
        }
    }
    assert_eq!(keys(&older), wanted);
}

#[test]
fn an_always_lease_is_carried_into_the_next_run_of_the_same_file() {
    let mut world = World::new();
    let (kept, ended) = (world.submit(10, "/a"), world.submit(11, "/b"));
    for (id, given) in [(kept, Lease::Always), (ended, Lease::Until(at(9_999_999)))] {
        let mut events = world.decide(&Command::Approve(world.decision(id, ""), None)).unwrap();
        let Event::ProposalApproved { lease, .. } = &mut events[0].event else { panic!() };
        *lease = given;
        world.append(events);
    }
    world.start("demo", 2, true);
    assert_eq!(world.state.proposal(kept).unwrap().status.as_str(), "approved");
    assert_eq!(world.state.proposal(ended).unwrap().status.as_str(), "expired");
    assert_eq!(*world.demo().policy, world.demo().composition.effective());
    let standing = world.demo().composition.standing().map(|grant| grant.proposal);
    assert_eq!(standing.collect::<Vec<_>>(), [kept]);
}

#[test]
fn a_run_lease_ends_with_the_run_and_leaves_the_base_byte_for_byte() {
    let mut world = World::new();
    let base = world.demo().policy.hash();
    let (granted, pending) = (world.submit(10, "/a"), world.submit(11, "/b"));
    world.approve(granted).unwrap();
    assert_ne!(world.demo().policy.hash(), base);
    world.start("demo", 2, true);
    assert_eq!(world.demo().policy.hash(), base);
    assert_eq!(world.demo().view.revision, Revision(4), "one without the grant, one of the new run");
    assert_eq!(world.demo().view.loaded, Revision(0), "the new run has loaded nothing yet");
    assert_eq!(world.state.proposal(granted).unwrap().status.as_str(), "expired");
    assert!(world.state.proposal(pending).unwrap().is_pending());
    assert_eq!(world.demo().composition.standing().count(), 0);
}

#[test]
fn a_rejected_proposal_and_its_redraft_are_two() {
    let mut world = World::new();
    let first = world.submit(10, "/a");
    world.run(Command::Reject(world.decision(first, "narrower"), Answer::default())).unwrap();
    let second = world.submit(11, "/a/b");
    assert_ne!(first, second);
    assert_eq!(world.state.proposal(first).unwrap().status.as_str(), "rejected");
    assert_eq!(world.state.proposal(second).unwrap().status.as_str(), "pending");
}

#[test]
fn what_may_not_be_submitted_is_refused_by_name() {
    let mut world = World::new();
    world.submit_with(10, "a", put("/a"), 1).unwrap();
    assert_eq!(world.submit_with(11, "a", put("/a"), 1), Err(Refusal::TooManyPending(1, 1)));
    assert!(matches!(world.submit_with(10, "a", put("/a"), 9), Err(Refusal::DuplicateId(_))));
    world.start("demo", 2, false);
    assert!(matches!(world.submit_with(12, "a", put("/a"), 9), Err(Refusal::AdvisorOff(_))));
    let unknown = ProposalId(uuid(99));
    let decision =
        Decide { proposal: unknown, digest: Digest([0; 32]), reviewer: reviewer(), reason: String::new() };
    assert_eq!(world.run(Command::Approve(decision, None)), Err(Refusal::UnknownProposal(unknown)));
}

#[test]
fn reports_of_an_ended_run_or_an_unknown_revision_are_refused() {
    let mut world = World::new();
    let report = |run: u128, revision: u64| Report {
        sandbox: name("demo"),
        run: RunId(uuid(run)),
        revision: Revision(revision),
    };
    assert_eq!(world.run(Command::ReportLoaded(report(1, 1))), Ok(1));
    assert_eq!(world.run(Command::ReportLoaded(report(1, 1))), Ok(0), "said twice, stored once");
    assert!(matches!(world.run(Command::ReportLoaded(report(1, 2))), Err(Refusal::UnknownRevision(..))));
    let fail = |error: &str, is_retained| {
        Command::ReportLoadFailed(report(1, 1), LoadFailure { error: error.to_owned(), is_retained })
    };
    assert_eq!(world.run(fail("no", false)), Ok(1));
    assert_eq!(world.demo().view.load_error.as_deref(), Some("no"));
    assert_eq!(world.run(fail("no", false)), Ok(0), "a failure is stored once for a revision and a reason");
    assert_eq!((world.run(fail("why", false)), world.run(fail("why", true))), (Ok(1), Ok(1)));
    assert!(world.demo().view.is_retained);
    assert_eq!(world.run(Command::ReportLoaded(report(1, 1))), Ok(1));
    assert_eq!(world.run(fail("why", true)), Ok(1), "again, after it was loaded");
    world.start("demo", 2, true);
    assert!(matches!(world.run(Command::ReportLoaded(report(1, 1))), Err(Refusal::RunEnded { .. })));
}

#[test]
fn the_inbox_folds_to_what_the_gateway_knows_and_refuses_a_gap() {
    let mut world = World::new();
    let (a, b) = (world.submit(10, "/a"), world.submit(11, "/b"));
    world.approve(a).unwrap();
    world.run(Command::Reject(world.decision(b, "no\n\"quoted\" ü"), Answer::default())).unwrap();
    let mut inbox = Inbox::default();
    for envelope in &world.log {
        inbox.apply(envelope).unwrap();
    }
    let known = &world.demo().proposals;
    assert!(inbox.proposals.iter().eq(known.iter()), "{:?}", inbox.proposals);
    assert_eq!(inbox.sandboxes[&name("demo")], world.demo().view);
    assert!(inbox.apply(&world.log[0]).is_err());
    let mut again = State::default();
    for envelope in &world.log {
        again.fold(envelope).unwrap();
    }
    assert_eq!(again.sandboxes[&name("demo")].policy, world.demo().policy);
    assert!(again.fold(&world.log[0]).is_err());
}

#[test]
fn what_would_not_load_names_the_line_of_the_base() {
    let mut world = World::new();
    let base = "version: 1\nnetwork_policies:\n  db: {endpoints: [{host: db.example, port: 5432, allowed_ips: [10.0.0.0/8]}], binaries: [{path: /a}]}\n";
    let loaded = policy_from_yaml(base).unwrap();
    world.start_as(StartRun { policy: loaded.policy, places: loaded.places, ..start("demo", 2) });
    let ask = base.replace("10.0.0.0/8", "10.1.0.0/16");
    let rule = policy_from_yaml(&ask).unwrap().policy.network_policies.into_values().next().unwrap();
    match world.submit_with(10, "mine", rule, 32) {
        Err(Refusal::WouldNotLoad(lines)) => {
            assert_eq!(lines.len(), 1);
            assert!(lines[0].ends_with("list the same in both (db is from p.yaml:3)"), "{}", lines[0]);
        }
        other => panic!("{other:?}"),
    }
}
