//! Why a verb was not done: the message, the hint, the exit code.

use std::path::PathBuf;

use super::target::{FEWEST, QUOTED};
use crate::client::ClientError;
use crate::wording::editor::EditorError;

/// Why a verb was not done.
#[derive(Debug, thiserror::Error)]
pub enum VerbError {
    /// The gateway did not do it, or is not there.
    #[error("{0}")]
    Client(#[from] ClientError),
    /// What was given is no id.
    #[error("{0:?} is not an id, the beginning of one, or ID@digest")]
    NoId(String),
    /// The beginning of an id that is too short.
    #[error("{0:?} is too short for an id: give at least {FEWEST} digits")]
    ShortId(String),
    /// What stands behind the `@` is no digest.
    #[error("{0:?} is not the beginning of a digest: give {first} to {last} hexadecimal digits behind the @",
        first = QUOTED.start(), last = QUOTED.end())]
    NoDigest(String),
    /// `ID@digest6` names another digest than the one in force.
    #[error("proposal {id} is {now} now, not {asked}")]
    NotWhatWasShown {
        /// The proposal.
        id: String,
        /// The beginning of the digest in force.
        now: String,
        /// What was quoted.
        asked: String,
    },
    /// A bare id, and the wording is not the one that was submitted.
    #[error("proposal {0} was worded anew since it was submitted")]
    WordedAnew(String),
    /// Several sandboxes could be meant.
    #[error("which sandbox? There are {}", .0.join(", "))]
    WhichSandbox(Vec<String>),
    /// No program could be meant.
    #[error("which program? The policy of {0} names none by its whole path")]
    WhichBinary(String),
    /// A new wording that is none, with every mistake in it.
    #[error("{0}")]
    NoRule(String),
    /// The editor did not end well.
    #[error("{0}, so nothing was sent")]
    Editor(#[from] EditorError),
    /// A file of the reviewer's that cannot be used.
    #[error("{}: {cause}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// Not done, and the reviewer's text is kept.
    #[error("{cause}")]
    Kept {
        /// Why it was not done.
        cause: Box<VerbError>,
        /// Which proposal it was about.
        id: String,
        /// Where the text is.
        path: PathBuf,
    },
    /// The gateway has proven that its log is broken.
    #[error("the log is broken")]
    BrokenLog,
    /// A bare id approves what is printed, and that nobody could read.
    #[error("what would be approved cannot be written, so nothing was approved: {0}")]
    Untold(std::io::Error),
    /// Nobody reads what would be printed.
    #[error("cannot write: {0}")]
    Output(#[from] std::io::Error),
}

impl VerbError {
    /// The exit code: 1 refused, 2 usage, 3 unreachable, 4 stale.
    #[must_use]
    pub fn code(&self) -> u8 {
        match self {
            Self::Client(ClientError::Unreachable { .. } | ClientError::Broken(_)) => 3,
            Self::Client(ClientError::Stale(_)) | Self::NotWhatWasShown { .. } | Self::WordedAnew(_) => 4,
            Self::Client(ClientError::Invalid(_))
            | Self::NoId(_)
            | Self::ShortId(_)
            | Self::NoDigest(_)
            | Self::WhichSandbox(_)
            | Self::WhichBinary(_)
            | Self::NoRule(_)
            | Self::File { .. } => 2,
            Self::Kept { cause, .. } => cause.code(),
            Self::Client(_) | Self::Editor(_) | Self::BrokenLog | Self::Untold(_) | Self::Output(_) => 1,
        }
    }

    /// What to do about it; empty when there is nothing to say.
    #[must_use]
    pub fn hint(&self) -> String {
        let text = match self {
            Self::Client(ClientError::Unreachable { path, .. }) => {
                return format!("start one with: openshell-gateway serve --socket {}", path.display());
            }
            Self::Client(ClientError::Broken(_)) => {
                "whether anything was done is not known: openshell-inbox show ID tells"
            }
            Self::Client(ClientError::NotFound(_)) => {
                "openshell-inbox list shows the ids, openshell-inbox sandboxes the names"
            }
            Self::NoDigest(_) => "openshell-inbox show ID tells ID@digest",
            Self::Client(ClientError::Invalid(_)) | Self::NoId(_) | Self::ShortId(_) => {
                "give an id as openshell-inbox list shows it, or more of its digits"
            }
            Self::Client(ClientError::Stale(Some(now))) => {
                return format!("look at it again: openshell-inbox show {}", now.id.short());
            }
            Self::Client(ClientError::AlreadyDecided(Some(now))) => {
                return format!("openshell-inbox show {} tells by whom", now.id.short());
            }
            Self::NotWhatWasShown { id, .. } | Self::WordedAnew(id) => {
                return format!("look at it again: openshell-inbox show {id}, then decide with ID@digest");
            }
            Self::Client(ClientError::Unreadable(_)) => "gateway and inbox are of different versions",
            Self::Client(ClientError::Stale(None) | ClientError::AlreadyDecided(None)) => {
                "look at it again: openshell-inbox show ID"
            }
            Self::WhichSandbox(_) => "name one",
            Self::WhichBinary(_) => "name one: --binary /usr/bin/curl",
            Self::NoRule(_) => "write it as a policy file does: a name, and under it endpoints and binaries",
            Self::Kept { id, path, .. } => {
                let path = path.display();
                return format!("your text is kept: openshell-inbox edit {id} --file {path}");
            }
            Self::Untold(_) => "name what was shown: ID@digest needs nobody to read",
            Self::BrokenLog => "openshell-gateway log verify tells more, and needs no gateway",
            Self::Client(ClientError::Refused(_) | ClientError::OutOfRange(_))
            | Self::Editor(_)
            | Self::File { .. }
            | Self::Output(_) => "",
        };
        text.to_owned()
    }
}
