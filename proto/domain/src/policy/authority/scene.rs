//! One host and port with everything that is said about them: the endpoints, and the callers they tell apart.

use std::net::IpAddr;

use super::classes::classes;
use super::destinations::{Destination, ListRef, Lists};
use super::universe::{Facts, Profile, Universe};
use super::{Budget, TooComplex, space};
use crate::policy::address::{BLOCKED_NAMES, always_blocked};
use crate::policy::host::Host;
use crate::policy::pattern::{Pattern, Separator};
use crate::policy::{Access, Endpoint, Enforcement, RequestPattern};

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

/// An endpoint that is for the host and port of a scene.
pub(super) struct Active<'p> {
    /// Whose it is: a place in [`Scene::members`].
    pub(super) slot: usize,
    /// Its place in its rule.
    pub(super) at: usize,
    pub(super) endpoint: &'p Endpoint,
    pub(super) list: ListRef,
    scope: Option<Pattern>,
    pub(super) allows: Vec<Clause<'p>>,
    pub(super) denies: Vec<Clause<'p>>,
}

/// An allow or deny rule, or one method of a preset.
pub(super) struct Clause<'p> {
    method: &'p str,
    pub(super) path: Pattern,
    /// The rule as it was written; `None` for a preset, which has no query.
    pub(super) written: Option<&'p RequestPattern>,
}

/// A class of programs.
pub(super) struct Caller {
    pub(super) binary: String,
    /// The rules that it hits: places in [`Scene::members`].
    pub(super) slots: Vec<usize>,
    /// Which binaries of the focus rules it is: slot, and place in the rule's list.
    pub(super) asked: Vec<(usize, usize)>,
}

impl<'p> Clause<'p> {
    fn new(pattern: &'p RequestPattern) -> Result<Self, TooComplex> {
        Ok(Self { method: &pattern.method, path: path_pattern(&pattern.path)?, written: Some(pattern) })
    }

    fn preset(method: &'static str) -> Result<Self, TooComplex> {
        Ok(Self { method, path: path_pattern("**")?, written: None })
    }

    /// `*` is any; `GET` stands for `HEAD` too.
    pub(super) fn has_method(&self, method: &str) -> bool {
        self.method == "*" || self.method == method || (self.method == "GET" && method == "HEAD")
    }

    /// The methods that it names.
    pub(super) fn methods(&self) -> &[&'p str] {
        match self.method {
            "*" => &[],
            "GET" => &["GET", "HEAD"],
            _ => std::slice::from_ref(&self.method),
        }
    }

    pub(super) fn is_any_method(&self) -> bool {
        self.method == "*"
    }

    pub(super) fn reads_queries(&self) -> bool {
        self.written.is_some_and(|pattern| !pattern.query.is_empty())
    }
}

fn path_pattern(text: &str) -> Result<Pattern, TooComplex> {
    Pattern::compile(text, Separator::Slash).map_err(|_| TooComplex)
}

impl<'p> Active<'p> {
    fn new(slot: usize, at: usize, endpoint: &'p Endpoint, list: ListRef) -> Result<Self, TooComplex> {
        let written = endpoint.rules.iter().map(|rule| Clause::new(&rule.allow));
        let preset = endpoint.access.map(Access::methods).unwrap_or_default();
        let scope = (!endpoint.path.is_empty()).then(|| path_pattern(&endpoint.path)).transpose()?;
        Ok(Self {
            slot,
            at,
            endpoint,
            list,
            scope,
            allows: written
                .chain(preset.iter().map(|method| Clause::preset(method)))
                .collect::<Result<_, _>>()?,
            denies: endpoint.deny_rules.iter().map(Clause::new).collect::<Result<_, _>>()?,
        })
    }

    /// Whether the endpoint is about `path`.
    pub(super) fn is_about(&self, path: &str) -> bool {
        (self.endpoint.allow_encoded_slash || !path.contains("%2F"))
            && self.scope.as_ref().is_none_or(|scope| scope.matches(path))
    }

    pub(super) fn audits(&self) -> bool {
        self.endpoint.is_l7() && self.endpoint.enforcement == Some(Enforcement::Audit)
    }

    pub(super) fn scope(&self) -> Option<&Pattern> {
        self.scope.as_ref()
    }

    /// Every path pattern in it.
    pub(super) fn paths(&self) -> impl Iterator<Item = &Pattern> {
        self.scope.iter().chain(self.allows.iter().chain(&self.denies).map(|clause| &clause.path))
    }

    pub(super) fn reads_queries(&self) -> bool {
        self.allows.iter().chain(&self.denies).any(Clause::reads_queries)
    }

    /// What it says of every request to `destination`, whatever the path.
    fn facts(&self, destination: &Destination) -> Facts {
        if !self.endpoint.is_l7() {
            return Facts::L4.when(destination.is_allowed_by(self.list));
        }
        Facts::L7.and(Facts::READS_QUERIES.when(self.reads_queries()))
    }
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
