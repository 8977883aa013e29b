//! The names and numbers by which everything else is found: sandboxes, runs, proposals, revisions, digests.
//!
//! Owns their text forms and refuses every other one. Nothing here makes an id: ids are drawn by a shell.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A text that is not the id it was offered as.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The sandbox name has a character, a length or a first character that names may not have.
    #[error(
        "{0:?} is not a sandbox name: 1 to 64 letters, digits, `.`, `_` or `-`, beginning with a letter or a digit"
    )]
    SandboxName(String),
    /// The rule name has a character or a length that names may not have.
    #[error("{0:?} is not a rule name: 1 to 64 letters, digits, `.`, `_`, `~` or `-`")]
    RuleName(String),
    /// Names with this prefix are derived from provider profiles in OpenShell and are never written by hand.
    #[error("{0:?} is reserved: rule names beginning with `_provider_` are derived, not written")]
    ReservedRuleName(String),
    /// Not a UUID.
    #[error("{0:?} is not an id: expected a UUID such as 3f0c5c1e-6f0b-4a52-9c33-1f5b2d4c7e10")]
    Uuid(String),
    /// Not 64 hexadecimal digits.
    #[error("{0:?} is not a digest: expected 64 hexadecimal digits")]
    Digest(String),
}

/// The name of a sandbox: the stream key of its events. `[A-Za-z0-9][A-Za-z0-9._-]{0,63}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SandboxName(String);

impl SandboxName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for SandboxName {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        let first_fits = text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
        let rest_fits = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
        if first_fits && rest_fits && text.len() <= 64 {
            Ok(Self(text))
        } else {
            Err(IdError::SandboxName(text))
        }
    }
}

/// Whose events: those of one sandbox, or the gateway's own (its settings, its checkpoints).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stream {
    /// The gateway's. Its text is empty, which no sandbox's name is.
    Gateway,
    /// A sandbox's. Its text is the name.
    Sandbox(SandboxName),
}

impl Stream {
    /// The text in the log and on the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.sandbox().map_or("", SandboxName::as_str)
    }

    /// The sandbox, if it is one's stream.
    #[must_use]
    pub fn sandbox(&self) -> Option<&SandboxName> {
        match self {
            Self::Gateway => None,
            Self::Sandbox(name) => Some(name),
        }
    }
}

impl From<&SandboxName> for Stream {
    fn from(name: &SandboxName) -> Self {
        Self::Sandbox(name.clone())
    }
}

impl FromStr for Stream {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        if text.is_empty() { Ok(Self::Gateway) } else { text.parse().map(Self::Sandbox) }
    }
}

/// How many digits of a proposal's id a derived rule name shows, unless more are needed to tell two apart.
const ID_DIGITS: usize = 8;

/// The key of a rule in a policy. `[A-Za-z0-9._~-]{1,64}`, and never `_provider_…`: it is put into a header
/// (`X-OpenShell-Policy`), into log lines and onto a reviewer's screen.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RuleName(String);

impl RuleName {
    /// The longest name, in bytes.
    pub const MAX: usize = 64;

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name to use where this one is taken: `name~<short id>`, cut so that it stays within [`Self::MAX`].
    #[must_use]
    pub fn beside(&self, proposal: ProposalId) -> Self {
        self.suffixed(&proposal.short())
    }

    /// The keys that a grant asked under this name may get, best first: the name itself, then the name with 8, 9 …
    /// 32 digits of its proposal's id. A name that looks as if it had been derived from *some* proposal's id never
    /// stands alone: behind the last `~` of a grant's key stands its own proposal, or nothing that looks like one.
    pub fn keys(&self, proposal: ProposalId) -> impl Iterator<Item = Self> {
        let digits = proposal.0.simple().to_string();
        let alone = (!self.looks_derived()).then(|| self.clone());
        let derived = (ID_DIGITS..=digits.len())
            .map(move |length| self.suffixed(&digits.chars().take(length).collect::<String>()));
        alone.into_iter().chain(derived)
    }

    fn suffixed(&self, digits: &str) -> Self {
        let room = Self::MAX.saturating_sub(1 + digits.len());
        let head: String = self.0.chars().take(room).collect();
        Self(format!("{head}~{digits}"))
    }

    fn looks_derived(&self) -> bool {
        self.0.rsplit_once('~').is_some_and(|(_, tail)| {
            (ID_DIGITS..=32).contains(&tail.len()) && tail.bytes().all(|b| b.is_ascii_hexdigit())
        })
    }
}

impl TryFrom<String> for RuleName {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        let fits = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'~' | b'-'));
        if text.is_empty() || text.len() > Self::MAX || !fits {
            return Err(IdError::RuleName(text));
        }
        if text.starts_with("_provider_") {
            return Err(IdError::ReservedRuleName(text));
        }
        Ok(Self(text))
    }
}

macro_rules! text_form {
    ($name:ty) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }
        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                text.to_owned().try_into()
            }
        }
    };
}
text_form!(SandboxName);
text_form!(RuleName);

macro_rules! uuid_form {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }
        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Uuid::try_parse(text).map(Self).map_err(|_| IdError::Uuid(text.to_owned()))
            }
        }
    };
}
uuid_form!(
    /// The stable id of a proposal (UUID version 4, as OpenShell's chunk ids).
    ProposalId
);
uuid_form!(
    /// The id of one start of a supervisor for a sandbox.
    RunId
);
uuid_form!(
    /// The id of one event (UUID version 7).
    EventId
);

impl ProposalId {
    /// The first eight hexadecimal digits: what screens and derived rule names show.
    #[must_use]
    pub fn short(self) -> String {
        self.0.simple().to_string().chars().take(ID_DIGITS).collect()
    }
}

/// The place of an event in the log: 1, 2, 3 … without gaps.
pub type Seq = u64;

/// One numbered, immutable policy of one sandbox. The first is 1; 0 is "none yet".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(pub u64);

impl Revision {
    /// The revision after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A SHA-256, written as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The first six digits: what `ID@digest6` on the command line quotes.
    #[must_use]
    pub fn short(&self) -> String {
        self.to_string().chars().take(6).collect()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

impl TryFrom<String> for Digest {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        let mut bytes = [0; 32];
        match hex::decode_to_slice(&text, &mut bytes) {
            Ok(()) => Ok(Self(bytes)),
            Err(_) => Err(IdError::Digest(text)),
        }
    }
}

impl FromStr for Digest {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        text.to_owned().try_into()
    }
}

#[cfg(test)]
mod tests;
