//! A denial: its facts, the reply that the agent reads, and the line in the log. One of each, for every layer and
//! transport.
//!
//! The reply is the contract with the agent (`agent-api.md`, "Deny bodies"): what was denied, what rule is missing,
//! and the next steps, which come from the same table as the routes of `policy.local`.

use http::{HeaderName, Response, StatusCode};
use openshell_domain::id::RuleName;
use openshell_domain::mapper;
use openshell_domain::policy::host::Host;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::identity::Holder;
use crate::log::line::{Actor, Line, Severity};
use crate::pipeline::{Layer, Refused};
use crate::policy_local::routes;
use crate::reply::{self, Body};

/// The header that names the rule.
pub const POLICY_HEADER: HeaderName = HeaderName::from_static("x-openshell-policy");

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// A stream to host and port.
    Connect,
    /// A request, as far as it was read; the path is canonical and without its query.
    Request {
        /// The method.
        method: String,
        /// The path.
        path: String,
        /// Whether it was to become a WebSocket.
        is_upgrade: bool,
    },
}

/// A denial and its facts.
#[derive(Debug, Clone)]
pub struct Denial {
    /// Its id.
    pub id: Uuid,
    /// Why.
    pub refused: Refused,
    /// Who asked and lacks a rule; the first stands for all of them in the log. Empty where nobody is known.
    pub holders: Vec<Holder>,
    /// Where to.
    pub host: Host,
    /// At which port.
    pub port: u16,
    /// For what.
    pub ask: Ask,
}

/// What the reply says beyond the denial itself.
#[derive(Debug, Clone, Copy)]
pub struct Advice<'a> {
    /// Whether agents of this sandbox may propose.
    pub is_on: bool,
    /// Where the skill is.
    pub skill: &'a str,
}

impl Denial {
    /// The 403.
    #[must_use]
    pub fn reply(&self, advice: Advice<'_>) -> Response<Body> {
        let response = reply::json(StatusCode::FORBIDDEN, &Value::Object(self.body(advice)));
        reply::with_header(response, POLICY_HEADER, &self.refused.rule)
    }

    fn body(&self, advice: Advice<'_>) -> Map<String, Value> {
        let is_fixable = self.is_fixable();
        let missing = is_fixable.then(|| self.rule_missing());
        let mut body = Map::new();
        let mut put = |key: &str, value: Value| body.insert(key.to_owned(), value);
        put("error", self.refused.error.into());
        put("policy", self.refused.rule.clone().into());
        put("rule", self.rule_text().into());
        put("detail", self.detail().into());
        put("reason", self.refused.reason.clone().into());
        put("layer", self.layer().into());
        put("protocol", if self.ask == Ask::Connect { "tcp" } else { "rest" }.into());
        put("method", self.method().into());
        put("path", self.path().into());
        put("host", self.host.to_string().into());
        put("port", self.port.into());
        put("binary", self.binary().into());
        put("fixable", self.is_fixable().into());
        put("l4_alternative", self.has_l4_alternative().into());
        put("rule_missing", missing.map_or(Value::Null, Value::Object));
        put("denial_id", self.id.to_string().into());
        put("next_steps", routes::next_steps(advice, is_fixable));
        if advice.is_on {
            put("agent_guidance", routes::guidance(advice, is_fixable).into());
            if let Some(proposal) = self.proposal().filter(|_| is_fixable) {
                put("proposal", proposal);
            }
        }
        body
    }

    /// `l4` or `l7`.
    #[must_use]
    pub fn layer(&self) -> &'static str {
        match self.refused.layer {
            Layer::L4 => "l4",
            Layer::L7 => "l7",
        }
    }

    fn method(&self) -> &str {
        match &self.ask {
            Ask::Connect => "CONNECT",
            Ask::Request { method, .. } => method,
        }
    }

    fn path(&self) -> Option<&str> {
        match &self.ask {
            Ask::Connect => None,
            Ask::Request { path, .. } => Some(path),
        }
    }

    fn binary(&self) -> Option<&str> {
        self.holders.first().and_then(|holder| holder.caller.binary())
    }

    /// Whether an allow rule could fix it: for a program that is known, to a place that a rule can open.
    #[must_use]
    pub fn is_fixable(&self) -> bool {
        let method = self.request().map(|(method, _)| method);
        self.refused.is_fixable
            && self.binary().is_some()
            && mapper::is_grantable(&self.host, self.port, method)
    }

    /// Whether a rule about host and port alone would fix it as well.
    fn has_l4_alternative(&self) -> bool {
        self.is_fixable() && self.refused.layer == Layer::L4 && self.request().is_some()
    }

    /// Method and path, where they are known.
    fn request(&self) -> Option<(&str, &str)> {
        match &self.ask {
            Ask::Connect => None,
            Ask::Request { method, path, .. } => Some((method, path)),
        }
    }

    fn rule_text(&self) -> String {
        match &self.ask {
            Ask::Connect => format!("CONNECT {}", self.host.with_port(self.port)),
            Ask::Request { method, path, .. } => format!("{method} {path}"),
        }
    }

    fn detail(&self) -> String {
        let at = self.host.with_port(self.port);
        let what = match (&self.ask, self.refused.layer) {
            (_, Layer::L7) => return self.refused.reason.clone(),
            (Ask::Connect, Layer::L4) => format!("CONNECT {at}"),
            (Ask::Request { method, path, .. }, Layer::L4) => format!("{method} {at}{path}"),
        };
        if self.refused.error == "policy_denied" {
            format!("{what} not permitted by policy")
        } else {
            format!("{what} blocked: {}", self.refused.reason)
        }
    }

    /// The allow rule that would fix it: by method and path where they are known.
    fn rule_missing(&self) -> Map<String, Value> {
        let mut missing = Map::new();
        let mut put = |key: &str, value: Value| missing.insert(key.to_owned(), value);
        match &self.ask {
            Ask::Connect => {
                put("type", "l4_allow".into());
                put("layer", "l4".into());
            }
            Ask::Request { method, path, .. } => {
                put("type", "rest_allow".into());
                put("layer", "l7".into());
                put("method", method.clone().into());
                put("path", path.clone().into());
            }
        }
        put("host", self.host.to_string().into());
        put("port", self.port.into());
        put("binary", self.binary().into());
        missing
    }

    /// A body that can be POSTed as it is: the narrowest rule for what was denied, for everybody who lacks one. None
    /// where a program or a path is spelled like a pattern: no rule would be about it alone.
    fn proposal(&self) -> Option<Value> {
        let mut binaries =
            self.holders.iter().map(|holder| holder.caller.binary()).collect::<Option<Vec<_>>>()?;
        binaries.sort_unstable();
        binaries.dedup();
        let requests: Vec<(&str, &str)> = self.request().into_iter().collect();
        let (operation, _) =
            mapper::narrowest(&self.rule_name(), &binaries, (&self.host, self.port), &requests)?;
        let at = self.host.with_port(self.port);
        let summary = format!("{} on {at} by {}", self.rule_text(), binaries.join(", "));
        Some(json!({"intent_summary": summary, "operations": [operation]}))
    }

    fn rule_name(&self) -> String {
        let raw = format!("{}_{}_{}", self.method().to_ascii_lowercase(), self.host, self.port);
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
        raw.chars().map(|c| if fits(c) { c } else { '_' }).take(RuleName::MAX).collect()
    }

    /// The line in the log.
    #[must_use]
    pub fn line(&self) -> Line {
        let actor = actor(self.holders.first());
        let at = self.host.with_port(self.port);
        let tag = Some((self.refused.rule.clone(), self.refused.engine));
        match &self.ask {
            Ask::Connect => Line::Net {
                activity: "OPEN",
                severity: Severity::Medium,
                action: "DENIED",
                actor,
                destination: at,
                tag,
                reason: Some(self.refused.reason.clone()),
            },
            Ask::Request { method, path, .. } => Line::Http {
                method: method.clone(),
                severity: Severity::Medium,
                action: "DENIED",
                actor,
                url: url(&self.host, self.port, path),
                tag,
                reason: Some(match self.refused.layer {
                    Layer::L7 => {
                        format!("L7_REQUEST deny {method} {at}{path} reason={}", self.refused.reason)
                    }
                    Layer::L4 => self.refused.reason.clone(),
                }),
            },
        }
    }
}

/// Who a log line names.
#[must_use]
pub fn actor(holder: Option<&Holder>) -> Actor {
    holder.map_or_else(Actor::unknown, |holder| Actor {
        binary: holder.caller.binary().unwrap_or("-").to_owned(),
        pid: holder.pid,
        sha256: holder.sha256.clone(),
    })
}

/// The line about what was open and may not go on. No denial: nobody was refused anything.
#[must_use]
pub fn closed(refused: &Refused, holder: Option<&Holder>, (host, port): (&Host, u16)) -> Line {
    Line::Net {
        activity: "CLOSE",
        severity: Severity::Low,
        action: "CLOSED",
        actor: actor(holder),
        destination: host.with_port(port),
        tag: Some((refused.rule.clone(), refused.engine)),
        reason: Some(format!("the policy changed: {}", refused.reason)),
    }
}

/// The URL of a log line: scheme `http` always, port left out only where it is 80.
#[must_use]
pub fn url(host: &Host, port: u16, path: &str) -> String {
    match (host, port) {
        (Host::Name(name), 80) => format!("http://{name}{path}"),
        _ => format!("http://{}{path}", host.with_port(port)),
    }
}

#[cfg(test)]
mod tests;
