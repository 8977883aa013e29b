//! Whether a request lies in what an item says.

use openshell_domain::policy::authority::{Item, What};

use crate::glob::matches;
use crate::naive::host_matches;
use crate::space::{Atoms, Place};

/// Whether `item` is about `place` and a program of the chain. What it excepts is part of it.
pub(super) fn holds(item: &Item, atoms: &Atoms, place: &Place, program: usize) -> bool {
    let asks = |binary: &String| matches(binary, &atoms.binaries[program], '/');
    let listed = |address| item.addresses.iter().any(|network| network.contains(address));
    item.port == place.port
        && host_matches(&item.host, &atoms.hosts[place.host])
        && item.binaries.iter().any(asks)
        && (item.addresses.is_empty() || atoms.destinations[place.destination].iter().all(listed))
        && is_what(&item.what, atoms, place)
}

fn is_what(what: &What, atoms: &Atoms, place: &Place) -> bool {
    let (methods, path, scope, query) = match (what, place.http) {
        // A tunnel carries requests too.
        (What::Stream, _) | (What::OtherRequests, Some(_)) => return true,
        (What::OtherRequests | What::Requests { .. }, None) => return false,
        (What::Requests { methods, path, scope, query }, Some(_)) => (methods, path, scope, query),
    };
    let Some((method, at, asked)) = place.http else { return false };
    let method = &atoms.methods[method];
    let is_method = |m: &String| m == "*" || m == method || (m == "GET" && method == "HEAD");
    let parsed = atoms.queries[asked].parsed.as_ref();
    methods.iter().any(is_method)
        && matches(path, &atoms.paths[at], '/')
        && (scope.is_empty() || matches(scope, &atoms.paths[at], '/'))
        && query.iter().all(|(key, globs)| {
            let values = parsed.and_then(|parsed| parsed.get(key));
            values.is_some_and(|v| v.iter().all(|value| globs.globs().any(|glob| matches(glob, value, '.'))))
        })
}
