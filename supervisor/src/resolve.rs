//! From a name to addresses, and the pins that replace it for tests and the demo.
//!
//! Called only with an [`crate::pipeline::Clearance`] in hand: no name is resolved before a rule said yes to it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::str::FromStr;
use std::time::Duration;

use openshell_domain::policy::host::Host;

/// How long a name may take.
const DEADLINE: Duration = Duration::from_secs(10);

/// `HOST:PORT:ADDR[:PORT2]`: this destination is that address, whatever DNS says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// The host as it is asked for.
    pub host: Host,
    /// The port as it is asked for.
    pub port: u16,
    /// Where it really goes.
    pub target: SocketAddr,
}

impl FromStr for Pin {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            |what: &str| format!("{text:?}: {what}; expected HOST:PORT:ADDR[:PORT2], IPv6 in brackets");
        let parts = split(text);
        let (host, port, address, port2) = match parts.as_slice() {
            [host, port, address] => (host, port, address, port),
            [host, port, address, port2] => (host, port, address, port2),
            _ => return Err(wrong("it has not three or four parts")),
        };
        let number = |text: &str| {
            text.parse::<u16>()
                .ok()
                .filter(|port| *port > 0)
                .ok_or_else(|| wrong("a port is no number from 1 to 65535"))
        };
        let bare = address.trim_start_matches('[').trim_end_matches(']');
        let address: IpAddr = bare.parse().map_err(|_| wrong("ADDR is not an IP address"))?;
        Ok(Self {
            host: Host::parse(host).map_err(|_| wrong("HOST is not a host"))?,
            port: number(port)?,
            target: SocketAddr::new(address, number(port2)?),
        })
    }
}

/// Splits at colons outside brackets.
fn split(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut depth = 0_i32;
    for c in text.chars() {
        match c {
            ':' if depth == 0 => parts.push(String::new()),
            c => {
                depth += match c {
                    '[' => 1,
                    ']' => -1,
                    _ => 0,
                };
                if let Some(last) = parts.last_mut() {
                    last.push(c);
                }
            }
        }
    }
    parts
}

/// Where a destination really is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Addresses {
    /// A pin says so: exempt from the list of blocked addresses.
    Pinned(SocketAddr),
    /// DNS says so, or the host is a literal: to be checked, all of them.
    Resolved(Vec<SocketAddr>),
}

impl Addresses {
    /// The first of the addresses at which this machine itself answers: what listens here on all of its addresses is
    /// not what a rule about a host is for. A pin is exempt.
    #[must_use]
    pub(crate) fn own(&self) -> Option<IpAddr> {
        match self {
            Self::Pinned(_) => None,
            Self::Resolved(addresses) => {
                addresses.iter().map(SocketAddr::ip).find(|address| is_own(*address))
            }
        }
    }
}

/// A machine talks to itself from the address that it talks to, and to nobody else (RFC 6724 §5, rule 1); nothing is
/// sent to find out.
fn is_own(address: IpAddr) -> bool {
    let any: IpAddr =
        if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let source = UdpSocket::bind((any, 0)).and_then(|socket| {
        // Any port will do: it is not asked.
        socket.connect((address, 9))?;
        socket.local_addr()
    });
    source.is_ok_and(|source| source.ip() == address)
}

/// Why a name has no address.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// The resolver's reason.
    #[error("{host} does not resolve: {error}")]
    Failed {
        /// The name.
        host: String,
        /// What the resolver said.
        error: std::io::Error,
    },
    /// No answer in time.
    #[error("{0} did not resolve in time")]
    TimedOut(String),
}

/// Resolves names.
#[derive(Debug, Default)]
pub struct Resolver {
    pins: BTreeMap<(Host, u16), SocketAddr>,
}

impl Resolver {
    /// A resolver with these pins; a later pin for the same destination replaces an earlier one.
    #[must_use]
    pub fn new(pins: impl IntoIterator<Item = Pin>) -> Self {
        Self { pins: pins.into_iter().map(|pin| ((pin.host, pin.port), pin.target)).collect() }
    }

    /// Every address of `host:port`.
    ///
    /// # Errors
    /// [`ResolveError`] when there is no answer.
    pub async fn resolve(&self, host: &Host, port: u16) -> Result<Addresses, ResolveError> {
        if let Some(target) = self.pins.get(&(host.clone(), port)) {
            return Ok(Addresses::Pinned(*target));
        }
        if let Some(address) = host.address() {
            return Ok(Addresses::Resolved(vec![SocketAddr::new(address, port)]));
        }
        let name = host.to_string();
        let lookup = tokio::net::lookup_host((name.clone(), port));
        match tokio::time::timeout(DEADLINE, lookup).await {
            Err(_) => Err(ResolveError::TimedOut(name)),
            Ok(Err(error)) => Err(ResolveError::Failed { host: name, error }),
            Ok(Ok(addresses)) => Ok(Addresses::Resolved(addresses.collect())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_are_read_with_and_without_a_second_port() {
        let pin: Pin = "API.github.com:443:127.0.0.1:8443".parse().unwrap();
        assert_eq!((pin.host.to_string().as_str(), pin.port), ("api.github.com", 443));
        assert_eq!(pin.target, "127.0.0.1:8443".parse().unwrap());
        assert_eq!("a.b:80:[::1]".parse::<Pin>().unwrap().target, "[::1]:80".parse().unwrap());
        assert_eq!(
            "[2001:db8::1]:80:10.0.0.1:81".parse::<Pin>().unwrap().target,
            "10.0.0.1:81".parse().unwrap()
        );
        for bad in [
            "",
            "a.b",
            "a.b:80",
            "a.b:80:name",
            "a.b:0:127.0.0.1",
            "a.b:80:127.0.0.1:x",
            "a.b:80:::1",
            "a b:80:127.0.0.1",
        ] {
            assert!(bad.parse::<Pin>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_address_of_this_machine_is_known_as_one() {
        let resolved = |text: &[&str]| Addresses::Resolved(text.iter().map(|t| t.parse().unwrap()).collect());
        assert_eq!(resolved(&["192.0.2.77:80"]).own(), None);
        let own = "127.0.0.1".parse().unwrap();
        assert_eq!(resolved(&["192.0.2.77:80", "127.0.0.1:80"]).own(), Some(own));
        assert_eq!(Addresses::Pinned("127.0.0.1:9".parse().unwrap()).own(), None);
    }

    #[tokio::test]
    async fn a_pin_beats_dns_for_its_own_port_only() {
        let resolver = Resolver::new(["a.invalid:443:127.0.0.1:9".parse().unwrap()]);
        let host = Host::parse("a.invalid").unwrap();
        assert_eq!(
            resolver.resolve(&host, 443).await.unwrap(),
            Addresses::Pinned("127.0.0.1:9".parse().unwrap())
        );
        let literal = Host::parse("192.0.2.1").unwrap();
        assert_eq!(
            resolver.resolve(&literal, 80).await.unwrap(),
            Addresses::Resolved(vec!["192.0.2.1:80".parse().unwrap()])
        );
    }
}
