//! Why is this allowed, or what is missing: any verdict in words and as data.
//!
//! The verdict is the matcher's, never made here. What stands beside it (which endpoint, which pattern, what is
//! nearest, what to ask for) is found by asking the same matcher about policies of one endpoint or one pattern, so
//! that no second reading of a pattern can creep in. Slow, and may be: it answers people, not connections.

mod ask;
mod facts;
mod judge;
mod nearest;
mod show;

use std::net::IpAddr;

use serde::Serialize;

use super::effective::{Composition, Provenance, Source};
use super::host::Host;
use super::verdict::{Caller, CompiledPolicy, ConnectDenial, DestinationDenial, Request, RequestDenial};
use super::{Enforcement, Rule};
use crate::id::RuleName;
use facts::Facts;
use judge::{Judged, Refused, judge};

/// What is asked about.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Who.
    pub caller: &'a Caller,
    /// Where to.
    pub host: &'a Host,
    /// At which port.
    pub port: u16,
    /// Which bytes.
    pub traffic: Traffic<'a>,
    /// What the host resolves to; `None` where nobody has looked: then any address that a rule lets through.
    pub addresses: Option<&'a [IpAddr]>,
}

/// Which bytes.
#[derive(Debug, Clone, Copy)]
pub enum Traffic<'a> {
    /// Bytes that nobody reads.
    Stream,
    /// A request.
    Request(Request<'a>),
    /// A GET that becomes a WebSocket.
    Upgrade(Request<'a>),
}

impl<'a> Traffic<'a> {
    /// The request, where there is one.
    #[must_use]
    pub fn request(self) -> Option<Request<'a>> {
        match self {
            Self::Stream => None,
            Self::Request(request) | Self::Upgrade(request) => Some(request),
        }
    }
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The question in words.
    pub asked: String,
    /// What the matcher says.
    pub verdict: Answer,
    /// What lets it through, or refuses it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided: Option<Ruling>,
    /// What is missing, of what is denied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<Missing>,
    /// The least that could be asked for so that it is allowed; `None` where no proposal could do that, or none is
    /// needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ask: Option<Rule>,
    /// Whether a proposal could allow it that lists the addresses of the host: nobody has looked them up.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub wants_addresses: bool,
    /// Grants that would allow it, had they not ended in this run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ended: Vec<Provenance>,
}

impl Explanation {
    /// Whether a proposal could make it pass.
    #[must_use]
    pub fn is_fixable(&self) -> bool {
        self.ask.is_some() || self.wants_addresses
    }
}

/// What the matcher says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It may pass.
    Allowed,
    /// No rule allows it; it may pass, marked.
    Audited,
    /// It may not pass.
    Denied,
}

/// One endpoint of one rule, and where the rule comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ruling {
    /// The key of the rule.
    pub rule: RuleName,
    /// The endpoint, as [`super::render::endpoint_line`] shows it.
    pub endpoint: String,
    /// How deep it looks.
    pub layer: Layer,
    /// What it does with a request that no rule allows; `None` where requests are not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enforcement: Option<Enforcement>,
    /// What of it matched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pattern: Option<Decisive>,
    /// The binaries of the rule.
    pub binaries: Vec<String>,
    /// Where the rule comes from.
    pub provenance: Provenance,
}

/// How deep an endpoint looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Layer {
    /// Host and port.
    L4,
    /// Every request.
    L7,
}

/// The part of an endpoint that decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Decisive {
    /// This allow rule.
    Allow(String),
    /// This preset.
    Access(&'static str),
    /// This deny rule.
    Deny(String),
}

/// What stands between a request and its being allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Missing {
    /// The host is never reachable.
    BlockedHost {
        /// Why.
        reason: &'static str,
    },
    /// No rule names host and port; these name the host at other ports.
    NoRule {
        /// At most [`MOST`] of them.
        elsewhere: Vec<Ruling>,
    },
    /// These rules name host and port, for other binaries.
    OtherBinaries {
        /// At most [`MOST`] endpoints of them.
        rules: Vec<Ruling>,
    },
    /// The connection is inspected, so no other bytes than requests pass.
    Inspected,
    /// The connection is inspected, and no endpoint is about the path; these are about others.
    OtherPaths {
        /// At most [`MOST`] of them.
        endpoints: Vec<Ruling>,
    },
    /// The connection is inspected, and no allow matches method, path and query.
    NoAllow {
        /// The allow that comes nearest, if there is any.
        #[serde(skip_serializing_if = "Option::is_none")]
        nearest: Option<Box<Nearest>>,
    },
    /// The request may pass, and may not become a WebSocket.
    NotWritten,
    /// A deny rule stands in the way.
    DenyRule,
    /// The query has no single reading, and a rule reads queries.
    UnclearQuery,
    /// No address of the host may be dialled under these rules.
    Address {
        /// Why.
        reason: String,
    },
    /// The port opens only where the endpoint lists addresses.
    ControlPlanePort {
        /// Which.
        port: u16,
    },
}

/// An allow that almost matches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Nearest {
    /// Whose it is.
    pub ruling: Ruling,
    /// In what it differs.
    pub differs: Differs,
}

/// In what an allow differs from a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Differs {
    /// In the query only.
    Query,
    /// In the method only.
    Method,
    /// In the path, and perhaps the query.
    Path,
    /// In method and path.
    MethodAndPath,
}

/// The most endpoints that an explanation lists.
pub const MOST: usize = 3;

/// Explains what `compiled` says to the question. `compiled` is the composition's effective policy.
#[must_use]
pub fn why(
    composition: &Composition,
    source: &Source<'_>,
    compiled: &CompiledPolicy,
    question: &Question<'_>,
) -> Explanation {
    let policy = composition.effective();
    let facts = Facts { composition, source, policy: &policy, question };
    let (verdict, decided, missing) = match judge(compiled, question) {
        Judged::Allowed(rule) => (Answer::Allowed, facts.allowing(&rule), None),
        Judged::Audited(rule) => (Answer::Audited, facts.auditing(&rule), None),
        Judged::Denied(refused) => {
            let (decided, missing) = denied(&facts, refused);
            (Answer::Denied, decided, Some(missing))
        }
    };
    let is_denied = verdict == Answer::Denied;
    let ask = if is_denied { ask::find(&policy, question) } else { None };
    Explanation {
        asked: show::asked(question),
        verdict,
        decided,
        missing,
        wants_addresses: is_denied && ask.is_none() && ask::wants_addresses(&policy, question),
        ask,
        ended: if is_denied { facts.ended() } else { Vec::new() },
    }
}

fn denied(facts: &Facts<'_>, refused: Refused) -> (Option<Ruling>, Missing) {
    match refused {
        Refused::Connect(ConnectDenial::AlwaysBlocked(reason)) => (None, Missing::BlockedHost { reason }),
        Refused::Connect(ConnectDenial::NoRules | ConnectDenial::NoEndpoint) => {
            (None, Missing::NoRule { elsewhere: facts.elsewhere() })
        }
        Refused::Connect(ConnectDenial::OtherBinaries(rules)) => {
            (None, Missing::OtherBinaries { rules: facts.naming(&rules) })
        }
        Refused::Stream => (facts.inspecting(), Missing::Inspected),
        Refused::Request(RequestDenial::DenyRule(rule)) => (facts.denying(&rule), Missing::DenyRule),
        Refused::Request(RequestDenial::NotAllowed(rule)) => {
            (facts.refusing(&rule), Missing::NoAllow { nearest: nearest::nearest(facts).map(Box::new) })
        }
        Refused::Request(RequestDenial::NotWritten(rule)) => (facts.passing(&rule), Missing::NotWritten),
        Refused::Request(RequestDenial::NoPath(_)) => {
            (None, Missing::OtherPaths { endpoints: facts.inspected() })
        }
        Refused::Request(RequestDenial::UnclearQuery(rule)) => (facts.querying(&rule), Missing::UnclearQuery),
        Refused::Destination(DestinationDenial::ControlPlane(port), rule) => {
            (facts.dialling(&rule), Missing::ControlPlanePort { port })
        }
        Refused::Destination(denial, rule) => {
            (facts.dialling(&rule), Missing::Address { reason: denial.to_string() })
        }
    }
}

#[cfg(test)]
mod tests;
