//! Torture: the real program under load, killed with SIGKILL at random moments, again and again on one log.
//!
//! After each kill the log is proven, folded by this test on its own, and compared with what was acknowledged and
//! with what the next gateway says. `OPENSHELL_TORTURE_ROUNDS` (20) says how often, `OPENSHELL_TORTURE_SEED` with
//! which choices; the seed is printed. What the machine does between two choices is its own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;
#[path = "torture/judge.rs"]
mod judge;
#[path = "torture/load.rs"]
mod load;

use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use common::*;
use load::Acknowledged;

/// Sandboxes that ask at the same time.
const SANDBOXES: usize = 3;

/// Gateways on one log, one after another; then a new log is begun, because each is replayed from its start.
const LIVES: u64 = 20;

/// Numbers that look random and follow from the seed (splitmix64).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name)
        .ok()
        .map(|text| text.parse().unwrap_or_else(|_| panic!("{name}: not a number: {text}")))
}

struct Program(Child);

impl Program {
    async fn start(place: &Place) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_openshell-gateway"));
        command.arg("serve").arg("--db").arg(place.db()).arg("--socket").arg(place.socket());
        command.args(["--limit-submissions-burst", "1000000", "--limit-submissions-per-minute", "1000000"]);
        // Taken all the time, so that some are being written when the end comes.
        command.args(["--snapshot-events", "20"]);
        let program =
            Self(command.args(["--limit-pending", "1000000"]).stderr(Stdio::null()).spawn().unwrap());
        place.answers().await;
        program
    }
}

impl Drop for Program {
    /// SIGKILL.
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One life of a gateway.
async fn life(place: &Place, round: u64, dice: &mut Dice, acknowledged: &Arc<Acknowledged>) {
    let program = Program::start(place).await;
    judge::compare(place, &judge::replay(place)).await;
    let wanted = acknowledged.count() + dice.roll(120);
    let mut load = load::start(place, round, dice, acknowledged).await;
    within(acknowledged.reaches(wanted)).await;
    // Somewhere in the middle of what is done now: a commit takes a fraction of this.
    tokio::time::sleep(std::time::Duration::from_micros(dice.roll(5000))).await;
    drop(program);
    within(async { while load.join_next().await.is_some() {} }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whatever_a_killed_gateway_had_acknowledged_is_there_and_nothing_contradicts_it() {
    let rounds = number("OPENSHELL_TORTURE_ROUNDS").unwrap_or(20);
    let seed = number("OPENSHELL_TORTURE_SEED").unwrap_or_else(|| getrandom::u64().unwrap());
    println!("OPENSHELL_TORTURE_SEED={seed} OPENSHELL_TORTURE_ROUNDS={rounds}");
    let mut dice = Dice(seed);
    let (mut round, mut count) = (0, 0);
    while round < rounds {
        let (place, acknowledged) = (Place::new(), Arc::new(Acknowledged::default()));
        for _ in 0..LIVES.min(rounds - round) {
            round += 1;
            life(&place, round, &mut dice, &acknowledged).await;
            judge::verify(&place);
            judge::judge(&judge::replay(&place), &acknowledged);
        }
        println!("{round} kills, {} acknowledged in this log", acknowledged.tell());
        count += acknowledged.count();
    }
    assert!(count > 5 * rounds, "too little was done to mean anything");
}
