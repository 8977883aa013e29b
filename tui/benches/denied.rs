//! How fast a denial reaches the agent, and the inbox, over the real processes.
//!
//! The time to a complete 403, for plain forward, for CONNECT, and inside the tunnel with its TLS handshake; each
//! against the floor of the same run: the same bytes from a bare server on loopback, in the clear and over TLS. Then
//! denied request → the mapper's proposal at an inbox client, of which 200 ms are silence by design.

#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a benchmark may stop at once")]

mod common;

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{client, percentile, report, start_agent, start_gateway, target};
use openshell_wire::pb::inbox as pb;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned};

const ROUNDS: usize = 300;
const PROPOSALS: usize = 30;
/// As large as a reply with advice.
const ANSWER: &[u8] = &[b'x'; 2048];

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("agent") => agent(),
        Some("--test") => println!("benchmarks run with `cargo bench`"),
        _ => measure(),
    }
}

/// Inside the sandbox: measures, and then asks for one host after the other as it is told.
fn agent() {
    let proxy = std::env::var("http_proxy").unwrap().trim_start_matches("http://").to_owned();
    let tls = client_tls(&std::env::var("SSL_CERT_FILE").unwrap());
    let (clear, own, own_tls) = floor();
    let times = |ask: &dyn Fn(usize)| -> Vec<Duration> {
        ask(0);
        (0..ROUNDS)
            .map(|round| {
                let start = Instant::now();
                ask(round);
                start.elapsed()
            })
            .collect()
    };
    let floor_clear = times(&|_| drop(ask(TcpStream::connect(clear).unwrap(), b"GET / HTTP/1.1\r\n\r\n")));
    let floor_tls = times(&|_| {
        drop(ask(
            open(&own_tls, "floor.example", TcpStream::connect(own).unwrap()),
            b"GET / HTTP/1.1\r\n\r\n",
        ));
    });
    let forward = times(&|_| {
        let request =
            b"GET http://denied.example/x HTTP/1.1\r\nHost: denied.example\r\nConnection: close\r\n\r\n";
        check(&ask(TcpStream::connect(&proxy).unwrap(), request));
    });
    let connect = times(&|_| {
        let request =
            b"CONNECT denied.example:22 HTTP/1.1\r\nHost: denied.example:22\r\nConnection: close\r\n\r\n";
        check(&ask(TcpStream::connect(&proxy).unwrap(), request));
    });
    let inside = times(&|_| {
        let mut stream = TcpStream::connect(&proxy).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.write_all(b"CONNECT denied.example:443 HTTP/1.1\r\nHost: denied.example:443\r\n\r\n").unwrap();
        skip_head(&mut stream);
        let request = b"GET /x HTTP/1.1\r\nHost: denied.example\r\nConnection: close\r\n\r\n";
        check(&ask(open(&tls, "denied.example", stream), request));
    });
    report("floor: connect, ask, read, in the clear", &floor_clear, &floor_clear);
    report("403 of a forward request", &forward, &floor_clear);
    report("403 of a CONNECT", &connect, &floor_clear);
    report("floor: the same over TLS", &floor_tls, &floor_tls);
    report("403 inside the tunnel, CONNECT and TLS included", &inside, &floor_tls);
    target("complete 403 of a forward request, p50 ms", percentile(&forward, 50), 2.0);
    target("complete 403 of a CONNECT, p50 ms", percentile(&connect, 50), 2.0);
    println!("ready");
    for line in std::io::stdin().lines() {
        let host = line.unwrap();
        let request = format!("GET http://{host}/x HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        check(&ask(TcpStream::connect(&proxy).unwrap(), request.as_bytes()));
    }
}

/// A server in the clear, one over TLS, and what trusts the latter.
fn floor() -> (std::net::SocketAddr, std::net::SocketAddr, Arc<ClientConfig>) {
    let key = rcgen::generate_simple_self_signed(vec!["floor.example".to_owned()]).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(key.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.signing_key.serialize_der()));
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![key.cert.der().clone()], private)
        .unwrap();
    let server = Arc::new(server);
    let clear = serve(answer);
    let tls = serve(move |stream| {
        answer(StreamOwned::new(ServerConnection::new(Arc::clone(&server)).unwrap(), stream));
    });
    (clear, tls, trusting(provider, roots))
}

fn serve(each: impl Fn(TcpStream) + Send + 'static) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            stream.set_nodelay(true).unwrap();
            each(stream);
        }
    });
    address
}

fn answer<S: Read + Write>(mut stream: S) {
    let mut request = [0; 1024];
    let _ = stream.read(&mut request).unwrap();
    stream.write_all(ANSWER).unwrap();
    stream.flush().unwrap();
}

fn client_tls(bundle: &str) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(CertificateDer::pem_file_iter(bundle).unwrap().flatten());
    trusting(Arc::new(rustls::crypto::aws_lc_rs::default_provider()), roots)
}

/// Without resumption: each is a whole handshake.
fn trusting(provider: Arc<rustls::crypto::CryptoProvider>, roots: RootCertStore) -> Arc<ClientConfig> {
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.resumption = rustls::client::Resumption::disabled();
    Arc::new(config)
}

fn open(
    config: &Arc<ClientConfig>,
    host: &'static str,
    stream: TcpStream,
) -> StreamOwned<ClientConnection, TcpStream> {
    let connection = ClientConnection::new(Arc::clone(config), host.try_into().unwrap()).unwrap();
    StreamOwned::new(connection, stream)
}

fn ask<S: Read + Write>(mut stream: S, request: &[u8]) -> Vec<u8> {
    stream.write_all(request).unwrap();
    stream.flush().unwrap();
    let mut answer = Vec::new();
    // A peer that closes without `close_notify` has answered all the same.
    let _ = stream.read_to_end(&mut answer);
    answer
}

fn skip_head(stream: &mut TcpStream) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 200 "));
}

fn check(answer: &[u8]) {
    let text = String::from_utf8_lossy(answer);
    assert!(text.starts_with("HTTP/1.1 403 ") && text.contains("denial_id") && text.ends_with('}'), "{text}");
}

fn measure() {
    let folder = tempfile::tempdir().unwrap();
    let mut gateway = start_gateway(folder.path());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let times = runtime.block_on(proposals(folder.path()));
    gateway.kill().unwrap();
    gateway.wait().unwrap();
    report("denied request -> proposal at an inbox client", &times, &[Duration::from_millis(200)]);
    target("denied request -> proposal, longest, ms", percentile(&times, 100), 1200.0);
}

async fn proposals(folder: &Path) -> Vec<Duration> {
    let mut client = client(folder).await;
    let mut agent = start_agent(folder);
    let mut said = BufReader::new(agent.stdout.take().unwrap());
    loop {
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        if line.trim() == "ready" {
            break;
        }
        print!("{line}");
    }
    let mut watch = client.watch(None).await.unwrap();
    let mut stdin = agent.stdin.take().unwrap();
    let mut times = Vec::new();
    for round in 0..PROPOSALS {
        let (host, start) = (format!("h{round}.example"), Instant::now());
        stdin.write_all(format!("{host}\n").as_bytes()).unwrap();
        submitted(&mut watch, &host).await;
        times.push(start.elapsed());
    }
    drop(stdin);
    agent.wait().unwrap();
    times
}

async fn submitted(watch: &mut tonic::Streaming<pb::InboxFrame>, host: &str) {
    loop {
        let frame = watch.message().await.unwrap().unwrap().frame;
        if let Some(pb::inbox_frame::Frame::Event(event)) = frame
            && event.kind == "ProposalSubmitted"
            && event.payload.contains(host)
        {
            return;
        }
    }
}
