//! The matcher that enforces policies, asked about the same requests.

use openshell_domain::policy::Policy;
use openshell_domain::policy::host::Host;
use openshell_domain::policy::verdict::{Caller, CompiledPolicy, Connect, Request, RequestVerdict, compile};

use crate::space::{Atoms, Place};

pub(super) struct Matcher(CompiledPolicy);

impl Matcher {
    pub(super) fn new(policy: &Policy) -> Self {
        Self(compile(policy).unwrap())
    }

    /// Allowed or audited, each of them. Neighbours are often requests of one connection, which is judged once.
    pub(super) fn allows_each(&self, atoms: &Atoms, places: &[Place]) -> Vec<bool> {
        let is_one = |a: &Place, b: &Place| (a.chain, a.host, a.port) == (b.chain, b.host, b.port);
        let connections = places.chunk_by(is_one).flat_map(|places| {
            let connect = self.connect(atoms, &places[0]);
            places.iter().map(|place| self.allows(&connect, atoms, place)).collect::<Vec<bool>>()
        });
        connections.collect()
    }

    fn connect(&self, atoms: &Atoms, place: &Place) -> Connect {
        let chain = atoms.chain(place).iter().map(|at| atoms.binaries[*at].clone()).collect();
        let host = Host::parse(&atoms.hosts[place.host]).unwrap();
        self.0.connect(&Caller { chain }, &host, place.port)
    }

    fn allows(&self, connect: &Connect, atoms: &Atoms, place: &Place) -> bool {
        let judged;
        let endpoints = match (connect, place.http) {
            (Connect::Denied(_), _) | (Connect::Inspected(_), None) => return false,
            (Connect::Opaque(endpoints), _) => endpoints,
            (Connect::Inspected(endpoints), Some((method, path, query, is_upgrade))) => {
                let query = atoms.queries[query].text.as_deref();
                let request = Request { method: &atoms.methods[method], path: &atoms.paths[path], query };
                let verdict = match is_upgrade {
                    true => self.0.upgrade(endpoints, &request),
                    false => self.0.request(endpoints, &request),
                };
                judged = match verdict {
                    RequestVerdict::Allowed(endpoints) | RequestVerdict::Audited(endpoints) => endpoints,
                    RequestVerdict::Denied(_) => return false,
                };
                &judged
            }
        };
        self.0.destination(endpoints, &atoms.destinations[place.destination], place.port).is_ok()
    }
}
