//! An HTTPS origin on loopback that plays the GitHub Contents API for one host.
//!
//! Any path is a file: GET reads it, PUT (POST, PATCH) writes it, a bearer token is required. The certificate
//! comes from an authority made at this start ([`authority`]); files are kept in memory. It records every
//! request that arrived, so that a test can state that nothing that was denied ever did. Refuses bodies over
//! 1 MiB. Called by the demo and by tests; it ends when it is dropped.

pub mod authority;
pub mod base64;
mod contents;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use authority::{Authority, AuthorityError};
use contents::{Contents, Reply};

pub use contents::StoredFile;

/// The largest request body, in bytes.
const MAX_BODY: usize = 1 << 20;
/// The most requests that are remembered; a demo sends three.
const MAX_SEEN: usize = 1000;

/// A request that arrived at the origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenRequest {
    /// The method as it was sent.
    pub method: String,
    /// The path, without the query.
    pub path: String,
    /// The status of the answer.
    pub status: u16,
}

/// Why the origin did not start.
#[derive(Debug, thiserror::Error)]
pub enum OriginError {
    /// No certificate for the host.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// The certificate was not accepted by the TLS library.
    #[error("TLS for the demo's origin cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
    /// No loopback port.
    #[error("the demo's origin cannot listen on 127.0.0.1: {0}")]
    Listen(#[from] std::io::Error),
}

/// A running origin.
#[derive(Debug)]
pub struct Origin {
    addr: SocketAddr,
    ca_pem: String,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    authorization: String,
    contents: Mutex<Contents>,
    seen: Mutex<Vec<SeenRequest>>,
}

impl Origin {
    /// Starts an origin for `host` on a free port of 127.0.0.1; requests must carry `Bearer token`.
    ///
    /// Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`OriginError`] when there is no certificate for `host` or no port.
    pub fn start(host: &str, token: &str) -> Result<Self, OriginError> {
        let authority = Authority::new("openshell-inbox demo CA")?;
        let leaf = authority.leaf(host)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(leaf.chain, leaf.key)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let addr = listener.local_addr()?;
        let shared = Arc::new(Shared {
            authorization: format!("Bearer {token}"),
            contents: Mutex::default(),
            seen: Mutex::default(),
        });
        let listener = TcpListener::from_std(listener)?;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let accepting = tokio::spawn(accept(listener, acceptor, Arc::clone(&shared)));
        Ok(Self { addr, ca_pem: authority.pem().to_owned(), shared, accepting })
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The certificate of the authority that signed for it, as PEM.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// The file that is stored under `path` (as in the URL, with the leading `/`).
    #[must_use]
    pub fn file(&self, path: &str) -> Option<StoredFile> {
        self.shared.contents.lock().unwrap_or_else(PoisonError::into_inner).file(path).cloned()
    }

    /// Every request that arrived, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<SeenRequest> {
        self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Owns the connections, so that they end with it.
async fn accept(listener: TcpListener, acceptor: TlsAcceptor, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(serve(stream, acceptor.clone(), Arc::clone(&shared)));
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(stream: TcpStream, acceptor: TlsAcceptor, shared: Arc<Shared>) {
    // A handshake that fails is the client's news: the supervisor logs it with its reason.
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(respond(request, &shared).await) }
    });
    let connection =
        http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
    // A connection that breaks has nobody left to tell.
    let _ = connection.await;
}

async fn respond(request: Request<Incoming>, shared: &Shared) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    let reply = if is_authorized(&parts.headers, &shared.authorization) {
        match Limited::new(body, MAX_BODY).collect().await {
            Ok(body) => shared.contents.lock().unwrap_or_else(PoisonError::into_inner).answer(
                parts.method.as_str(),
                parts.uri.path(),
                &body.to_bytes(),
            ),
            Err(_) => Reply::message(StatusCode::PAYLOAD_TOO_LARGE, "Body too large or cut off"),
        }
    } else {
        Reply::message(StatusCode::UNAUTHORIZED, "Bad credentials")
    };
    let mut seen = shared.seen.lock().unwrap_or_else(PoisonError::into_inner);
    if seen.len() < MAX_SEEN {
        seen.push(SeenRequest {
            method: parts.method.to_string(),
            path: parts.uri.path().to_owned(),
            status: reply.status.as_u16(),
        });
    }
    let mut response = Response::new(Full::new(Bytes::from(reply.body.to_string())));
    *response.status_mut() = reply.status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json; charset=utf-8"));
    response
}

fn is_authorized(headers: &HeaderMap, wanted: &str) -> bool {
    headers.get(header::AUTHORIZATION).is_some_and(|value| value.as_bytes() == wanted.as_bytes())
}
