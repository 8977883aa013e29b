//! The one origin of all rows: answers each request with 1 KiB, over HTTP/1.1 in the clear and over TLS with a thread
//! for each connection, and by a library (HTTP/2, HTTP/1.1 over TLS) on a thread for each of both. As cheap as it can be: it shares the processors with
//! what is measured.

use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tokio_rustls::TlsAcceptor;

use super::{BODY, HOST, LOCAL};

/// Where it answers, and what proves it.
pub(crate) struct Origin {
    pub(crate) clear: SocketAddr,
    pub(crate) tls: SocketAddr,
    pub(crate) http2: SocketAddr,
    /// HTTP/1.1 over TLS, by a library instead of by hand.
    pub(crate) hyper: SocketAddr,
    pub(crate) pem: String,
}

/// Begins to answer.
pub(crate) fn start() -> Origin {
    let key = rcgen::generate_simple_self_signed(vec![HOST.to_owned(), LOCAL.to_owned()]).unwrap();
    let config = |protocol: &[u8]| {
        let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder =
            ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let builder = builder.with_no_client_auth();
        let mut config = builder.with_single_cert(vec![key.cert.der().clone()], private).unwrap();
        config.alpn_protocols = vec![protocol.to_vec()];
        Arc::new(config)
    };
    let http1 = config(b"http/1.1");
    let clear = listen(answer);
    let tls = listen(move |stream| {
        answer(StreamOwned::new(ServerConnection::new(Arc::clone(&http1)).unwrap(), stream));
    });
    let (http2, hyper) = (by_library(config(b"h2"), true), by_library(config(b"http/1.1"), false));
    Origin { clear, tls, http2, hyper, pem: key.cert.pem() }
}

fn listen(each: impl Fn(TcpStream) + Send + Clone + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            stream.set_nodelay(true).unwrap();
            let each = each.clone();
            std::thread::spawn(move || each(stream));
        }
    });
    address
}

/// Requests have no bodies, so that each ends with its head.
fn answer<S: Read + Write>(mut stream: S) {
    let response = [head().as_bytes(), BODY].concat();
    let mut space = [0; 4096];
    let mut read = 0;
    // Clients go away as they like.
    while let Ok(count @ 1..) = stream.read(&mut space[read..]) {
        read += count;
        if space[..read].ends_with(b"\r\n\r\n") {
            read = 0;
            if stream.write_all(&response).and_then(|()| stream.flush()).is_err() {
                return;
            }
        }
    }
}

fn head() -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\r\n", BODY.len())
}

fn by_library(config: Arc<ServerConfig>, is_http2: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    std::thread::spawn(move || runtime.block_on(serve(listener, TlsAcceptor::from(config), is_http2)));
    address
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, is_http2: bool) {
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    while let Ok((stream, _)) = listener.accept().await {
        stream.set_nodelay(true).unwrap();
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let service = service_fn(|_| async {
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(BODY))))
            });
            let stream = TokioIo::new(stream);
            // Clients go away as they like.
            let _ = match is_http2 {
                true => http2::Builder::new(TokioExecutor::new()).serve_connection(stream, service).await,
                false => http1::Builder::new().serve_connection(stream, service).await,
            };
        });
    }
}
