//! What the inbox costs as it fills: submit and approve over the socket with few and with many pending, an event at
//! a hundred watchers, a page of a long list, memory. The floor is one durable append by the same SQLite on the same
//! disk in the same run.

#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a benchmark may stop at once")]

use std::path::Path;
use std::time::{Duration, Instant};

use openshell_gateway::{Gateway, Limits, Settings};
use openshell_wire::door;
use openshell_wire::pb::inbox::directive::Directive;
use openshell_wire::pb::inbox::inbox_client::InboxClient;
use openshell_wire::pb::inbox::inbox_frame::Frame;
use openshell_wire::pb::inbox::report::Report;
use openshell_wire::pb::inbox::supervisor_client::SupervisorClient;
use openshell_wire::pb::inbox::{self as pb, Verb};
use openshell_wire::pb::sandbox::{L7Allow, L7Rule, NetworkBinary, NetworkEndpoint, NetworkPolicyRule};
use rusqlite::Connection;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;

const POLICY: &str = "version: 1\nnetwork_policies:\n  docs: {endpoints: [{host: docs.example, port: 443, protocol: rest, enforcement: enforce, access: read-only}], binaries: [{path: /usr/bin/curl}]}\n";
/// Rounds of submit and approve.
const ROUNDS: usize = 200;
/// How many are pending in the large inbox, and in the one of which a page is read.
const MANY: usize = 10_000;
const LONG: usize = 100_000;
const WATCHERS: usize = 100;
/// Asks in one request, all for one sandbox.
const BATCH: usize = 16;

fn main() {
    // `cargo test --benches` and `cargo bench` call this with arguments of the test harness.
    if std::env::args().any(|argument| argument == "--test") {
        println!("benchmarks run with `cargo bench`");
        return;
    }
    println!("load average: {}", std::fs::read_to_string("/proc/loadavg").unwrap().trim());
    tokio::runtime::Runtime::new().unwrap().block_on(measure());
}

async fn measure() {
    let folder = tempfile::tempdir().unwrap();
    let floor = floor(&folder.path().join("floor.db"));
    println!("floor: one durable append {:.2} ms", ms(floor));
    let socket = folder.path().join("gw.sock");
    let limits = Limits {
        submissions_burst: u32::MAX,
        submissions_per_minute: u32::MAX,
        pending: usize::MAX,
        ..Limits::default()
    };
    let settings = Settings {
        db: Some(folder.path().join("inbox.db")),
        socket: Some(socket.clone()),
        limits,
        ..Settings::default()
    };
    let gateway = Gateway::start(settings).await.unwrap();
    tokio::spawn(gateway.run(std::future::pending()));
    let mut inbox = InboxClient::connect(format!("unix://{}", socket.display())).await.unwrap();
    let mut few = Agent::new(&socket, "few", 1).await;
    few.fill(10).await;
    rounds("    10 pending", &mut few, &mut inbox, floor).await;
    let before = rss();
    let mut many = Agent::new(&socket, "many", 2).await;
    many.fill(MANY).await;
    println!("memory: {:.1} MiB for {MANY} pending", mib(rss().saturating_sub(before)));
    rounds("10,000 pending", &mut many, &mut inbox, floor).await;
    rounds("    10 pending, beside a sandbox with 10,000", &mut few, &mut inbox, floor).await;
    watchers(&socket, &mut few).await;
    many.fill(LONG - MANY).await;
    pages(&mut inbox).await;
}

/// One row, one transaction, fsynced: as the gateway's log is set.
fn floor(path: &Path) -> Duration {
    let log = Connection::open(path).unwrap();
    log.pragma_update(None, "journal_mode", "WAL").unwrap();
    log.pragma_update(None, "synchronous", "FULL").unwrap();
    log.execute("CREATE TABLE events (seq INTEGER PRIMARY KEY, payload TEXT) STRICT", []).unwrap();
    let payload = "x".repeat(1024);
    let append = || {
        let begin = Instant::now();
        log.execute("INSERT INTO events (payload) VALUES (?1)", [&payload]).unwrap();
        begin.elapsed()
    };
    percentile((0..ROUNDS).map(|_| append()).collect(), 50)
}

async fn rounds(name: &str, agent: &mut Agent, inbox: &mut InboxClient<Channel>, floor: Duration) {
    let (mut submits, mut approvals) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        let proposal = agent.submit(1).await.remove(0);
        submits.push(begin.elapsed());
        let decision = pb::DecideRequest {
            id: proposal.id,
            digest: proposal.digest,
            verb: Verb::Approve.into(),
            ..pb::DecideRequest::default()
        };
        let begin = Instant::now();
        inbox.decide(decision.clone()).await.unwrap();
        approvals.push(begin.elapsed());
        // Ended again, so that every round meets the same policy.
        inbox.decide(pb::DecideRequest { verb: Verb::Revoke.into(), ..decision }).await.unwrap();
    }
    for (what, times) in [("submit ", submits), ("approve", approvals)] {
        let (p50, p99) = (percentile(times.clone(), 50), percentile(times, 99));
        let ratio = p50.as_secs_f64() / floor.as_secs_f64();
        println!("{name}: {what} p50 {:.2} ms ({ratio:.1} x floor), p99 {:.2} ms", ms(p50), ms(p99));
    }
}

async fn watchers(socket: &Path, agent: &mut Agent) {
    let before = rss();
    let (heard, mut arrivals) = mpsc::channel(WATCHERS * ROUNDS);
    for _ in 0..WATCHERS {
        let mut client = InboxClient::connect(format!("unix://{}", socket.display())).await.unwrap();
        let request = pb::WatchInboxRequest { from_seq: None, sandbox: agent.sandbox.clone() };
        let mut frames = client.watch_inbox(request).await.unwrap().into_inner();
        loop {
            let frame = frames.message().await.unwrap().unwrap().frame;
            if matches!(frame, Some(Frame::Snapshot(part)) if part.last) {
                break;
            }
        }
        let heard = heard.clone();
        tokio::spawn(async move {
            while let Ok(Some(frame)) = frames.message().await {
                if matches!(frame.frame, Some(Frame::Event(event)) if event.kind == "ProposalSubmitted") {
                    heard.send(Instant::now()).await.unwrap();
                }
            }
        });
    }
    let each = rss().saturating_sub(before) / WATCHERS;
    let mut times = Vec::new();
    for _ in 0..50 {
        let begin = Instant::now();
        agent.submit(1).await;
        for _ in 0..WATCHERS {
            times.push(arrivals.recv().await.unwrap().saturating_duration_since(begin));
        }
    }
    println!(
        "submit -> {WATCHERS} watchers, clients in the same process: p50 {:.2} ms, p99 {:.2} ms; {} KiB for each and its client",
        ms(percentile(times.clone(), 50)),
        ms(percentile(times, 99)),
        each / 1024
    );
}

async fn pages(inbox: &mut InboxClient<Channel>) {
    let mut times = Vec::new();
    let mut request = pb::ListProposalsRequest { limit: 100, ..Default::default() };
    for _ in 0..50 {
        let begin = Instant::now();
        let answer = inbox.list_proposals(request.clone()).await.unwrap().into_inner();
        times.push(begin.elapsed());
        request.page = answer.next_page;
    }
    let (p50, p99) = (percentile(times.clone(), 50), percentile(times, 99));
    println!("a page of 100 of {LONG} proposals: p50 {:.2} ms, p99 {:.2} ms", ms(p50), ms(p99));
}

/// A supervisor that answers nothing.
struct Agent {
    sandbox: String,
    secret: Vec<u8>,
    client: SupervisorClient<Channel>,
    asked: usize,
    _reports: mpsc::Sender<pb::Report>,
}

impl Agent {
    async fn new(socket: &Path, sandbox: &str, run: u128) -> Self {
        let path = door::sandbox_door(socket);
        let mut client = SupervisorClient::connect(format!("unix://{}", path.display())).await.unwrap();
        let hello = pb::Hello {
            sandbox: sandbox.into(),
            run: uuid::Uuid::from_u128(run).to_string(),
            isolation: "netns".into(),
            advisor: true,
            policy_file: "policy.yaml".into(),
            policy_yaml: POLICY.into(),
            ..pb::Hello::default()
        };
        let (reports, receiver) = mpsc::channel(4);
        reports.send(pb::Report { report: Some(Report::Hello(hello)) }).await.unwrap();
        let mut directives = client.attach(ReceiverStream::new(receiver)).await.unwrap().into_inner();
        let first = directives.message().await.unwrap().unwrap().directive;
        let Some(Directive::Accepted(pb::Accepted { run_secret: secret })) = first else { unreachable!() };
        tokio::spawn(async move { while let Ok(Some(_)) = directives.message().await {} });
        Self { sandbox: sandbox.into(), secret, client, asked: 0, _reports: reports }
    }

    async fn submit(&mut self, count: usize) -> Vec<pb::Proposal> {
        let operations = (0..count).map(|_| self.ask()).collect();
        let request = pb::SubmitProposalsRequest {
            origin: String::new(),
            sandbox: self.sandbox.clone(),
            run_secret: self.secret.clone(),
            submitted_by: "/usr/bin/curl".into(),
            rationale: "write one file".into(),
            operations,
            evidence: Vec::new(),
            idempotency_key: String::new(),
        };
        let results = self.client.submit_proposals(request).await.unwrap().into_inner().results;
        results.into_iter().map(|result| result.proposal.unwrap()).collect()
    }

    async fn fill(&mut self, count: usize) {
        for _ in 0..count.div_ceil(BATCH) {
            self.submit(BATCH).await;
        }
    }

    /// Each for another path of one of a hundred hosts.
    fn ask(&mut self) -> pb::AddRule {
        self.asked += 1;
        let path = format!("/repos/o/r/contents/{}.md", self.asked);
        let allow = L7Allow { method: "PUT".into(), path, ..Default::default() };
        let rule = NetworkPolicyRule {
            name: String::new(),
            endpoints: vec![NetworkEndpoint {
                host: format!("h{}.example", self.asked % 100),
                ports: vec![443],
                protocol: "rest".into(),
                rules: vec![L7Rule { allow: Some(allow) }],
                ..Default::default()
            }],
            binaries: vec![NetworkBinary { path: "/usr/bin/curl".into() }],
        };
        pb::AddRule { rule_name: "put_file".into(), rule: Some(rule) }
    }
}

fn percentile(mut times: Vec<Duration>, percent: usize) -> Duration {
    times.sort_unstable();
    times[(times.len() - 1) * percent / 100]
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn mib(bytes: usize) -> f64 {
    bytes as f64 / 1024.0 / 1024.0
}

/// What the process has in memory, in bytes.
fn rss() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 4096
}
