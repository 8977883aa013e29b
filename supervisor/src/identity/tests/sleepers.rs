//! Who was asleep at one look, and what has changed of it by the next: nothing that the memory may hide.

use super::agent::{Agent, Connection};
use super::*;
use crate::clock;

fn who(identifier: &Identifier, connection: &Connection) -> Vec<i32> {
    let mut pids: Vec<i32> =
        identifier.identify(connection.client, connection.listener).unwrap().iter().map(|h| h.pid).collect();
    pids.sort_unstable();
    pids
}

/// Looks until they sleep, and are remembered: an agent has something to do before.
fn asleep(identifier: &Identifier, agents: &[&Agent]) {
    let end = clock::reading().boot + std::time::Duration::from_secs(30);
    while !agents.iter().all(|agent| identifier.remembered.look(agent.pid()).unwrap().has_slept()) {
        assert!(clock::reading().boot < end, "they never sleep");
        for agent in agents {
            let look = identifier.remembered.look(agent.pid()).unwrap();
            identifier.remembered.holds(&look, 1).unwrap();
        }
        std::thread::yield_now();
    }
}

/// Kills: believing what is remembered of a process that was handed the connection since.
#[test]
fn who_is_handed_the_connection_is_named_from_then_on() {
    let (Some(mut giver), Some(mut taker)) = (Agent::start(), Agent::start()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket").display().to_string();
    taker.does(&format!("l = socket.socket(socket.AF_UNIX); l.bind('{path}'); l.listen()"));
    giver.does(&format!("u = socket.socket(socket.AF_UNIX); u.connect('{path}')"));
    taker.does("u, _ = l.accept()");
    let connection = giver.connect("a");
    let identifier = Identifier::new();
    asleep(&identifier, &[&giver, &taker]);
    assert_eq!(who(&identifier, &connection), [giver.pid()]);
    giver.does("socket.send_fds(u, [b'x'], [a.fileno()])");
    assert_eq!(who(&identifier, &connection), [giver.pid()], "nobody has taken it yet");
    taker.does("_, fds, _, _ = socket.recv_fds(u, 1, 1)");
    let mut both = [giver.pid(), taker.pid()];
    both.sort_unstable();
    assert_eq!(who(&identifier, &connection), both);
    giver.does("a.close()");
    assert_eq!(who(&identifier, &connection), [taker.pid()]);
}

/// Kills: counting the first thread only, or not asking again which threads there are.
#[test]
fn a_thread_that_another_thread_has_started_is_seen() {
    let Some(mut agent) = Agent::start() else { return };
    let (mut other, identifier) = (Agent::start().unwrap(), Identifier::new());
    let elsewhere = other.connect("a");
    for name in ["a", "b", "c"] {
        asleep(&identifier, &[&agent]);
        assert_eq!(who(&identifier, &elsewhere), [other.pid()]);
        agent.does("hand_over()");
        let connection = agent.connect(name);
        assert_eq!(who(&identifier, &connection), [agent.pid()]);
    }
    assert_eq!(process::threads(agent.pid()).unwrap().len(), 4);
}

/// Kills: asking only those for their children who have run since. An orphan is given to one that sleeps.
#[test]
fn an_orphan_that_is_given_to_a_sleeping_process_is_found() {
    let Some(mut init) = Agent::start() else { return };
    init.does("import ctypes; ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let script = format!("(exec 3<>/dev/tcp/127.0.0.1/{}; echo >&3; read -r x <&3) & wait", address.port());
    let parent = init.does(&format!(
        "p = subprocess.Popen(['/bin/bash', '-c', '{script}'], stdin=subprocess.DEVNULL); print(p.pid, end='')"
    ));
    let (mut stream, client) = listener.accept().unwrap();
    std::io::Read::read_exact(&mut stream, &mut [0]).unwrap();
    let identifier = Identifier::inside(init.pid(), None);
    let identifier = Identifier { diag: sock_diag::SockDiag::open().ok(), ..identifier };
    asleep(&identifier, &[&init]);
    let before = identifier.identify(client, address).unwrap();
    assert_eq!((before.len(), before[0].caller.chain.len()), (1, 2));
    let parent = rustix::process::Pid::from_raw(parent.parse().unwrap()).unwrap();
    let handle = rustix::process::pidfd_open(parent, rustix::process::PidfdFlags::empty()).unwrap();
    rustix::process::kill_process(parent, rustix::process::Signal::KILL).unwrap();
    rustix::event::poll(&mut [rustix::event::PollFd::new(&handle, rustix::event::PollFlags::IN)], None)
        .unwrap();
    let after = identifier.identify(client, address).unwrap();
    assert_eq!((after.len(), after[0].pid, after[0].caller.chain.len()), (1, before[0].pid, 1));
}

/// Kills: taking a number for a process. What was kept open of the one is not of the other that has its number now.
#[test]
fn a_number_that_another_process_has_taken_is_another_process() {
    let (Some(mut first), Some(mut second)) = (Agent::start(), Agent::start()) else { return };
    let identifier = Identifier::new();
    asleep(&identifier, &[&first]);
    let connection = second.connect("a");
    let (gone, heir) = (first.pid(), second.pid());
    first.kill();
    identifier.remembered.give_number(gone, heir);
    assert!(!identifier.remembered.look(gone).unwrap().has_slept(), "it has ended, and is not reaped");
    drop(first);
    assert!(!identifier.remembered.look(heir).unwrap().has_slept());
    assert_eq!(who(&identifier, &connection), [heir]);
}

/// Kills: keeping the name of the program that slept.
#[test]
fn who_has_become_another_program_is_named_anew() {
    let Some(mut agent) = Agent::start() else { return };
    let connection = agent.connect("a");
    agent.does("a.set_inheritable(True)");
    let identifier = Identifier::new();
    asleep(&identifier, &[&agent]);
    let name = |path: &str| std::fs::canonicalize(path).unwrap();
    let binary = || {
        let found = identifier.identify(connection.client, connection.listener).unwrap();
        assert_eq!(found.len(), 1);
        name(found[0].caller.binary().unwrap())
    };
    assert_eq!(binary(), name("/usr/bin/python3"));
    agent.does("print(end='', flush=True); os.execv('/bin/sh', ['sh', '-c', 'echo; exec cat'])");
    assert_eq!(agent.does("as a cat"), "as a cat");
    assert_eq!(binary(), name("/bin/cat"));
}

/// Kills: missing somebody where no files can be kept open, or keeping more than there are places for.
#[test]
fn without_a_place_everything_is_looked_through() {
    let Some(mut agent) = Agent::start() else { return };
    let connection = agent.connect("a");
    for places in [0, 1] {
        let remembered = remembered::Remembered::with_places(places);
        let identifier = Identifier { remembered, ..Identifier::new() };
        for _ in 0..3 {
            assert_eq!(who(&identifier, &connection), [agent.pid()]);
        }
        identifier.remembered.forget_others(&[]);
        assert_eq!(identifier.remembered.places_left(), places, "what is not needed is closed");
    }
}
