//! A reviewer: watches as the inbox does, and decides on what it sees, which may be old by then.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use openshell_domain::command::{Answer, Command, Decide, Revise, SetSetting};
use openshell_domain::event::{Actor, Envelope, RequestKey};
use openshell_domain::id::{Digest, ProposalId, Seq, Stream};
use openshell_domain::inbox::Inbox;
use openshell_domain::proposal::{LeaseAsk, Proposal, Status};
use openshell_domain::setting::{Key, Value};
use openshell_wire::pb::inbox::inbox_frame::Frame;
use openshell_wire::proposal::{sandbox_view, settings};

use super::network::Conn;
use super::random::Random;
use super::supervisor::{PATHS, rule};

#[derive(Default)]
pub(super) struct Reviewer {
    pub(super) conn: Option<Conn>,
    pub(super) inbox: Option<Inbox>,
    parts: Inbox,
    /// What it has looked at.
    seen: BTreeMap<ProposalId, Digest>,
    pub(super) looking: BTreeMap<Conn, ProposalId>,
}

/// What a reviewer does next.
pub(super) enum Act {
    Nothing,
    Look(ProposalId),
    Decide(Box<Command>),
}

impl Reviewer {
    /// The last event that it has.
    pub(super) fn at(&self) -> Option<Seq> {
        self.inbox.as_ref().map(|inbox| inbox.seq)
    }

    /// Takes in a frame; false where it does not follow, and everything has to be sent again.
    pub(super) fn take(&mut self, frame: Frame) -> bool {
        match frame {
            Frame::Snapshot(part) => {
                for record in &part.sandboxes {
                    let (name, view) = sandbox_view(record).unwrap();
                    self.parts.sandboxes.insert(name, view);
                }
                for proposal in &part.proposals {
                    let proposal = Proposal::try_from(proposal).unwrap();
                    self.parts.proposals.insert(proposal.id, proposal);
                }
                self.parts.settings = settings(&part.settings).unwrap();
                self.parts.seq = part.seq;
                if part.last {
                    self.inbox = Some(std::mem::take(&mut self.parts));
                }
                true
            }
            Frame::Event(record) => {
                let envelope = Envelope::try_from(&record).unwrap();
                let Some(inbox) = &mut self.inbox else { return false };
                let is_next = record.prev_cursor == inbox.seq && inbox.apply(&envelope).is_ok();
                if !is_next {
                    self.inbox = None;
                }
                is_next
            }
            _ => true,
        }
    }

    /// What it looked at came.
    pub(super) fn looked(&mut self, id: ProposalId, digest: Option<Digest>) {
        match digest {
            Some(digest) => self.seen.insert(id, digest),
            None => self.seen.remove(&id),
        };
    }

    /// Forgets what was refused.
    pub(super) fn refused(&mut self, command: &Command) {
        if let Command::Approve(decide, _) | Command::Reject(decide, _) = command {
            self.seen.remove(&decide.proposal);
        }
    }

    pub(super) fn act(&self, random: &mut Random, number: usize) -> Act {
        let Some(inbox) = &self.inbox else { return Act::Nothing };
        let key = random.uuid().to_string();
        let actor = Actor {
            id: format!("uid:{number}"),
            request: random.percent(50).then_some(RequestKey { key, body: Digest([1; 32]) }),
            ..crate::testing::reviewer()
        };
        if random.percent(8) {
            return Act::Decide(Box::new(setting(random, actor)));
        }
        let ids: Vec<&Proposal> = inbox.proposals.values().collect();
        let Some(proposal) = random.pick(&ids) else { return Act::Nothing };
        let id = proposal.id;
        let decide =
            |digest| Decide { proposal: id, digest, reviewer: actor.clone(), reason: "because".into() };
        match (&proposal.status, self.seen.get(&id)) {
            (Status::Pending, None) => Act::Look(id),
            (Status::Pending, Some(digest)) => Act::Decide(Box::new(decision(random, decide(*digest)))),
            (Status::Approved { decision, .. }, _) if random.percent(30) => {
                let decide = decide(decision.digest);
                Act::Decide(Box::new(if random.percent(50) {
                    Command::Undo(decide)
                } else {
                    Command::Revoke(decide)
                }))
            }
            (Status::Rejected { decision, .. }, _) if random.percent(30) => {
                Act::Decide(Box::new(Command::Undo(decide(decision.digest))))
            }
            _ => Act::Nothing,
        }
    }
}

fn decision(random: &mut Random, decide: Decide) -> Command {
    let seconds = i64::try_from(random.below(55)).unwrap() + 5;
    match random.below(12) {
        0..=3 => Command::Approve(decide, Some(LeaseAsk::Once)),
        4..=5 => Command::Approve(decide, Some(LeaseAsk::For(TimeDelta::seconds(seconds)))),
        6 => Command::Approve(decide, Some(LeaseAsk::Run)),
        7 => Command::Approve(decide, Some(LeaseAsk::Always)),
        8 => Command::Approve(decide, None),
        9..=10 => Command::Reject(decide, Answer::default()),
        _ => {
            let path = format!("/p{}", random.below(PATHS));
            let (rule_name, rule) = ("revised".parse().unwrap(), rule(&[path]));
            Command::Revise(Box::new(Revise { decision: decide, rule_name, rule }))
        }
    }
}

fn setting(random: &mut Random, reviewer: Actor) -> Command {
    let lease = random.pick(&["once", "20s", "run"]).map(|text| Value::Text((*text).to_owned()));
    let mode = random.pick(&["auto", "manual"]).map(|text| Value::Text((*text).to_owned()));
    let waits = random.percent(70).then(|| Value::Number(random.below(9) + 1));
    let (key, value) = match random.below(6) {
        0 => (Key::Advisor, Some(Value::Bool(true))),
        1 => (Key::DefaultLease, lease),
        2..=3 => (Key::ApprovalMode, mode),
        4 => (Key::LimitWaits, waits),
        _ => (Key::MaxLease, random.percent(30).then_some(Value::Text("50s".to_owned()))),
    };
    let boxes = ["box-0", "box-1", "box-2"];
    let own = random.pick(&boxes).filter(|_| random.percent(40)).map(|name| name.parse().unwrap());
    Command::Set(SetSetting { scope: own.unwrap_or(Stream::Gateway), key, value, reviewer })
}
