//! The requests that are enumerated: every combination of a few texts, each kind reduced to one of those that no
//! pattern in play tells apart.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::LazyLock;

use ipnet::IpNet;
use openshell_domain::policy::authority::Witness;
use openshell_domain::policy::{Access, Policy, RequestPattern};

use crate::glob::matches;
use crate::naive::host_matches;

/// A query and its one reading, if it has one.
pub(super) struct Query {
    pub(super) text: Option<String>,
    pub(super) parsed: Option<BTreeMap<String, Vec<String>>>,
}

/// The texts.
pub(super) struct Atoms {
    pub(super) binaries: Vec<String>,
    pub(super) chains: Vec<Vec<usize>>,
    pub(super) hosts: Vec<String>,
    pub(super) destinations: Vec<Vec<IpAddr>>,
    pub(super) methods: Vec<String>,
    pub(super) paths: Vec<String>,
    pub(super) queries: Vec<Query>,
    /// Which of the paths a pattern matches, for the patterns that were asked about.
    hits: RefCell<HashMap<String, Rc<[bool]>>>,
}

/// Places of method, path and query, and whether the request becomes a WebSocket.
pub(super) type Http = (usize, usize, usize, bool);

/// One request, by places in [`Atoms`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) chain: usize,
    pub(super) host: usize,
    pub(super) port: u16,
    pub(super) destination: usize,
    /// Method, path and query, and whether it becomes a WebSocket.
    pub(super) http: Option<Http>,
}

const BINARIES: [&str; 6] = ["/a", "/b", "/c", "/d/e", "/z", "/y/z"];
const HOSTS: [&str; 6] =
    ["a.example", "b.a.example", "z.a.example", "c.b.a.example", "10.0.0.1", "other.example"];
const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "X", "OTHER", "OPTIONS", "PUT", "DELETE"];
const DESTINATIONS: [&[&str]; 5] = [
    &["93.184.215.14"],
    &["10.0.0.1"],
    &["10.0.0.1", "93.184.215.14"],
    &["10.9.9.9"],
    &["10.9.9.9", "10.0.0.1"],
];
/// Segments.
const PLAIN: [&str; 5] = ["a", "b", "c", "ab", "cb"];
/// Segments with an encoded slash in them.
const SLASHED: [&str; 4] = ["a%2Fb", "b%2Fa", "%2F", "a%2F"];
/// What the values of a key are made of: none, one, or two of them.
const VALUES: [&str; 5] = ["x", "y", "xx", "y.z", "u.v"];

/// In this small world.
pub(super) fn is_public(address: &IpAddr) -> bool {
    !address.to_string().starts_with("10.")
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// Canonical paths over these letters and `/`, to this length.
fn paths(letters: &[char], length: usize) -> BTreeSet<String> {
    let mut all = BTreeSet::from(["/".to_owned()]);
    for _ in 1..length {
        let longer = all.iter().flat_map(|path| {
            letters
                .iter()
                .chain(&['/'])
                .filter(|c| **c != '/' || !path.ends_with('/'))
                .map(move |c| format!("{path}{c}"))
        });
        let longer: Vec<String> = longer.collect();
        all.extend(longer);
    }
    all
}

/// Canonical paths of so many of these segments.
fn joined(most: usize) -> BTreeSet<String> {
    let mut all = BTreeSet::from([String::new()]);
    for _ in 0..most {
        let longer = |path: &String| PLAIN.map(|segment| format!("{path}/{segment}"));
        let longer: Vec<String> = all.iter().flat_map(longer).collect();
        all.extend(longer);
    }
    all.iter().flat_map(|path| [path.clone(), format!("{path}/")]).filter(|path| !path.is_empty()).collect()
}

/// Canonical paths of up to three segments, one of which is such a one.
fn slashed() -> BTreeSet<String> {
    let mut plain = BTreeSet::from([String::new()]);
    let mut all: BTreeSet<String> = BTreeSet::new();
    for _ in 0..3 {
        let longer = |paths: &BTreeSet<String>, segments: &[&str]| -> Vec<String> {
            paths.iter().flat_map(|path| segments.iter().map(move |s| format!("{path}/{s}"))).collect()
        };
        let later = longer(&all, &PLAIN);
        all.extend(later);
        all.extend(longer(&plain, &SLASHED));
        let next = longer(&plain, &PLAIN);
        plain.extend(next);
    }
    let is_short = |path: &&String| path.matches('/').count() <= 3;
    all.iter().filter(is_short).flat_map(|path| [path.clone(), format!("{path}/")]).collect()
}

static PATHS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let plain = paths(&['a', 'b'], 6).union(&joined(3)).cloned().collect::<Vec<String>>();
    [plain, slashed().into_iter().collect()].concat()
});

/// Up to three segments of up to three of three letters.
static WIDE_PATHS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let letters = ["a", "b", "c"];
    let mut segments: Vec<String> = owned(&letters);
    for at in 0..12 {
        let longer = letters.map(|letter| format!("{}{letter}", segments[at]));
        segments.extend(longer);
    }
    let mut paths = vec![String::new()];
    let mut from = 0;
    for _ in 0..3 {
        let until = paths.len();
        for at in from..until {
            let longer: Vec<String> = segments.iter().map(|s| format!("{}/{s}", paths[at])).collect();
            paths.extend(longer);
        }
        from = until;
    }
    let ended: Vec<String> = paths.iter().map(|path| format!("{path}/")).collect();
    [paths.split_off(1), ended, slashed().into_iter().collect()].concat()
});

/// No query, every one of up to two values for each key, an empty value, and one that cannot be read.
fn queries() -> Vec<Query> {
    let of = |key: &str| -> Vec<String> {
        let one = VALUES.iter().map(|value| format!("{key}={value}"));
        let two = VALUES.iter().enumerate().flat_map(|(at, first)| {
            VALUES[at + 1..].iter().map(move |second| format!("{key}={first}&{key}={second}"))
        });
        one.chain(two).collect()
    };
    let (q, r) = (of("q"), of("r"));
    let both = q.iter().flat_map(|q| r.iter().map(move |r| format!("{q}&{r}")));
    let some = q.iter().chain(&r).cloned().chain(both).chain(["%".to_owned(), "q=".to_owned()]);
    std::iter::once(Query::new(None)).chain(some.map(|text| Query::new(Some(&text)))).collect()
}

impl Query {
    fn new(text: Option<&str>) -> Self {
        let mut parsed: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for pair in text.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            parsed.entry(key.to_owned()).or_default().push(value.to_owned());
        }
        let is_clear = !text.unwrap_or_default().contains('%');
        Self { text: text.map(str::to_owned), parsed: is_clear.then_some(parsed) }
    }
}

impl Atoms {
    /// The usual texts and those of `witnesses`.
    pub(super) fn new(witnesses: &[&Witness]) -> Self {
        let mut atoms = Self {
            binaries: owned(&BINARIES),
            chains: Vec::new(),
            hosts: owned(&HOSTS),
            destinations: DESTINATIONS
                .iter()
                .map(|set| set.iter().map(|text| text.parse().unwrap()).collect())
                .collect(),
            methods: owned(&METHODS),
            paths: PATHS.clone(),
            queries: queries(),
            hits: RefCell::default(),
        };
        let count = atoms.binaries.len();
        for a in 0..count {
            for b in a..count {
                for c in b..count {
                    let set: BTreeSet<usize> = [a, b, c].into();
                    atoms.chains.push(set.into_iter().collect());
                }
            }
        }
        atoms.chains.sort_by_key(Vec::len);
        atoms.chains.dedup();
        for witness in witnesses {
            atoms.place(witness);
        }
        atoms
    }

    /// With paths of longer segments too: for what the usual ones may not tell.
    pub(super) fn wide(witnesses: &[&Witness]) -> Self {
        let mut atoms = Self { paths: WIDE_PATHS.clone(), ..Self::new(&[]) };
        for witness in witnesses {
            atoms.place(witness);
        }
        atoms
    }

    /// The place of a witness, whose texts become atoms.
    pub(super) fn place(&mut self, witness: &Witness) -> Place {
        let chain = witness.chain.iter().map(|path| place(&mut self.binaries, path)).collect();
        let chain = place(&mut self.chains, &chain);
        let host = place(&mut self.hosts, &witness.host);
        let public = self.destinations[0].clone();
        let addresses = if witness.addresses.is_empty() { &public } else { &witness.addresses };
        let destination = place(&mut self.destinations, addresses);
        let http = witness.method.as_ref().map(|method| {
            let query = self.queries.iter().position(|known| known.text == witness.query);
            let query = query.unwrap_or_else(|| {
                self.queries.push(Query::new(witness.query.as_deref()));
                self.queries.len() - 1
            });
            let (method, path) = (place(&mut self.methods, method), place(&mut self.paths, &witness.path));
            (method, path, query, witness.is_upgrade)
        });
        Place { chain, host, port: witness.port, destination, http }
    }

    /// Which of the paths `pattern` matches.
    pub(super) fn path_hits(&self, pattern: &str) -> Rc<[bool]> {
        let mut hits = self.hits.borrow_mut();
        let known = hits.get(pattern).filter(|known| known.len() == self.paths.len()).cloned();
        known.unwrap_or_else(|| {
            let found: Rc<[bool]> = self.paths.iter().map(|path| matches(pattern, path, '/')).collect();
            hits.insert(pattern.to_owned(), found.clone());
            found
        })
    }

    /// A request in words.
    pub(super) fn words(&self, place: &Place) -> String {
        let chain: Vec<&str> = self.chain(place).iter().map(|at| self.binaries[*at].as_str()).collect();
        let (host, addresses) = (&self.hosts[place.host], &self.destinations[place.destination]);
        let what = place.http.map_or("a stream".to_owned(), |(method, path, query, is_upgrade)| {
            let query = self.queries[query].text.as_deref();
            let method = if is_upgrade { "WebSocket" } else { &self.methods[method] };
            format!("{method} {} ?{query:?}", self.paths[path])
        });
        format!("{what} to {host}:{} at {addresses:?} by {chain:?}", place.port)
    }

    pub(super) fn chain(&self, place: &Place) -> &[usize] {
        &self.chains[place.chain]
    }

    /// All requests, as far as `policies` tell them apart.
    pub(super) fn places(&self, policies: &[&Policy]) -> Vec<Place> {
        let patterns = Patterns::of(policies);
        let binaries = |chain: &Vec<usize>| {
            let hit = |p: &&str| chain.iter().any(|at| matches(p, &self.binaries[*at], '/'));
            patterns.binaries.iter().map(hit).collect::<Vec<bool>>()
        };
        let chains = reduced(&self.chains, binaries);
        let hosts = reduced(&self.hosts, |host| {
            let is_it = patterns.hosts.iter().map(|p| host_matches(p, host)).collect::<Vec<bool>>();
            (is_it, host.parse::<IpAddr>().is_ok())
        });
        let hits: Vec<Rc<[bool]>> = patterns.paths.iter().map(|pattern| self.path_hits(pattern)).collect();
        let mut seen = BTreeSet::new();
        let mut is_new = |at: &usize| {
            let is_it = hits.iter().map(|hits| hits[*at]).collect::<Vec<bool>>();
            seen.insert((is_it, self.paths[*at].contains("%2F")))
        };
        let paths: Vec<usize> = (0..self.paths.len()).filter(|at| is_new(at)).collect();
        let queries = reduced(&self.queries, |query| patterns.query_signature(query));
        let methods = reduced(&self.methods, |method| {
            let is_it = patterns.methods.iter().map(|m| m == method || (*m == "GET" && method == "HEAD"));
            is_it.collect::<Vec<bool>>()
        });
        let destinations = reduced(&self.destinations, |set| {
            let is_in = |list: &&[IpNet]| set.iter().all(|a| list.iter().any(|network| network.contains(a)));
            let lists = patterns.lists.iter().map(is_in).collect::<Vec<bool>>();
            (set.iter().all(is_public), lists)
        });
        let mut kinds = vec![None];
        for method in &methods {
            for path in &paths {
                kinds.extend(queries.iter().map(|query| Some((*method, *path, *query, false))));
                if self.methods[*method] == "GET" {
                    kinds.extend(queries.iter().map(|query| Some((*method, *path, *query, true))));
                }
            }
        }
        let mut places = Vec::new();
        for host in hosts {
            let address: Option<IpAddr> = self.hosts[host].parse().ok();
            let one: Vec<usize> = address
                .iter()
                .filter_map(|a| self.destinations.iter().position(|set| *set == [*a]))
                .collect();
            for destination in if address.is_some() { &one } else { &destinations } {
                for port in &patterns.ports {
                    for chain in &chains {
                        let at = |http: &_| Place {
                            chain: *chain,
                            host,
                            port: *port,
                            destination: *destination,
                            http: *http,
                        };
                        places.extend(kinds.iter().map(at));
                    }
                }
            }
        }
        places
    }
}

fn place<T: Clone + PartialEq>(all: &mut Vec<T>, one: &T) -> usize {
    all.iter().position(|known| known == one).unwrap_or_else(|| {
        all.push(one.clone());
        all.len() - 1
    })
}

fn reduced<T, S: Ord>(all: &[T], signature: impl Fn(&T) -> S) -> Vec<usize> {
    let mut seen = BTreeSet::new();
    (0..all.len()).filter(|at| seen.insert(signature(&all[*at]))).collect()
}

/// Every pattern of some policies.
struct Patterns<'p> {
    binaries: BTreeSet<&'p str>,
    hosts: BTreeSet<&'p str>,
    paths: BTreeSet<&'p str>,
    queries: BTreeSet<(&'p str, Vec<&'p str>)>,
    methods: BTreeSet<&'p str>,
    lists: BTreeSet<&'p [IpNet]>,
    ports: BTreeSet<u16>,
}

impl<'p> Patterns<'p> {
    fn of(policies: &[&'p Policy]) -> Self {
        let rules = || policies.iter().flat_map(|policy| policy.network_policies.values());
        let endpoints = || rules().flat_map(|rule| &rule.endpoints);
        let clauses =
            || endpoints().flat_map(|e| e.rules.iter().map(|rule| &rule.allow).chain(&e.deny_rules));
        let query = |pattern: &'p RequestPattern| {
            pattern.query.iter().map(|(key, globs)| (key.as_str(), globs.globs().collect()))
        };
        Self {
            binaries: rules().flat_map(|r| &r.binaries).map(|b| b.path.as_str()).collect(),
            hosts: endpoints().map(|e| e.host.as_str()).collect(),
            paths: endpoints().map(|e| e.path.as_str()).chain(clauses().map(|c| c.path.as_str())).collect(),
            queries: clauses().flat_map(query).collect(),
            methods: clauses()
                .map(|c| c.method.as_str())
                .chain(endpoints().flat_map(|e| e.access.map(Access::methods).unwrap_or_default()).copied())
                .collect(),
            lists: endpoints().map(|e| e.allowed_ips.as_slice()).collect(),
            ports: endpoints().flat_map(|e| e.ports.iter().copied()).collect(),
        }
    }

    fn query_signature(&self, query: &Query) -> (bool, Vec<(bool, bool)>) {
        let signature = self.queries.iter().map(|(key, globs)| {
            let values = query.parsed.as_ref().and_then(|parsed| parsed.get(*key));
            let is_in = |value: &String| globs.iter().any(|glob| matches(glob, value, '.'));
            values.map_or((false, false), |v| (v.iter().all(is_in), v.iter().any(is_in)))
        });
        (query.parsed.is_none(), signature.collect())
    }
}
