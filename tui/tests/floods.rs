//! What a client of HTTP/2 may cost: streams, requests taken back, frames that ask for an answer or for memory.
//!
//! The client is this very test program, started as the sandbox's command without isolation. Each flood ends its own
//! connection, or nothing; the next connection is served.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

mod common;
mod frames;
mod origin;

use common::World;
use frames::{
    ACK, CANCEL, CONTINUATION, DATA, END_HEADERS, ENHANCE_YOUR_CALM, GOAWAY, HEADERS, PING, REFUSED_STREAM,
    RST_STREAM, SETTINGS, block, frame, get,
};
use origin::Speaks;
use tokio::io::{AsyncWriteExt as _, split};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

const POLICY: &str = "version: 1\nnetwork_policies:\n  web:\n    endpoints:\n      - {host: web.invalid, port: 443, protocol: rest, enforcement: enforce, access: full}\n    binaries: [{path: \"/**\"}]\n";

async fn inside(client: &str) -> Vec<String> {
    let world = World::start();
    let origin = origin::start(Speaks::Both).await;
    origin.serve_inside(&world, POLICY, client);
    origin.asked.lock().unwrap().clone()
}

/// A connection on which nothing was asked yet.
async fn open() -> TlsStream<TcpStream> {
    let mut stream = origin::tunnel(&["h2"]).await;
    stream.write_all(&frames::opening()).await.unwrap();
    stream
}

/// Whether a new connection is served.
async fn is_served() -> bool {
    let mut stream = open().await;
    stream.write_all(&get(1, "/after")).await.unwrap();
    frames::ending(&mut stream, 1).await.0 == "200"
}

/// Waits until everything that was sent before is read.
async fn settle(stream: &mut TlsStream<TcpStream>) -> Option<()> {
    stream.write_all(&frame(PING, 0, 0, b"are here")).await.ok()?;
    stream.flush().await.ok()?;
    loop {
        let frame = frames::next(stream).await?;
        match frame.kind {
            GOAWAY => return None,
            PING if frame.flags & ACK != 0 => return Some(()),
            _ => {}
        }
    }
}

/// Sends something over and over, and gives the code with which the connection ended.
async fn end_of(stream: TlsStream<TcpStream>, bytes: impl Fn(u32) -> Vec<u8>) -> Option<u32> {
    let (mut from, mut to) = split(stream);
    let sending = async {
        for number in 0..20_000 {
            if to.write_all(&bytes(number)).await.is_err() {
                break;
            }
        }
        // Whether it ended is what the other half sees.
        std::future::pending::<()>().await;
    };
    let reading = async {
        while let Some(frame) = frames::next(&mut from).await {
            if frame.kind == GOAWAY && frame.away() != 0 {
                return Some(frame.away());
            }
        }
        None
    };
    tokio::select! {
        code = reading => code,
        () = sending => None,
    }
}

/// Kills: no bound on the streams of one connection, and another one than is announced.
#[tokio::test(flavor = "multi_thread")]
async fn the_129th_stream_at_once_is_refused() {
    let asked = inside("the_client_with_too_many_streams").await;
    assert!(asked.len() <= 130, "{}", asked.len());
}

#[tokio::test]
#[ignore = "a client of a test above: it needs a sandbox around it"]
async fn the_client_with_too_many_streams() {
    let mut stream = open().await;
    let mut announced = 0;
    while announced == 0 {
        let frame = frames::next(&mut stream).await.unwrap();
        let settings = frame.payload.chunks(6).filter(|_| frame.kind == SETTINGS);
        let streams = |setting: &&[u8]| setting[..2] == [0, 3];
        announced = settings.filter(streams).map(|setting| setting[5]).next().unwrap_or_default();
    }
    assert_eq!(announced, 128);
    stream.write_all(&frame(SETTINGS, ACK, 0, &[])).await.unwrap();
    for number in 0..128 {
        stream.write_all(&get(2 * number + 1, "/hang")).await.unwrap();
    }
    settle(&mut stream).await.unwrap();
    stream.write_all(&get(257, "/hang")).await.unwrap();
    let refused = loop {
        let frame = frames::next(&mut stream).await.unwrap();
        if frame.kind == RST_STREAM {
            break frame;
        }
    };
    assert_eq!((refused.stream, refused.code()), (257, REFUSED_STREAM));
    let taken_back = frame(RST_STREAM, 0, 1, &CANCEL.to_be_bytes());
    stream.write_all(&[taken_back, get(259, "/room")].concat()).await.unwrap();
    assert_eq!(frames::ending(&mut stream, 259).await.0, "200", "there is room again");
}

/// Kills: requests that are begun and taken back without end (CVE-2023-44487).
#[tokio::test(flavor = "multi_thread")]
async fn who_only_takes_requests_back_is_not_served_for_long() {
    let asked = inside("the_client_that_takes_back").await;
    assert!(asked.len() < 1000, "{}", asked.len());
}

#[tokio::test]
#[ignore = "a client of a test above: it needs a sandbox around it"]
async fn the_client_that_takes_back() {
    let mut stream = open().await;
    let (mut number, mut rounds) = (1, 0);
    loop {
        // Fewer than may be taken back before anybody looked at them: that is a limit of its own.
        let streams: Vec<u32> = (0..24).map(|place| number + 2 * place).collect();
        number += 48;
        rounds += 1;
        assert!(rounds < 40, "it is served still");
        let begun: Vec<u8> = streams.iter().flat_map(|stream| get(*stream, "/hang")).collect();
        if stream.write_all(&begun).await.is_err() || settle(&mut stream).await.is_none() {
            break;
        }
        let back = streams.iter().flat_map(|stream| frame(RST_STREAM, 0, *stream, &CANCEL.to_be_bytes()));
        if stream.write_all(&back.collect::<Vec<u8>>()).await.is_err() || settle(&mut stream).await.is_none()
        {
            break;
        }
    }
    assert!(rounds > 2, "some are taken back by everybody");
    let pair = |place: u32| {
        let number = 2 * place + 1;
        [get(number, "/hang"), frame(RST_STREAM, 0, number, &CANCEL.to_be_bytes())].concat()
    };
    let code = end_of(open().await, pair).await;
    assert!(code.is_none_or(|code| code == ENHANCE_YOUR_CALM), "{code:?}");
    assert!(is_served().await);
}

/// Kills: errors of the client's own that are answered without end (CVE-2025-8671).
#[tokio::test(flavor = "multi_thread")]
async fn who_only_makes_errors_is_not_served_for_long() {
    inside("the_client_that_errs").await;
}

#[tokio::test]
#[ignore = "a client of a test above: it needs a sandbox around it"]
async fn the_client_that_errs() {
    let malformed = |place: u32| {
        let headers = block(&[(":method", "GET"), (":path", "/"), ("connection", "close")]);
        frame(HEADERS, END_HEADERS | 1, 2 * place + 1, &headers)
    };
    assert_eq!(end_of(open().await, malformed).await, Some(ENHANCE_YOUR_CALM));
    assert!(is_served().await);
}

/// Kills: answers to frames that pile up, or are not given.
#[tokio::test(flavor = "multi_thread")]
async fn settings_and_pings_are_answered_one_for_one() {
    inside("the_client_that_asks_for_answers").await;
}

#[tokio::test]
#[ignore = "a client of a test above: it needs a sandbox around it"]
async fn the_client_that_asks_for_answers() {
    const COUNT: usize = 20_000;
    for (kind, payload) in [(SETTINGS, &b""[..]), (PING, b"12345678")] {
        let (mut from, mut to) = split(open().await);
        let sending = async {
            let many = frame(kind, 0, 0, payload).repeat(COUNT);
            to.write_all(&[many, get(1, "/after")].concat()).await.unwrap();
        };
        let reading = async {
            let (mut answers, mut is_answered) = (0, false);
            while !is_answered {
                let frame = frames::next(&mut from).await.unwrap();
                assert_ne!(frame.kind, GOAWAY);
                answers += usize::from(frame.kind == kind && frame.flags & ACK != 0);
                is_answered = frame.kind == HEADERS;
            }
            answers
        };
        let ((), answers) = tokio::join!(sending, reading);
        assert!(answers >= COUNT, "{answers}");
    }
}

/// Kills: headers, or frames without data, that are collected without end (CVE-2024-27316, CVE-2019-9518).
#[tokio::test(flavor = "multi_thread")]
async fn headers_and_frames_without_an_end_are_not_collected() {
    assert!(inside("the_client_without_an_end").await.iter().all(|line| !line.contains("/hang")));
}

#[tokio::test]
#[ignore = "a client of a test above: it needs a sandbox around it"]
async fn the_client_without_an_end() {
    let field = block(&[("x-more", "1")]);
    let endless = |place: u32| match place {
        0 => frame(HEADERS, 0, 1, &block(&[(":method", "GET"), (":path", "/hang")])),
        _ => frame(CONTINUATION, 0, 1, &field),
    };
    assert!(end_of(open().await, endless).await.is_some());

    let mut stream = open().await;
    let value = "x".repeat(8000);
    let names = ["a", "b", "c", "d", "e"];
    let mut headers =
        vec![(":method", "GET"), (":scheme", "https"), (":authority", "web.invalid"), (":path", "/hang")];
    headers.extend(names.map(|name| (name, value.as_str())));
    let whole = block(&headers);
    let (first, rest) = whole.split_at(16_000);
    let mut bytes = frame(HEADERS, 1, 1, first);
    for part in rest.chunks(16_000) {
        bytes.extend(frame(CONTINUATION, 0, 1, part));
    }
    bytes.extend(frame(CONTINUATION, END_HEADERS, 1, &[]));
    stream.write_all(&bytes).await.unwrap();
    let (ending, _) = frames::ending(&mut stream, 1).await;
    assert!(["431", "RST"].contains(&ending.as_str()), "{ending}");

    let post =
        [(":method", "POST"), (":scheme", "https"), (":authority", "web.invalid"), (":path", "/upload")];
    let empty = |place: u32| match place {
        0 => frame(HEADERS, END_HEADERS, 1, &block(&post)),
        _ => frame(DATA, 0, 1, &[]),
    };
    assert!(end_of(open().await, empty).await.is_some());
    assert!(is_served().await);
}
