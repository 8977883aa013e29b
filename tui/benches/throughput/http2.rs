//! The client as programs are, over hyper: HTTP/2, or HTTP/1.1 over TLS, all connections on one thread.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::BODY;
use super::client::{Ask, Outcome, reach};

/// How many streams each connection has at once.
const STREAMS: usize = 4;

/// Sends requests until the end.
pub(crate) fn requests(ask: &Ask, tls: &Arc<ClientConfig>, end: Instant) -> Outcome<Vec<u32>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut tasks = Vec::new();
        for _ in 0..ask.at_once.div_ceil(STREAMS) {
            let sender = connect(ask, tls).await?;
            for _ in 0..STREAMS.min(ask.at_once) {
                let uri = format!("https://{}:{}/item", ask.host, ask.port);
                tasks.push(tokio::spawn(stream(sender.clone(), uri, end)));
            }
        }
        let mut times = Vec::new();
        for task in tasks {
            times.extend(task.await??);
        }
        Ok(times)
    })
}

/// The same with HTTP/1.1: one after the other on each connection.
pub(crate) fn requests_http1(ask: &Ask, tls: &Arc<ClientConfig>, end: Instant) -> Outcome<Vec<u32>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut tasks = Vec::new();
        for _ in 0..ask.at_once {
            let (sender, connection) = http1::handshake(TokioIo::new(open(ask, tls).await?)).await?;
            tokio::spawn(connection);
            let host = format!("{}:{}", ask.host, ask.port);
            tasks.push(tokio::spawn(one_by_one(sender, host, end)));
        }
        let mut times = Vec::new();
        for task in tasks {
            times.extend(task.await??);
        }
        Ok(times)
    })
}

async fn one_by_one(
    mut sender: http1::SendRequest<Empty<Bytes>>,
    host: String,
    end: Instant,
) -> Outcome<Vec<u32>> {
    let mut times = Vec::new();
    while Instant::now() < end {
        let start = Instant::now();
        let request = Request::get("/item").header("host", &host).body(Empty::new())?;
        check(sender.send_request(request).await?).await?;
        sender.ready().await?;
        times.push(u32::try_from(start.elapsed().as_micros())?);
    }
    Ok(times)
}

async fn check(response: Response<Incoming>) -> Outcome<()> {
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    if status == StatusCode::OK && body == BODY { Ok(()) } else { Err(format!("{status}: {body:?}").into()) }
}

async fn connect(ask: &Ask, tls: &Arc<ClientConfig>) -> Outcome<http2::SendRequest<Empty<Bytes>>> {
    let stream = open(ask, tls).await?;
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

async fn open(ask: &Ask, tls: &Arc<ClientConfig>) -> Outcome<TlsStream<tokio::net::TcpStream>> {
    let stream = reach(ask)?;
    stream.set_nonblocking(true)?;
    let stream = tokio::net::TcpStream::from_std(stream)?;
    let name = ServerName::try_from(ask.host.clone())?;
    Ok(TlsConnector::from(Arc::clone(tls)).connect(name, stream).await?)
}

async fn stream(
    mut sender: http2::SendRequest<Empty<Bytes>>,
    uri: String,
    end: Instant,
) -> Outcome<Vec<u32>> {
    let mut times = Vec::new();
    while Instant::now() < end {
        let start = Instant::now();
        check(sender.send_request(Request::get(&uri).body(Empty::new())?).await?).await?;
        times.push(u32::try_from(start.elapsed().as_micros())?);
    }
    Ok(times)
}
