//! What a sandbox may reach: the policy as data.
//!
//! Owns the typed form of an OpenShell policy file for L4 and `rest` (`reference/openshell-policy.md` §1). A
//! value of these types has passed every check of [`read`]; nothing else makes one, except that the log's own
//! events are read back as they were written. Meaning lives in [`verdict`], wording in [`render`].

pub mod address;
#[cfg(test)]
pub(crate) mod arbitrary;
pub mod authority;
pub mod effective;
pub mod host;
pub mod overlap;
pub mod path;
pub mod pattern;
pub mod read;
pub mod render;
pub mod risk;
pub mod verdict;
pub mod why;
pub mod write;

use std::collections::BTreeMap;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::id::{Digest, RuleName};

/// A whole policy file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// The format's version: 1.
    pub version: u32,
    /// What the command may read and write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filesystem_policy: Option<FilesystemPolicy>,
    /// How strictly Landlock is wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub landlock: Option<Landlock>,
    /// Who the command runs as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
    /// The network rules, by name.
    #[serde(default)]
    pub network_policies: BTreeMap<RuleName, Rule>,
}

impl Policy {
    /// SHA-256 of the policy's canonical JSON: keys in the order of these types, rules by name, no spaces.
    #[must_use]
    pub fn hash(&self) -> Digest {
        // The types hold no map with a key that is not text, so this cannot fail; an empty text would only
        // make two policies look alike to a cache, never to the enforcement, which reads the policy itself.
        let canonical = serde_json::to_vec(self).unwrap_or_default();
        Digest(Sha256::digest(canonical).into())
    }
}

/// `filesystem_policy`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilesystemPolicy {
    /// Whether the working directory is writable.
    #[serde(default)]
    pub include_workdir: bool,
    /// Absolute paths that may be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub read_only: Vec<String>,
    /// Absolute paths that may be read and written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub read_write: Vec<String>,
}

/// `landlock`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Landlock {
    /// What to do where the kernel cannot do all of it.
    #[serde(default)]
    pub compatibility: Compatibility,
}

/// `landlock.compatibility`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compatibility {
    /// Enforce what the kernel can.
    #[default]
    BestEffort,
    /// Enforce all of it, or do not start.
    HardRequirement,
}

/// `process`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Process {
    /// `sandbox` or a decimal uid from 1 to 4294967294.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_as_user: Option<String>,
    /// `sandbox` or a decimal gid from 1 to 4294967294.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_as_group: Option<String>,
}

/// One entry of `network_policies`: these binaries may reach these endpoints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// A name for people; the key is what logs and headers show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where to. Never empty.
    pub endpoints: Vec<Endpoint>,
    /// Who. Never empty.
    pub binaries: Vec<Binary>,
}

impl Rule {
    /// Whether no request can be for both: each pair of endpoints has no port in common, or two literal hosts. What
    /// one of them allows then neither adds to the other nor takes from it.
    #[must_use]
    pub fn is_apart(&self, other: &Self) -> bool {
        let is_literal = |host: &str| !host.is_empty() && !host.contains(['*', '?', '[', '{']);
        self.endpoints.iter().all(|one| {
            other.endpoints.iter().all(|two| {
                let are_two = one.host != two.host && is_literal(&one.host) && is_literal(&two.host);
                are_two || !one.ports.iter().any(|port| two.ports.contains(port))
            })
        })
    }
}

/// One item of `binaries`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Binary {
    /// An absolute path, or a glob over absolute paths (separator `/`).
    pub path: String,
}

/// One item of `endpoints`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// A canonical host or a host glob; empty only beside `allowed_ips`.
    #[serde(default)]
    pub host: String,
    /// Sorted, without repeats, never empty, each from 1.
    pub ports: Vec<u16>,
    /// The request paths that this endpoint is about; empty is every path.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// How deep the proxy looks.
    #[serde(default, skip_serializing_if = "Protocol::is_l4")]
    pub protocol: Protocol,
    /// Whether TLS is opened.
    #[serde(default, skip_serializing_if = "Tls::is_auto")]
    pub tls: Tls,
    /// What happens to a request that no rule allows; `None` on L4 endpoints only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enforcement: Option<Enforcement>,
    /// A preset instead of `rules`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<Access>,
    /// What is allowed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<AllowRule>,
    /// What is denied whatever else allows it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deny_rules: Vec<RequestPattern>,
    /// The addresses that the host may resolve to, instead of every public one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_ips: Vec<IpNet>,
    /// Whether `%2F` may stand in a path.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_encoded_slash: bool,
}

impl Endpoint {
    /// Whether requests to this endpoint are read and judged one by one.
    #[must_use]
    pub fn is_l7(&self) -> bool {
        !self.protocol.is_l4()
    }
}

/// How deep the proxy looks into the bytes of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Protocol {
    /// Host and port only.
    #[default]
    #[serde(rename = "")]
    L4,
    /// Every HTTP request, by method and path.
    #[serde(rename = "rest")]
    Rest,
}

impl Protocol {
    #[must_use]
    fn is_l4(&self) -> bool {
        matches!(self, Self::L4)
    }
}

/// What happens to the TLS of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tls {
    /// Opened where requests are judged, and only there.
    #[default]
    Auto,
    /// Never opened.
    Skip,
}

impl Tls {
    #[must_use]
    fn is_auto(&self) -> bool {
        matches!(self, Self::Auto)
    }
}

/// What happens to a request that no rule allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Enforcement {
    /// Forwarded, and marked in every log line.
    Audit,
    /// Refused.
    Enforce,
}

/// A preset of allow rules over every path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// GET, HEAD, OPTIONS.
    ReadOnly,
    /// Read-only, and POST, PUT, PATCH.
    ReadWrite,
    /// Every method.
    Full,
}

impl Access {
    /// The methods of the preset (`reference/openshell-policy.md` §2.5).
    #[must_use]
    pub fn methods(self) -> &'static [&'static str] {
        match self {
            Self::ReadOnly => &["GET", "HEAD", "OPTIONS"],
            Self::ReadWrite => &["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH"],
            Self::Full => &["*"],
        }
    }

    /// The preset as a policy file writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReadOnly => "read-only",
            Self::ReadWrite => "read-write",
            Self::Full => "full",
        }
    }
}

/// One item of `rules`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AllowRule {
    /// What is allowed.
    pub allow: RequestPattern,
}

/// The requests that a rule is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestPattern {
    /// A method in upper case, or `*`. `GET` stands for `GET` and `HEAD`.
    pub method: String,
    /// A path glob beginning with `/`, or `**`.
    pub path: String,
    /// Query keys and what their values must be.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub query: BTreeMap<String, QueryPattern>,
}

/// What the values of one query key must be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum QueryPattern {
    /// One glob (separator `.`).
    Glob(String),
    /// Any of several globs.
    Any {
        /// The globs, never empty.
        any: Vec<String>,
    },
}

impl QueryPattern {
    /// The globs, whichever way they were written.
    pub fn globs(&self) -> impl Iterator<Item = &str> + Clone {
        match self {
            Self::Glob(glob) => std::slice::from_ref(glob).iter(),
            Self::Any { any } => any.iter(),
        }
        .map(String::as_str)
    }
}
