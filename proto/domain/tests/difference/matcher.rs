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

    pub(super) fn allows(&self, atoms: &Atoms, place: &Place) -> bool {
        let chain = atoms.chain(place).iter().map(|at| atoms.binaries[*at].clone()).collect();
        let host = Host::parse(&atoms.hosts[place.host]).unwrap();
        let endpoints = match (self.0.connect(&Caller { chain }, &host, place.port), place.http) {
            (Connect::Denied(_), _) | (Connect::Inspected(_), None) => return false,
            (Connect::Opaque(endpoints), _) => endpoints,
            (Connect::Inspected(endpoints), Some((method, path, query))) => {
                let query = atoms.queries[query].text.as_deref();
                let request = Request { method: &atoms.methods[method], path: &atoms.paths[path], query };
                match self.0.request(&endpoints, &request) {
                    RequestVerdict::Allowed(endpoints) | RequestVerdict::Audited(endpoints) => endpoints,
                    RequestVerdict::Denied(_) => return false,
                }
            }
        };
        self.0.destination(&endpoints, &atoms.destinations[place.destination], place.port).is_ok()
    }
}
