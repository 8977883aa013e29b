//! The real processes that a benchmark measures, and how it says what it measured.

#![allow(dead_code, reason = "each benchmark uses its part")]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use openshell_inbox::client::Client;

/// A gateway in this folder, whose limits no benchmark meets.
pub(crate) fn start_gateway(folder: &Path) -> Child {
    let limits = [
        "--limit-submissions-burst",
        "1000",
        "--limit-submissions-per-minute",
        "100000",
        "--limit-pending",
        "1000",
    ];
    Command::new(env!("CARGO_BIN_EXE_openshell-inbox"))
        .args(["gateway", "serve", "--db"])
        .arg(folder.join("g.db"))
        .arg("--socket")
        .arg(folder.join("g.sock"))
        .args(limits)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// A client of it, as soon as it answers.
pub(crate) async fn client(folder: &Path) -> Client {
    loop {
        match Client::connect(&folder.join("g.sock")).await {
            Ok(client) => return client,
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

/// A supervisor with this program as its agent, which is told things and says things.
pub(crate) fn start_agent(folder: &Path) -> Child {
    start_agent_of(folder, "bench")
}

/// The same in a sandbox with this name.
pub(crate) fn start_agent_of(folder: &Path, sandbox: &str) -> Child {
    let policy = folder.join(format!("{sandbox}.yaml"));
    std::fs::write(&policy, "version: 1\nnetwork_policies: {}\n").unwrap();
    Command::new(env!("CARGO_BIN_EXE_openshell-inbox"))
        .args(["run", "--advisor", "--sandbox", sandbox, "--gateway"])
        .arg(folder.join("g.sock"))
        .arg("--policy")
        .arg(policy)
        .arg("--log-dir")
        .arg(folder.join("log").join(sandbox))
        // The agent is this program, where it was built.
        .args(["--isolation", "none"])
        .arg("--")
        .arg(std::env::current_exe().unwrap())
        .arg("agent")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// One line: median and 99th percentile, and how many times the floor's median that is.
pub(crate) fn report(name: &str, times: &[Duration], floor: &[Duration]) {
    println!(
        "{name:<50} p50 {:>7.2} ms   p99 {:>7.2} ms   {:>5.1} x floor",
        percentile(times, 50),
        percentile(times, 99),
        percentile(times, 50) / percentile(floor, 50)
    );
}

/// Whether a target is met, in a line.
pub(crate) fn target(what: &str, value: f64, most: f64) {
    let verdict = if value <= most { "met" } else { "MISSED" };
    println!("{what:<60} {value:>8.2}   at most {most:<6} {verdict}");
}

/// A percentile in milliseconds.
pub(crate) fn percentile(times: &[Duration], percent: usize) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    sorted[(sorted.len() - 1) * percent / 100].as_secs_f64() * 1000.0
}
