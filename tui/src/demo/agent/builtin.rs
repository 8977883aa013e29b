//! The client for machines without curl: HTTP/1.1 through the proxy, in this process.
//!
//! `http://` in absolute form, `https://` through CONNECT and TLS with the sandbox's roots. A CONNECT that is
//! refused is returned as the answer, body and all, which most clients throw away. Refuses a proxy that is not
//! `http://host:port`. One connection a request. Called through [`HttpClient`](super::client::HttpClient).

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use super::client::{ClientError, MAX_ANSWER, Request, Response, Surroundings};

/// The client.
pub(super) struct Builtin {
    http_proxy: String,
    https_proxy: String,
    tls: TlsConnector,
}

/// A connection that is driven in the background until this is dropped.
struct Connection {
    sender: SendRequest<Full<Bytes>>,
    driver: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Builtin {
    pub(super) fn new(surroundings: Surroundings) -> Result<Self, ClientError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let failed = |reason: String| ClientError::Roots { path: surroundings.ca_file.clone(), reason };
        let mut roots = RootCertStore::empty();
        let certificates = CertificateDer::pem_file_iter(&surroundings.ca_file)
            .map_err(|error| failed(error.to_string()))?;
        let (taken, _) = roots.add_parsable_certificates(certificates.flatten());
        if taken == 0 {
            return Err(failed("no certificate in it".into()));
        }
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| failed(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            http_proxy: authority(&surroundings.http_proxy)?,
            https_proxy: authority(&surroundings.https_proxy)?,
            tls: TlsConnector::from(Arc::new(config)),
        })
    }

    pub(super) async fn send(&self, request: &Request) -> Result<Response, ClientError> {
        let wrong = || ClientError::Url(request.url.clone());
        let uri: Uri = request.url.parse().map_err(|_| wrong())?;
        let host = uri.host().ok_or_else(wrong)?.to_owned();
        match uri.scheme_str() {
            Some("http") => {
                let mut proxy = open(dial(&self.http_proxy).await?).await?;
                exchange(&mut proxy, write(request, &uri, uri.clone())?).await
            }
            Some("https") => {
                let target = format!("{host}:{}", uri.port_u16().unwrap_or(443));
                let mut tunnel = match self.connect(&target).await? {
                    Ok(tunnel) => tunnel,
                    Err(refused) => return Ok(refused),
                };
                let name = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
                let origin_form: Uri = name.parse().map_err(|_| wrong())?;
                exchange(&mut tunnel, write(request, &uri, origin_form)?).await
            }
            _ => Err(wrong()),
        }
    }

    /// A TLS connection to `target` through the proxy, or the proxy's refusal.
    async fn connect(&self, target: &str) -> Result<Result<Connection, Response>, ClientError> {
        let mut proxy = open(dial(&self.https_proxy).await?).await?;
        let connect = http::Request::builder()
            .method(Method::CONNECT)
            .uri(target)
            .header(header::HOST, target)
            .body(Full::default())?;
        let answer = proxy.sender.send_request(connect).await?;
        if !answer.status().is_success() {
            return Ok(Err(read(answer).await?));
        }
        let stream = hyper::upgrade::on(answer).await?;
        let host = target.rsplit_once(':').map_or(target, |(host, _)| host).trim_matches(['[', ']']);
        let name = ServerName::try_from(host.to_owned()).map_err(|_| ClientError::Url(target.to_owned()))?;
        let stream = self
            .tls
            .connect(name, TokioIo::new(stream))
            .await
            .map_err(|source| ClientError::Connect { peer: target.to_owned(), source })?;
        Ok(Ok(open(stream).await?))
    }
}

/// `host:port` of `http://host:port/`.
fn authority(proxy: &str) -> Result<String, ClientError> {
    let wrong = || ClientError::Url(proxy.to_owned());
    let uri: Uri = proxy.parse().map_err(|_| wrong())?;
    let is_plain = matches!(uri.scheme_str(), None | Some("http"));
    let authority =
        uri.authority().filter(|_| is_plain).filter(|a| !a.as_str().contains('@')).ok_or_else(wrong)?;
    Ok(format!("{}:{}", authority.host(), authority.port_u16().unwrap_or(80)))
}

async fn dial(peer: &str) -> Result<TcpStream, ClientError> {
    TcpStream::connect(peer).await.map_err(|source| ClientError::Connect { peer: peer.to_owned(), source })
}

async fn open<S>(stream: S) -> Result<Connection, ClientError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Its error is the sender's error as well.
    let driver = tokio::spawn(async move { drop(connection.with_upgrades().await) });
    Ok(Connection { sender, driver })
}

fn write(request: &Request, uri: &Uri, target: Uri) -> Result<http::Request<Full<Bytes>>, ClientError> {
    let host = uri.authority().map_or_else(String::new, ToString::to_string);
    let mut builder = http::Request::builder()
        .method(request.method.as_str())
        .uri(target)
        .header(header::HOST, host)
        .header(header::CONNECTION, "close")
        .header(header::USER_AGENT, concat!("openshell-inbox-demo/", env!("CARGO_PKG_VERSION")));
    for (name, value) in &request.headers {
        let mut value = HeaderValue::from_str(value).map_err(http::Error::from)?;
        value.set_sensitive(name.eq_ignore_ascii_case("authorization"));
        builder = builder.header(name.as_str(), value);
    }
    Ok(builder.body(Full::new(Bytes::from(request.body.clone())))?)
}

async fn exchange(
    connection: &mut Connection,
    request: http::Request<Full<Bytes>>,
) -> Result<Response, ClientError> {
    read(connection.sender.send_request(request).await?).await
}

async fn read(answer: http::Response<Incoming>) -> Result<Response, ClientError> {
    let status = answer.status().as_u16();
    let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await;
    let body = body.map_err(|error| ClientError::Answer(error.to_string()))?.to_bytes().to_vec();
    Ok(Response { status, body })
}
