//! Who is calling: from an accepted connection to the binaries behind it.
//!
//! Socket → inode (an exact `sock_diag` lookup) → the processes of this sandbox that hold it → executable and
//! ancestors up to the command. A connection that no process of the sandbox holds has no caller and gets nothing.
//! argv is never read; an interpreter is the binary. Blocking: called through `spawn_blocking`.

mod process;
mod sock_diag;

use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use openshell_domain::policy::verdict::Caller;
pub(crate) use process::inode_in;

/// A process that holds a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Its pid.
    pub pid: i32,
    /// Its executable and ancestors.
    pub caller: Caller,
}

/// Why nobody was found behind a connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// The kernel does not know the socket (any more), or would not say.
    #[error("the connection's socket was not found: {0}")]
    NoSocket(String),
    /// No process below the supervisor has it open.
    #[error("the connection is not held by a process of this sandbox")]
    NotOurs,
    /// Who holds it changes faster than it can be looked at.
    #[error("the processes that hold the connection keep changing")]
    Unsettled,
    /// The sandbox has more processes than can be looked through.
    #[error("the sandbox has too many processes to tell who is calling")]
    TooMany,
    /// A process of the sandbox cannot be looked into, or its executable's file is gone.
    #[error("process {0} cannot be looked into")]
    Unreadable(i32),
}

/// How often the holders are looked for while they change: a shell's children come and go within microseconds.
const ATTEMPTS: usize = 32;

/// Tells callers apart: looks below one root process.
#[derive(Debug)]
pub struct Identifier {
    root: i32,
    tree: process::Tree,
    diag: Option<sock_diag::SockDiag>,
}

impl Identifier {
    /// Looks for callers among the descendants of this process, which must be a child subreaper for orphans to
    /// stay among them.
    #[must_use]
    pub fn new() -> Self {
        let root = i32::try_from(std::process::id()).unwrap_or_default();
        Self { root, tree: process::Tree::Host, diag: sock_diag::SockDiag::open().ok() }
    }

    /// Looks for callers among the descendants of the sandbox's first process, whose orphans it adopts; sockets are
    /// asked for through a `sock_diag` socket that was made inside.
    #[must_use]
    pub fn inside(init: i32, diag: Option<OwnedFd>) -> Self {
        let diag = diag.and_then(|socket| sock_diag::SockDiag::from_socket(socket).ok());
        Self { root: init, tree: process::Tree::Sandbox, diag }
    }

    /// Every process that holds the client's end of a connection: `client` is its address, `listener` ours.
    ///
    /// # Errors
    /// [`IdentityError`]; the connection is to be refused then.
    pub fn identify(&self, client: SocketAddr, listener: SocketAddr) -> Result<Vec<Holder>, IdentityError> {
        let inode = match &self.diag {
            Some(diag) => {
                diag.inode(client, listener).map_err(|error| IdentityError::NoSocket(error.to_string()))
            }
            None => process::inode_from_proc(self.root, client, listener),
        }?;
        settle(self.root, inode, self.tree)
    }
}

/// Looks until every process that holds the socket has been named. One that came late is named too, one that is gone
/// by the next look does not count.
fn settle(root: i32, inode: u64, tree: process::Tree) -> Result<Vec<Holder>, IdentityError> {
    let mut named: Vec<Holder> = Vec::new();
    let mut last = IdentityError::Unsettled;
    for attempt in 0..ATTEMPTS {
        if attempt > 0 {
            // Whoever is coming or going may need a processor to get there.
            std::thread::yield_now();
        }
        let holding = match process::holders(root, inode) {
            Ok(holding) => holding,
            Err(error) => {
                last = error;
                continue;
            }
        };
        if holding.is_empty() {
            return Err(IdentityError::NotOurs);
        }
        named.retain(|holder| holding.contains(&holder.pid));
        let strangers: Vec<i32> =
            holding.into_iter().filter(|pid| named.iter().all(|holder| holder.pid != *pid)).collect();
        if strangers.is_empty() {
            return Ok(named);
        }
        for pid in strangers {
            match process::chain(root, pid, tree) {
                Ok(chain) => named.push(Holder { pid, caller: Caller { chain } }),
                Err(error) => last = error,
            }
        }
    }
    Err(last)
}

/// Whether the kernel can be asked exactly, tried on a connection of this process with itself.
#[must_use]
pub fn is_lookup_exact() -> bool {
    let try_it = || -> std::io::Result<u64> {
        let listener = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0))?;
        let stream = std::net::TcpStream::connect(listener.local_addr()?)?;
        sock_diag::SockDiag::open()?.inode(stream.local_addr()?, stream.peer_addr()?)
    };
    try_it().is_ok()
}

impl Default for Identifier {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::process::{Command, Stdio};

    use super::*;

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
        let script =
            "exec 3<>/dev/tcp/127.0.0.1/PORT; echo >&3; for i in {1..400}; do /bin/true; done; read x";
        for _ in 0..5 {
            let holders = from_child("/bin/bash", script).unwrap();
            assert!(holders.iter().any(|h| h.caller.binary().unwrap().ends_with("/bash")), "{holders:?}");
        }
    }

    #[test]
    fn a_process_that_takes_long_to_end_does_not_cost_the_connection() {
        // Its last act is what this test waits for; then it has a lot of memory to give back.
        let script =
            "exec 3<>/dev/tcp/127.0.0.1/PORT; dd if=/dev/zero of=/dev/null bs=256M count=1 2>&3; read x";
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
        let found =
            Identifier::new().identify("127.0.0.1:1".parse().unwrap(), "127.0.0.1:2".parse().unwrap());
        assert!(matches!(found, Err(IdentityError::NoSocket(_))), "{found:?}");
    }

    #[test]
    fn proc_finds_the_same_inode_as_sock_diag() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (client, server) = (stream.local_addr().unwrap(), listener.local_addr().unwrap());
        let exact = sock_diag::SockDiag::open().unwrap().inode(client, server).unwrap();
        assert_eq!(
            process::inode_from_proc(std::process::id().cast_signed(), client, server).unwrap(),
            exact
        );
    }
}
