//! How much later a command starts because it is in a sandbox: `run -- true` from beginning to end, with a gateway
//! that answers at once, against `true` alone. `cargo bench -p openshell-supervisor --bench start`.

#[path = "../tests/world/mod.rs"]
mod world;

use std::process::Command;
use std::time::{Duration, Instant};

use world::{World, users};

const ROUNDS: usize = 60;

#[expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a bench measures, and may stop")]
fn time(mut command: impl FnMut() -> Command) -> Vec<Duration> {
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let mut command = command();
            command.stderr(std::process::Stdio::null());
            let begin = Instant::now();
            assert!(command.status().unwrap().success());
            begin.elapsed()
        })
        .collect();
    times.sort_unstable();
    times
}

fn main() {
    for user in users() {
        let world = World::new(user);
        let print = |what: &str, times: &[Duration]| {
            let at = |share: usize| times.get(ROUNDS * share / 100).map_or(0.0, |t| t.as_secs_f64() * 1000.0);
            println!("uid {user:<6} {what:<28} median {:>6.1} ms   p90 {:>6.1} ms", at(50), at(90));
        };
        print("true", &time(|| world.plain("true")));
        print("run --isolation none -- true", &time(|| world.run(&["--isolation", "none"], &["true"])));
        print("run -- true", &time(|| world.run(&[], &["true"])));
    }
}
