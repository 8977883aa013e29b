//! How TLS with an origin begins: verified, and with the protocols that the client could speak as well.
//!
//! One configuration for each [`Offer`], made once at the start of a run from whom the supervisor trusts. There is
//! no way to make one that does not verify. Used by [`crate::pipeline`] when it dials.

use std::sync::Arc;

use rustls::ClientConfig;

/// The name of HTTP/2 in a TLS handshake (RFC 9113 §3.2).
const H2: &[u8] = b"h2";
/// The name of HTTP/1.1 (RFC 7301 §6).
const HTTP_1_1: &[u8] = b"http/1.1";

/// The protocols that one side of a TLS handshake would speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Offer {
    /// HTTP/1.1 alone; also what a side that names no protocol speaks.
    Http1,
    /// HTTP/2 alone, as gRPC clients do.
    Http2,
    /// Either, HTTP/2 rather.
    Both,
}

impl Offer {
    /// Reads the protocols of a ClientHello. Those that are not HTTP are as if they were not there.
    pub fn read<'p>(protocols: impl IntoIterator<Item = &'p [u8]>) -> Self {
        let (mut has_http1, mut has_http2) = (false, false);
        for protocol in protocols {
            has_http1 |= protocol == HTTP_1_1;
            has_http2 |= protocol == H2;
        }
        match (has_http1, has_http2) {
            (true, true) => Self::Both,
            (false, true) => Self::Http2,
            (_, false) => Self::Http1,
        }
    }

    /// As they are written in a handshake, the preferred one first.
    #[must_use]
    pub fn protocols(self) -> Vec<Vec<u8>> {
        match self {
            Self::Http1 => vec![HTTP_1_1.to_vec()],
            Self::Http2 => vec![H2.to_vec()],
            Self::Both => vec![H2.to_vec(), HTTP_1_1.to_vec()],
        }
    }

    /// Whether HTTP/2 is among them.
    #[must_use]
    pub fn has_http2(self) -> bool {
        self != Self::Http1
    }
}

/// Whether a finished handshake chose HTTP/2. One that chose nothing is HTTP/1.1.
#[must_use]
pub fn chose_http2(protocol: Option<&[u8]>) -> bool {
    protocol == Some(H2)
}

/// The configurations.
#[derive(Debug)]
pub struct Upstream {
    http1: Arc<ClientConfig>,
    http2: Arc<ClientConfig>,
    both: Arc<ClientConfig>,
}

impl Upstream {
    /// From one that says whom to trust.
    #[must_use]
    pub fn new(trusting: &ClientConfig) -> Self {
        let with = |offer: Offer| {
            let mut config = trusting.clone();
            config.alpn_protocols = offer.protocols();
            Arc::new(config)
        };
        Self { http1: with(Offer::Http1), http2: with(Offer::Http2), both: with(Offer::Both) }
    }

    /// The one that makes this offer.
    #[must_use]
    pub fn offering(&self, offer: Offer) -> Arc<ClientConfig> {
        Arc::clone(match offer {
            Offer::Http1 => &self.http1,
            Offer::Http2 => &self.http2,
            Offer::Both => &self.both,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offer_is_what_a_client_names_and_nothing_else() {
        let read = |names: &[&str]| Offer::read(names.iter().map(|name| name.as_bytes()));
        assert_eq!(read(&[]), Offer::Http1);
        assert_eq!(read(&["acme-tls/1"]), Offer::Http1);
        assert_eq!(read(&["http/1.1", "h2"]), Offer::Both);
        assert_eq!(read(&["h2"]), Offer::Http2);
        for offer in [Offer::Http1, Offer::Http2, Offer::Both] {
            let protocols = offer.protocols();
            assert_eq!(Offer::read(protocols.iter().map(Vec::as_slice)), offer);
        }
        assert!(!chose_http2(None) && !chose_http2(Some(HTTP_1_1)) && chose_http2(Some(H2)));
    }
}
