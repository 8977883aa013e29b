//! A screen with a gateway played by hand.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, FixedOffset, Utc};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use openshell_domain::event::{Actor, ActorKind, Envelope, Event, Isolation};
use openshell_domain::id::{Digest, EventId, ProposalId, Revision, RuleName, RunId, SandboxName, Stream};
use openshell_domain::inbox::{Inbox, SandboxView};
use openshell_domain::node::{Place, from_yaml};
use openshell_domain::policy::Rule;
use openshell_domain::policy::effective::{Composition, Grant, Provenance, Source as PolicyFile};
use openshell_domain::policy::read::{Source, policy_from_bytes, rule_from_node};
use openshell_domain::policy::risk::{Credential, Seen};
use openshell_domain::proposal::{Closure, Decision as Made, Draft, Lease, Origin, Proposal};
use openshell_domain::review::Review;
use openshell_domain::state::Sandbox;

use crate::client::asks::Explained;
use crate::client::watch::{Connection, Update};
use crate::client::{ClientError, Decision, Effective, Recorded, Verified};
use crate::screen::Notice;
use crate::screen::arming::Press;
use crate::screen::model::Model;
use crate::screen::msg::{Answer, Effect, Msg, What};
use crate::screen::update::update;

#[derive(Clone)]
pub(crate) struct World {
    pub(crate) model: Model,
    pub(crate) effects: Vec<Effect>,
    /// Of how many asks the reviewer was told, each time.
    pub(crate) alerts: Vec<usize>,
    /// What asks are compared with.
    pub(crate) ground: Sandbox,
    /// What was denied before the next ask.
    pub(crate) seen: Vec<Seen>,
    /// Every event, as the log has it.
    pub(crate) log: Vec<Envelope>,
    at: DateTime<Utc>,
    /// How long the screen has been open: reviewers take their time, a second a key.
    uptime: Duration,
    seq: u64,
}

/// What the sandbox may do without asking.
const BASE: &str = r"
version: 1
network_policies:
  github:
    endpoints: [{host: api.github.com, port: 443, protocol: rest, enforcement: enforce, access: read-only}]
    binaries: [{path: /usr/bin/curl}]
  items:
    endpoints:
      - host: api.example.net
        port: 443
        protocol: rest
        enforcement: enforce
        rules: [{allow: {method: GET, path: /v1/items/*}}]
        deny_rules: [{method: '*', path: /v1/secret/**}]
    binaries: [{path: /usr/bin/python3.11}]
  mirror:
    endpoints: [{host: files.example.net, port: 443}]
    binaries: [{path: /usr/bin/curl}]
";

/// A rule that is too much work to be compared.
pub(crate) const HARD: &str = "endpoints: [{host: api.example.net, port: 443, protocol: rest, enforcement: enforce, rules: [{allow: {method: GET, path: '/**/a/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/b'}}]}]\nbinaries: [{path: /usr/bin/python3.11}]";

fn ground() -> Sandbox {
    let base = policy_from_bytes(BASE.as_bytes()).unwrap().policy;
    Sandbox {
        composition: Composition::new(base),
        credentials: vec![Credential { name: "GITHUB_TOKEN".into(), hosts: vec!["api.github.com".into()] }],
        writable: vec!["/work".into()],
        ..Sandbox::default()
    }
}

pub(crate) fn id(n: u128) -> ProposalId {
    ProposalId(uuid::Uuid::from_u128(0x3f0c_5c1e_6f0b_4a52_9c33_1f5b_2d4c_0000 + (n << 100) + n))
}

fn sandbox() -> SandboxName {
    "policy-demo".parse().unwrap()
}

pub(crate) fn rule(yaml: &str) -> Rule {
    rule_from_node(&from_yaml(yaml).unwrap(), Source::File, "rule").unwrap()
}

pub(crate) fn put(path: &str) -> Rule {
    rule(&format!(
        "endpoints: [{{host: api.github.com, port: 443, protocol: rest, enforcement: enforce, rules: [{{allow: {{method: PUT, path: {path}}}}}]}}]\nbinaries: [{{path: /usr/bin/curl}}]"
    ))
}

impl World {
    pub(crate) fn new() -> Self {
        let at = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let zone = FixedOffset::east_opt(0).unwrap();
        let model = Model::new(
            "openshell-inbox".into(),
            "/run/user/1000/openshell-inbox/gateway.sock".into(),
            zone,
            at,
        );
        Self {
            model,
            effects: Vec::new(),
            alerts: Vec::new(),
            ground: ground(),
            seen: Vec::new(),
            log: Vec::new(),
            at,
            uptime: Duration::ZERO,
            seq: 1,
        }
    }

    /// Three proposals, the first one selected: L7, L4, and one of everything.
    pub(crate) fn with_three() -> Self {
        let mut world = Self::new();
        world.live();
        let all = "endpoints: [{host: '*.example.net', ports: [443, 8443], path: /v1/**, protocol: rest, enforcement: audit, rules: [{allow: {method: GET, path: /v1/find, query: {lang: {any: [en, de-*]}}}}, {allow: {method: POST, path: /v1/items/**}}], deny_rules: [{method: GET, path: /v1/secret}], allowed_ips: [10.1.0.0/16]}]\nbinaries: [{path: /usr/bin/python3.11}, {path: /opt/tools/**}]";
        world.submit(3, "read_items", rule(all), "Reads the items of the catalogue and posts new ones.\n\nSecond paragraph with a tab\there, and an escape: \u{1b}[31mred\u{1b}[0m.");
        world.pass(95);
        let l4 = "endpoints: [{host: pkg.example.net, port: 443}]\nbinaries: [{path: /usr/bin/pip}]";
        world.submit(2, "install_packages", rule(l4), "pip install -r requirements.txt");
        world.pass(29);
        world.submit_put(1, "/repos/o/r/contents/demo/run-1.md", "write one file for run 1");
        world.pass(11);
        world.press("g");
        world
    }

    pub(crate) fn feed(&mut self, update: Update) {
        self.give(What::Feed(update));
    }

    pub(crate) fn give(&mut self, what: What) {
        for effect in update(&mut self.model, Msg { at: self.at, uptime: self.uptime, what }) {
            match effect {
                Effect::Alert(asks) => self.alerts.push(asks),
                // Of the terminal alone; the test in a pty sees what it is for.
                Effect::Repaint => {}
                other => self.effects.push(other),
            }
        }
    }

    pub(crate) fn pass(&mut self, seconds: u64) {
        self.at += Duration::from_secs(seconds);
        self.give(What::Tick);
    }

    pub(crate) fn pass_ms(&mut self, milliseconds: u64) {
        self.at += Duration::from_millis(milliseconds);
        self.give(What::Tick);
    }

    pub(crate) fn resize(&mut self, columns: u16, lines: u16) {
        self.give(What::Resize(columns, lines));
    }

    pub(crate) fn notice(&mut self, text: &str) {
        self.give(What::Notice(Notice(text.to_owned())));
    }

    pub(crate) fn paste(&mut self, text: &str) {
        self.give(What::Paste(text.to_owned()));
    }

    /// Presses keys: letters are themselves, `\n` is enter, `\x1b` escape, `\t` tab.
    pub(crate) fn press(&mut self, keys: &str) {
        for c in keys.chars() {
            let code = match c {
                '\n' => KeyCode::Enter,
                '\x1b' => KeyCode::Esc,
                '\t' => KeyCode::Tab,
                c => KeyCode::Char(c),
            };
            self.key(code, KeyModifiers::NONE);
        }
    }

    /// Presses a key after having looked at the screen for a second.
    pub(crate) fn key(&mut self, code: KeyCode, modifiers: KeyModifiers) {
        self.give(What::Drawn);
        self.after(1_000);
        let (key, read) = (KeyEvent::new(code, modifiers), self.uptime);
        self.give(What::Key(Press { key, read, is_alone: true }));
    }

    /// Lets the clock that never goes back go on.
    pub(crate) fn after(&mut self, milliseconds: u64) {
        self.uptime += Duration::from_millis(milliseconds);
    }

    /// Presses a letter at once: whatever is on the screen, whatever was pressed before.
    pub(crate) fn tap(&mut self, letter: char, is_alone: bool) {
        self.strike(KeyEvent::new(KeyCode::Char(letter), KeyModifiers::NONE), is_alone);
    }

    pub(crate) fn strike(&mut self, key: KeyEvent, is_alone: bool) {
        self.give(What::Key(Press { key, read: self.uptime, is_alone }));
    }

    pub(crate) fn inbox(&self) -> Inbox {
        let view = SandboxView {
            isolation: Some(Isolation::Netns),
            advisor: true,
            revision: Revision(1),
            loaded: Revision(1),
            ..SandboxView::default()
        };
        Inbox { seq: self.seq, sandboxes: [(sandbox(), view)].into(), ..Inbox::default() }
    }

    pub(crate) fn live(&mut self) {
        let snapshot = self.model.inbox.clone().unwrap_or_else(|| self.inbox());
        self.feed(Update::Snapshot(Box::new(snapshot)));
        self.feed(Update::Connection(Connection::Live));
    }

    pub(crate) fn unisolated(&mut self) {
        let inbox = self.model.inbox.as_mut().unwrap();
        inbox.sandboxes.values_mut().for_each(|view| view.isolation = Some(Isolation::None));
    }

    pub(crate) fn host_root(&mut self) {
        let inbox = self.model.inbox.as_mut().unwrap();
        inbox.sandboxes.values_mut().for_each(|view| view.host_root = true);
    }

    pub(crate) fn quarantined(&mut self) {
        let inbox = self.model.inbox.as_mut().unwrap();
        let error = || Some("endpoints[0].protocol: unknown".to_owned());
        inbox.sandboxes.values_mut().for_each(|view| view.load_error = error());
    }

    pub(crate) fn reconnecting(&mut self) {
        let retry_in = Duration::from_millis(1_200);
        self.feed(Update::Connection(Connection::Reconnecting { retry_in, why: "broken".into() }));
    }

    pub(crate) fn offline(&mut self) {
        let retry_in = Duration::from_secs(4);
        let why = "Connection refused (os error 111)".to_owned();
        self.feed(Update::Connection(Connection::Offline { retry_in, why }));
    }

    pub(crate) fn selected(&self) -> ProposalId {
        self.model.selected().unwrap()
    }

    pub(crate) fn event(&mut self, kind: ActorKind, event: Event) {
        let who = match kind {
            ActorKind::Reviewer => "uid:1000",
            ActorKind::System => "supervisor:7",
            ActorKind::Agent => "/usr/bin/curl",
        };
        self.event_of(kind, who, event);
    }

    pub(crate) fn event_of(&mut self, kind: ActorKind, id: &str, event: Event) {
        self.seq += 1;
        let envelope = Envelope {
            seq: self.seq,
            id: EventId(uuid::Uuid::from_u128(self.seq.into())),
            stream: Stream::Sandbox(sandbox()),
            stream_seq: self.seq,
            at: self.at,
            actor: Actor {
                kind,
                id: id.into(),
                authenticated: "door".into(),
                unisolated: false,
                request: None,
            },
            event,
        };
        self.log.push(envelope.clone());
        self.feed(Update::Event(Box::new(envelope)));
    }

    /// Who is connected, and for which proposals agents wait.
    pub(crate) fn waiting(&mut self, waited: &[(u128, u32)]) {
        self.feed(Update::Attached(sandbox(), true));
        let waiting = waited.iter().map(|(n, agents)| (id(*n), *agents)).collect();
        self.feed(Update::Waiting(sandbox(), waiting));
    }

    /// Answers everything that the screen has asked for since the last time, as a gateway does.
    pub(crate) fn serve(&mut self) {
        for effect in std::mem::take(&mut self.effects) {
            match effect {
                Effect::ReadPolicy(name) => {
                    let (policy, origins) = (self.ground.composition.effective(), self.origins());
                    let revision = self.model.inbox.as_ref().unwrap().sandboxes[&name].revision;
                    let answer = Effective { revision, loaded: revision, load_error: None, policy, origins };
                    self.give(What::Policy(name, Ok(Box::new(answer))));
                }
                Effect::ReadLog(from) => {
                    let events = self.log.iter().filter(|event| event.seq > from).cloned().collect();
                    self.give(What::Log(Ok(events)));
                }
                Effect::Explain(asked) => {
                    let text = format!(
                        "{} {}{} by {} is denied\n  no rule of the policy is for this host and this program",
                        asked.method, asked.host, asked.target, asked.binary
                    );
                    let (revision, loaded) = (Revision(2), Revision(1));
                    let explanation = serde_json::Value::Null;
                    let told = Explained { revision, loaded, text, explanation };
                    self.give(What::Explained(*asked, Ok(told)));
                }
                Effect::Preview(wording) => {
                    let known = self.model.proposal(wording.proposal).unwrap().draft.clone();
                    let (rule_name, rule) = (wording.rule_name.clone(), wording.rule.clone());
                    let draft = Draft { number: known.number + 1, rule_name, rule, ..known };
                    let review = Review::of(&self.ground, wording.proposal, &draft, &[]);
                    self.give(What::Previewed(wording, Ok(Box::new(review))));
                }
                Effect::VerifyLog => {
                    let head = "2f95b3a6d1c4".repeat(5);
                    let found = Verified { seq: self.seq, head, signed: self.seq - 1, problems: Vec::new() };
                    self.give(What::Proven(Ok(found)));
                }
                other => self.effects.push(other),
            }
        }
    }

    fn origins(&self) -> BTreeMap<RuleName, Provenance> {
        let places = [("github", 3), ("items", 6), ("mirror", 13)];
        let places = places.map(|(key, line)| (key.parse().unwrap(), Place { line, column: 3 })).into();
        self.ground.composition.provenances(&PolicyFile { file: "policy.yaml", places: &places })
    }

    /// What the screen has asked for is refused.
    pub(crate) fn fail(&mut self, why: &str) {
        for effect in std::mem::take(&mut self.effects) {
            match effect {
                Effect::ReadPolicy(name) => self.give(What::Policy(name, Err(why.to_owned()))),
                Effect::ReadLog(_) => self.give(What::Log(Err(why.to_owned()))),
                Effect::Explain(asked) => self.give(What::Explained(*asked, Err(why.to_owned()))),
                Effect::VerifyLog => self.give(What::Proven(Err(why.to_owned()))),
                other => self.effects.push(other),
            }
        }
    }

    pub(crate) fn submit(&mut self, n: u128, name: &str, rule: Rule, rationale: &str) -> ProposalId {
        self.at += Duration::from_millis(1);
        let draft =
            Draft { number: 1, rule_name: name.parse().unwrap(), rule, rationale: rationale.to_owned() };
        let submitted_by = draft.binary().to_owned();
        let review = self.look(n, &draft);
        let run = RunId(uuid::Uuid::from_u128(7));
        let event = Event::ProposalSubmitted {
            proposal: id(n),
            run,
            origin: Origin::AgentAuthored,
            submitted_by,
            draft,
            evidence: std::mem::take(&mut self.seen),
            validation_result: String::new(),
        };
        self.event(ActorKind::Agent, event);
        self.feed(Update::Reviewed(id(n), Box::new(review)));
        id(n)
    }

    fn look(&self, n: u128, draft: &Draft) -> Review {
        Review::of(&self.ground, id(n), draft, &self.seen)
    }

    /// Looks at a pending proposal again and says so, as the gateway does when its review is another one.
    pub(crate) fn reviewed(&mut self, n: u128) {
        let draft = self.model.proposal(id(n)).unwrap().draft.clone();
        let review = self.look(n, &draft);
        self.feed(Update::Reviewed(id(n), Box::new(review)));
    }

    /// Somebody words a proposal anew.
    pub(crate) fn reworded(&mut self, n: u128, rule: Rule) -> Proposal {
        let mut proposal = self.model.proposal(id(n)).unwrap().clone();
        let number = proposal.draft.number + 1;
        proposal.draft = Draft { number, rule, ..proposal.draft };
        proposal.review = Some(self.look(n, &proposal.draft).into());
        let (draft, validation_result) = (proposal.draft.clone(), String::new());
        self.event(ActorKind::Reviewer, Event::DraftRevised { proposal: id(n), draft, validation_result });
        self.reviewed(n);
        proposal
    }

    /// A denial before the next ask.
    pub(crate) fn denied(&mut self, method: &str, path: &str, count: u64) {
        let (binary, host) = ("/usr/bin/curl".to_owned(), "api.github.com".to_owned());
        let (method, path) = (Some(method.to_owned()), Some(path.to_owned()));
        let sha256 = Some(Digest([0x7c; 32]));
        self.seen.push(Seen { binary, host, port: 443, method, path, count, sha256 });
    }

    /// A grant that is in force beside the policy file.
    pub(crate) fn granted(&mut self, n: u128, key: &str, rule: Rule) {
        let key: RuleName = key.parse().unwrap();
        let actor = Actor {
            kind: ActorKind::Reviewer,
            id: "uid:1000".into(),
            authenticated: "door".into(),
            unisolated: false,
            request: None,
        };
        self.ground.composition.grant(Grant {
            key: key.clone(),
            proposal: id(n),
            draft: Draft { number: 1, rule_name: key, rule, rationale: String::new() },
            lease: Lease::Run,
            decision: Made { by: actor, at: self.at, reason: String::new(), digest: Digest([0; 32]) },
            run: None,
            base: self.ground.composition.base_hash(),
            ended: None,
        });
    }

    /// Nothing is left to decide about a proposal.
    pub(crate) fn closed(&mut self, proposal: ProposalId, rules: &[&str]) {
        let rules = rules.iter().map(|rule| (*rule).to_owned()).collect();
        let reason = Closure::AlreadyCovered(rules);
        let event = Event::ProposalClosed { proposal, reason, revision: Revision(2) };
        self.event(ActorKind::System, event);
    }

    /// What the gateway's snapshots are: without reviews, which come behind it.
    pub(crate) fn unseen(&self) -> Inbox {
        let mut inbox = self.model.inbox.clone().unwrap();
        inbox.proposals.values_mut().for_each(|proposal| proposal.review = None);
        inbox
    }

    pub(crate) fn submit_put(&mut self, n: u128, path: &str, rationale: &str) -> ProposalId {
        self.submit(n, "put_file", put(path), rationale)
    }

    pub(crate) fn approved(&mut self, proposal: ProposalId, revision: u64, reason: &str) {
        let event = Event::ProposalApproved {
            proposal,
            draft: 1,
            digest: self.quoted(proposal),
            difference: None,
            lease: Lease::Run,
            reason: reason.to_owned(),
            revision: Revision(revision),
            key: None,
            grounds: None,
        };
        self.event(ActorKind::Reviewer, event);
    }

    pub(crate) fn rejected(&mut self, proposal: ProposalId, reason: &str) {
        let digest = self.quoted(proposal);
        let (reason, hints) = (reason.to_owned(), Vec::new());
        let event =
            Event::ProposalRejected { proposal, draft: 1, digest, reason, hints, snoozed_until: None };
        self.event(ActorKind::Reviewer, event);
    }

    /// What a decision on a proposal quotes.
    fn quoted(&self, proposal: ProposalId) -> Digest {
        self.model.proposal(proposal).and_then(Proposal::digest).unwrap_or(Digest([0; 32]))
    }

    pub(crate) fn undone(&mut self, proposal: ProposalId) {
        let (digest, reason) = (self.quoted(proposal), String::new());
        let draft = self.model.proposal(proposal).unwrap().draft.number;
        let event = Event::DecisionUndone { proposal, draft, digest, reason, reopened: draft + 1 };
        self.event(ActorKind::Reviewer, event);
    }

    pub(crate) fn revoked(&mut self, proposal: ProposalId) {
        let (digest, reason) = (self.quoted(proposal), String::new());
        self.event(ActorKind::Reviewer, Event::GrantRevoked { proposal, digest, reason });
    }

    pub(crate) fn loaded(&mut self, revision: u64) {
        self.at += Duration::from_millis(3);
        let run = RunId(uuid::Uuid::from_u128(7));
        self.event(ActorKind::System, Event::PolicyLoaded { revision: Revision(revision), run });
    }

    /// The decision that was sent last.
    pub(crate) fn decision(&self, proposal: ProposalId) -> Decision {
        let sent = self.effects.iter().rev().find_map(|effect| match effect {
            Effect::Decide(decision) if decision.proposal == proposal => Some(decision.clone()),
            _ => None,
        });
        sent.unwrap()
    }

    pub(crate) fn answer(&mut self, proposal: ProposalId, result: Result<Recorded, ClientError>) {
        let decision = self.decision(proposal);
        self.give(What::Answer(Box::new(Answer { decision, result })));
    }

    pub(crate) fn answer_recorded(&mut self, proposal: ProposalId, revision: Option<u64>, is_attached: bool) {
        let recorded =
            Recorded { seq: self.seq + 1, revision: revision.map(Revision), is_attached, lease: None };
        self.answer(proposal, Ok(recorded));
    }
}
