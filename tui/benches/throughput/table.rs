//! The table, and whether the targets are met.

use std::time::Duration;

use super::others::Missing;
use super::rows::{HYPER, Row};

/// What came of one row in one round.
pub(crate) struct Measured {
    /// Requests a second.
    pub(crate) rate: f64,
    /// Microseconds.
    pub(crate) p50: u32,
    p99: u32,
    /// Processor time of the proxy for each request, in microseconds.
    cpu: Option<f64>,
    /// Its memory afterwards, in MiB.
    memory: Option<f64>,
    failure: Option<String>,
}

impl Measured {
    pub(crate) fn new(
        seconds: f64,
        micros: &[u32],
        (spent, memory): (Option<Duration>, Option<f64>),
        failure: Option<String>,
    ) -> Self {
        let at = |percent: usize| micros.get(micros.len().saturating_sub(1) * percent / 100).copied();
        let count = micros.len().max(1) as f64;
        Self {
            rate: micros.len() as f64 / seconds,
            p50: at(50).unwrap_or_default(),
            p99: at(99).unwrap_or_default(),
            cpu: spent.map(|spent| spent.as_secs_f64() * 1e6 / count),
            memory,
            failure,
        }
    }
}

/// Prints all of it.
pub(crate) fn report(rows: &[Row], missing: &[(&str, Missing)], load: &str) {
    println!("load before: {load}");
    println!(
        "{:<10} {:<30} {:>10} {:>9} {:>9} {:>10} {:>9}",
        "proxy", "what", "requests/s", "p50 ms", "p99 ms", "CPU us", "RSS MiB"
    );
    let cell = |value: Option<f64>, digits: usize| {
        value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
    };
    for row in rows {
        let Measured { rate, p50, p99, cpu, memory, failure } = row.median();
        let millis = |micros: u32| f64::from(micros) / 1000.0;
        println!(
            "{:<10} {:<30} {rate:>10.0} {:>9.2} {:>9.2} {:>10} {:>9}",
            row.proxy,
            row.what,
            millis(*p50),
            millis(*p99),
            cell(*cpu, 0),
            cell(*memory, 1)
        );
        if let Some(failure) = failure {
            println!("  failed: {failure}");
        }
    }
    for (name, why) in missing {
        println!("{name:<10} {why}");
    }
    targets(rows);
}

fn targets(rows: &[Row]) {
    let find = |proxy: &str, what: &str| {
        rows.iter().find(|row| (row.proxy, row.what) == (proxy, what)).map(Row::median)
    };
    let rate = |proxy: &str, what: &str| find(proxy, what).map(|row| row.rate);
    let ours = rate("ours", "TLS");
    let times = |other: Option<f64>| Some(ours? / other?);
    let p50 = |proxy: &str| find(proxy, "TLS, 1 connection").map(|row| f64::from(row.p50));
    let cpu = |what: &str| find("ours", what).and_then(|row| row.cpu);
    // By processor time: what else the machine does meets the rates of rows more than that.
    let rules = |what: &str| Some(cpu(what)? / cpu("TLS")?);
    say("TLS, % of direct TLS", times(rate("direct", "TLS")).map(|ratio| ratio * 100.0), 30.0..f64::MAX);
    let by_library = |proxy: &str| Some(rate("ours", HYPER)? / rate(proxy, HYPER)?);
    say("the same, hyper at both ends, %", by_library("direct").map(|ratio| ratio * 100.0), 30.0..f64::MAX);
    say("TLS, CPU us a request", cpu("TLS"), 0.0..120.0);
    say("TLS, x mitmdump", times(rate("mitmdump", "TLS")), 20.0..f64::MAX);
    say("TLS, x squid", times(rate("squid", "TLS")), 1.5..f64::MAX);
    say(
        "added p50 at 1 connection, us",
        p50("ours").zip(p50("direct")).map(|(own, base)| own - base),
        0.0..150.0,
    );
    say("1,000 hosts, CPU x that of 1 rule", rules("TLS, 1,000 hosts"), 0.0..1.15);
    say("1,000 paths, CPU x that of 1 rule", rules("TLS, 1,000 paths"), 0.0..1.15);
}

fn say(what: &str, value: Option<f64>, target: std::ops::Range<f64>) {
    let bound = if target.end == f64::MAX {
        format!("at least {}", target.start)
    } else {
        format!("at most {}", target.end)
    };
    match value {
        Some(value) => {
            let verdict = if target.contains(&value) { "met" } else { "MISSED" };
            println!("{what:<34} {value:>8.2}   {bound:<14} {verdict}");
        }
        None => println!("{what:<34}        -   {bound:<14} not measured"),
    }
}
