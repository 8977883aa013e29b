//! The facts about this machine from which the tree is planned.

mod git;

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use super::super::{IsolationError, Wishes};

/// The programs that decide and enforce: what is inside may not replace them.
const PROGRAMS: [&str; 3] = ["openshell-supervisor", "openshell-gateway", "openshell-inbox"];

/// The home of whoever starts this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Home {
    /// Where it is.
    pub(super) path: PathBuf,
    /// What it is called.
    pub(super) name: PathBuf,
    /// Who owns it.
    pub(super) owner: u32,
}

/// The facts.
#[derive(Debug, Default)]
pub(in super::super) struct Host {
    /// The working directory.
    pub(in super::super) workdir: PathBuf,
    /// The home, if there is one.
    pub(super) home: Option<Home>,
    /// What is in `/etc`, and where links lead.
    pub(super) etc: Vec<(PathBuf, Option<PathBuf>)>,
    /// What is in `/`, but for what every sandbox has of its own.
    pub(super) root: Vec<PathBuf>,
    /// Sockets that have a name now. A mount that is read-only does not keep anybody from connecting.
    pub(super) sockets: Vec<PathBuf>,
    /// Files and folders that stay as they are even where all around them may be written.
    pub(super) kept: Vec<PathBuf>,
}

impl Host {
    /// Reads the facts.
    ///
    /// # Errors
    /// When there is no working directory (any more).
    pub(in super::super) fn read(wishes: &Wishes<'_>) -> Result<Self, IsolationError> {
        let workdir = std::env::current_dir()
            .map_err(|error| IsolationError::Path { path: "the working directory".into(), error })?;
        let listed = wishes.policy.filesystem_policy.iter().flat_map(|policy| &policy.read_write);
        let named = wishes.writable.iter().cloned().chain(listed.map(PathBuf::from));
        let mut kept = git::kept(&workdir);
        kept.extend(named.filter_map(|path| fs::canonicalize(path).ok()).flat_map(|path| git::kept(&path)));
        kept.extend(programs());
        Ok(Self { home: home(), etc: etc(), root: root(), sockets: sockets(), kept, workdir })
    }
}

fn home() -> Option<Home> {
    let name = PathBuf::from(std::env::var_os("HOME")?);
    let path = fs::canonicalize(&name).ok().filter(|path| path != Path::new("/"))?;
    let owner = fs::metadata(&path).ok()?.uid();
    Some(Home { path, name, owner })
}

fn etc() -> Vec<(PathBuf, Option<PathBuf>)> {
    let Ok(entries) = fs::read_dir("/etc") else { return Vec::new() };
    let entries = entries.flatten().filter(|entry| entry.file_name() != "openshell");
    entries.map(|entry| (entry.path(), fs::read_link(entry.path()).ok())).collect()
}

fn root() -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir("/") else { return Vec::new() };
    let own = ["proc", "dev", "run", "tmp", "etc", "lost+found"];
    let entries = entries.flatten().filter(|entry| !own.iter().any(|name| entry.file_name() == *name));
    entries.map(|entry| entry.path()).collect()
}

/// `/proc/net/unix`: the last field is the name as it was bound, absent or `@…` for sockets that no path leads to. One
/// that is relative is looked for where processes are that may have bound it.
fn sockets() -> Vec<PathBuf> {
    let text = fs::read_to_string("/proc/net/unix").unwrap_or_default();
    let names = text.lines().filter_map(bound_name).filter(|name| !name.starts_with('@'));
    let (absolute, relative): (Vec<&str>, Vec<&str>) = names.partition(|name| name.starts_with('/'));
    let folders = if relative.is_empty() { Vec::new() } else { working_directories() };
    let found_there = folders.iter().flat_map(|folder| relative.iter().map(|name| folder.join(name)));
    let is_socket = |path: &Path| path.symlink_metadata().is_ok_and(|data| data.file_type().is_socket());
    let mut found: Vec<PathBuf> = absolute
        .into_iter()
        .map(PathBuf::from)
        .chain(found_there)
        .filter(|path| is_socket(path))
        .filter_map(|path| fs::canonicalize(path).ok())
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// What follows the seven fields of a line.
fn bound_name(line: &str) -> Option<&str> {
    let after = (0..7).try_fold(line, |rest, _| Some(rest.trim_start().split_once(' ')?.1));
    after.map(str::trim_start).filter(|name| !name.is_empty())
}

/// Where the processes are into which this one may look, and the home: a server that goes there first binds there.
fn working_directories() -> Vec<PathBuf> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> =
        processes.filter_map(|entry| fs::read_link(entry.path().join("cwd")).ok()).collect();
    folders.extend(home().map(|home| home.path));
    folders.sort_unstable();
    folders.dedup();
    folders
}

/// Our programs, by every name that cargo gives them: one in `deps` is the same file.
fn programs() -> Vec<PathBuf> {
    let Ok(own) = std::env::current_exe() else { return Vec::new() };
    let Some(folder) = own.parent() else { return Vec::new() };
    let mut found: Vec<PathBuf> =
        PROGRAMS.iter().map(|name| folder.join(name)).filter(|path| path.exists()).collect();
    let file = |path: &Path| fs::metadata(path).ok().map(|data| (data.dev(), data.ino(), data.nlink()));
    let twins: Vec<_> = found.iter().filter_map(|path| file(path)).filter(|(.., links)| *links > 1).collect();
    if !twins.is_empty() {
        let others =
            fs::read_dir(folder.join("deps")).into_iter().flatten().flatten().map(|entry| entry.path());
        found.extend(others.filter(|path| file(path).is_some_and(|file| twins.contains(&file))));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_socket_is_what_follows_seven_fields() {
        let line = |name: &str| format!("00000000f9148e86: 00000002 00000000 00010000 0001 01 1142630{name}");
        assert_eq!(bound_name(&line(" /run/a b")), Some("/run/a b"));
        assert_eq!(bound_name(&line(" rel.sock")), Some("rel.sock"));
        assert_eq!(bound_name(&line(" @x")), Some("@x"));
        assert_eq!(bound_name(&line("")), None);
    }
}
