//! Many agents that wait: 20 sandboxes with 500 `/wait` each, over the real processes.
//!
//! What a wait costs its supervisor in resident memory, and how long after the decisions the last of all agents has
//! its whole answer. One proposal in each sandbox; all are approved at once. The waits are counted at the gateway, so
//! that none is still on its way.

#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a benchmark may stop at once")]

mod common;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout};
use std::time::{Duration, Instant};

use common::{client, start_agent_of, start_gateway, target};
use openshell_inbox::client::{Client, Decision, Verb};
use serde_json::{Value, json};

const SANDBOXES: usize = 20;
const WAITS: usize = 500;
/// How long what served the connections' beginnings may stay in memory: threads end after ten seconds without work.
const SETTLE: Duration = Duration::from_secs(12);
/// How long all agents may take to begin to wait.
const DEADLINE: Duration = Duration::from_secs(120);

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("agent") => agent(),
        Some("--test") => println!("benchmarks run with `cargo bench`"),
        _ => measure(),
    }
}

/// Inside the sandbox: submits, waits many times over, and says how many answers were right.
fn agent() {
    let proxy = std::env::var("http_proxy").unwrap().trim_start_matches("http://").to_owned();
    let mut lines = std::io::stdin().lines();
    let mut told = || lines.next().unwrap().unwrap();
    told();
    say(&receive(send(&proxy, "POST", "/v1/proposals", &proposal().to_string())));
    let target = format!("/v1/proposals/{}/wait?timeout=300", told());
    let waits: Vec<TcpStream> = (0..WAITS).map(|_| send(&proxy, "GET", &target, "")).collect();
    let is_right =
        |answer: &String| answer.contains("\"approved\"") && answer.contains("\"policy_reloaded\":true");
    let right = waits.into_iter().map(receive).filter(is_right).count();
    say(&json!({"right": right}).to_string());
}

fn say(line: &str) {
    println!("{line}");
    std::io::stdout().flush().unwrap();
}

fn proposal() -> Value {
    json!({"intent_summary": "bench", "operations": [{"addRule": {"ruleName": "bench", "rule": {
        "endpoints": [{"host": "docs.invalid", "port": 443, "protocol": "rest",
            "rules": [{"allow": {"method": "PUT", "path": "/x"}}]}],
        "binaries": [{"path": "/usr/bin/curl"}]}}}]})
}

fn send(proxy: &str, method: &str, path: &str, body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(proxy).unwrap();
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
    supervisor: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Drop for Agent {
    fn drop(&mut self) {
        // Ended already, unless the benchmark stops early.
        let _ = self.supervisor.kill();
        let _ = self.supervisor.wait();
    }
}

impl Agent {
    fn start(folder: &Path, number: usize) -> Self {
        let mut supervisor = start_agent_of(folder, &format!("s{number}"));
        let (stdin, stdout) = (supervisor.stdin.take().unwrap(), supervisor.stdout.take().unwrap());
        Self { supervisor, stdin, stdout: BufReader::new(stdout) }
    }

    fn say(&mut self, line: &str) {
        writeln!(self.stdin, "{line}").unwrap();
    }

    fn hear(&mut self) -> Value {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    /// Resident memory of the supervisor, in KiB.
    fn memory(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.supervisor.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

fn measure() {
    let folder = tempfile::tempdir().unwrap();
    let mut gateway = start_gateway(folder.path());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let held = runtime.block_on(waits(folder.path()));
    gateway.kill().unwrap();
    gateway.wait().unwrap();
    if let Err(count) = held {
        println!("{count} of {} waits were under way after {DEADLINE:?}   MISSED", SANDBOXES * WAITS);
    }
}

/// Says how many wait where not all of them could begin.
async fn waits(folder: &Path) -> Result<(), usize> {
    let mut client = client(folder).await;
    let mut agents: Vec<Agent> = (0..SANDBOXES).map(|number| Agent::start(folder, number)).collect();
    for agent in &mut agents {
        agent.say("submit");
        agent.hear();
    }
    let pending = client.list("pending", "").await.unwrap().proposals;
    let before: Vec<usize> = agents.iter().map(Agent::memory).collect();
    let start = Instant::now();
    for (number, agent) in agents.iter_mut().enumerate() {
        let sandbox = format!("s{number}");
        let own = pending.iter().find(|proposal| proposal.sandbox.to_string() == sandbox).unwrap();
        agent.say(&own.id.to_string());
    }
    all_wait(&mut client).await?;
    println!(
        "{SANDBOXES} sandboxes x {WAITS} waits, all under way after {:.1} s",
        start.elapsed().as_secs_f64()
    );
    tokio::time::sleep(SETTLE).await;
    let grown = agents.iter().zip(before).map(|(agent, before)| agent.memory().saturating_sub(before));
    let each: Vec<f64> = grown.map(|grown| grown as f64 / WAITS as f64).collect();
    let decisions = pending
        .iter()
        .map(|proposal| Decision::new(proposal.id, proposal.digest().unwrap(), Verb::Approve, String::new()));
    let start = Instant::now();
    for decision in decisions.collect::<Vec<_>>() {
        client.decide(&decision).await.unwrap();
    }
    let decided = start.elapsed();
    let right: u64 = agents.iter_mut().map(|agent| agent.hear()["right"].as_u64().unwrap()).sum();
    let woken = start.elapsed();
    assert_eq!(right, (SANDBOXES * WAITS) as u64);
    println!("{SANDBOXES} decisions took {:.0} ms, one after the other", decided.as_secs_f64() * 1000.0);
    target(
        "memory of a wait, the sandbox with the most, KiB",
        each.iter().copied().fold(0.0, f64::max),
        24.0,
    );
    target("first decision -> the last of all answers is read, ms", woken.as_secs_f64() * 1000.0, 500.0);
    for agent in &mut agents {
        agent.supervisor.wait().unwrap();
    }
    Ok(())
}

/// Waits until the gateway knows of all of them.
async fn all_wait(client: &mut Client) -> Result<(), usize> {
    let start = Instant::now();
    loop {
        let sandboxes = client.sandboxes().await.unwrap();
        let waiting =
            sandboxes.iter().filter_map(|sandbox| sandbox.live.as_ref()).flat_map(|live| &live.waiting);
        let count: usize = waiting.map(|waiting| waiting.agents as usize).sum();
        if count == SANDBOXES * WAITS {
            return Ok(());
        }
        if start.elapsed() > DEADLINE {
            return Err(count);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
