use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::store::EventLog;
use crate::store::record::Record;
use crate::store::sqlite::audit::audit;
use crate::store::sqlite::{Opened, SqliteLog};
use crate::store::writer::{Ask, Books, Published, Surroundings, Writer};
use crate::testing::{ManualClock, asks, event, start};

/// A log in a folder of its own.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn db(&self) -> PathBuf {
        self.0.path().join("inbox.db")
    }

    fn open(&self) -> Opened {
        SqliteLog::open(&self.db()).unwrap()
    }

    /// A gateway starts, does these commands, and stops as one that was told to; it takes a snapshot then.
    fn life(&self, commands: Vec<openshell_domain::command::Command>) {
        let Opened { mut log, state, account } = self.open();
        log.snapshot_every(1);
        let signer = log.signer().unwrap();
        let published = Published {
            state: std::sync::Arc::new(arc_swap::ArcSwap::from_pointee(state)),
            events: tokio::sync::broadcast::Sender::new(64),
        };
        let surroundings =
            Surroundings { clock: std::sync::Arc::new(ManualClock::default()), orders: Default::default() };
        let writer = Writer::new(Books { log, account, signer }, published, surroundings);
        let (queue, asked) = tokio::sync::mpsc::channel(64);
        let mut answers = Vec::new();
        for command in commands {
            let (reply, answer) = tokio::sync::oneshot::channel();
            queue.try_send(Ask { commands: vec![command], reply }).unwrap();
            answers.push(answer);
        }
        drop(queue);
        writer.run(asked);
        assert!(answers.iter_mut().all(|answer| answer.try_recv().unwrap().iter().all(Result::is_ok)));
    }

    /// What a start makes of the log, with and without the snapshot.
    fn both(&self) -> [(State, Account); 2] {
        let Opened { state, account, .. } = self.open();
        let with = (state, account);
        let kept = std::fs::read(path(&self.db())).ok();
        let _ = std::fs::remove_file(path(&self.db()));
        let Opened { state, account, .. } = self.open();
        let without = (state, account);
        if let Some(kept) = kept {
            std::fs::write(path(&self.db()), kept).unwrap();
        }
        [with, without]
    }

    /// Whether a start leaves the snapshot where it is.
    fn is_believed(&self) -> bool {
        let [with, without] = self.both();
        assert_eq!(with, without, "whatever becomes of the snapshot");
        path(&self.db()).exists()
    }

    fn rewrite(&self, change: impl Fn(String) -> String) {
        let text = std::fs::read_to_string(path(&self.db())).unwrap();
        let changed = change(text.clone());
        assert_ne!(changed, text);
        std::fs::write(path(&self.db()), changed).unwrap();
    }
}

/// A log with a snapshot and events after it.
fn lived() -> Place {
    let place = Place::new();
    place.life(vec![start("demo"), asks("demo", 1), asks("demo", 2), start("other"), asks("other", 3)]);
    let taken = open(&place.db()).unwrap().unwrap().head();
    let mut log = place.open().log;
    assert_eq!(log.head(), taken);
    let (next, number) = (taken.seq + 1, 1);
    let record = Record::of(crate::testing::event_in("third".parse().unwrap(), next, number)).unwrap();
    log.append(&[record]).unwrap();
    place
}

#[test]
fn a_start_from_a_snapshot_is_the_start_from_the_first_event() {
    let place = lived();
    let mode = path(&place.db()).metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(place.is_believed());
    let state = place.open().state;
    assert_eq!(state.sandboxes.len(), 3, "the events after it are there too");
    assert_eq!(state.sandboxes[&"demo".parse().unwrap()].pending.size(), 2);
    place.life(vec![asks("demo", 4)]);
    assert!(
        place.is_believed(),
        "and so is the next one, which was taken of a state that began with the first"
    );
}

#[test]
fn a_snapshot_that_anything_is_wrong_with_is_dropped() {
    for change in [
        |text: String| text.replacen("h1.example", "h9.example", 1),
        |text: String| text.replacen("\"seq\":", "\"seq\":1", 1),
        |text: String| text.replacen(&form(), "0.0.1-0/1", 1),
        |text: String| text.lines().next().unwrap().to_owned(),
        |text: String| text.split_at(text.len() / 2).0.to_owned(),
        |text: String| text.trim_end().to_owned(),
        |_| String::new(),
        |_| "\n\n".to_owned(),
    ] {
        let place = lived();
        place.rewrite(change);
        assert!(!place.is_believed());
    }
}

/// The same file as whoever knows how to seal it would leave it.
fn forge(place: &Place, head: Head, state: &State, account: &Account) {
    write(&place.db(), head, state, account).unwrap();
}

#[test]
fn a_snapshot_of_another_history_is_dropped() {
    let (place, other) = (lived(), lived());
    std::fs::copy(path(&other.db()), path(&place.db())).unwrap();
    assert!(!place.is_believed(), "its event has another hash here");

    let place = lived();
    let Opened { mut log, mut state, mut account } = place.open();
    let record = Record::of(event_after(&state)).unwrap();
    let future = Place::new();
    std::fs::copy(place.db(), future.db()).unwrap();
    state.fold(&record.envelope).unwrap();
    account.add(&record);
    log.append(&[record]).unwrap();
    let head = log.head();
    drop(log);
    assert!(place.is_believed());
    forge(&future, head, &state, &account);
    assert!(!future.is_believed(), "its event is not there yet");

    let place = lived();
    let Opened { log, state, account } = place.open();
    let head = Head { seq: log.head().seq - 1, hash: open(&place.db()).unwrap().unwrap().head().hash };
    drop(log);
    forge(&place, head, &state, &account);
    assert!(!place.is_believed(), "it is about another event than it is sealed for");
}

fn event_after(state: &State) -> std::sync::Arc<openshell_domain::event::Envelope> {
    let seq = state.seq + 1;
    crate::testing::event_in("later".parse().unwrap(), seq, 1)
}

#[test]
fn a_changed_log_is_refused_whatever_its_snapshot_says() {
    let place = lived();
    let stranger = rusqlite::Connection::open(place.db()).unwrap();
    let trigger: String = stranger
        .query_row("SELECT sql FROM sqlite_schema WHERE name = 'events_no_update'", [], |row| row.get(0))
        .unwrap();
    stranger
        .execute_batch("DROP TRIGGER events_no_update; UPDATE events SET at = at + 1 WHERE seq = 2")
        .unwrap();
    stranger.execute_batch(&trigger).unwrap();
    drop(stranger);
    let error = SqliteLog::open(&place.db()).unwrap_err().to_string();
    assert!(error.contains("breaks at event 2"), "{error}");
}

#[test]
fn a_state_that_the_log_does_not_make_is_found_by_the_audit() {
    let place = lived();
    assert!(audit(&place.db(), None).unwrap().problems.is_empty());
    let Snapshot { head, mut state, account, .. } = open(&place.db()).unwrap().unwrap().read().unwrap();
    state.sandboxes.remove(&"other".parse().unwrap());
    forge(&place, head, &state, &account);
    let problems = audit(&place.db(), None).unwrap().problems;
    assert!(
        matches!(problems[..], [crate::store::StoreError::Snapshot(seq)] if seq == head.seq),
        "{problems:?}"
    );
}

#[test]
fn a_half_written_one_harms_nobody_and_is_written_over() {
    let place = lived();
    let new = crate::store::beside(&place.db(), ".snapshot.new");
    std::fs::write(&new, "{\"state\":").unwrap();
    assert!(place.is_believed());
    place.life(vec![asks("demo", 4)]);
    assert!(place.is_believed() && !new.exists());
}

#[test]
fn it_is_taken_when_enough_has_happened_and_never_where_nobody_wants_it() {
    let place = Place::new();
    let mut log = place.open().log;
    log.snapshot_every(4);
    let (mut state, mut account) = (State::default(), Account::default());
    let mut append = |log: &mut SqliteLog, seq| {
        let record = Record::of(event(seq)).unwrap();
        log.append(std::slice::from_ref(&record)).unwrap();
        state.fold(&record.envelope).unwrap();
        account.add(&record);
        log.keep(&std::sync::Arc::new(state.clone()), &account);
        (std::sync::Arc::new(state.clone()), account.clone())
    };
    let taken = |place: &Place| open(&place.db()).unwrap().map(|sealed| sealed.head().seq);
    for seq in 1..=3 {
        append(&mut log, seq);
    }
    assert_eq!(taken(&place), None);
    for seq in 4..=6 {
        append(&mut log, seq);
    }
    let (state, account) = append(&mut log, 7);
    // Closing waits for the one that is being written.
    log.snapshot_every(40);
    log.close(&state, &account);
    assert_eq!(taken(&place), Some(4), "three events after it are not worth another");
    log.snapshot_every(30);
    log.close(&state, &account);
    assert_eq!(taken(&place), Some(7));
    let never = Place::new();
    let mut log = never.open().log;
    log.snapshot_every(0);
    log.keep(&state, &account);
    log.close(&state, &account);
    assert_eq!(taken(&never), None);
}
