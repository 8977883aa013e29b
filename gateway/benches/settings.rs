//! How long after a reviewer sets something a supervisor has been told: from the call to the directive, over both
//! sockets, with many supervisors attached.

#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a benchmark may stop at once"
)]

use std::path::Path;
use std::time::{Duration, Instant};

use openshell_gateway::{Gateway, Settings};
use openshell_wire::door;
use openshell_wire::pb::inbox::directive::Directive;
use openshell_wire::pb::inbox::inbox_client::InboxClient;
use openshell_wire::pb::inbox::report::Report;
use openshell_wire::pb::inbox::supervisor_client::SupervisorClient;
use openshell_wire::pb::inbox::{self as pb};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

const POLICY: &str = "version: 1\nnetwork_policies: {}\n";
const ROUNDS: u64 = 500;
/// Supervisors that are attached; the last of them is listened to.
const ATTACHED: [usize; 2] = [1, 100];
/// What must hold.
const MOST: Duration = Duration::from_millis(100);

fn main() {
    // `cargo test --benches` and `cargo bench` call this with arguments of the test harness.
    if std::env::args().any(|argument| argument == "--test") {
        println!("benchmarks run with `cargo bench`");
        return;
    }
    println!("load average: {}", std::fs::read_to_string("/proc/loadavg").unwrap().trim());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for attached in ATTACHED {
        runtime.block_on(measure(attached));
    }
}

async fn measure(attached: usize) {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("gw.sock");
    let settings = Settings {
        db: Some(folder.path().join("inbox.db")),
        socket: Some(socket.clone()),
        ..Settings::default()
    };
    let gateway = Gateway::start(settings).await.unwrap();
    tokio::spawn(gateway.run(std::future::pending()));
    let mut inbox = InboxClient::connect(format!("unix://{}", socket.display())).await.unwrap();
    let mut agents = Vec::new();
    for number in 0..attached {
        agents.push(attach(&socket, number).await);
    }
    let (mut last, _reports) = agents.pop().unwrap();
    // The others read, and nobody looks.
    for (mut other, reports) in agents {
        tokio::spawn(async move {
            while let Ok(Some(_)) = other.message().await {}
            drop(reports);
        });
    }
    let name = format!("box-{}", attached - 1);
    for (scope, sandbox) in [("sandbox", name.as_str()), ("gateway", "")] {
        let mut times = Vec::new();
        for round in 0..ROUNDS {
            let value = (round % 2 + 7).to_string();
            let request = pb::SetSettingRequest {
                sandbox: sandbox.to_owned(),
                key: "limit_waits".to_owned(),
                value: Some(value.clone()),
                ..pb::SetSettingRequest::default()
            };
            let begin = Instant::now();
            let (told, set) = tokio::join!(until(&mut last, &value), inbox.set_setting(request));
            set.unwrap();
            times.push(told.duration_since(begin));
        }
        times.sort_unstable();
        let at = |percent: usize| times[(times.len() - 1) * percent / 100];
        let (p50, p99) = (at(50).as_secs_f64() * 1000.0, at(99).as_secs_f64() * 1000.0);
        println!("{attached:>3} attached, set for the {scope}: told after p50 {p50:.2} ms, p99 {p99:.2} ms");
        assert!(at(99) <= MOST, "a setting is pushed within 100 ms");
    }
}

/// When a push with this value came.
async fn until(directives: &mut Streaming<pb::Directive>, value: &str) -> Instant {
    loop {
        let message = directives.message().await.unwrap().unwrap();
        if let Some(Directive::Settings(settings)) = message.directive
            && settings.settings.iter().any(|setting| setting.key == "limit_waits" && setting.value == value)
        {
            return Instant::now();
        }
    }
}

async fn attach(socket: &Path, number: usize) -> (Streaming<pb::Directive>, mpsc::Sender<pb::Report>) {
    let uri = format!("unix://{}", door::sandbox_door(socket).display());
    let mut client = SupervisorClient::connect(uri).await.unwrap();
    let hello = pb::Hello {
        sandbox: format!("box-{number}"),
        run: uuid::Uuid::from_u128(number as u128 + 1).to_string(),
        isolation: "none".to_owned(),
        policy_file: "policy.yaml".to_owned(),
        policy_yaml: POLICY.to_owned(),
        ..pb::Hello::default()
    };
    let (reports, outgoing) = mpsc::channel(4);
    reports.send(pb::Report { report: Some(Report::Hello(hello)) }).await.unwrap();
    let directives = client.attach(ReceiverStream::new(outgoing)).await.unwrap().into_inner();
    (directives, reports)
}
