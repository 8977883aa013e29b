//! What a comparison finds, in the words that are shown, signed and stored.
//!
//! Data only: filled in by [`super::Ground::difference`] and [`super::between`], put into words by [`super::show`]. The
//! names are final: the log holds them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::policy::QueryPattern;

/// One request, as an example of many.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Witness {
    /// The program that asks, then its ancestors as far as they matter. Never empty.
    pub chain: Vec<String>,
    /// A canonical host.
    pub host: String,
    /// The port.
    pub port: u16,
    /// What the host resolves to; empty is any public address.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<IpAddr>,
    /// The method; `None` is a stream that is not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The canonical path of a request.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// The query of a request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// Whether the request becomes a WebSocket.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_upgrade: bool,
}

/// What an item is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum What {
    /// Any bytes: the stream is not read.
    Stream,
    /// Requests.
    Requests {
        /// The methods, in upper case; `*` is any.
        methods: Vec<String>,
        /// The path pattern.
        path: String,
        /// The path pattern of the endpoint, where it has one.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        scope: String,
        /// What the query must be.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        query: BTreeMap<String, QueryPattern>,
        /// Whether those of them that are GET may become WebSockets too.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        may_upgrade: bool,
    },
    /// WebSockets alone: two-way, and what is in them is not read.
    WebSockets {
        /// The path pattern.
        path: String,
        /// The path pattern of the endpoint, where it has one.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        scope: String,
        /// What the query must be.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        query: BTreeMap<String, QueryPattern>,
    },
    /// Requests of a connection that was not inspected before, or is not any more.
    OtherRequests,
}

/// Requests that one policy allows and the other does not, as a person is shown them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// The host pattern.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The addresses that the host may resolve to; empty is every public one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<IpNet>,
    /// Which of the bytes.
    pub what: What,
    /// The programs that ask, or one of whose ancestors is one of these.
    pub binaries: Vec<String>,
    /// The part that makes no difference.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<Except>,
    /// Of what is latent: the rules whose end opens it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub until: Vec<String>,
    /// One of the requests.
    pub witness: Witness,
}

/// A part of an item that makes no difference, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Except {
    /// Why.
    pub because: Because,
    /// By which rule; empty where it needs none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub rule: String,
    /// One of the requests.
    pub witness: Witness,
}

/// Why part of an item makes no difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Because {
    /// It was allowed before.
    AlreadyAllowed,
    /// A deny rule stands in the way.
    Denied,
    /// The connection is inspected, and an L4 endpoint allows no inspected request.
    Inspected,
    /// The query has no single reading and a rule reads queries.
    UnclearQuery,
    /// It is allowed at once, so it waits for nothing.
    AtOnce,
}

/// What an approval would change. Each list is irredundant and in the order of the rule.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Difference {
    /// Allowed at once, and not before.
    pub added: Vec<Item>,
    /// Allowed before, and not any more.
    pub removed: Vec<Item>,
    /// Not allowed at once, but as soon as other grants end.
    pub latent: Vec<Item>,
    /// What the rule asks for and does not get, or has already: filled where nothing is added or latent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub idle: Vec<Except>,
}

/// What a difference does to a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It allows more.
    Widens,
    /// It allows neither more nor less.
    ChangesNothing,
    /// It allows less.
    Narrows,
    /// It allows more here and less there.
    Both,
}

impl Difference {
    /// What it does, counting what it will do when other grants end.
    #[must_use]
    pub fn effect(&self) -> Effect {
        match (self.added.is_empty() && self.latent.is_empty(), self.removed.is_empty()) {
            (false, true) => Effect::Widens,
            (true, true) => Effect::ChangesNothing,
            (true, false) => Effect::Narrows,
            (false, false) => Effect::Both,
        }
    }
}
