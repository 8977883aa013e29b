//! What `/proc` says of the processes below a root: who holds a socket, which executables are behind it.

use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::MetadataExt as _;

use rustix::io::Errno;

use super::IdentityError;

/// Whose tree of mounts the processes see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tree {
    /// The host's.
    Host,
    /// The one that was built for the root process.
    Sandbox,
}

/// The most processes that a sandbox may have for its callers to be told apart, and the longest chain of ancestors.
const MAX_PROCESSES: usize = 16 * 1024;
const MAX_CHAIN: usize = 64;

/// The descendants of `root` (not `root` itself) that have the socket `inode` open, lowest pid first.
///
/// A process that cannot be looked into may hold it: that is an error, not an absence. One on its way out gives its
/// memory back before its descriptors, which can take as long as the machine is busy: it has no executable any more,
/// calls nobody, and does not count.
pub(super) fn holders(root: i32, inode: u64) -> Result<Vec<i32>, IdentityError> {
    let wanted = format!("socket:[{inode}]");
    let mut holders = Vec::new();
    for pid in descendants(root)? {
        if holds(pid, &wanted)? && !has_ended(pid) {
            holders.push(pid);
        }
    }
    holders.sort_unstable();
    Ok(holders)
}

fn descendants(root: i32) -> Result<Vec<i32>, IdentityError> {
    let mut found: Vec<i32> = Vec::new();
    let mut next = vec![root];
    while let Some(pid) = next.pop() {
        for child in children(pid)? {
            if found.len() == MAX_PROCESSES {
                return Err(IdentityError::TooMany);
            }
            found.push(child);
            next.push(child);
        }
    }
    Ok(found)
}

/// The children of every thread of `pid`; none where it has ended.
fn children(pid: i32) -> Result<Vec<i32>, IdentityError> {
    let mut found = Vec::new();
    let tasks = match fs::read_dir(format!("/proc/{pid}/task")) {
        Ok(tasks) => tasks,
        Err(error) => return gone(pid, &error).map(|()| found),
    };
    for task in tasks {
        match task.and_then(|task| fs::read_to_string(task.path().join("children"))) {
            Ok(line) => found.extend(line.split_ascii_whitespace().filter_map(|pid| pid.parse::<i32>().ok())),
            Err(error) => gone(pid, &error)?,
        }
    }
    Ok(found)
}

/// Whether an error means that there is nothing to look at any more, and not that it may not be looked at. What is
/// left of a process that has ended belongs to root (`proc(5)`), and holds nothing.
fn gone(pid: i32, error: &io::Error) -> Result<(), IdentityError> {
    match Errno::from_io_error(error) {
        Some(Errno::NOENT | Errno::SRCH) => Ok(()),
        _ if has_ended(pid) => Ok(()),
        _ => Err(IdentityError::Unreadable(pid)),
    }
}

/// By `/proc/<pid>/stat`: dead (`Z`, `X` in the third field), or on its way out, without memory (0 in field 23) and
/// never to run again.
fn has_ended(pid: i32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return true };
    let Some((_, rest)) = stat.rsplit_once(')') else { return false };
    let mut fields = rest.split_ascii_whitespace();
    matches!(fields.next(), Some("Z" | "X" | "x")) || fields.nth(19) == Some("0")
}

fn holds(pid: i32, socket: &str) -> Result<bool, IdentityError> {
    let descriptors = match fs::read_dir(format!("/proc/{pid}/fd")) {
        Ok(descriptors) => descriptors,
        Err(error) => return gone(pid, &error).map(|()| false),
    };
    for descriptor in descriptors {
        match descriptor.and_then(|descriptor| fs::read_link(descriptor.path())) {
            Ok(link) if link.as_os_str() == socket => return Ok(true),
            Ok(_) => {}
            Err(error) => gone(pid, &error)?,
        }
    }
    Ok(false)
}

/// The executable of `pid` and of its ancestors below `root`.
pub(super) fn chain(root: i32, pid: i32, tree: Tree) -> Result<Vec<String>, IdentityError> {
    let mut chain = Vec::new();
    let mut current = pid;
    while current != root {
        if chain.len() == MAX_CHAIN || current <= 1 {
            return Err(IdentityError::NotOurs);
        }
        let path = executable(current)?;
        if tree == Tree::Sandbox && !is_file_at(root, current, &path) {
            return Err(IdentityError::Unreadable(current));
        }
        chain.push(path);
        current = parent(current).ok_or(IdentityError::Unreadable(current))?;
    }
    Ok(chain)
}

/// The kernel's link to the executable. A file that was removed or replaced has no name to be judged by.
fn executable(pid: i32) -> Result<String, IdentityError> {
    let unreadable = IdentityError::Unreadable(pid);
    let link = fs::read_link(format!("/proc/{pid}/exe")).map_err(|_| unreadable.clone())?;
    let path = link.into_os_string().into_string().map_err(|_| unreadable.clone())?;
    if path.starts_with('/') && !path.ends_with(" (deleted)") { Ok(path) } else { Err(unreadable) }
}

/// Whether the executable of `pid` is the file that `path` leads to for the sandbox's first process: a name that the
/// kernel prints is a claim about mounts, and this one was built by us.
fn is_file_at(init: i32, pid: i32, path: &str) -> bool {
    let identity = |path: String| fs::metadata(path).map(|data| (data.dev(), data.ino()));
    let running = identity(format!("/proc/{pid}/exe"));
    let named = identity(format!("/proc/{init}/root{path}"));
    matches!((running, named), (Ok(running), Ok(named)) if running == named)
}

/// The fourth field of `/proc/<pid>/stat`, counted behind the name, which may hold anything.
fn parent(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// The inode from `/proc/<pid>/net/tcp{,6}`: for kernels without `INET_DIAG`.
pub(super) fn inode_from_proc(pid: i32, local: SocketAddr, remote: SocketAddr) -> Result<u64, IdentityError> {
    let table = format!("/proc/{pid}/net/{}", if local.is_ipv4() { "tcp" } else { "tcp6" });
    let text = fs::read_to_string(&table).map_err(|error| IdentityError::NoSocket(error.to_string()))?;
    inode_in(&text, local, remote).ok_or_else(|| IdentityError::NoSocket(format!("not in {table}")))
}

/// The inode in the row of a connection.
pub(crate) fn inode_in(text: &str, local: SocketAddr, remote: SocketAddr) -> Option<u64> {
    let (local, remote) = (proc_form(local), proc_form(remote));
    let row = text.lines().find_map(|line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let is_it = fields.next() == Some(&local) && fields.next() == Some(&remote);
        is_it.then(|| fields.nth(6).and_then(|inode| inode.parse::<u64>().ok())).flatten()
    });
    row.filter(|inode| *inode > 0)
}

/// Addresses in `/proc` are 32-bit words in the byte order of the machine.
fn proc_form(address: SocketAddr) -> String {
    let words: Vec<u32> = match address.ip() {
        IpAddr::V4(v4) => vec![u32::from_ne_bytes(v4.octets())],
        IpAddr::V6(v6) => {
            v6.octets().as_chunks::<4>().0.iter().map(|word| u32::from_ne_bytes(*word)).collect()
        }
    };
    let hex: String = words.iter().map(|word| format!("{word:08X}")).collect();
    format!("{hex}:{:04X}", address.port())
}
