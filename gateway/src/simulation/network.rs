//! A network in virtual time: what is sent arrives later, in order on one connection and in any order on two, or
//! the connection is dead from then on and both ends learn of it at some time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use openshell_domain::command::{Command, Submit};
use openshell_domain::id::{Digest, ProposalId, SandboxName, Seq};
use openshell_wire::pb::inbox as pb;
use openshell_wire::pb::inbox::directive::Directive;
use openshell_wire::pb::inbox::inbox_frame::Frame;
use openshell_wire::pb::inbox::report::Report;
use tonic::Status;

use super::random::Random;
use crate::store::writer::Outcome;

/// A connection.
pub(super) type Conn = u64;

/// Whose process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Node {
    Gateway,
    Supervisor(usize),
    Reviewer(usize),
}

/// What is said on a connection.
#[derive(Debug)]
pub(super) enum Message {
    Report(Report),
    Directive(Directive),
    /// The gateway ends an `Attach`, with this word.
    Farewell(String),
    Watch(Option<Seq>),
    Frame(Frame),
    Submit(Vec<u8>, Box<Submit>),
    Spend(Vec<u8>, SandboxName, ProposalId),
    EndRun(Vec<u8>, SandboxName),
    Withdraw(Vec<u8>, SandboxName, ProposalId),
    Look(ProposalId),
    Decide(Command),
    Submitted(Outcome),
    Spent(Result<pb::SpendOnceResponse, Status>),
    Looked(Option<Digest>),
    Decided(Outcome),
}

/// What happens next.
#[derive(Debug)]
pub(super) enum Event {
    Deliver(Conn, Node, Box<Message>),
    /// An end learns that its connection is dead.
    Broken(Conn, Node),
    /// The gateway's writer takes what waits for it.
    Work,
    /// The gateway looks what a stream has to be told.
    Pump(Conn),
    /// The gateway's timers look.
    Timers,
    /// A process of this number of lives does something by itself.
    Act(Node, u64),
    /// A process begins to connect.
    Connect(Node, u64),
    /// A process is started.
    Start(Node),
    /// Something goes wrong.
    Trouble,
    /// A process can reach the gateway again.
    Heal(Node),
}

/// The queue of events, and the connections.
#[derive(Debug, Default)]
pub(super) struct Network {
    queue: BTreeMap<(Duration, u64), Event>,
    next: u64,
    open: BTreeMap<Conn, (Node, Node)>,
    latest: BTreeMap<(Conn, Node), Duration>,
    /// Which ends know that their connection is dead: nothing arrives there any more.
    gone: BTreeSet<(Conn, Node)>,
    /// Who cannot reach the gateway.
    pub(super) cut: BTreeSet<Node>,
    pub(super) now: Duration,
}

impl Network {
    pub(super) fn after(&mut self, time: Duration, event: Event) {
        self.next += 1;
        self.queue.insert((self.now + time, self.next), event);
    }

    /// The next event, unless that lies beyond `end`.
    pub(super) fn pop(&mut self, end: Duration) -> Option<Event> {
        let ((at, _), _) = self.queue.first_key_value()?;
        if *at > end {
            return None;
        }
        let ((at, _), event) = self.queue.pop_first()?;
        self.now = at;
        if let Event::Broken(conn, end) = event {
            self.gone.insert((conn, end));
        }
        Some(event)
    }

    /// Whether one end still hears what comes.
    pub(super) fn hears(&self, conn: Conn, end: Node) -> bool {
        !self.gone.contains(&(conn, end))
    }

    pub(super) fn connect(&mut self, client: Node) -> Conn {
        self.next += 1;
        self.open.insert(self.next, (client, Node::Gateway));
        self.next
    }

    /// A number above that of every connection until now.
    pub(super) fn mark(&mut self) -> Conn {
        self.next += 1;
        self.next
    }

    pub(super) fn client(&self, conn: Conn) -> Option<Node> {
        self.open.get(&conn).map(|(client, _)| *client)
    }

    /// Sends a message to one end. A connection that loses one is dead.
    pub(super) fn send(&mut self, random: &mut Random, conn: Conn, to: Node, message: Message) {
        let Some(client) = self.client(conn) else { return };
        if self.cut.contains(&client) || random.below(400) == 0 {
            return self.kill(random, conn);
        }
        let delay = if random.percent(5) { random.millis(50, 3000) } else { random.millis(0, 20) };
        let latest = self.latest.get(&(conn, to)).copied().unwrap_or_default();
        let at = (self.now + delay).max(latest + Duration::from_micros(1));
        self.latest.insert((conn, to), at);
        self.after(at - self.now, Event::Deliver(conn, to, Box::new(message)));
    }

    /// The connection carries nothing any more; its ends learn of it, each in its time.
    pub(super) fn kill(&mut self, random: &mut Random, conn: Conn) {
        let Some((client, gateway)) = self.open.remove(&conn) else { return };
        for end in [client, gateway] {
            let delay = random.millis(0, 20_000);
            self.after(delay, Event::Broken(conn, end));
        }
    }

    /// Ends every connection of a process that is no more.
    pub(super) fn kill_all(&mut self, random: &mut Random, node: Node) {
        let ends = |(_, (client, gateway)): &(&Conn, &(Node, Node))| *client == node || *gateway == node;
        let dead: Vec<Conn> = self.open.iter().filter(ends).map(|(conn, _)| *conn).collect();
        dead.into_iter().for_each(|conn| self.kill(random, conn));
    }
}
