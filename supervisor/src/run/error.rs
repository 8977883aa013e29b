//! Why a run did not begin or ended badly: in which words, with which exit code, and what would help.

use std::path::PathBuf;

use openshell_domain::policy::risk::ScopeError;

use crate::authority::AuthorityError;
use crate::command::CommandError;
use crate::isolation::IsolationError;
use crate::link::LinkError;

/// Why a run did not begin, or ended badly.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The policy file cannot be read.
    #[error("{path}: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The policy file is not sound.
    #[error("{0}")]
    Policy(String),
    /// The credentials together are not what can be told.
    #[error("--credential: {0}")]
    Credentials(#[from] ScopeError),
    /// A file of certificates holds none, or a broken one.
    #[error("{path}: {error}")]
    ExtraCa {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: String,
    },
    /// The gateway does not answer or says no.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The first policy is not in force.
    #[error("the policy is not in force: {0}")]
    NotInForce(String),
    /// There is no sandbox.
    #[error(transparent)]
    Isolation(#[from] IsolationError),
    /// Certificates cannot be made.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// The command did not start.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The system refused something.
    #[error("{0}: {1}")]
    System(&'static str, std::io::Error),
}

impl RunError {
    /// 3 when no gateway answers, 2 for what the caller wrote wrong, the shell's codes for a command that does not
    /// start, else 1.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Link(LinkError::Unreachable(_)) => 3,
            Self::File { .. }
            | Self::Policy(_)
            | Self::Credentials(_)
            | Self::ExtraCa { .. }
            | Self::Link(LinkError::Door(_))
            | Self::Isolation(IsolationError::Refused(_) | IsolationError::Path { .. }) => 2,
            Self::Command(error) => error.exit_code(),
            _ => 1,
        }
    }

    /// What would help.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Link(LinkError::Unreachable(_)) => Some(
                "start one with `openshell-gateway serve`, or name its socket with --gateway PATH".to_owned(),
            ),
            Self::Isolation(IsolationError::Machine { remedy, .. }) => Some(format!(
                "{remedy}. Nothing was started. Only if you ask for it, `--isolation none` starts it without a wall: a program may ignore the proxy then"
            )),
            _ => None,
        }
    }
}
