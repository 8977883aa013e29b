//! Whether a program could get to a host before anything was asked for.
//!
//! A question about a [`Ground`] alone: some request of some kind is enough. Called by the findings, which tell
//! a program that gets to a host for the first time from one that may do more there.

use std::collections::BTreeSet;

use super::classes::classes;
use super::{Budget, Ground, TooComplex, space};
use crate::policy::address::is_closed;
use crate::policy::host::Host;
use crate::policy::pattern::{Pattern, Separator};
use crate::policy::{Endpoint, Rule};

/// How a ground answers for programs and hosts. Both may hold, of different ones among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reach {
    /// Some of the programs could not reach some of the hosts at all.
    pub is_new: bool,
    /// Some of the programs could reach some of the hosts.
    pub is_known: bool,
}

/// A rule and one of its endpoints.
type Place<'p> = (&'p Rule, &'p Endpoint);

impl Ground<'_> {
    /// How the programs of `binary` could reach, at `port`, the hosts that all of `hosts` match.
    ///
    /// # Errors
    /// [`TooComplex`]
    pub fn reach(&self, binary: &str, hosts: &[&str], port: u16) -> Result<Reach, TooComplex> {
        let mut places = Vec::new();
        for place in self.places(port) {
            if may_concern(place, binary, hosts)? {
                places.push(place);
            }
        }
        if places.is_empty() {
            return Ok(Reach { is_new: share(hosts)?, is_known: false });
        }
        let mut budget = Budget::within(&self.patience);
        let programs = self.programs(binary, &places, &mut budget)?;
        let mut reach = Reach::default();
        for known in places_by_host(hosts, &places, &mut budget)? {
            for program in &programs {
                let is_known = known.iter().any(|place| program.contains(place));
                reach.is_known |= is_known;
                reach.is_new |= !is_known;
            }
        }
        Ok(reach)
    }

    fn places(&self, port: u16) -> impl Iterator<Item = Place<'_>> {
        let rules = self.base.network_policies.values().chain(self.grants.iter().map(|(_, rule)| *rule));
        rules.flat_map(|rule| rule.endpoints.iter().map(move |endpoint| (rule, endpoint))).filter(
            move |(_, endpoint)| endpoint.ports.contains(&port) && !is_closed(port, &endpoint.allowed_ips),
        )
    }

    /// For each class of the programs of `binary`, the places whose rules name it.
    fn programs(
        &self,
        binary: &str,
        places: &[Place<'_>],
        budget: &mut Budget,
    ) -> Result<Vec<BTreeSet<usize>>, TooComplex> {
        let mut owners = Vec::new();
        let mut texts = Vec::new();
        for (place, (rule, _)) in places.iter().enumerate() {
            for binary in &rule.binaries {
                owners.push(place);
                texts.push(binary.path.as_str());
            }
        }
        let required = compile(binary, Separator::Slash)?;
        let patterns = compile_all(&texts, Separator::Slash)?;
        let found = classes(&space::BINARIES, &[&required], &patterns.iter().collect::<Vec<_>>(), budget)?;
        let owned = |class: super::classes::Class| {
            class.matched.iter().filter_map(|at| owners.get(*at).copied()).collect()
        };
        Ok(found.into_iter().map(owned).collect())
    }
}

/// Whether all of the hosts have a name in common.
fn share(hosts: &[&str]) -> Result<bool, TooComplex> {
    let named: Vec<&str> = hosts.iter().copied().filter(|host| !host.is_empty()).collect();
    let patterns = compile_all(&named, Separator::Dot)?;
    Ok(patterns.iter().enumerate().all(|(at, one)| patterns.iter().skip(at + 1).all(|two| one.meets(two))))
}

/// No is certain, yes is not. Most rules have nothing to do with an ask, and classes are dear.
fn may_concern((rule, endpoint): Place<'_>, binary: &str, hosts: &[&str]) -> Result<bool, TooComplex> {
    if !endpoint.host.is_empty() && !hosts.iter().all(|host| share(&[host, &endpoint.host]).unwrap_or(true)) {
        return Ok(false);
    }
    let asked = compile(binary, Separator::Slash)?;
    let known = rule.binaries.iter().map(|binary| compile(&binary.path, Separator::Slash));
    Ok(known.collect::<Result<Vec<_>, _>>()?.iter().any(|known| known.meets(&asked)))
}

/// For each class of the hosts, the places that are for it.
fn places_by_host(
    hosts: &[&str],
    places: &[Place<'_>],
    budget: &mut Budget,
) -> Result<Vec<BTreeSet<usize>>, TooComplex> {
    let named: Vec<&str> = hosts.iter().copied().filter(|host| !host.is_empty()).collect();
    let required = compile_all(&named, Separator::Dot)?;
    let here: Vec<(usize, Pattern)> = places
        .iter()
        .enumerate()
        .filter(|(_, (_, endpoint))| !endpoint.host.is_empty())
        .map(|(place, (_, endpoint))| Ok((place, compile(&endpoint.host, Separator::Dot)?)))
        .collect::<Result<_, TooComplex>>()?;
    let anywhere = || {
        let hostless = places.iter().enumerate().filter(|(_, (_, endpoint))| endpoint.host.is_empty());
        hostless.map(|(place, _)| place)
    };
    let address = required.iter().find(|p| p.is_literal() && is_address(p.text()));
    if let Some(address) = address {
        let is_it = required.iter().all(|pattern| pattern.matches(address.text()));
        let known = here.iter().filter(|(_, p)| p.matches(address.text())).map(|(place, _)| *place);
        return Ok(if is_it { vec![known.chain(anywhere()).collect()] } else { Vec::new() });
    }
    let patterns: Vec<&Pattern> = here.iter().map(|(_, pattern)| pattern).collect();
    let found = classes(&space::NAMES, &required.iter().collect::<Vec<_>>(), &patterns, budget)?;
    let known = |class: super::classes::Class| {
        let matched = class.matched.iter().filter_map(|at| here.get(*at).map(|(place, _)| *place));
        matched.chain(anywhere()).collect()
    };
    Ok(found.into_iter().map(known).collect())
}

fn is_address(text: &str) -> bool {
    Host::parse(text).is_ok_and(|host| host.address().is_some())
}

fn compile(text: &str, separator: Separator) -> Result<Pattern, TooComplex> {
    Pattern::compile(text, separator).map_err(|_| TooComplex)
}

fn compile_all(texts: &[&str], separator: Separator) -> Result<Vec<Pattern>, TooComplex> {
    texts.iter().map(|text| compile(text, separator)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::policy;
    use super::*;

    #[test]
    fn what_was_reached_is_told_from_what_was_not() {
        let base = policy(&[
            ("api", "{host: api.x.example, port: 443}", "/usr/bin/curl /usr/bin/g*"),
            ("any", "{port: 8080, allowed_ips: [10.0.0.0/8]}", "/usr/bin/curl"),
            ("closed", "{host: k.x.example, ports: [443, 6443]}", "/usr/bin/curl"),
            ("listed", "{host: l.x.example, port: 6443, allowed_ips: [10.0.0.0/8]}", "/usr/bin/curl"),
        ]);
        let ground = Ground::new(&base, vec![]);
        let (new, known) = (Reach { is_new: true, is_known: false }, Reach { is_new: false, is_known: true });
        let both = Reach { is_new: true, is_known: true };
        for (binary, hosts, port, expected) in [
            ("/usr/bin/curl", vec!["api.x.example"], 443, known),
            ("/usr/bin/curl", vec!["api.x.example"], 80, new),
            ("/usr/bin/wget", vec!["api.x.example"], 443, new),
            ("/usr/bin/*", vec!["api.x.example"], 443, both),
            ("/usr/bin/git", vec!["api.x.example"], 443, known),
            ("/usr/bin/curl", vec!["*.x.example"], 443, both),
            ("/usr/bin/curl", vec!["*.x.example", "a*.x.example"], 443, both),
            ("/usr/bin/curl", vec!["*.x.example", "b*.x.example"], 443, new),
            ("/usr/bin/curl", vec!["*.x.example", "api.x.example"], 443, known),
            ("/usr/bin/curl", vec!["k.x.example"], 443, known),
            ("/usr/bin/curl", vec!["k.x.example"], 6443, new),
            ("/usr/bin/curl", vec!["l.x.example"], 6443, known),
            ("/usr/bin/curl", vec!["10.1.1.1"], 8080, known),
            ("/usr/bin/curl", vec!["x.y.example"], 8080, known),
            ("/usr/bin/curl", vec![""], 443, both),
            ("/usr/bin/curl", vec!["*.x.example", "*.y.example"], 443, Reach::default()),
        ] {
            assert_eq!(ground.reach(binary, &hosts, port).unwrap(), expected, "{binary} {hosts:?} {port}");
        }
    }
}
