//! What the command is to see, worked out outside: the allow list of places and the wall behind it.
//!
//! Refuses a working directory or a `--rw` that is, contains or lies in what must be kept from the command: then no
//! mask could be kept up against renaming. Everything else is left out rather than shown.

mod host;
mod lists;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use openshell_domain::policy::{Compatibility, FilesystemPolicy};

pub(super) use host::Host;
use lists::{
    DEVICE_LINKS, DEVICES, HOME_MASKED, HOME_SHARED, HOME_START_FILES, HOST_BUNDLES, OWN, PRIVATE, SHARED,
    SYSTEM,
};

use super::spec::{Place, Tree, Wall};
use super::user::User;
use super::{BUNDLE, IsolationError, SKILL, Wishes, lies_in};
use crate::environment;

/// The outcome.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) tree: Tree,
    pub(super) wall: Wall,
    pub(super) notes: Vec<String>,
}

/// Works it out.
///
/// # Errors
/// [`IsolationError::Refused`] and [`IsolationError::Path`].
pub(super) fn plan(host: &Host, wishes: &Wishes<'_>, user: User) -> Result<Plan, IsolationError> {
    let hard = wishes.policy.landlock.is_some_and(|l| l.compatibility == Compatibility::HardRequirement);
    let mut draft = Draft { host, hard, places: BTreeMap::new(), links: Vec::new(), notes: Vec::new() };
    draft.basics();
    let mut wall = match &wishes.policy.filesystem_policy {
        Some(policy) => draft.listed(policy)?,
        None => draft.defaults(user),
    };
    let mut writable = draft.named(wishes.writable)?;
    let include_workdir = wishes.policy.filesystem_policy.as_ref().is_none_or(|fs| fs.include_workdir);
    if include_workdir {
        writable.push(host.workdir.clone());
    }
    for path in &writable {
        draft.places.insert(path.clone(), Place::Writable);
    }
    wall.writable.extend(writable.clone());
    let protected = draft.protected(wishes);
    for (path, _) in draft.places.iter().filter(|(_, place)| **place == Place::Writable) {
        check(path, &protected, path == &host.workdir)?;
    }
    draft.protect(wishes)?;
    draft.finish_links();
    draft.ours(&wishes.bundle);
    let workdir = if draft.is_visible(&host.workdir) { host.workdir.clone() } else { PathBuf::from("/") };
    let mut required = writable;
    required.extend(["/usr", "/dev/null"].map(PathBuf::from));
    let tree = Tree {
        places: draft.places,
        required,
        workdir,
        bundle: BUNDLE.into(),
        covered_bundles: HOST_BUNDLES.map(PathBuf::from).to_vec(),
    };
    Ok(Plan { tree, wall: Wall { is_hard: hard, ..wall }, notes: draft.notes })
}

/// What the tree makes itself.
fn is_own(path: &Path) -> bool {
    SHARED.iter().chain(&OWN).any(|own| path == Path::new(own))
        || DEVICES.iter().any(|d| path == Path::new(d))
}

/// Refuses a writable place over which no mask would hold.
fn check(path: &Path, protected: &[(PathBuf, &str)], is_workdir: bool) -> Result<(), IsolationError> {
    let what = if is_workdir { "the working directory" } else { "--rw or read_write" };
    let remedy = if is_workdir { "; start it in a project's own folder" } else { "" };
    let refuse =
        |why: String| Err(IsolationError::Refused(format!("{what} {}: {why}{remedy}", path.display())));
    if path == Path::new("/") {
        return refuse("is the root of everything".to_owned());
    }
    for (kept, role) in protected {
        if path == kept {
            return refuse(format!("is {role}, which a sandbox may not write"));
        } else if lies_in(kept, path) {
            return refuse(format!("contains {} ({role}), which a sandbox may not write", kept.display()));
        } else if lies_in(path, kept) {
            return refuse(format!("lies in {} ({role}), which a sandbox may not write", kept.display()));
        }
    }
    Ok(())
}

struct Draft<'a> {
    host: &'a Host,
    hard: bool,
    places: BTreeMap<PathBuf, Place>,
    /// Names of the host that are links, and where they lead.
    links: Vec<(PathBuf, PathBuf)>,
    notes: Vec<String>,
}

impl Draft<'_> {
    fn put(&mut self, path: impl Into<PathBuf>, place: Place) {
        self.places.insert(path.into(), place);
    }

    /// What every sandbox has.
    fn basics(&mut self) {
        for device in DEVICES {
            self.put(device, Place::Device);
        }
        for (path, target) in DEVICE_LINKS {
            self.put(path, Place::Link(target.into()));
        }
        for (path, mode) in PRIVATE {
            self.put(path, Place::Private(mode));
        }
        self.put("/var/run", Place::Link("/run".into()));
    }

    /// Without `filesystem_policy`: the system and the home to be read.
    fn defaults(&mut self, user: User) -> Wall {
        for path in SYSTEM {
            self.read_only(path.as_ref());
        }
        self.etc();
        let mut writable: Vec<PathBuf> =
            ["/tmp", "/var/tmp", "/run", "/dev", "/proc"].map(PathBuf::from).to_vec();
        if let Some(home) = &self.host.home {
            let is_foreign = user.become_first.is_some_and(|identity| identity.uid != home.owner);
            if is_foreign {
                // Root's own home is of no use to the user that the command runs as.
                self.put(home.path.clone(), Place::Private(0o700));
                writable.push(home.path.clone());
            } else {
                self.put(home.path.clone(), Place::ReadOnly);
            }
            self.links.push((home.name.clone(), home.path.clone()));
        }
        Wall { readable: vec!["/".into()], writable, is_hard: false }
    }

    fn read_only(&mut self, path: &Path) {
        // A system without this folder goes without.
        let Ok(found) = std::fs::canonicalize(path) else { return };
        if found != path {
            self.links.push((path.to_owned(), found.clone()));
        }
        if !self.is_visible(&found) {
            self.put(found, Place::ReadOnly);
        }
    }

    /// `/etc` entry by entry, so that it can hold what is ours as well.
    fn etc(&mut self) {
        for (path, link) in &self.host.etc {
            let place = link.clone().map_or(Place::ReadOnly, Place::Link);
            self.places.insert(path.clone(), place);
        }
    }

    /// With `filesystem_policy`: what it lists, and nothing else.
    fn listed(&mut self, policy: &FilesystemPolicy) -> Result<Wall, IsolationError> {
        let always = ["/dev", "/proc"].map(PathBuf::from);
        let mut wall =
            Wall { readable: vec!["/etc/openshell".into()], writable: always.to_vec(), is_hard: false };
        for text in &policy.read_only {
            let path = plain(text);
            if path == Path::new("/") {
                for entry in &self.host.root {
                    self.read_only(entry);
                }
                self.etc();
            } else if path == Path::new("/etc") {
                self.etc();
            } else if !is_ours_to_make(&path) && self.exists(&path)? {
                self.read_only(&path);
            }
            wall.readable.push(path);
        }
        for text in &policy.read_write {
            let path = plain(text);
            if is_ours_to_make(&path) {
                wall.writable.push(path);
            } else if path.starts_with("/dev") {
                self.put(path.clone(), Place::Device);
            } else if self.exists(&path)? {
                let found = canonical(&path)?;
                self.put(found.clone(), Place::Writable);
                self.links.push((path, found.clone()));
                wall.writable.push(found);
            }
        }
        Ok(wall)
    }

    /// A path of the policy that the host lacks is left out, unless Landlock's `hard_requirement` is set.
    fn exists(&mut self, path: &Path) -> Result<bool, IsolationError> {
        match path.symlink_metadata() {
            Ok(_) => Ok(true),
            Err(error) if self.hard => Err(IsolationError::Path { path: path.to_owned(), error }),
            Err(_) => {
                self.notes.push(format!("{} does not exist and is left out", path.display()));
                Ok(false)
            }
        }
    }

    /// `--rw`.
    fn named(&mut self, paths: &[PathBuf]) -> Result<Vec<PathBuf>, IsolationError> {
        let mut found = Vec::new();
        for path in paths {
            let real = canonical(path)?;
            if SHARED.iter().chain(&OWN).any(|shared| real == Path::new(shared)) {
                let why = format!("--rw {}: is shared by everything on this machine", real.display());
                return Err(IsolationError::Refused(why));
            }
            self.links.push((path.clone(), real.clone()));
            found.push(real);
        }
        Ok(found)
    }

    /// What no writable place may touch, and what it is.
    fn protected(&self, wishes: &Wishes<'_>) -> Vec<(PathBuf, &'static str)> {
        let ours = wishes.ours.iter().chain(&wishes.doors);
        let mut protected: Vec<(PathBuf, &str)> =
            ours.map(|path| (path.clone(), "openshell's own place")).collect();
        protected.push(("/etc/openshell".into(), "openshell's own place"));
        if let Some(home) = &self.host.home {
            protected.extend(HOME_MASKED.iter().map(|name| (home.path.join(name), "keys or services")));
            protected.extend(HOME_START_FILES.iter().map(|name| (home.path.join(name), "a start file")));
        }
        if SHARED.iter().any(|shared| self.host.workdir == Path::new(shared)) {
            protected.push((self.host.workdir.clone(), "shared by everything on this machine"));
        }
        protected
    }

    /// Covers what must not be seen and pins what must not be replaced.
    fn protect(&mut self, wishes: &Wishes<'_>) -> Result<(), IsolationError> {
        let mut masked = wishes.ours.clone();
        if let Some(home) = &self.host.home {
            masked.extend(HOME_MASKED.iter().map(|name| home.path.join(name)));
        }
        for door in &wishes.doors {
            masked.extend(self.cover_of_door(door)?);
        }
        masked.extend(self.host.sockets.iter().map(|socket| self.cover_of_socket(socket)));
        let is_outermost =
            |path: &&PathBuf| !masked.iter().any(|other| other != *path && lies_in(path, other));
        let outermost: Vec<PathBuf> = masked.iter().filter(is_outermost).cloned().collect();
        for path in outermost {
            if !self.is_visible(&path) {
                continue;
            }
            // A place below needs a folder that can be made inside the cover.
            let place = if self.holds_a_place(&path) { Place::Private(0o755) } else { Place::Masked };
            self.put(path, place);
        }
        let kept = self.host.kept.clone();
        for path in kept {
            self.pin(&path);
        }
        Ok(())
    }

    /// What to cover so that a door stays covered: its folder, since a mount is gone with the name under it, and a
    /// gateway that is started again makes its doors again.
    fn cover_of_door(&self, door: &Path) -> Result<Option<PathBuf>, IsolationError> {
        let folder = door.parent().filter(|folder| self.is_visible(folder));
        match folder {
            Some(folder) if self.is_shared(folder) => Err(IsolationError::Refused(format!(
                "the gateway's socket {} lies among what the sandbox sees: give it a folder of its own",
                door.display()
            ))),
            folder => Ok(folder.map(Path::to_owned)),
        }
    }

    /// The same for anybody's socket, but only where its folder may be taken away: not where projects lie.
    fn cover_of_socket(&self, socket: &Path) -> PathBuf {
        let is_read_only = self.nearest(socket) == Some(&Place::ReadOnly);
        let folder = socket.parent().filter(|folder| is_read_only && !self.is_shared(folder));
        folder.unwrap_or(socket).to_owned()
    }

    /// Whether a folder holds more than one program's things, or a place that must be seen.
    fn is_shared(&self, folder: &Path) -> bool {
        let in_home = |home: &host::Home| HOME_SHARED.iter().any(|name| folder == home.path.join(name));
        let is_system = SYSTEM.iter().any(|system| lies_in(folder, system.as_ref()));
        is_system
            || self.places.contains_key(folder)
            || self.holds_a_place(folder)
            || self.host.home.as_ref().is_some_and(in_home)
    }

    fn holds_a_place(&self, folder: &Path) -> bool {
        self.places.keys().any(|place| place != folder && lies_in(place, folder))
    }

    /// Makes `path` read-only in the writable place that it lies in, and each folder on the way a mount of its own: a
    /// mount cannot be renamed, so the whole way cannot be put aside and made anew.
    fn pin(&mut self, path: &Path) {
        let is_root = |above: &&Path| self.places.get(*above) == Some(&Place::Writable);
        let Some(root) = path.ancestors().find(is_root).map(Path::to_owned) else { return };
        for above in path.ancestors().skip(1).take_while(|above| *above != root) {
            self.places.insert(above.to_owned(), Place::Writable);
        }
        self.put(path, Place::ReadOnly);
    }

    /// Whether the host's `path` can be seen: the place nearest above shows the host's.
    fn is_visible(&self, path: &Path) -> bool {
        matches!(self.nearest(path), Some(Place::ReadOnly | Place::Writable))
    }

    /// The place in which `path` lies.
    fn nearest(&self, path: &Path) -> Option<&Place> {
        path.ancestors().find_map(|above| self.places.get(above))
    }

    /// Names that are links on the host are links inside, where nothing of the host's shows them anyway.
    fn finish_links(&mut self) {
        for (name, target) in std::mem::take(&mut self.links) {
            if name != target && name.is_absolute() && !self.is_visible(&name) {
                self.places.entry(name).or_insert(Place::Link(target));
            }
        }
    }

    /// The trust bundle and the skill.
    fn ours(&mut self, bundle: &str) {
        self.put(BUNDLE, Place::File(bundle.to_owned()));
        self.put(SKILL, Place::File(environment::SKILL.to_owned()));
    }
}

/// A path without `.` and repeated slashes.
fn plain(text: &str) -> PathBuf {
    Path::new(text).components().collect()
}

fn canonical(path: &Path) -> Result<PathBuf, IsolationError> {
    std::fs::canonicalize(path).map_err(|error| IsolationError::Path { path: path.to_owned(), error })
}

/// Places that every sandbox has of its own, so that a policy that lists them means those.
fn is_ours_to_make(path: &Path) -> bool {
    is_own(path) || path.starts_with("/proc") || path.starts_with("/dev/pts") || path.starts_with("/dev/shm")
}

#[cfg(test)]
mod tests;
