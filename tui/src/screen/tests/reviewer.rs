//! A reviewer who presses keys at random while 200 asks a second come from 50 sandboxes.
//!
//! The screen is drawn as the loop draws it (after a message that changed something, at most 60 times a second), and
//! what is *on* it is read back from its cells: a decision must bear the number and the digest that stood there for
//! 300 ms at least.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use chrono::{DateTime, FixedOffset, TimeDelta, Utc};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use openshell_domain::event::{Actor, ActorKind, Envelope, Event};
use openshell_domain::id::{EventId, ProposalId, RunId, SandboxName, Stream};
use openshell_domain::policy::Rule;
use openshell_domain::proposal::{Draft, Origin};
use openshell_domain::review::Review;
use uuid::Uuid;

use super::draw;
use super::world::{World, put, rule};
use crate::client::watch::{Connection, Update};
use crate::client::{Decision, Recorded, Verb};
use crate::screen::arming::Press;
use crate::screen::model::{Model, Overlay};
use crate::screen::msg::{Answer, Effect, Msg, What};
use crate::screen::update::update;

const SANDBOXES: u64 = 50;
/// After that many the reviewer is as busy for as long again.
const ASKS: u64 = 10_000;
/// What reviewers press, one key after the other in their own time; `\n` is enter, `\x1b` escape, `\t` tab, `>`
/// page down, `.` a look at the screen, `:` a long one.
const HABITS: &[&str] = &[
    "a",
    "aa",
    ".a",
    "\x1b1g.a",
    "\x1b1G.a",
    "\x1bjj.a",
    "\x1bj.a.a",
    "\x1bk.a",
    "\x1bj.rlater.\n",
    "r\n\n",
    "\x1bg.r.\n\n",
    "\x1bj.A.1",
    "\x1bj.A\n",
    "A\x1b",
    "\n.a",
    "\n",
    "\x1b",
    "\tj\t",
    "1",
    "2\x1b1",
    "5.1",
    "?.x",
    "u",
    "x",
    "y",
    "s",
    "z\x1b",
    " j .a",
    "\x1b\x1b: : a:y\x1b\x1b",
    "\x1b\x1bG: :a:y\x1b\x1b",
    "V:rno:\n\x1b\x1b",
    "\x1b\x1b jjjjjjjjjjjjjjVrno>>:\n:\n:\n\x1b\x1b",
    "\x1b\x1bj:rno:\n\x1b",
    "\x1b\x1bG:rno:\n\x1b",
    "V.\x1b",
    "/a.\x1b",
    "rno\x1b",
];
const FRAME: TimeDelta = TimeDelta::milliseconds(16);
const ARMED: TimeDelta = TimeDelta::milliseconds(300);

/// Numbers that look random and are the same each time (SplitMix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }
}

/// What stands on the screen as the subject of the detail, and since when.
#[derive(Debug, Clone, PartialEq)]
struct Shown {
    id: String,
    digest: String,
    since: DateTime<Utc>,
}

struct Desk {
    model: Model,
    dice: Dice,
    begun: DateTime<Utc>,
    now: DateTime<Utc>,
    seq: u64,
    drawn: DateTime<Utc>,
    shown: Option<Shown>,
    grounds: World,
    drafts: BTreeMap<ProposalId, Draft>,
    open: Vec<ProposalId>,
    keys: VecDeque<char>,
    /// How long the reviewer looks before the next key.
    look: TimeDelta,
    /// What of the list that is confirmed is in sight since when, and what was so for long enough.
    listed: (u32, BTreeMap<ProposalId, DateTime<Utc>>, BTreeSet<ProposalId>),
    /// Approvals and rejections.
    decided: [usize; 2],
    /// The same of several at once.
    batches: [usize; 2],
    /// Asks that were worded anew or decided by others while they stood on the screen.
    moved: usize,
}

impl Desk {
    fn new(seed: u64) -> Self {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let mut model = Model::new(String::new(), String::new(), FixedOffset::east_opt(0).unwrap(), now);
        model.size = (80, 24);
        let mut desk = Self {
            model,
            dice: Dice(seed),
            begun: now,
            now,
            seq: 1,
            drawn: now,
            shown: None,
            grounds: World::new(),
            drafts: BTreeMap::new(),
            open: Vec::new(),
            keys: VecDeque::new(),
            look: TimeDelta::zero(),
            listed: (0, BTreeMap::new(), BTreeSet::new()),
            decided: [0; 2],
            batches: [0; 2],
            moved: 0,
        };
        desk.connect();
        desk
    }

    fn connect(&mut self) {
        let mut inbox = self.model.inbox.clone().unwrap_or_default();
        inbox.seq = self.seq;
        self.give(What::Feed(Update::Snapshot(Box::new(inbox))));
        self.give(What::Feed(Update::Connection(Connection::Live)));
    }

    fn give(&mut self, what: What) {
        self.draw();
        self.take(what);
    }

    fn uptime(&self) -> Duration {
        (self.now - self.begun).to_std().unwrap()
    }

    fn take(&mut self, what: What) {
        let msg = Msg { at: self.now, uptime: self.uptime(), what };
        for effect in update(&mut self.model, msg) {
            match effect {
                Effect::Decide(decision) => self.decides(decision),
                Effect::DecideMany(decisions) => self.decides_many(decisions),
                Effect::Resync => self.connect(),
                _ => {}
            }
        }
    }

    /// As the loop does: what is dirty comes on the screen before the next message is taken in.
    fn draw(&mut self) {
        if !self.model.is_dirty || self.now - self.drawn < FRAME {
            return;
        }
        self.drawn = self.now;
        let screen = super::text(draw(&self.model).backend().buffer());
        self.take(What::Drawn);
        self.read_list(&screen);
        let Some((id, digest)) = subject(&screen) else {
            // A prompt or a list of keys may lie on top: what it is about stood there before.
            return;
        };
        let same = self.shown.as_ref().is_some_and(|shown| shown.id == id && shown.digest == digest);
        if !same {
            self.shown = Some(Shown { id, digest, since: self.now });
        }
    }

    /// Which items of the list that is confirmed stand on the screen, and since when.
    fn read_list(&mut self, screen: &str) {
        let (serial, since, long) = &mut self.listed;
        let Overlay::Many(many) = &self.model.overlay else { return since.clear() };
        if *serial != many.serial {
            (*serial, *since, *long) = (many.serial, BTreeMap::new(), BTreeSet::new());
        }
        for item in &many.items {
            if screen.contains(&format!("+ {} ", item.id.short())) {
                since.entry(item.id).or_insert(self.now);
            } else if since.remove(&item.id).is_some_and(|since| self.now - since >= ARMED) {
                long.insert(item.id);
            }
        }
    }

    fn decides_many(&mut self, decisions: Vec<Decision>) {
        self.batches[usize::from(decisions[0].verb != Verb::Approve)] += 1;
        for decision in decisions {
            let (_, since, long) = &self.listed;
            let since = since.get(&decision.proposal).map(|since| self.now - *since);
            let is_long = since.is_some_and(|since| since >= ARMED) || long.contains(&decision.proposal);
            assert!(is_long, "decided {since:?} after it came in sight");
            self.record(decision);
        }
    }

    fn decides(&mut self, decision: Decision) {
        let shown = self.shown.clone().unwrap();
        assert_eq!(
            (decision.proposal.short(), decision.digest.short()),
            (shown.id.clone(), shown.digest.clone()),
            "decided on what is not shown"
        );
        assert!(self.now - shown.since >= ARMED, "decided {} after it came", self.now - shown.since);
        let is_approval = decision.verb == Verb::Approve;
        self.decided[usize::from(!is_approval)] += 1;
        self.record(decision);
    }

    fn record(&mut self, decision: Decision) {
        self.open.retain(|id| *id != decision.proposal);
        let recorded = Recorded { seq: self.seq + 1, revision: None, is_attached: true, lease: None };
        self.give(What::Answer(Box::new(Answer { decision, result: Ok(recorded) })));
    }

    fn event(&mut self, sandbox: SandboxName, event: Event) {
        self.seq += 1;
        let actor = Actor {
            kind: ActorKind::Agent,
            id: "/usr/bin/curl".into(),
            authenticated: "door".into(),
            unisolated: false,
            request: None,
        };
        let envelope = Envelope {
            seq: self.seq,
            id: EventId(Uuid::from_u128(self.seq.into())),
            stream: Stream::Sandbox(sandbox),
            stream_seq: self.seq,
            at: self.now,
            actor,
            event,
        };
        self.give(What::Feed(Update::Event(Box::new(envelope))));
    }

    /// Some ask for what others have asked for.
    fn rule(&mut self) -> Rule {
        match self.dice.below(12) {
            0 => rule("endpoints: [{host: pkg.example.net, port: 443}]\nbinaries: [{path: /usr/bin/pip}]"),
            1 => put("/repos/*/contents/**"),
            2..=4 => {
                let port = 1 + self.dice.below(60_000);
                rule(&format!(
                    "endpoints: [{{host: pkg.example.net, port: {port}}}]\nbinaries: [{{path: /usr/bin/pip}}]"
                ))
            }
            _ => put(&format!("/repos/o/r/{}", self.dice.below(100_000))),
        }
    }

    fn submit(&mut self, n: u64) {
        let proposal = ProposalId(Uuid::from_u128(u128::from(n) << 96 | 0x4000_8000));
        let draft = Draft {
            number: 1,
            rule_name: "asked".parse().unwrap(),
            rule: self.rule(),
            rationale: "a or r? Approve, says the agent.".to_owned(),
        };
        self.drafts.insert(proposal, draft.clone());
        self.open.push(proposal);
        let event = Event::ProposalSubmitted {
            proposal,
            run: RunId(Uuid::from_u128(7)),
            origin: Origin::AgentAuthored,
            submitted_by: draft.binary().to_owned(),
            draft,
            evidence: Vec::new(),
            validation_result: String::new(),
        };
        self.event(format!("box-{}", n % SANDBOXES).parse().unwrap(), event);
        self.review(proposal);
    }

    fn review(&mut self, proposal: ProposalId) {
        let review = Review::of(&self.grounds.ground, proposal, &self.drafts[&proposal], &[]);
        self.give(What::Feed(Update::Reviewed(proposal, Box::new(review))));
    }

    /// What is on the screen changes under the reviewer's hands.
    fn disturb(&mut self) {
        let Some(id) = self.model.selected().filter(|id| self.open.contains(id)) else { return };
        self.moved += 1;
        match self.dice.below(3) {
            // A grant came or ended: it would change something else now.
            0 => {
                self.grounds.ground.writable.push(format!("/w{}", self.moved));
                let rule = self.rule();
                self.drafts.get_mut(&id).unwrap().rule = rule;
                self.review(id);
            }
            1 => {
                let retry_in = Duration::from_millis(50);
                let lost = Connection::Reconnecting { retry_in, why: "broken".into() };
                self.give(What::Feed(Update::Connection(lost)));
                self.connect();
            }
            _ => {
                self.open.retain(|open| *open != id);
                let sandbox = self.model.proposal(id).unwrap().sandbox.clone();
                self.event(sandbox, Event::ProposalWithdrawn { proposal: id });
            }
        }
    }

    fn key(&mut self) {
        let Some(c) = self.keys.pop_front() else {
            let at = usize::try_from(self.dice.below(HABITS.len() as u64)).unwrap();
            self.keys.extend(HABITS[at].chars());
            return self.key();
        };
        if let '.' | ':' = c {
            let least = if c == ':' { 250 } else { 0 };
            self.look = TimeDelta::milliseconds(i64::try_from(least + self.dice.below(900 - least)).unwrap());
            return;
        }
        let code = match c {
            '\n' => KeyCode::Enter,
            '\x1b' => KeyCode::Esc,
            '\t' => KeyCode::Tab,
            '>' => KeyCode::PageDown,
            letter => KeyCode::Char(letter),
        };
        let key = KeyEvent::new(code, KeyModifiers::NONE);
        let (read, is_alone) = (self.uptime(), self.dice.below(8) > 0);
        self.give(What::Key(Press { key, read, is_alone }));
    }
}

/// `1a2b3c4d@5e6f70`, where the frame of the detail has it.
fn subject(screen: &str) -> Option<(String, String)> {
    screen.char_indices().find_map(|(at, c)| {
        let id = screen.get(at.checked_sub(8)?..at)?;
        let digest = screen.get(at + 1..at + 7)?;
        let is_hex = |text: &str| text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        (c == '@' && is_hex(id) && is_hex(digest)).then(|| (id.to_owned(), digest.to_owned()))
    })
}

/// Kills: a decision on what came a moment ago, on what is not on the screen, or with the digest of another wording.
#[test]
fn no_decision_hits_anything_but_what_was_on_the_screen() {
    let mut desk = Desk::new(9);
    let (mut next_key, mut next_disturbance) = (desk.now, desk.now);
    for n in 1..=20_000 {
        desk.now += TimeDelta::milliseconds(5);
        if n <= ASKS {
            desk.submit(n);
        }
        while desk.now >= next_key {
            desk.key();
            // Hasty, at ease, or away for a moment.
            let most = [12, 40, 120][usize::try_from(desk.dice.below(3)).unwrap()];
            next_key += TimeDelta::milliseconds(i64::try_from(1 + desk.dice.below(most)).unwrap());
            next_key += std::mem::take(&mut desk.look);
        }
        if desk.now >= next_disturbance {
            desk.disturb();
            next_disturbance += TimeDelta::milliseconds(i64::try_from(500 + desk.dice.below(2_000)).unwrap());
        }
        if n % 200 == 0 {
            desk.give(What::Tick);
        }
    }
    assert!(desk.decided.iter().all(|count| *count >= 1), "{:?} of {} moves", desk.decided, desk.moved);
    assert!(desk.batches.iter().all(|count| *count >= 1), "{:?}", desk.batches);
    assert!(desk.moved >= 20, "{}", desk.moved);
}
