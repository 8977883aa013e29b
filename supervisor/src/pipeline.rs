//! The one pipeline: `Intent → Admission → Clearance → Route → Permit`, each made only from the one before it.
//!
//! CONNECT, plain forward and the requests inside a tunnel are adapters over it. A name is resolved only with a
//! [`Clearance`] (the rules said yes), an address is dialled only with a [`Permit`] (the address was checked), so an
//! unauthorised look-up or dial does not compile. Any doubt is a [`Refused`]. A [`Reach`] is the way to dial before
//! there is a request, after the L4 yes: its [`Opening`] carries none.

mod once;
mod permit;
mod reach;
pub mod relay;
mod standing;

use std::sync::Arc;

use openshell_domain::policy::host::Host;
use openshell_domain::policy::verdict::{
    CompiledPolicy, Connect, ConnectDenial, Endpoints, Inspected, Request, RequestDenial, RequestVerdict,
};

use crate::enforcement::PolicySnapshot;
use crate::identity::Holder;
pub use once::{Permission, Unspent};
use permit::Way;
pub use permit::{Clearance, Permit, Route};
pub use reach::{Opening, Reach};
pub use standing::Standing;

/// At which layer something was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Layer {
    /// Host and port.
    L4,
    /// Method and path.
    L7,
}

/// Why something was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The code for machines.
    pub error: &'static str,
    /// Which part refused, as the log calls it.
    pub engine: &'static str,
    /// At which layer.
    pub layer: Layer,
    /// The key of the rule that it is about; `-` when it is about none.
    pub rule: String,
    /// Why, in words.
    pub reason: String,
    /// Whether an allow rule could fix it.
    pub is_fixable: bool,
    /// The holders that lack a rule, by their place; empty where it is about all of them.
    pub lacking: Vec<usize>,
}

/// Somebody wants to reach something.
#[derive(Debug, Clone)]
pub struct Intent {
    /// Every process that holds the connection. Never empty.
    pub holders: Arc<Vec<Holder>>,
    /// Where to.
    pub host: Host,
    /// At which port.
    pub port: u16,
}

/// The rules let every holder open this connection; no name was resolved yet.
#[derive(Debug)]
pub struct Admission {
    intent: Intent,
    snapshot: Arc<PolicySnapshot>,
    views: Vec<View>,
}

/// What the rules say for one holder.
#[derive(Debug)]
enum View {
    Opaque(Endpoints),
    Inspected(Inspected),
}

impl Intent {
    /// Asks the rules about host and port, for every holder.
    ///
    /// # Errors
    /// [`Refused`] when one of them may not, or when there is no policy to ask.
    pub fn admit(self, snapshot: Arc<PolicySnapshot>) -> Result<Admission, Refused> {
        let judge = judge(&snapshot)?;
        let mut views = Vec::with_capacity(self.holders.len());
        let mut refusals = Vec::new();
        for (place, holder) in self.holders.iter().enumerate() {
            match judge.connect(&holder.caller, &self.host, self.port) {
                Connect::Opaque(at) => views.push(View::Opaque(at)),
                Connect::Inspected(at) => views.push(View::Inspected(at)),
                Connect::Denied(denial) => {
                    refusals.push(Refused { lacking: vec![place], ..self.refused(&denial, holder) });
                }
            }
        }
        if let Some(refused) = Refused::together(refusals) {
            return Err(refused);
        }
        if views.is_empty() {
            return Err(Refused::l4("policy_denied", "opa", "nobody holds the connection".to_owned()));
        }
        Ok(Admission { intent: self, snapshot, views })
    }

    fn refused(&self, denial: &ConnectDenial, holder: &Holder) -> Refused {
        let at = self.host.with_port(self.port);
        let binary = holder.caller.binary().unwrap_or("-");
        let reason = match denial {
            ConnectDenial::AlwaysBlocked(reason) => {
                return Refused::l4("ssrf_denied", "ssrf", format!("{at}: {reason}"));
            }
            ConnectDenial::NoRules => "network connections not allowed by policy".to_owned(),
            ConnectDenial::NoEndpoint => format!("endpoint {at} is not allowed by any policy"),
            ConnectDenial::OtherBinaries(rules) => rules
                .iter()
                .map(|rule| format!("binary '{binary}' not allowed in policy '{rule}'"))
                .collect::<Vec<_>>()
                .join("; "),
        };
        Refused { is_fixable: true, ..Refused::l4("policy_denied", "opa", reason) }
    }
}

fn judge(snapshot: &PolicySnapshot) -> Result<&CompiledPolicy, Refused> {
    snapshot
        .judge
        .as_ref()
        .map_err(|reason| Refused::l4("policy_denied", "opa", format!("everything is denied: {reason}")))
}

impl Refused {
    fn l4(error: &'static str, engine: &'static str, reason: String) -> Self {
        Self {
            error,
            engine,
            layer: Layer::L4,
            rule: "-".to_owned(),
            reason,
            is_fixable: false,
            lacking: Vec::new(),
        }
    }

    /// One for all holders: the first that no rule can fix, else the first, with everybody who lacks one.
    fn together(refusals: Vec<Self>) -> Option<Self> {
        if let Some(last) = refusals.iter().position(|refused| !refused.is_fixable) {
            return refusals.into_iter().nth(last);
        }
        let lacking = refusals.iter().flat_map(|refused| refused.lacking.iter().copied()).collect();
        refusals.into_iter().next().map(|first| Self { lacking, ..first })
    }
}

impl Admission {
    /// Whether each request must be judged.
    #[must_use]
    pub fn is_inspected(&self) -> bool {
        self.views.iter().any(|view| matches!(view, View::Inspected(_)))
    }

    /// Lets a stream pass unread, where no holder's rules want to read it.
    ///
    /// # Errors
    /// [`Refused`] where one does.
    pub fn clear_stream(&self) -> Result<Clearance<'_>, Refused> {
        self.clear_as(Asked::Stream)
    }

    /// Asks the rules about one request, for every holder.
    ///
    /// # Errors
    /// [`Refused`] when one of them may not make it.
    pub fn clear(&self, request: &Request<'_>) -> Result<Clearance<'_>, Refused> {
        self.clear_as(Asked::Request(request))
    }

    /// Asks the rules whether a request may become a WebSocket, for every holder: where a rule allows it in so many
    /// words. No preset, no audit and no grant for one request does.
    ///
    /// # Errors
    /// [`Refused`] where there is no such rule for one of them.
    pub fn clear_upgrade(&self, request: &Request<'_>) -> Result<Clearance<'_>, Refused> {
        self.clear_as(Asked::Upgrade(request))
    }

    fn clear_as(&self, asked: Asked<'_>) -> Result<Clearance<'_>, Refused> {
        let judge = judge(&self.snapshot)?;
        let mut endpoints = Vec::with_capacity(self.views.len());
        let mut is_audited = false;
        let mut refusals = Vec::new();
        for (place, view) in self.views.iter().enumerate() {
            match view {
                View::Opaque(at) => endpoints.push(at.clone()),
                View::Inspected(at) => match asked.verdict(judge, at) {
                    Ok(RequestVerdict::Allowed(at)) => endpoints.push(at),
                    Ok(RequestVerdict::Audited(at)) => {
                        is_audited = true;
                        endpoints.push(at);
                    }
                    Ok(RequestVerdict::Denied(denial)) => {
                        refusals.push(Refused { lacking: vec![place], ..asked.refused(&denial) });
                    }
                    Err(refused) => return Err(refused),
                },
            }
        }
        if let Some(refused) = Refused::together(refusals) {
            return Err(refused);
        }
        let ways = once::ways(&self.snapshot, &self.intent, asked);
        Ok(Clearance { admission: self, granted: Way::new(judge, endpoints, is_audited), ways })
    }
}

/// What is asked of an admission.
#[derive(Debug, Clone, Copy)]
enum Asked<'r> {
    /// A stream that nobody reads.
    Stream,
    /// A request.
    Request(&'r Request<'r>),
    /// A request that becomes a WebSocket.
    Upgrade(&'r Request<'r>),
}

impl Asked<'_> {
    /// What a policy says of it where requests are judged.
    fn verdict(self, judge: &CompiledPolicy, at: &Inspected) -> Result<RequestVerdict, Refused> {
        match self {
            Self::Stream => {
                Err(Refused::l4("unsupported_l7_protocol", "l7", "the stream is not HTTP".to_owned()))
            }
            Self::Request(request) => Ok(judge.request(at, request)),
            Self::Upgrade(request) => Ok(judge.upgrade(at, request)),
        }
    }

    fn refused(self, denial: &RequestDenial) -> Refused {
        let what = match self {
            Self::Stream => String::new(),
            Self::Request(request) | Self::Upgrade(request) => format!("{} {}", request.method, request.path),
        };
        let reason = match denial {
            RequestDenial::DenyRule(_) => format!("{what} blocked by deny rule"),
            RequestDenial::NotAllowed(_) => format!("{what} not permitted by policy"),
            RequestDenial::NoPath(_) => {
                format!("{what} not permitted by policy: no endpoint is about this path")
            }
            RequestDenial::UnclearQuery(_) => {
                format!("{what}: the query has no single reading, and a rule is about queries")
            }
            RequestDenial::NotWritten(_) => {
                format!(
                    "{what} may not become a WebSocket: only a rule that names method and path allows that"
                )
            }
        };
        Refused {
            error: "policy_denied",
            engine: "l7",
            layer: Layer::L7,
            rule: denial.rule().to_owned(),
            reason,
            is_fixable: denial.is_fixable(),
            lacking: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests;
