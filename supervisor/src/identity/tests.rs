use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};

use super::*;

pub(super) mod agent;
mod sleepers;

/// Connects from a child of this test and identifies it.
fn from_child(program: &str, script: &str) -> Result<Vec<Holder>, IdentityError> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let script = script.replace("PORT", &address.port().to_string());
    let mut child = Command::new(program)
        .args(["-c", &script])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let (mut stream, client) = listener.accept().unwrap();
    // The child says a word when it has done all that the test is about.
    std::io::Read::read_exact(&mut stream, &mut [0]).unwrap();
    let found = Identifier::new().identify(client, address);
    drop(stream);
    drop(child.stdin.take());
    child.wait().unwrap();
    found
}

#[test]
fn the_executable_is_the_kernels_not_argv() {
    let holders = from_child(
        "/bin/bash",
        "exec -a /usr/bin/curl bash -c 'exec 3<>/dev/tcp/127.0.0.1/PORT; echo >&3; read x'",
    )
    .unwrap();
    let bash = std::fs::canonicalize("/bin/bash").unwrap();
    assert_eq!(holders.len(), 1);
    assert_eq!(holders[0].caller.binary(), bash.to_str());
}

#[test]
fn every_holder_is_found_with_its_ancestors() {
    let holders = from_child(
        "/bin/bash",
        "exec 3<>/dev/tcp/127.0.0.1/PORT; (tail -f /dev/null & echo >&3; read x; kill $!)",
    )
    .unwrap();
    let names: Vec<&str> = holders.iter().filter_map(|h| h.caller.binary()).collect();
    assert!(holders.len() >= 2, "{holders:?}");
    assert!(names.iter().any(|name| name.ends_with("/bash")), "{names:?}");
    assert!(holders.iter().all(|h| h.caller.chain.last().unwrap().ends_with("/bash")), "{holders:?}");
}

#[test]
fn holders_that_end_while_they_are_looked_at_do_not_cost_the_connection() {
    // Children that inherit the connection come and go the whole time.
    let script = "exec 3<>/dev/tcp/127.0.0.1/PORT; echo >&3; for i in {1..400}; do /bin/true; done; read x";
    for _ in 0..5 {
        let holders = from_child("/bin/bash", script).unwrap();
        assert!(holders.iter().any(|h| h.caller.binary().unwrap().ends_with("/bash")), "{holders:?}");
    }
}

#[test]
fn a_process_that_takes_long_to_end_does_not_cost_the_connection() {
    // Its last act is what this test waits for; then it has a lot of memory to give back.
    let script = "exec 3<>/dev/tcp/127.0.0.1/PORT; dd if=/dev/zero of=/dev/null bs=256M count=1 2>&3; read x";
    for _ in 0..5 {
        let holders = from_child("/bin/bash", script).unwrap();
        assert!(holders.iter().any(|h| h.caller.binary().unwrap().ends_with("/bash")), "{holders:?}");
    }
}

#[test]
fn a_connection_of_this_process_itself_is_nobodys() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let found = Identifier::new().identify(stream.local_addr().unwrap(), listener.local_addr().unwrap());
    assert_eq!(found, Err(IdentityError::NotOurs));
}

#[test]
fn a_connection_that_does_not_exist_has_no_socket() {
    let found = Identifier::new().identify("127.0.0.1:1".parse().unwrap(), "127.0.0.1:2".parse().unwrap());
    assert!(matches!(found, Err(IdentityError::NoSocket(_))), "{found:?}");
}

#[test]
fn proc_finds_the_same_inode_as_sock_diag() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (client, server) = (stream.local_addr().unwrap(), listener.local_addr().unwrap());
    let exact = sock_diag::SockDiag::open().unwrap().inode(client, server).unwrap();
    assert_eq!(process::inode_from_proc(std::process::id().cast_signed(), client, server).unwrap(), exact);
}

/// A copy of a shell that keeps a connection open, in a folder that it may write.
fn copied_shell(folder: &std::path::Path) -> (std::process::Child, TcpStream, SocketAddr, SocketAddr) {
    let tool = folder.join("tool");
    std::fs::copy("/bin/bash", &tool).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let script = format!("exec 3<>/dev/tcp/127.0.0.1/{}; echo >&3; read x", address.port());
    let child = Command::new(&tool).args(["-c", &script]).stdin(Stdio::piped()).spawn().unwrap();
    let (mut stream, client) = listener.accept().unwrap();
    std::io::Read::read_exact(&mut stream, &mut [0]).unwrap();
    (child, stream, client, address)
}

/// Kills: judging by the name alone. The file that runs was replaced, so its name is another file's now.
#[test]
fn a_program_that_was_replaced_has_no_name() {
    let folder = tempfile::tempdir().unwrap();
    let (mut child, stream, client, address) = copied_shell(folder.path());
    let own = std::process::id().cast_signed();
    let identifier = Identifier::inside(own, None);
    let found = identifier.identify(client, address).unwrap();
    assert_eq!(found[0].caller.binary(), folder.path().canonicalize().unwrap().join("tool").to_str());
    std::fs::copy("/bin/cat", folder.path().join("new")).unwrap();
    std::fs::rename(folder.path().join("new"), folder.path().join("tool")).unwrap();
    assert!(matches!(identifier.identify(client, address), Err(IdentityError::Unreadable(_))));
    drop((stream, child.stdin.take()));
    child.wait().unwrap();
}

/// Kills: believing the kernel's link. Behind a mount of one's own it names whatever the mount covers.
#[test]
fn a_name_that_leads_to_another_file_in_the_tree_is_not_the_programs() {
    let own = std::process::id().cast_signed();
    let bash = program::FileId::at("/bin/bash").unwrap();
    assert!(process::is_file_at(own, bash, "/bin/bash"));
    assert!(!process::is_file_at(own, bash, "/bin/cat"));
    assert!(!process::is_file_at(own, bash, "/bin/there-is-none"));
}
