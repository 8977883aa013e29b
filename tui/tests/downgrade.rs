//! The corpus of `fixtures/requests/h2.txt` through the real binaries: HTTP/2 written by hand, to origins that speak
//! HTTP/1.1 and HTTP/2. Nothing arrives in a form other than the one that was judged, and what is refused is told.
//!
//! The client is this very test program, started as the sandbox's command without isolation.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

mod common;
mod corpus;
mod frames;
mod origin;

use std::sync::{Arc, Mutex};

use common::World;
use corpus::{Arrived, odd, parse, unescape};
use frames::{DATA, END_HEADERS, END_STREAM, HEADERS, block, frame};
use origin::{HOST, Speaks};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const POLICY: &str = "version: 1\nnetwork_policies:\n  web:\n    endpoints:\n      - {host: web.invalid, port: 443, protocol: rest, enforcement: enforce, rules: [{allow: {method: \"*\", path: \"/**\"}}], deny_rules: [{method: \"*\", path: \"/secret/**\"}]}\n    binaries: [{path: \"/**\"}]\n";
const CORPUS: &str = include_str!("../../fixtures/requests/h2.txt");

/// A line of the corpus.
struct Case {
    at: usize,
    ending: &'static str,
    word: &'static str,
    arrives: Option<(String, Vec<u8>)>,
    must_arrive: bool,
    sent: &'static str,
}

fn cases() -> Vec<Case> {
    let lines = CORPUS.lines().enumerate().filter(|(_, line)| !line.starts_with('#'));
    lines.map(|(at, line)| Case::read(at + 1, line)).collect()
}

impl Case {
    fn read(at: usize, line: &'static str) -> Self {
        let (wanted, sent) = line.split_once(" :: ").unwrap();
        let must_arrive = wanted.contains(" -> ");
        let (end, arrives) = wanted
            .split_once(" -> ")
            .or_else(|| wanted.split_once(" ~> "))
            .map_or((wanted, None), |(end, arrives)| (end, Some(arrives)));
        let (ending, word) = end.split_once(' ').unwrap();
        let arrives = arrives.map(|text| {
            let mut parts = text.splitn(3, ' ');
            let line = format!("{} {}", parts.next().unwrap(), parts.next().unwrap());
            (line, unescape(parts.next().unwrap_or_default()))
        });
        Self { at, ending, word: if word == "-" { "" } else { word }, arrives, must_arrive, sent }
    }

    /// Its frames on stream 1.
    fn frames(&self, number: usize) -> Vec<u8> {
        let start = |method| format!(":method={method} | :scheme=https | :authority={HOST}");
        let text = self
            .sent
            .replace("{G}", &start("GET"))
            .replace("{P}", &start("POST"))
            .replace("{N}", &format!("x-case={number}"));
        let parts: Vec<&str> = text.split(" ;; ").collect();
        let mut bytes = Vec::new();
        for (place, part) in parts.iter().enumerate() {
            let end = if place + 1 == parts.len() { END_STREAM } else { 0 };
            let (kind, rest) = part.split_once(' ').unwrap_or((part, ""));
            bytes.extend(match kind {
                "DATA" => frame(DATA, end, 1, &unescape(rest)),
                "TRAILERS" => frame(HEADERS, END_HEADERS | end, 1, &block(&list(rest))),
                "FRAME" => {
                    let mut parts = rest.splitn(3, ' ');
                    let mut number = || parts.next().unwrap().parse().unwrap();
                    let (kind, flags) = (number(), number());
                    frame(kind, flags, 1, &unescape(parts.next().unwrap()))
                }
                _ => frame(HEADERS, END_HEADERS | end, 1, &block(&list(part))),
            });
        }
        bytes
    }
}

/// `NAME=VALUE | …`; what begins a name is part of it, be it a `=`.
fn list(text: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
    let field = |part: &str| {
        let (name, value) = part.split_once('=').unwrap();
        (unescape(name), unescape(value))
    };
    text.split(" | ").map(field).collect()
}

#[tokio::test]
#[ignore = "the client of the tests below: it needs a sandbox around it"]
async fn the_client_that_writes_frames() {
    let mut wrong = Vec::new();
    for (number, case) in cases().iter().enumerate() {
        let mut stream = origin::tunnel(&["h2"]).await;
        let bytes = [frames::opening(), case.frames(number)].concat();
        stream.write_all(&bytes).await.unwrap();
        let (ending, body) = frames::ending(&mut stream, 1).await;
        if ending != case.ending || !body.contains(case.word) {
            let body: String = body.chars().take(200).collect();
            let Case { at, ending: wanted, word, sent, .. } = case;
            wrong.push(format!("h2.txt:{at} {wanted} {word:?}: {sent}\n    ended {ending} {body:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
}

async fn keep(mut stream: tokio_rustls::server::TlsStream<TcpStream>, all: Arc<Mutex<Vec<Arrived>>>) {
    let mut bytes = Vec::new();
    loop {
        if let Some((mut request, used)) = parse(&bytes) {
            request.behind = bytes.split_off(used);
            all.lock().unwrap().push(request);
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            // Clients go away as they like.
            let _ = stream.write_all(answer).await;
            let _ = stream.shutdown().await;
            return;
        }
        let mut space = [0; 8192];
        match stream.read(&mut space).await {
            Ok(count) if count > 0 => bytes.extend_from_slice(&space[..count]),
            // A request that does not end is none.
            _ => return,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_http2_request_arrives_at_an_origin_of_http1_as_another_than_was_judged() {
    let world = World::start();
    let arrived: Arc<Mutex<Vec<Arrived>>> = Arc::default();
    let all = Arc::clone(&arrived);
    let origin = origin::start_with(Speaks::Http1, move |stream| keep(stream, Arc::clone(&all))).await;
    origin.serve_inside(&world, POLICY, "the_client_that_writes_frames");
    let arrived = std::mem::take(&mut *arrived.lock().unwrap());
    let mut wrong: Vec<String> = arrived.iter().filter_map(|one| odd(one, HOST)).collect();
    for (number, case) in cases().iter().enumerate() {
        let of_case = arrived.iter().filter(|one| one.case == Some(number));
        let got: Vec<_> = of_case.map(|one| (one.line.clone(), one.body.clone())).collect();
        let wanted: Vec<_> = case.arrives.clone().into_iter().collect();
        if got != wanted && (case.must_arrive || !got.is_empty()) {
            wrong.push(format!("h2.txt:{}: arrived {got:?}", case.at));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_http2_request_arrives_at_an_origin_of_http2_as_another_than_was_judged() {
    let world = World::start();
    let origin = origin::start(Speaks::Both).await;
    origin.serve_inside(&world, POLICY, "the_client_that_writes_frames");
    let asked = origin.asked.lock().unwrap().clone();
    let targets: Vec<String> = cases()
        .iter()
        .filter_map(|case| case.arrives.as_ref())
        .map(|(line, _)| {
            let (method, target) = line.split_once(' ').unwrap();
            format!("HTTP/2.0 {method} {HOST} {}", target.split('?').next().unwrap())
        })
        .collect();
    let strange: Vec<&String> = asked.iter().filter(|line| !targets.contains(line)).collect();
    assert!(strange.is_empty() && asked.len() > 20, "{strange:?}");
}
