use http_body_util::BodyExt as _;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::reply;

/// What a server behind a guard answers to bytes that arrive in pieces of this size: `METHOD TARGET BODY` of each
/// request as it was read, or why it was not.
async fn answers(bytes: &[u8], piece: usize) -> String {
    all_answers(bytes, piece, false).await
}

/// The same of a client that says that nothing more comes, if it does.
async fn all_answers(bytes: &[u8], piece: usize, is_all: bool) -> String {
    let (mut client, server) = tokio::io::duplex(64);
    let (guarded, watch) = Guarded::new(server);
    let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
        let (fit, watch) = (watch.next(), watch.clone());
        async move {
            if let Err(malformed) = fit {
                return Ok::<_, std::convert::Infallible>(malformed.reply());
            }
            if request.method() == http::Method::CONNECT {
                watch.settle(false);
                return Ok(reply::error(StatusCode::FORBIDDEN, "policy_denied", "no"));
            }
            let line = format!("{} {}", request.method(), request.uri());
            let body = request.into_body().collect().await;
            if let Some(malformed) = watch.broken_body() {
                return Ok(malformed.reply());
            }
            let body = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
            Ok(http::Response::new(reply::full(format!("<{line} {}>", String::from_utf8_lossy(&body)))))
        }
    });
    let serving = tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(guarded), service));
    let mut reply = String::new();
    let (mut reader, mut writer) = tokio::io::split(&mut client);
    let write = async {
        for piece in bytes.chunks(piece) {
            // It may have hung up already.
            if writer.write_all(piece).await.is_err() {
                break;
            }
        }
        if is_all {
            let _ = writer.shutdown().await;
        }
    };
    let (_, read) = tokio::join!(write, reader.read_to_string(&mut reply));
    read.unwrap();
    // How the connection ended was seen in the reply.
    let _ = serving.await;
    reply
}

fn bodies(reply: &str) -> Vec<&str> {
    reply.split('<').skip(1).map(|part| part.split('>').next().unwrap()).collect()
}

#[tokio::test]
async fn requests_behind_one_another_are_told_apart_however_they_arrive() {
    let bytes = b"\r\nPOST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcPOST /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nde\r\n0\r\n\r\nGET /c HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    for piece in [1, 2, 3, 7, 50, 1000] {
        let reply = answers(bytes, piece).await;
        assert_eq!(bodies(&reply), ["POST /a abc", "POST /b de", "GET /c "], "by {piece}: {reply}");
    }
}

#[tokio::test]
async fn what_is_not_fit_is_answered_in_its_place_and_ends_the_connection() {
    let bytes = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\nGET /c HTTP/1.1\r\nHost: a\r\n\r\n";
    for piece in [1, 5, 1000] {
        let reply = answers(bytes, piece).await;
        assert_eq!(bodies(&reply), ["GET /a "], "by {piece}: {reply}");
        let refusal = reply.split('>').nth(1).unwrap();
        assert!(refusal.starts_with("HTTP/1.1 400 ") && refusal.contains("invalid_host"), "{refusal}");
        assert!(!reply.contains("/c") && !reply.contains("refused.invalid"), "{reply}");
    }
}

#[tokio::test]
async fn a_broken_body_is_answered_too() {
    for (body, piece) in
        [("3\r\nabcd\r\n0\r\n\r\n", 1), ("3\r\nabcd\r\n0\r\n\r\n", 1000), ("3\nabc\r\n0\r\n\r\n", 4)]
    {
        let request = format!("POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
        let reply = answers(request.as_bytes(), piece).await;
        assert!(reply.starts_with("HTTP/1.1 400 ") && reply.contains("invalid_framing"), "{body:?}: {reply}");
    }
}

#[tokio::test]
async fn a_head_that_does_not_end_is_refused_with_a_reply() {
    let long = format!("GET /a HTTP/1.1\r\nHost: a\r\nX: {}", "x".repeat(MAX_HEAD));
    for (bytes, status) in [
        ("GET /a HTTP/1.1\r\nHost: a\r\n", "400"),
        ("GET /a HTTP/1.1\nHost: a\n\n", "400"),
        ("\u{16}\u{3}\u{1}\0\u{5}hello", "400"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505"),
        (long.as_str(), "431"),
    ] {
        let reply = all_answers(bytes.as_bytes(), 1000, true).await;
        assert!(reply.starts_with(&format!("HTTP/1.1 {status} ")), "{bytes:?}: {reply}");
    }
    assert_eq!(all_answers(b"", 1, true).await, "");
    assert_eq!(all_answers(b"\r\n", 1, true).await, "");
}

#[tokio::test(start_paused = true)]
async fn a_head_that_stalls_is_timed_out_with_a_reply() {
    let (mut client, server) = tokio::io::duplex(1024);
    let (guarded, watch) = Guarded::new(server);
    let service = service_fn(move |_| {
        let fit = watch.next();
        async move { Ok::<_, std::convert::Infallible>(fit.unwrap_err().reply()) }
    });
    let serving = tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(guarded), service));
    client.write_all(b"GET / HTTP/1.1\r\nHo").await.unwrap();
    let mut reply = String::new();
    client.read_to_string(&mut reply).await.unwrap();
    assert!(reply.starts_with("HTTP/1.1 408 "), "{reply}");
    serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn behind_a_request_that_may_leave_http_nothing_is_read_before_the_answer() {
    let (mut client, server) = tokio::io::duplex(1024);
    let (mut guarded, watch) = Guarded::new(server);
    client.write_all(b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n\x16\x03 not HTTP\n\n").await.unwrap();
    let mut head = [0; 35];
    guarded.read_exact(&mut head).await.unwrap();
    assert!(head.ends_with(b"\r\n\r\n"));
    assert_eq!(watch.next(), Ok(After::Either));
    let mut rest = [0; 13];
    let early = futures_util::FutureExt::now_or_never(guarded.read(&mut rest));
    assert!(early.is_none());
    watch.settle(true);
    guarded.read_exact(&mut rest).await.unwrap();
    assert_eq!(&rest, b"\x16\x03 not HTTP\n\n");
}

#[tokio::test]
async fn behind_a_refused_connect_http_is_still_guarded() {
    let bytes = b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n";
    let reply = answers(bytes, 1000).await;
    assert!(reply.contains("invalid_host"), "{reply}");
}
