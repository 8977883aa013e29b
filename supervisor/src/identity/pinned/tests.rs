use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};

use super::*;

fn own() -> i32 {
    std::process::id().cast_signed()
}

/// A shell that does what it is told, and says a word when it has begun.
fn shell(script: &str) -> Child {
    let mut child = Command::new("/bin/bash")
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    wait_for_line(&mut child);
    child
}

fn wait_for_line(child: &mut Child) {
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
}

/// Kills: leaving the look at the end out of `settle`, or looking only at whether there is such a number.
#[test]
fn who_has_ended_is_not_as_it_was() {
    let mut child = shell("echo; read x");
    let pinned = Pinned::open(own(), child.id().cast_signed(), Tree::Host).unwrap();
    assert!(pinned.is_as_it_was(own(), Tree::Host));
    child.kill().unwrap();
    // Not reaped yet: the number is still its own, the process is over.
    rustix::event::poll(&mut [PollFd::new(&pinned.handle, PollFlags::IN)], None).unwrap();
    assert!(!pinned.is_as_it_was(own(), Tree::Host));
    child.wait().unwrap();
    assert!(!pinned.is_as_it_was(own(), Tree::Host));
}

/// Kills: comparing the start time with `<=`, or not at all: the number is the same, the process is another.
#[test]
fn another_process_of_the_same_number_is_not_it() {
    let mut child = shell("echo; read x");
    let mut pinned = Pinned::open(own(), child.id().cast_signed(), Tree::Host).unwrap();
    pinned.started -= 1;
    assert!(!pinned.is_as_it_was(own(), Tree::Host));
    pinned.started += 2;
    assert!(!pinned.is_as_it_was(own(), Tree::Host));
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Kills: keeping the program that was read first. The process lives and started when it did.
#[test]
fn who_has_become_another_program_is_not_as_it_was() {
    let mut child = shell("echo; read x; exec cat");
    let pinned = Pinned::open(own(), child.id().cast_signed(), Tree::Host).unwrap();
    let input = child.stdin.as_mut().unwrap();
    input.write_all(b"go\nas a cat\n").unwrap();
    wait_for_line(&mut child);
    assert!(pinned.is_alive() && !pinned.is_as_it_was(own(), Tree::Host));
    drop(child.stdin.take());
    child.wait().unwrap();
}
