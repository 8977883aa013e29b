//! What `/proc` says of the processes below a root: who holds a socket, which executables are behind it.

use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::net::{IpAddr, SocketAddr};

use rustix::fs::{CWD, Mode, OFlags, RawDir};
use rustix::io::Errno;

use super::IdentityError;
use super::program::{FileId, Program};
use super::remembered::{Look, Remembered};
use super::thread;

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

/// The descendants of `root` (not `root` itself) that have the socket open, lowest pid first.
///
/// A process that cannot be looked into may hold it: that is an error, not an absence. One on its way out gives its
/// memory back before its descriptors, which can take as long as the machine is busy: it has no executable any more,
/// calls nobody, and does not count.
pub(super) fn holders(root: i32, inode: u64, remembered: &Remembered) -> Result<Vec<i32>, IdentityError> {
    let below = descendants(root, remembered)?;
    let mut holders = Vec::new();
    for look in &below {
        if remembered.holds(look, inode)? && !has_ended(look.pid) {
            holders.push(look.pid);
        }
    }
    holders.sort_unstable();
    let mut there: Vec<i32> = below.iter().map(|look| look.pid).chain([root]).collect();
    there.sort_unstable();
    remembered.forget_others(&there);
    Ok(holders)
}

fn descendants(root: i32, remembered: &Remembered) -> Result<Vec<Look>, IdentityError> {
    let mut found: Vec<Look> = Vec::new();
    let mut next = remembered.look(root)?.children()?;
    while let Some(pid) = next.pop() {
        if found.len() == MAX_PROCESSES {
            return Err(IdentityError::TooMany);
        }
        let look = remembered.look(pid)?;
        next.extend(look.children()?);
        found.push(look);
    }
    Ok(found)
}

/// The threads of `pid`, in the kernel's order; none where it has ended.
pub(super) fn threads(pid: i32) -> Result<Vec<i32>, IdentityError> {
    let mut found = Vec::new();
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = match rustix::fs::openat(CWD, format!("/proc/{pid}/task"), flags, Mode::empty()) {
        Ok(folder) => folder,
        Err(error) => return gone(pid, &error.into()).map(|()| found),
    };
    let mut entries = [MaybeUninit::uninit(); 1024];
    let mut tasks = RawDir::new(&folder, &mut entries);
    while let Some(task) = tasks.next() {
        match task {
            // Not the folder itself and the one above it.
            Ok(task) => found.extend(thread::numbers(task.file_name().to_bytes())),
            Err(error) => return gone(pid, &error.into()).map(|()| found),
        }
    }
    Ok(found)
}

/// The children of every thread of `pid`, read one after another; none where it has ended.
pub(super) fn children(pid: i32) -> Result<Vec<i32>, IdentityError> {
    let mut found = Vec::new();
    for thread in threads(pid)? {
        match fs::read(format!("/proc/{pid}/task/{thread}/children")) {
            Ok(line) => found.extend(thread::numbers(&line)),
            Err(error) => gone(pid, &error)?,
        }
    }
    Ok(found)
}

/// Whether an error means that there is nothing to look at any more, and not that it may not be looked at. What is
/// left of a process that has ended belongs to root (`proc(5)`), and holds nothing.
pub(super) fn gone(pid: i32, error: &io::Error) -> Result<(), IdentityError> {
    match Errno::from_io_error(error) {
        Some(Errno::NOENT | Errno::SRCH) => Ok(()),
        _ if has_ended(pid) => Ok(()),
        _ => Err(IdentityError::Unreadable(pid)),
    }
}

fn has_ended(pid: i32) -> bool {
    Stat::of(pid).is_none_or(|stat| stat.has_ended)
}

/// What `/proc/<pid>/stat` says, counted behind the name, which may hold anything.
#[derive(Debug)]
pub(super) struct Stat {
    /// Dead (`Z`, `X` in the third field), or on its way out, without memory (0 in field 23) and never to run again.
    pub(super) has_ended: bool,
    /// The fourth field.
    parent: i32,
    /// When it started, in clock ticks since the machine did: field 22.
    pub(super) started: u64,
}

impl Stat {
    /// `None` where there is no such process, or nothing that could be made of it.
    pub(super) fn of(pid: i32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (_, rest) = stat.rsplit_once(')')?;
        let mut fields = rest.split_ascii_whitespace();
        let is_dead = matches!(fields.next()?, "Z" | "X" | "x");
        let parent = fields.next()?.parse().ok()?;
        let started = fields.nth(17)?.parse().ok()?;
        Some(Self { has_ended: is_dead || fields.next()? == "0", parent, started })
    }
}

/// The executable of `pid` and of its ancestors below `root`.
pub(super) fn chain(root: i32, pid: i32, tree: Tree) -> Result<Vec<Program>, IdentityError> {
    let mut chain = Vec::new();
    let mut current = pid;
    while current != root {
        if chain.len() == MAX_CHAIN || current <= 1 {
            return Err(IdentityError::NotOurs);
        }
        let unreadable = IdentityError::Unreadable(current);
        let path = executable(current).ok_or(unreadable.clone())?;
        let file = FileId::at(&format!("/proc/{current}/exe")).ok_or(unreadable.clone())?;
        if tree == Tree::Sandbox && !is_file_at(root, file, &path) {
            return Err(unreadable);
        }
        chain.push(Program { path, file, pid: current });
        current = Stat::of(current).ok_or(unreadable)?.parent;
    }
    Ok(chain)
}

/// The kernel's link to the executable. A file that was removed or replaced has no name to be judged by.
fn executable(pid: i32) -> Option<String> {
    let link = fs::read_link(format!("/proc/{pid}/exe")).ok()?;
    let path = link.into_os_string().into_string().ok()?;
    (path.starts_with('/') && !path.ends_with(" (deleted)")).then_some(path)
}

/// Whether a file that runs is the one that `path` leads to for the sandbox's first process: a name that the kernel
/// prints is a claim about mounts, and this one was built by us.
pub(super) fn is_file_at(init: i32, file: FileId, path: &str) -> bool {
    FileId::at(&format!("/proc/{init}/root{path}")).is_some_and(|named| named.is_same_file(file))
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
