//! WebSockets through the supervisor: where a rule says so in so many words, and nowhere else.
//!
//! The client is this very test program, started as the sandbox's command: without isolation, so that it is there to
//! be started.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

mod common;
mod origin;

use std::sync::Arc;

use common::{World, until};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

const ENDPOINT: &str = "host: web.invalid, port: 443, protocol: rest, ";

async fn inside(rules: &str, client: &str) -> Vec<String> {
    let world = World::start();
    let origin = origin::start(origin::Speaks::Both).await;
    origin.serve_inside(&world, &policy(rules), client);
    origin.asked.lock().unwrap().clone()
}

fn policy(rules: &str) -> String {
    format!(
        "version: 1\nnetwork_policies:\n  web:\n    endpoints:\n      - {{{ENDPOINT}{rules}}}\n    binaries: [{{path: \"/**\"}}]\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_opens_where_a_rule_allows_get_on_its_path() {
    let rules = "enforcement: enforce, rules: [{allow: {method: GET, path: /socket}}]";
    assert_eq!(inside(rules, "the_client_that_gets_a_websocket").await, ["HTTP/1.1 GET web.invalid /socket"]);
}

/// Kills: an upgrade that is forwarded without such a rule, and one that is silently made a request without it.
#[tokio::test(flavor = "multi_thread")]
async fn a_preset_or_an_audit_lets_a_get_pass_and_no_websocket() {
    for rules in [
        "enforcement: enforce, access: full",
        "enforcement: audit, rules: [{allow: {method: PUT, path: /other}}]",
    ] {
        let asked = inside(rules, "the_client_that_is_refused").await;
        assert_eq!(asked, ["HTTP/1.1 GET web.invalid /after"]);
    }
}

/// Kills: a refusal that offers no rule, one that is offered and closed as allowed already, and one that is approved and
/// does not open what was refused.
#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_that_was_refused_opens_with_the_rule_that_the_refusal_offers() {
    let (world, origin) = (Arc::new(World::start()), origin::start(origin::Speaks::Both).await);
    let reviewer = Arc::clone(&world);
    let deciding = tokio::task::spawn_blocking(move || {
        let pending = || reviewer.inbox_json(&["list", "--status", "pending", "--sandbox", "demo"]);
        let id = until("the agent to ask", || pending()[0]["id"].as_str().map(ToOwned::to_owned));
        let shown = String::from_utf8(reviewer.inbox(&["show", &id]).stdout).unwrap();
        assert!(shown.contains("web.invalid:443 WebSocket /socket (two-way, contents not seen)"), "{shown}");
        assert!(reviewer.inbox(&["approve", &id]).status.success());
    });
    let policy = policy("enforcement: enforce, access: read-only");
    origin.serve_inside(&world, &policy, "the_client_that_asks_for_its_websocket");
    deciding.await.unwrap();
    assert_eq!(
        *origin.asked.lock().unwrap(),
        ["HTTP/1.1 GET web.invalid /socket"],
        "once, and as a WebSocket"
    );
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
    echoes(head, stream).await;
}

/// The WebSocket is open, and what is sent comes back.
async fn echoes(head: String, mut stream: TlsStream<TcpStream>) {
    assert!(head.starts_with("http/1.1 101 ") && head.contains("\r\nupgrade: websocket\r\n"), "{head}");
    // Bytes that no HTTP parser would pass, both ways, in lockstep.
    for message in [&b"\x81\x05hello"[..], b"\x00\xff\r\n\r\n"] {
        stream.write_all(message).await.unwrap();
        let mut echo = vec![0; message.len()];
        stream.read_exact(&mut echo).await.unwrap();
        assert_eq!(echo, message);
    }
}

/// The body of an answer whose head was read.
async fn body<S: AsyncRead + Unpin>(head: &str, stream: &mut S) -> Value {
    let head = head.to_ascii_lowercase();
    let length = head.split("content-length: ").nth(1).unwrap().split("\r\n").next().unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut body).await.unwrap();
    serde_json::from_slice(&body).unwrap()
}

/// Asks for the WebSocket and gives the refusal.
async fn refused(stream: &mut TlsStream<TcpStream>) -> Value {
    let head = ask(stream).await;
    assert!(head.starts_with("http/1.1 403 ") && !head.contains("upgrade"), "{head}");
    let body = body(&head, stream).await;
    assert_eq!((&body["error"], &body["fixable"]), (&json!("policy_denied"), &json!(true)), "{body}");
    assert!(body["reason"].as_str().unwrap().contains("may not become a WebSocket"), "{body}");
    body
}

/// Asks `policy.local`.
async fn local(method: &str, path: &str, body: &str) -> Value {
    let proxy = std::env::var("http_proxy").unwrap();
    let proxy = proxy.trim_start_matches("http://").trim_end_matches('/').to_owned();
    let mut stream = TcpStream::connect(proxy).await.unwrap();
    let request = format!(
        "{method} http://policy.local{path} HTTP/1.1\r\nHost: policy.local\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let head = origin::head(&mut stream).await;
    self::body(&head, &mut stream).await
}

#[tokio::test]
#[ignore = "a client of a test above: it needs a sandbox around it"]
async fn the_client_that_asks_for_its_websocket() {
    let proposal = refused(&mut origin::tunnel(&["http/1.1"]).await).await["proposal"].clone();
    let submitted = local("POST", "/v1/proposals", &proposal.to_string()).await;
    assert_eq!(submitted["results"][0]["status"], "submitted", "{submitted}");
    let widens = &submitted["results"][0]["widens"][0];
    assert!(
        widens.as_str().unwrap().contains("WebSocket /socket (two-way, contents not seen)"),
        "{submitted}"
    );
    let id = submitted["accepted_chunk_ids"][0].as_str().unwrap();
    let waited = local("GET", &format!("/v1/proposals/{id}/wait?timeout=60"), "").await;
    assert_eq!(
        (&waited["status"], &waited["policy_reloaded"]),
        (&json!("approved"), &json!(true)),
        "{waited}"
    );
    let mut stream = origin::tunnel(&["http/1.1"]).await;
    echoes(ask(&mut stream).await, stream).await;
}

#[tokio::test]
#[ignore = "a client of a test above: it needs a sandbox around it"]
async fn the_client_that_is_refused() {
    let mut stream = origin::tunnel(&["http/1.1"]).await;
    refused(&mut stream).await;
    // What follows is HTTP still.
    let after = b"GET /after HTTP/1.1\r\nHost: web.invalid\r\nConnection: close\r\n\r\n";
    stream.write_all(after).await.unwrap();
    let mut rest = Vec::new();
    // An end without TLS's own is an end all the same.
    let _ = stream.read_to_end(&mut rest).await;
    assert!(String::from_utf8_lossy(&rest).contains("HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&rest));
}
