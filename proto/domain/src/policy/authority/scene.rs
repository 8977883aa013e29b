//! One host and port with everything that is said about them: the endpoints, and the callers they tell apart.

mod active;

use std::net::IpAddr;

use super::classes::classes;
use super::destinations::{Destination, Lists};
use super::universe::{Facts, Profile, Universe};
use super::{Budget, TooComplex, space};
use crate::policy::Endpoint;
use crate::policy::address::{BLOCKED_NAMES, always_blocked};
use crate::policy::host::Host;
use crate::policy::pattern::{Pattern, Separator};
pub(super) use active::{Active, Clause};

/// A host and a port.
pub(super) struct Scene<'p> {
    pub(super) host: String,
    pub(super) address: Option<IpAddr>,
    pub(super) port: u16,
    /// The rules with an endpoint here, by their place in the universe, ascending.
    pub(super) members: Vec<usize>,
    pub(super) endpoints: Vec<Active<'p>>,
    pub(super) lists: Lists<'p>,
    /// The callers that the rules here tell apart.
    pub(super) callers: Vec<Caller>,
    /// How many rules all callers hit together.
    pub(super) slots: usize,
    /// What a fact of each rule is multiplied with, by slot.
    spreads: Vec<Profile>,
}

/// A class of programs.
pub(super) struct Caller {
    pub(super) binary: String,
    /// The rules that it hits: places in [`Scene::members`].
    pub(super) slots: Vec<usize>,
    /// Which binaries of the focus rules it is: slot, and place in the rule's list.
    pub(super) asked: Vec<(usize, usize)>,
}

/// The scenes of one endpoint: every host of it that the other endpoints tell apart, at every port.
pub(super) fn scenes<'p>(
    universe: &Universe<'p>,
    focus: &'p Endpoint,
    budget: &mut Budget,
) -> Result<Vec<Scene<'p>>, TooComplex> {
    let mut scenes = Vec::new();
    for port in focus.ports.iter().copied() {
        let candidates = candidates(universe, focus, port)?;
        for host in hosts(focus, &candidates, budget)? {
            scenes.push(Scene::new(universe, &candidates, host, port, budget)?);
        }
    }
    Ok(scenes)
}

/// An endpoint that may be for a host of the focus: its rule, its place there, and its host.
type Candidate<'p> = (usize, usize, &'p Endpoint, Option<Pattern>);

fn candidates<'p>(
    universe: &Universe<'p>,
    focus: &Endpoint,
    port: u16,
) -> Result<Vec<Candidate<'p>>, TooComplex> {
    let mut found = Vec::new();
    for (member, rule) in universe.members.iter().map(|member| member.rule).enumerate() {
        let here = rule.endpoints.iter().enumerate().filter(|(_, endpoint)| endpoint.ports.contains(&port));
        for (at, endpoint) in here {
            if may_share_host(&focus.host, &endpoint.host)? {
                found.push((member, at, endpoint, host_pattern(endpoint)?));
            }
        }
    }
    Ok(found)
}

fn host_pattern(endpoint: &Endpoint) -> Result<Option<Pattern>, TooComplex> {
    (!endpoint.host.is_empty()).then(|| name_pattern(&endpoint.host)).transpose()
}

fn name_pattern(text: &str) -> Result<Pattern, TooComplex> {
    Pattern::compile(text, Separator::Dot).map_err(|_| TooComplex)
}

/// No is certain, yes is not.
fn may_share_host(a: &str, b: &str) -> Result<bool, TooComplex> {
    let is_glob = crate::policy::pattern::is_glob;
    let matches = |pattern: &str, text: &str| {
        Pattern::compile(pattern, Separator::Dot).map(|pattern| pattern.matches(text)).map_err(|_| TooComplex)
    };
    if a.is_empty() || b.is_empty() {
        return Ok(true);
    }
    match (is_glob(a), is_glob(b)) {
        (false, false) => Ok(a == b),
        (true, false) => matches(a, b),
        (false, true) => matches(b, a),
        (true, true) => Ok(true),
    }
}

/// The hosts of the focus that the candidates tell apart, without those that are never reachable: they are told
/// apart as well, or a host that is would stand for others that are not.
///
/// A shortest name of a class may be no name that IDNA knows, as behind `xn--`. Then nothing is said of the class.
fn hosts(
    focus: &Endpoint,
    candidates: &[Candidate<'_>],
    budget: &mut Budget,
) -> Result<Vec<(String, Option<IpAddr>)>, TooComplex> {
    let required = host_pattern(focus)?;
    let patterns: Vec<&Pattern> = candidates.iter().filter_map(|(_, _, _, host)| host.as_ref()).collect();
    let required: Vec<&Pattern> = required.iter().collect();
    let blocked: Vec<Pattern> =
        BLOCKED_NAMES.iter().map(|name| name_pattern(name)).collect::<Result<_, _>>()?;
    let told: Vec<&Pattern> = patterns.iter().copied().chain(&blocked).collect();
    let names = classes(&space::NAMES, &required, &told, budget)?;
    let open = names.into_iter().filter(|class| class.matched.iter().all(|at| *at < patterns.len()));
    let mut hosts: Vec<String> = open.map(|class| class.witness).collect();
    let literals = patterns.iter().filter(|pattern| pattern.is_literal()).map(|pattern| pattern.text());
    for literal in literals.filter(|text| text.parse::<IpAddr>().is_ok()) {
        if required.iter().all(|pattern| pattern.matches(literal)) && !hosts.iter().any(|h| h == literal) {
            hosts.push(literal.to_owned());
        }
    }
    let mut reachable = Vec::with_capacity(hosts.len());
    for text in hosts {
        let host = Host::parse(&text).map_err(|_| TooComplex)?;
        if always_blocked(&host).is_none() {
            reachable.push((text, host.address()));
        }
    }
    Ok(reachable)
}

impl<'p> Scene<'p> {
    fn new(
        universe: &Universe<'p>,
        candidates: &[Candidate<'p>],
        (host, address): (String, Option<IpAddr>),
        port: u16,
        budget: &mut Budget,
    ) -> Result<Self, TooComplex> {
        let is_for =
            |pattern: &Option<Pattern>| pattern.as_ref().is_none_or(|pattern| pattern.matches(&host));
        let here: Vec<&Candidate<'p>> = candidates.iter().filter(|(_, _, _, host)| is_for(host)).collect();
        let mut members: Vec<usize> = here.iter().map(|(member, ..)| *member).collect();
        members.dedup();
        let mut lists = Lists::default();
        let mut endpoints = Vec::with_capacity(here.len());
        for (member, at, endpoint, _) in here {
            let list = lists.of(endpoint, port)?;
            let slot = members.binary_search(member).map_err(|_| TooComplex)?;
            endpoints.push(Active::new(slot, *at, endpoint, list)?);
        }
        let callers = callers(universe, &members, budget)?;
        let slots = callers.iter().map(|caller| caller.slots.len()).sum();
        let sides = |at: &usize| universe.members.get(*at).map(|member| member.sides).unwrap_or_default();
        let spreads = members.iter().map(|at| Profile::spread(sides(at))).collect();
        Ok(Self { host, address, port, members, endpoints, lists, callers, slots, spreads })
    }

    /// What each rule says of every request to `destination`, whatever the path; by slot.
    pub(super) fn facts(&self, destination: &Destination) -> Vec<Facts> {
        let mut facts = vec![Facts::default(); self.members.len()];
        for active in &self.endpoints {
            if let Some(slot) = facts.get_mut(active.slot) {
                *slot = slot.and(active.facts(destination));
            }
        }
        facts
    }

    /// What a caller's rules say together.
    pub(super) fn profile(&self, caller: &Caller, facts: &[Facts]) -> Profile {
        let said = caller.slots.iter().filter_map(|slot| facts.get(*slot).zip(self.spreads.get(*slot)));
        said.fold(Profile::default(), |profile, (facts, spread)| profile.and(spread.of(*facts)))
    }
}

/// The classes of programs that the binaries of these rules tell apart.
fn callers(
    universe: &Universe<'_>,
    members: &[usize],
    budget: &mut Budget,
) -> Result<Vec<Caller>, TooComplex> {
    let rules = || members.iter().filter_map(|at| universe.members.get(*at)).enumerate();
    let mut texts: Vec<&str> = Vec::new();
    let mut owners: std::collections::HashMap<&str, Vec<(usize, usize, bool)>> = Default::default();
    for (slot, member) in rules() {
        for (at, binary) in member.rule.binaries.iter().enumerate() {
            let owned = owners.entry(&binary.path).or_default();
            if owned.is_empty() {
                texts.push(&binary.path);
            }
            owned.push((slot, at, member.is_focus));
        }
    }
    let compile = |text: &&str| Pattern::compile(text, Separator::Slash).map_err(|_| TooComplex);
    let patterns: Vec<Pattern> = texts.iter().map(compile).collect::<Result<_, _>>()?;
    let found = classes(&space::BINARIES, &[], &patterns.iter().collect::<Vec<_>>(), budget)?;
    Ok(found
        .into_iter()
        .filter(|class| !class.matched.is_empty())
        .map(|class| {
            let matched = class.matched.iter().filter_map(|at| texts.get(*at));
            let owned: Vec<(usize, usize, bool)> =
                matched.filter_map(|text| owners.get(text)).flatten().copied().collect();
            let mut slots: Vec<usize> = owned.iter().map(|(slot, ..)| *slot).collect();
            slots.sort_unstable();
            slots.dedup();
            let mut asked: Vec<(usize, usize)> =
                owned.iter().filter(|(.., focus)| *focus).map(|(slot, at, _)| (*slot, *at)).collect();
            asked.sort_unstable();
            Caller { binary: class.witness, slots, asked }
        })
        .collect())
}
