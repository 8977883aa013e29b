//! What happens when the disk stalls, and what does not.

use std::io::Read as _;

use super::*;

const PATIENCE: Duration = Duration::from_secs(30);

fn entry(weight: Weight, line: &str) -> Entry {
    Entry { at: "2026-07-02T12:00:00Z".parse().unwrap(), weight, line: line.to_owned(), event: None }
}

/// Kills: a request that waits for the disk; a queue without a bound; a change of policy that a flood keeps out; lines
/// that are missing and not told of, or told of in another place; and lines in another order.
#[test]
fn a_disk_that_stalls_keeps_nobody_waiting_and_what_is_missing_is_told_where_it_is() {
    let folder = tempfile::tempdir().unwrap();
    // Who opens it waits for a reader: a disk that does not answer.
    let path = folder.path().join("openshell.2026-07-02.log");
    rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::from(0o600)).unwrap();
    let source = Source { sandbox: "demo".into(), hostname: "box".into() };
    let writer = Writer::begin(folder.path().to_owned(), source).unwrap();
    writer.push(entry(Weight::Ordinary, "first"));
    // The batch with the first line is taken, and the rest of this waits behind it.
    while writer.0.lock().bytes > 0 {
        std::thread::yield_now();
    }
    let line = "x".repeat(ROOM / 8 - 1);
    for n in 0..10 {
        writer.push(entry(Weight::Ordinary, &format!("{n}{line}")));
    }
    writer.push(entry(Weight::Policy, "a change of policy"));
    assert_eq!(writer.unwritten(), 2);
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        std::fs::File::open(path).unwrap().read_to_string(&mut text).unwrap();
        text
    });
    writer.flush(PATIENCE);
    writer.push(entry(Weight::Ordinary, "last"));
    writer.flush(PATIENCE);
    drop(writer);
    let text = reader.join().unwrap();
    let starts: Vec<&str> = text.lines().map(|line| line.get(..1).unwrap()).collect();
    assert_eq!(starts, ["f", "0", "1", "2", "3", "4", "5", "6", "7", "a", "2", "l"]);
    let told = text.lines().nth(10).unwrap();
    assert!(told.contains("CONFIG:DROPPED") && told.contains("2 lines are missing here"), "{told}");
}

/// Kills: an end of the run that waits for a disk for ever, and one that does not wait for a disk that works.
#[test]
fn what_was_pushed_is_in_the_file_after_a_flush_and_after_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let source = Source { sandbox: "demo".into(), hostname: "box".into() };
    let writer = Writer::begin(folder.path().to_owned(), source).unwrap();
    for n in 0..1000 {
        writer.push(entry(Weight::Ordinary, &n.to_string()));
    }
    writer.flush(PATIENCE);
    let text = std::fs::read_to_string(folder.path().join("openshell.2026-07-02.log")).unwrap();
    assert!(text.lines().map(|line| line.parse::<u32>().unwrap()).eq(0..1000));
    assert_eq!((writer.unwritten(), writer.is_available()), (0, true));
    // A lock that is held is a disk that does not answer.
    let stalled = Writer(Arc::new(Shared::default()));
    stalled.push(entry(Weight::Ordinary, "x"));
    stalled.flush(Duration::from_millis(1));
}
