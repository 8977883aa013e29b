use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use openshell_domain::id::{Digest, Stream};

use super::*;
use crate::store::EventLog;
use crate::store::key::Signer;
use crate::store::record::Record;
use crate::store::sqlite::SqliteLog;
use crate::testing::{event, event_in};

struct World {
    folder: tempfile::TempDir,
    signer: Signer,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let signer = Signer::open(&folder.path().join("a")).unwrap();
        Self { folder, signer }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("inbox.db")
    }

    /// Events of a sandbox, then a checkpoint, as often as asked; `first` is the id of event 1.
    fn log(&self, rounds: u64, first: u128) -> Vec<Checkpoint> {
        let _ = std::fs::remove_file(self.path());
        let mut log = SqliteLog::open(&self.path()).unwrap().log;
        let mut checkpoints = Vec::new();
        for round in 0..rounds {
            let (seq, stream_seq) = (4 * round, 3 * round);
            for n in 1..=3 {
                let mut envelope = (*event_in(event(1).stream.clone(), seq + n, stream_seq + n)).clone();
                if seq + n == 1 {
                    envelope.id.0 = uuid::Uuid::from_u128(first);
                }
                append(&mut log, envelope);
            }
            let checkpoint = self.signer.sign(log.head().seq, log.head().hash);
            let mut envelope = (*event_in(Stream::Gateway, seq + 4, round + 1)).clone();
            envelope.event = checkpoint.clone().into_event();
            append(&mut log, envelope);
            checkpoints.push(checkpoint);
        }
        checkpoints
    }

    fn problems(&self, against: Option<&Checkpoint>) -> Vec<String> {
        let audit = audit(&self.path(), against.cloned()).unwrap();
        audit.problems.iter().map(ToString::to_string).collect()
    }

    fn without_triggers(&self, change: &str) {
        let stranger = Connection::open(self.path()).unwrap();
        let again: Vec<String> = stranger
            .prepare("SELECT sql FROM sqlite_schema WHERE type = 'trigger'")
            .unwrap()
            .query_map([], |row| row.get(0))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        for name in ["events_append", "events_no_update", "events_no_delete"] {
            stranger.execute_batch(&format!("DROP TRIGGER {name}")).unwrap();
        }
        stranger.execute_batch(change).unwrap();
        again.iter().for_each(|statement| stranger.execute_batch(statement).unwrap());
    }
}

fn append(log: &mut SqliteLog, envelope: Envelope) {
    log.append(&[Record::of(Arc::new(envelope)).unwrap()]).unwrap();
}

fn only(problems: Vec<String>, wanted: &str) {
    assert!(matches!(&problems[..], [one] if one.contains(wanted)), "{wanted}: {problems:?}");
}

#[test]
fn a_whole_log_is_told_with_its_streams_and_its_signatures() {
    let world = World::new();
    let checkpoints = world.log(2, 1);
    let audit = audit(&world.path(), Some(checkpoints[0].clone())).unwrap();
    assert!(audit.problems.is_empty(), "{:?}", audit.problems);
    assert_eq!((audit.head.seq, audit.checkpoints, audit.unsigned()), (8, 2, 1));
    assert_eq!(audit.streams, [(String::new(), 2), ("demo".to_owned(), 6)].into());
    assert_eq!(audit.latest.as_ref(), checkpoints.last());
    assert_eq!(audit.signers, [(world.signer.public_key(), 7)]);
}

#[test]
fn changed_left_out_and_misnumbered_events_are_found_and_named() {
    for (change, wanted) in [
        ("UPDATE events SET payload = '{}' WHERE seq = 2", "breaks at event 2"),
        ("DELETE FROM events WHERE seq = 3", "breaks at event 4"),
        ("DELETE FROM events WHERE seq = 1", "breaks at event 2"),
        ("UPDATE events SET stream_seq = 9 WHERE seq = 2", "breaks at event 2"),
    ] {
        let world = World::new();
        world.log(1, 1);
        world.without_triggers(change);
        only(world.problems(None), wanted);
    }
    let world = World::new();
    world.log(1, 1);
    let mut log = SqliteLog::open(&world.path()).unwrap().log;
    append(&mut log, (*event_in(event(1).stream.clone(), 5, 7)).clone());
    only(world.problems(None), "event 5 is number 7 of the stream \"demo\", and should be number 4");
}

#[test]
fn a_dropped_trigger_is_told_beside_the_proof_that_the_chain_holds() {
    let world = World::new();
    world.log(1, 1);
    Connection::open(world.path()).unwrap().execute_batch("DROP TRIGGER events_no_delete").unwrap();
    let audit = audit(&world.path(), None).unwrap();
    assert_eq!(audit.head.seq, 4);
    only(audit.problems.iter().map(ToString::to_string).collect(), "events_no_delete has been altered");
}

#[test]
fn a_history_that_was_written_anew_contradicts_the_checkpoints_in_it_and_those_kept_elsewhere() {
    let world = World::new();
    let kept = world.log(1, 1).remove(0);
    // The same events with another first one; the writer of it has the signing key.
    world.log(1, 99);
    assert!(world.problems(None).is_empty(), "a chain alone cannot know, and `verify` says so");
    only(world.problems(Some(&kept)), "the log was written anew");
    // Without the key: the old checkpoint is put into the new history.
    let _ = std::fs::remove_file(world.path());
    let mut log = SqliteLog::open(&world.path()).unwrap().log;
    (1..=3).for_each(|n| append(&mut log, (*event(n)).clone()));
    let mut envelope = (*event_in(Stream::Gateway, 4, 1)).clone();
    envelope.event = Checkpoint { head: Digest([1; 32]), ..kept.clone() }.into_event();
    append(&mut log, envelope);
    only(world.problems(None), "the checkpoint in event 4: the signature");
    drop(log);
    world.log(1, 1);
    let mut log = SqliteLog::open(&world.path()).unwrap().log;
    let mut envelope = (*event_in(Stream::Gateway, 5, 2)).clone();
    envelope.event = kept.into_event();
    append(&mut log, envelope);
    only(world.problems(None), "it signs event 3 with the hash");
}

#[test]
fn a_log_that_was_cut_off_is_found_with_a_checkpoint_from_elsewhere_and_only_with_it() {
    for cut in [8, 7, 5, 2, 1] {
        let world = World::new();
        let kept = world.log(2, 1).remove(1);
        assert!(world.problems(Some(&kept)).is_empty());
        world.without_triggers(&format!("DELETE FROM events WHERE seq >= {cut}"));
        assert!(world.problems(None).is_empty());
        only(world.problems(Some(&kept)), &format!("ends with event {} and does not hold", cut - 1));
    }
}

#[test]
fn no_page_can_be_torn_unseen() {
    let world = World::new();
    world.log(40, 1);
    drop(SqliteLog::open(&world.path()).unwrap());
    let mut whole = Vec::new();
    std::fs::File::open(world.path()).unwrap().read_to_end(&mut whole).unwrap();
    let size = whole.len() / 4096;
    assert!(size > 10, "{size} pages");
    for page in 0..size {
        let mut file = std::fs::OpenOptions::new().write(true).open(world.path()).unwrap();
        // The second half of the page is still that of another time.
        file.write_all_at(&[0; 2048], u64::try_from(page * 4096 + 2048).unwrap()).unwrap();
        drop(file);
        match audit(&world.path(), None) {
            Ok(audit) => assert!(!audit.problems.is_empty(), "page {}", page + 1),
            Err(error) => assert!(error.is_damage(), "page {}: {error}", page + 1),
        }
        file = std::fs::OpenOptions::new().write(true).open(world.path()).unwrap();
        file.seek(SeekFrom::Start(0)).unwrap();
        file.write_all(&whole).unwrap();
    }
    assert!(world.problems(None).is_empty());
}
