//! A process that does what a test tells it, a line of Python at a time, and sleeps in between.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::identity::sock_diag::SockDiag;

const PYTHON: &str = "/usr/bin/python3";
/// `told` is run by whichever thread is awake; `hand_over` makes that a new one, and the one before waits for it.
const SCRIPT: &str = r#"
import os, socket, subprocess, sys, threading
def told():
    for line in iter(sys.stdin.readline, ""):
        exec(line, globals())
        print(flush=True)
def hand_over():
    thread = threading.Thread(target=told)
    thread.start()
    print(flush=True)
    thread.join()
    os._exit(0)
told()
"#;

pub(in crate::identity) struct Agent {
    child: Child,
    output: BufReader<ChildStdout>,
}

/// A connection of an agent's, and our end of it.
pub(in crate::identity) struct Connection {
    pub(in crate::identity) client: SocketAddr,
    pub(in crate::identity) listener: SocketAddr,
    pub(in crate::identity) inode: u64,
    _stream: TcpStream,
}

impl Agent {
    /// `None` where there is no Python; the test is over then.
    pub(in crate::identity) fn start() -> Option<Self> {
        if !std::path::Path::new(PYTHON).exists() {
            eprintln!("skipped: there is no {PYTHON} on this machine");
            return None;
        }
        let mut child = Command::new(PYTHON)
            .args(["-c", SCRIPT])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Some(Self { child, output })
    }

    pub(in crate::identity) fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// Returns when it has been done, with what it printed.
    pub(in crate::identity) fn does(&mut self, line: &str) -> String {
        writeln!(self.child.stdin.as_mut().unwrap(), "{line}").unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        assert!(line.ends_with('\n'), "the agent has ended");
        line.trim_end().to_owned()
    }

    /// Connects, and keeps the connection under a name.
    pub(in crate::identity) fn connect(&mut self, name: &str) -> Connection {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        self.does(&format!("{name} = socket.create_connection(('127.0.0.1', {}))", address.port()));
        let (stream, client) = listener.accept().unwrap();
        let inode = SockDiag::open().unwrap().inode(client, address).unwrap();
        Connection { client, listener: address, inode, _stream: stream }
    }

    /// Ends it, whatever it does; what is left of it stays until it is dropped.
    pub(in crate::identity) fn kill(&mut self) {
        self.child.kill().unwrap();
        let pid = rustix::process::Pid::from_child(&self.child);
        let options = rustix::process::WaitIdOptions::EXITED | rustix::process::WaitIdOptions::NOWAIT;
        rustix::process::waitid(rustix::process::WaitId::Pid(pid), options).unwrap();
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
