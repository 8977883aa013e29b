//! One line of the shorthand log, in OpenShell's grammar (`reference/openshell-policy.md` §5.2).
//!
//! Everything that an agent or an origin may have written passes [`Untrusted`] here, and every query string is cut.

use std::fmt;

use openshell_domain::id::ProposalId;
use openshell_domain::untrusted::Untrusted;

use crate::identity::FileHash;

/// The longest reason, in bytes.
pub const MAX_REASON: usize = 256;

/// How much somebody should care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// As it should be.
    Info,
    /// Worth knowing.
    Low,
    /// A denial.
    Medium,
    /// Something is broken.
    High,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Info => "[INFO]",
            Self::Low => "[LOW]",
            Self::Medium => "[MED]",
            Self::High => "[HIGH]",
        })
    }
}

/// The process behind a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// Its executable; `-` when unknown.
    pub binary: String,
    /// Its pid; 0 when unknown.
    pub pid: i32,
    /// The SHA-256 of the executable, once it has been read.
    pub sha256: FileHash,
}

impl Actor {
    /// A process whose executable has not been read.
    #[must_use]
    pub fn new(binary: &str, pid: i32) -> Self {
        Self { binary: binary.to_owned(), pid, sha256: FileHash::default() }
    }

    /// Nobody knows.
    #[must_use]
    pub fn unknown() -> Self {
        Self::new("-", 0)
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", Untrusted::new(&self.binary), self.pid)
    }
}

/// What is logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// A verdict on a connection.
    Net {
        /// `OPEN` or `REFUSE`.
        activity: &'static str,
        /// How much somebody should care.
        severity: Severity,
        /// `ALLOWED` or `DENIED`.
        action: &'static str,
        /// Who.
        actor: Actor,
        /// `host:port`.
        destination: String,
        /// Rule and engine.
        tag: Option<(String, &'static str)>,
        /// Why it was denied.
        reason: Option<String>,
    },
    /// A verdict on a request.
    Http {
        /// The method.
        method: String,
        /// How much somebody should care.
        severity: Severity,
        /// `ALLOWED`, `[AUDIT] ALLOWED` or `DENIED`.
        action: &'static str,
        /// Who.
        actor: Actor,
        /// `http://host[:port]path`.
        url: String,
        /// Rule and engine.
        tag: Option<(String, &'static str)>,
        /// Why it was denied.
        reason: Option<String>,
    },
    /// A change of policy, or of what is asked for.
    Config {
        /// `PROPOSED`, `APPROVED`, `REJECTED`, `LOADED`, `FAIL_CLOSED`.
        state: &'static str,
        /// How much somebody should care.
        severity: Severity,
        /// In words.
        message: String,
        /// `key:value` pairs in brackets behind it.
        facts: Vec<(&'static str, String)>,
        /// The proposal that it is about; the message names it.
        proposal: Option<ProposalId>,
    },
}

impl Line {
    /// Whether it tells of something that was refused.
    #[must_use]
    pub fn is_denial(&self) -> bool {
        matches!(self, Self::Net { action: "DENIED", .. } | Self::Http { action: "DENIED", .. })
    }

    /// How much somebody should care.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match self {
            Self::Net { severity, .. } | Self::Http { severity, .. } | Self::Config { severity, .. } => {
                *severity
            }
        }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Net { activity, severity, action, actor, destination, tag, reason } => {
                write!(f, "NET:{activity} {severity} {action} {actor} -> {}", Untrusted::new(destination))?;
                write_tail(f, tag.as_ref(), reason.as_ref())
            }
            Self::Http { method, severity, action, actor, url, tag, reason } => {
                let method = Untrusted::new(method);
                let url = redact_queries(url);
                write!(f, "HTTP:{method} {severity} {action} {actor} -> {method} {}", Untrusted::new(&url))?;
                write_tail(f, tag.as_ref(), reason.as_ref())
            }
            Self::Config { state, severity, message, facts, .. } => {
                write!(f, "CONFIG:{state} {severity} {}", Untrusted::new(message))?;
                let facts: Vec<String> =
                    facts.iter().map(|(key, value)| format!("{key}:{}", Untrusted::new(value))).collect();
                if facts.is_empty() { Ok(()) } else { write!(f, " [{}]", facts.join(" ")) }
            }
        }
    }
}

fn write_tail(
    f: &mut fmt::Formatter<'_>,
    tag: Option<&(String, &'static str)>,
    reason: Option<&String>,
) -> fmt::Result {
    if let Some((rule, engine)) = tag {
        write!(f, " [policy:{} engine:{engine}]", Untrusted::new(rule))?;
    }
    if let Some(reason) = reason {
        let reason = redact_queries(reason);
        write!(f, " [reason:{}]", Untrusted::new(&cut(&reason, MAX_REASON)))?;
    }
    Ok(())
}

/// What stands in place of a query.
const REDACTED: &str = "?[redacted]";

/// `text` without its query strings: from each `?` to the next blank or `]`. Once more changes nothing.
#[must_use]
pub fn redact_queries(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, query)) = rest.split_once('?') {
        out.push_str(before);
        out.push_str(REDACTED);
        let query = query.strip_prefix("[redacted]").unwrap_or(query);
        let end = query.find(|c: char| c.is_whitespace() || c == ']').unwrap_or(query.len());
        rest = query.split_at(end).1;
    }
    out.push_str(rest);
    out
}

/// At most `max` bytes of `text`, cut between characters, with `...` where something is missing.
#[must_use]
pub fn cut(text: &str, max: usize) -> String {
    if text.len() <= max {
        return text.to_owned();
    }
    let mut out = String::with_capacity(max + 3);
    for c in text.chars() {
        if out.len() + c.len_utf8() > max {
            break;
        }
        out.push(c);
    }
    out.push_str("...");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http(action: &'static str, severity: Severity, reason: Option<&str>) -> Line {
        Line::Http {
            method: "PUT".into(),
            severity,
            action,
            actor: Actor::new("/usr/bin/curl", 88),
            url: "http://api.github.com:443/repos/o/r/contents/x.md".into(),
            tag: Some(("github".into(), "l7")),
            reason: reason.map(ToOwned::to_owned),
        }
    }

    #[test]
    fn lines_have_the_shape_of_the_reference() {
        assert_eq!(
            http("DENIED", Severity::Medium, Some("L7_REQUEST deny PUT x reason=no")).to_string(),
            "HTTP:PUT [MED] DENIED /usr/bin/curl(88) -> PUT http://api.github.com:443/repos/o/r/contents/x.md [policy:github engine:l7] [reason:L7_REQUEST deny PUT x reason=no]"
        );
        let net = Line::Net {
            activity: "OPEN",
            severity: Severity::Info,
            action: "ALLOWED",
            actor: Actor::new("/usr/bin/curl", 211),
            destination: "pkg.example.net:443".into(),
            tag: Some(("pkg_mirror".into(), "opa")),
            reason: None,
        };
        assert_eq!(
            net.to_string(),
            "NET:OPEN [INFO] ALLOWED /usr/bin/curl(211) -> pkg.example.net:443 [policy:pkg_mirror engine:opa]"
        );
        let config = Line::Config {
            state: "LOADED",
            severity: Severity::Info,
            message: "Policy reloaded successfully".into(),
            facts: vec![("version", "v2".into()), ("hash", "ab".into())],
            proposal: None,
        };
        assert_eq!(
            config.to_string(),
            "CONFIG:LOADED [INFO] Policy reloaded successfully [version:v2 hash:ab]"
        );
    }

    #[test]
    fn queries_never_reach_the_log_and_long_reasons_are_cut_between_characters() {
        assert_eq!(
            redact_queries("GET http://a/b?t=1 [x?y] z?"),
            "GET http://a/b?[redacted] [x?[redacted]] z?[redacted]"
        );
        let once = redact_queries("a?x=1 [b?y] c?[redacted]secret");
        assert_eq!(once, "a?[redacted] [b?[redacted]] c?[redacted]");
        assert_eq!(redact_queries(&once), once);
        let line = http("DENIED", Severity::Medium, Some(&"ü".repeat(200))).to_string();
        assert!(line.ends_with(&format!("[reason:{}...]", "ü".repeat(128))), "{line}");
    }
}
