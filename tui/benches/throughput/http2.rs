//! The client over HTTP/2: all connections on one thread.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;

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

async fn connect(ask: &Ask, tls: &Arc<ClientConfig>) -> Outcome<SendRequest<Empty<Bytes>>> {
    let stream = reach(ask)?;
    stream.set_nonblocking(true)?;
    let stream = tokio::net::TcpStream::from_std(stream)?;
    let name = ServerName::try_from(ask.host.clone())?;
    let stream = TlsConnector::from(Arc::clone(tls)).connect(name, stream).await?;
    let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

async fn stream(mut sender: SendRequest<Empty<Bytes>>, uri: String, end: Instant) -> Outcome<Vec<u32>> {
    let mut times = Vec::new();
    while Instant::now() < end {
        let start = Instant::now();
        let response = sender.send_request(Request::get(&uri).body(Empty::new())?).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        if status != StatusCode::OK || body != BODY {
            return Err(format!("{status}: {body:?}").into());
        }
        times.push(u32::try_from(start.elapsed().as_micros())?);
    }
    Ok(times)
}
