//! How many requests pass, beside the way without a proxy and beside other proxies: one client, one origin, one run.
//!
//! 16 connections at once and bodies of 1 KiB unless a row says otherwise; client, proxy and origin share the
//! processors. The rows take turns, a few rounds each, and the median round counts, so that what else the machine does
//! meets all of them. `.ci/proxies` installs the others (`-- squid` starts that one alone, `-- none` none). Prints whether each target is met.

#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a benchmark may stop at once"
)]

mod client;
#[path = "../common/mod.rs"]
mod common;
mod http2;
mod origin;
mod others;
mod process;
mod rows;
mod sandbox;
mod table;

/// The name that pins lead to the origin.
const HOST: &str = "web.invalid";
/// The origin's name for proxies without pins.
const LOCAL: &str = "localhost";
const BODY: &[u8] = &[b'x'; 1024];

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("client") => client::run(),
        Some("--test") => println!("benchmarks run with `cargo bench`"),
        _ => rows::measure(),
    }
}
