use std::cell::Cell;
use std::pin::Pin;
use std::time::Duration;

use chrono::{DateTime, Utc};
use openshell_domain::checkpoint::Checkpoint;
use openshell_domain::command::{Answer, Decide, Report, SetSetting, Submit};
use openshell_domain::id::{Digest, ProposalId, Revision, RunId, Seq, Stream};
use openshell_domain::review::Review;
use openshell_domain::setting::{Key, Value};

use super::*;
use crate::store::Head;
use crate::store::record::Record;
use crate::testing::{asks, books, reviewer, start};

/// What the log does with the next append.
#[derive(Clone, Copy)]
enum Disk {
    Works,
    Fails,
    /// Stores everything and says that it failed.
    Lies,
}

struct FakeLog {
    stored: Vec<Record>,
    disk: Disk,
    has_reserve: bool,
}

impl EventLog for FakeLog {
    fn append(&mut self, records: &[Record]) -> Result<(), StoreError> {
        if !matches!(self.disk, Disk::Fails) {
            self.stored.extend_from_slice(records);
        }
        match self.disk {
            Disk::Works => Ok(()),
            Disk::Fails | Disk::Lies => Err(StoreError::DiskFull),
        }
    }

    fn recover(&mut self, seq: Seq) -> Result<Vec<Record>, StoreError> {
        match self.disk {
            Disk::Fails => Err(StoreError::DiskFull),
            _ => Ok(self.stored.iter().filter(|record| record.envelope.seq > seq).cloned().collect()),
        }
    }

    fn head(&self) -> Head {
        let seq = self.stored.last().map_or(0, |record| record.envelope.seq);
        Head { seq, hash: Digest([u8::try_from(seq % 251).unwrap(); 32]) }
    }

    fn has_reserve(&mut self) -> bool {
        self.has_reserve
    }
}

thread_local! {
    static TIME: Cell<DateTime<Utc>> = const { Cell::new(DateTime::<Utc>::MIN_UTC) };
}

/// The writer of a test works in the test's own thread, and so does its clock.
#[derive(Debug)]
struct TestClock;

impl Clock for TestClock {
    fn now(&self) -> DateTime<Utc> {
        TIME.get()
    }

    fn uptime(&self) -> Duration {
        Duration::ZERO
    }

    fn sleep(&self, _: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(std::future::pending())
    }
}

/// Sets the clock of this test.
fn at(seconds: i64) {
    TIME.set(DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap());
}

fn writer() -> Writer<FakeLog> {
    at(0);
    let published = Published { state: Arc::new(ArcSwap::default()), events: broadcast::Sender::new(64) };
    let log = FakeLog { stored: Vec::new(), disk: Disk::Works, has_reserve: true };
    Writer::new(books(log), published, Surroundings { clock: Arc::new(TestClock), orders: Arc::default() })
}

fn group(writer: &mut Writer<FakeLog>, commands: Vec<Command>) -> Vec<Outcome> {
    let (asks, mut answers): (Vec<_>, Vec<_>) = commands
        .into_iter()
        .map(|command| {
            let (reply, answer) = oneshot::channel();
            (Ask { commands: vec![command], reply }, answer)
        })
        .unzip();
    writer.work(asks.into_iter());
    answers.iter_mut().map(|answer| answer.try_recv().unwrap().remove(0)).collect()
}

fn report(run: u128, revision: u64) -> Report {
    Report {
        sandbox: "demo".parse().unwrap(),
        run: RunId(uuid::Uuid::from_u128(run)),
        revision: Revision(revision),
    }
}

fn loaded(run: u128, revision: u64) -> Command {
    Command::ReportLoaded(report(run, revision))
}

/// A reviewer refuses the proposal with this id, as it looks now.
fn reject(writer: &Writer<FakeLog>, id: u128) -> Command {
    let (state, id) = (writer.published.state.load(), ProposalId(uuid::Uuid::from_u128(id)));
    let proposal = state.proposal(id).unwrap();
    let sandbox = &state.sandboxes[&proposal.sandbox];
    let digest = Review::of(sandbox, id, &proposal.draft, &proposal.evidence).digest;
    let decision = Decide { proposal: id, digest, reviewer: reviewer(), reason: String::new() };
    Command::Reject(decision, Answer::default())
}

#[test]
fn a_group_is_decided_in_order_and_a_refusal_touches_only_its_command() {
    let mut writer = writer();
    let outcomes =
        group(&mut writer, vec![loaded(1, 1), start("demo"), loaded(1, 1), loaded(9, 1), start("other")]);
    assert!(matches!(outcomes[0], Err(NotDone::Refused(Refusal::UnknownSandbox(_)))));
    assert!(outcomes[1].is_ok() && outcomes[4].is_ok());
    assert_eq!(outcomes[2].as_ref().unwrap().len(), 1, "it sees what the command before it did");
    assert!(matches!(outcomes[3], Err(NotDone::Refused(Refusal::RunEnded { .. }))));
    let seqs: Vec<Seq> = writer.books.log.stored.iter().map(|record| record.envelope.seq).collect();
    assert_eq!(seqs, (1..=u64::try_from(seqs.len()).unwrap()).collect::<Vec<_>>());
    assert_eq!(writer.published.state.load().seq, *seqs.last().unwrap());
}

#[test]
fn the_state_is_published_before_its_events() {
    let mut writer = writer();
    let mut feed = writer.published.events.subscribe();
    let events = group(&mut writer, vec![start("demo")]).remove(0).unwrap();
    for event in events {
        assert_eq!(feed.try_recv().unwrap(), event);
        assert!(writer.published.state.load().seq >= event.seq);
    }
}

#[test]
fn a_failed_commit_refuses_its_whole_group_and_the_next_one_tries_again() {
    let mut writer = writer();
    group(&mut writer, vec![start("demo")]).remove(0).unwrap();
    let before = writer.published.state.load().seq;
    let mut feed = writer.published.events.subscribe();
    writer.books.log.disk = Disk::Fails;
    // The second is refused because of the first, which is never stored: its reason would be a lie.
    for _ in 0..2 {
        for outcome in group(&mut writer, vec![loaded(1, 1), loaded(9, 1), start("other")]) {
            assert!(matches!(outcome, Err(NotDone::Unavailable(_))), "{outcome:?}");
        }
    }
    assert_eq!(writer.published.state.load().seq, before);
    assert!(feed.try_recv().is_err());
    writer.books.log.disk = Disk::Works;
    let events = group(&mut writer, vec![loaded(1, 1)]).remove(0).unwrap();
    assert_eq!(events[0].seq, before + 1);
    assert_eq!(feed.try_recv().unwrap().seq, before + 1);
}

#[test]
fn what_reached_the_disk_after_all_is_taken_in() {
    let mut writer = writer();
    group(&mut writer, vec![start("demo")]).remove(0).unwrap();
    let before = writer.published.state.load().seq;
    let mut feed = writer.published.events.subscribe();
    writer.books.log.disk = Disk::Lies;
    assert!(group(&mut writer, vec![loaded(1, 1)]).remove(0).is_err());
    assert_eq!(writer.published.state.load().seq, before);
    writer.books.log.disk = Disk::Works;
    assert_eq!(group(&mut writer, vec![loaded(1, 1)]).remove(0).unwrap(), [], "it is loaded already");
    assert_eq!(writer.published.state.load().seq, before + 1);
    assert_eq!(feed.try_recv().unwrap().seq, before + 1, "and everybody has heard of it");
}

fn checkpoints(writer: &Writer<FakeLog>) -> Vec<(Seq, Checkpoint)> {
    let of = |record: &Record| Some((record.envelope.seq, Checkpoint::of(&record.envelope.event)?.unwrap()));
    writer.books.log.stored.iter().filter_map(of).collect()
}

#[test]
fn the_head_is_signed_a_minute_after_the_first_unsigned_event_and_an_idle_log_is_left_alone() {
    let mut writer = writer();
    let mut look = |seconds| {
        at(seconds);
        writer.sign();
        checkpoints(&writer).len()
    };
    assert_eq!(look(1000), 0, "there is nothing to sign");
    at(1000);
    group(&mut writer, vec![start("demo")]).remove(0).unwrap();
    let head = writer.books.log.head();
    let mut look = |seconds| {
        at(seconds);
        writer.sign();
        checkpoints(&writer).len()
    };
    assert_eq!((look(1059), look(1060), look(9000)), (0, 1, 1));
    let (seq, checkpoint) = checkpoints(&writer).remove(0);
    assert_eq!((checkpoint.seq, checkpoint.head, seq), (head.seq, head.hash, head.seq + 1));
    assert_eq!(checkpoint.verify(), Ok(()));
    assert_eq!(writer.books.log.stored.last().unwrap().envelope.stream, Stream::Gateway);
    assert_eq!(writer.published.state.load().seq, seq, "it is an event like others");
    group(&mut writer, vec![loaded(1, 1)]).remove(0).unwrap();
    at(9059);
    writer.sign();
    assert_eq!(checkpoints(&writer).len(), 1);
    at(9060);
    writer.sign();
    assert_eq!(checkpoints(&writer).len(), 2);
}

#[test]
fn the_head_is_signed_after_a_thousand_events_whatever_the_time() {
    let mut writer = writer();
    let mut failures = 0;
    let mut fail = || {
        failures += 1;
        Command::ReportLoadFailed(report(1, 1), failures.to_string().into())
    };
    let before = group(&mut writer, vec![start("demo")]).remove(0).unwrap().len();
    for _ in before..999 {
        group(&mut writer, vec![fail()]).remove(0).unwrap();
        writer.sign();
    }
    assert!(checkpoints(&writer).is_empty());
    group(&mut writer, vec![fail()]).remove(0).unwrap();
    writer.sign();
    assert_eq!(checkpoints(&writer)[0].1.seq, 1000);
}

#[test]
fn what_cannot_be_signed_now_is_signed_when_the_disk_works_again() {
    let mut writer = writer();
    group(&mut writer, vec![start("demo")]).remove(0).unwrap();
    at(60);
    writer.books.log.disk = Disk::Lies;
    writer.sign();
    assert_eq!(checkpoints(&writer).len(), 1, "it reached the disk and nobody knows");
    writer.books.log.disk = Disk::Works;
    writer.sign();
    group(&mut writer, vec![loaded(1, 1)]).remove(0).unwrap();
    let found = checkpoints(&writer);
    assert!(found.iter().all(|(seq, checkpoint)| checkpoint.seq + 1 == *seq), "{found:?}");
    let seqs: Vec<Seq> = writer.books.log.stored.iter().map(|record| record.envelope.seq).collect();
    assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>());
}

#[test]
fn while_the_reserve_is_not_whole_agents_are_refused_and_everybody_else_is_served() {
    let mut writer = writer();
    group(&mut writer, vec![start("demo")]).remove(0).unwrap();
    let first = group(&mut writer, vec![asks("demo", 1)]).remove(0).unwrap();
    assert_eq!(first.len(), 1);
    writer.books.log.has_reserve = false;
    let no = reject(&writer, 1);
    let outcomes = group(&mut writer, vec![asks("demo", 2), loaded(1, 1), no]);
    let Err(refused @ NotDone::NotAdmitted(Reason::DiskReserve)) = &outcomes[0] else {
        panic!("{outcomes:?}")
    };
    assert!(refused.to_string().contains("kept for decisions"), "{refused}");
    assert!(outcomes[1].is_ok() && outcomes[2].is_ok(), "{outcomes:?}");
    writer.books.log.has_reserve = true;
    assert!(group(&mut writer, vec![asks("demo", 2)]).remove(0).is_ok());
}

/// An agent asks with so many bytes of words.
fn wordy(sandbox: &str, id: u128, bytes: usize) -> Command {
    let Command::Submit(submit) = asks(sandbox, id) else { panic!("it is a submission") };
    Command::Submit(Box::new(Submit { rationale: "x".repeat(bytes), ..*submit }))
}

#[test]
fn a_sandbox_that_has_written_its_part_of_the_log_waits_for_the_next_day_and_no_other_does() {
    const PART: usize = 32 * 1024;
    let mut writer = writer();
    let one_mib = Command::Set(SetSetting {
        scope: Stream::Gateway,
        key: Key::LogBudget,
        value: Some(Value::Number(1)),
        reviewer: reviewer(),
    });
    let [set, ..] = &group(&mut writer, vec![one_mib, start("demo"), start("other")])[..] else { panic!() };
    assert!(set.is_ok(), "{set:?}");
    let mut taken = 0;
    let reason = loop {
        taken += 1;
        match group(&mut writer, vec![wordy("demo", taken, PART)]).remove(0) {
            Ok(_) => assert!(taken < 100, "nobody stops it"),
            Err(NotDone::NotAdmitted(reason)) => break reason,
            Err(other) => panic!("{other}"),
        }
    };
    assert_eq!(taken, 33, "31 parts and what is around them are not yet a MiB");
    // The clock of this test stands at 08:00 UTC.
    assert_eq!(reason, Reason::LogBudget { mib: 1, again_s: 16 * 3600 + 1 });
    let no = reject(&writer, 1);
    assert!(group(&mut writer, vec![asks("other", 9001), no]).iter().all(Result::is_ok));
    // Within one group as well.
    let many = (0..100).map(|n| wordy("other", 10_000 + n, PART)).collect();
    assert_eq!(group(&mut writer, many).iter().filter(|outcome| outcome.is_ok()).count(), 32);
    // A restarted gateway counts on: the account is a fold.
    let mut again = Account::default();
    writer.books.log.stored.iter().for_each(|record| again.add(record));
    writer.books.account = again;
    assert!(group(&mut writer, vec![asks("demo", 20_000)]).remove(0).is_err());
    at(16 * 3600);
    assert!(group(&mut writer, vec![asks("demo", 20_000)]).remove(0).is_ok(), "another day");
    at(0);
    assert!(group(&mut writer, vec![wordy("demo", 20_001, 1024 * 1024)]).remove(0).is_ok());
    assert!(
        group(&mut writer, vec![asks("demo", 20_002)]).remove(0).is_err(),
        "a clock set back is no new day"
    );
}

/// A queue with so many asks in it, and who sends more.
fn queue(count: usize) -> (mpsc::Sender<Ask>, mpsc::Receiver<Ask>) {
    let (sender, receiver) = mpsc::channel(GROUP);
    for _ in 0..count {
        sender.try_send(Ask { commands: Vec::new(), reply: oneshot::channel().0 }).unwrap();
    }
    (sender, receiver)
}

#[test]
fn a_group_waits_for_those_who_were_answered_and_for_nobody_for_ever() {
    let ask = || Ask { commands: Vec::new(), reply: oneshot::channel().0 };
    let fill = |gather: &Gather, count| {
        let (_sender, mut queue) = queue(count);
        let mut asks = vec![ask()];
        gather.fill(&mut asks, &mut queue, &TestClock);
        (asks.len(), queue.len())
    };
    let mut gather = Gather::default();
    assert_eq!(fill(&gather, 5), (1, 5), "the first group takes what it was given");
    gather.learn(3, 1, Duration::from_millis(4));
    assert_eq!(fill(&gather, 5), (4, 2), "three who were answered and one who waited");
    assert_eq!(
        fill(&gather, 1),
        (2, 0),
        "who does not come is not waited for, though the clock of this test stands"
    );
    gather.learn(1, 0, Duration::from_secs(9));
    assert_eq!(fill(&gather, 5), (1, 5), "one who is alone");
    gather.learn(GROUP, GROUP, Duration::ZERO);
    assert_eq!(fill(&gather, GROUP), (GROUP, 1), "a group has a bound");
}
