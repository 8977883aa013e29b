//! What is said, and what is sent: a message in, lines and effects out. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, Utc};
use openshell_domain::event::{Envelope, Event};
use openshell_domain::id::{Digest, ProposalId, SandboxName, Seq};
use openshell_domain::inbox::Inbox;
use openshell_domain::proposal::Proposal;

use super::command::{self, Command, HELP};
use super::decide::{Question, Sent, is_later};
use super::words;
use crate::client::watch::{Connection, Update};
use crate::client::{ClientError, Decision, Recorded, Shown};
use crate::shown;
use crate::verbs::{Target, page};

/// A line as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// The line without its end; `None` where it is no text, or longer than is read.
    pub(super) text: Option<String>,
    /// The earliest moment at which it can have come.
    pub(super) came: Duration,
}

/// What has happened.
#[derive(Debug)]
pub(super) enum What {
    /// The gateway says something, or is gone.
    Update(Update),
    /// Somebody says something.
    Line(Line),
    /// Nobody will say anything any more.
    End,
    /// What became of a decision.
    Answer(ProposalId, Box<Result<Recorded, ClientError>>),
}

impl From<Update> for What {
    fn from(update: Update) -> Self {
        Self::Update(update)
    }
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Send this and give the answer back.
    Decide(Box<Decision>),
    /// Watch anew: an event is missing.
    Resync,
    /// End.
    Quit,
}

/// What is to be written, and then to be done.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Safe lines.
    pub(super) lines: Vec<String>,
    /// In this order.
    pub(super) effects: Vec<Effect>,
}

impl Told {
    pub(super) fn line(&mut self, line: impl Into<String>) {
        self.lines.push(line.into());
    }
}

/// A line's turn.
#[derive(Debug)]
pub(super) struct Turn {
    /// What time it is.
    pub(super) at: DateTime<Utc>,
    /// When the line came; `None` for one that nobody typed.
    pub(super) typed: Option<Duration>,
    /// What comes of it.
    pub(super) told: Told,
}

/// How the connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Link {
    /// It has not come up yet.
    #[default]
    Connecting,
    /// What is known is what is.
    Live,
    /// It broke.
    Lost,
}

/// What was written about a proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    /// The digest of what the latest line about it told.
    pub(super) digest: Option<Digest>,
    /// When that was.
    pub(super) told: Duration,
    /// What was shown in full last, and when.
    pub(super) full: Option<(Digest, Duration)>,
}

/// A line about a proposal that is about to be written.
#[derive(Debug, Clone, Copy)]
struct Fresh {
    proposal: ProposalId,
    digest: Option<Digest>,
    is_full: bool,
}

/// Everything that is known.
#[derive(Debug, Default)]
pub(super) struct Plain {
    pub(super) inbox: Option<Inbox>,
    pub(super) link: Link,
    attached: BTreeSet<SandboxName>,
    pub(super) seen: BTreeMap<ProposalId, Seen>,
    fresh: Vec<Fresh>,
    pub(super) question: Option<Question>,
    /// Decisions whose answers are still to come.
    pub(super) sent: BTreeMap<ProposalId, Sent>,
    /// Own decisions whose events are still to come.
    pub(super) own: BTreeSet<Seq>,
    /// When the latest line came.
    last: Option<Duration>,
    is_ending: bool,
}

impl Plain {
    /// Takes in what has happened.
    pub(super) fn update(&mut self, at: DateTime<Utc>, what: What) -> Told {
        let mut told = Told::default();
        match what {
            What::Update(update) => self.feed(at, update, &mut told),
            What::Line(line) => self.line(at, &line, &mut told),
            What::End => self.is_ending = true,
            What::Answer(id, result) => {
                self.answered(id, *result, &mut told);
                self.announce(at, id, &mut told);
            }
        }
        if self.is_ending && self.sent.is_empty() {
            told.effects.push(Effect::Quit);
        }
        told
    }

    /// Takes in that everything that was told has been written by now.
    pub(super) fn printed(&mut self, now: Duration) {
        for Fresh { proposal, digest, is_full } in self.fresh.drain(..) {
            let before = self.seen.get(&proposal).and_then(|seen| seen.full);
            let full = if is_full { digest.map(|digest| (digest, now)) } else { before };
            self.seen.insert(proposal, Seen { digest, told: now, full });
        }
        if let Some(question) = &mut self.question {
            question.asked.get_or_insert(now);
        }
    }

    fn feed(&mut self, at: DateTime<Utc>, update: Update, told: &mut Told) {
        match update {
            Update::Connection(Connection::Live) => {
                if self.link == Link::Lost {
                    told.line("connected again");
                }
                self.link = Link::Live;
            }
            Update::Connection(Connection::Reconnecting { why, .. } | Connection::Offline { why, .. }) => {
                if self.link != Link::Lost {
                    let why = shown::visible(&why);
                    told.line(format!("connection lost: {why}. Nothing can be decided until it is back"));
                }
                self.link = Link::Lost;
            }
            Update::Snapshot(inbox) => self.snapshot(at, *inbox, told),
            Update::Event(envelope) => self.event(at, &envelope, told),
            Update::Reviewed(id, review) => {
                if let Some(inbox) = &mut self.inbox {
                    inbox.reviewed(id, *review);
                }
                self.announce(at, id, told);
            }
            Update::Attached(sandbox, true) => drop(self.attached.insert(sandbox)),
            Update::Attached(sandbox, false) => drop(self.attached.remove(&sandbox)),
            Update::Waiting(..) => {}
        }
    }

    fn snapshot(&mut self, at: DateTime<Utc>, now: Inbox, told: &mut Told) {
        self.compare(now, told);
        let all = self.inbox.iter().flat_map(|inbox| inbox.proposals.keys());
        all.copied().collect::<Vec<_>>().into_iter().for_each(|id| self.announce(at, id, told));
    }

    /// Tells what has become of what was pending while nobody was told.
    fn compare(&mut self, now: Inbox, told: &mut Told) {
        let known = self.inbox.replace(now);
        let Some(inbox) = &self.inbox else { return };
        let Some(known) = known else {
            let pending = inbox.proposals.values().filter(|proposal| proposal.is_pending()).count();
            told.line(format!("connected. {}", words::count(pending)));
            told.line("help tells what can be said here");
            return;
        };
        for was in known.proposals.values().filter(|was| was.is_pending()) {
            match inbox.proposals.get(&was.id) {
                Some(now) if now.is_pending() => {}
                Some(now) => told.line(format!("{} is {} meanwhile", was.id.short(), now.status.as_str())),
                None => told.line(format!("{} is not there any more", was.id.short())),
            }
        }
        self.seen.retain(|id, _| inbox.proposals.contains_key(id));
        self.own.clear();
    }

    fn event(&mut self, at: DateTime<Utc>, envelope: &Envelope, told: &mut Told) {
        let Some(inbox) = &mut self.inbox else { return };
        if inbox.apply(envelope).is_err() {
            told.effects.push(Effect::Resync);
            return;
        }
        let id = envelope.event.proposal();
        if matches!(envelope.event, Event::DecisionUndone { .. })
            && let Some(id) = id
        {
            // It is asked for again.
            self.seen.remove(&id);
        }
        if let Some(line) = words::event(envelope) {
            let sent = id.and_then(|id| self.sent.get_mut(&id));
            match sent.filter(|_| words::is_decision(&envelope.event)) {
                Some(sent) => sent.held.push((envelope.seq, line)),
                // The answer to an own one has told of it.
                None if self.own.remove(&envelope.seq) => {}
                None => told.line(line),
            }
            id.into_iter().for_each(|id| self.mention(id, false));
        }
        id.into_iter().for_each(|id| self.announce(at, id, told));
    }

    /// Tells of a pending proposal, once it is known what it would change, and again when that is something else.
    fn announce(&mut self, at: DateTime<Utc>, id: ProposalId, told: &mut Told) {
        let Some(proposal) = self.proposal(id).filter(|proposal| proposal.is_pending()) else { return };
        let Some(digest) = proposal.digest() else { return };
        // What is on its way about it is told first.
        if self.sent.contains_key(&id) {
            return;
        }
        let known = self.seen.get(&id).map(|seen| seen.digest);
        let verb = match known {
            Some(known) if known == Some(digest) => return,
            Some(Some(_)) => "changed",
            _ => "ask",
        };
        told.line(words::ask(verb, proposal, self.view(proposal), at));
        self.mention(id, false);
    }

    /// Notes that a line about a proposal is about to be written.
    pub(super) fn mention(&mut self, proposal: ProposalId, is_full: bool) {
        let digest = self.proposal(proposal).and_then(Proposal::digest);
        self.fresh.push(Fresh { proposal, digest, is_full });
    }

    pub(super) fn proposal(&self, id: ProposalId) -> Option<&Proposal> {
        self.inbox.as_ref()?.proposals.get(&id)
    }

    fn view(&self, proposal: &Proposal) -> Option<&openshell_domain::inbox::SandboxView> {
        self.inbox.as_ref()?.sandboxes.get(&proposal.sandbox)
    }

    fn line(&mut self, at: DateTime<Utc>, line: &Line, told: &mut Told) {
        let before = self.last.replace(line.came);
        let Some(text) = &line.text else {
            return told.line("that line was no text, or too long, and was not read");
        };
        // Nobody types two lines so fast: the second one was pasted.
        let is_typed = before.is_none_or(|before| is_later(line.came, before));
        let mut turn = Turn { at, typed: is_typed.then_some(line.came), told: std::mem::take(told) };
        let done = command::parse(text).and_then(|command| self.obey(command, &mut turn));
        *told = turn.told;
        if let Err(why) = done {
            told.line(why);
        }
    }

    fn obey(&mut self, command: Command<'_>, turn: &mut Turn) -> Result<(), String> {
        let question = if matches!(command, Command::Nothing) { None } else { self.question.take() };
        if question.is_some() && !matches!(command, Command::Accept(_)) {
            turn.told.line("not accepted, so nothing was approved");
        }
        match command {
            Command::Nothing => {}
            Command::Show(id) => self.show(self.find(id)?, turn),
            Command::Approve(id, lease) => return self.approve(self.find(id)?, lease, turn),
            Command::Reject(id, reason) => return self.reject(self.find(id)?, reason, turn),
            Command::Undo(id) => return self.undo(self.find(id)?, turn),
            Command::Accept(names) => return self.accept(question, &names, turn),
            Command::List => self.list(turn),
            Command::Help => HELP.iter().for_each(|line| turn.told.line(*line)),
            Command::Quit => self.is_ending = true,
        }
        Ok(())
    }

    fn list(&mut self, turn: &mut Turn) {
        let Some(inbox) = &self.inbox else { return turn.told.line("not connected yet") };
        let pending: Vec<&Proposal> = inbox.proposals.values().filter(|one| one.is_pending()).collect();
        turn.told.line(words::count(pending.len()));
        let mut named = Vec::new();
        for proposal in pending {
            turn.told.line(words::ask("ask", proposal, self.view(proposal), turn.at));
            named.push(proposal.id);
        }
        named.into_iter().for_each(|id| self.mention(id, false));
    }

    /// Writes everything about one proposal: what an approval is bound to.
    pub(super) fn show(&mut self, id: ProposalId, turn: &mut Turn) {
        let Some(proposal) = self.proposal(id) else { return };
        let is_attached = self.attached.contains(&proposal.sandbox);
        let sandbox = self.view(proposal).cloned();
        let shown = Shown { proposal: proposal.clone(), sandbox, is_attached };
        turn.told.lines.extend(page(&shown, turn.at).lines().map(str::to_owned));
        self.mention(id, true);
    }

    /// Which proposal is meant.
    fn find(&self, text: &str) -> Result<ProposalId, String> {
        let target = Target::parse(text).map_err(|error| words::error(&error))?;
        let digits = |id: &str| id.replace('-', "").to_ascii_lowercase();
        let wanted = digits(target.id);
        let all = self.inbox.iter().flat_map(|inbox| inbox.proposals.values());
        let found: Vec<&Proposal> =
            all.filter(|proposal| digits(&proposal.id.to_string()).starts_with(&wanted)).collect();
        let [proposal] = found.as_slice() else {
            let many = if found.is_empty() { "no proposal has" } else { "several proposals have" };
            return Err(format!("{many} the id {}", shown::visible(target.id)));
        };
        target.check(proposal).map_err(|error| words::error(&error))?;
        Ok(proposal.id)
    }
}
