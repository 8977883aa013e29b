//! One run: the processes, the network between them, and what happens to them, all of it drawn from one seed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::TimeDelta;
use openshell_domain::command::{Command, Submit};
use openshell_domain::id::{ProposalId, RunId};
use openshell_domain::proposal::Origin;
use openshell_supervisor::clock::Reading;
use openshell_wire::pb::inbox::report::Report;
use tonic::Status;

use super::check::Check;
use super::disk::{Disk, Fate};
use super::gateway::Gateway;
use super::network::{Conn, Event, Message, Network, Node};
use super::random::Random;
use super::reviewer::{Act, Reviewer};
use super::supervisor::{PATHS, Supervisor, Tried, rule};
use crate::clock::Clock as _;
use crate::testing::ManualClock;

const SANDBOXES: usize = 3;
const REVIEWERS: usize = 2;
/// For how long things go wrong, and for how long they are quiet after that.
const TROUBLED: Duration = Duration::from_secs(150);
const QUIET: Duration = Duration::from_secs(200);

/// What a run has met, so that nobody believes in a simulation in which nothing happens.
pub(super) type Met = BTreeMap<&'static str, u64>;

pub(super) struct World {
    pub(super) random: Random,
    pub(super) network: Network,
    pub(super) clock: ManualClock,
    pub(super) disk: Disk,
    pub(super) check: Check,
    pub(super) gateway: Option<Gateway>,
    /// Connections below this belong to processes of the gateway that are no more.
    pub(super) since: Conn,
    pub(super) supervisors: Vec<Supervisor>,
    pub(super) reviewers: Vec<Reviewer>,
    pub(super) decisions: BTreeMap<Conn, (usize, Command)>,
    pub(super) submissions: BTreeMap<Conn, (usize, ProposalId)>,
    /// Calls that must be refused.
    pub(super) attacks: BTreeSet<Conn>,
    pub(super) met: Met,
    pub(super) is_told: bool,
    offset: TimeDelta,
}

impl World {
    pub(super) fn new(seed: u64, is_told: bool) -> Self {
        let mut random = Random::new(seed);
        let supervisors = (0..SANDBOXES)
            .map(|n| Supervisor::new(format!("box-{n}").parse().unwrap(), RunId(random.uuid()), 0))
            .collect();
        let mut world = Self {
            random,
            network: Network::default(),
            clock: ManualClock::default(),
            disk: Disk::default(),
            check: Check::default(),
            gateway: None,
            since: 0,
            supervisors,
            reviewers: (0..REVIEWERS).map(|_| Reviewer::default()).collect(),
            decisions: BTreeMap::new(),
            submissions: BTreeMap::new(),
            attacks: BTreeSet::new(),
            met: Met::new(),
            is_told,
            offset: TimeDelta::zero(),
        };
        world.network.after(Duration::ZERO, Event::Start(Node::Gateway));
        for n in 0..SANDBOXES {
            world.soon(Event::Connect(Node::Supervisor(n), 0), 10, 500);
            world.soon(Event::Act(Node::Supervisor(n), 0), 500, 1500);
        }
        for n in 0..REVIEWERS {
            world.soon(Event::Connect(Node::Reviewer(n), 0), 10, 500);
            world.soon(Event::Act(Node::Reviewer(n), 0), 500, 1500);
        }
        world.soon(Event::Trouble, 5_000, 15_000);
        world
    }

    /// Runs to the end and checks what must hold then.
    pub(super) fn run(mut self) -> Met {
        self.until(TROUBLED);
        self.network.cut.clear();
        self.set_wall(TimeDelta::zero());
        if self.random.percent(50) {
            self.crash();
        }
        self.until(TROUBLED + QUIET);
        self.check.log(&self.disk);
        let state = self.gateway.as_ref().expect("the gateway runs").state();
        self.check.state(&state);
        self.check.fold(&state);
        let at = self.reading();
        self.supervisors.iter().for_each(|supervisor| self.check.quiet(&state, supervisor, at));
        for reviewer in &self.reviewers {
            let inbox = reviewer.inbox.as_ref().expect("a reviewer watches");
            assert_eq!(inbox.seq, state.seq, "a reviewer was not told everything");
            self.check.inbox(inbox);
        }
        self.met
    }

    fn until(&mut self, end: Duration) {
        while let Some(event) = self.network.pop(end) {
            let passed = self.network.now - self.clock.uptime();
            self.clock.advance(passed);
            self.tell(|| format!("{event:?}"));
            self.step(event);
        }
    }

    pub(super) fn tell(&self, line: impl Fn() -> String) {
        if self.is_told {
            let line: String = line().chars().take(220).collect();
            println!("{:>12.6} {line}", self.network.now.as_secs_f64());
        }
    }

    pub(super) fn meet(&mut self, what: &'static str) {
        self.tell(|| format!("    {what}"));
        *self.met.entry(what).or_default() += 1;
    }

    pub(super) fn soon(&mut self, event: Event, from: u64, to: u64) {
        let time = self.random.millis(from, to);
        self.network.after(time, event);
    }

    pub(super) fn reading(&self) -> Reading {
        Reading { wall: self.clock.now(), boot: self.network.now }
    }

    pub(super) fn send(&mut self, conn: Conn, to: Node, message: Message) {
        self.network.send(&mut self.random, conn, to, message);
    }

    fn is_troubled(&self) -> bool {
        self.network.now < TROUBLED
    }

    fn set_wall(&mut self, offset: TimeDelta) {
        self.clock.set_back(self.offset - offset);
        self.offset = offset;
    }

    fn step(&mut self, event: Event) {
        match event {
            Event::Deliver(conn, end, _) if !self.network.hears(conn, end) => {}
            Event::Deliver(conn, Node::Gateway, message) => self.at_gateway(conn, *message),
            Event::Deliver(conn, Node::Supervisor(n), message) => self.at_supervisor(conn, n, *message),
            Event::Deliver(conn, Node::Reviewer(n), message) => self.at_reviewer(conn, n, *message),
            Event::Broken(conn, end) => self.broken(conn, end),
            Event::Work => self.work(),
            Event::Pump(conn) => self.pump(conn),
            Event::Timers => self.timers(),
            Event::Act(Node::Supervisor(n), life) => self.agent(n, life),
            Event::Act(Node::Reviewer(n), _) => self.review(n),
            Event::Connect(node, life) => self.connect(node, life),
            Event::Start(Node::Gateway) => self.start(),
            Event::Start(Node::Supervisor(n)) => self.start_supervisor(n),
            Event::Trouble => self.trouble(),
            Event::Heal(node) => {
                self.network.cut.remove(&node);
            }
            Event::Act(Node::Gateway, _) | Event::Start(Node::Reviewer(_)) => {}
        }
    }

    fn start(&mut self) {
        self.check.log(&self.disk);
        self.gateway = Some(Gateway::start(&self.disk, &self.clock));
        self.since = self.network.mark();
        self.soon(Event::Timers, 0, 1);
    }

    pub(super) fn crash(&mut self) {
        if self.gateway.take().is_some() {
            self.meet("the gateway died");
            self.network.kill_all(&mut self.random, Node::Gateway);
            self.soon(Event::Start(Node::Gateway), 50, 5_000);
        }
    }

    fn start_supervisor(&mut self, n: usize) {
        let (name, life) = (self.supervisors[n].name.clone(), self.supervisors[n].life + 1);
        self.supervisors[n] = Supervisor::new(name, RunId(self.random.uuid()), life);
        self.soon(Event::Connect(Node::Supervisor(n), life), 1, 100);
        self.soon(Event::Act(Node::Supervisor(n), life), 100, 1000);
    }

    fn kill_supervisor(&mut self, n: usize) {
        self.supervisors[n].is_alive = false;
        self.supervisors[n].conn = None;
        self.network.kill_all(&mut self.random, Node::Supervisor(n));
        self.soon(Event::Start(Node::Supervisor(n)), 100, 20_000);
    }

    fn trouble(&mut self) {
        if !self.is_troubled() {
            return;
        }
        self.soon(Event::Trouble, 1_000, 12_000);
        let n = usize::try_from(self.random.below(SANDBOXES as u64)).unwrap();
        let m = usize::try_from(self.random.below(REVIEWERS as u64)).unwrap();
        match self.random.below(10) {
            0 => self.crash(),
            1 => self.disk.doom(Fate::Fails),
            2 => self.disk.doom(Fate::Lies),
            3 => self.disk.doom(Fate::DiesBefore),
            4 => self.disk.doom(Fate::DiesAfter),
            5 => {
                let offset = i64::try_from(self.random.below(120)).unwrap() - 60;
                self.set_wall(TimeDelta::seconds(offset));
                self.meet("the clock was set");
            }
            6 if self.supervisors[n].is_alive => {
                self.meet("a supervisor died");
                self.kill_supervisor(n);
            }
            7..=8 => self.cut(Node::Supervisor(n)),
            _ => self.cut(Node::Reviewer(m)),
        }
    }

    /// Nobody hears of a process, nor it of anybody, for a while.
    fn cut(&mut self, node: Node) {
        self.meet("somebody was cut off");
        self.network.cut.insert(node);
        self.network.kill_all(&mut self.random, node);
        self.soon(Event::Heal(node), 500, 90_000);
    }

    fn connect(&mut self, node: Node, life: u64) {
        let conn = match node {
            Node::Supervisor(n) => {
                let supervisor = &self.supervisors[n];
                if !supervisor.is_alive || supervisor.life != life || supervisor.conn.is_some() {
                    return;
                }
                let hello = supervisor.hello();
                let conn = self.network.connect(node);
                self.supervisors[n].conn = Some(conn);
                self.send(conn, Node::Gateway, Message::Report(Report::Hello(hello)));
                conn
            }
            Node::Reviewer(n) => {
                if self.reviewers[n].conn.is_some() {
                    return;
                }
                let at = self.reviewers[n].at().filter(|_| self.random.percent(80));
                let conn = self.network.connect(node);
                self.reviewers[n].conn = Some(conn);
                self.send(conn, Node::Gateway, Message::Watch(at));
                conn
            }
            Node::Gateway => return,
        };
        self.tell(|| format!("    {node:?} connects as {conn}"));
    }

    /// The agent does something.
    fn agent(&mut self, n: usize, life: u64) {
        if !self.supervisors[n].is_alive || self.supervisors[n].life != life || !self.is_troubled() {
            return;
        }
        self.soon(Event::Act(Node::Supervisor(n), life), 50, 1500);
        match self.random.below(100) {
            0..=11 => self.submit(n),
            12 => self.attack(n),
            18..=19 => self.withdraw(n),
            13 => {
                let (secret, name) = (self.supervisors[n].secret.clone(), self.supervisors[n].name.clone());
                let conn = self.network.connect(Node::Supervisor(n));
                self.send(conn, Node::Gateway, Message::EndRun(secret, name));
                self.meet("a command ended");
                self.kill_supervisor(n);
            }
            14..=17 => self.attempt(n, "/base".to_owned()),
            _ => {
                let path = format!("/p{}", self.random.below(PATHS));
                self.attempt(n, path);
            }
        }
    }

    fn submit(&mut self, n: usize) {
        let id = ProposalId(self.random.uuid());
        let mut paths = vec![format!("/p{}", self.random.below(PATHS))];
        if self.random.percent(20) {
            paths.push(format!("/p{}", self.random.below(PATHS)));
            paths.dedup();
        }
        let supervisor = &self.supervisors[n];
        let submit = Submit {
            sandbox: supervisor.name.clone(),
            proposal: id,
            origin: Origin::AgentAuthored,
            submitted_by: "/usr/bin/curl".into(),
            rule_name: "put".parse().unwrap(),
            rule: rule(&paths),
            rationale: "to write it".into(),
            evidence: Vec::new(),
            pending_limit: 8,
            request: None,
        };
        let secret = supervisor.secret.clone();
        let conn = self.network.connect(Node::Supervisor(n));
        self.submissions.insert(conn, (n, id));
        self.send(conn, Node::Gateway, Message::Submit(secret, Box::new(submit)));
    }

    /// Takes back something that the agent knows of, whatever has become of it meanwhile.
    fn withdraw(&mut self, n: usize) {
        let state = self.gateway.as_ref().map(Gateway::state);
        let name = self.supervisors[n].name.clone();
        let Some(sandbox) = state.as_ref().and_then(|state| state.sandboxes.get(&name)) else { return };
        let ids: Vec<ProposalId> = sandbox.pending.keys().copied().collect();
        let Some(id) = self.random.pick(&ids).copied() else { return };
        let secret = self.supervisors[n].secret.clone();
        let conn = self.network.connect(Node::Supervisor(n));
        self.send(conn, Node::Gateway, Message::Withdraw(secret, name, id));
    }

    /// Spends the grant of another sandbox, or plays another sandbox.
    fn attack(&mut self, n: usize) {
        let other = (n + 1) % SANDBOXES;
        let state = self.gateway.as_ref().map(Gateway::state);
        let theirs = &self.supervisors[other].name;
        let Some(sandbox) = state.as_ref().and_then(|state| state.sandboxes.get(theirs)) else { return };
        let Some(id) = sandbox.proposals.keys().next().copied() else { return };
        let name = if self.random.percent(50) { theirs.clone() } else { self.supervisors[n].name.clone() };
        let secret = self.supervisors[n].secret.clone();
        let conn = self.network.connect(Node::Supervisor(n));
        self.attacks.insert(conn);
        self.send(conn, Node::Gateway, Message::Spend(secret, name, id));
    }

    fn attempt(&mut self, n: usize, path: String) {
        let at = self.reading();
        if self.supervisors[n].has_ended_a_lease(at) {
            self.meet("a lease was ended without the gateway");
        }
        match self.supervisors[n].attempt(&path, at) {
            Tried::Denied => self.meet("denied"),
            Tried::Passed(passed) => {
                self.check.log(&self.disk);
                self.check.passed(&self.supervisors[n], &passed, at);
                self.meet(if path == "/base" { "passed by the file" } else { "passed by a grant" });
            }
            Tried::Spend(unspent, passed) => {
                let supervisor = &mut self.supervisors[n];
                let (secret, name) = (supervisor.secret.clone(), supervisor.name.clone());
                let conn = self.network.connect(Node::Supervisor(n));
                let id = unspent.proposal();
                self.supervisors[n].spending.insert(conn, (unspent, passed));
                self.send(conn, Node::Gateway, Message::Spend(secret, name, id));
            }
        }
    }

    /// The answer to a spend, or that there is none.
    pub(super) fn spent(
        &mut self,
        conn: Conn,
        n: usize,
        answer: Result<openshell_wire::pb::inbox::SpendOnceResponse, Status>,
    ) {
        if self.attacks.remove(&conn) {
            assert!(answer.is_err(), "§7.10: a sandbox spent the grant of another");
            return self.meet("an attack was refused");
        }
        let Some((unspent, mut passed)) = self.supervisors[n].spending.remove(&conn) else { return };
        match unspent.answered(answer) {
            Err(_) => self.meet("a spend was refused"),
            Ok(permit) => {
                passed.rule = permit.rule;
                self.check.log(&self.disk);
                let at = self.reading();
                self.check.passed(&self.supervisors[n], &passed, at);
                self.meet("passed once");
            }
        }
    }

    fn review(&mut self, n: usize) {
        if !self.is_troubled() {
            return;
        }
        self.soon(Event::Act(Node::Reviewer(n), 0), 100, 2_000);
        match self.reviewers[n].act(&mut self.random, n) {
            Act::Nothing => {}
            Act::Look(id) => {
                let conn = self.network.connect(Node::Reviewer(n));
                self.reviewers[n].looking.insert(conn, id);
                self.send(conn, Node::Gateway, Message::Look(id));
            }
            Act::Decide(command) => {
                let times = if self.random.percent(15) { 2 } else { 1 };
                for _ in 0..times {
                    let conn = self.network.connect(Node::Reviewer(n));
                    self.decisions.insert(conn, (n, Command::clone(&command)));
                    self.send(conn, Node::Gateway, Message::Decide(Command::clone(&command)));
                }
            }
        }
    }
}
