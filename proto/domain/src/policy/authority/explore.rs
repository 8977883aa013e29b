//! Every class of requests that a focus rule is about, looked at once.
//!
//! Host, port, destination, path, method, query and caller are divided into classes; a cell is one combination
//! of them, and all requests of a cell get the same verdict from every policy. Outside of what an enforcing
//! focus rule allows there is nothing to tell apart: it can only turn a tunnel into an inspected connection
//! there, so one request and one stream stand for all.

mod points;

use std::collections::HashSet;

use super::destinations::Destination;
use super::scene::{Active, Caller, Scene, scenes};
use super::universe::{Facts, Kind, Profile, Side, Sides, Universe};
use super::{Budget, TooComplex, Witness};
use points::Point;

/// Part of a focus rule: a share of one endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Part {
    pub(super) member: usize,
    pub(super) endpoint: usize,
    pub(super) share: Share,
}

/// What of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Share {
    /// All of an L4 endpoint.
    Stream,
    /// The allow rule at this place.
    Allow(usize),
    /// All that an endpoint is about because it only audits.
    Audit,
    /// The WebSockets of the allow rule at this place.
    Upgrade(usize),
}

/// A part of a focus rule for one port and one binary of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Ask {
    pub(super) part: Part,
    pub(super) port: u16,
    pub(super) binary: usize,
}

/// A class of requests with the verdicts of all sides.
pub(super) struct Cell<'c, 'p> {
    /// Who allows it.
    pub(super) allowed: Sides,
    pub(super) kind: Kind,
    /// The asks that it is part of.
    pub(super) asks: Vec<Ask>,
    view: &'c View<'c, 'p>,
    point: &'c Point,
    callers: Vec<&'c Caller>,
}

/// A scene with one class of destinations.
struct View<'c, 'p> {
    /// The host of the focus endpoint.
    focus_host: &'p str,
    universe: &'c Universe<'p>,
    scene: &'c Scene<'p>,
    destination: &'c Destination,
    facts: Vec<Facts>,
}

/// The most combinations of callers that are told apart for one request.
const MAX_CHAINS: usize = 512;

/// Visits every cell.
///
/// # Errors
/// [`TooComplex`] when the budget is spent.
pub(super) fn explore<'p>(
    universe: &Universe<'p>,
    budget: &mut Budget,
    visit: &mut dyn FnMut(&Cell<'_, 'p>),
) -> Result<(), TooComplex> {
    for member in universe.members.iter().filter(|member| member.is_focus) {
        for (at, focus) in member.rule.endpoints.iter().enumerate() {
            for scene in scenes(universe, focus, budget)? {
                for destination in &scene.lists.destinations(scene.address, budget)? {
                    let facts = scene.facts(destination);
                    let view = View { focus_host: &focus.host, universe, scene: &scene, destination, facts };
                    let is_it =
                        |active: &&Active<'_>| active.at == at && std::ptr::eq(active.endpoint, focus);
                    for point in view.points(scene.endpoints.iter().find(is_it), budget)? {
                        view.cells(&point, budget, visit)?;
                    }
                }
            }
        }
    }
    Ok(())
}

impl<'p> View<'_, 'p> {
    /// Visits the cells of one request: everybody who may make it, alone and below others.
    fn cells(
        &self,
        point: &Point,
        budget: &mut Budget,
        visit: &mut dyn FnMut(&Cell<'_, 'p>),
    ) -> Result<(), TooComplex> {
        let profiles: Vec<(Profile, &Caller)> = self
            .scene
            .callers
            .iter()
            .map(|caller| (self.scene.profile(caller, &point.facts).settled(point.kind), caller))
            .collect();
        budget.spend(1 + self.scene.slots / 32)?;
        let ancestors = ancestors(&profiles, point.kind)?;
        let mut seen = HashSet::new();
        for (profile, caller) in profiles.iter().filter(|(_, caller)| !caller.asked.is_empty()) {
            if !seen.insert((*profile, &caller.asked)) {
                continue;
            }
            let mut verdicts = HashSet::new();
            for (above, chain) in &ancestors {
                let allowed = self.universe.allowed(profile.and(*above), point.kind);
                if !verdicts.insert(allowed) {
                    continue;
                }
                budget.spend(1)?;
                let callers = std::iter::once(*caller).chain(chain.iter().copied()).collect();
                let asks = self.asks(point, caller);
                visit(&Cell { allowed, kind: point.kind, asks, view: self, point, callers });
            }
        }
        Ok(())
    }

    fn asks(&self, point: &Point, caller: &Caller) -> Vec<Ask> {
        let port = self.scene.port;
        let of = |slot: usize| caller.asked.iter().filter(move |(owner, _)| *owner == slot);
        let asks = point
            .parts
            .iter()
            .flat_map(|(slot, part)| of(*slot).map(|(_, binary)| Ask { part: *part, port, binary: *binary }));
        asks.collect()
    }
}

/// What the ancestors of a caller can add: every combination that makes a difference, the shortest first.
fn ancestors<'c>(
    profiles: &[(Profile, &'c Caller)],
    kind: Kind,
) -> Result<Vec<(Profile, Vec<&'c Caller>)>, TooComplex> {
    let mut seen = HashSet::new();
    let singles: Vec<(Profile, &Caller)> =
        profiles.iter().filter(|(profile, _)| seen.insert(*profile)).copied().collect();
    let mut found: Vec<(Profile, Vec<&Caller>)> = vec![(Profile::default(), Vec::new())];
    let mut known = HashSet::from([Profile::default()]);
    let mut next = 0;
    while let Some((profile, chain)) = found.get(next).cloned() {
        for (more, caller) in &singles {
            let both = profile.and(*more).settled(kind);
            if known.insert(both) {
                let mut chain = chain.clone();
                chain.push(caller);
                found.push((both, chain));
            }
        }
        next += 1;
        if found.len() > MAX_CHAINS {
            return Err(TooComplex);
        }
    }
    Ok(found)
}

impl Cell<'_, '_> {
    /// A request of the cell.
    pub(super) fn witness(&self) -> Witness {
        let is_stream = self.kind == Kind::Opaque;
        Witness {
            chain: self.callers.iter().map(|caller| caller.binary.clone()).collect(),
            host: self.view.scene.host.clone(),
            port: self.view.scene.port,
            addresses: self.view.destination.addresses.clone(),
            method: (!is_stream).then(|| self.point.method.clone()),
            path: self.point.path.clone(),
            query: self.point.query.clone(),
            is_upgrade: self.kind.is_upgrade(),
        }
    }

    /// The host pattern of the focus endpoint.
    pub(super) fn focus_host(&self) -> &str {
        self.view.focus_host
    }

    pub(super) fn port(&self) -> u16 {
        self.view.scene.port
    }

    /// The binaries of focus rules that the asking program is.
    pub(super) fn asked_binaries(&self) -> Vec<String> {
        let asked = self.callers.first().into_iter().flat_map(|caller| &caller.asked);
        let path = |(slot, at): &(usize, usize)| {
            let member = self.view.scene.members.get(*slot)?;
            let rule = self.view.universe.members.get(*member)?.rule;
            rule.binaries.get(*at).map(|binary| binary.path.clone())
        };
        asked.filter_map(path).collect()
    }

    /// The first rule of `side` that says all of `facts` of the cell's requests.
    pub(super) fn rule(&self, side: Side, facts: Facts) -> Option<usize> {
        let scene = self.view.scene;
        let hit = |slot: &usize| self.callers.iter().any(|caller| caller.slots.contains(slot));
        let slots = (0..scene.members.len()).filter(hit);
        let said = slots.filter(|slot| self.point.facts.get(*slot).is_some_and(|said| said.has(facts)));
        said.filter_map(|slot| scene.members.get(slot).copied())
            .find(|at| self.view.universe.members.get(*at).is_some_and(|member| member.sides.has(side)))
    }
}
