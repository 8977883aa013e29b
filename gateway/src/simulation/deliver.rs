//! What each process does with what arrives: the adapters that are tasks and sockets in the product.

use openshell_domain::command::{Command, EndRun, Spend, Withdraw};
use openshell_domain::event::{Actor, Event as Fact, RunEnd};
use openshell_domain::id::{RunId, SandboxName};
use openshell_domain::review::Review;
use openshell_supervisor::link::LinkError;
use openshell_wire::envelope;
use openshell_wire::pb::inbox as pb;
use openshell_wire::pb::inbox::directive::Directive;
use openshell_wire::pb::inbox::inbox_frame::Frame;
use openshell_wire::pb::inbox::report::Report;
use tonic::Status;

use super::check::Check;
use super::gateway::{For, Watch};
use super::network::{Conn, Event, Message, Node};
use super::world::World;
use crate::inbox_service::watch::Snapshot;
use crate::status;
use crate::store::writer::{NotDone, Outcome};
use crate::supervisor_service::{attach, authorise, course};

/// The word of a refusal.
fn word(status: &Status) -> String {
    status.metadata().get("openshell-refusal").map_or("", |word| word.to_str().unwrap()).to_owned()
}

impl World {
    pub(super) fn at_gateway(&mut self, conn: Conn, message: Message) {
        if conn < self.since || self.gateway.is_none() {
            return self.network.kill(&mut self.random, conn);
        }
        match message {
            Message::Report(Report::Hello(hello)) => self.hello(conn, hello),
            Message::Report(report) => {
                let gateway = self.gateway.as_mut().unwrap();
                let Some(session) = gateway.sessions.get(&conn) else { return };
                let command = course::command(&session.name, session.run, report);
                self.ask(For::Report(conn), command);
            }
            Message::Watch(from) => self.watch(conn, from),
            Message::Submit(secret, submit) => {
                let run = self.authorised(&submit.sandbox, &secret);
                match run {
                    Some(_) => self.ask(For::Call(conn), Some(Command::Submit(submit))),
                    None => self.answer(conn, Message::Submitted(Err(NotDone::Unavailable("secret".into())))),
                }
            }
            Message::Spend(secret, sandbox, proposal) => match self.authorised(&sandbox, &secret) {
                Some(run) => {
                    self.ask(For::Call(conn), Some(Command::Spend(Spend { sandbox, run, proposal })));
                }
                None => self.answer(conn, Message::Spent(Err(Status::permission_denied("secret")))),
            },
            Message::EndRun(secret, sandbox) => {
                let run = self.authorised(&sandbox, &secret);
                let end =
                    |run| EndRun { sandbox, run, reason: RunEnd::Finished, actor: Actor::supervisor(run) };
                self.ask(For::Nobody, run.map(|run| Command::EndRun(end(run))));
            }
            Message::Withdraw(secret, sandbox, proposal) => {
                let by = "/usr/bin/curl".to_owned();
                let run = self.authorised(&sandbox, &secret);
                self.ask(For::Nobody, run.map(|_| Command::Withdraw(Withdraw { sandbox, proposal, by })));
            }
            Message::Look(id) => {
                let state = self.gateway.as_ref().unwrap().state();
                let proposal = state.proposal(id).filter(|proposal| proposal.is_pending());
                let digest = proposal.map(|proposal| {
                    let sandbox = &state.sandboxes[&proposal.sandbox];
                    Review::of(sandbox, id, &proposal.draft, &proposal.evidence).digest
                });
                self.answer(conn, Message::Looked(digest));
            }
            Message::Decide(command) => self.ask(For::Call(conn), Some(command)),
            _ => {}
        }
    }

    fn authorised(&self, name: &SandboxName, secret: &[u8]) -> Option<RunId> {
        let state = self.gateway.as_ref()?.state();
        authorise(&state, name, secret).ok()?.run()
    }

    fn answer(&mut self, conn: Conn, message: Message) {
        if let Some(client) = self.network.client(conn) {
            self.send(conn, client, message);
        }
    }

    fn ask(&mut self, to: For, command: Option<Command>) {
        let (Some(command), Some(gateway)) = (command, &mut self.gateway) else { return };
        gateway.queue.push((to, command));
        self.soon(Event::Work, 0, 5);
    }

    fn hello(&mut self, conn: Conn, hello: pb::Hello) {
        let gateway = self.gateway.as_mut().unwrap();
        let (name, run): (SandboxName, RunId) = (hello.sandbox.parse().unwrap(), hello.run.parse().unwrap());
        let secret = hello.run_secret.clone();
        if secret.is_empty() {
            let secret = self.random.uuid().as_bytes().to_vec();
            let start = attach::start_run(&name, run, hello, &secret).unwrap();
            match gateway.registry.start(&name, run) {
                Ok(attachment) => {
                    gateway.starting.insert(conn, (attachment, secret));
                    self.ask(For::Start(conn), Some(Command::StartRun(Box::new(start))));
                }
                Err(_) => self.answer(conn, Message::Farewell("attached".into())),
            }
            return;
        }
        let state = gateway.state();
        match attach::resume(&state, &gateway.registry, (&name, run), &secret) {
            Ok(attachment) => {
                gateway.open(conn, attachment, (name, run));
                self.meet("a run was resumed");
                self.accepted(conn, secret);
            }
            Err(status) => self.answer(conn, Message::Farewell(word(&status))),
        }
    }

    fn accepted(&mut self, conn: Conn, run_secret: Vec<u8>) {
        self.answer(conn, Message::Directive(Directive::Accepted(pb::Accepted { run_secret })));
        self.soon(Event::Pump(conn), 0, 5);
    }

    fn watch(&mut self, conn: Conn, from: Option<u64>) {
        let gateway = self.gateway.as_mut().unwrap();
        let (tail, state) = gateway.follow();
        let from = from.filter(|seq| *seq <= state.seq);
        let cursor = from.unwrap_or(state.seq);
        gateway.watches.insert(conn, Watch { tail: tail.from(cursor), cursor });
        if from.is_none() {
            for part in Snapshot::new(&state, |_| true) {
                self.answer(conn, Message::Frame(Frame::Snapshot(part)));
            }
        }
        self.soon(Event::Pump(conn), 0, 5);
    }

    pub(super) fn work(&mut self) {
        let Some(gateway) = &mut self.gateway else { return };
        if gateway.queue.is_empty() {
            return;
        }
        let (answered, lived) = gateway.work();
        self.check.log(&self.disk);
        for (to, command, outcome) in answered {
            if let Ok(events) = &outcome {
                Check::acknowledged(&self.disk, events);
                for event in events {
                    match &event.event {
                        Fact::ProposalApproved { grounds: Some(_), .. } => {
                            self.meet("approved by standing orders");
                        }
                        Fact::ProposalWithdrawn { .. } => self.meet("a proposal was withdrawn"),
                        _ => {}
                    }
                }
                let spends = events.iter().any(|event| matches!(event.event, Fact::LeaseSpent { .. }));
                self.met.entry(if spends { "spent" } else { "done" }).and_modify(|n| *n += 1).or_insert(1);
            }
            self.answered(to, &command, outcome);
        }
        if lived.is_err() {
            return self.crash();
        }
        let Some(gateway) = &mut self.gateway else { return };
        self.check.state(&gateway.state());
        gateway.settle();
        let has_more = !gateway.queue.is_empty();
        let streams: Vec<Conn> = gateway.sessions.keys().chain(gateway.watches.keys()).copied().collect();
        for conn in streams {
            let slow = if self.random.percent(10) { 2_000 } else { 5 };
            self.soon(Event::Pump(conn), 0, slow);
        }
        self.soon(Event::Timers, 0, 5);
        if has_more {
            self.soon(Event::Work, 0, 5);
        }
    }

    fn answered(&mut self, to: For, command: &Command, outcome: Outcome) {
        match (to, command) {
            (For::Nobody, _) => {}
            (For::Report(conn), _) => {
                // What was not stored is said again when the supervisor attaches again.
                if let Err(NotDone::Unavailable(_) | NotDone::NotAdmitted(_)) = outcome {
                    self.gateway.as_mut().unwrap().sessions.remove(&conn);
                    self.answer(conn, Message::Farewell("unavailable".into()));
                }
            }
            (For::Start(conn), Command::StartRun(start)) => {
                let gateway = self.gateway.as_mut().unwrap();
                let Some((attachment, secret)) = gateway.starting.remove(&conn) else { return };
                match outcome {
                    Ok(_) => {
                        gateway.open(conn, attachment, (start.sandbox.clone(), start.run));
                        self.meet("a run began");
                        self.accepted(conn, secret);
                    }
                    Err(reason) => self.answer(conn, Message::Farewell(word(&status::not_done(reason)))),
                }
            }
            (For::Call(conn), Command::Submit(_)) => self.answer(conn, Message::Submitted(outcome)),
            (For::Call(conn), Command::Spend(_)) => {
                let answer = outcome.map(|_| pb::SpendOnceResponse {}).map_err(status::not_done);
                self.answer(conn, Message::Spent(answer));
            }
            (For::Call(conn) | For::Start(conn), _) => self.answer(conn, Message::Decided(outcome)),
        }
    }

    pub(super) fn timers(&mut self) {
        let Some(gateway) = &mut self.gateway else { return };
        let pause = gateway.timers(&self.clock);
        if gateway.queue.is_empty() {
            // One chain of looks goes on at this pace; whatever happens adds a look of its own.
            self.network.after(pause, Event::Timers);
        } else {
            self.soon(Event::Work, 0, 5);
        }
    }

    pub(super) fn pump(&mut self, conn: Conn) {
        let Some(gateway) = &mut self.gateway else { return };
        if let Some(session) = gateway.sessions.get(&conn) {
            if session.attachment.replaced.is_cancelled() {
                gateway.sessions.remove(&conn);
                return self.network.kill(&mut self.random, conn);
            }
            match gateway.due(conn) {
                Some(due) => {
                    due.into_iter().for_each(|directive| self.answer(conn, Message::Directive(directive)));
                }
                None => {
                    gateway.sessions.remove(&conn);
                    self.soon(Event::Timers, 0, 1);
                    self.answer(conn, Message::Farewell("run_ended".into()));
                }
            }
        } else if let Some(watch) = gateway.watches.get_mut(&conn) {
            let mut frames = Vec::new();
            while let Some(event) = watch.tail.try_next().expect("the log can be read") {
                frames.push(Frame::Event(envelope::record(&event, watch.cursor).unwrap()));
                watch.cursor = event.seq;
            }
            frames.into_iter().for_each(|frame| self.answer(conn, Message::Frame(frame)));
        }
    }

    pub(super) fn at_supervisor(&mut self, conn: Conn, n: usize, message: Message) {
        if !self.supervisors[n].is_alive {
            return;
        }
        let at = self.reading();
        match message {
            Message::Directive(directive) if self.supervisors[n].conn == Some(conn) => {
                self.check.log(&self.disk);
                if let Directive::Outcomes(outcomes) = &directive {
                    for proposal in &outcomes.proposals {
                        self.check.told(&self.supervisors[n].name, &proposal.try_into().unwrap());
                    }
                }
                if let Some(report) = self.supervisors[n].carry_out(&directive, at) {
                    assert!(matches!(report, Report::Loaded(_)), "{report:?}");
                    self.send(conn, Node::Gateway, Message::Report(report));
                }
                for proposal in self.supervisors[n].answered(at) {
                    self.check.told(&self.supervisors[n].name, &proposal);
                    self.meet("a wait was answered");
                }
            }
            Message::Farewell(word) if self.supervisors[n].conn == Some(conn) => {
                self.supervisors[n].conn = None;
                if word == "run_ended" || word == "run_secret" {
                    self.meet("a run was lost");
                    let run = RunId(self.random.uuid());
                    self.supervisors[n].begin_anew(run, at);
                }
                let life = self.supervisors[n].life;
                self.soon(Event::Connect(Node::Supervisor(n), life), 50, 2_000);
            }
            Message::Submitted(outcome) => {
                let Some((_, id)) = self.submissions.remove(&conn) else { return };
                if let Some(proposal) = outcome.ok().and_then(|events| {
                    events.iter().find_map(|event| openshell_domain::proposal::Proposal::begun_by(event))
                }) {
                    self.supervisors[n].proposals.add(proposal);
                    self.supervisors[n].wait(id);
                }
            }
            Message::Spent(answer) => self.spent(conn, n, answer),
            _ => {}
        }
    }

    pub(super) fn at_reviewer(&mut self, conn: Conn, n: usize, message: Message) {
        match message {
            Message::Frame(frame) if self.reviewers[n].conn == Some(conn) => {
                if !self.reviewers[n].take(frame) {
                    self.reviewers[n].conn = None;
                    self.network.kill(&mut self.random, conn);
                    self.soon(Event::Connect(Node::Reviewer(n), 0), 50, 500);
                } else if self.random.percent(3)
                    && let Some(inbox) = &self.reviewers[n].inbox
                {
                    self.check.log(&self.disk);
                    self.check.inbox(inbox);
                }
            }
            Message::Looked(digest) => {
                if let Some(id) = self.reviewers[n].looking.remove(&conn) {
                    self.reviewers[n].looked(id, digest);
                }
            }
            Message::Decided(outcome) => {
                let Some((_, command)) = self.decisions.remove(&conn) else { return };
                match outcome {
                    Ok(_) => self.meet("decided"),
                    Err(NotDone::Refused(refusal)) => {
                        self.reviewers[n].refused(&command);
                        let (_, word) = status::code_of(&refusal);
                        self.meet(word);
                    }
                    Err(_) => self.meet("a decision was not stored"),
                }
            }
            _ => {}
        }
    }

    pub(super) fn broken(&mut self, conn: Conn, end: Node) {
        match end {
            Node::Gateway => {
                let Some(gateway) = &mut self.gateway else { return };
                gateway.sessions.remove(&conn);
                gateway.starting.remove(&conn);
                gateway.watches.remove(&conn);
                self.soon(Event::Timers, 0, 1);
            }
            Node::Supervisor(n) => {
                if self.supervisors[n].conn == Some(conn) {
                    self.supervisors[n].conn = None;
                    let life = self.supervisors[n].life;
                    self.soon(Event::Connect(Node::Supervisor(n), life), 50, 2_000);
                }
                let away = LinkError::Unreachable(String::new()).to_string();
                self.spent(conn, n, Err(Status::unavailable(away)));
            }
            Node::Reviewer(n) => {
                if self.reviewers[n].conn == Some(conn) {
                    self.reviewers[n].conn = None;
                    self.soon(Event::Connect(Node::Reviewer(n), 0), 50, 2_000);
                }
                if self.decisions.remove(&conn).is_some() {
                    self.meet("a decision was not answered");
                }
            }
        }
    }
}
