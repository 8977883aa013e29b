//! `update` and `view` in this process: events of every kind, keys, and frames of 200×60 cells.

use std::time::{Duration, Instant};

use chrono::{DateTime, FixedOffset, Utc};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use openshell_domain::event::{Actor, ActorKind, Envelope, Event};
use openshell_domain::id::{Digest, EventId, ProposalId, Revision, RunId, SandboxName, Stream};
use openshell_domain::inbox::Inbox;
use openshell_domain::node::from_yaml;
use openshell_domain::policy::Rule;
use openshell_domain::policy::effective::Composition;
use openshell_domain::policy::read::{Source, policy_from_bytes, rule_from_node};
use openshell_domain::proposal::{Draft, Lease, Origin};
use openshell_domain::review::Review;
use openshell_domain::state::Sandbox;
use openshell_inbox::client::watch::{Connection, Update};
use openshell_inbox::screen::arming::Press;
use openshell_inbox::screen::model::Model;
use openshell_inbox::screen::msg::{Msg, What};
use openshell_inbox::screen::theme::Theme;
use openshell_inbox::screen::update::update;
use openshell_inbox::screen::view::view;
use ratatui::Terminal;
use ratatui::backend::TestBackend;

const SANDBOXES: u128 = 50;

/// A log that goes on, and the screen that follows it.
struct Feed {
    model: Model,
    terminal: Terminal<TestBackend>,
    rule: Rule,
    at: DateTime<Utc>,
    seq: u64,
    next: u128,
}

pub(crate) fn measure(count: u128) {
    let mut feed = Feed::new(count);
    let target = Duration::from_millis(1);
    let events = (0..2_000).map(|n| feed.step(n)).collect();
    report(&format!("update and view of an event, {count} pending"), events, target);
    let keys = ["j", "j", "j", "G", "k", "g", "2", "j", "j", "1", "4", "1", "5", "1"];
    let keys = keys.iter().cycle().take(2_000).map(|key| feed.key(key)).collect();
    report(&format!("update and view of a key, {count} pending"), keys, target);
    let ticks = (0..500).map(|_| feed.time(What::Tick)).collect();
    report(&format!("update and view of a second, {count} pending"), ticks, target);
    // Looks at all of them, and makes all rows anew.
    let letters = ["/", "4", "2", "\u{1b}"];
    let letters = letters.iter().cycle().take(80).map(|key| feed.key(key)).collect();
    report(&format!("update and view of a filter's letter, {count}"), letters, Duration::from_millis(100));
}

/// Once as the clock on the wall has it, and once as this thread had the processor: of two that others use as well, the
/// second is what the screen costs.
fn report(name: &str, times: Vec<[Duration; 2]>, target: Duration) {
    let [wall, own] = [0, 1].map(|which| times.iter().map(|pair| pair[which]).collect());
    crate::report(name, wall, target);
    crate::report("  of that, processor time", own, target);
}

fn processor() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap(), time.tv_nsec.try_into().unwrap())
}

impl Feed {
    fn new(count: u128) -> Self {
        let yaml = "endpoints: [{host: api.example.net, port: 443, protocol: rest, enforcement: enforce, rules: [{allow: {method: PUT, path: /v1/items/item}}]}]\nbinaries: [{path: /usr/bin/curl}]";
        let rule = rule_from_node(&from_yaml(yaml).unwrap(), Source::File, "rule").unwrap();
        let at = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let mut model = Model::new("bench".into(), "bench".into(), FixedOffset::east_opt(0).unwrap(), at);
        model.size = (200, 60);
        let terminal = Terminal::new(TestBackend::new(200, 60)).unwrap();
        let mut feed = Self { model, terminal, rule, at, seq: 0, next: 0 };
        let mut inbox = Inbox::default();
        for _ in 0..count {
            let envelope = feed.submitted();
            inbox.apply(&envelope).unwrap();
        }
        feed.take(What::Feed(Update::Snapshot(Box::new(inbox))));
        let review = feed.review();
        for n in 0..count {
            feed.take(What::Feed(Update::Reviewed(id(n), Box::new(review.clone()))));
        }
        feed.take(What::Feed(Update::Connection(Connection::Live)));
        feed.draw(|| ());
        feed
    }

    /// What happens next: mostly asks, now and then a decision or agents that begin to wait.
    fn step(&mut self, n: u128) -> [Duration; 2] {
        match n % 5 {
            0 => {
                let event = self.approved(n * 7);
                self.time(What::Feed(Update::Event(Box::new(event))))
            }
            1 => {
                let waiting = [(id(self.next - 1 - n * 3), 1)].into();
                self.time(What::Feed(Update::Waiting(sandbox(n), waiting)))
            }
            _ => {
                let event = self.submitted();
                self.time(What::Feed(Update::Event(Box::new(event))))
            }
        }
    }

    fn key(&mut self, key: &str) -> [Duration; 2] {
        let code = match key {
            "\u{1b}" => KeyCode::Esc,
            letter => KeyCode::Char(letter.chars().next().unwrap()),
        };
        let key = KeyEvent::new(code, KeyModifiers::NONE);
        let read = self.uptime();
        self.time(What::Key(Press { key, read, is_alone: true }))
    }

    /// How long `update` and `view` take, with what is taken in of the frame afterwards; what the terminal does with it
    /// in between is not theirs.
    fn time(&mut self, what: What) -> [Duration; 2] {
        self.at += Duration::from_millis(5);
        let (begun, had) = (Instant::now(), processor());
        self.take(what);
        let until = self.draw(|| [begun.elapsed(), processor() - had]);
        let (begun, had) = (Instant::now(), processor());
        self.take(What::Drawn);
        [until[0] + begun.elapsed(), until[1] + (processor() - had)]
    }

    /// What an ask would change, as the gateway says; of the same kind for all of them.
    fn review(&self) -> Review {
        let policy = "version: 1\nnetwork_policies: {}\n";
        let base = policy_from_bytes(policy.as_bytes()).unwrap().policy;
        let ground = Sandbox { composition: Composition::new(base), ..Sandbox::default() };
        Review::of(&ground, id(0), &self.draft(0), &[])
    }

    fn uptime(&self) -> Duration {
        Duration::from_millis(self.at.timestamp_millis().try_into().unwrap())
    }

    fn take(&mut self, what: What) {
        let uptime = self.uptime();
        update(&mut self.model, Msg { at: self.at, uptime, what });
    }

    fn draw<T>(&mut self, after: impl Fn() -> T) -> T {
        let (model, theme) = (&self.model, Theme::dark());
        let mut told = None;
        self.terminal
            .draw(|frame| {
                view(model, &theme, frame);
                told = Some(after());
            })
            .unwrap();
        told.unwrap()
    }

    fn submitted(&mut self) -> Envelope {
        let n = self.next;
        self.next += 1;
        let draft = self.draft(n);
        let event = Event::ProposalSubmitted {
            proposal: id(n),
            run: RunId(uuid::Uuid::from_u128(7)),
            origin: Origin::AgentAuthored,
            submitted_by: "/usr/bin/curl".to_owned(),
            draft,
            evidence: Vec::new(),
            validation_result: String::new(),
        };
        self.envelope(n, ActorKind::Agent, event)
    }

    fn draft(&self, n: u128) -> Draft {
        Draft {
            number: 1,
            rule_name: "put_item".parse().unwrap(),
            rule: self.rule(n),
            rationale: "one more".to_owned(),
        }
    }

    /// Most ask for something of their own; one in eight asks again for what was asked for before.
    fn rule(&self, n: u128) -> Rule {
        let mut rule = self.rule.clone();
        let item = if n % 8 == 7 { n / 64 } else { n };
        rule.endpoints[0].rules[0].allow.path = format!("/v1/items/{item}");
        rule
    }

    fn approved(&mut self, n: u128) -> Envelope {
        let event = Event::ProposalApproved {
            proposal: id(n),
            draft: 1,
            digest: Digest([0; 32]),
            difference: None,
            lease: Lease::Run,
            reason: String::new(),
            revision: Revision(2),
            key: None,
            grounds: None,
        };
        self.envelope(n, ActorKind::Reviewer, event)
    }

    fn envelope(&mut self, n: u128, kind: ActorKind, event: Event) -> Envelope {
        self.seq += 1;
        self.at += Duration::from_millis(1);
        Envelope {
            seq: self.seq,
            id: EventId(uuid::Uuid::from_u128(self.seq.into())),
            stream: Stream::Sandbox(sandbox(n)),
            stream_seq: self.seq,
            at: self.at,
            actor: Actor {
                kind,
                id: "uid:1000".into(),
                authenticated: "door".into(),
                unisolated: false,
                request: None,
            },
            event,
        }
    }
}

fn id(n: u128) -> ProposalId {
    // In no order, as random ids are.
    ProposalId(uuid::Uuid::from_u128((n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)))
}

fn sandbox(n: u128) -> SandboxName {
    format!("sandbox-{}", n % SANDBOXES).parse().unwrap()
}
