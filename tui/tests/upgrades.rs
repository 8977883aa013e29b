//! WebSockets through the supervisor: where a rule says so in so many words, and nowhere else.
//!
//! The client is this very test program, started as the sandbox's command: without isolation, so that it is there to
//! be started.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

mod common;
mod origin;

use common::World;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

const ENDPOINT: &str = "host: web.invalid, port: 443, protocol: rest, ";

async fn inside(rules: &str, client: &str) -> Vec<String> {
    let world = World::start();
    let origin = origin::start(origin::Speaks::Both).await;
    let policy = format!(
        "version: 1\nnetwork_policies:\n  web:\n    endpoints:\n      - {{{ENDPOINT}{rules}}}\n    binaries: [{{path: \"/**\"}}]\n"
    );
    origin.serve_inside(&world, &policy, client);
    origin.asked.lock().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_opens_where_a_rule_allows_get_on_its_path() {
    let rules = "enforcement: enforce, rules: [{allow: {method: GET, path: /socket}}]";
    assert_eq!(inside(rules, "the_client_that_gets_a_websocket").await, ["HTTP/1.1 GET web.invalid /socket"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preset_or_an_audit_lets_a_get_pass_and_no_websocket() {
    for rules in [
        "enforcement: enforce, access: full",
        "enforcement: audit, rules: [{allow: {method: PUT, path: /other}}]",
    ] {
        let asked = inside(rules, "the_client_that_gets_an_answer").await;
        assert_eq!(asked, ["HTTP/1.1 GET web.invalid /socket", "HTTP/1.1 GET web.invalid /after"]);
    }
}

/// Sends the handshake of RFC 6455 §1.2, and gives the head of the answer.
async fn ask(stream: &mut TlsStream<TcpStream>) -> String {
    let handshake = "GET /socket HTTP/1.1\r\nHost: web.invalid\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    stream.write_all(handshake.as_bytes()).await.unwrap();
    origin::head(stream).await.to_ascii_lowercase()
}

#[tokio::test]
#[ignore = "a client of a test above: it needs a sandbox around it"]
async fn the_client_that_gets_a_websocket() {
    let mut stream = origin::tunnel(&["http/1.1"]).await;
    let head = ask(&mut stream).await;
    assert!(head.starts_with("http/1.1 101 ") && head.contains("\r\nupgrade: websocket\r\n"), "{head}");
    // Bytes that no HTTP parser would pass, both ways, in lockstep.
    for message in [&b"\x81\x05hello"[..], b"\x00\xff\r\n\r\n"] {
        stream.write_all(message).await.unwrap();
        let mut echo = vec![0; message.len()];
        stream.read_exact(&mut echo).await.unwrap();
        assert_eq!(echo, message);
    }
}

#[tokio::test]
#[ignore = "a client of a test above: it needs a sandbox around it"]
async fn the_client_that_gets_an_answer() {
    let mut stream = origin::tunnel(&["http/1.1"]).await;
    let head = ask(&mut stream).await;
    assert!(head.starts_with("http/1.1 200 ") && !head.contains("upgrade"), "{head}");
    // What follows is HTTP still.
    let after = b"GET /after HTTP/1.1\r\nHost: web.invalid\r\nConnection: close\r\n\r\n";
    stream.write_all(after).await.unwrap();
    let mut rest = Vec::new();
    // An end without TLS's own is an end all the same.
    let _ = stream.read_to_end(&mut rest).await;
    assert!(String::from_utf8_lossy(&rest).contains("HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&rest));
}
