//! The life of a proposal: every way from one state to the next, and what each does to the policy.

use chrono::TimeDelta;

use super::*;
use crate::command::{Revise, SetSetting, Spend, Withdraw};
use crate::event::RequestKey;
use crate::policy::risk::Seen;
use crate::proposal::Hint;
use crate::setting::{Key, Value};

fn seen(path: &str, count: u64) -> Seen {
    Seen {
        binary: "/usr/bin/curl".into(),
        host: "api.github.com".into(),
        port: 443,
        method: Some("PUT".into()),
        path: Some(path.into()),
        count,
        sha256: None,
    }
}

impl World {
    fn ask(&mut self, id: u128, origin: Origin, rule: Rule, evidence: Vec<Seen>) -> Result<usize, Refusal> {
        self.run(Command::Submit(Box::new(Submit {
            sandbox: name("demo"),
            proposal: ProposalId(uuid(id)),
            origin,
            submitted_by: "/usr/bin/curl".into(),
            rule_name: "mapped".parse().unwrap(),
            rule,
            rationale: String::new(),
            evidence,
            pending_limit: 32,
            request: None,
        })))
    }

    fn status(&self, id: ProposalId) -> &'static str {
        self.state.proposal(id).unwrap().status.as_str()
    }

    /// A decision that quotes the one that was made.
    fn on_decided(&self, id: ProposalId, reason: &str) -> Decide {
        let digest = self.state.proposal(id).unwrap().digest().unwrap();
        Decide { proposal: id, digest, reviewer: reviewer(), reason: reason.into() }
    }

    fn set(&mut self, scope: Stream, key: Key, value: Option<Value>) -> Result<usize, Refusal> {
        self.run(Command::Set(SetSetting { scope, key, value, reviewer: reviewer() }))
    }

    fn approve_for(&mut self, id: ProposalId, lease: LeaseAsk) -> Result<usize, Refusal> {
        let decision = self.decision(id, "");
        self.run(Command::Approve(decision, Some(lease)))
    }
}

fn both(path: &str, other: &str) -> Rule {
    let mut rule = put(path);
    let more = put(other).endpoints[0].rules[0].clone();
    rule.endpoints[0].rules.push(more);
    rule
}

#[test]
fn undo_restores_the_policy_byte_for_byte_and_opens_the_same_wording_anew() {
    let mut world = World::new();
    let (kept, id) = (world.submit(10, "/a"), world.submit(11, "/b"));
    world.approve(kept).unwrap();
    let before = serde_json::to_vec(&*world.demo().policy).unwrap();
    world.approve(id).unwrap();
    assert_ne!(serde_json::to_vec(&*world.demo().policy).unwrap(), before);
    let undo = world.on_decided(id, "too early");
    world.run(Command::Undo(undo.clone())).unwrap();
    assert_eq!(serde_json::to_vec(&*world.demo().policy).unwrap(), before);
    assert_eq!(world.demo().view.revision, Revision(4), "a new number for the same bytes");
    let known = world.state.proposal(id).unwrap();
    assert_eq!((known.status.as_str(), known.draft.number), ("pending", 2));
    let undone = known.earlier[0].undone.as_ref().unwrap();
    assert_eq!((known.earlier[0].draft.number, undone.was.as_str()), (1, "approved"));
    assert_eq!(undone.reason, "too early");
    assert!(matches!(world.run(Command::Undo(undo)), Err(Refusal::NotDecided(_))), "once");
    // The new draft is decided on its own digest: the old one is stale.
    let old = Decide { digest: undone_digest(&world, id), ..world.decision(id, "") };
    assert!(matches!(world.run(Command::Approve(old, None)), Err(Refusal::Stale(_))));
    world.approve(id).unwrap();
    assert_eq!(world.status(id), "approved");
}

fn undone_digest(world: &World, id: ProposalId) -> Digest {
    world.state.proposal(id).unwrap().earlier[0].undone.as_ref().unwrap().decision.digest
}

#[test]
fn a_rejection_is_undone_without_a_revision_and_carries_its_hints_until_then() {
    let mut world = World::new();
    let id = world.submit(10, "/a");
    let answer = Answer { hints: vec![Hint::TooBroad, Hint::NeedsTimeLimit], snooze: None };
    world.run(Command::Reject(world.decision(id, "no"), answer.clone())).unwrap();
    match &world.state.proposal(id).unwrap().status {
        Status::Rejected { hints, snoozed_until, .. } => {
            assert_eq!(*hints, answer.hints);
            assert_eq!(*snoozed_until, Some(at(world.now) + TimeDelta::hours(1)));
        }
        other => panic!("{other:?}"),
    }
    let revision = world.demo().view.revision;
    world.run(Command::Undo(world.on_decided(id, ""))).unwrap();
    assert_eq!((world.status(id), world.demo().view.revision), ("pending", revision));
    assert_eq!(world.demo().pending(Origin::AgentAuthored), 1);
}

#[test]
fn a_revoked_grant_is_gone_and_cannot_be_taken_back() {
    let mut world = World::new();
    let id = world.submit(10, "/a");
    let base = world.demo().policy.hash();
    let revoke = |world: &World| Command::Revoke(world.on_decided(id, "leaked"));
    let pending = Decide { digest: Digest([0; 32]), ..world.decision(id, "") };
    assert!(matches!(world.run(Command::Revoke(pending)), Err(Refusal::NotDecided(_))));
    world.approve(id).unwrap();
    world.run(revoke(&world)).unwrap();
    assert_eq!((world.status(id), world.demo().policy.hash()), ("revoked", base));
    assert!(matches!(world.run(revoke(&world)), Err(Refusal::NotGranted(_))));
    assert!(matches!(world.run(Command::Undo(world.on_decided(id, ""))), Err(Refusal::NotDecided(_))));
}

#[test]
fn an_edit_adds_a_wording_and_keeps_the_old_one() {
    let mut world = World::new();
    let id = world.submit(10, "/a");
    let revise = |world: &World, rule| {
        let decision = world.decision(id, "");
        Command::Revise(Box::new(Revise { decision, rule_name: "narrow".parse().unwrap(), rule }))
    };
    let stale = world.decision(id, "");
    world.run(revise(&world, put("/a/b"))).unwrap();
    let known = world.state.proposal(id).unwrap();
    assert_eq!((known.draft.number, known.draft.rule_name.as_str()), (2, "narrow"));
    assert_eq!(known.draft.rationale, "write one file", "the agent's words stay the agent's");
    assert_eq!((known.earlier.len(), &known.earlier[0].draft.rule), (1, &put("/a")));
    assert!(matches!(world.run(Command::Approve(stale, None)), Err(Refusal::Stale(_))));
    assert!(matches!(world.run(revise(&world, rule("HEAD", "/a"))), Err(Refusal::ChangesNothing(_))));
    world.approve(id).unwrap();
    let line = "api.github.com:443 [L7 rest, allow PUT /a/b]";
    assert_eq!(world.rule_lines()["narrow"], [line], "what was shown is what is granted");
    assert!(matches!(world.run(revise(&world, put("/c"))), Err(Refusal::AlreadyDecided(_))));
}

#[test]
fn an_agent_takes_back_what_is_its_own_and_pending() {
    let mut world = World::new();
    let id = world.submit(10, "/a");
    let withdraw = |sandbox: &str, proposal| {
        Command::Withdraw(Withdraw { sandbox: name(sandbox), proposal, by: "/usr/bin/curl".into() })
    };
    world.start("other", 5, true);
    assert_eq!(world.run(withdraw("other", id)), Err(Refusal::UnknownProposal(id)), "not its own");
    world.run(withdraw("demo", id)).unwrap();
    assert_eq!((world.status(id), world.demo().pending(Origin::AgentAuthored)), ("withdrawn", 0));
    assert!(matches!(world.run(withdraw("demo", id)), Err(Refusal::AlreadyDecided(_))));
    world.ask(11, Origin::Mechanistic, put("/m"), vec![seen("/m", 1)]).unwrap();
    let mapped = ProposalId(uuid(11));
    assert_eq!(world.run(withdraw("demo", mapped)), Err(Refusal::UnknownProposal(mapped)));
}

#[test]
fn the_mapper_has_one_pending_proposal_for_each_thing_and_its_hits_add_up() {
    let mut world = World::new();
    let id = ProposalId(uuid(10));
    world.ask(10, Origin::Mechanistic, put("/a"), vec![seen("/a", 2)]).unwrap();
    world.now += 5;
    world.ask(11, Origin::Mechanistic, both("/a", "/b"), vec![seen("/a", 1), seen("/b", 4)]).unwrap();
    assert!(world.state.proposal(ProposalId(uuid(11))).is_none(), "the id stored is the one that is there");
    let known = world.state.proposal(id).unwrap();
    assert_eq!(known.evidence, [seen("/a", 3), seen("/b", 4)]);
    assert_eq!((known.draft.number, &known.draft.rule, known.since), (2, &both("/a", "/b"), 0));
    // From the tenth second on somebody may be reading it: it is only counted.
    world.now += 10;
    world.ask(12, Origin::Mechanistic, both("/a", "/c"), vec![seen("/c", 7)]).unwrap();
    let known = world.state.proposal(id).unwrap();
    assert_eq!((known.draft.number, known.since, known.evidence.len()), (2, 7, 3));
    assert_eq!(world.demo().pending(Origin::Mechanistic), 1);
    assert_eq!(world.demo().pending(Origin::AgentAuthored), 0);
}

#[test]
fn what_a_reviewer_refused_is_not_asked_again_by_the_mapper_until_its_snooze_is_over() {
    let mut world = World::new();
    world.ask(10, Origin::Mechanistic, put("/a"), vec![seen("/a", 1)]).unwrap();
    let decision = world.decision(ProposalId(uuid(10)), "no");
    let answer = Answer { hints: Vec::new(), snooze: Some(TimeDelta::seconds(60)) };
    world.run(Command::Reject(decision, answer)).unwrap();
    world.now = 59;
    let again = |world: &mut World| world.ask(11, Origin::Mechanistic, put("/a"), vec![seen("/a", 1)]);
    assert_eq!(again(&mut world), Err(Refusal::Snoozed(at(60))));
    assert!(world.ask(12, Origin::AgentAuthored, put("/a"), Vec::new()).is_ok(), "an agent may ask");
    world.now = 60;
    assert_eq!(again(&mut world), Ok(1));
}

#[test]
fn an_agents_ask_replaces_the_mappers_that_it_covers_and_no_other() {
    let mut world = World::new();
    world.ask(10, Origin::Mechanistic, put("/a"), vec![seen("/a", 1)]).unwrap();
    let (mapped, agents) = (ProposalId(uuid(10)), world.submit(11, "/c"));
    assert_eq!(world.status(mapped), "pending", "/c does not cover /a");
    let wide = world.submit_with(12, "wide", both("/a", "/c"), 32).unwrap();
    match world.state.proposal(mapped).unwrap().status {
        Status::Superseded { by, .. } => assert_eq!(by, wide),
        ref other => panic!("{other:?}"),
    }
    assert_eq!(world.status(agents), "pending", "agents' asks never replace one another");
    // And the mapper's never replaces an agent's.
    world.ask(13, Origin::Mechanistic, both("/a", "/c"), vec![seen("/a", 1)]).unwrap();
    assert_eq!(world.status(wide), "pending");
}

/// Kills: superseding an agent's own earlier ask for the same host, port and binary, whichever of the two is wider.
#[test]
fn w04_two_asks_of_an_agent_for_one_host_and_binary_both_stay() {
    let mut world = World::new();
    let asked = [world.submit(10, "/a"), world.submit(11, "/b"), world.submit(12, "/a")];
    let wide = world.submit_with(13, "wide", both("/a", "/b"), 32).unwrap();
    for id in asked.into_iter().chain([wide]) {
        assert_eq!(world.status(id), "pending");
    }
    world.approve_for(asked[1], LeaseAsk::Run).unwrap();
    assert_eq!(
        [asked[0], asked[2], wide].map(|id| world.status(id)),
        ["pending"; 3],
        "each is decided for itself"
    );
}

#[test]
fn a_grant_settles_what_asked_for_less_unless_it_was_for_one_request() {
    for (lease, status) in [(LeaseAsk::Run, "closed"), (LeaseAsk::Once, "pending")] {
        let mut world = World::new();
        let less = world.submit(10, "/a");
        let other = world.submit(11, "/x");
        let more = world.submit_with(12, "more", both("/a", "/b"), 32).unwrap();
        assert_eq!(world.run(Command::Settle(less, more)), Ok(0), "nothing is granted yet");
        world.approve_for(more, lease).unwrap();
        world.run(Command::Settle(less, more)).unwrap();
        world.run(Command::Settle(other, more)).unwrap();
        assert_eq!((world.status(less), world.status(other)), (status, "pending"));
    }
}

#[test]
fn leases_end_by_the_clock_and_leave_what_was_there_before() {
    let mut world = World::new();
    let (short, long) = (world.submit(10, "/a"), world.submit(11, "/b"));
    let base = world.demo().policy.hash();
    assert!(matches!(
        world.approve_for(short, LeaseAsk::Until(at(0))),
        Err(Refusal::LeaseOver(end)) if end == at(0)
    ));
    world.approve_for(short, "15m".parse().unwrap()).unwrap();
    world.approve_for(long, "1h".parse().unwrap()).unwrap();
    assert_eq!(world.state.next_expiry(), Some(at(900)));
    world.now = 899;
    assert_eq!(world.run(Command::Expire), Ok(0));
    world.now = 900;
    assert_eq!(world.run(Command::Expire), Ok(2), "one grant, one revision");
    assert_eq!((world.status(short), world.status(long)), ("expired", "approved"));
    world.now = 3600;
    world.run(Command::Expire).unwrap();
    assert_eq!((world.demo().policy.hash(), world.state.next_expiry()), (base, None));
}

#[test]
fn one_request_is_spent_once_and_only_in_its_run() {
    let mut world = World::new();
    let id = world.submit(10, "/a");
    world.approve_for(id, LeaseAsk::Once).unwrap();
    let spend = |run| Command::Spend(Spend { sandbox: name("demo"), run: RunId(uuid(run)), proposal: id });
    assert!(matches!(world.run(spend(9)), Err(Refusal::RunEnded { .. })));
    assert_eq!(world.run(spend(1)), Ok(3), "spent, ended, and a revision without it");
    assert_eq!(world.run(spend(1)), Err(Refusal::Spent(id)));
    assert_eq!(world.status(id), "expired");
    let run_long = world.submit(11, "/b");
    world.approve(run_long).unwrap();
    let wrong = Spend { sandbox: name("demo"), run: RunId(uuid(1)), proposal: run_long };
    assert_eq!(
        world.run(Command::Spend(wrong)),
        Err(Refusal::Spent(run_long)),
        "not a lease for one request"
    );
}

#[test]
fn once_is_for_requests_that_are_read() {
    let mut world = World::new();
    let mut tunnel = put("/a");
    let l4 = Endpoint {
        host: "db.example".into(),
        protocol: Protocol::L4,
        enforcement: None,
        rules: Vec::new(),
        ..tunnel.endpoints[0].clone()
    };
    tunnel.endpoints = vec![l4];
    let id = world.submit_with(10, "raw", tunnel, 32).unwrap();
    assert_eq!(world.approve_for(id, LeaseAsk::Once), Err(Refusal::OnceNeedsL7));
    assert_eq!(world.approve_for(id, LeaseAsk::Run), Ok(2));
}

#[test]
fn no_lease_is_longer_than_allowed_and_the_default_is_a_setting() {
    let mut world = World::new();
    world.set(Stream::Gateway, Key::MaxLease, Some(Value::Text("1h".into()))).unwrap();
    let sandbox = Stream::Sandbox(name("demo"));
    world.set(sandbox, Key::DefaultLease, Some(Value::Text("15m".into()))).unwrap();
    let lease = |world: &World, id| match world.state.proposal(id).unwrap().status {
        Status::Approved { lease, .. } => lease,
        ref other => panic!("{other:?}"),
    };
    let (plain, always) = (world.submit(10, "/a"), world.submit(11, "/b"));
    world.approve(plain).unwrap();
    world.approve_for(always, LeaseAsk::Always).unwrap();
    assert_eq!(lease(&world, plain), Lease::Until(at(900)));
    assert_eq!(lease(&world, always), Lease::Until(at(3600)));
}

#[test]
fn the_end_of_a_run_ends_its_grants_at_once_and_keeps_the_standing_ones() {
    let mut world = World::new();
    let (for_run, always) = (world.submit(10, "/a"), world.submit(11, "/b"));
    world.approve(for_run).unwrap();
    world.approve_for(always, LeaseAsk::Always).unwrap();
    let pending = world.submit(12, "/c");
    world.end(&name("demo"), RunId(uuid(1)));
    assert_eq!((world.status(for_run), world.status(always)), ("expired", "approved"));
    assert_eq!(world.demo().composition.standing().count(), 1);
    assert!(matches!(world.approve(pending), Err(Refusal::NobodyRuns(_))), "nobody would get it");
    assert!(matches!(world.submit_with(13, "d", put("/d"), 32), Err(Refusal::NobodyRuns(_))));
    let end =
        EndRun { sandbox: name("demo"), run: RunId(uuid(1)), reason: RunEnd::Lost, actor: Actor::gateway() };
    assert!(matches!(world.run(Command::EndRun(end)), Err(Refusal::RunEnded { .. })), "once");
    world.start("demo", 2, true);
    assert_eq!(world.status(always), "approved", "it stands in the next run of the same file");
    assert!(
        world.demo().policy.network_policies.contains_key(&"put_file~0000000b".parse().unwrap())
            || world.demo().policy.network_policies.len() == 2
    );
    world.approve(pending).unwrap();
}

#[test]
fn a_run_cannot_be_taken_over_while_it_lives() {
    let world = World::new();
    let second = Command::StartRun(Box::new(start("demo", 2)));
    assert!(matches!(world.decide(&second), Err(Refusal::RunLives { run, .. }) if run == RunId(uuid(1))));
}

#[test]
fn another_policy_file_needs_a_yes_where_grants_stand() {
    let mut world = World::new();
    let id = world.submit(10, "/a");
    world.approve_for(id, LeaseAsk::Always).unwrap();
    world.end(&name("demo"), RunId(uuid(1)));
    let other = policy_from_yaml(&BASE.replace("read-only", "read-write")).unwrap();
    let mut next = StartRun { policy: other.policy, places: other.places, ..start("demo", 2) };
    match world.run(Command::StartRun(Box::new(next.clone()))) {
        Err(refusal @ Refusal::PolicyChanged { .. }) => {
            let text = refusal.to_string();
            assert!(text.contains("the grant put_file (0000000a) would end"), "{text}");
            assert!(text.contains("the new file also allows") && text.contains("PUT"), "{text}");
            assert!(text.contains("--accept-policy-change"), "{text}");
        }
        other => panic!("{other:?}"),
    }
    next.accept_policy_change = true;
    world.run(Command::StartRun(Box::new(next))).unwrap();
    assert_eq!((world.status(id), world.demo().composition.standing().count()), ("expired", 0));
}

#[test]
fn a_request_that_is_sent_twice_is_done_once_and_a_key_means_one_thing() {
    let mut world = World::new();
    let id = world.submit(10, "/a");
    let keyed = |world: &World, body| {
        let request = Some(RequestKey { key: "k1".into(), body: Digest([body; 32]) });
        Decide { reviewer: Actor { request, ..reviewer() }, ..world.decision(id, "") }
    };
    let first = keyed(&world, 1);
    world.run(Command::Approve(first.clone(), None)).unwrap();
    match world.run(Command::Approve(first.clone(), None)) {
        Err(Refusal::Repeated(done)) => assert_eq!((done.proposal, done.revision), (Some(id), Revision(2))),
        other => panic!("{other:?}"),
    }
    let other = keyed(&world, 2);
    assert_eq!(world.run(Command::Approve(other.clone(), None)), Err(Refusal::KeyReused("k1".into())));
    let mut elsewhere = other;
    elsewhere.reviewer.id = "uid:7".into();
    assert!(matches!(world.run(Command::Approve(elsewhere, None)), Err(Refusal::AlreadyDecided(_))));
    let mut again = State::default();
    world.log.iter().for_each(|envelope| again.fold(envelope).unwrap());
    let request = first.reviewer.request.unwrap();
    assert!(again.requests.done(&reviewer(), &Stream::Gateway, &request).is_some(), "it is in the log");
}

#[test]
fn an_agents_key_belongs_to_its_sandbox_whichever_program_asks() {
    let mut world = World::new();
    world.start("other", 3, true);
    let ask = |sandbox: &str, id: u128, binary: &str, body: u8| Submit {
        sandbox: name(sandbox),
        submitted_by: binary.to_owned(),
        request: Some(RequestKey { key: "k".into(), body: Digest([body; 32]) }),
        ..submission(id, "a", put("/a"), 32)
    };
    let mut run = |ask: Submit| world.run(Command::Submit(Box::new(ask)));
    run(ask("demo", 10, "/usr/bin/curl", 1)).unwrap();
    match run(ask("demo", 11, "/usr/bin/python3", 1)) {
        Err(Refusal::Repeated(done)) => assert_eq!(done.proposal, Some(ProposalId(uuid(10)))),
        other => panic!("{other:?}"),
    }
    assert_eq!(run(ask("demo", 12, "/usr/bin/curl", 2)), Err(Refusal::KeyReused("k".into())));
    run(ask("other", 13, "/usr/bin/curl", 2)).unwrap();
    assert_eq!(world.state.requests.done_for(&name("demo"), "k").unwrap().body, Digest([1; 32]));
    assert!(world.state.requests.done_for(&name("nobody"), "k").is_none());
}

#[test]
fn a_proof_says_what_a_submission_would_and_stores_nothing() {
    let mut world = World::new();
    let orders = Orders::default();
    let ask = |path: &str, limit| submission(10, "a", put(path), limit);
    let proof = prove(&world.state, &ask("/a", 32), &orders, &Patience::default()).unwrap();
    assert_eq!(proof.review.difference.as_ref().unwrap().added.len(), 1);
    assert_eq!(proof.closure, None);
    assert!(matches!(
        prove(&world.state, &ask("/a", 0), &orders, &Patience::default()),
        Err(Refusal::TooManyPending(0, 0))
    ));
    world.set(Stream::Gateway, Key::Advisor, Some(Value::Bool(false))).unwrap();
    assert!(matches!(
        prove(&world.state, &ask("/a", 32), &orders, &Patience::default()),
        Err(Refusal::AdvisorOff(_))
    ));
    world.set(Stream::Gateway, Key::Advisor, None).unwrap();
    world.submit_with(10, "a", put("/a"), 32).unwrap();
    let proposal = world.state.proposal(ProposalId(uuid(10))).unwrap();
    let sandbox = &world.state.sandboxes[&proposal.sandbox];
    let shown = Review::of(sandbox, proposal.id, &proposal.draft, &proposal.evidence);
    assert_eq!(proof.review, shown, "it is what the submission is shown with");
}

#[test]
fn a_setting_of_the_gateway_beats_the_sandboxs_for_everybody_at_once() {
    let mut world = World::new();
    world.start("other", 3, false);
    assert!(world.demo().view.advisor);
    world.set(Stream::Gateway, Key::Advisor, Some(Value::Bool(false))).unwrap();
    assert!(!world.demo().view.advisor);
    assert!(matches!(world.submit_with(10, "a", put("/a"), 32), Err(Refusal::AdvisorOff(_))));
    world.set(Stream::Gateway, Key::Advisor, Some(Value::Bool(true))).unwrap();
    assert!(world.state.sandboxes[&name("other")].view.advisor);
    assert_eq!(
        world.set(Stream::Gateway, Key::Advisor, Some(Value::Bool(true))),
        Ok(0),
        "no change, no event"
    );
    world.set(Stream::Gateway, Key::Advisor, None).unwrap();
    assert!(world.demo().view.advisor && !world.state.sandboxes[&name("other")].view.advisor);
    let nowhere = Stream::Sandbox(name("nowhere"));
    assert!(matches!(world.set(nowhere, Key::Advisor, None), Err(Refusal::UnknownSandbox(_))));
    let mut inbox = Inbox::default();
    world.log.iter().for_each(|envelope| inbox.apply(envelope).unwrap());
    assert_eq!(inbox.sandboxes[&name("demo")], world.demo().view);
    assert_eq!((inbox.settings, world.state.stream_seq), (world.state.settings.clone(), 3));
}

#[test]
fn a_policy_that_does_not_follow_from_its_grants_stops_the_reader() {
    let mut world = World::new();
    let id = world.submit(10, "/a");
    world.approve(id).unwrap();
    let mut forged = world.log.clone();
    for envelope in &mut forged {
        if let Event::ProposalApproved { key, .. } = &mut envelope.event {
            *key = Some("elsewhere".parse().unwrap());
        }
    }
    let mut state = State::default();
    let error = forged.iter().find_map(|envelope| state.fold(envelope).err()).unwrap().to_string();
    assert!(error.starts_with("revision 2 of sandbox demo is not what"), "{error}");
}

/// Kills: a hash that comes too late to be kept, one that is put in place of another program's, and a new key in what
/// was stored before there were hashes.
#[test]
fn a_program_is_known_by_its_hash_as_soon_as_there_is_one() {
    let mut world = World::new();
    let hashed = |n: u8, count| Seen { sha256: Some(Digest([n; 32])), ..seen("/a", count) };
    for (times, evidence) in [(1, seen("/a", 1)), (1, hashed(1, 2)), (1, seen("/a", 4)), (2, hashed(2, 8))] {
        world.ask(1, Origin::Mechanistic, put("/a"), vec![evidence]).unwrap();
        let kept = &world.state.proposal(ProposalId(uuid(1))).unwrap().evidence;
        assert_eq!(kept.len(), times);
    }
    let kept = &world.state.proposal(ProposalId(uuid(1))).unwrap().evidence;
    assert_eq!(kept[..], [hashed(1, 7), hashed(2, 8)]);
    assert!(!serde_json::to_string(&seen("/a", 1)).unwrap().contains("sha256"));
    let text = serde_json::to_string(&hashed(1, 1)).unwrap();
    assert!(text.contains(&format!(r#""sha256":"{}""#, "01".repeat(32))), "{text}");
}
