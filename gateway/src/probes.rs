//! `/healthz`, `/readyz` and `/metrics`, over plain HTTP on a loopback port of its own. Off by default.
//!
//! Health: the process answers. Readiness: commands can be stored. Reads only, says nothing of any sandbox, and
//! refuses an address that others can reach, because there is no authentication. Called by [`crate::gateway`].

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::header::{ALLOW, CONTENT_TYPE};
use http::{Method, Request, Response, StatusCode};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::gateway::Shared;
use crate::metrics::Observed;

/// Connections at once.
const MANY: usize = 16;
/// How long one may take, all in all.
const PATIENCE: Duration = Duration::from_secs(10);
/// OpenMetrics' own.
const METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

/// Listens; the answer has the port where 0 was asked for.
pub(crate) async fn bind(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    if !address.ip().is_loopback() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not an address of this machine alone"));
    }
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Serves until the gateway closes its connections.
pub(crate) async fn serve(listener: TcpListener, shared: Shared, closing: CancellationToken) {
    let places = Arc::new(Semaphore::new(MANY));
    let accepting = async {
        // Nobody closes the semaphore.
        while let Ok(place) = places.clone().acquire_owned().await {
            let Ok((stream, _)) = listener.accept().await else {
                // Out of descriptors, most likely: whoever has some gives them back in time.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let (shared, closing) = (shared.clone(), closing.clone());
            tokio::spawn(async move {
                tokio::select! {
                    () = answer(stream, shared) => {}
                    () = closing.cancelled() => {}
                }
                drop(place);
            });
        }
    };
    tokio::select! {
        () = accepting => {}
        () = closing.cancelled() => {}
    }
}

/// Answers one request.
async fn answer(stream: TcpStream, shared: Shared) {
    let service = service_fn(|request: Request<hyper::body::Incoming>| {
        let response = respond(&shared, request.method(), request.uri().path());
        std::future::ready(Ok::<_, Infallible>(response))
    });
    let served = http1::Builder::new().keep_alive(false).serve_connection(TokioIo::new(stream), service);
    // Whoever went away or was too slow has no answer; there is nobody to tell.
    let _ = tokio::time::timeout(PATIENCE, served).await;
}

fn respond(shared: &Shared, method: &Method, path: &str) -> Response<String> {
    if method != Method::GET && method != Method::HEAD {
        let mut refused = text(StatusCode::METHOD_NOT_ALLOWED, TEXT, "GET or HEAD\n");
        refused.headers_mut().insert(ALLOW, http::HeaderValue::from_static("GET, HEAD"));
        return refused;
    }
    match path {
        "/healthz" => text(StatusCode::OK, TEXT, "ok\n"),
        "/readyz" => match unready(shared) {
            None => text(StatusCode::OK, TEXT, "ready\n"),
            Some(why) => text(StatusCode::SERVICE_UNAVAILABLE, TEXT, why),
        },
        "/metrics" => match shared.ledger.metrics().text(observe(shared)) {
            Ok(metrics) => text(StatusCode::OK, METRICS, &metrics),
            Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, TEXT, "the metrics cannot be written\n"),
        },
        _ => text(StatusCode::NOT_FOUND, TEXT, "there are /healthz, /readyz and /metrics\n"),
    }
}

/// Why commands cannot be stored now.
fn unready(shared: &Shared) -> Option<&'static str> {
    if shared.stopping.is_cancelled() {
        return Some("the gateway is stopping\n");
    }
    (!shared.ledger.is_writable())
        .then_some("the last append to the event log failed: see the gateway's own log\n")
}

fn observe(shared: &Shared) -> Observed {
    Observed {
        queued: shared.ledger.queued(),
        watchers: shared.presence.watchers.count(),
        supervisors: shared.presence.supervisors.count(),
        pending: shared.ledger.pending(),
        waits: shared.registry.waits(),
        seq: shared.ledger.state().seq,
        log_bytes: shared.archive.size(),
    }
}

fn text(status: StatusCode, kind: &'static str, body: &str) -> Response<String> {
    let mut response = Response::new(body.to_owned());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static(kind));
    response
}
