//! Much at once and much in one piece, through the real binaries: connections, idle tunnels, bodies larger than memory
//! may be.
//!
//! The clients are this very test program, started as the sandbox's command without isolation. `OPENSHELL_LONG=1`
//! makes it 1 GiB and 10,000 connections.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

mod common;
mod origin;

use std::convert::Infallible;

use bytes::Bytes;
use common::World;
use http::{Request, Response};
use http_body_util::Empty;
use hyper::body::{Body, Incoming};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use origin::{HOST, PART, Speaks, bulk, drained};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const POLICY: &str = "version: 1\nnetwork_policies:\n  web:\n    endpoints:\n      - {host: web.invalid, port: 443, protocol: rest, enforcement: enforce, access: full}\n    binaries: [{path: \"/**\"}]\n";
const OPAQUE: &str = "version: 1\nnetwork_policies:\n  web:\n    endpoints: [{host: web.invalid, port: 443}]\n    binaries: [{path: \"/**\"}]\n";
const PLAIN: &str = "version: 1\nnetwork_policies:\n  web:\n    endpoints: [{host: web.invalid, port: 443, protocol: rest, enforcement: enforce, access: read-only}]\n    binaries: [{path: \"/**\"}]\n";
/// How much more memory a transfer may take at its peak, in KiB.
const GROWTH: usize = 64 * 1024;
const TUNNELS: usize = 1000;

fn is_long() -> bool {
    std::env::var_os("OPENSHELL_LONG").is_some()
}

/// The most memory that the supervisor around this has had, in KiB.
fn peak() -> usize {
    let parent = std::os::unix::process::parent_id();
    let status = std::fs::read_to_string(format!("/proc/{parent}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

async fn send<B>(has_http2: bool, request: Request<B>) -> Response<Incoming>
where
    B: Body<Data = Bytes, Error = Infallible> + Send + Unpin + 'static,
{
    let stream = TokioIo::new(origin::tunnel(&[if has_http2 { "h2" } else { "http/1.1" }]).await);
    if has_http2 {
        let (mut sender, connection) = http2::handshake(TokioExecutor::new(), stream).await.unwrap();
        tokio::spawn(connection);
        return sender.send_request(request).await.unwrap();
    }
    let (mut sender, connection) = http1::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    sender.send_request(request).await.unwrap()
}

fn request(has_http2: bool, target: &str) -> http::request::Builder {
    let builder = Request::builder();
    if has_http2 {
        builder.uri(format!("https://{HOST}{target}"))
    } else {
        builder.uri(target).header("host", HOST)
    }
}

/// Kills: a body that is collected anywhere on its way.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_larger_than_memory_may_be_passes_both_ways() {
    let (world, origin) = (World::start(), origin::start(Speaks::Both).await);
    origin.serve_inside(&world, POLICY, "the_client_of_much");
}

#[tokio::test]
#[ignore = "the client of the test above: it needs a sandbox around it"]
async fn the_client_of_much() {
    let parts = if is_long() { 16 * 1024 } else { 1024 };
    for has_http2 in [false, true] {
        let before = peak();
        let get = request(has_http2, &format!("/bulk?{parts}")).body(Empty::<Bytes>::new()).unwrap();
        let response = send(has_http2, get).await;
        assert_eq!(drained(response.into_body()).await, parts * PART);
        let put = request(has_http2, "/sink").method("PUT").body(Box::pin(bulk(parts))).unwrap();
        let response = send(has_http2, put).await;
        let body = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
        assert_eq!(body, (parts * PART).to_string());
        let grown = peak() - before;
        println!(
            "HTTP/{}: {parts} parts of {PART} bytes each way, peak +{grown} KiB",
            1 + u8::from(has_http2)
        );
        assert!(grown < GROWTH, "{grown} KiB more at the peak");
    }
}

/// Answers each line with itself.
async fn echo() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let pin = format!("{HOST}:443:{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                let _ = tokio::io::copy(&mut from, &mut to).await;
            });
        }
    });
    pin
}

/// Kills: a bound below a thousand, and a tunnel that is forgotten.
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_idle_tunnels_stay_open_and_work() {
    let (world, mut origin) = (World::start(), origin::start(Speaks::Http1).await);
    origin.pin = echo().await;
    origin.serve_inside(&world, OPAQUE, "the_client_of_many_tunnels");
}

#[tokio::test]
#[ignore = "the client of the test above: it needs a sandbox around it"]
async fn the_client_of_many_tunnels() {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let all = rustix::process::Rlimit { current: limit.maximum, ..limit };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, all).unwrap();
    let mut tunnels: Vec<TcpStream> = Vec::new();
    for _ in 0..TUNNELS {
        tunnels.push(origin::connected().await);
    }
    for tunnel in &mut tunnels {
        tunnel.write_all(b"there?").await.unwrap();
        let mut echo = [0; 6];
        tunnel.read_exact(&mut echo).await.unwrap();
        assert_eq!(&echo, b"there?");
    }
    println!("peak {} KiB", peak());
}

/// Kills: connections that leave something behind.
#[tokio::test(flavor = "multi_thread")]
async fn many_short_connections_leave_nothing_behind() {
    let (world, mut origin) = (World::start(), origin::start(Speaks::Http1).await);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    origin.pin = format!("{HOST}:443:{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                origin::head(&mut stream).await;
                let _ = stream
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")
                    .await;
            });
        }
    });
    origin.serve_inside(&world, PLAIN, "the_client_of_short_connections");
}

fn descriptors() -> usize {
    let parent = std::os::unix::process::parent_id();
    std::fs::read_dir(format!("/proc/{parent}/fd")).map_or(0, Iterator::count)
}

#[tokio::test]
#[ignore = "the client of the test above: it needs a sandbox around it"]
async fn the_client_of_short_connections() {
    let proxy = std::env::var("http_proxy").unwrap();
    let proxy = proxy.trim_start_matches("http://").trim_end_matches('/').to_owned();
    let ask = async || {
        let mut stream = TcpStream::connect(&proxy).await.unwrap();
        let request =
            format!("GET http://{HOST}:443/x HTTP/1.1\r\nHost: {HOST}:443\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await.unwrap();
        assert!(reply.starts_with("HTTP/1.1 200 ") && reply.ends_with("ok"), "{reply}");
    };
    ask().await;
    let before = descriptors();
    for _ in 0..if is_long() { 10_000 } else { 1000 } {
        ask().await;
    }
    common::until("the last connections are closed", || (descriptors() <= before + 8).then_some(()));
    println!("peak {} KiB", peak());
}
