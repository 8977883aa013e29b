//! What a reviewer should know before saying yes: findings over the authority difference.
//!
//! Everything here is about what an approval would newly allow, at once or when other grants end
//! (`authority.rs`); what is allowed already gives no finding. So reading with a credential counts, as do custom
//! methods, paths and deny rules, and a rule that only audits allows. Only what deceives a reader (hidden
//! characters, look-alikes, secrets) and destinations that can never be granted are looked for in the whole
//! rule. Findings are typed, come in one order, and say one sentence each; untrusted text in them is in its
//! visible form, and a secret in a path is shown by its digest alone.

mod breadth;
mod credentials;
mod destinations;
mod evidence;
mod marks;
mod programs;
mod requests;
mod scope;
mod secrets;
mod texts;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use breadth::{Breadth, Wildcard, breadth};
pub use evidence::{Likeness, likeness};
pub use scope::{MAX_CREDENTIALS, ScopeError, check_credentials, check_writable};

use super::Rule;
use super::authority::{Difference, Ground, Item};
use crate::id::Digest;
use marks::Marks;

/// What the findings are computed from.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    /// What is asked for.
    pub rule: &'a Rule,
    /// The key under which it is asked for.
    pub rule_name: &'a str,
    /// What it would change.
    pub difference: &'a Difference,
    /// What it would be added to.
    pub ground: &'a Ground<'a>,
    /// The credentials in scope.
    pub credentials: &'a [Credential],
    /// Absolute paths that the sandbox can write.
    pub writable: &'a [String],
    /// The denials of this run.
    pub seen: &'a [Seen],
}

impl<'a> Scene<'a> {
    /// What the rule newly allows, at once or later.
    fn items(&self) -> impl Iterator<Item = &'a Item> {
        self.difference.added.iter().chain(&self.difference.latent)
    }
}

/// A credential that is usable inside the sandbox. Its value is never known here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credential {
    /// Its name.
    pub name: String,
    /// The hosts and host globs that it is for.
    pub hosts: Vec<String>,
}

/// A request that was denied in this run, folded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The program that asked.
    pub binary: String,
    /// A canonical host.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The method, where the request was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The canonical path, where the request was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// How often.
    pub count: u64,
    /// The SHA-256 of the program's file; absent where it had not been read by then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Digest>,
}

impl Seen {
    /// Whether another one differs at most in how often it was seen, and in whether the program's file was read by
    /// then: a program that was replaced is another.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        let is_same_file = self.sha256.is_none() || other.sha256.is_none() || self.sha256 == other.sha256;
        is_same_file && Self { count: other.count, sha256: other.sha256, ..self.clone() } == *other
    }
}

/// The most denials that are kept with a proposal.
pub const MAX_EVIDENCE: usize = 16;
/// The longest method of a denial, in bytes: the longest that a rule can name.
pub const MAX_METHOD: usize = 32;

/// One thing that a reviewer should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What it is.
    pub code: Code,
    /// What follows from it.
    pub level: Level,
    /// Whether an approval needs a second key.
    pub second_key: bool,
    /// What it is and why it matters, in at most [`MAX_SENTENCE`] characters.
    pub sentence: String,
    /// What shows it, in a fixed order. Never empty.
    pub evidence: Vec<String>,
}

/// The longest sentence, in characters.
pub const MAX_SENTENCE: usize = 160;

/// What follows from a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// It can never be granted.
    Refuses,
    /// Only a person may grant it.
    BlocksAuto,
    /// It is worth knowing; an automatic approval needs a pattern.
    Note,
}

/// The kinds of findings. The names are final; the order is the one in which findings are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is explained by `Code::lead`")]
pub enum Code {
    LinkLocalReach,
    L7BypassCredentialed,
    CredentialReachExpansion,
    CapabilityExpansion,
    L4Only,
    WildcardHost,
    AnyBinary,
    BroadPath,
    PrivateAddress,
    MetadataAddress,
    DatabasePort,
    EphemeralPort,
    MutatingMethod,
    OpaqueStream,
    OpaqueUpgrade,
    WritableBinary,
    SecretInPath,
    NoEvidence,
    LookAlike,
    HiddenCharacters,
}

/// The categories of OpenShell's prover, in the order of its text.
const OPENSHELL: [Code; 4] = [
    Code::LinkLocalReach,
    Code::L7BypassCredentialed,
    Code::CredentialReachExpansion,
    Code::CapabilityExpansion,
];

impl Code {
    /// The word in logs, on the wire and in the digest.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LinkLocalReach => "link_local_reach",
            Self::L7BypassCredentialed => "l7_bypass_credentialed",
            Self::CredentialReachExpansion => "credential_reach_expansion",
            Self::CapabilityExpansion => "capability_expansion",
            Self::L4Only => "l4_only",
            Self::WildcardHost => "wildcard_host",
            Self::AnyBinary => "any_binary",
            Self::BroadPath => "broad_path",
            Self::PrivateAddress => "private_address",
            Self::MetadataAddress => "metadata_address",
            Self::DatabasePort => "database_port",
            Self::EphemeralPort => "ephemeral_port",
            Self::MutatingMethod => "mutating_method",
            Self::OpaqueStream => "opaque_stream",
            Self::OpaqueUpgrade => "opaque_upgrade",
            Self::WritableBinary => "writable_binary",
            Self::SecretInPath => "secret_in_path",
            Self::NoEvidence => "no_evidence",
            Self::LookAlike => "look_alike",
            Self::HiddenCharacters => "hidden_characters",
        }
    }

    /// What follows from it, unless the destination can never be granted.
    fn level(self) -> Level {
        match self {
            Self::MutatingMethod | Self::EphemeralPort | Self::BroadPath | Self::NoEvidence => Level::Note,
            _ => Level::BlocksAuto,
        }
    }

    /// Whether it asks for a second key by itself; [`Code::L4Only`] does so where a credential is in scope.
    fn wants_second_key(self) -> bool {
        matches!(
            self,
            Self::LinkLocalReach
                | Self::L7BypassCredentialed
                | Self::AnyBinary
                | Self::WildcardHost
                | Self::PrivateAddress
                | Self::LookAlike
                | Self::HiddenCharacters
                | Self::SecretInPath
        )
    }

    /// The sentence up to the example: what it is, and why it matters.
    fn lead(self) -> &'static str {
        match self {
            Self::LinkLocalReach => {
                "Asks for a link-local or metadata destination, where clouds hand out credentials"
            }
            Self::L7BypassCredentialed => {
                "Bytes that no rule can read would reach a host that takes a credential"
            }
            Self::CredentialReachExpansion => {
                "Reaches a host that takes a credential, which it could not before"
            }
            Self::CapabilityExpansion => "May do more on a host that takes a credential",
            Self::L4Only => "Allows every method, path and body, because only host and port are checked",
            Self::WildcardHost => {
                "Allows every host that the wildcard matches, also ones that nobody has looked at"
            }
            Self::AnyBinary => "Allows practically any program, so it does not matter which one asks",
            Self::BroadPath => "Allows far more than one resource, because the path is open early on",
            Self::PrivateAddress => {
                "Reaches addresses off the public internet, where services often trust every caller"
            }
            Self::MetadataAddress => {
                "Names a cloud metadata service, which hands out the machine's credentials"
            }
            Self::DatabasePort => "Is a database, queue or cluster port, whose commands go unread",
            Self::EphemeralPort => "Is a port above 49151, which no service owns, so who answers may change",
            Self::MutatingMethod => "Can change or delete what is there, not only read it",
            Self::OpaqueStream => {
                "Opens a two-way stream that is not read, so nobody can tell later what was sent"
            }
            Self::OpaqueUpgrade => "May open a WebSocket: two-way, contents not seen",
            Self::WritableBinary => {
                "The sandbox can write this program, so an agent may put another in its place"
            }
            Self::SecretInPath => "Seems to hold a secret, which everyone who sees the rule would learn",
            Self::NoEvidence => "Nothing like it was denied in this run, so nothing shows that it is needed",
            Self::LookAlike => "Holds letters that pass for others, so it may not be what it seems to be",
            Self::HiddenCharacters => {
                "Holds characters that a screen does not show, so it may not be what it seems to be"
            }
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The findings of an ask, at most one of each code, in the order of the codes.
#[must_use]
pub fn findings(scene: &Scene<'_>) -> Vec<Finding> {
    let mut marks = Marks::default();
    destinations::find(scene, &mut marks);
    credentials::find(scene, &mut marks);
    programs::find(scene, &mut marks);
    requests::find(scene, &mut marks);
    secrets::find(scene, &mut marks);
    texts::find(scene, &mut marks);
    breadth::find(scene, &mut marks);
    marks.findings()
}

/// The findings in the text of OpenShell's prover (`reference/openshell-policy.md` §4.4): its four categories, one
/// line for each binary, host, port and method.
#[must_use]
pub fn validation_result(findings: &[Finding]) -> String {
    let known: Vec<&Finding> =
        OPENSHELL.iter().flat_map(|code| findings.iter().filter(move |found| found.code == *code)).collect();
    let count = match known.len() {
        0 => return "prover: no new findings".to_owned(),
        1 => "prover: 1 new finding".to_owned(),
        many => format!("prover: {many} new findings"),
    };
    let lines = known.iter().flat_map(|found| {
        found.evidence.iter().map(move |evidence| format!("\n  {}: {evidence}", found.code))
    });
    std::iter::once(count).chain(lines).collect()
}

#[cfg(test)]
mod tests;
