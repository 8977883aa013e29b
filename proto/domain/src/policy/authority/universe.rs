//! All rules of the policies that are compared, and which policy holds which.
//!
//! Policies that are compared share most of their rules. So a policy is a set of rules here, a request is looked
//! at once, and the verdicts of all policies are read off together.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use crate::policy::{Policy, Rule};

/// The most policies of one comparison: each has eight bits of a [`Profile`].
const MAX_POLICIES: usize = 8;

/// A policy of a comparison, by its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Side(u32);

/// A set of sides: those that hold a rule, those that allow a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Sides(u8);

impl Sides {
    pub(super) fn has(self, side: Side) -> bool {
        (self.0 >> side.0) & 1 == 1
    }

    pub(super) fn with(self, side: Side) -> Self {
        Self(self.0 | 1 << side.0)
    }
}

/// One rule.
#[derive(Debug)]
pub(super) struct Member<'p> {
    pub(super) key: &'p str,
    pub(super) rule: &'p Rule,
    pub(super) sides: Sides,
    /// Whether the question is about requests that this rule is about.
    pub(super) is_focus: bool,
}

/// Whether encoded slashes count, the patterns that the paths are in, and those that tell them apart.
type PathsAsked = (bool, Vec<String>, Vec<String>);

/// The rules.
#[derive(Debug, Default)]
pub(super) struct Universe<'p> {
    pub(super) members: Vec<Member<'p>>,
    /// A path of each class that was asked for: ports and destinations ask the same again.
    pub(super) paths: RefCell<HashMap<PathsAsked, Rc<[String]>>>,
    sides: u32,
}

impl<'p> Universe<'p> {
    /// A policy without rules. At most eight.
    pub(super) fn side(&mut self) -> Side {
        debug_assert!((self.sides as usize) < MAX_POLICIES);
        self.sides += 1;
        Side(self.sides - 1)
    }

    /// Adds one rule to `sides`.
    pub(super) fn add(&mut self, key: &'p str, rule: &'p Rule, sides: &[Side], is_focus: bool) {
        let sides = sides.iter().fold(Sides::default(), |all, side| all.with(*side));
        self.members.push(Member { key, rule, sides, is_focus });
    }

    /// Adds the rules of a policy to `sides`.
    pub(super) fn add_policy(&mut self, policy: &'p Policy, sides: &[Side]) {
        for (key, rule) in &policy.network_policies {
            self.add(key.as_str(), rule, sides, false);
        }
    }

    /// The sides that allow a request with this profile.
    pub(super) fn allowed(&self, profile: Profile, kind: Kind) -> Sides {
        (0..self.sides)
            .map(Side)
            .filter(|side| profile.facts(*side).allow(kind))
            .fold(Sides::default(), Sides::with)
    }
}

/// What kind of request is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Kind {
    /// A stream that is not read.
    Opaque,
    /// A request whose query is read with certainty.
    Http,
    /// A request whose query has no single reading.
    Unclear,
    /// A request that becomes a WebSocket, whose query is read with certainty.
    Upgrade,
    /// One whose query has no single reading.
    UnclearUpgrade,
}

impl Kind {
    /// Whether the query has no single reading.
    pub(super) fn is_unclear(self) -> bool {
        matches!(self, Self::Unclear | Self::UnclearUpgrade)
    }

    /// Whether the request becomes a WebSocket.
    pub(super) fn is_upgrade(self) -> bool {
        matches!(self, Self::Upgrade | Self::UnclearUpgrade)
    }

    /// The same request, as one that becomes a WebSocket.
    pub(super) fn upgraded(self) -> Self {
        if self.is_unclear() { Self::UnclearUpgrade } else { Self::Upgrade }
    }
}

/// What the rules of one policy that a caller hits say about one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Facts(u8);

impl Facts {
    /// An L4 endpoint allows the destination.
    pub(super) const L4: Self = Self(1);
    /// There is an inspected endpoint.
    pub(super) const L7: Self = Self(1 << 1);
    /// An inspected endpoint that is about the path allows the request and the destination.
    pub(super) const ALLOWS: Self = Self(1 << 2);
    /// An inspected endpoint denies the request.
    pub(super) const DENIES: Self = Self(1 << 3);
    /// An inspected endpoint is about the path and audits.
    pub(super) const AUDITS: Self = Self(1 << 4);
    /// An inspected endpoint is about the path and enforces.
    pub(super) const ENFORCES: Self = Self(1 << 5);
    /// An inspected endpoint that is about the path allows the destination.
    pub(super) const ABOUT: Self = Self(1 << 6);
    /// An inspected endpoint reads queries.
    pub(super) const READS_QUERIES: Self = Self(1 << 7);

    pub(super) fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// `other`, if `holds`.
    pub(super) fn when(self, holds: bool) -> Self {
        if holds { self } else { Self(0) }
    }

    /// The facts without those that cannot matter any more, whatever else is said. Fewer combinations of callers
    /// are left to be told apart.
    fn settled(self, kind: Kind) -> Self {
        if !self.has(Self::L7) {
            return self;
        }
        let denied = Self::L7.and(Self::DENIES).and(Self::ENFORCES);
        let is_unclear = kind.is_unclear() && self.has(Self::READS_QUERIES);
        if kind == Kind::Opaque || is_unclear || self.has(denied) {
            return if kind.is_unclear() { denied.and(Self::READS_QUERIES) } else { denied };
        }
        let mut moot = Self::L4.0;
        if !kind.is_unclear() {
            moot |= Self::READS_QUERIES.0;
        }
        if self.has(Self::DENIES) {
            moot |= Self::ALLOWS.0;
        }
        // An audit lets no request become a WebSocket.
        if self.has(Self::ENFORCES) || kind.is_upgrade() {
            moot |= Self::AUDITS.0 | Self::ABOUT.0;
        }
        Self(self.0 & !moot)
    }

    /// The verdict (`domain.md` §3), allowed or audited.
    fn allow(self, kind: Kind) -> bool {
        if !self.has(Self::L7) {
            return self.has(Self::L4);
        }
        if kind == Kind::Opaque || (kind.is_unclear() && self.has(Self::READS_QUERIES)) {
            return false;
        }
        let allowed = self.has(Self::ALLOWS) && !self.has(Self::DENIES);
        if kind.is_upgrade() {
            return allowed;
        }
        let audited = self.has(Self::AUDITS) && !self.has(Self::ENFORCES) && self.has(Self::ABOUT);
        allowed || audited
    }
}

/// The facts of every policy of a comparison, side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Profile(u64);

impl Profile {
    /// One bit for each of `sides`, where the facts of that side begin.
    pub(super) fn spread(sides: Sides) -> Self {
        let bit = |side: u32| u64::from((sides.0 >> side) & 1) << (8 * side);
        Self((0..8).map(bit).fold(0, |all, one| all | one))
    }

    /// `facts` in each side of a spread.
    pub(super) fn of(self, facts: Facts) -> Self {
        Self(self.0 * u64::from(facts.0))
    }

    /// What several callers of one chain say together.
    pub(super) fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The profile without what cannot matter any more.
    pub(super) fn settled(self, kind: Kind) -> Self {
        let settled = |at: u32| u64::from(self.facts(Side(at)).settled(kind).0) << (8 * at);
        Self((0..8).map(settled).fold(0, |all, one| all | one))
    }

    pub(super) fn facts(self, side: Side) -> Facts {
        Facts(u8::try_from((self.0 >> (8 * side.0)) & 0xff).unwrap_or_default())
    }
}
