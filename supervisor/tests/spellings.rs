//! Round the proxy by the proxy: every spelling of this machine, on every route, under a rule that grants every host.
//!
//! The spellings and what each is answered are `fixtures/escape/spellings.txt`; `OPENSHELL_BLESS=1` writes the answers.

#![expect(clippy::unwrap_used, reason = "a test stops where something is not as it must be")]

mod world;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use world::{World, finish, text, users};

/// The routes, in the order of the columns; the first is the control.
const ROUTES: [&str; 5] = ["direct", "connect", "connect, inspected", "forward", "host"];
/// How wide a column is.
const WIDTHS: [usize; 6] = [42, 10, 32, 32, 32, 32];
/// What every name in the machine's hosts file leads to.
const NAMES: &str = "127.0.0.1 localhost localhost.localdomain host.docker.internal gateway.docker.internal
127.0.0.1 host.containers.internal loopback.example.com both.example.com {hostname}
198.51.100.1 both.example.com
::1 ip6-localhost ip6-loopback localhost
::ffff:127.0.0.1 mapped.example.com
{host4} own.example.com
{host6} own6.example.com
169.254.169.254 metadata.example.com
";
/// Every address that may be allowed at all.
const ALL: &str = "1.0.0.0/8, 2.0.0.0/7, 4.0.0.0/6, 8.0.0.0/5, 16.0.0.0/4, 32.0.0.0/3, 64.0.0.0/3, 96.0.0.0/4, \
    112.0.0.0/5, 120.0.0.0/6, 124.0.0.0/7, 126.0.0.0/8, 128.0.0.0/3, 160.0.0.0/5, 168.0.0.0/8, 170.0.0.0/7, \
    172.0.0.0/6, 176.0.0.0/4, 192.0.0.0/4, 208.0.0.0/4, '2000::/3', 'fc00::/7'";

/// Asks for each line `NUMBER ROUTE SPELLING` of a file, and prints `NUMBER ROUTE ANSWER` between tabs.
const CLIENT: &str = r#"
import json, socket, sys
def read(s):
    data = b""
    try:
        while piece := s.recv(65536): data += piece
    except OSError: pass
    return data
def answer(data):
    if b"hello" in data: return "ESCAPES"
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode("latin1").split("\r\n")
    lengths = [int(l.split(":")[1]) for l in lines if l.lower().startswith("content-length:")]
    if not lines[0].startswith("HTTP/1.1 ") or lengths != [len(body)]: return "incomplete " + repr(data[:60])
    try: code = json.loads(body)["error"]
    except ValueError: code = "-"
    return lines[0].split(" ")[1] + " " + code
def direct(name, port):
    try: s = socket.create_connection((name.strip("[]"), port), 0.3); return "accepts" if s.recv(5) == b"hello" else "-"
    except (OSError, ValueError): return "-"
def ask(route, name, port):
    s = socket.create_connection(("127.0.0.1", 3128)); s.settimeout(8)
    at = f"{name}:{port}".encode()
    tail = b" HTTP/1.1\r\nHost: " + at + b"\r\nConnection: close\r\n\r\n"
    if not route.startswith("connect"):
        s.sendall(b"GET " + (b"/" if route == "host" else b"http://" + at + b"/") + tail)
        return answer(read(s))
    s.sendall(b"CONNECT " + at + b" HTTP/1.1\r\nHost: " + at + b"\r\nConnection: close\r\n\r\n")
    data = b""
    while b"\r\n\r\n" not in data and (piece := s.recv(65536)): data += piece
    if not data.startswith(b"HTTP/1.1 200"): return answer(data + read(s))
    s.sendall(b"GET /" + tail)
    data = read(s)
    return "in it: " + (answer(data) if data else "closed")
ports = [int(p) for p in sys.argv[2:4]]
for line in open(sys.argv[1], encoding="utf-8"):
    number, route, name = line.rstrip("\n").split("\t")
    port = ports[route != "connect"]
    print("@", number, route, direct(name, port) if route == "direct" else ask(route, name, port), sep="\t", flush=True)
"#;

/// A port of all of this machine's addresses that greets, and counts who came.
fn greeter() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("[::]:0").or_else(|_| TcpListener::bind("0.0.0.0:0")).unwrap();
    let port = listener.local_addr().unwrap().port();
    let came = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&came);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            counter.fetch_add(1, Ordering::SeqCst);
            let _ = stream.write_all(b"hello\n");
        }
    });
    (port, came)
}

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/escape/spellings.txt")
}

/// The first column of a line; none for a comment.
fn spelling(line: &str) -> Option<&str> {
    let first = line.split("  ").next()?.trim();
    (!first.is_empty() && !first.starts_with('#')).then_some(first)
}

/// A spelling on this machine; none where the machine has no such address.
fn here(spelling: &str) -> Option<String> {
    let (host4, host6) = world::own_addresses();
    let hostname = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let number = host4.parse::<Ipv4Addr>().map(|address| u32::from(address).to_string()).unwrap_or_default();
    let mut text = spelling.to_owned();
    for (name, value) in [
        ("{host4 as a number}", number.as_str()),
        ("{host4}", &host4),
        ("{host6}", &host6),
        ("{hostname}", hostname.trim()),
    ] {
        if text.contains(name) && value.is_empty() {
            return None;
        }
        text = text.replace(name, value);
    }
    Some(text)
}

/// Started as root: with the hosts file of this test.
fn with_names(world: &World, command: Command) -> Command {
    if !rustix::process::geteuid().is_root() {
        return command;
    }
    let lines: Vec<String> = NAMES.lines().filter_map(here).collect();
    let hosts = world.at("hosts");
    fs::write(&hosts, lines.join("\n") + "\n").unwrap();
    let script = format!("mount --bind {} /etc/hosts && exec \"$@\"", hosts.display());
    let mut outer = Command::new("unshare");
    outer.args(["-m", "bash", "-c", &script, "names", command.get_program().to_str().unwrap()]);
    outer.args(command.get_args()).current_dir(command.get_current_dir().unwrap());
    for (key, value) in command.get_envs() {
        match value {
            Some(value) => outer.env(key, value),
            None => outer.env_remove(key),
        };
    }
    outer
}

type Answers = BTreeMap<(usize, String), String>;

fn ask(mut command: Command, world: &World, routes: &[&str], ports: [u16; 2], lines: &[&str]) -> Answers {
    let list = world.at("work/list");
    let mut asked = String::new();
    for (number, spelled) in lines.iter().enumerate() {
        for route in routes {
            if let Some(spelled) = here(spelled) {
                let _ = writeln!(asked, "{number}\t{route}\t{spelled}");
            }
        }
    }
    fs::write(&list, &asked).unwrap();
    command.args(["-c", CLIENT]).arg(&list).args(ports.map(|port| port.to_string()));
    let output = finish(with_names(world, command), 60);
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let answers = printed.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("@\t")?.splitn(3, '\t');
        let number = cells.next()?.parse().ok()?;
        Some(((number, cells.next()?.to_owned()), cells.next()?.to_owned()))
    });
    let answers: Answers = answers.collect();
    assert_eq!(answers.len(), asked.lines().count(), "not all was asked: {}", text(&output));
    answers
}

fn table(recorded: &str, answers: &Answers) -> String {
    let mut table = String::new();
    let mut number = 0;
    for line in recorded.lines() {
        let Some(spelled) = spelling(line) else {
            table.push_str(line);
            table.push('\n');
            continue;
        };
        let cells = ROUTES.map(|route| answers.get(&(number, route.to_owned())).map_or("-", String::as_str));
        number += 1;
        let mut row = String::new();
        for (cell, width) in std::iter::once(spelled).chain(cells).zip(WIDTHS) {
            let _ = write!(row, "{cell:<width$}  ");
        }
        table.push_str(row.trim_end());
        table.push('\n');
    }
    table
}

#[test]
fn no_spelling_of_this_machine_leads_to_it() {
    if !world::is_able() || !world::has_python() {
        return;
    }
    let recorded = fs::read_to_string(fixture()).unwrap();
    let spellings: Vec<&str> = recorded.lines().filter_map(spelling).collect();
    for user in users() {
        let world = World::new(user);
        let (opaque, came_opaque) = greeter();
        let (inspected, came_inspected) = greeter();
        let policy = format!(
            "version: 1\nnetwork_policies:\n  everything:\n    endpoints:\n      - {{port: {opaque}, allowed_ips: [{ALL}]}}\n      - {{port: {inspected}, protocol: rest, enforcement: enforce, access: full, allowed_ips: [{ALL}]}}\n    binaries: [{{path: \"/**\"}}]\n"
        );
        fs::write(world.at("policy.yaml"), policy).unwrap();
        let ports = [opaque, inspected];
        let inside = world.run(&["--advisor"], &["/usr/bin/python3"]);
        let mut answers = ask(inside, &world, &ROUTES[1..], ports, &spellings);
        let came = came_opaque.load(Ordering::SeqCst) + came_inspected.load(Ordering::SeqCst);
        assert_eq!(came, 0, "somebody came:\n{}", table(&recorded, &answers));
        let refused = |answer: &str| {
            let answer = answer.strip_prefix("in it: ").unwrap_or(answer);
            // A denied tunnel is answered inside, to TLS alone.
            answer.starts_with('4') || answer.starts_with('5') || answer == "closed"
        };
        let wrong: Vec<_> = answers.iter().filter(|(_, answer)| !refused(answer)).collect();
        assert!(wrong.is_empty(), "{wrong:?}");
        answers.extend(ask(world.plain("/usr/bin/python3"), &world, &ROUTES[..1], ports, &spellings));
        let table = table(&recorded, &answers);
        println!("{table}");
        let controls = answers.values().filter(|answer| *answer == "accepts").count();
        assert!(controls >= 20, "only {controls} spellings are read outside");
        assert_eq!(came_inspected.load(Ordering::SeqCst), controls);
        if std::env::var_os("OPENSHELL_BLESS").is_some() {
            fs::write(fixture(), &table).unwrap();
        } else if rustix::process::geteuid().is_root() {
            compare(&recorded, &table);
        }
    }
}

/// What is answered inside depends on nothing but the spelling; whether it is read outside, on the machine's library.
fn compare(recorded: &str, found: &str) {
    for (recorded, found) in recorded.lines().zip(found.lines()) {
        if spelling(found).and_then(here).is_some() {
            let inside = |line: &str| {
                line.split("  ")
                    .map(str::trim)
                    .filter(|c| !c.is_empty())
                    .skip(2)
                    .collect::<Vec<_>>()
                    .join(" ")
            };
            assert_eq!(inside(recorded), inside(found), "{}", spelling(found).unwrap());
        }
    }
}
