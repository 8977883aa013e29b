//! The gateway's process: the real writer, registry, timers, attach courses and tails, over a simulated disk.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use openshell_domain::command::Command;
use openshell_domain::event::Event as Fact;
use openshell_domain::id::{RunId, SandboxName, Seq};
use openshell_domain::state::State;
use tokio::sync::broadcast::{self, Receiver, error::RecvError, error::TryRecvError};
use tokio::sync::oneshot;

use super::check::orders;
use super::disk::{Death, Disk};
use super::network::Conn;
use crate::clock::Clock as _;
use crate::registry::{Attachment, Registry};
use crate::settle;
use crate::store::account::Account;
use crate::store::writer::{Ask, Outcome, Published, Surroundings, Writer};
use crate::supervisor_service::course::{Course, Touched};
use crate::tail::Tail;
use crate::testing::{ManualClock, books};
use crate::timers::Patience;

/// What was asked, for whom, and what came of it.
pub(super) type Answer = (For, Command, Outcome);

/// Few, so that readers fall behind.
const FEED: usize = 8;
pub(super) const GRACE: Duration = Duration::from_secs(30);

/// Who asked, and so what becomes of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum For {
    Nobody,
    /// A call on this connection.
    Call(Conn),
    /// A report in this session.
    Report(Conn),
    /// The start of a run by a hello on this connection.
    Start(Conn),
}

pub(super) struct Session {
    pub(super) name: SandboxName,
    pub(super) run: RunId,
    pub(super) attachment: Attachment,
    pub(super) course: Course,
    pub(super) feed: Receiver<Arc<openshell_domain::event::Envelope>>,
    pub(super) is_new: bool,
}

pub(super) struct Watch {
    pub(super) tail: Tail,
    pub(super) cursor: Seq,
}

pub(super) struct Gateway {
    writer: Writer<Disk>,
    published: Published,
    disk: Disk,
    pub(super) registry: Registry,
    patience: Patience,
    settler: Tail,
    pub(super) queue: Vec<(For, Command)>,
    pub(super) starting: BTreeMap<Conn, (Attachment, Vec<u8>)>,
    pub(super) sessions: BTreeMap<Conn, Session>,
    pub(super) watches: BTreeMap<Conn, Watch>,
}

/// A start from the snapshot comes to the same as one from the first event.
fn check_snapshot(disk: &Disk, state: &State, account: &Account) {
    let Some(mut taken) = disk.snapshot() else { return };
    for record in disk.records().into_iter().filter(|record| record.envelope.seq > taken.head.seq) {
        taken.state.fold(&record.envelope).expect("the log can be read again");
        taken.account.add(&record);
    }
    assert!((&taken.state, &taken.account) == (state, account), "the snapshot of event {}", taken.head.seq);
}

/// The process has ended.
pub(super) struct Dead;

impl Gateway {
    /// Starts on what the disk holds.
    pub(super) fn start(disk: &Disk, clock: &ManualClock) -> Self {
        let mut state = State::default();
        let mut books = books(disk.clone());
        for record in disk.records() {
            state.fold(&record.envelope).expect("the log can be read again");
            books.account.add(&record);
        }
        check_snapshot(disk, &state, &books.account);
        let published =
            Published { state: Arc::new(ArcSwap::from_pointee(state)), events: broadcast::Sender::new(FEED) };
        let surroundings = Surroundings { clock: Arc::new(clock.clone()), orders: Arc::new(orders()) };
        let (settler, _) = Tail::new(published.clone(), Arc::new(disk.clone()));
        Self {
            writer: Writer::new(books, published.clone(), surroundings),
            published,
            disk: disk.clone(),
            registry: Registry::default(),
            patience: Patience::new(GRACE),
            settler,
            queue: Vec::new(),
            starting: BTreeMap::new(),
            sessions: BTreeMap::new(),
            watches: BTreeMap::new(),
        }
    }

    pub(super) fn state(&self) -> Arc<State> {
        self.published.state.load_full()
    }

    pub(super) fn follow(&self) -> (Tail, Arc<State>) {
        Tail::new(self.published.clone(), Arc::new(self.disk.clone()))
    }

    /// Works on everything that was asked. The answers that left before a death are given back with it.
    pub(super) fn work(&mut self) -> (Vec<Answer>, Result<(), Dead>) {
        let (mut waiting, mut asks) = (Vec::new(), Vec::new());
        for (to, command) in self.queue.drain(..) {
            let (reply, answer) = oneshot::channel();
            waiting.push((to, command.clone(), answer));
            asks.push(Ask { commands: vec![command], reply });
        }
        let died = catch_unwind(AssertUnwindSafe(|| self.writer.turn(asks.into_iter())));
        let answered = waiting
            .into_iter()
            .filter_map(|(to, command, mut answer)| Some((to, command, answer.try_recv().ok()?.pop()?)));
        let answered = answered.collect();
        match died {
            Ok(()) => (answered, Ok(())),
            Err(cause) if cause.is::<Death>() => (answered, Err(Dead)),
            Err(cause) => std::panic::resume_unwind(cause),
        }
    }

    /// Asks for what approvals have left over, as the settler does.
    pub(super) fn settle(&mut self) {
        while let Ok(Some(event)) = self.settler.try_next() {
            let Fact::ProposalApproved { proposal, .. } = event.event else { continue };
            let state = self.state();
            let covered = settle::covered(&state, proposal);
            self.queue.extend(covered.into_iter().map(|id| (For::Nobody, Command::Settle(id, proposal))));
        }
    }

    /// Asks for what is due, and says how long nothing will be.
    pub(super) fn timers(&mut self, clock: &ManualClock) -> Duration {
        let state = self.state();
        let due = self.patience.due(&state, &self.registry, (clock.now(), clock.uptime()));
        self.queue.extend(due.commands.into_iter().map(|command| (For::Nobody, command)));
        due.pause
    }

    /// A session begins: the feed first, then the state.
    pub(super) fn open(&mut self, conn: Conn, attachment: Attachment, (name, run): (SandboxName, RunId)) {
        let feed = self.published.events.subscribe();
        let course = Course::new(name.clone(), run);
        self.sessions.insert(conn, Session { name, run, attachment, course, feed, is_new: true });
    }

    /// What a session has to be told; `None` ends it.
    pub(super) fn due(&mut self, conn: Conn) -> Option<Vec<openshell_wire::pb::inbox::directive::Directive>> {
        let state = self.state();
        let session = self.sessions.get_mut(&conn)?;
        let touched = if std::mem::take(&mut session.is_new) {
            Touched::All
        } else {
            let first = match session.feed.try_recv() {
                Ok(event) => Ok(event),
                Err(TryRecvError::Lagged(missed)) => Err(RecvError::Lagged(missed)),
                Err(TryRecvError::Empty | TryRecvError::Closed) => return Some(Vec::new()),
            };
            Touched::by(&session.name, first, &mut session.feed)
        };
        session.course.due(&state, touched).ok()
    }
}
