use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::testing::event;

fn record(seq: Seq) -> Record {
    Record::of(event(seq)).unwrap()
}

struct Log {
    directory: tempfile::TempDir,
}

impl Log {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("state").join("inbox.db")
    }

    /// A log with events 1 to `count`, closed again.
    fn with(count: u64) -> Self {
        let log = Self::new();
        let mut open = log.writer();
        open.append(&(1..=count).map(record).collect::<Vec<_>>()).unwrap();
        log
    }

    fn writer(&self) -> SqliteLog {
        SqliteLog::open(&self.path()).unwrap().log
    }

    fn open(&self) -> Result<State, String> {
        SqliteLog::open(&self.path()).map(|opened| opened.state).map_err(|error| error.to_string())
    }

    /// Another program with no pragma of ours: what the `sqlite3` command line does.
    fn stranger(&self) -> Connection {
        Connection::open(self.path()).unwrap()
    }
}

const VALUES: &str =
    "sandbox, stream_seq, kind, schema_version, actor, at, payload, prev_hash, hash FROM events";

#[test]
fn the_table_is_append_only_for_every_program() {
    let log = Log::with(3);
    let stranger = log.stranger();
    for (statement, wanted) in [
        ("UPDATE events SET payload = '{}'".to_owned(), "no update"),
        ("UPDATE OR REPLACE events SET seq = 1 WHERE seq = 2".to_owned(), "no update"),
        ("DELETE FROM events".to_owned(), "no delete"),
        ("DELETE FROM events WHERE seq = 3".to_owned(), "no delete"),
        (format!("INSERT OR REPLACE INTO events SELECT seq, id, {VALUES} WHERE seq = 2"), "not the next"),
        (format!("REPLACE INTO events SELECT 4, id, {VALUES} WHERE seq = 2"), "not the next"),
        (format!("REPLACE INTO events SELECT 4, zeroblob(16), {VALUES} WHERE seq = 2"), "not the next"),
        (format!("INSERT INTO events SELECT 5, zeroblob(16), {}", fresh(9)), "not the next"),
        (format!("INSERT INTO events SELECT 3, zeroblob(16), {}", fresh(9)), "not the next"),
        (format!("INSERT INTO events SELECT 0, zeroblob(16), {}", fresh(9)), "not the next"),
        (format!("INSERT INTO events SELECT NULL, zeroblob(16), {}", fresh(9)), "not the next"),
        (format!("INSERT OR IGNORE INTO events SELECT seq, id, {VALUES} WHERE seq = 2"), "not the next"),
        (
            format!(
                "INSERT INTO events SELECT seq, id, {VALUES} WHERE seq = 2 \
                 ON CONFLICT (seq) DO UPDATE SET payload = '{{}}'"
            ),
            "not the next",
        ),
    ] {
        let error = stranger.execute(&statement, []).unwrap_err().to_string();
        assert!(error.contains("append only") && error.contains(wanted), "{statement}: {error}");
    }
    assert_eq!(log.open().unwrap().seq, 3, "nothing of that left a trace");
}

/// The columns of event 2 in another place of the stream.
fn fresh(stream_seq: u64) -> String {
    VALUES.replace("stream_seq", &stream_seq.to_string()) + " WHERE seq = 2"
}

#[test]
fn what_is_stored_is_read_back_and_others_may_not_read_the_file() {
    let log = Log::with(5);
    let Opened { log: open, state, .. } = SqliteLog::open(&log.path()).unwrap();
    assert_eq!(state.seq, 5);
    let events = open.reader().read(2, 2).unwrap();
    assert_eq!(events, [(*event(3)).clone(), (*event(4)).clone()]);
    assert!(open.reader().read(5, 2).unwrap().is_empty());
    for name in ["inbox.db", "inbox.db-wal", "inbox.db.lock"] {
        let mode = log.path().with_file_name(name).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    assert_eq!(log.path().parent().unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn the_marks_and_the_durability_are_set() {
    let log = Log::with(1);
    let open = log.writer();
    let number = |name| open.connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0)).unwrap();
    assert_eq!((number("application_id"), number("user_version")), (schema::APPLICATION_ID, schema::FORMAT));
    assert_eq!((number("synchronous"), number("recursive_triggers")), (2, 1), "2 is FULL");
    let mode: String = open.connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
}

#[test]
fn a_changed_event_is_found_and_named() {
    for (change, seq) in [
        ("UPDATE events SET payload = '{\"key\":\"k\",\"value\":false}' WHERE seq = 2", 2),
        ("UPDATE events SET at = at + 1 WHERE seq = 3", 3),
        ("UPDATE events SET actor = replace(actor, 'test', 'root') WHERE seq = 1", 1),
        ("UPDATE events SET hash = zeroblob(32) WHERE seq = 4", 4),
        ("DELETE FROM events WHERE seq = 2", 3),
        ("DELETE FROM events WHERE seq = 1", 2),
    ] {
        let log = Log::with(5);
        let stranger = log.stranger();
        let triggers = ["events_no_update", "events_no_delete"];
        let statement = |name: &str| -> String {
            stranger
                .query_row("SELECT sql FROM sqlite_schema WHERE name = ?1", [name], |row| row.get(0))
                .unwrap()
        };
        let again = triggers.map(statement);
        for name in triggers {
            stranger.execute_batch(&format!("DROP TRIGGER {name}")).unwrap();
        }
        stranger.execute_batch(change).unwrap();
        for statement in again {
            stranger.execute_batch(&statement).unwrap();
        }
        let error = log.open().unwrap_err();
        assert!(error.contains(&format!("breaks at event {seq}")), "{change}: {error}");
    }
}

#[test]
fn an_altered_schema_is_refused() {
    let log = Log::with(1);
    log.stranger().execute_batch("DROP TRIGGER events_no_delete").unwrap();
    assert!(log.open().unwrap_err().contains("events_no_delete has been altered"));
}

#[test]
fn foreign_and_newer_files_are_refused_and_left_alone() {
    let log = Log::with(1);
    log.stranger().pragma_update(None, "user_version", 2).unwrap();
    assert!(log.open().unwrap_err().contains("has format 2, this program knows up to 1"));
    log.stranger().pragma_update(None, "application_id", 7).unwrap();
    assert!(log.open().unwrap_err().contains("is not an openshell-inbox event log"));

    let other = Log::new();
    std::fs::create_dir(other.path().parent().unwrap()).unwrap();
    other.stranger().execute_batch("CREATE TABLE t (x)").unwrap();
    assert!(other.open().unwrap_err().contains("is not an openshell-inbox event log"));
    std::fs::write(other.path(), "a text file\n".repeat(100)).unwrap();
    assert!(other.open().unwrap_err().contains("is not an openshell-inbox event log"));
    assert!(std::fs::read_to_string(other.path()).unwrap().starts_with("a text file"));
}

#[test]
fn a_newer_event_stops_the_reader() {
    let log = Log::with(1);
    let open = log.writer();
    let columns = HashedColumns {
        seq: 2,
        id: &[9; 16],
        sandbox: "demo",
        stream_seq: 2,
        kind: "NotYetKnown",
        schema_version: SCHEMA_VERSION + 1,
        actor: "{\"kind\":\"system\",\"id\":\"x\",\"authenticated\":\"x\"}",
        at: 1,
        payload: "{}",
    };
    let previous = open.head.hash;
    open.connection
        .execute(
            "INSERT INTO events VALUES (2, ?1, 'demo', 2, ?2, ?3, ?4, 1, '{}', ?5, ?6)",
            params![
                columns.id,
                columns.kind,
                columns.schema_version,
                columns.actor,
                previous.0,
                columns.hash(&previous).0
            ],
        )
        .unwrap();
    drop(open);
    let error = log.open().unwrap_err();
    assert!(error.contains("event 2 has schema version 2") && error.contains("use a newer one"), "{error}");
}

#[test]
fn a_second_gateway_on_one_database_is_refused_under_every_name_of_it() {
    let log = Log::with(1);
    let first = SqliteLog::open(&log.path()).unwrap();
    let link = log.directory.path().join("link.db");
    std::os::unix::fs::symlink(log.path(), &link).unwrap();
    for name in [log.path(), link, log.directory.path().join("state/../state/inbox.db")] {
        let error = SqliteLog::open(&name).unwrap_err().to_string();
        assert!(error.contains(&format!("pid {}", std::process::id())), "{error}");
    }
    drop(first);
    assert!(log.open().is_ok());
}

#[test]
fn a_failed_append_stores_nothing_and_recovery_finds_the_truth() {
    let log = Log::with(2);
    let mut open = log.writer();
    assert!(open.append(&[record(3), record(5)]).is_err(), "event 4 is missing");
    assert!(open.recover(2).unwrap().is_empty());
    open.append(&[record(3)]).unwrap();
    let head = open.head;
    // As if the disk had taken an append that was reported as failed.
    open.head = GENESIS;
    assert_eq!(open.recover(0).unwrap().len(), 3);
    assert_eq!(open.head.hash, head.hash);
    assert!(matches!(open.recover(4), Err(StoreError::Shorter(4))));
    std::fs::remove_file(log.path()).unwrap();
    assert!(open.recover(3).is_err(), "a file that was deleted is not begun anew");
    assert!(!log.path().exists());
}

#[test]
fn a_log_has_recovered_only_when_it_can_be_written_again() {
    let log = Log::with(1);
    let mut open = log.writer();
    open.connection.pragma_update(None, "query_only", true).unwrap();
    assert!(matches!(open.append(&[record(2)]), Err(StoreError::ReadOnly(_))));
    // Somebody else holds it: everything can be read, and nothing written.
    let stranger = log.stranger();
    stranger.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert!(matches!(open.recover(1), Err(StoreError::Busy(_))));
    assert_eq!(open.reader().read(0, 9).unwrap().len(), 1);
    stranger.execute_batch("ROLLBACK").unwrap();
    assert_eq!(open.recover(1).unwrap().len(), 0);
    open.append(&[record(2)]).unwrap();
    drop(open);
    assert_eq!(log.open().unwrap().seq, 2, "the proof that it can be written is no event");
}
