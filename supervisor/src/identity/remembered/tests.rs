use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::*;
use crate::clock;
use crate::identity::sock_diag::SockDiag;
use crate::identity::tests::agent::Agent;

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
    let (mut stream, client) = listener.accept().unwrap();
    stream.read_exact(&mut [0]).unwrap();
    let inode = SockDiag::open().unwrap().inode(client, listener.local_addr().unwrap()).unwrap();
    (stream, inode)
}

fn holds(all: &Remembered, pid: i32, inode: u64) -> bool {
    all.holds(&all.look(pid).unwrap(), inode).unwrap()
}

/// Looks until the process is remembered: it has something to do before it sleeps.
fn remembered(all: &Remembered, pid: i32, inode: u64) -> bool {
    let end = clock::reading().boot + Duration::from_secs(10);
    while clock::reading().boot < end {
        let holds = holds(all, pid, inode);
        if all.look(pid).unwrap().has_slept {
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
    assert!(holds(&all, pid, first), "it has run: it has connected");
    assert!(remembered(&all, pid, first));
    tell(&mut child);
    // Hung up, and told so.
    child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    assert!(!holds(&all, pid, first), "it has run: it has hung up");
    drop((stream, child.stdin.take()));
    child.wait().unwrap();
    assert!(!holds(&all, pid, first), "it has ended");
}

/// Kills: looking through everybody each time. Who sleeps is not looked through: what is remembered is believed.
#[test]
fn who_sleeps_is_not_looked_through_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut child = shell(&listener);
    let (all, pid) = (Remembered::default(), child.id().cast_signed());
    let (stream, inode) = connected(&mut child, &listener);
    assert!(remembered(&all, pid, inode));
    let known = all.look(pid).unwrap().process.unwrap();
    let sockets = Arc::new(Sockets::all_of(&[7]));
    all.keep(pid, Process { threads: known.threads.clone(), asleep: known.asleep.clone(), sockets });
    assert!(holds(&all, pid, 7) && !holds(&all, pid, inode));
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
        assert!(!holds(&all, pid, 1));
    }
    assert!(!all.look(pid).unwrap().has_slept);
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Kills: a memory that grows with every process that there ever was.
#[test]
fn who_is_gone_is_forgotten() {
    let all = Remembered::default();
    for pid in 0..100 {
        all.keep(pid, Process { threads: Vec::new(), asleep: None, sockets: Arc::default() });
    }
    all.forget_others(&[3, 5]);
    let mut left: Vec<i32> = all.lock().keys().copied().collect();
    left.sort_unstable();
    assert_eq!(left, [3, 5]);
}

/// Kills: remembering a process by the threads that were there before one of them started another.
#[test]
fn who_has_a_thread_that_was_not_counted_is_not_remembered() {
    let Some(mut agent) = Agent::start() else { return };
    let (all, pid) = (Remembered::default(), agent.pid());
    agent.does("hand_over()");
    assert!(!remembered(&all, pid, 1));
    let known = all.look(pid).unwrap().process.unwrap();
    assert_eq!(known.threads.len(), 2);
    assert!(known.fall_asleep(pid).is_some());
    let first = known.threads[..1].to_vec();
    let one = Process { threads: first, asleep: None, sockets: Arc::default() };
    assert!(one.counts().is_some() && one.fall_asleep(pid).is_none());
    let nobody = Process { threads: Vec::new(), asleep: Some(Vec::new()), sockets: Arc::default() };
    assert!(nobody.fall_asleep(pid).is_none());
}
