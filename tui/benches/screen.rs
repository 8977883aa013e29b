//! How fast the screen is: `update` and `view` with 100,000 proposals, and the program itself with 10,000.
//!
//! The first part runs in this process, over the real projection. The second starts a gateway and the real inbox in
//! a pty: from its start to the first frame, from an event to the frame that shows it, and how much memory it has.
//! Says whether each target is met; the machine's load stands beside, because it decides.

#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a benchmark may stop at once")]

#[path = "screen/program.rs"]
mod program;
#[path = "screen/rows.rs"]
mod rows;
#[path = "../tests/stage/mod.rs"]
mod stage;

use std::time::Duration;

fn main() {
    // `cargo test --benches` and `cargo bench` call this with arguments of the test harness.
    if std::env::args().nth(1).as_deref() == Some("--test") {
        println!("benchmarks run with `cargo bench`");
        return;
    }
    println!("load {}", std::fs::read_to_string("/proc/loadavg").unwrap().trim());
    rows::measure(100_000);
    program::measure(10_000);
    println!("load {}", std::fs::read_to_string("/proc/loadavg").unwrap().trim());
}

/// One line: what was measured, against its target.
pub(crate) fn report(name: &str, mut times: Vec<Duration>, target: Duration) {
    times.sort_unstable();
    let at = |thousandth: usize| times[(times.len() - 1) * thousandth / 1000].as_secs_f64() * 1000.0;
    let is_met = if at(990) <= target.as_secs_f64() * 1000.0 { "met" } else { "MISSED" };
    println!(
        "{name:<44} n {:>6}  p50 {:>8.3} ms  p99 {:>8.3} ms  max {:>8.3} ms  target p99 {} ms: {is_met}",
        times.len(),
        at(500),
        at(990),
        at(1000),
        target.as_millis()
    );
}
