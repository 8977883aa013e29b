use openshell_domain::command::Report;
use openshell_domain::id::{Revision, RunId, Seq};

use super::*;
use crate::testing::{start, surroundings};

/// What the log does with the next append.
#[derive(Clone, Copy)]
enum Disk {
    Works,
    Fails,
    /// Stores everything and says that it failed.
    Lies,
}

struct FakeLog {
    stored: Vec<Envelope>,
    disk: Disk,
}

impl EventLog for FakeLog {
    fn append(&mut self, events: &[Arc<Envelope>]) -> Result<(), StoreError> {
        if !matches!(self.disk, Disk::Fails) {
            self.stored.extend(events.iter().map(|event| (**event).clone()));
        }
        match self.disk {
            Disk::Works => Ok(()),
            Disk::Fails | Disk::Lies => Err(StoreError::Sqlite(rusqlite::Error::QueryReturnedNoRows)),
        }
    }

    fn recover(&mut self, seq: Seq) -> Result<Vec<Envelope>, StoreError> {
        match self.disk {
            Disk::Fails => Err(StoreError::Shorter(seq)),
            _ => Ok(self.stored.iter().filter(|event| event.seq > seq).cloned().collect()),
        }
    }
}

fn writer() -> Writer<FakeLog> {
    let published = Published { state: Arc::new(ArcSwap::default()), events: broadcast::Sender::new(64) };
    Writer::new(FakeLog { stored: Vec::new(), disk: Disk::Works }, published, surroundings())
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

fn loaded(run: u128, revision: u64) -> Command {
    Command::ReportLoaded(Report {
        sandbox: "demo".parse().unwrap(),
        run: RunId(uuid::Uuid::from_u128(run)),
        revision: Revision(revision),
    })
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
    let seqs: Vec<Seq> = writer.log.stored.iter().map(|event| event.seq).collect();
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
    writer.log.disk = Disk::Fails;
    // The second is refused because of the first, which is never stored: its reason would be a lie.
    for _ in 0..2 {
        for outcome in group(&mut writer, vec![loaded(1, 1), loaded(9, 1), start("other")]) {
            assert!(matches!(outcome, Err(NotDone::Unavailable(_))), "{outcome:?}");
        }
    }
    assert_eq!(writer.published.state.load().seq, before);
    assert!(feed.try_recv().is_err());
    writer.log.disk = Disk::Works;
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
    writer.log.disk = Disk::Lies;
    assert!(group(&mut writer, vec![loaded(1, 1)]).remove(0).is_err());
    assert_eq!(writer.published.state.load().seq, before);
    writer.log.disk = Disk::Works;
    assert_eq!(group(&mut writer, vec![loaded(1, 1)]).remove(0).unwrap(), [], "it is loaded already");
    assert_eq!(writer.published.state.load().seq, before + 1);
    assert_eq!(feed.try_recv().unwrap().seq, before + 1, "and everybody has heard of it");
}
