//! Explanations in words: one fact a line.

use std::fmt;

use super::{Answer, Decisive, Differs, Explanation, Missing, Question, Ruling, Traffic};
use crate::policy::Enforcement;
use crate::policy::authority::Witness;
use crate::policy::render;
use crate::policy::verdict::DestinationDenial;
use crate::untrusted::Untrusted;

/// The question on one line.
pub(super) fn asked(question: &Question<'_>) -> String {
    let request = question.traffic.request();
    let witness = Witness {
        chain: question.caller.chain.clone(),
        host: question.host.to_string(),
        port: question.port,
        addresses: question.addresses.unwrap_or_default().to_vec(),
        method: request.map(|request| request.method.to_owned()),
        path: request.map(|request| request.path.to_owned()).unwrap_or_default(),
        query: request.and_then(|request| request.query).map(str::to_owned),
        is_upgrade: matches!(question.traffic, Traffic::Upgrade(_)),
    };
    Untrusted::new(&witness.to_string()).visible()
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Allowed => "allowed",
            Self::Audited => "allowed and marked, because the rule only audits",
            Self::Denied => "denied",
        })
    }
}

impl fmt::Display for Decisive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allow(line) => write!(f, "allow {line}"),
            Self::Access(preset) => write!(f, "access={preset}"),
            Self::Deny(line) => write!(f, "deny {line}"),
        }
    }
}

impl fmt::Display for Ruling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule, self.endpoint)?;
        for (at, binary) in self.binaries.iter().enumerate() {
            write!(f, "{}{}", if at == 0 { " for " } else { ", " }, render::spaceless(binary))?;
        }
        if let Some(pattern) = &self.pattern {
            write!(f, ", by its {pattern}")?;
        }
        if self.enforcement == Some(Enforcement::Audit) {
            f.write_str(", audit")?;
        }
        write!(f, " ({})", self.provenance)
    }
}

impl fmt::Display for Differs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Query => "its query differs",
            Self::Method => "its method differs",
            Self::Path => "its path differs",
            Self::MethodAndPath => "its method and path differ",
        })
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BlockedHost { reason } => f.write_str(reason),
            Self::NoRule { .. } => f.write_str("no rule names this host and port"),
            Self::OtherBinaries { .. } => f.write_str("host and port are named for other binaries only"),
            Self::Inspected => f.write_str("the connection is inspected, and this is not a request"),
            Self::OtherPaths { .. } => f.write_str("the connection is inspected, and no endpoint is about this path"),
            Self::NoAllow { .. } => f.write_str("the connection is inspected, and no allow matches"),
            Self::NotWritten => f.write_str(
                "it may pass, and may not become a WebSocket: only a rule that writes GET out opens one, no preset and no audit",
            ),
            Self::DenyRule => f.write_str("a deny rule stands in the way, and no allow can change that"),
            Self::UnclearQuery => {
                f.write_str("the query has no single reading (a bad escape, a `;`, or not UTF-8), and a rule reads queries")
            }
            Self::Address { reason } => f.write_str(reason),
            Self::ControlPlanePort { port } => write!(f, "{}", DestinationDenial::ControlPlane(*port)),
        }
    }
}

impl Missing {
    /// The endpoints that are worth a look.
    fn rulings(&self) -> (&'static str, &[Ruling]) {
        match self {
            Self::NoRule { elsewhere } => ("the host is named at another port by", elsewhere),
            Self::OtherBinaries { rules } => ("named by", rules),
            Self::OtherPaths { endpoints } => ("inspected by", endpoints),
            _ => ("", &[]),
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}", self.asked, self.verdict)?;
        if let Some(missing) = &self.missing {
            write!(f, ": {missing}")?;
        }
        if let Some(ruling) = &self.decided {
            write!(f, "\n  by {ruling}")?;
        }
        let Some(missing) = &self.missing else { return Ok(()) };
        let (word, rulings) = missing.rulings();
        rulings.iter().try_for_each(|ruling| write!(f, "\n  {word} {ruling}"))?;
        if let Missing::NoAllow { nearest: Some(nearest) } = missing {
            write!(f, "\n  nearest is {}: {}", nearest.ruling, nearest.differs)?;
        }
        self.ended.iter().try_for_each(|ended| write!(f, "\n  it was allowed by {ended}"))?;
        match &self.ask {
            Some(rule) => write!(
                f,
                "\n  a proposal could allow it: {} for {}",
                render::first_line(rule),
                rule.binaries.first().map_or("", |binary| &binary.path)
            ),
            None if self.wants_addresses => f.write_str(
                "\n  a proposal could allow it that lists the addresses of the host in `allowed_ips`",
            ),
            None => f.write_str("\n  no proposal can allow it"),
        }
    }
}
