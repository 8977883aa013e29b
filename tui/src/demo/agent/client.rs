//! How the agent reaches the network: through the sandbox's proxy, with one of two clients.
//!
//! [`Surroundings`] is what the supervisor put into the environment; without a proxy in it nothing is sent. Both
//! clients answer with status and body, and neither follows redirects. Called by the agent's loop.

use std::path::PathBuf;
use std::time::Duration;

use super::builtin::Builtin;
use super::curl::Curl;

/// The largest answer that is read, in bytes.
pub(super) const MAX_ANSWER: usize = 1 << 20;
/// Where curl must be: the supervisor identifies a caller by its path, so `PATH` is not searched.
pub const CURL: &str = "/usr/bin/curl";

/// Which client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientKind {
    /// [`CURL`], one process a request.
    Curl,
    /// The one in this binary.
    Builtin,
}

impl ClientKind {
    /// curl where it is installed, else the built-in one.
    #[must_use]
    pub fn detect() -> Self {
        if std::path::Path::new(CURL).is_file() { Self::Curl } else { Self::Builtin }
    }

    /// `curl` or `builtin`: the word for a command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Curl => "curl",
            Self::Builtin => "builtin",
        }
    }
}

impl std::str::FromStr for ClientKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Curl, Self::Builtin]
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| format!("{text:?} is not a client: write curl or builtin"))
    }
}

/// The network as the supervisor presents it.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// The proxy for `http://`, as a URL.
    pub http_proxy: String,
    /// The proxy for `https://`, as a URL.
    pub https_proxy: String,
    /// The roots that vouch for the proxy's certificates, as a PEM file.
    pub ca_file: PathBuf,
}

impl Surroundings {
    /// Reads `http_proxy`, `https_proxy` (or in capitals), and `SSL_CERT_FILE` or `CURL_CA_BUNDLE`.
    ///
    /// # Errors
    /// [`ClientError::Surroundings`] with the name that is missing.
    pub fn from_env() -> Result<Self, ClientError> {
        let first = |names: [&'static str; 2]| {
            let [wanted, _] = names;
            names
                .iter()
                .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
                .ok_or(ClientError::Surroundings(wanted))
        };
        Ok(Self {
            http_proxy: first(["http_proxy", "HTTP_PROXY"])?,
            https_proxy: first(["https_proxy", "HTTPS_PROXY"])?,
            ca_file: first(["SSL_CERT_FILE", "CURL_CA_BUNDLE"])?.into(),
        })
    }
}

/// A request.
#[derive(Clone)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) url: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    /// How long until its answer must be complete.
    pub(super) time: Duration,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

impl Response {
    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// Why there was no answer. No message holds a header or a body.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Not inside a sandbox.
    #[error("{0} is not set: the agent only runs behind a supervisor's proxy")]
    Surroundings(&'static str),
    /// Not a URL that can be asked for.
    #[error("{0:?} is not an http:// or https:// URL with a host")]
    Url(String),
    /// A method or a header that HTTP cannot carry.
    #[error("the request cannot be written: {0}")]
    Request(#[from] http::Error),
    /// The roots are missing or empty.
    #[error("the roots in {path:?} cannot be read: {reason}")]
    Roots {
        /// `SSL_CERT_FILE`.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Sockets.
    #[error("no connection to {peer}: {source}")]
    Connect {
        /// `host:port`.
        peer: String,
        /// Why.
        source: std::io::Error,
    },
    /// HTTP broke off.
    #[error("no answer: {0}")]
    Http(#[from] hyper::Error),
    /// Too large, or cut off.
    #[error("the answer cannot be read: {0}")]
    Answer(String),
    /// Took longer than it may.
    #[error("no answer within {} s", .0.as_secs())]
    Slow(Duration),
    /// curl could not be run.
    #[error("{CURL} cannot be run: {0}")]
    Run(std::io::Error),
    /// curl gave up; its own words.
    #[error("{0}")]
    Curl(String),
    /// More than curl takes on one line of its configuration.
    #[error("the request body is larger than {} bytes", super::curl::MAX_BODY)]
    BodyTooLarge,
}

/// One of the two clients.
pub(super) enum HttpClient {
    Curl(Curl),
    Builtin(Builtin),
}

impl HttpClient {
    pub(super) fn new(kind: ClientKind, surroundings: Surroundings) -> Result<Self, ClientError> {
        Ok(match kind {
            ClientKind::Curl => Self::Curl(Curl::new(surroundings)),
            ClientKind::Builtin => Self::Builtin(Builtin::new(surroundings)?),
        })
    }

    pub(super) async fn send(&self, request: &Request) -> Result<Response, ClientError> {
        match self {
            Self::Curl(curl) => curl.send(request).await,
            Self::Builtin(builtin) => tokio::time::timeout(request.time, builtin.send(request))
                .await
                .unwrap_or(Err(ClientError::Slow(request.time))),
        }
    }
}
