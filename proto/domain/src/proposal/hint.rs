//! What a reviewer answers beside the words of a rejection, for a program to act on (OpenShell's RFC 0002).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What would be better than what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hint {
    /// Ask for less.
    TooBroad,
    /// Ask for methods and paths, not for the whole host.
    UseL7NotL4,
    /// Ask for other binaries.
    WrongBinaryScope,
    /// Ask for another host or port.
    WrongEndpoint,
    /// It may be granted for a time.
    NeedsTimeLimit,
    /// Nobody here may grant it.
    OutsideOrgCeiling,
    /// See the reviewer's words.
    Other,
}

impl Hint {
    /// Every hint, in the order in which screens offer them.
    pub const ALL: [Self; 7] = [
        Self::TooBroad,
        Self::UseL7NotL4,
        Self::WrongBinaryScope,
        Self::WrongEndpoint,
        Self::NeedsTimeLimit,
        Self::OutsideOrgCeiling,
        Self::Other,
    ];

    /// The word on the wire and on screens.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TooBroad => "too_broad",
            Self::UseL7NotL4 => "use_l7_not_l4",
            Self::WrongBinaryScope => "wrong_binary_scope",
            Self::WrongEndpoint => "wrong_endpoint",
            Self::NeedsTimeLimit => "needs_time_limit",
            Self::OutsideOrgCeiling => "outside_org_ceiling",
            Self::Other => "other",
        }
    }
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is no hint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a hint: too_broad, use_l7_not_l4, wrong_binary_scope, wrong_endpoint, needs_time_limit, \
     outside_org_ceiling or other"
)]
pub struct NotAHint(pub String);

impl FromStr for Hint {
    type Err = NotAHint;
    fn from_str(text: &str) -> Result<Self, NotAHint> {
        Self::ALL.into_iter().find(|hint| hint.as_str() == text).ok_or_else(|| NotAHint(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_hint_has_one_word_everywhere() {
        for hint in Hint::ALL {
            assert_eq!(hint.to_string().parse(), Ok(hint));
            assert_eq!(serde_json::to_string(&hint).unwrap(), format!("\"{hint}\""));
        }
        assert!("nonsense".parse::<Hint>().unwrap_err().to_string().contains("too_broad"));
    }
}
