//! The destinations that lists of addresses tell apart.
//!
//! A name may resolve to any set of addresses that are not blocked. What matters of it is whether all of them
//! are public, and whether all of them are in this or that list: the classes are the vectors of these answers.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::{Budget, TooComplex};
use crate::policy::Endpoint;
use crate::policy::address::{Class, classify, is_closed};

/// One class of destinations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Destination {
    /// Bit 0: all addresses are public. Bit n: all are in list n - 1.
    holds: u64,
    /// Addresses of the class; empty where any public address will do.
    pub(super) addresses: Vec<IpAddr>,
}

/// The lists of a comparison.
#[derive(Debug, Default)]
pub(super) struct Lists<'p>(Vec<&'p [IpNet]>);

/// Which list an endpoint goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ListRef(usize);

/// The list of an endpoint to which a port is closed: it holds nothing.
const CLOSED: ListRef = ListRef(63);

impl Destination {
    pub(super) fn is_allowed_by(&self, list: ListRef) -> bool {
        self.holds >> list.0 & 1 == 1
    }
}

impl<'p> Lists<'p> {
    /// The list of `endpoint` at `port`: its `allowed_ips`, or every public address, or none.
    pub(super) fn of(&mut self, endpoint: &'p Endpoint, port: u16) -> Result<ListRef, TooComplex> {
        if is_closed(port, &endpoint.allowed_ips) {
            return Ok(CLOSED);
        }
        if endpoint.allowed_ips.is_empty() {
            return Ok(ListRef(0));
        }
        let known = self.0.iter().position(|list| *list == endpoint.allowed_ips);
        let at = known.unwrap_or_else(|| {
            self.0.push(&endpoint.allowed_ips);
            self.0.len() - 1
        });
        if at < 60 { Ok(ListRef(at + 1)) } else { Err(TooComplex) }
    }

    /// The classes for a name (`None`), or the one of an address, if it is not blocked.
    ///
    /// # Errors
    /// [`TooComplex`] when the budget is spent.
    pub(super) fn destinations(
        &self,
        host: Option<IpAddr>,
        budget: &mut Budget,
    ) -> Result<Vec<Destination>, TooComplex> {
        if let Some(address) = host {
            let holds = self.holds(address);
            let one = holds.map(|holds| Destination { holds, addresses: vec![address] });
            return Ok(one.into_iter().collect());
        }
        let networks: usize = self.0.iter().map(|list| list.len()).sum();
        // Each network brings addresses, each address is looked up in each network.
        budget.spend(networks * networks)?;
        let mut found: BTreeMap<u64, Vec<IpAddr>> = BTreeMap::new();
        for address in self.candidates() {
            if let Some(holds) = self.holds(address) {
                found.entry(holds).or_insert_with(|| vec![address]);
            }
        }
        // Several addresses together: what holds for all of them.
        let singles: Vec<(u64, Vec<IpAddr>)> = found.clone().into_iter().collect();
        for _ in 0..singles.len() {
            let wider: Vec<(u64, Vec<IpAddr>)> = found
                .iter()
                .flat_map(|(holds, addresses)| {
                    singles.iter().map(move |(other, more)| {
                        (holds & other, addresses.iter().chain(more).copied().collect())
                    })
                })
                .collect();
            let before = found.len();
            budget.spend(wider.len())?;
            for (holds, addresses) in wider {
                found.entry(holds).or_insert(addresses);
            }
            if found.len() == before {
                break;
            }
        }
        found.remove(&0);
        let mut all: Vec<Destination> = found
            .into_iter()
            .map(|(holds, addresses)| Destination {
                holds,
                addresses: if holds & 1 == 1 && addresses == [PLAIN] { Vec::new() } else { addresses },
            })
            .collect();
        all.sort_by_key(|destination| destination.addresses.len());
        Ok(all)
    }

    fn holds(&self, address: IpAddr) -> Option<u64> {
        let class = classify(address);
        if class == Class::Blocked {
            return None;
        }
        let listed = self.0.iter().zip(1_u32..).filter(|(list, _)| list.iter().any(|n| n.contains(&address)));
        let bits = listed.map(|(_, bit)| 1_u64 << bit).sum::<u64>();
        Some(bits | u64::from(class == Class::Public))
    }

    /// One address at least of every piece of the address space in which neither class nor lists change.
    fn candidates(&self) -> Vec<IpAddr> {
        let listed = || self.0.iter().flat_map(|list| list.iter());
        let ranges = SPECIAL_V4.map(|(head, bits)| IpNet::new(IpAddr::V4(head), bits));
        let special_v4 = ranges.iter().filter_map(|range| range.as_ref().ok());
        let mut v4: Vec<Ipv4Addr> = Vec::new();
        for network in listed().chain(special_v4) {
            if let IpNet::V4(network) = network {
                let (first, last) = (network.network().to_bits(), network.broadcast().to_bits());
                for bits in [first, last, first.wrapping_sub(1), last.wrapping_add(1)] {
                    v4.push(Ipv4Addr::from_bits(bits));
                }
            }
        }
        let ranges = SPECIAL_V6.map(|(head, bits)| IpNet::new(IpAddr::V6(head), bits));
        let special_v6 = ranges.iter().filter_map(|range| range.as_ref().ok());
        let mut v6: Vec<Ipv6Addr> = Vec::new();
        for network in listed().chain(special_v6) {
            if let IpNet::V6(network) = network {
                let (first, last) = (network.network().to_bits(), network.broadcast().to_bits());
                for bits in [first, last, first.wrapping_sub(1), last.wrapping_add(1)] {
                    v6.push(Ipv6Addr::from_bits(bits));
                }
                for inner in &v4 {
                    let low = u128::from(inner.to_bits());
                    let high = first & !u128::from(u32::MAX);
                    v6.push(Ipv6Addr::from_bits(high | low));
                    v6.push(Ipv6Addr::from_bits(high | u128::from(!inner.to_bits())));
                    v6.push(Ipv6Addr::from_bits((first & !(u128::from(u32::MAX) << 80)) | low << 80));
                }
            }
        }
        let plain = std::iter::once(PLAIN);
        plain.chain(v4.into_iter().map(IpAddr::V4)).chain(v6.into_iter().map(IpAddr::V6)).collect()
    }
}

/// A public address like any other.
const PLAIN: IpAddr = IpAddr::V4(Ipv4Addr::new(93, 184, 215, 14));

/// The ranges at whose ends the class of an IPv4 address changes.
const SPECIAL_V4: [(Ipv4Addr, u8); 14] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(100, 100, 100, 200), 32),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(168, 63, 129, 16), 32),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 22),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
];

/// The same for IPv6, with the ranges that embed IPv4 addresses.
const SPECIAL_V6: [(Ipv6Addr, u8); 13] = [
    (Ipv6Addr::UNSPECIFIED, 128),
    (Ipv6Addr::UNSPECIFIED, 96),
    (Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96),
    (Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, 0, 0), 96),
    (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3),
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7),
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 9),
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8),
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lists(texts: &[&[&str]]) -> Vec<Vec<IpNet>> {
        texts.iter().map(|list| list.iter().map(|text| text.parse().unwrap()).collect()).collect()
    }

    #[test]
    fn without_lists_there_are_public_destinations_only() {
        let found = Lists::default().destinations(None, &mut Budget::default()).unwrap();
        assert_eq!(found, [Destination { holds: 1, addresses: vec![] }]);
    }

    #[test]
    fn a_blocked_address_is_no_destination() {
        assert!(
            Lists::default()
                .destinations(Some("127.0.0.1".parse().unwrap()), &mut Budget::default())
                .unwrap()
                .is_empty()
        );
        assert_eq!(
            Lists::default().destinations(Some("10.0.0.1".parse().unwrap()), &mut Budget::default()).unwrap()
                [0]
            .holds,
            0
        );
    }

    #[test]
    fn lists_are_told_apart_also_where_they_overlap() {
        let lists = lists(&[&["10.0.0.0/8"], &["10.1.0.0/16", "8.8.8.0/24"]]);
        let holds: Vec<u64> = Lists(lists.iter().map(Vec::as_slice).collect())
            .destinations(None, &mut Budget::default())
            .unwrap()
            .into_iter()
            .map(|destination| destination.holds)
            .collect();
        for wanted in [0b001, 0b010, 0b100, 0b101, 0b110] {
            assert!(holds.contains(&wanted), "{wanted:03b} in {holds:?}");
        }
    }

    proptest! {
        #[test]
        fn every_address_is_in_a_class_that_was_found(v4 in any::<u32>(), v6 in any::<u128>(), prefix in 0..6_usize) {
            let lists = lists(&[&["10.0.0.0/8", "fd00::/8"], &["10.1.0.0/16", "8.0.0.0/7", "2606::/16"]]);
            let lists = Lists(lists.iter().map(Vec::as_slice).collect());
            let found = lists.destinations(None, &mut Budget::default())
            .unwrap();
            let head = [0x2606_u128 << 112, 0xfd00 << 112, 0x64ff9b << 96, 0x2002 << 112, 0x2001 << 112, 0][prefix];
            for address in [IpAddr::V4(v4.into()), IpAddr::V6(v6.into()), IpAddr::V6((head | (v6 >> 32)).into())] {
                if let Some(holds) = lists.holds(address).filter(|holds| *holds != 0) {
                    prop_assert!(found.iter().any(|d| d.holds == holds), "{} {:b}", address, holds);
                }
            }
        }
    }
}
