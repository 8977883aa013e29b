//! Every class of requests that a focus rule is about, looked at once.
//!
//! Host, port, destination, path, method, query and caller are divided into classes; a cell is one combination
//! of them, and all requests of a cell get the same verdict from every policy. Outside of what an enforcing
//! focus rule allows there is nothing to tell apart: it can only turn a tunnel into an inspected connection
//! there, so one request and one stream stand for all.

use std::collections::HashSet;
use std::rc::Rc;

use super::classes::classes;
use super::destinations::Destination;
use super::queries::{Clauses, QueryClass};
use super::scene::{Active, Caller, Clause, Scene, scenes};
use super::universe::{Facts, Kind, Profile, Side, Sides, Universe};
use super::{Budget, TooComplex, Witness, space};
use crate::policy::pattern::Pattern;

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

/// A class of requests, whoever makes them.
struct Point {
    kind: Kind,
    method: String,
    path: String,
    query: Option<String>,
    /// What each rule says of it, by slot.
    facts: Vec<Facts>,
    parts: Vec<(usize, Part)>,
}

/// A path with what the endpoints say of it.
struct Spot<'s, 'p> {
    path: &'s str,
    facts: Vec<Facts>,
    parts: Vec<(usize, Part)>,
    /// The clauses whose path it is; an allow has its place in its endpoint.
    said: Vec<(&'s Active<'p>, &'s Clause<'p>, Option<usize>)>,
}

/// A query without a single reading.
const UNCLEAR: &str = "%";

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
    fn is_focus(&self, active: &Active<'_>) -> bool {
        let member = self.scene.members.get(active.slot).and_then(|at| self.universe.members.get(*at));
        member.is_some_and(|member| member.is_focus)
    }

    /// The requests to look at for one focus endpoint.
    fn points(&self, focus: Option<&Active<'p>>, budget: &mut Budget) -> Result<Vec<Point>, TooComplex> {
        let mut points = vec![self.stream()];
        let Some(focus) = focus.filter(|active| active.endpoint.is_l7()) else { return Ok(points) };
        let tells_everywhere =
            |active: &Active<'_>| active.audits() || (self.is_focus(active) && !active.denies.is_empty());
        if self.scene.endpoints.iter().any(tells_everywhere) {
            self.requests(&[], None, budget, &mut points)?;
            return Ok(points);
        }
        for allow in &focus.allows {
            let mut required: Vec<&Pattern> = focus.scope().into_iter().collect();
            required.push(&allow.path);
            self.requests(&required, Some(allow), budget, &mut points)?;
        }
        points.extend(self.elsewhere(budget)?);
        if self.scene.endpoints.iter().any(|active| self.is_focus(active) && active.reads_queries()) {
            self.unclear(budget, &mut points)?;
        }
        Ok(points)
    }

    fn stream(&self) -> Point {
        Point {
            kind: Kind::Opaque,
            method: String::new(),
            path: String::new(),
            query: None,
            facts: self.facts.clone(),
            parts: self.opaque_parts(),
        }
    }

    /// The L4 endpoints of focus rules that allow the destination.
    fn opaque_parts(&self) -> Vec<(usize, Part)> {
        let opaque = self.scene.endpoints.iter().filter(|active| {
            !active.endpoint.is_l7() && self.is_focus(active) && self.destination.is_allowed_by(active.list)
        });
        opaque.filter_map(|active| Some((active.slot, self.part(active, Share::Stream)?))).collect()
    }

    fn part(&self, active: &Active<'_>, share: Share) -> Option<Part> {
        let member = *self.scene.members.get(active.slot)?;
        Some(Part { member, endpoint: active.at, share })
    }

    /// A part, if a focus rule asks for it.
    fn asked(&self, active: &Active<'_>, share: Share) -> Option<(usize, Part)> {
        let part = self.part(active, share).filter(|_| self.is_focus(active));
        part.map(|part| (active.slot, part))
    }

    /// Every class of requests with a path in all of `required` and a method of `allow`.
    fn requests(
        &self,
        required: &[&Pattern],
        allow: Option<&Clause<'p>>,
        budget: &mut Budget,
        points: &mut Vec<Point>,
    ) -> Result<(), TooComplex> {
        for path in self.paths(required, budget)?.iter() {
            let spot = self.spot(path, budget)?;
            for method in self.methods(allow) {
                self.queries(&spot, &method, budget, points)?;
            }
        }
        Ok(())
    }

    /// A path of every class of those in all of `required`.
    fn paths(&self, required: &[&Pattern], budget: &mut Budget) -> Result<Rc<[String]>, TooComplex> {
        let inspected = || self.scene.endpoints.iter().filter(|active| active.endpoint.is_l7());
        let mut seen = HashSet::new();
        let told: Vec<&Pattern> = inspected()
            .flat_map(Active::paths)
            .filter(|path| path.text() != "**" && required.iter().all(|r| may_share_path(r, path)))
            .filter(|path| seen.insert(path.text().to_owned()))
            .collect();
        let takes_slashes = inspected().any(|active| active.endpoint.allow_encoded_slash);
        let known = (takes_slashes, texts(required), texts(&told));
        if let Some(paths) = self.universe.paths.borrow().get(&known) {
            return Ok(paths.clone());
        }
        let mut paths = classes(&space::PATHS, required, &told, budget)?;
        if takes_slashes {
            paths.extend(classes(&space::SLASHED_PATHS, required, &told, budget)?);
        }
        let paths: Rc<[String]> = paths.into_iter().map(|class| class.witness).collect();
        self.universe.paths.borrow_mut().insert(known, Rc::clone(&paths));
        Ok(paths)
    }

    /// The methods of `allow`, or all that are told apart: those that are named, and one that is not.
    fn methods(&self, allow: Option<&Clause<'p>>) -> Vec<String> {
        if let Some(allow) = allow.filter(|allow| !allow.is_any_method()) {
            return allow.methods().iter().map(|method| (*method).to_owned()).collect();
        }
        let clauses =
            self.scene.endpoints.iter().flat_map(|active| active.allows.iter().chain(&active.denies));
        let mut named: Vec<String> =
            clauses.flat_map(|clause| clause.methods().iter().map(|m| (*m).to_owned())).collect();
        // A rule for any method lets GET become a WebSocket, whether or not another one names GET.
        named.push("GET".to_owned());
        named.sort();
        named.dedup();
        let mut other = "OTHER".to_owned();
        while named.contains(&other) {
            other.push('X');
        }
        // The one that is not named comes first: whatever it shows, it shows for most methods.
        named.insert(0, other);
        named
    }

    /// The requests with this path and method, by their queries.
    fn queries(
        &self,
        spot: &Spot<'_, 'p>,
        method: &str,
        budget: &mut Budget,
        points: &mut Vec<Point>,
    ) -> Result<(), TooComplex> {
        let mut clauses = Clauses::default();
        let said = spot.said.iter().filter(|(_, clause, _)| clause.has_method(method));
        for written in said.filter_map(|(_, clause, _)| clause.written) {
            clauses.add(written);
        }
        for class in clauses.classes(budget)? {
            budget.spend(1 + (spot.facts.len() + spot.said.len()) / 32)?;
            points.extend(self.both(Kind::Http, method, spot, (&clauses, &class)));
        }
        let inspected = self.scene.endpoints.iter().filter(|active| active.endpoint.is_l7());
        if inspected.into_iter().any(Active::reads_queries) {
            points.extend(self.both(Kind::Unclear, method, spot, (&clauses, &QueryClass::default())));
        }
        Ok(())
    }

    /// A request, and where it is GET the same as one that becomes a WebSocket.
    fn both(
        &self,
        kind: Kind,
        method: &str,
        spot: &Spot<'_, 'p>,
        query: (&Clauses<'p>, &QueryClass<'p>),
    ) -> impl Iterator<Item = Point> {
        let plain = self.request(kind, method, spot, query);
        let upgrade = (method == "GET").then(|| self.request(kind.upgraded(), method, spot, query));
        std::iter::once(plain).chain(upgrade)
    }

    /// Requests whose query has no single reading, everywhere: a focus rule that reads queries denies them all,
    /// also those that other rules allow.
    fn unclear(&self, budget: &mut Budget, points: &mut Vec<Point>) -> Result<(), TooComplex> {
        let none = (&Clauses::default(), &QueryClass::default());
        for path in self.paths(&[], budget)?.iter() {
            let spot = self.spot(path, budget)?;
            for method in self.methods(None) {
                budget.spend(1 + spot.facts.len() / 32)?;
                points.extend(self.both(Kind::Unclear, &method, &spot, none));
            }
        }
        Ok(())
    }

    /// One request that no focus rule allows, if there is one.
    fn elsewhere(&self, budget: &mut Budget) -> Result<Option<Point>, TooComplex> {
        let focus = || self.scene.endpoints.iter().filter(|active| self.is_focus(active));
        let paths: Vec<&Pattern> = focus().flat_map(Active::paths).collect();
        let methods = self.methods(None);
        for class in classes(&space::PATHS, &[], &paths, budget)? {
            for method in &methods {
                let allows = |active: &Active<'_>| {
                    active.allows.iter().any(|clause| {
                        clause.has_method(method)
                            && clause.path.matches(&class.witness)
                            && !clause.reads_queries()
                    }) && active.is_about(&class.witness)
                };
                if !focus().any(allows) {
                    let none = (&Clauses::default(), &QueryClass::default());
                    let spot = self.spot(&class.witness, budget)?;
                    return Ok(Some(self.request(Kind::Http, method, &spot, none)));
                }
            }
        }
        Ok(None)
    }

    /// What the endpoints say of a path, whatever the method.
    fn spot<'s>(&'s self, path: &'s str, budget: &mut Budget) -> Result<Spot<'s, 'p>, TooComplex> {
        let mut spot = Spot { path, facts: self.facts.clone(), parts: self.opaque_parts(), said: Vec::new() };
        for active in self.scene.endpoints.iter().filter(|active| active.endpoint.is_l7()) {
            budget.spend(1 + (active.allows.len() + active.denies.len()) / 8)?;
            let has_destination = self.destination.is_allowed_by(active.list);
            if active.is_about(path) {
                let mut said = if active.audits() { Facts::AUDITS } else { Facts::ENFORCES };
                said = said.and(Facts::ABOUT.when(has_destination));
                if let Some(slot) = spot.facts.get_mut(active.slot) {
                    *slot = slot.and(said);
                }
                if active.audits() && has_destination {
                    spot.parts.extend(self.asked(active, Share::Audit));
                }
                let allows = active.allows.iter().enumerate().filter(|(_, c)| c.path.matches(path));
                let has_it = |_: &(usize, &Clause<'p>)| has_destination;
                spot.said.extend(allows.filter(has_it).map(|(at, clause)| (active, clause, Some(at))));
            }
            let denies = active.denies.iter().filter(|clause| clause.path.matches(path));
            spot.said.extend(denies.map(|clause| (active, clause, None)));
        }
        Ok(spot)
    }

    fn request(
        &self,
        kind: Kind,
        method: &str,
        spot: &Spot<'_, 'p>,
        (clauses, query): (&Clauses<'p>, &QueryClass<'p>),
    ) -> Point {
        let is_upgrade = kind.is_upgrade();
        let (mut facts, mut parts) = (spot.facts.clone(), spot.parts.clone());
        parts.retain(|(_, part)| !is_upgrade || part.share != Share::Audit);
        // A preset lets no request become a WebSocket.
        let counts = |clause: &Clause<'_>| !is_upgrade || clause.written.is_some();
        for (active, clause, allow) in spot.said.iter().filter(|(_, clause, _)| clause.has_method(method)) {
            let holds = clause.written.is_none_or(|written| match allow {
                Some(_) => clauses.allows(query, written),
                None => clauses.denies(query, written),
            });
            let slot = facts.get_mut(active.slot).filter(|_| holds && counts(clause));
            let Some(slot) = slot else { continue };
            *slot = slot.and(if allow.is_some() { Facts::ALLOWS } else { Facts::DENIES });
            let share = if is_upgrade { Share::Upgrade } else { Share::Allow };
            parts.extend(allow.and_then(|at| self.asked(active, share(at))));
        }
        let query = if kind.is_unclear() { Some(UNCLEAR.to_owned()) } else { query.witness() };
        Point { kind, method: method.to_owned(), path: spot.path.to_owned(), query, facts, parts }
    }

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

fn texts(patterns: &[&Pattern]) -> Vec<String> {
    patterns.iter().map(|pattern| pattern.text().to_owned()).collect()
}

/// No is certain, yes is not.
fn may_share_path(a: &Pattern, b: &Pattern) -> bool {
    let (a, b) = (a.literal_prefix(), b.literal_prefix());
    a.starts_with(b) || b.starts_with(a)
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
