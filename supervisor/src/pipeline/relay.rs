//! Dialling with a [`Permit`]: TCP to a checked address, TLS verified against the name that was judged.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use openshell_domain::policy::host::Host;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::Permit;

/// How long one address may take to answer.
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);

/// Why an origin could not be reached.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// No address took the connection.
    #[error("{at} cannot be reached: {error}")]
    Unreachable {
        /// The destination.
        at: String,
        /// What the last address said.
        error: std::io::Error,
    },
    /// No address answered in time.
    #[error("{0} did not answer in time")]
    TimedOut(String),
    /// Its certificate is not one for the name, or not from a known authority, or it does not speak TLS.
    #[error("TLS with {at} failed: {error}")]
    Tls {
        /// The destination.
        at: String,
        /// What the TLS library said.
        error: std::io::Error,
    },
}

impl Permit {
    /// The destination's name.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The destination's port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether an open connection to `address` may be used for this permit.
    #[must_use]
    pub fn covers(&self, address: SocketAddr) -> bool {
        self.targets.contains(&address)
    }

    /// Connects to the first of the checked addresses that answers.
    ///
    /// # Errors
    /// [`DialError`] when none does.
    pub async fn dial(&self) -> Result<(TcpStream, SocketAddr), DialError> {
        let at = || self.host.with_port(self.port);
        let mut last = DialError::TimedOut(at());
        for target in &self.targets {
            match tokio::time::timeout(CONNECT_DEADLINE, TcpStream::connect(target)).await {
                Ok(Ok(stream)) => {
                    // Only latency is at stake.
                    let _ = stream.set_nodelay(true);
                    return Ok((stream, *target));
                }
                Ok(Err(error)) => last = DialError::Unreachable { at: at(), error },
                Err(_) => last = DialError::TimedOut(at()),
            }
        }
        Err(last)
    }

    /// Like [`Self::dial`], with TLS for the destination's name on top.
    ///
    /// # Errors
    /// [`DialError`].
    pub async fn dial_tls(
        &self,
        config: Arc<ClientConfig>,
    ) -> Result<(TlsStream<TcpStream>, SocketAddr), DialError> {
        let at = || self.host.with_port(self.port);
        let (stream, address) = self.dial().await?;
        let name = match &self.host {
            Host::Address(address) => ServerName::IpAddress((*address).into()),
            Host::Name(name) => ServerName::try_from(name.clone())
                .map_err(|error| DialError::Tls { at: at(), error: std::io::Error::other(error) })?,
        };
        let handshake = TlsConnector::from(config).connect(name, stream);
        match tokio::time::timeout(CONNECT_DEADLINE, handshake).await {
            Ok(Ok(stream)) => Ok((stream, address)),
            Ok(Err(error)) => Err(DialError::Tls { at: at(), error }),
            Err(_) => Err(DialError::TimedOut(at())),
        }
    }
}
