//! The matcher that enforces policies judges every example before it is shown.
//!
//! Two programs that were written apart say the same of it, or nothing is said.

use std::net::{IpAddr, Ipv4Addr};

use super::universe::{Side, Universe};
use super::{Difference, Sides4, TooComplex, Witness};
use crate::policy::Policy;
use crate::policy::host::Host;
use crate::policy::pattern::is_glob;
use crate::policy::verdict::{self, Caller, CompiledPolicy, Kind, Request};

/// Confirms the examples of a difference.
pub(super) fn difference(
    universe: &Universe<'_>,
    sides: &Sides4,
    difference: &Difference,
) -> Result<(), TooComplex> {
    let [base, base_with, before, after] =
        [sides.base, sides.base_with, sides.before, sides.after].map(|side| Matcher::new(universe, side));
    for item in &difference.added {
        check(after.allows(&item.witness)? && !before.allows(&item.witness)?)?;
    }
    for item in &difference.removed {
        check(before.allows(&item.witness)? && !after.allows(&item.witness)?)?;
    }
    for item in &difference.latent {
        check(base_with.allows(&item.witness)? && !base.allows(&item.witness)?)?;
    }
    Ok(())
}

fn check(is_confirmed: bool) -> Result<(), TooComplex> {
    debug_assert!(is_confirmed, "the matcher does not confirm an example");
    if is_confirmed { Ok(()) } else { Err(TooComplex) }
}

struct Matcher<'u, 'p> {
    universe: &'u Universe<'p>,
    side: Side,
}

impl<'u, 'p> Matcher<'u, 'p> {
    fn new(universe: &'u Universe<'p>, side: Side) -> Self {
        Self { universe, side }
    }

    fn allows(&self, witness: &Witness) -> Result<bool, TooComplex> {
        let compiled = verdict::compile(&self.about(witness)).map_err(|_| TooComplex)?;
        allows(&compiled, witness)
    }

    /// The rules of the side with an endpoint at the port of the example.
    fn about(&self, witness: &Witness) -> Policy {
        let host_matches = |host: &str| host.is_empty() || host.contains('*') || host == witness.host;
        let here = self.universe.members.iter().enumerate().filter(|(_, member)| {
            let is_asked = |path: &str| is_glob(path) || witness.chain.iter().any(|program| program == path);
            member.sides.has(self.side)
                && member.rule.binaries.iter().any(|binary| is_asked(&binary.path))
                && member
                    .rule
                    .endpoints
                    .iter()
                    .any(|endpoint| endpoint.ports.contains(&witness.port) && host_matches(&endpoint.host))
        });
        let rules =
            here.filter_map(|(at, member)| Some((format!("r{at}").parse().ok()?, member.rule.clone())));
        Policy { version: 1, network_policies: rules.collect(), ..Policy::default() }
    }
}

/// Whether a policy allows or audits the example.
fn allows(policy: &CompiledPolicy, witness: &Witness) -> Result<bool, TooComplex> {
    let host = Host::parse(&witness.host).map_err(|_| TooComplex)?;
    let caller = Caller { chain: witness.chain.clone() };
    let public = [IpAddr::V4(Ipv4Addr::new(93, 184, 215, 14))];
    let addresses = if witness.addresses.is_empty() { &public } else { witness.addresses.as_slice() };
    let kind = witness.method.as_ref().map_or(Kind::Opaque, |method| {
        let request = Request { method, path: &witness.path, query: witness.query.as_deref() };
        if witness.is_upgrade { Kind::Upgrade(request) } else { Kind::Http(request) }
    });
    Ok(policy.authority(&caller, &host, addresses, witness.port, &kind))
}
