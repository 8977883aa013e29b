//! Who did something, and by which request.

use serde::{Deserialize, Serialize};

use crate::id::{Digest, RunId};

/// Who did something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// Which kind of somebody.
    pub kind: ActorKind,
    /// Who exactly: `uid:1000`, a binary, a component of the system.
    pub id: String,
    /// How that is known: `door` for a peer of a Unix socket.
    pub authenticated: String,
    /// Set where agent and reviewer could not be told apart, because the sandbox was not isolated.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unisolated: bool,
    /// The request by which it was done, where whoever asked gave it a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestKey>,
}

/// The name that a client gives to a request, so that asking twice does it once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RequestKey {
    /// The name: 1 to 64 visible ASCII characters, unique among the requests of one actor.
    pub key: String,
    /// SHA-256 of what was asked: the same key with something else in it is refused.
    pub body: Digest,
}

impl Actor {
    /// The gateway itself.
    #[must_use]
    pub fn gateway() -> Self {
        Self::system("gateway", "itself")
    }

    /// The gateway where it grants by a reviewer's standing orders.
    #[must_use]
    pub fn auto() -> Self {
        Self::system("auto", "itself")
    }

    /// The supervisor of a run.
    #[must_use]
    pub fn supervisor(run: RunId) -> Self {
        Self::system(&format!("supervisor:{run}"), "run secret")
    }

    fn system(id: &str, authenticated: &str) -> Self {
        Self {
            kind: ActorKind::System,
            id: id.to_owned(),
            authenticated: authenticated.to_owned(),
            unisolated: false,
            request: None,
        }
    }
}

/// Which kind of somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActorKind {
    /// A person or service that may decide.
    Reviewer,
    /// A program in a sandbox.
    Agent,
    /// A supervisor, or the gateway itself.
    System,
}

impl ActorKind {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reviewer => "reviewer",
            Self::Agent => "agent",
            Self::System => "system",
        }
    }
}
