//! What is open when the policy changes, over the real binaries: it goes on, or it ends, and says why.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;

use common::{Asked, Sandbox, World, until};
use serde_json::{Value, json};

/// Asks for a WebSocket.
const HANDSHAKE: &str = "GET /socket HTTP/1.1\r\nHost: docs.invalid\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// An origin that begins an answer to `/stream`, says nothing to `/silent`, and ends neither.
fn origin() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                for line in BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok) {
                    if line.contains("/stream") {
                        let _ = stream.write_all(
                            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nbegun\r\n",
                        );
                    } else if line.contains("/socket") {
                        let _ = stream.write_all(
                            b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n\x81\x06begun\n",
                        );
                    } else if line == "hello" {
                        let _ = stream.write_all(b"begun\n");
                    }
                }
            });
        }
    });
    port
}

fn rule(endpoint: &Value) -> String {
    json!({"intent_summary": "for the test", "operations": [{"addRule": {"ruleName": "test", "rule": {
        "endpoints": [endpoint], "binaries": [{"path": "/**"}],
    }}}]})
    .to_string()
}

fn request(method: &str, path: &str) -> String {
    rule(&json!({"host": "docs.invalid", "port": 80, "protocol": "rest", "enforcement": "enforce",
        "rules": [{"allow": {"method": method, "path": path}}]}))
}

/// Proposes a rule, approves it, and waits until it is in force.
fn grant(world: &World, sandbox: &mut Sandbox, body: &str) -> String {
    let answer = sandbox.post("http://policy.local/v1/proposals", body);
    let id = answer.body["accepted_chunk_ids"][0].as_str().unwrap().to_owned();
    let waiting = sandbox.wait(&id, 60);
    let approved = world.inbox(&["approve", &id]);
    assert!(approved.status.success(), "{}", String::from_utf8_lossy(&approved.stderr));
    assert_eq!(sandbox.answer(waiting).body["policy_reloaded"], true);
    id
}

/// Waits until a part of an answer is there that is not over.
fn begun(world: &World, asked: &[Asked]) {
    for asked in asked {
        let part = world.work(&format!("answers-demo/{}.tmp", asked.number()));
        until("an answer begins", || {
            fs::read(&part).ok().filter(|bytes| String::from_utf8_lossy(bytes).contains("begun"))
        });
    }
}

/// Two requests and a tunnel that stand on a grant each.
fn standing(world: &World, sandbox: &mut Sandbox) -> ([String; 3], [Asked; 3]) {
    let ids = [
        grant(world, sandbox, &request("PUT", "/stream")),
        grant(world, sandbox, &request("PUT", "/silent")),
        grant(world, sandbox, &rule(&json!({"host": "raw.invalid", "port": 9000}))),
    ];
    let stream = sandbox.ask("PUT", "http://docs.invalid/stream", "");
    let silent = sandbox.ask("PUT", "http://docs.invalid/silent", "");
    let tunnel = sandbox.ask("CONNECT", "raw.invalid:9000", "hello\n");
    begun(world, &[stream, tunnel]);
    (ids, [stream, silent, tunnel])
}

fn sandbox(world: &World, port: u16) -> Sandbox {
    let pin = |host: &str| format!("{host}:127.0.0.1:{port}");
    let pins = ["--advisor", "--resolve", &pin("docs.invalid:80"), "--resolve", &pin("raw.invalid:9000")];
    world.sandbox("demo", &pins)
}

/// Kills: a reload that ends whatever is open, or every tunnel.
#[test]
fn w13_an_unrelated_approval_and_an_unrelated_revocation_disturb_nothing() {
    let world = World::start();
    let mut sandbox = sandbox(&world, origin());
    let (_, open) = standing(&world, &mut sandbox);
    let other = grant(&world, &mut sandbox, &request("PUT", "/elsewhere"));
    assert!(world.inbox(&["revoke", &other]).status.success());
    grant(&world, &mut sandbox, &request("PUT", "/anywhere"));
    assert!(open.iter().all(|asked| !sandbox.has_answer(*asked)), "an unrelated change ended something");
}

/// Kills: a revocation that ends tunnels and leaves answers that are under way, or what became a stream, as they are; a
/// request without an answer yet that is closed without a word; and what the policy closed told as a denial (W9).
#[test]
fn w33_a_revoked_grant_takes_whatever_stands_on_it() {
    let world = World::start();
    let mut sandbox = sandbox(&world, origin());
    let (ids, [stream, silent, tunnel]) = standing(&world, &mut sandbox);
    let upgraded = grant(&world, &mut sandbox, &request("*", "/socket"));
    let socket = sandbox.ask("CONNECT", "docs.invalid:80", HANDSHAKE);
    begun(&world, &[socket]);
    for id in ids.iter().chain([&upgraded]) {
        assert!(world.inbox(&["revoke", id]).status.success());
    }
    assert!(sandbox.answer(stream).head.starts_with("HTTP/1.1 200 "));
    assert!(sandbox.answer(tunnel).head.starts_with("HTTP/1.1 200 "));
    let ended = world.work(&format!("answers-demo/{}", socket.number()));
    until("the end of the WebSocket", || ended.exists().then_some(()));
    let refused = sandbox.answer(silent);
    assert_eq!((refused.status, &refused.body["error"]), (403, &json!("policy_denied")), "{refused:?}");
    // What got a 403 is a denial.
    let denials = sandbox.get("http://policy.local/v1/denials?last=100").body.to_string();
    assert!(
        denials.contains("/silent") && !denials.contains("/stream") && !denials.contains("raw.invalid"),
        "{denials}"
    );
    let lines = sandbox.get("http://policy.local/v1/logs?last=100").body["lines"].clone();
    let lines: Vec<&str> = lines.as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let closed =
        lines.iter().filter(|line| line.contains("NET:CLOSE") && line.contains("the policy changed"));
    assert_eq!(closed.count(), 3, "{lines:?}");
}

/// Kills: a WebSocket that outlives its rule, one that just breaks off, and a close frame inside another frame.
#[test]
fn a_websocket_whose_grant_is_revoked_is_closed_with_code_1008_between_frames() {
    let (world, port) = (World::start(), origin());
    let pin = format!("docs.invalid:80:127.0.0.1:{port}");
    let mut sandbox = world.sandbox("demo", &["--advisor", "--resolve", &pin]);
    let id = grant(&world, &mut sandbox, &request("*", "/socket"));
    let socket = sandbox.ask("CONNECT", "docs.invalid:80", HANDSHAKE);
    begun(&world, &[socket]);
    assert!(world.inbox(&["revoke", &id]).status.success());
    let answer = world.work(&format!("answers-demo/{}", socket.number()));
    let answer = until("the end of the WebSocket", || fs::read(&answer).ok());
    let at = answer.windows(8).position(|part| part == b"\x81\x06begun\n").unwrap();
    let close = &answer[at + 8..];
    assert_eq!((close[0], usize::from(close[1]), &close[2..4]), (0x88, close.len() - 2, &b"\x03\xf0"[..]));
    assert!(String::from_utf8_lossy(&close[4..]).contains("/socket may not become a WebSocket"), "{close:?}");
}
