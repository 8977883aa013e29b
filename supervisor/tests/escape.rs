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
use std::io::Write as _;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::{AsFd, AsRawFd as _};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::Path;
use std::process::{Child, Command, Output};

use cases::{CASES, Control, PYTHON, SHARED};
use world::{World, finish, text, users};

/// What there is outside to get at. Ends with the test.
struct Targets {
    variables: BTreeMap<&'static str, String>,
    victim: Child,
    _terminal: (std::os::fd::OwnedFd, std::os::fd::OwnedFd),
    run_socket: Option<String>,
}

impl Drop for Targets {
    fn drop(&mut self) {
        let _ = self.victim.kill();
        let _ = self.victim.wait();
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
        variables.insert("DNS", answer(UdpSocket::bind("127.0.0.1:0").unwrap()));
        variables.insert("HOST4", host4);
        variables.insert("HOST6", host6);
        let mark = format!("osi-mark-{}-{}", std::process::id(), world.user);
        greet_unix(UnixListener::bind_addr(&SocketAddr::from_abstract_name(&mark).unwrap()).unwrap());
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
        variables.insert("MARK", mark);
        variables.insert("ABSTRACT", variables["MARK"].clone());
        variables.insert("AT", world.folder.path().display().to_string());
        Self { variables, victim, _terminal: (terminal.0, terminal.1), run_socket }
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
fn run(command: Command, world: &World, targets: &Targets, said: &Path) -> BTreeMap<usize, bool> {
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
    outer.current_dir(world.at("work")).envs(&targets.variables).env("PYTHON_HEAD", PYTHON).env("SAID", said);
    let output: Output = finish(outer, 180);
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let ended = printed.lines().filter_map(|line| {
        let (number, code) = line.strip_prefix('@')?.split_once(' ')?;
        Some((number.parse().ok()?, code == "0"))
    });
    let ended: BTreeMap<usize, bool> = ended.collect();
    assert!(!ended.is_empty(), "nothing ran: {}", text(&output));
    ended
}

#[test]
fn nothing_gets_out() {
    if !world::is_able() || !world::has_python() {
        return;
    }
    for user in users() {
        let world = World::new(user);
        let targets = Targets::new(&world);
        let said = |name: &str| {
            let path = world.at("work").join(name);
            if !path.exists() {
                fs::write(&path, "").unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
            }
            path
        };
        let inside_script = script(|_| true);
        let inside = run(
            world.run(&[], &["env", "INSIDE=1", "bash", "-c", &inside_script]),
            &world,
            &targets,
            &said("said-inside"),
        );
        let mut outside = BTreeMap::new();
        let is_here =
            |control: Control| control == Control::Outside || (control == Control::Root && user == 0);
        let mut bash = world.plain("bash");
        bash.args(["-c", &script(|case| is_here(case.control))]);
        outside.extend(run(bash, &world, &targets, &said("said-outside")));
        let mut bash = world.plain("unshare");
        bash.args(["-Urnm", "bash", "-c", &script(|case| case.control == Control::Namespaces)]);
        outside.extend(run(bash, &world, &targets, &said("said-namespaces")));
        let table = table(&inside, &outside);
        let who = if user == 0 { "root" } else { "user" };
        println!("as {who}:\n{table}");
        if std::env::var_os("OPENSHELL_SAID").is_some() {
            for name in ["said-inside", "said-outside", "said-namespaces"] {
                println!("--- {name}\n{}", fs::read_to_string(said(name)).unwrap_or_default());
            }
        }
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../fixtures/escape/{who}.txt"));
        if std::env::var_os("OPENSHELL_BLESS").is_some() {
            fs::write(&fixture, &table).unwrap();
        }
        let escaped: Vec<&str> = CASES
            .iter()
            .enumerate()
            .filter(|(number, _)| inside.get(number) != Some(&false))
            .map(|(_, case)| case.name)
            .collect();
        assert!(escaped.is_empty(), "as {who}, these got out or did not run: {escaped:?}");
        let recorded = fs::read_to_string(&fixture).unwrap_or_default();
        assert_eq!(
            recorded.lines().count(),
            table.lines().count(),
            "the table in fixtures/escape is of another suite"
        );
        // A control that succeeded where the table was made may be impossible elsewhere (no IPv6, another kernel); but
        // most must succeed everywhere, or the suite proves nothing.
        let controls = outside.values().filter(|succeeded| **succeeded).count();
        assert!(controls * 10 >= CASES.len() * 7, "only {controls} of {} controls succeeded", CASES.len());
    }
}

fn table(inside: &BTreeMap<usize, bool>, outside: &BTreeMap<usize, bool>) -> String {
    let mut text = format!("{:<52} {:<22} inside\n", "case", "outside (control)");
    for (number, case) in CASES.iter().enumerate() {
        let place = match case.control {
            Control::Outside => "",
            Control::Namespaces => " (namespaces)",
            Control::Root => " (root)",
        };
        let control = match outside.get(&number) {
            Some(true) => format!("succeeds{place}"),
            Some(false) => format!("not here{place}"),
            None => "for root only".to_owned(),
        };
        let result = match inside.get(&number) {
            Some(true) => "ESCAPES",
            Some(false) => "refused",
            None => "did not run",
        };
        let _ = writeln!(text, "{:<52} {control:<22} {result}", case.name);
    }
    text
}
