//! HTTP/2 with a client inside a tunnel (RFC 9113): streams, headers and resets bounded, each request judged.
//!
//! Framing is the library's: a `content-length` that the data does not fit, a connection header or a character that no
//! header may have ends the stream. What it lets through and has two readings is refused here. CONNECT in any form
//! and `:protocol` are never forwarded.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::uri::{PathAndQuery, Scheme};
use http::{HeaderName, HeaderValue, Method, Request, Response, header};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::connect::check_authority;
use super::exchange::{Origin, exchange};
use super::guard::{self, is_token};
use super::malformed::Malformed;
use super::patience::Patience;
use super::{MAX_HEADERS, Session};
use crate::reply::Body;

/// The most streams of one connection at once.
const MAX_STREAMS: u32 = 128;
/// The most streams that a client may have reset before they were looked at (CVE-2023-44487).
const MAX_PENDING_RESETS: usize = 32;
/// The most streams that a client may have reset by its own errors over the connection's life (CVE-2025-8671).
const MAX_ERRORS: usize = 256;
/// How often a quiet client is asked whether it is there.
const PING_INTERVAL: Duration = Duration::from_secs(30);
/// How long its answer may take.
const PING_DEADLINE: Duration = Duration::from_secs(20);
/// How much one request, and one connection, may have under way before the origin takes it, in bytes.
const WINDOW: u32 = 1024 * 1024;
/// How long a client that is not served any more may take to hear of it.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// Headers that say where a message ends: nothing else may look like one to who takes `_` for `-`.
const FRAMING: [&str; 3] = ["content_length", "transfer_encoding", "transfer-encoding"];

/// Speaks HTTP/2 with a client until either side is done. Says whether there was a request.
pub(super) async fn serve<S>(session: Arc<Session>, origin: Origin, stream: S, has_asked: Arc<AtomicBool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (origin, patience) = (Arc::new(origin), Arc::new(Patience::default()));
    let service = service_fn(|request| {
        let (session, origin, patience) = (Arc::clone(&session), Arc::clone(&origin), Arc::clone(&patience));
        has_asked.store(true, Ordering::Release);
        async move {
            let under_way = patience.begin();
            let response = answer(&session, &origin, request).await;
            under_way.answered();
            Ok::<_, std::convert::Infallible>(response)
        }
    });
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
        .max_local_error_reset_streams(MAX_ERRORS)
        .max_header_list_size(MAX_HEADERS)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_DEADLINE)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = session.context.ending.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
        () = patience.over() => {
            let detail = "the client takes back more requests than it lets be answered";
            // Nobody is there to read the reply.
            drop(session.refuse(&Malformed::bad("too_many_resets", detail), origin.holder()));
            connection.as_mut().graceful_shutdown();
            timeout(LAST_WORDS, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = served {
        tracing::debug!("a client's HTTP/2 connection ended: {error}");
    }
}

async fn answer(session: &Arc<Session>, origin: &Origin, request: Request<Incoming>) -> Response<Body> {
    let checked = check(&request).and_then(|()| check_authority(&request, origin.authority()));
    let mut response = match checked {
        Ok(()) => exchange(session, origin, request).await,
        Err(malformed) => session.refuse_inside(&malformed, &request, &origin.holders(), origin.authority()),
    };
    // The other streams are whole: the connection stays, and HTTP/2 has no such header.
    response.headers_mut().remove(header::CONNECTION);
    response
}

/// Whether a request has one reading only.
fn check(request: &Request<Incoming>) -> Result<(), Malformed> {
    request.headers().iter().try_for_each(|(name, value)| check_field(name, value))?;
    let mut lengths = request.headers().get_all(header::CONTENT_LENGTH).iter();
    let length = lengths.next();
    if lengths.next().is_some() || length.is_some_and(|value| !is_number(value)) {
        return Err(Malformed::bad("invalid_framing", "Content-Length is not one number of bytes"));
    }
    // CONNECT has no scheme; it is refused with all other methods that are never forwarded.
    if request.method() == Method::CONNECT {
        return Ok(());
    }
    if request.uri().authority().is_none() {
        return Err(Malformed::bad("invalid_host", "the request names no host in `:authority`"));
    }
    if request.uri().scheme() != Some(&Scheme::HTTPS) {
        return Err(Malformed::bad("invalid_request_target", "inside TLS the scheme is `https`"));
    }
    let target = request.uri().path_and_query().map(PathAndQuery::as_str);
    if !target.is_some_and(|target| target.starts_with('/')) {
        return Err(Malformed::bad("invalid_request_target", "the path does not begin with `/`"));
    }
    Ok(())
}

/// What HTTP/1 could not say in the same way: the library is laxer about names than RFC 9110 §5.6.2, and leaves the
/// blanks around a value that RFC 9113 §8.2.1 forbids.
fn check_field(name: &HeaderName, value: &HeaderValue) -> Result<(), Malformed> {
    let bad = |detail: &str| Err(Malformed::bad("invalid_header", detail));
    let is_blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    let bytes = value.as_bytes();
    if !name.as_str().bytes().all(|byte| is_token(&byte)) {
        return bad("a header's name is no token");
    }
    if is_blank(bytes.first()) || is_blank(bytes.last()) {
        return bad("a header's value begins or ends with a blank");
    }
    if FRAMING.contains(&name.as_str()) {
        return bad("a header looks like one that frames the message, and is not");
    }
    if name == header::EXPECT && !bytes.eq_ignore_ascii_case(b"100-continue") {
        return Err(guard::unknown_expectation());
    }
    Ok(())
}

fn is_number(value: &HeaderValue) -> bool {
    !value.is_empty()
        && value.as_bytes().iter().all(u8::is_ascii_digit)
        && value.to_str().is_ok_and(|text| text.parse::<u64>().is_ok())
}
