//! How long it takes to tell who is calling: 20 processes with 100 descriptors each in the sandbox, 500 processes
//! outside. Beside it a scan of all of `/proc`, as OpenShell does for each connection.
//! `cargo bench -p openshell-supervisor --bench identity`.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    reason = "a bench measures, and may stop"
)]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use openshell_supervisor::identity::Identifier;
use rustix::net::{AddressFamily, SocketFlags, SocketType, netlink};
use rustix::process::{Pid, Signal};

const INSIDE: usize = 20;
const DESCRIPTORS: usize = 100;
const OUTSIDE: usize = 500;
const ROUNDS: usize = 400;
/// The baseline is slow: it is measured in one round of so many.
const BASELINE_EVERY: usize = 10;

/// Opens descriptors, then connects each time that it is told to, and hangs up when it is told that too.
const CALLER: &str = r#"
for ((n = 4; n <= $2; n++)); do eval "exec $n</dev/null"; done
echo
while read -r x; do exec 3<>"/dev/tcp/127.0.0.1/$1"; echo >&3; read -r x; exec 3>&-; done
"#;

/// Processes that are nobody's children here.
struct Outside(Vec<Pid>);

impl Outside {
    fn start() -> Self {
        let script =
            format!("for ((n = 0; n < {OUTSIDE}; n++)); do sleep 3600 >/dev/null 2>&1 & echo $!; done");
        let output = Command::new("bash").args(["-c", &script]).stdin(Stdio::null()).output().unwrap();
        let pids = String::from_utf8(output.stdout).unwrap();
        Self(pids.lines().map(|pid| Pid::from_raw(pid.parse().unwrap()).unwrap()).collect())
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        for pid in &self.0 {
            let _ = rustix::process::kill_process(*pid, Signal::KILL);
        }
    }
}

fn caller(port: u16) -> Child {
    let mut child = Command::new("bash")
        .args(["-c", CALLER, "caller", &port.to_string(), &(DESCRIPTORS - 1).to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut String::new()).unwrap();
    child
}

/// Looks for who holds a socket, and for its executable, in the descriptors of all processes.
fn scan_everything(inode: u64) -> Option<String> {
    let wanted = format!("socket:[{inode}]");
    let mut found = None;
    for process in fs::read_dir("/proc").unwrap().flatten() {
        if process.file_name().to_str().is_none_or(|name| name.parse::<u32>().is_err()) {
            continue;
        }
        let Ok(descriptors) = fs::read_dir(process.path().join("fd")) else { continue };
        for descriptor in descriptors.flatten() {
            if fs::read_link(descriptor.path()).is_ok_and(|link| link.as_os_str() == wanted.as_str()) {
                let exe = fs::read_link(process.path().join("exe")).unwrap();
                found = Some(exe.display().to_string());
            }
        }
    }
    found
}

/// The inode of the socket at the client's end, as any program may read it.
fn inode(client: SocketAddr, listener: SocketAddr) -> u64 {
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let wanted = format!(" 0100007F:{:04X} 0100007F:{:04X} ", client.port(), listener.port());
    let row = table.lines().find(|line| line.contains(&wanted)).unwrap();
    row.split_ascii_whitespace().nth(9).unwrap().parse().unwrap()
}

/// How long this thread has been on a processor: what other work on the machine does not lengthen.
fn on_processor() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs().try_into().unwrap())
}

fn print(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |share: usize| times[(times.len() * share / 100).min(times.len() - 1)].as_secs_f64() * 1000.0;
    println!("{what:<40} p50 {:>8.3} ms   p99 {:>8.3} ms   ({} rounds)", at(50), at(99), times.len());
}

fn main() {
    let _outside = Outside::start();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut callers: Vec<Child> = (0..INSIDE).map(|_| caller(address.port())).collect();
    let diag = rustix::net::socket_with(
        AddressFamily::NETLINK,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        Some(netlink::SOCK_DIAG),
    );
    let identifier = Identifier::inside(std::process::id().cast_signed(), diag.ok());
    let (mut ours, mut worked, mut baseline) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let caller = &mut callers[round % INSIDE];
        let tell = |caller: &mut Child| caller.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
        tell(caller);
        let (mut stream, client): (TcpStream, _) = listener.accept().unwrap();
        stream.read_exact(&mut [0]).unwrap();
        let (begin, before) = (Instant::now(), on_processor());
        let holders = identifier.identify(client, address).unwrap();
        ours.push(begin.elapsed());
        worked.push(on_processor() - before);
        assert_eq!((holders.len(), holders[0].pid), (1, caller.id().cast_signed()));
        if round % BASELINE_EVERY == 0 {
            let begin = Instant::now();
            let found = scan_everything(inode(client, address));
            baseline.push(begin.elapsed());
            assert_eq!(found.as_deref(), holders[0].caller.binary());
        }
        tell(caller);
        // The caller has hung up: its next connection is another one.
        let _ = stream.read(&mut [0]);
    }
    println!("{INSIDE} x {DESCRIPTORS} descriptors inside, {OUTSIDE} processes outside");
    print("who is calling", ours);
    print("  of it on a processor", worked);
    print("a scan of all of /proc", baseline);
    for mut caller in callers {
        drop(caller.stdin.take());
        let _ = caller.wait();
    }
}
