//! A TLS origin on loopback that speaks what the test says: it notes what was asked, answers GET and PUT, and calls.

#![allow(
    dead_code,
    unreachable_pub,
    missing_debug_implementations,
    clippy::unwrap_used,
    reason = "each test file uses its part; a test that cannot go on has failed"
)]

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Body, Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use openshell_inbox::demo::origin::authority::Authority;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tokio_stream::StreamExt as _;
use tonic::{Status, Streaming};
use tonic_prost::ProstCodec;

use super::common::{NONE, World};

pub const HOST: &str = "web.invalid";

/// What an origin offers.
#[derive(Debug, Clone, Copy)]
pub enum Speaks {
    Http1,
    Both,
}

pub struct Origin {
    /// For `--resolve`.
    pub pin: String,
    /// For `--extra-ca`.
    pub pem: String,
    /// `VERSION METHOD AUTHORITY PATH` of each request.
    pub asked: Arc<Mutex<Vec<String>>>,
    pub connections: Arc<AtomicUsize>,
}

pub async fn start(speaks: Speaks) -> Origin {
    let asked = Arc::<Mutex<Vec<String>>>::default();
    let all = Arc::clone(&asked);
    let origin = start_with(speaks, move |stream| serve(stream, Arc::clone(&all))).await;
    Origin { asked, ..origin }
}

/// An origin whose connections `serve` answers; it notes nothing.
pub async fn start_with<F, R>(speaks: Speaks, serve: F) -> Origin
where
    F: Fn(tokio_rustls::server::TlsStream<TcpStream>) -> R + Send + Sync + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let authority = Authority::new("the test's origin").unwrap();
    let leaf = authority.leaf(HOST).unwrap();
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(leaf.chain, leaf.key)
        .unwrap();
    config.alpn_protocols = match speaks {
        Speaks::Http1 => vec![b"http/1.1".to_vec()],
        Speaks::Both => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let pin = format!("{HOST}:443:{}", listener.local_addr().unwrap());
    let connections = Arc::<AtomicUsize>::default();
    let origin = Origin {
        pin,
        pem: authority.pem().to_owned(),
        asked: Arc::default(),
        connections: Arc::clone(&connections),
    };
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let serve = Arc::new(serve);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, serve) = (acceptor.clone(), Arc::clone(&serve));
            connections.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    serve(stream).await;
                }
            });
        }
    });
    origin
}

impl Origin {
    /// Runs a test of this very program as the command of a sandbox without isolation, with this origin behind it.
    pub fn serve_inside(&self, world: &World, policy: &str, test: &str) {
        let ca = world.path("origin.pem");
        std::fs::write(&ca, &self.pem).unwrap();
        let ca = ca.display().to_string();
        let options = [&["--advisor", "--resolve", &self.pin, "--extra-ca", &ca][..], &NONE[..]].concat();
        let program = std::env::current_exe().unwrap().display().to_string();
        let command = [&program, "--ignored", "--exact", test, "--nocapture"];
        let output = world.run("demo", policy, &options, &command);
        let said =
            [String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)].concat();
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
        println!("{said}");
    }
}

/// A connection through the proxy of the sandbox that this runs in, after `CONNECT` to [`HOST`] was answered.
pub async fn connected() -> TcpStream {
    let proxy = std::env::var("https_proxy").unwrap();
    let proxy = proxy.trim_start_matches("http://").trim_end_matches('/').to_owned();
    let mut stream = TcpStream::connect(proxy).await.unwrap();
    let connect = format!("CONNECT {HOST}:443 HTTP/1.1\r\nHost: {HOST}:443\r\n\r\n");
    stream.write_all(connect.as_bytes()).await.unwrap();
    let head = head(&mut stream).await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    stream
}

/// Everything up to and with the first empty line.
pub async fn head<S: AsyncRead + Unpin>(stream: &mut S) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8_lossy(&head).into_owned()
}

/// TLS with [`HOST`] through the proxy of the sandbox that this runs in.
pub async fn tunnel(protocols: &[&str]) -> TlsStream<TcpStream> {
    let stream = connected().await;
    let bundle = std::fs::read(std::env::var("SSL_CERT_FILE").unwrap()).unwrap();
    client(&bundle, protocols, stream).await
}

async fn serve(stream: tokio_rustls::server::TlsStream<TcpStream>, asked: Arc<Mutex<Vec<String>>>) {
    let has_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let service = service_fn(move |request: Request<Incoming>| {
        let named = request.headers().get("host").map(|host| host.to_str().unwrap().to_owned());
        let authority = request.uri().authority().map(ToString::to_string).or(named).unwrap_or_default();
        let (version, method, path) = (request.version(), request.method(), request.uri().path());
        asked.lock().unwrap().push(format!("{version:?} {method} {authority} {path}"));
        async move { Ok::<_, Infallible>(answer(request).await) }
    });
    let io = TokioIo::new(stream);
    // Clients go away as they like.
    if has_http2 {
        let http2 = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        let _ = http2.serve_connection(io, service).await;
    } else {
        let http1 = hyper::server::conn::http1::Builder::new();
        let _ = http1.serve_connection(io, service).with_upgrades().await;
    }
}

async fn answer(mut request: Request<Incoming>) -> Response<tonic::body::Body> {
    let mut grpc = tonic::server::Grpc::new(ProstCodec::<String, String>::default());
    match request.uri().path() {
        "/test.Echo/Unary" => {
            let echo = |request: tonic::Request<String>| async move {
                Ok::<_, Status>(tonic::Response::new(request.into_inner()))
            };
            grpc.unary(tower::service_fn(echo), request).await
        }
        "/test.Echo/Count" => {
            let count = |request: tonic::Request<String>| async move {
                let end: u32 = request.into_inner().parse().unwrap();
                let numbers = tokio_stream::iter(0..end).map(|n| Ok::<_, Status>(n.to_string()));
                Ok::<_, Status>(tonic::Response::new(numbers))
            };
            grpc.server_streaming(tower::service_fn(count), request).await
        }
        "/test.Echo/Talk" => {
            assert_eq!(request.headers().get("te").unwrap(), "trailers");
            let talk = |request: tonic::Request<Streaming<String>>| async move {
                let answers = request.into_inner().map(|message| match message?.as_str() {
                    "end" => {
                        let mut last = Status::out_of_range("that is all");
                        last.metadata_mut().insert("x-trailer", "kept".parse().unwrap());
                        Err(last)
                    }
                    other => Ok(other.to_owned()),
                });
                Ok::<_, Status>(tonic::Response::new(answers))
            };
            grpc.streaming(tower::service_fn(talk), request).await
        }
        "/hang" => std::future::pending().await,
        "/sink" => {
            Response::new(tonic::body::Body::new(Full::from(drained(request.into_body()).await.to_string())))
        }
        "/bulk" => {
            let parts = request.uri().query().unwrap().parse().unwrap();
            Response::new(tonic::body::Body::new(bulk(parts)))
        }
        "/socket" if request.headers().contains_key("upgrade") => echoing(&mut request),
        _ => {
            let body = request
                .into_body()
                .collect()
                .await
                .map(http_body_util::Collected::to_bytes)
                .unwrap_or_default();
            Response::new(tonic::body::Body::new(Full::new(body)))
        }
    }
}

/// A WebSocket that gives back what it gets.
fn echoing(request: &mut Request<Incoming>) -> Response<tonic::body::Body> {
    let upgrade = hyper::upgrade::on(request);
    tokio::spawn(async move {
        if let Ok(stream) = upgrade.await {
            let (mut from, mut to) = tokio::io::split(TokioIo::new(stream));
            let _ = tokio::io::copy(&mut from, &mut to).await;
        }
    });
    let response = Response::builder().status(101).header("upgrade", "websocket");
    response.header("connection", "upgrade").body(tonic::body::Body::empty()).unwrap()
}

/// How much a bulk has in one part, in bytes.
pub const PART: usize = 64 * 1024;

/// A body of so many parts.
pub fn bulk(parts: usize) -> impl Body<Data = Bytes, Error = Infallible> + Send + 'static {
    let part = Bytes::from(vec![b'x'; PART]);
    StreamBody::new(tokio_stream::iter((0..parts).map(move |_| Ok(Frame::data(part.clone())))))
}

/// How many bytes a body has; none of them is kept.
pub async fn drained<B: Body<Data = Bytes> + Unpin>(mut body: B) -> usize {
    let mut count = 0;
    while let Some(Ok(frame)) = body.frame().await {
        count += frame.data_ref().map_or(0, Bytes::len);
    }
    count
}

/// TLS with [`HOST`] as a client that trusts these roots and offers these protocols.
pub async fn client(roots: &[u8], protocols: &[&str], stream: TcpStream) -> TlsStream<TcpStream> {
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(roots) {
        store.add_parsable_certificates([certificate.unwrap()]);
    }
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(store)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    let name = ServerName::try_from(HOST).unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}
