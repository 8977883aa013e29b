//! The tree of mounts that the command sees: made of a private root and of what the specification lists.
//!
//! Every mount is made detached, given its restrictions, and only then put in its place, so that there is no moment
//! at which a writable one shows what must be read-only. Places inside are looked up with `RESOLVE_IN_ROOT`: a link
//! in the working directory cannot lead a mount elsewhere. Runs as pid 1 of the new namespace, before anything that
//! it starts.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags,
    UnmountFlags,
};

use super::failure::{At as _, Failure, Step};
use super::spec::{Place, Tree};

/// Parts of `/proc` through which a machine is changed.
const PROC_READ_ONLY: [&str; 6] =
    ["/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus", "/proc/fs", "/proc/acpi"];
/// What covers a masked folder and a masked file, while the tree is built.
const EMPTY_FOLDER: &str = "/.masked";
const EMPTY_FILE: &str = "/.masked-file";

/// Whether what is mounted may be written, and whether its devices work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attributes {
    ReadOnly,
    Writable,
    Device,
}

/// Builds the tree and makes it this process's root.
pub(super) fn build(tree: &Tree) -> Result<(), Failure> {
    let mask = rustix::process::umask(Mode::from_raw_mode(0o022));
    let root = Root::new()?;
    root.place(EMPTY_FOLDER.as_ref(), true).at(Step::Mount, EMPTY_FOLDER)?;
    root.place(EMPTY_FILE.as_ref(), false).at(Step::Mount, EMPTY_FILE)?;
    root.proc()?;
    for (path, place) in &tree.places {
        let what = path.display().to_string();
        match root.put(path, place, tree) {
            Ok(()) => {}
            Err(error) if is_absent(&error) && !tree.required.contains(path) => {}
            Err(error) => return Err(Failure::new(Step::Mount, what, error)),
        }
    }
    root.dev()?;
    root.cover_bundles(tree)?;
    root.enter()?;
    rustix::process::umask(mask);
    std::env::set_current_dir(&tree.workdir).at(Step::Mount, tree.workdir.display())
}

/// The host has no such thing, or nothing that this user could get at.
fn is_absent(error: &io::Error) -> bool {
    let number = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(number, Some(Errno::NOENT | Errno::NOTDIR | Errno::ACCESS))
}

/// The private root, in place over the host's but not yet entered.
struct Root(OwnedFd);

impl Root {
    fn new() -> Result<Self, Failure> {
        let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        rustix::mount::mount_change("/", private).at(Step::Mount, "the root")?;
        let root =
            filesystem("tmpfs", &[("mode", "755")], MountAttrFlags::empty()).at(Step::Mount, "the root")?;
        // Over `/` itself: absolute names still begin below it, at the host's root, until it is entered.
        attach(root.as_fd(), CWD, "/").at(Step::Mount, "the root")?;
        Ok(Self(root))
    }

    /// Opens what is at `path` inside.
    fn open(&self, path: &Path) -> io::Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let inside = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        Ok(rustix::fs::openat2(&self.0, path, flags, Mode::empty(), inside)?)
    }

    /// Opens what is at `path` inside; makes a folder or an empty file, and what is above it, where nothing is.
    fn place(&self, path: &Path, is_folder: bool) -> io::Result<OwnedFd> {
        match self.open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => return other,
        }
        let (Some(above), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(Errno::NOENT.into());
        };
        let above = self.place(above, true)?;
        if is_folder {
            rustix::fs::mkdirat(&above, name, Mode::from_raw_mode(0o755))?;
        } else {
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
            rustix::fs::openat(&above, name, flags, Mode::from_raw_mode(0o444))?;
        }
        self.open(path)
    }

    fn put(&self, path: &Path, place: &Place, tree: &Tree) -> io::Result<()> {
        match place {
            Place::ReadOnly => self.bind(path, tree, Attributes::ReadOnly),
            Place::Writable => self.bind(path, tree, Attributes::Writable),
            Place::Device => self.bind(path, tree, Attributes::Device),
            Place::Private(mode) => {
                let options = [("mode", format!("{mode:o}"))];
                let options: Vec<(&str, &str)> = options.iter().map(|(k, v)| (*k, v.as_str())).collect();
                let flags = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
                let mount = filesystem("tmpfs", &options, flags)?;
                attach(mount.as_fd(), self.place(path, true)?, "")
            }
            Place::Masked => self.mask(path),
            Place::Link(target) => {
                let (Some(above), Some(name)) = (path.parent(), path.file_name()) else { return Ok(()) };
                Ok(rustix::fs::symlinkat(target, self.place(above, true)?, name)?)
            }
            Place::File(text) => {
                let (Some(above), Some(name)) = (path.parent(), path.file_name()) else { return Ok(()) };
                let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
                let above = self.place(above, true)?;
                let file = rustix::fs::openat(&above, name, flags, Mode::from_raw_mode(0o444))?;
                io::Write::write_all(&mut std::fs::File::from(file), text.as_bytes())
            }
        }
    }

    /// Mounts what the host has at `path`, with everything below it, at the same path inside.
    fn bind(&self, path: &Path, tree: &Tree, attributes: Attributes) -> io::Result<()> {
        let source = if path == tree.workdir {
            // The supervisor's own working directory: whoever may enter the folders above it.
            clone(CWD, "")?
        } else {
            let flags = OFlags::PATH | OFlags::CLOEXEC;
            let host = rustix::fs::openat2(CWD, path, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS)?;
            clone(host, "")?
        };
        restrict(source.as_fd(), attributes, Reach::Below)?;
        let kind = FileType::from_raw_mode(rustix::fs::fstat(&source)?.st_mode);
        attach(source.as_fd(), self.place(path, kind == FileType::Directory)?, "")
    }

    /// Covers what can be seen at `path` with nothing.
    fn mask(&self, path: &Path) -> io::Result<()> {
        let covered = self.open(path)?;
        let kind = FileType::from_raw_mode(rustix::fs::fstat(&covered)?.st_mode);
        let empty = if kind == FileType::Directory { EMPTY_FOLDER } else { EMPTY_FILE };
        let cover = clone(self.open(empty.as_ref())?, "")?;
        restrict(cover.as_fd(), Attributes::ReadOnly, Reach::Below)?;
        attach(cover.as_fd(), covered, "")
    }

    /// A fresh `/proc`, with the parts that change the machine read-only.
    fn proc(&self) -> Result<(), Failure> {
        let flags = MountAttrFlags::MOUNT_ATTR_NOSUID
            | MountAttrFlags::MOUNT_ATTR_NODEV
            | MountAttrFlags::MOUNT_ATTR_NOEXEC;
        let mount = filesystem("proc", &[], flags).at(Step::Proc, "/proc")?;
        let target = self.place("/proc".as_ref(), true).at(Step::Proc, "/proc")?;
        attach(mount.as_fd(), target, "").at(Step::Proc, "/proc")?;
        for path in PROC_READ_ONLY {
            match self.again_read_only(path) {
                Err(error) if !is_absent(&error) => return Err(Failure::new(Step::Proc, "/proc", error)),
                _ => {}
            }
        }
        Ok(())
    }

    fn again_read_only(&self, path: &str) -> io::Result<()> {
        let target = self.open(path.as_ref())?;
        let again = clone(&target, "")?;
        restrict(again.as_fd(), Attributes::ReadOnly, Reach::Below)?;
        attach(again.as_fd(), target, "")
    }

    /// Own pseudo terminals; the rest of `/dev` is in the specification.
    fn dev(&self) -> Result<(), Failure> {
        let options = [("ptmxmode", "0666"), ("mode", "0620")];
        let flags = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC;
        let pts = filesystem("devpts", &options, flags).at(Step::Mount, "/dev/pts")?;
        let target = self.place("/dev/pts".as_ref(), true).at(Step::Mount, "/dev/pts")?;
        attach(pts.as_fd(), target, "").at(Step::Mount, "/dev/pts")
    }

    /// Puts the trust bundle over the host's own, where the host has one.
    fn cover_bundles(&self, tree: &Tree) -> Result<(), Failure> {
        for covered in &tree.covered_bundles {
            let put = || -> io::Result<()> {
                let target = self.open(covered)?;
                let bundle = clone(self.open(&tree.bundle)?, "")?;
                restrict(bundle.as_fd(), Attributes::ReadOnly, Reach::Below)?;
                attach(bundle.as_fd(), target, "")
            };
            match put() {
                Err(error) if !is_absent(&error) => {
                    return Err(Failure::new(Step::Mount, covered.display(), error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Makes the tree this process's root, drops the host's, and seals the root itself.
    fn enter(self) -> Result<(), Failure> {
        rustix::process::fchdir(&self.0).at(Step::Mount, "entering the tree")?;
        rustix::process::pivot_root(".", ".").at(Step::Mount, "entering the tree")?;
        rustix::mount::unmount(".", UnmountFlags::DETACH).at(Step::Mount, "entering the tree")?;
        rustix::process::chdir("/").at(Step::Mount, "entering the tree")?;
        // What covers is mounted by now and needs its name no longer.
        std::fs::remove_file(EMPTY_FILE).at(Step::Mount, EMPTY_FILE)?;
        std::fs::remove_dir(EMPTY_FOLDER).at(Step::Mount, EMPTY_FOLDER)?;
        restrict(self.0.as_fd(), Attributes::ReadOnly, Reach::Here).at(Step::Mount, "sealing the root")
    }
}

/// A new file system, mounted nowhere.
fn filesystem(kind: &str, options: &[(&str, &str)], flags: MountAttrFlags) -> io::Result<OwnedFd> {
    let configuration = rustix::mount::fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (key, value) in options {
        rustix::mount::fsconfig_set_string(&configuration, *key, *value)?;
    }
    rustix::mount::fsconfig_create(&configuration)?;
    Ok(rustix::mount::fsmount(&configuration, FsMountFlags::FSMOUNT_CLOEXEC, flags)?)
}

/// A detached copy of the mounts at and below a place.
fn clone(folder: impl AsFd, path: &str) -> io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE
        | OpenTreeFlags::AT_EMPTY_PATH;
    Ok(rustix::mount::open_tree(folder, path, flags)?)
}

/// Puts a detached mount in its place; an empty path means the place that is open.
fn attach(mount: BorrowedFd<'_>, folder: impl AsFd, path: &str) -> io::Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    Ok(rustix::mount::move_mount(mount, "", folder, path, flags)?)
}

/// How far a restriction goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// This mount.
    Here,
    /// This mount and those below it.
    Below,
}

fn restrict(mount: BorrowedFd<'_>, attributes: Attributes, reach: Reach) -> io::Result<()> {
    let devices = if attributes == Attributes::Device { 0 } else { libc::MOUNT_ATTR_NODEV };
    let writing = if attributes == Attributes::ReadOnly { libc::MOUNT_ATTR_RDONLY } else { 0 };
    let set = libc::mount_attr {
        attr_set: libc::MOUNT_ATTR_NOSUID | devices | writing,
        attr_clr: 0,
        propagation: 0,
        userns_fd: 0,
    };
    let below = if reach == Reach::Below { libc::AT_RECURSIVE } else { 0 };
    let number = std::os::fd::AsRawFd::as_raw_fd(&mount);
    #[expect(unsafe_code, reason = "rustix has no mount_setattr")]
    // SAFETY: the path is a literal, the structure lives through the call and its size is its own.
    let done = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            number,
            c"".as_ptr(),
            libc::AT_EMPTY_PATH | below,
            &raw const set,
            size_of::<libc::mount_attr>(),
        )
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
