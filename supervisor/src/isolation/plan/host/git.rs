//! What git runs when its user comes back: hooks, and whatever a configuration names.
//!
//! A repository is led to another configuration by `commondir` (`gitrepository-layout(5)`), even one that has none yet;
//! so where it is missing it is made, and says `.`: itself. Submodules and the linked work trees of the repository have
//! folders of their own in `.git`, and all of this again.

use std::fs;
use std::path::{Path, PathBuf};

/// How deep submodules may lie in each other's names.
const DEEPEST: usize = 8;

/// The files and folders of the working directory's repository that must stay as they are.
pub(super) fn kept(workdir: &Path) -> Vec<PathBuf> {
    let git = workdir.join(".git");
    let Ok(data) = git.symlink_metadata() else { return Vec::new() };
    let mut kept = Vec::new();
    let folder = if data.is_file() {
        kept.push(git.clone());
        elsewhere(workdir, &git)
    } else {
        fs::canonicalize(&git).ok().filter(|folder| folder.is_dir())
    };
    if let Some(folder) = folder.filter(|folder| folder.starts_with(workdir)) {
        repository(&folder, DEEPEST, &mut kept);
    }
    kept
}

/// Where a `.git` that is a file leads.
fn elsewhere(workdir: &Path, git: &Path) -> Option<PathBuf> {
    let text = fs::read_to_string(git).ok()?;
    let path = text.strip_prefix("gitdir:")?.trim();
    fs::canonicalize(workdir.join(path)).ok()
}

fn repository(folder: &Path, depth: usize, kept: &mut Vec<PathBuf>) {
    let (hooks, common) = (folder.join("hooks"), folder.join("commondir"));
    // Absent, both could be made inside. Whoever may not make them here has nothing to fear for them.
    let _ = fs::create_dir(&hooks);
    if common.symlink_metadata().is_err() {
        let _ = fs::write(&common, ".\n");
    }
    keep([hooks, common, folder.join("config"), folder.join("config.worktree")], kept);
    for tree in folders(&folder.join("worktrees")) {
        keep(["commondir", "gitdir", "config.worktree"].map(|name| tree.join(name)), kept);
    }
    modules(&folder.join("modules"), depth, kept);
}

/// The submodules' repositories; a name may have slashes.
fn modules(folder: &Path, depth: usize, kept: &mut Vec<PathBuf>) {
    let Some(depth) = depth.checked_sub(1) else { return };
    for below in folders(folder) {
        if below.join("HEAD").exists() {
            repository(&below, depth, kept);
        } else {
            modules(&below, depth, kept);
        }
    }
}

fn folders(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}

/// Those that there are. A link cannot be kept: what it names can.
fn keep(paths: impl IntoIterator<Item = PathBuf>, kept: &mut Vec<PathBuf>) {
    kept.extend(
        paths.into_iter().filter(|path| path.symlink_metadata().is_ok_and(|data| !data.is_symlink())),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_repository_of_the_working_directory_is_kept_and_none_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["work/.git/modules/a/b", "work/.git/worktrees/t", "main/.git/worktrees/w", "tree"] {
            fs::create_dir_all(at(name)).unwrap();
        }
        for name in ["work/.git/config", "work/.git/modules/a/b/HEAD", "work/.git/worktrees/t/commondir"] {
            fs::write(at(name), "").unwrap();
        }
        let found = kept(&at("work"));
        for name in ["hooks", "config", "commondir", "modules/a/b/hooks", "modules/a/b/commondir"] {
            assert!(found.contains(&at("work/.git").join(name)), "{name}: {found:?}");
        }
        assert!(found.contains(&at("work/.git/worktrees/t/commondir")));
        assert_eq!(fs::read_to_string(at("work/.git/commondir")).unwrap(), ".\n");
        fs::write(at("tree/.git"), format!("gitdir: {}", at("main/.git/worktrees/w").display())).unwrap();
        assert_eq!(kept(&at("tree")), [at("tree/.git")], "its repository is elsewhere and stays untouched");
        assert!(!at("main/.git/worktrees/w/hooks").exists());
        assert!(kept(&at("main")).len() > 1 && kept(&at("nowhere")).is_empty());
    }
}
