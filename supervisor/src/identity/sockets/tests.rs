use super::*;
use crate::identity::tests::agent::Agent;

/// Kills: taking a search that ended where the socket was for one that went to the end.
#[test]
fn what_was_not_looked_for_far_enough_is_not_denied() {
    let Some(mut agent) = Agent::start() else { return };
    let (first, second) = (agent.connect("a"), agent.connect("b"));
    let found = Sockets::look_for(agent.pid(), first.inode).unwrap();
    assert_eq!((found.has(first.inode), found.has(second.inode)), (Some(true), None));
    let found = Sockets::look_for(agent.pid(), 1).unwrap();
    assert_eq!(found.has(1), Some(false));
    assert_eq!((found.has(first.inode), found.has(second.inode)), (Some(true), Some(true)));
}

/// Kills: believing that a socket is where it was without a look, or that whatever is there is it.
#[test]
fn a_place_that_another_socket_has_taken_is_not_the_sockets() {
    let Some(mut agent) = Agent::start() else { return };
    let (first, second) = (agent.connect("a"), agent.connect("b"));
    let found = Sockets::look_for(agent.pid(), first.inode).unwrap();
    assert!(found.is_still_at_its_place(agent.pid(), first.inode));
    assert!(!found.is_still_at_its_place(agent.pid(), second.inode), "its place is not known");
    agent.does("os.dup2(b.fileno(), a.fileno())");
    assert!(!found.is_still_at_its_place(agent.pid(), first.inode));
    assert_eq!(Sockets::look_for(agent.pid(), first.inode).unwrap().has(first.inode), Some(false));
}

/// Kills: a memory without bound, or one that denies what it has dropped.
#[test]
fn what_is_too_much_to_be_remembered_is_not_denied() {
    let socket = |inode| Socket { inode, descriptor: 3 };
    let many = Sockets { found: (0..300).map(socket).collect(), is_all: true }.bounded();
    assert_eq!(many.found.len(), MAX_SOCKETS);
    assert_eq!((many.has(299), many.has(0), many.has(300)), (Some(true), None, None));
    let few = Sockets { found: vec![socket(7)], is_all: true }.bounded();
    assert_eq!((few.has(7), few.has(8)), (Some(true), Some(false)));
}

#[test]
fn only_sockets_are_sockets() {
    assert_eq!(socket(b"socket:[4711]"), Some(4711));
    for other in ["pipe:[4711]", "/dev/null", "socket:[]", "socket:[1", "socket:[x]", ""] {
        assert_eq!(socket(other.as_bytes()), None, "{other}");
    }
}
