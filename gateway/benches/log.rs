//! The log: durable commands a second and the time to their acknowledgement, beside a bare SQLite loop on the same
//! disk in the same run; and the replay of a million events with the proof of their chain, beside reading the same
//! rows without looking at them, and beside a start from a snapshot.
//!
//! A command here stores one event and costs nothing to decide: what is measured is queue, group, hash, fsync, fold
//! and answer. The bare loop writes rows of the same size in transactions of as many rows as there are commands at
//! once, which is the best that any group commit can do.

#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a benchmark may stop at once")]

use std::path::Path;
use std::time::{Duration, Instant};

use openshell_domain::event::Event;
use openshell_domain::id::{Digest, ProposalId, Revision, RunId, SandboxName};
use openshell_domain::proposal::{Draft, Origin};
use openshell_gateway::bench::{Bench, fill, replay, snapshot};
use rusqlite::{Connection, params};
use uuid::Uuid;

/// How many commands are done at once, and how many all in all.
const RUNS: [(usize, usize); 3] = [(1, 3_000), (16, 32_000), (256, 128_000)];

const TEXT: usize = 200;

fn main() {
    // `cargo test --benches` and `cargo bench` call this with arguments of the test harness.
    if std::env::args().any(|argument| argument == "--test") {
        println!("benchmarks run with `cargo bench`");
        return;
    }
    let events = std::env::var("OPENSHELL_BENCH_EVENTS").map_or(1_000_000, |text| text.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    println!("load average: {}", std::fs::read_to_string("/proc/loadavg").unwrap().trim());
    for (at_once, total) in RUNS {
        let bare = bare(&folder.path().join(format!("bare{at_once}.db")), at_once, total);
        let path = folder.path().join(format!("log{at_once}.db"));
        let (time, mut answers) = runtime.block_on(commands(&path, at_once, total));
        answers.sort_unstable();
        let rate = |time: Duration| total as f64 / time.as_secs_f64();
        let percent = |percent: usize| answers[(answers.len() - 1) * percent / 100].as_secs_f64() * 1000.0;
        println!(
            "{at_once:>4} at once: bare {:>8.0}/s   gateway {:>8.0}/s ({:.2} x bare)   acknowledged p50 {:.2} ms, p99 {:.2} ms",
            rate(bare),
            rate(time),
            rate(time) / rate(bare),
            percent(50),
            percent(99),
        );
    }
    replays(&folder.path().join("replay.db"), events);
}

/// Rows of the size of the gateway's, `group` in a transaction.
fn bare(path: &Path, group: usize, total: usize) -> Duration {
    let mut log = Connection::open(path).unwrap();
    log.pragma_update(None, "journal_mode", "WAL").unwrap();
    log.pragma_update(None, "synchronous", "FULL").unwrap();
    log.execute_batch(
        "CREATE TABLE events (seq INTEGER PRIMARY KEY, id BLOB UNIQUE, sandbox TEXT, stream_seq INTEGER, \
         text TEXT, prev_hash BLOB, hash BLOB, UNIQUE (sandbox, stream_seq)) STRICT",
    )
    .unwrap();
    let text = "x".repeat(TEXT + 250);
    let start = Instant::now();
    for first in (0..total).step_by(group) {
        let transaction = log.transaction().unwrap();
        {
            let mut statement = transaction
                .prepare_cached("INSERT INTO events VALUES (?1, ?2, 'bench', ?1, ?3, ?4, ?4)")
                .unwrap();
            for row in first..(first + group).min(total) {
                let id = Uuid::from_u128(row as u128);
                statement.execute(params![row as i64, id.as_bytes(), text, [7_u8; 32]]).unwrap();
            }
        }
        transaction.commit().unwrap();
    }
    start.elapsed()
}

async fn commands(path: &Path, at_once: usize, total: usize) -> (Duration, Vec<Duration>) {
    let bench = Bench::open(path).await.unwrap();
    let start = Instant::now();
    let tasks: Vec<_> = (0..at_once)
        .map(|_| {
            let bench = bench.clone();
            tokio::spawn(async move {
                let mut answers = Vec::with_capacity(total / at_once);
                for _ in 0..total / at_once {
                    let asked = Instant::now();
                    bench.command("x".repeat(TEXT)).await.unwrap();
                    answers.push(asked.elapsed());
                }
                answers
            })
        })
        .collect();
    let mut answers = Vec::with_capacity(total);
    for task in tasks {
        answers.extend(task.await.unwrap());
    }
    (start.elapsed(), answers)
}

/// In 100 sandboxes: a tenth are proposals, a tenth their rejections, the rest small reports.
fn event(seq: u64) -> (SandboxName, Event) {
    let sandbox = format!("s{}", seq / 10 % 100).parse().unwrap();
    let proposal = ProposalId(Uuid::from_u128((seq / 10).into()));
    let event = match seq % 10 {
        0 => Event::ProposalSubmitted {
            proposal,
            run: RunId(Uuid::from_u128(1)),
            origin: Origin::AgentAuthored,
            submitted_by: "/usr/bin/curl".into(),
            draft: Draft {
                number: 1,
                rule_name: "put_file".parse().unwrap(),
                rule: serde_json::from_value(serde_json::json!({
                    "endpoints": [{"host": "api.github.com", "ports": [443], "protocol": "rest",
                        "enforcement": "enforce",
                        "rules": [{"allow": {"method": "PUT", "path": format!("/repos/o/r/contents/{seq}")}}]}],
                    "binaries": [{"path": "/usr/bin/curl"}],
                }))
                .unwrap(),
                rationale: "write one file".into(),
            },
            evidence: Vec::new(),
            validation_result: "prover: 1 new finding\n  capability_expansion: PUT".into(),
        },
        1 if seq > 10 => rejected(proposal),
        _ => Event::PolicyLoadFailed { revision: Revision(1), run: RunId(Uuid::from_u128(1)), error: "x".repeat(80), is_retained: false },
    };
    (sandbox, event)
}

fn rejected(proposal: ProposalId) -> Event {
    serde_json::from_value(serde_json::json!({"kind": "ProposalRejected", "payload":
        {"proposal": proposal, "draft": 1, "digest": Digest([3; 32]), "reason": "use a branch"}}))
    .unwrap()
}

fn replays(path: &Path, events: u64) {
    let start = Instant::now();
    fill(path, events, event).unwrap();
    println!("{events} events written in groups of 1000: {:.1} s", start.elapsed().as_secs_f64());
    let start = Instant::now();
    let connection = Connection::open(path).unwrap();
    let mut statement = connection.prepare("SELECT * FROM events ORDER BY seq").unwrap();
    let mut rows = statement.query([]).unwrap();
    let mut bytes = 0;
    while let Some(row) = rows.next().unwrap() {
        bytes += row.get_ref(8).unwrap().as_str().unwrap().len();
    }
    let read = start.elapsed();
    let start = Instant::now();
    assert_eq!(replay(path).unwrap(), events);
    let replayed = start.elapsed();
    println!(
        "{events} events, {} MiB of payload: read {:.2} s   replayed, proven and folded {:.2} s ({:.1} x read), {:.1} µs an event",
        bytes >> 20,
        read.as_secs_f64(),
        replayed.as_secs_f64(),
        replayed.as_secs_f64() / read.as_secs_f64(),
        replayed.as_secs_f64() * 1e6 / events as f64,
    );
    let taken = snapshot(path).unwrap();
    let start = Instant::now();
    assert_eq!(replay(path).unwrap(), events);
    println!(
        "{events} events, from a snapshot of {} MiB: hashes proven, ready after {:.2} s",
        taken >> 20,
        start.elapsed().as_secs_f64()
    );
}
