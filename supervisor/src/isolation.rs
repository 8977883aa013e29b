//! Isolation: the command's only way out is the proxy.
//!
//! New user, network, mount, pid, ipc and uts namespaces, made by this program started again ([`reentry`]), since a
//! process with threads cannot enter a user namespace. The proxy's listener and the `sock_diag` socket are made
//! inside and handed out; no interface, route or capability of the host is involved. What the kernel refuses stops
//! the run with its cause and remedy: nothing here falls back to less.

mod control;
pub mod doctor;
mod failure;
mod handed;
mod launch;
mod plan;
mod seccomp;
mod spec;
mod stage1;
mod stage2;
pub mod terminal;
mod tree;
mod user;
mod walls;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use openshell_domain::policy::Policy;
use rustix::process::DumpableBehavior;

pub(crate) use launch::StartError;
pub use launch::{Sandbox, Signals};

/// The port of the proxy inside; nothing of the host is on it.
pub const PROXY_PORT: u16 = 3128;
/// The trust bundle inside.
pub const BUNDLE: &str = "/etc/openshell/ca-certificates.crt";
/// The skill inside: OpenShell's place.
pub const SKILL: &str = "/etc/openshell/skills/policy_advisor.md";

const STAGE1: &str = "__stage1";
const STAGE2: &str = "__stage2";

/// To be called first in `main`, before any thread and before arguments are read: runs a stage of isolation when this
/// process was started as one, and gives the exit code.
#[must_use]
pub fn reentry() -> Option<u8> {
    let verb = std::env::args_os().nth(1)?;
    // A stage's standard input is its control socket; by hand there is none, and it ends at once.
    if verb == STAGE1 {
        Some(stage1::main())
    } else if verb == STAGE2 {
        Some(stage2::main())
    } else {
        None
    }
}

/// Keeps others of the same user from reading this process's memory, descriptors and links.
///
/// # Errors
/// The kernel's.
pub fn close_to_others() -> std::io::Result<()> {
    Ok(rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}

/// Why there is no sandbox.
#[derive(Debug, thiserror::Error)]
pub enum IsolationError {
    /// What was asked for would give away what must be kept.
    #[error("{0}")]
    Refused(String),
    /// A path that was named cannot be used.
    #[error("{path}: {error}")]
    Path {
        /// The path.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The machine refuses.
    #[error("{reason}")]
    Machine {
        /// The step and the error.
        reason: String,
        /// What a person can do.
        remedy: String,
    },
}

impl From<failure::Failure> for IsolationError {
    fn from(failure: failure::Failure) -> Self {
        Self::Machine { reason: failure.to_string(), remedy: failure.remedy() }
    }
}

/// What a run wants of its sandbox.
#[derive(Debug)]
pub struct Wishes<'a> {
    /// The policy file: `filesystem_policy`, `landlock` and `process` are read.
    pub policy: &'a Policy,
    /// `--rw`.
    pub writable: &'a [PathBuf],
    /// `--allow-root-uid`.
    pub may_stay_root: bool,
    /// Folders and files of ours that nothing inside may see or replace.
    pub ours: Vec<PathBuf>,
    /// The gateway's doors: whoever starts it again makes them again.
    pub doors: Vec<PathBuf>,
    /// The trust bundle.
    pub bundle: String,
    /// The command and its arguments.
    pub command: Vec<OsString>,
    /// The command's whole environment.
    pub variables: Vec<(OsString, OsString)>,
}

/// A sandbox as it was built, for the run to announce.
#[derive(Debug)]
pub struct Built {
    /// The sandbox.
    pub sandbox: Sandbox,
    /// The command's user outside.
    pub uid: u32,
    /// What the command can write: absolute paths, none below another.
    pub writable: Vec<PathBuf>,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// Builds the sandbox.
///
/// # Errors
/// [`IsolationError`].
pub fn build(wishes: Wishes<'_>) -> Result<Built, IsolationError> {
    handed::check()?;
    let host = plan::Host::read(&wishes)?;
    let process = wishes.policy.process.as_ref();
    let user = user::User::choose(process, &host.workdir, wishes.may_stay_root);
    let mut plan = plan::plan(&host, &wishes, user)?;
    plan.notes.extend(user.note(&host.workdir));
    let writable = plan.tree.writable();
    let spec = spec::Spec {
        user: user.inside,
        tree: plan.tree,
        landlock: plan.wall,
        program: spec::Program { arguments: wishes.command, variables: wishes.variables },
        terminal: terminal::wanted(),
    };
    let sandbox = Sandbox::build(&spec, user)?;
    let own = rustix::process::geteuid().as_raw();
    let uid = user.become_first.map_or(own, |identity| identity.uid);
    Ok(Built { sandbox, uid, writable, notes: plan.notes })
}

/// Whether `inner` is `outer` or lies in it.
fn lies_in(inner: &Path, outer: &Path) -> bool {
    inner.starts_with(outer)
}
