use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::*;
use crate::clock;

/// A shell that connects whenever it is told to, and hangs up when it is told that.
fn shell(listener: &TcpListener) -> Child {
    let script =
        "while read -r x; do exec 3<>/dev/tcp/127.0.0.1/$0; echo >&3; read -r x; exec 3>&-; echo; done";
    Command::new("/bin/bash")
        .args(["-c", script, &listener.local_addr().unwrap().port().to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

fn tell(child: &mut Child) {
    child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
}

/// The inode of the shell's end of its connection.
fn connected(child: &mut Child, listener: &TcpListener) -> (TcpStream, u64) {
    tell(child);
    let (mut stream, _) = listener.accept().unwrap();
    stream.read_exact(&mut [0]).unwrap();
    let mut sockets = process::sockets(child.id().cast_signed()).unwrap();
    // Under a second number too: a shell may keep one to itself.
    sockets.dedup();
    let [inode] = sockets[..] else { panic!("{sockets:?}") };
    (stream, inode)
}

/// Looks until the process is remembered: it has something to do before it sleeps.
fn remembered(all: &Remembered, pid: i32, inode: u64) -> bool {
    let end = clock::reading().boot + Duration::from_secs(10);
    while clock::reading().boot < end {
        let holds = all.holds(pid, inode).unwrap();
        if all.lock().contains_key(&pid) {
            return holds;
        }
        std::thread::yield_now();
    }
    panic!("it is never remembered");
}

/// Kills: trusting what was seen of a process that has run since, whether it had or has not the socket by then.
#[test]
fn who_has_run_since_is_looked_through_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut child = shell(&listener);
    let (all, pid) = (Remembered::default(), child.id().cast_signed());
    assert!(!remembered(&all, pid, 1));
    let (stream, first) = connected(&mut child, &listener);
    assert!(all.holds(pid, first).unwrap(), "it has run: it has connected");
    assert!(remembered(&all, pid, first));
    tell(&mut child);
    // Hung up, and told so.
    child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    assert!(!all.holds(pid, first).unwrap(), "it has run: it has hung up");
    drop((stream, child.stdin.take()));
    child.wait().unwrap();
    assert!(!all.holds(pid, first).unwrap(), "it has ended");
}

/// Kills: looking through everybody each time. Who sleeps is not looked through: what is remembered is believed.
#[test]
fn who_sleeps_is_not_looked_through_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut child = shell(&listener);
    let (all, pid) = (Remembered::default(), child.id().cast_signed());
    let (stream, inode) = connected(&mut child, &listener);
    assert!(remembered(&all, pid, inode));
    let threads = threads(pid).unwrap();
    all.lock().insert(pid, Arc::new(Seen { threads, sockets: vec![7] }));
    assert!(all.holds(pid, 7).unwrap() && !all.holds(pid, inode).unwrap());
    drop((stream, child.stdin.take()));
    child.wait().unwrap();
}

/// Kills: remembering who was on a processor while it was counted: it may go on without being counted again.
#[test]
fn who_runs_is_not_remembered() {
    let script = "echo; while :; do :; done";
    let mut child = Command::new("/bin/bash").args(["-c", script]).stdout(Stdio::piped()).spawn().unwrap();
    child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    let (all, pid) = (Remembered::default(), child.id().cast_signed());
    for _ in 0..100 {
        assert!(!all.holds(pid, 1).unwrap());
    }
    assert!(!all.lock().contains_key(&pid));
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Kills: a memory that grows with every process that there ever was.
#[test]
fn who_is_gone_is_forgotten() {
    let all = Remembered::default();
    let seen = || Arc::new(Seen { threads: Vec::new(), sockets: Vec::new() });
    all.lock().extend((0..100).map(|pid| (pid, seen())));
    all.forget_others(&[3, 5]);
    let mut left: Vec<i32> = all.lock().keys().copied().collect();
    left.sort_unstable();
    assert_eq!(left, [3, 5]);
    all.forget_others(&[3]);
    assert_eq!(all.lock().len(), 2, "few need no tidying up");
}
