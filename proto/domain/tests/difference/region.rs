//! Whether a request lies in what an item says, over tables of what matches what.

use std::net::IpAddr;
use std::rc::Rc;

use openshell_domain::policy::authority::{Item, What};

use crate::glob::matches;
use crate::naive::host_matches;
use crate::space::{Atoms, Place};

/// An item with everything it says of the atoms looked up beforehand. What it excepts is part of it.
pub(super) struct Region {
    binaries: Vec<bool>,
    hosts: Vec<bool>,
    port: u16,
    destinations: Vec<bool>,
    what: FlatWhat,
}

enum FlatWhat {
    Stream,
    OtherRequests,
    Requests(FlatRequests),
}

struct FlatRequests {
    methods: Vec<bool>,
    paths: Rc<[bool]>,
    scope: Option<Rc<[bool]>>,
    queries: Vec<bool>,
    /// Whether plain requests are among them, and whether WebSockets are.
    has: [bool; 2],
}

impl Region {
    pub(super) fn new(item: &Item, atoms: &Atoms) -> Self {
        let asks = |program: &String| item.binaries.iter().any(|binary| matches(binary, program, '/'));
        let listed = |address: &IpAddr| item.addresses.iter().any(|network| network.contains(address));
        let is_there = |set: &Vec<IpAddr>| item.addresses.is_empty() || set.iter().all(listed);
        Self {
            binaries: atoms.binaries.iter().map(asks).collect(),
            hosts: atoms.hosts.iter().map(|host| host_matches(&item.host, host)).collect(),
            port: item.port,
            destinations: atoms.destinations.iter().map(is_there).collect(),
            what: flat_what(&item.what, atoms),
        }
    }

    /// Of all of them.
    pub(super) fn all<'i>(items: impl IntoIterator<Item = &'i Item>, atoms: &Atoms) -> Vec<Self> {
        items.into_iter().map(|item| Self::new(item, atoms)).collect()
    }

    /// Whether it is about the request, whoever makes it.
    pub(super) fn is_about(&self, place: &Place) -> bool {
        self.port == place.port
            && self.hosts[place.host]
            && self.destinations[place.destination]
            && match (&self.what, place.http) {
                // A tunnel carries requests too.
                (FlatWhat::Stream, _) | (FlatWhat::OtherRequests, Some(_)) => true,
                (FlatWhat::OtherRequests | FlatWhat::Requests(_), None) => false,
                (FlatWhat::Requests(flat), Some((method, path, query, is_upgrade))) => {
                    flat.has[usize::from(is_upgrade)]
                        && flat.methods[method]
                        && flat.paths[path]
                        && flat.scope.as_ref().is_none_or(|hits| hits[path])
                        && flat.queries[query]
                }
            }
    }

    /// Whether it is about a program.
    pub(super) fn is_by(&self, program: usize) -> bool {
        self.binaries[program]
    }
}

fn flat_what(what: &What, atoms: &Atoms) -> FlatWhat {
    let get = vec!["GET".to_owned()];
    let (methods, path, scope, query, has) = match what {
        What::Stream => return FlatWhat::Stream,
        What::OtherRequests => return FlatWhat::OtherRequests,
        What::Requests { methods, path, scope, query, may_upgrade } => {
            (methods, path, scope, query, [true, *may_upgrade])
        }
        What::WebSockets { path, scope, query } => (&get, path, scope, query, [false, true]),
    };
    let is_method =
        |method: &String| methods.iter().any(|m| m == "*" || m == method || (m == "GET" && method == "HEAD"));
    let queries = atoms.queries.iter().map(|asked| {
        query.iter().all(|(key, globs)| {
            let values = asked.parsed.as_ref().and_then(|parsed| parsed.get(key));
            values.is_some_and(|v| v.iter().all(|value| globs.globs().any(|glob| matches(glob, value, '.'))))
        })
    });
    FlatWhat::Requests(FlatRequests {
        methods: atoms.methods.iter().map(is_method).collect(),
        paths: atoms.path_hits(path),
        scope: (!scope.is_empty()).then(|| atoms.path_hits(scope)),
        queries: queries.collect(),
        has,
    })
}
