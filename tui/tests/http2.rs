//! HTTP/2 through the supervisor, with real clients: curl, and a gRPC client that this file plays inside the sandbox.
//!
//! The gRPC client is this very test program, started as the sandbox's command: without isolation, so that it is
//! there to be started.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod common;
mod origin;

use std::process::{Command, Output};

use common::{NONE, World};
use http::{Request, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use origin::Speaks;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic_prost::ProstCodec;

/// Everything may be read, and one file written.
const READ: &str = "version: 1\nnetwork_policies:\n  web:\n    endpoints:\n      - {host: web.invalid, port: 443, protocol: rest, enforcement: enforce, rules: [{allow: {method: GET, path: \"/**\"}}, {allow: {method: PUT, path: /file}}]}\n    binaries: [{path: \"/**\"}]\n";
const CALL: &str = "version: 1\nnetwork_policies:\n  calls:\n    endpoints:\n      - {host: web.invalid, port: 443, protocol: rest, enforcement: enforce, rules: [{allow: {method: POST, path: \"/test.Echo/*\"}}], deny_rules: [{method: POST, path: /test.Echo/Denied}]}\n    binaries: [{path: \"/**\"}]\n";

fn has_curl_http2() -> bool {
    let version = Command::new("curl").arg("--version").output();
    let able = version.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("HTTP2"));
    if !able {
        eprintln!("skipped: no curl with HTTP/2 here");
    }
    able
}

fn curl(world: &World, origin: &origin::Origin, script: &str) -> Output {
    let ca = world.path("origin.pem");
    std::fs::write(&ca, &origin.pem).unwrap();
    let ca = ca.display().to_string();
    let options = [&["--resolve", &origin.pin, "--extra-ca", &ca][..], &NONE[..]].concat();
    world.run("demo", READ, &options, &["bash", "-c", script])
}

fn lines(output: &Output) -> Vec<String> {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).lines().map(ToOwned::to_owned).collect()
}

const ASK: &str = "ask() { curl -sS -o /dev/null -w '%{http_version} %{http_code}\\n' \"$@\"; }; ";

#[tokio::test(flavor = "multi_thread")]
async fn curl_is_offered_what_the_origin_speaks() {
    if !has_curl_http2() {
        return;
    }
    let world = World::start();
    let script = format!(
        "{ASK} ask --http2 https://web.invalid/a; ask --http1.1 https://web.invalid/b; ask --http2 -X PUT -d 123 https://web.invalid/c; ask --http2 -T /etc/hostname https://web.invalid/file"
    );
    for (speaks, version) in [(Speaks::Both, "2"), (Speaks::Http1, "1.1")] {
        let origin = origin::start(speaks).await;
        let seen = lines(&curl(&world, &origin, &script));
        let wanted =
            [format!("{version} 200"), "1.1 200".into(), format!("{version} 403"), format!("{version} 200")];
        assert_eq!(seen, wanted);
        // Each request spoke to the origin as its client spoke to us; what was denied was never sent.
        let asked = origin.asked.lock().unwrap().clone();
        let upstream = if version == "2" { "HTTP/2.0" } else { "HTTP/1.1" };
        assert_eq!(
            asked,
            [
                format!("{upstream} GET web.invalid /a"),
                "HTTP/1.1 GET web.invalid /b".into(),
                format!("{upstream} PUT web.invalid /file")
            ]
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_origin_that_is_not_there_or_not_verified_is_told_to_each_request() {
    if !has_curl_http2() {
        return;
    }
    let world = World::start();
    let script =
        "curl -sS --http2 -w ' %{http_version} %{http_code}\\n' https://web.invalid/a https://web.invalid/b";
    let mut origin = origin::start(Speaks::Both).await;
    // Another authority's certificate.
    origin.pem = origin::start(Speaks::Both).await.pem;
    let seen = lines(&curl(&world, &origin, script));
    assert_eq!(seen.len(), 2, "{seen:?}");
    for line in seen {
        assert!(line.contains("upstream_tls") && line.ends_with(" 2 502"), "{line}");
    }
    assert!(origin.asked.lock().unwrap().is_empty());
    // A port where nobody listens any more.
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    origin.pin = format!("web.invalid:443:127.0.0.1:{}", gone.port());
    for line in lines(&curl(&world, &origin, script)) {
        assert!(line.contains("upstream_unreachable") && line.ends_with(" 2 502"), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_tunnel_is_answered_in_http2_and_dials_nothing() {
    if !has_curl_http2() {
        return;
    }
    let world = World::start();
    let mut origin = origin::start(Speaks::Both).await;
    origin.pin = origin.pin.replace("web.invalid", "other.invalid");
    let script = "curl -sS --http2 -w ' %{http_version} %{http_code}\\n' https://other.invalid/a";
    let seen = lines(&curl(&world, &origin, script));
    assert!(seen[0].contains("policy_denied") && seen[0].ends_with(" 2 403"), "{seen:?}");
    assert_eq!(origin.connections.load(std::sync::atomic::Ordering::Relaxed), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn grpc_streams_and_trailers_pass_and_a_denied_method_is_told() {
    let world = World::start();
    let origin = origin::start(Speaks::Both).await;
    origin.serve_inside(&world, CALL, "the_grpc_client_inside");
    let asked = origin.asked.lock().unwrap().clone();
    assert_eq!(asked.iter().filter(|line| line.contains("/Denied")).count(), 0, "{asked:?}");
    assert!(asked.iter().all(|line| line.starts_with("HTTP/2.0 POST web.invalid /test.Echo/")), "{asked:?}");
    assert_eq!(origin.connections.load(std::sync::atomic::Ordering::Relaxed), 1, "one connection for all");
}

/// A connection through the proxy of the sandbox that this runs in, in HTTP/2.
async fn connect() -> hyper::client::conn::http2::SendRequest<tonic::body::Body> {
    let stream = origin::tunnel(&["h2"]).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

#[tokio::test]
#[ignore = "the client of the test above: it needs a sandbox around it"]
async fn the_grpc_client_inside() {
    let sender = connect().await;
    let service =
        tower::service_fn(|request: Request<tonic::body::Body>| sender.clone().send_request(request));
    let uri = Uri::from_static("https://web.invalid");
    let mut client = tonic::client::Grpc::with_origin(service, uri);
    let codec = ProstCodec::<String, String>::default;
    let path = |method: &'static str| http::uri::PathAndQuery::from_static(method);
    client.ready().await.unwrap();
    let answer = client
        .unary(tonic::Request::new("hello".to_owned()), path("/test.Echo/Unary"), codec())
        .await
        .unwrap();
    assert_eq!(answer.get_ref(), "hello");

    let request = tonic::Request::new("3".to_owned());
    let answer = client.server_streaming(request, path("/test.Echo/Count"), codec()).await.unwrap();
    let counted: Vec<String> = answer.into_inner().map(Result::unwrap).collect().await;
    assert_eq!(counted, ["0", "1", "2"]);

    // In lockstep: what is sent is answered before the next is sent, so nothing holds either direction back.
    let (messages, outgoing) = tokio::sync::mpsc::channel(1);
    messages.send("first".to_owned()).await.unwrap();
    let request = tonic::Request::new(ReceiverStream::new(outgoing));
    let mut answers = client.streaming(request, path("/test.Echo/Talk"), codec()).await.unwrap().into_inner();
    for next in ["second", "third", "end"] {
        assert!(answers.next().await.unwrap().is_ok());
        messages.send(next.to_owned()).await.unwrap();
    }
    let status = answers.next().await.unwrap().unwrap_err();
    assert_eq!((status.code(), status.message()), (tonic::Code::OutOfRange, "that is all"));
    assert_eq!(status.metadata().get("x-trailer").unwrap(), "kept");

    let request = Request::post("https://web.invalid/test.Echo/Denied")
        .body(tonic::body::Body::new(Full::new(bytes::Bytes::from_static(b"x"))))
        .unwrap();
    let denied = sender.clone().send_request(request).await.unwrap();
    assert_eq!(denied.status(), 403);
    let body = denied.into_body().collect().await.unwrap().to_bytes();
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["error"], "policy_denied", "{body}");
    assert_eq!((&body["method"], &body["path"]), (&"POST".into(), &"/test.Echo/Denied".into()), "{body}");

    let other = Request::get("https://evil.invalid/").body(tonic::body::Body::empty()).unwrap();
    assert_eq!(sender.clone().send_request(other).await.unwrap().status(), 421);
    let plain = Request::get("http://web.invalid/").body(tonic::body::Body::empty()).unwrap();
    assert_eq!(sender.clone().send_request(plain).await.unwrap().status(), 400);
    let framing = Request::post("https://web.invalid/test.Echo/Unary")
        .header("content_length", "3")
        .body(tonic::body::Body::empty())
        .unwrap();
    assert_eq!(sender.clone().send_request(framing).await.unwrap().status(), 400);
}
