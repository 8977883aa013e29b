//! Differences in words: for the screen, the command line, and the digest that binds a decision to them.

use std::collections::BTreeMap;
use std::fmt;

use super::{Because, Difference, Except, Item, What, Witness};
use crate::policy::{QueryPattern, RequestPattern, render};

impl fmt::Display for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = render::authority(&self.host, self.port);
        match &self.method {
            None => write!(f, "a stream to {host}")?,
            Some(method) => {
                let method = if self.is_upgrade { "WebSocket" } else { method };
                write!(f, "{method} {host} {}", self.path)?;
                if let Some(query) = &self.query {
                    write!(f, "?{query}")?;
                }
            }
        }
        if let [first, more @ ..] = self.addresses.as_slice()
            && first.to_string() != self.host
        {
            write!(f, " at {first}")?;
            more.iter().try_for_each(|address| write!(f, ", {address}"))?;
        }
        for (at, binary) in self.chain.iter().enumerate() {
            write!(f, "{}{}", if at == 0 { " by " } else { " below " }, render::spaceless(binary))?;
        }
        Ok(())
    }
}

impl fmt::Display for Because {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AlreadyAllowed => "already allowed by",
            Self::Denied => "denied by",
            Self::Inspected => "inspected by",
            Self::UnclearQuery => "unreadable queries, because of",
            Self::AtOnce => "allowed at once",
        })
    }
}

impl fmt::Display for Except {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.because)?;
        if self.rule.is_empty() { Ok(()) } else { write!(f, " {}", self.rule) }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stream => f.write_str("any bytes"),
            Self::OtherRequests => f.write_str("any request"),
            Self::Requests { methods, path, scope, query, may_upgrade } => {
                let any = methods.iter().any(|method| method == "*");
                let method = if any { "any method".to_owned() } else { methods.join(", ") };
                on(f, method, (path, scope), query)?;
                if *may_upgrade { write!(f, " ({MAY_UPGRADE})") } else { Ok(()) }
            }
            Self::WebSockets { path, scope, query } => {
                on(f, "WebSocket".to_owned(), (path, scope), query)?;
                write!(f, " ({UNSEEN})")
            }
        }
    }
}

/// What a WebSocket is for whoever decides about it.
const UNSEEN: &str = "two-way, contents not seen";
/// The words for requests that may become one.
pub const MAY_UPGRADE: &str = "may open a WebSocket: two-way, contents not seen";

/// `PUT /a?q=x within /b`
fn on(
    f: &mut fmt::Formatter<'_>,
    method: String,
    (path, scope): (&String, &String),
    query: &BTreeMap<String, QueryPattern>,
) -> fmt::Result {
    let pattern = RequestPattern { method, path: path.clone(), query: query.clone() };
    f.write_str(&render::request_line(&pattern))?;
    if scope.is_empty() || scope == path { Ok(()) } else { write!(f, " within {}", render::spaceless(scope)) }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", render::authority(&self.host, self.port), self.what)?;
        for (at, network) in self.addresses.iter().enumerate() {
            write!(f, "{}{network}", if at == 0 { " at " } else { ", " })?;
        }
        for (at, binary) in self.binaries.iter().enumerate() {
            write!(f, "{}{}", if at == 0 { " by " } else { ", " }, render::spaceless(binary))?;
        }
        for (at, except) in self.except.iter().enumerate() {
            write!(f, "{}{except}", if at == 0 { ", except what is " } else { " or " })?;
        }
        for (at, rule) in self.until.iter().enumerate() {
            write!(f, "{}{rule}", if at == 0 { ", when this ends: " } else { ", " })?;
        }
        Ok(())
    }
}

impl Difference {
    /// The lists as the digest of a decision takes them in: one line for each item, without examples, which other
    /// grants may change while the difference stays.
    #[must_use]
    pub fn canonical(&self) -> String {
        let lists = [("added", &self.added), ("removed", &self.removed), ("latent", &self.latent)];
        let lines = lists
            .into_iter()
            .flat_map(|(name, items)| items.iter().map(move |item| format!("{name} {item}\n")));
        lines.collect()
    }
}
