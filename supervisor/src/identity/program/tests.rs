use std::io::Write as _;

use super::*;

/// This process, as if it ran the file.
fn running(file: FileId) -> Program {
    Program { path: "/usr/bin/it".into(), file, pid: std::process::id().cast_signed() }
}

fn own_file() -> FileId {
    FileId::at("/proc/self/exe").unwrap()
}

fn first(text: &str) -> (tempfile::NamedTempFile, FirstUse) {
    let mut kept = tempfile::NamedTempFile::new().unwrap();
    kept.write_all(text.as_bytes()).unwrap();
    let open = kept.reopen().unwrap();
    let file = FileId::of(&open.metadata().unwrap());
    (kept, FirstUse { path: "/work/tool".into(), file, open, hash: FileHash::default() })
}

/// Kills: hashing at each use, or once for each caller that comes at the same time; or telling the first of them only.
#[test]
fn concurrent_first_use_is_read_once() {
    let programs = Programs::new();
    let unread = programs.unread().unwrap();
    let program = running(own_file());
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| programs.used(&program));
        }
    });
    let [first] = unread.try_iter().collect::<Vec<_>>().try_into().unwrap();
    let asked = programs.used(&program);
    assert_eq!(unread.try_iter().count(), 0, "nor is it read again");
    assert_eq!(asked.get(), None, "nobody waits for it");
    let line = first.line().to_string();
    let hash = asked.get().unwrap().to_string();
    assert!(line.contains(&hash), "{line}: {hash}");
    assert_eq!(programs.used(&program).get(), asked.get());
}

/// Kills: a key without times and size, and a cache that pins a path to its first hash: an upgrade has one of its own.
#[test]
fn an_upgrade_in_place_is_read_again() {
    let (mut kept, before) = first("one");
    let line = before.line().to_string();
    assert!(line.contains("First use of /work/tool"), "{line}");
    assert!(line.contains("7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"), "{line}");
    kept.as_file_mut().set_len(0).unwrap();
    kept.write_all(b"two").unwrap();
    let open = kept.reopen().unwrap();
    let file = FileId::of(&open.metadata().unwrap());
    let mut known = Known::default();
    assert!(known.insert(FileId { size: 2, ..file }).1 && known.insert(file).1 && !known.insert(file).1);
    let line =
        FirstUse { path: "/work/tool".into(), file, open, hash: FileHash::default() }.line().to_string();
    assert!(!line.contains("7692c3ad"), "{line}");
}

/// Kills: taking the hash of a mixture of two files for the hash of one.
#[test]
fn a_file_that_changes_while_it_is_read_has_no_hash() {
    let (mut kept, unread) = first("one");
    kept.write_all(b" and more").unwrap();
    let line = unread.line().to_string();
    assert!(line.contains("[LOW]") && line.contains("was changed while it was read"), "{line}");
}

/// Kills: a cache that an agent fills without end by writing new programs.
#[test]
fn only_so_many_files_are_remembered() {
    let mut known = Known::default();
    let file = |inode| FileId { inode, ..own_file() };
    for inode in 0..=MAX_KNOWN as u64 {
        assert!(known.insert(file(inode)).1);
    }
    assert_eq!((known.files.len(), known.order.len()), (MAX_KNOWN, MAX_KNOWN));
    assert!(!known.insert(file(1)).1 && known.insert(file(0)).1, "the first has made room");
}

/// Kills: forgetting what found no room in the list of those that wait: it would never be read.
#[test]
fn what_finds_no_room_is_noted_at_its_next_use() {
    let programs = Programs::new();
    let unread = programs.unread().unwrap();
    let (_kept, other) = first("x");
    for _ in 0..MAX_WAITING {
        let open = other.open.try_clone().unwrap();
        programs
            .waiting
            .try_send(FirstUse { path: String::new(), file: other.file, open, hash: FileHash::default() })
            .unwrap();
    }
    let program = running(own_file());
    programs.used(&program);
    assert_eq!(unread.try_iter().count(), MAX_WAITING);
    programs.used(&program);
    assert_eq!(unread.try_iter().count(), 1);
}

/// Kills: opening by path what somebody else may have put there, instead of what the process runs.
#[test]
fn a_file_that_the_process_does_not_run_is_not_read() {
    let programs = Programs::new();
    let unread = programs.unread().unwrap();
    programs.used(&running(FileId { inode: 1, ..own_file() }));
    assert_eq!(unread.try_iter().count(), 0);
}
