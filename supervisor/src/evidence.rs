//! What was denied in this run, folded: the one place where every denial of every layer and transport ends up. It is
//! evidence for agents' proposals, and what the mapper drafts from.
//!
//! Keyed (binary, host, port, layer), with few samples of method and path each: never more than `KEPT` kinds, and
//! `SAMPLES` of one key. The one that was longest not seen goes first, and is counted. Paths are canonical and stand
//! without their queries. It shows what the agent did and proves nothing in its favour.

mod like;

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use openshell_domain::id::Digest;
use openshell_domain::mapper::Denied;
use openshell_domain::policy::host::Host;
use openshell_domain::policy::risk::{MAX_METHOD, Seen};
use openshell_domain::policy::verdict::Caller;
use tokio::sync::Notify;

use crate::denial::{Ask, Denial};
use crate::identity::FileHash;
use crate::pipeline::Layer;
pub use like::{concerning, of};

/// How many kinds of denials are kept.
pub const KEPT: usize = 500;
/// How many of them may have the same binary, host, port and layer.
const SAMPLES: usize = 32;

/// The denials of one run.
#[derive(Debug, Default)]
pub struct Evidence {
    inner: Mutex<Inner>,
    news: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    kept: HashMap<Kind, Count>,
    /// How many were recorded: the time of this run's denials.
    recorded: u64,
    /// How many kinds made room for others.
    dropped: u64,
}

/// What denials are folded by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    binary: String,
    host: Host,
    port: u16,
    layer: Layer,
}

/// What is one kind of denial.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Kind {
    key: Key,
    /// Method and path, where the request was read.
    request: Option<(String, String)>,
    /// Whether that was to become a WebSocket.
    is_upgrade: bool,
}

#[derive(Debug, Clone)]
struct Count {
    times: u64,
    last: u64,
    /// Of these, how often since it was told; nothing for what no rule can fix.
    fresh: u64,
    /// Who asked last, with ancestors.
    caller: Caller,
    sha256: FileHash,
}

impl Evidence {
    /// Counts a denial, once for every program that lacks a rule. One of nobody, or with a method that no rule can name, is
    /// evidence for nothing.
    pub fn record(&self, denial: &Denial) {
        let (request, is_upgrade) = match &denial.ask {
            Ask::Connect => (None, false),
            Ask::Request { method, .. } if method.len() > MAX_METHOD => return,
            Ask::Request { method, path, is_upgrade } => (Some((method.clone(), path.clone())), *is_upgrade),
        };
        let fresh = u64::from(denial.is_fixable());
        let mut counted: Vec<&str> = Vec::new();
        for holder in &denial.holders {
            let Some(binary) = holder.caller.binary().filter(|binary| !counted.contains(binary)) else {
                continue;
            };
            counted.push(binary);
            let (host, port, layer) = (denial.host.clone(), denial.port, denial.refused.layer);
            let key = Key { binary: binary.to_owned(), host, port, layer };
            let (caller, sha256) = (holder.caller.clone(), holder.sha256.clone());
            let count = Count { times: 1, last: 0, fresh, caller, sha256 };
            self.lock().count(Kind { key, request: request.clone(), is_upgrade }, count);
        }
        if fresh > 0 {
            self.news.notify_one();
        }
    }

    /// Takes in what an earlier run could not tell.
    pub fn recall(&self, denied: Vec<Denied>) {
        for one in denied.into_iter().take(KEPT) {
            let Some(binary) = one.caller.binary().map(ToOwned::to_owned) else { continue };
            let layer = if one.request.is_some() { Layer::L7 } else { Layer::L4 };
            let key = Key { binary, host: one.host, port: one.port, layer };
            // The file of that name may be another by now.
            let sha256 = FileHash::default();
            let count = Count { times: one.fresh, last: 0, fresh: one.fresh, caller: one.caller, sha256 };
            let kind = Kind { key, request: one.request, is_upgrade: one.is_upgrade };
            self.lock().count(kind, count);
        }
        self.news.notify_one();
    }

    /// Waits for a denial that a rule could fix.
    pub async fn news(&self) {
        self.news.notified().await;
    }

    /// Everything that is kept, the latest first.
    #[must_use]
    pub fn latest(&self) -> Vec<Kept> {
        let inner = self.lock();
        let mut kept: Vec<Kept> = inner
            .kept
            .iter()
            .map(|(kind, count)| Kept {
                kind: kind.clone(),
                count: count.clone(),
                sha256: count.sha256.get(),
            })
            .collect();
        drop(inner);
        kept.sort_unstable_by_key(|kept| std::cmp::Reverse(kept.count.last));
        kept
    }

    /// Says that these counts were told, or are not worth telling. What came meanwhile stays news.
    pub fn told(&self, kept: &[Kept]) {
        let mut inner = self.lock();
        for told in kept {
            if let Some(count) = inner.kept.get_mut(&told.kind) {
                count.fresh = count.fresh.saturating_sub(told.count.fresh);
            }
        }
    }

    /// How many kinds of denials made room for others in this run.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn count(&mut self, kind: Kind, one: Count) {
        self.recorded += 1;
        let now = self.recorded;
        if let Some(count) = self.kept.get_mut(&kind) {
            let times = count.times.saturating_add(one.times);
            *count = Count { times, last: now, fresh: count.fresh.saturating_add(one.fresh), ..one };
            return;
        }
        let samples = self.kept.keys().filter(|kept| kept.key == kind.key).count();
        if samples >= SAMPLES {
            self.drop_oldest(|kept| kept.key == kind.key);
        } else if self.kept.len() >= KEPT {
            self.drop_oldest(|_| true);
        }
        self.kept.insert(kind, Count { last: now, ..one });
    }

    fn drop_oldest(&mut self, is_candidate: impl Fn(&Kind) -> bool) {
        let candidates = self.kept.iter().filter(|(kind, _)| is_candidate(kind));
        let oldest = candidates.min_by_key(|(_, count)| count.last).map(|(kind, _)| kind.clone());
        if oldest.is_some_and(|oldest| self.kept.remove(&oldest).is_some()) {
            self.dropped += 1;
        }
    }
}

/// A kind of denial and how often it was seen.
#[derive(Debug, Clone)]
pub struct Kept {
    kind: Kind,
    count: Count,
    /// As it was known at that moment, so that one answer always says the same.
    sha256: Option<Digest>,
}

impl Kept {
    /// How often it was denied since that was told.
    #[must_use]
    pub fn fresh(&self) -> u64 {
        self.count.fresh
    }

    /// Whether it is about this program, host and port.
    #[must_use]
    pub fn is_of(&self, (binary, host, port): (&str, &str, u16)) -> bool {
        let key = &self.kind.key;
        key.binary == binary && key.port == port && key.host.to_string() == host
    }
}

impl From<&Kept> for Seen {
    fn from(kept: &Kept) -> Self {
        let (method, path) = kept.kind.request.clone().unzip();
        let Key { binary, host, port, .. } = &kept.kind.key;
        Self {
            binary: binary.clone(),
            host: host.to_string(),
            port: *port,
            method,
            path,
            count: kept.count.times,
            sha256: kept.sha256,
        }
    }
}

impl From<&Kept> for Denied {
    fn from(kept: &Kept) -> Self {
        Self {
            caller: kept.count.caller.clone(),
            host: kept.kind.key.host.clone(),
            port: kept.kind.key.port,
            request: kept.kind.request.clone(),
            is_upgrade: kept.kind.is_upgrade,
            times: kept.count.times,
            fresh: kept.count.fresh,
            sha256: kept.sha256,
        }
    }
}

#[cfg(test)]
mod tests;
