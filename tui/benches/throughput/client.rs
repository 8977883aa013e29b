//! The one client of all rows, a process of its own: told by a line of JSON on stdin what to do, answers with one.
//!
//! A thread for each connection that asks, reads and checks; HTTP/2 on one thread for all. As cheap as it can be: it
//! shares the processors with what is measured. One row has a client as programs are ([`super::http2`]).

use std::io::{BufRead as _, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde::{Deserialize, Serialize};

use super::{BODY, http2};

/// How requests are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    /// In the clear, one after the other on a connection.
    Plain,
    /// In the clear, each on a connection of its own.
    PlainFresh,
    /// HTTP/1.1 over TLS, one after the other on a connection.
    Tls,
    /// HTTP/1.1 over TLS, each on a connection of its own, without resumption.
    TlsFresh,
    /// HTTP/2, four at once on a connection.
    Http2,
    /// HTTP/1.1 over TLS, one after the other on a connection, by a library instead of by hand.
    Hyper,
}

/// What to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Ask {
    pub(crate) kind: Kind,
    pub(crate) proxy: Option<SocketAddr>,
    /// Where the origin is dialled without a proxy.
    pub(crate) origin: SocketAddr,
    pub(crate) host: String,
    pub(crate) port: u16,
    /// The file with whom to trust.
    pub(crate) roots: String,
    /// How many requests are under way at once.
    pub(crate) at_once: usize,
    /// For how long, in milliseconds.
    pub(crate) millis: u64,
    /// The most requests of each that is under way at once; for what is limited by a budget.
    pub(crate) most: usize,
}

/// What came of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Told {
    pub(crate) seconds: f64,
    /// Microseconds that each request took, in order of length.
    pub(crate) micros: Vec<u32>,
    /// Why it stopped early.
    pub(crate) failure: Option<String>,
}

/// What became of requests.
pub(crate) type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Serves stdin until it ends.
pub(crate) fn run() {
    for line in std::io::stdin().lock().lines() {
        let ask: Ask = serde_json::from_str(&line.unwrap()).unwrap();
        println!("{}", serde_json::to_string(&tell(&ask)).unwrap());
    }
}

fn tell(ask: &Ask) -> Told {
    let tls = trusting(ask);
    let start = Instant::now();
    let end = start + Duration::from_millis(ask.millis);
    let parts = match ask.kind {
        Kind::Http2 => vec![http2::requests(ask, &tls, end)],
        Kind::Hyper => vec![http2::requests_http1(ask, &tls, end)],
        _ => std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..ask.at_once).map(|_| scope.spawn(|| requests(ask, &tls, end))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        }),
    };
    let seconds = start.elapsed().as_secs_f64();
    let (mut micros, mut failure) = (Vec::new(), None);
    for part in parts {
        match part {
            Ok(times) => micros.extend(times),
            Err(error) => failure = Some(error.to_string()),
        }
    }
    micros.sort_unstable();
    Told { seconds, micros, failure }
}

fn trusting(ask: &Ask) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(CertificateDer::pem_file_iter(&ask.roots).unwrap().flatten());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.resumption = rustls::client::Resumption::disabled();
    let protocol: &[u8] = if ask.kind == Kind::Http2 { b"h2" } else { b"http/1.1" };
    config.alpn_protocols = vec![protocol.to_vec()];
    Arc::new(config)
}

trait Stream: Read + Write {}
impl<S: Read + Write> Stream for S {}

fn requests(ask: &Ask, tls: &Arc<ClientConfig>, end: Instant) -> Outcome<Vec<u32>> {
    let target = match (ask.kind, ask.proxy) {
        (Kind::Plain | Kind::PlainFresh, Some(_)) => format!("http://{}:{}/item", ask.host, ask.port),
        _ => "/item".to_owned(),
    };
    let is_fresh = matches!(ask.kind, Kind::PlainFresh | Kind::TlsFresh);
    let close = if is_fresh { "Connection: close\r\n" } else { "" };
    let request = format!("GET {target} HTTP/1.1\r\nHost: {}:{}\r\n{close}\r\n", ask.host, ask.port);
    let mut open: Option<Box<dyn Stream>> = None;
    let mut times = Vec::new();
    while Instant::now() < end && times.len() < ask.most {
        // A connection that is kept is opened before the clock runs.
        if open.is_none() && !is_fresh {
            open = Some(connect(ask, tls)?);
        }
        let start = Instant::now();
        let mut stream = match open.take() {
            Some(stream) => stream,
            None => connect(ask, tls)?,
        };
        stream.write_all(request.as_bytes())?;
        stream.flush()?;
        receive(&mut stream)?;
        times.push(u32::try_from(start.elapsed().as_micros())?);
        open = (!is_fresh).then_some(stream);
    }
    Ok(times)
}

/// A connection to the origin itself, or through the proxy.
pub(crate) fn reach(ask: &Ask) -> Outcome<TcpStream> {
    let mut stream = TcpStream::connect(ask.proxy.unwrap_or(ask.origin))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    if ask.proxy.is_some() && !matches!(ask.kind, Kind::Plain | Kind::PlainFresh) {
        let at = format!("{}:{}", ask.host, ask.port);
        stream.write_all(format!("CONNECT {at} HTTP/1.1\r\nHost: {at}\r\n\r\n").as_bytes())?;
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        if !head.starts_with(b"HTTP/1.1 200") && !head.starts_with(b"HTTP/1.0 200") {
            return Err(String::from_utf8_lossy(&head).into());
        }
    }
    Ok(stream)
}

fn connect(ask: &Ask, tls: &Arc<ClientConfig>) -> Outcome<Box<dyn Stream>> {
    let stream = reach(ask)?;
    if matches!(ask.kind, Kind::Plain | Kind::PlainFresh) {
        return Ok(Box::new(stream));
    }
    let name = ServerName::try_from(ask.host.clone())?;
    Ok(Box::new(StreamOwned::new(ClientConnection::new(Arc::clone(tls), name)?, stream)))
}

/// Reads one response and checks it.
fn receive(stream: &mut Box<dyn Stream>) -> Outcome<()> {
    let mut space = [0; 8192];
    let mut read = 0;
    loop {
        let count = stream.read(&mut space[read..])?;
        read += count;
        let seen = &space[..read];
        let head = seen.windows(4).position(|part| part == b"\r\n\r\n").map(|at| at + 4);
        match head {
            Some(head) if seen.len() >= head + BODY.len() => {
                let is_right = &seen[head..] == BODY
                    && (seen.starts_with(b"HTTP/1.1 200 ") || seen.starts_with(b"HTTP/1.0 200 "));
                return if is_right { Ok(()) } else { Err(String::from_utf8_lossy(seen).into()) };
            }
            _ if count == 0 => return Err(format!("cut off: {}", String::from_utf8_lossy(seen)).into()),
            _ => {}
        }
    }
}
