//! How fast a decision reaches the agent, over the real processes.
//!
//! `Decide` → the answer of `/wait` with `policy_reloaded:true`, and `POST /v1/proposals` → the event at an inbox
//! client; 200 rounds each, against the floor measured in the same run: one durable append of one event, by the same
//! SQLite with the same settings, to the same disk. The submission limits are raised for it.

#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a benchmark may stop at once")]

mod common;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout};
use std::time::{Duration, Instant};

use common::{client, percentile, report, start_agent, start_gateway, target};
use openshell_inbox::client::{Decision, Verb};
use openshell_wire::pb::inbox as pb;
use serde_json::{Value, json};

const ROUNDS: usize = 200;

fn main() {
    // `cargo test --benches` and `cargo bench` call this with arguments of the test harness.
    match std::env::args().nth(1).as_deref() {
        Some("agent") => agent(),
        Some("--test") => println!("benchmarks run with `cargo bench`"),
        _ => measure(),
    }
}

/// Inside the sandbox: reads `submit N` and `wait ID`, answers each with a line.
fn agent() {
    let proxy = std::env::var("http_proxy").unwrap().trim_start_matches("http://").to_owned();
    for line in std::io::stdin().lines() {
        let line = line.unwrap();
        let (verb, what) = line.split_once(' ').unwrap();
        let body = match verb {
            "submit" => receive(send(&proxy, "POST", "/v1/proposals", &proposal(what).to_string())),
            _ => {
                let waiting = send(&proxy, "GET", &format!("/v1/proposals/{what}/wait?timeout=60"), "");
                say("{}");
                receive(waiting)
            }
        };
        say(&body);
    }
}

fn say(line: &str) {
    println!("{line}");
    std::io::stdout().flush().unwrap();
}

fn proposal(n: &str) -> Value {
    json!({"intent_summary": "bench", "operations": [{"addRule": {"ruleName": "bench", "rule": {
        "endpoints": [{"host": "docs.invalid", "port": 443, "protocol": "rest",
            "rules": [{"allow": {"method": "PUT", "path": format!("/{n}")}}]}],
        "binaries": [{"path": "/usr/bin/curl"}]}}}]})
}

fn send(proxy: &str, method: &str, path: &str, body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(proxy).unwrap();
    stream.set_nodelay(true).unwrap();
    let head = format!(
        "{method} http://policy.local{path} HTTP/1.1\r\nHost: policy.local\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
    stream
}

fn receive(mut stream: TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text.split_once("\r\n\r\n").unwrap().1.to_owned()
}

struct Agent {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Agent {
    fn start(folder: &Path) -> Self {
        let mut child = start_agent(folder);
        let (stdin, stdout) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, stdin, stdout }
    }

    fn say(&mut self, line: &str) {
        self.stdin.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    fn hear(&mut self) -> Value {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }
}

fn measure() {
    let folder = tempfile::tempdir().unwrap();
    let mut gateway = start_gateway(folder.path());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (wakes, events) = runtime.block_on(rounds(folder.path()));
    gateway.kill().unwrap();
    gateway.wait().unwrap();
    let floor = appends(folder.path());
    println!(
        "{ROUNDS} rounds each; the floor is one durable append (WAL, synchronous=FULL) on the same disk"
    );
    report("floor: one append", &floor, &floor);
    report("Decide -> /wait with policy_reloaded:true", &wakes, &floor);
    report("submit -> event at an inbox client", &events, &floor);
    target("Decide -> /wait, p50 ms", percentile(&wakes, 50), 5.0);
    target("Decide -> /wait, p99 ms", percentile(&wakes, 99), 25.0);
}

async fn rounds(folder: &Path) -> (Vec<Duration>, Vec<Duration>) {
    let mut client = client(folder).await;
    let mut agent = Agent::start(folder);
    let mut watch = client.watch(None).await.unwrap();
    let (mut wakes, mut events) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let start = Instant::now();
        agent.say(&format!("submit {round}"));
        let id = next_submitted(&mut watch).await;
        events.push(start.elapsed());
        agent.hear();
        agent.say(&format!("wait {id}"));
        let shown = client.proposal(&id).await.unwrap().proposal;
        // The agent says when its request is on the way.
        agent.hear();
        let decision = Decision::new(shown.id, shown.digest().unwrap(), Verb::Approve, String::new());
        let start = Instant::now();
        client.decide(&decision).await.unwrap();
        let answer = agent.hear();
        wakes.push(start.elapsed());
        assert_eq!(
            (&answer["status"], &answer["policy_reloaded"]),
            (&json!("approved"), &json!(true)),
            "{answer}"
        );
    }
    drop(agent.stdin);
    agent.child.wait().unwrap();
    (wakes, events)
}

async fn next_submitted(watch: &mut tonic::Streaming<pb::InboxFrame>) -> String {
    loop {
        let frame = watch.message().await.unwrap().unwrap().frame;
        if let Some(pb::inbox_frame::Frame::Event(event)) = frame
            && event.kind == "ProposalSubmitted"
        {
            let payload: Value = serde_json::from_str(&event.payload).unwrap();
            return payload["proposal"].as_str().unwrap().to_owned();
        }
    }
}

/// One row a transaction, as the gateway's log writes it.
fn appends(folder: &Path) -> Vec<Duration> {
    let log = rusqlite::Connection::open(folder.join("floor.db")).unwrap();
    log.pragma_update(None, "journal_mode", "WAL").unwrap();
    log.pragma_update(None, "synchronous", "FULL").unwrap();
    log.execute("CREATE TABLE events (seq INTEGER PRIMARY KEY, payload TEXT) STRICT", []).unwrap();
    let payload = "x".repeat(1024);
    (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            log.execute("INSERT INTO events (payload) VALUES (?1)", [&payload]).unwrap();
            start.elapsed()
        })
        .collect()
}
