//! The requests at one host, port and destination that the rules there tell apart, whoever makes them.

use std::collections::HashSet;
use std::rc::Rc;

use super::super::classes::classes;
use super::super::queries::{Clauses, QueryClass};
use super::super::scene::{Active, Clause};
use super::super::universe::{Facts, Kind};
use super::super::{Budget, TooComplex, space};
use super::{Part, Share, View};
use crate::policy::pattern::Pattern;

/// A class of requests, whoever makes them.
pub(super) struct Point {
    pub(super) kind: Kind,
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: Option<String>,
    /// What each rule says of it, by slot.
    pub(super) facts: Vec<Facts>,
    pub(super) parts: Vec<(usize, Part)>,
}

/// A path with what the endpoints say of it.
struct Spot<'s, 'p> {
    path: &'s str,
    facts: Vec<Facts>,
    parts: Vec<(usize, Part)>,
    /// The clauses whose path it is; an allow has its place in its endpoint.
    said: Vec<(&'s Active<'p>, &'s Clause<'p>, Option<usize>)>,
}

/// What stands for all methods that no rule names, the first that none does: one that people know. Not HEAD, which is
/// allowed where GET is.
const UNNAMED: [&str; 5] = ["DELETE", "POST", "PUT", "PATCH", "OPTIONS"];

/// The same where rules name all of those: says of itself what it stands for.
const MADE_UP: &str = "ANY-OTHER-METHOD";

/// A query without a single reading.
const UNCLEAR: &str = "%";

impl<'p> View<'_, 'p> {
    fn is_focus(&self, active: &Active<'_>) -> bool {
        let member = self.scene.members.get(active.slot).and_then(|at| self.universe.members.get(*at));
        member.is_some_and(|member| member.is_focus)
    }

    /// The requests to look at for one focus endpoint.
    pub(super) fn points(
        &self,
        focus: Option<&Active<'p>>,
        budget: &mut Budget,
    ) -> Result<Vec<Point>, TooComplex> {
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
        let known = UNNAMED.into_iter().find(|method| !named.iter().any(|other| other == method));
        let mut other = known.unwrap_or(MADE_UP).to_owned();
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
}

fn texts(patterns: &[&Pattern]) -> Vec<String> {
    patterns.iter().map(|pattern| pattern.text().to_owned()).collect()
}

/// No is certain, yes is not.
fn may_share_path(a: &Pattern, b: &Pattern) -> bool {
    let (a, b) = (a.literal_prefix(), b.literal_prefix());
    a.starts_with(b) || b.starts_with(a)
}
