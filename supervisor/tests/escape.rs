//! The escape suite: every way out, outside as a control and inside, over the real binary, as each user that can be
//! played. Prints the table and compares it with `fixtures/escape/`; `OPENSHELL_BLESS=1` writes it.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops where something is not as it must be"
)]

#[path = "escape/cases.rs"]
mod cases;
mod world;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, UdpSocket};
use std::os::fd::{AsFd, AsRawFd as _};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use cases::{CASES, Control, NONE, PYTHON, SHARED};
use world::{World, finish, text, users};

/// What there is outside to get at. Ends with the test.
struct Targets {
    variables: BTreeMap<&'static str, String>,
    victims: [Child; 2],
    _terminal: (std::os::fd::OwnedFd, std::os::fd::OwnedFd),
    run_socket: Option<String>,
}

impl Drop for Targets {
    fn drop(&mut self) {
        for victim in &mut self.victims {
            let _ = victim.kill();
            let _ = victim.wait();
        }
        if let Some(path) = &self.run_socket {
            let _ = fs::remove_file(path);
        }
    }
}

fn greet(listener: TcpListener) -> String {
    let port = listener.local_addr().unwrap().port().to_string();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let _ = stream.write_all(b"hello\n");
                let _ = std::io::copy(&mut stream, &mut std::io::sink());
            });
        }
    });
    port
}

/// The server's side of DNS, over TCP: what is asked comes back, marked as an answer.
fn answer_names(listener: TcpListener) -> String {
    let port = listener.local_addr().unwrap().port().to_string();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut query = [0; 512];
            if let Ok(length @ 5..) = stream.read(&mut query) {
                query[4] |= 0x80;
                let _ = stream.write_all(&query[..length]);
            }
        }
    });
    port
}

/// The same over UDP.
fn answer_name_datagrams(socket: UdpSocket) -> String {
    let port = socket.local_addr().unwrap().port().to_string();
    std::thread::spawn(move || {
        let mut query = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut query) {
            query[2] |= 0x80;
            let _ = socket.send_to(&query[..length], from);
        }
    });
    port
}

fn answer(socket: UdpSocket) -> String {
    let port = socket.local_addr().unwrap().port().to_string();
    std::thread::spawn(move || {
        while let Ok((_, from)) = socket.recv_from(&mut [0; 512]) {
            let _ = socket.send_to(b"hello\n", from);
        }
    });
    port
}

fn greet_unix(listener: UnixListener) {
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.write_all(b"hello\n");
        }
    });
}

impl Targets {
    fn new(world: &World) -> Self {
        let mut variables = BTreeMap::new();
        let (host4, host6) = world::own_addresses();
        variables.insert("TCP4", greet(TcpListener::bind("0.0.0.0:0").unwrap()));
        variables.insert("TCP6", TcpListener::bind("[::]:0").map(greet).unwrap_or_default());
        variables.insert("UDP4", answer(UdpSocket::bind("0.0.0.0:0").unwrap()));
        variables.insert("UDP6", UdpSocket::bind("[::1]:0").map(answer).unwrap_or_default());
        variables.insert("DNS", answer_name_datagrams(UdpSocket::bind("127.0.0.1:0").unwrap()));
        variables.insert("DNS_TCP", answer_names(TcpListener::bind("127.0.0.1:0").unwrap()));
        variables.insert("HOST4", host4);
        variables.insert("HOST6", host6);
        let mark = format!("osi-mark-{}-{}", std::process::id(), world.user);
        for name in [mark.clone(), format!("{mark}-door")] {
            greet_unix(UnixListener::bind_addr(&SocketAddr::from_abstract_name(name).unwrap()).unwrap());
        }
        for name in [
            "tmux-default",
            "home/.docker/run/docker.sock",
            "home/.ssh/agent.sock",
            "runtime/bus",
            "work/there.sock",
        ] {
            greet_unix(UnixListener::bind(world.at(name)).unwrap());
        }
        let run_socket = format!("/run/{mark}.sock");
        let run_socket = UnixListener::bind(&run_socket).map(greet_unix).is_ok().then_some(run_socket);
        if let Some(path) = &run_socket {
            fs::set_permissions(path, fs::Permissions::from_mode(0o666)).unwrap();
        }
        variables.insert("RUN_SOCKET", run_socket.clone().unwrap_or_default());
        fs::write(world.at("work/bin/openshell-gateway"), "ours").unwrap();
        world.give_away();
        let terminal = terminal(world.user);
        variables.insert("PTS", terminal.2);
        let victim = world
            .plain("/usr/bin/python3")
            .args(["-c", "import time; time.sleep(1000)", &mark])
            .spawn()
            .unwrap();
        variables.insert("VICTIM", victim.id().to_string());
        let supervisor = world.run(&[], &["sleep", "1000"]).stderr(Stdio::null()).spawn().unwrap();
        variables.insert("SUPERVISOR", supervisor.id().to_string());
        variables.insert("MARK", mark);
        variables.insert("ABSTRACT", variables["MARK"].clone());
        variables.insert("AT", world.folder.path().display().to_string());
        Self { variables, victims: [victim, supervisor], _terminal: (terminal.0, terminal.1), run_socket }
    }
}

/// A terminal of the host that belongs to `user`.
fn terminal(user: u32) -> (std::os::fd::OwnedFd, std::os::fd::OwnedFd, String) {
    use rustix::pty::OpenptFlags;
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = rustix::pty::openpt(flags).unwrap();
    rustix::pty::unlockpt(&master).unwrap();
    let name = rustix::pty::ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
    let slave = rustix::pty::ioctl_tiocgptpeer(&master, flags).unwrap();
    std::os::unix::fs::chown(&name, Some(user), None).unwrap();
    (master, slave, name)
}

/// The script that runs the chosen cases one after the other and says how each ended.
fn script(chosen: impl Fn(&cases::Case) -> bool) -> String {
    let mut text = SHARED.to_owned();
    for (number, case) in CASES.iter().enumerate().filter(|(_, case)| chosen(case)) {
        // In a shell of its own; what it says goes to a file for whoever wonders.
        let _ = writeln!(
            text,
            "( {}\n) >>\"$SAID\" 2>&1 </dev/null; echo \"@{number} $?\"; echo \"^ {}\" >>\"$SAID\"",
            case.script, case.name
        );
    }
    text
}

/// Runs a command with the variables of the targets and an open descriptor 9, and reads how each case ended.
fn run(command: Command, world: &World, targets: &Targets, said: &str) -> Ended {
    let secret = world.at("secret");
    fs::write(&secret, "secret\n").unwrap();
    let secret = OpenOptions::new().read(true).open(secret).unwrap();
    let number = secret.as_fd().as_raw_fd();
    // bash opens 9 as a copy of an inherited descriptor; `/proc/self/fd` leads to the file itself.
    let mut outer = Command::new("bash");
    outer.args(["-c", &format!("exec 9</proc/{}/fd/{number}; exec \"$@\"", std::process::id()), "outer"]);
    outer.arg(command.get_program()).args(command.get_args());
    for (key, value) in command.get_envs() {
        match value {
            Some(value) => outer.env(key, value),
            None => outer.env_remove(key),
        };
    }
    let said = world.at("work").join(said);
    fs::write(&said, "").unwrap();
    fs::set_permissions(&said, fs::Permissions::from_mode(0o666)).unwrap();
    outer
        .current_dir(world.at("work"))
        .envs(&targets.variables)
        .env("PYTHON_HEAD", PYTHON)
        .env("SAID", &said);
    let output: Output = finish(outer, 180);
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let ended = printed.lines().filter_map(|line| {
        let (number, code) = line.strip_prefix('@')?.split_once(' ')?;
        Some((number.parse().ok()?, code.parse().ok()?))
    });
    let ended: Ended = ended.collect();
    assert!(!ended.is_empty(), "nothing ran: {}", text(&output));
    if std::env::var_os("OPENSHELL_SAID").is_some() {
        println!("--- {}\n{}", said.display(), fs::read_to_string(&said).unwrap_or_default());
    }
    ended
}

/// How each case ended: its number and its exit code.
type Ended = BTreeMap<usize, i32>;

/// Runs every control that whoever started this can run.
fn controls(world: &World, targets: &Targets) -> Ended {
    let mut outside = Ended::new();
    let namespaces = ["unshare", "-Urnm", "bash"];
    let root = 0;
    for (control, user, words) in [
        (Control::Outside, world.user, &namespaces[2..]),
        (Control::Namespaces, world.user, &namespaces[..]),
        (Control::Root, root, &namespaces[2..]),
        (Control::RootNamespaces, root, &["unshare", "-nm", "bash"][..]),
    ] {
        if control.is_for_all() || rustix::process::geteuid().is_root() {
            let mut command = world.plain_as(user, words[0]);
            command.args(&words[1..]).args(["-c", &script(|case| case.control == control)]);
            outside.extend(run(command, world, targets, &format!("said-{control:?}")));
        }
    }
    outside
}

#[test]
fn nothing_gets_out() {
    if !world::is_able() || !world::has_python() {
        return;
    }
    for user in users() {
        let world = World::new(user);
        let targets = Targets::new(&world);
        let everything = script(|_| true);
        let inside = world.run(&[], &["env", "INSIDE=1", "bash", "-c", &everything]);
        let inside = run(inside, &world, &targets, "said-inside");
        let outside = controls(&world, &targets);
        let table = table(&inside, &outside);
        let who = if user == 0 { "root" } else { "user" };
        println!("as {who}:\n{table}");
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../fixtures/escape/{who}.txt"));
        if std::env::var_os("OPENSHELL_BLESS").is_some() {
            fs::write(&fixture, &table).unwrap();
        }
        let has_escaped = |number: &usize| inside.get(number).is_none_or(|code| *code == 0);
        let escaped: Vec<_> = names(has_escaped).collect();
        assert!(escaped.is_empty(), "as {who}, these got out or did not run: {escaped:?}");
        let recorded = fs::read_to_string(&fixture).unwrap_or_default();
        let cases = |table: &str| table.lines().map(|line| line.chars().take(WIDTH).collect()).collect();
        let (recorded, found): (Vec<String>, Vec<String>) = (cases(&recorded), cases(&table));
        assert_eq!(recorded, found, "the table in fixtures/escape is of another suite");
        // What the kernel lacks needs no control, and proves nothing. What succeeded where the table was made may be
        // impossible elsewhere (no IPv6, no root); but most must succeed everywhere.
        let failed: Vec<_> = names(|number| !matches!(outside.get(number), Some(&(0 | NONE)))).collect();
        println!("as {who}: {} cases, without a control: {failed:?}", CASES.len());
        assert!(failed.len() * 10 <= CASES.len() * 3, "too few controls succeeded: {failed:?}");
    }
}

/// The names of the cases whose numbers are of a kind.
fn names(is_of_kind: impl Fn(&usize) -> bool) -> impl Iterator<Item = &'static str> {
    CASES.iter().enumerate().filter(move |(number, _)| is_of_kind(number)).map(|(_, case)| case.name)
}

/// How wide the column of names is.
const WIDTH: usize = 56;

fn table(inside: &Ended, outside: &Ended) -> String {
    let mut text = format!("{:<WIDTH$} {:<28} inside\n", "case", "outside (control)");
    for (number, case) in CASES.iter().enumerate() {
        let place = match case.control {
            Control::Outside => "",
            Control::Namespaces => " (namespaces)",
            Control::Root => " (root)",
            Control::RootNamespaces => " (root, namespaces)",
        };
        let control = match outside.get(&number) {
            Some(0) => format!("succeeds{place}"),
            Some(&NONE) => "this kernel has none".to_owned(),
            Some(_) => format!("not here{place}"),
            None => "for root only".to_owned(),
        };
        let result = match inside.get(&number) {
            Some(0) => "ESCAPES",
            Some(_) => "refused",
            None => "did not run",
        };
        let _ = writeln!(text, "{:<WIDTH$} {control:<28} {result}", case.name);
    }
    text
}
