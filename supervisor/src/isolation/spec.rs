//! The specification of one sandbox: made outside from the policy and the arguments, carried out inside.
//!
//! Plain data. Nothing in it is secret from the command but the order in which it was made: no key, no door, no run
//! secret is ever part of it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Everything that the stages need to know.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Spec {
    /// Who the command is.
    pub(crate) user: Identity,
    /// The tree that it sees.
    pub(crate) tree: Tree,
    /// The second wall.
    pub(crate) landlock: Wall,
    /// The command.
    pub(crate) program: Program,
    /// The size of the fresh terminal, if one is wanted.
    pub(crate) terminal: Option<Terminal>,
}

/// The ids inside. Outside they are those of stage 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    /// The user id.
    pub(crate) uid: u32,
    /// The group id.
    pub(crate) gid: u32,
}

/// What is found at one place of the tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Place {
    /// What the host has there, to be read.
    ReadOnly,
    /// What the host has there, to be written as well.
    Writable,
    /// One of the host's devices.
    Device,
    /// A private, empty, writable folder with this mode; its contents go with the sandbox.
    Private(u32),
    /// Nothing: what the host has there is covered if it can be seen at all.
    Masked,
    /// A symbolic link to this.
    Link(PathBuf),
    /// A file with these contents, to be read.
    File(String),
}

/// The tree: an allow list. Whatever is not in it does not exist inside.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Tree {
    /// Absolute canonical paths, parents before children.
    pub(crate) places: BTreeMap<PathBuf, Place>,
    /// Places that must be there; others are left out when the host has none.
    pub(crate) required: Vec<PathBuf>,
    /// Where the command starts. When it is a place of the tree, the supervisor's own working directory is mounted
    /// there, whoever may enter the folders above it.
    pub(crate) workdir: PathBuf,
    /// The trust bundle inside and the places of the host's own bundles that it covers.
    pub(crate) bundle: PathBuf,
    /// The host's own bundles.
    pub(crate) covered_bundles: Vec<PathBuf>,
}

impl Tree {
    /// The places that can be written, without those below another. Landlock may allow less.
    pub(super) fn writable(&self) -> Vec<PathBuf> {
        let mut outermost: Vec<PathBuf> = Vec::new();
        for (path, place) in &self.places {
            let is_writable = matches!(place, Place::Writable | Place::Private(_));
            // In the order of the tree a place comes after those that it lies in.
            if is_writable && !outermost.iter().any(|above| path.starts_with(above)) {
                outermost.push(path.clone());
            }
        }
        outermost
    }
}

/// What Landlock lets through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Wall {
    /// Trees that may be read and executed.
    pub(crate) readable: Vec<PathBuf>,
    /// Trees that may be written.
    pub(crate) writable: Vec<PathBuf>,
    /// Whether a kernel that cannot do it stops the run.
    pub(crate) is_hard: bool,
}

/// The command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Program {
    /// The program and its arguments.
    pub(crate) arguments: Vec<OsString>,
    /// Its whole environment.
    pub(crate) variables: Vec<(OsString, OsString)>,
}

/// The size of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Terminal {
    /// Rows.
    pub(crate) rows: u16,
    /// Columns.
    pub(crate) columns: u16,
    /// Whether the host's terminal is raw, so that the fresh one must do all of a terminal's work.
    pub(crate) is_raw_outside: bool,
}
