use std::process::{Command, Stdio};
use std::sync::Arc;

use tokio::sync::Semaphore;

use super::*;

/// Kills: comparing what a kernel says that counts nothing: it would say the same of a thread that has run.
#[test]
fn a_count_that_is_none_is_not_believed() {
    let count = |line: &[u8]| Count::of(line);
    assert_eq!(count(b"1515668 4667 7\n"), Some(Count { ran: 1_515_668, waited: 4667, times: 7 }));
    assert_eq!(count(b"0 0 0\n"), None);
    assert_eq!(count(b"1515668 4667 0\n"), None);
    assert_eq!(count(b"1515668 4667\n"), None);
    assert_eq!(count(b""), None);
}

#[test]
fn numbers_are_read_and_names_are_not() {
    assert_eq!(numbers(b"12 345 \n6"), [12, 345, 6]);
    assert_eq!(numbers(b".."), [0_i32; 0]);
}

/// Kills: taking the first page of a list for the whole of it.
#[test]
fn more_children_than_a_page_holds_are_all_found() {
    let script =
        "for ((n = 0; n < 1200; n++)); do sleep 3600 >/dev/null & done; echo; read -r x; kill $(jobs -p)";
    let mut child = Command::new("/bin/bash")
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    let pid = child.id().cast_signed();
    let place = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
    let thread = Thread::open(pid, pid, place).unwrap();
    assert_eq!(thread.children(pid).unwrap().len(), 1200);
    drop(child.stdin.take());
    child.wait().unwrap();
    assert!(!thread.is_there() && thread.count().is_none());
    assert_eq!(thread.children(pid).unwrap(), [0_i32; 0], "it has ended");
}
