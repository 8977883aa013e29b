//! The third question: which addresses may be dialled, at which port.

use std::net::IpAddr;

use super::EndpointRef;
use super::compile::{CompiledEndpoint, CompiledPolicy};
use crate::policy::address::{self, Class};

/// Why none of the addresses may be dialled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DestinationDenial {
    /// The name has no address.
    #[error("the name resolves to no address")]
    NoAddress,
    /// This address is never reachable.
    #[error("resolves to {0}, an always-blocked address")]
    Blocked(IpAddr),
    /// This address is not public and no endpoint lists it.
    #[error("resolves to internal address {0}, which no `allowed_ips` of the rule holds")]
    Private(IpAddr),
    /// The endpoint lists addresses, and this is none of them.
    #[error("resolves to {0}, which is not in `allowed_ips`")]
    NotListed(IpAddr),
    /// The port belongs to a cluster's control plane, and no endpoint lists addresses.
    #[error(
        "port {0} is a control-plane port, which opens only to addresses that `allowed_ips` of the rule holds"
    )]
    ControlPlane(u16),
}

impl CompiledPolicy {
    /// The first of `endpoints` that would allow a connection to some address at `port`: while none is known, or for
    /// whoever is exempt from the list of addresses.
    ///
    /// # Errors
    /// [`DestinationDenial::ControlPlane`]
    pub fn opening(&self, endpoints: &[EndpointRef], port: u16) -> Result<EndpointRef, DestinationDenial> {
        let is_open = |at: &&EndpointRef| {
            self.endpoint(**at).is_some_and(|endpoint| !address::is_closed(port, &endpoint.allowed_ips))
        };
        endpoints.iter().find(is_open).copied().ok_or(DestinationDenial::ControlPlane(port))
    }

    /// Which of `endpoints`, which name `port`, allows a connection to every one of `addresses` at it.
    ///
    /// # Errors
    /// Why none does.
    pub fn destination(
        &self,
        endpoints: &[EndpointRef],
        addresses: &[IpAddr],
        port: u16,
    ) -> Result<EndpointRef, DestinationDenial> {
        if addresses.is_empty() {
            return Err(DestinationDenial::NoAddress);
        }
        if let Some(blocked) = addresses.iter().find(|a| address::classify(**a) == Class::Blocked) {
            return Err(DestinationDenial::Blocked(*blocked));
        }
        let mut denial = DestinationDenial::NoAddress;
        for at in endpoints {
            let Some(endpoint) = self.endpoint(*at) else { continue };
            match endpoint.destination(addresses, port) {
                Ok(()) => return Ok(*at),
                Err(reason) => denial = reason,
            }
        }
        Err(denial)
    }
}

impl CompiledEndpoint {
    fn destination(&self, addresses: &[IpAddr], port: u16) -> Result<(), DestinationDenial> {
        if address::is_closed(port, &self.allowed_ips) {
            return Err(DestinationDenial::ControlPlane(port));
        }
        if self.allowed_ips.is_empty() {
            let private = addresses.iter().find(|a| address::classify(**a) != Class::Public);
            return private.map_or(Ok(()), |a| Err(DestinationDenial::Private(*a)));
        }
        let unlisted =
            addresses.iter().find(|a| !self.allowed_ips.iter().any(|network| network.contains(*a)));
        unlisted.map_or(Ok(()), |a| Err(DestinationDenial::NotListed(*a)))
    }
}
