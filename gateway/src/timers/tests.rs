use openshell_domain::command::{Answer, Decide};
use openshell_domain::event::{Envelope, Event};
use openshell_domain::id::{Digest, Seq};
use openshell_domain::proposal::LeaseAsk;
use openshell_domain::review::Review;

use super::*;
use crate::store::record::Record;
use crate::store::writer::Surroundings;
use crate::store::{EventLog, EventReader, Head, StoreError};
use crate::testing::{ManualClock, asks, books, reviewer, start};

/// A log that keeps nothing: nobody here reads it.
#[derive(Clone)]
struct NoLog;

impl EventLog for NoLog {
    fn append(&mut self, _: &[Record]) -> Result<(), StoreError> {
        Ok(())
    }

    fn recover(&mut self, _: Seq) -> Result<Vec<Record>, StoreError> {
        Ok(Vec::new())
    }

    fn head(&self) -> Head {
        Head { seq: 0, hash: Digest([0; 32]) }
    }

    fn has_reserve(&mut self) -> bool {
        true
    }
}

impl EventReader for NoLog {
    fn read(&self, seq: Seq, _: u32) -> Result<Vec<Envelope>, StoreError> {
        Err(StoreError::Shorter(seq))
    }
}

struct World {
    ledger: Ledger,
    registry: Registry,
    clock: ManualClock,
    stopping: CancellationToken,
}

impl World {
    async fn new() -> Self {
        let clock = ManualClock::default();
        let surroundings = Surroundings { clock: Arc::new(clock.clone()), orders: Arc::default() };
        let (ledger, _) = Ledger::start(books(NoLog), NoLog, State::default(), surroundings).unwrap();
        ledger.execute(start("demo")).await.unwrap();
        Self { ledger, registry: Registry::default(), clock, stopping: CancellationToken::new() }
    }

    fn watch(&self) {
        let timers = Timers {
            ledger: self.ledger.clone(),
            registry: self.registry.clone(),
            clock: Arc::new(self.clock.clone()),
            patience: Patience::new(Duration::from_secs(30)),
        };
        tokio::spawn(timers.run(self.stopping.clone()));
    }

    /// Lets the timers do whatever is due now, and says which events there were.
    async fn settled(&self, feed: &mut tokio::sync::broadcast::Receiver<Arc<Envelope>>) -> Vec<Event> {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        // The writer is a thread of its own: a command behind whatever was asked ends after it.
        let _ = self.ledger.execute(Command::Expire).await;
        let mut events = Vec::new();
        while let Ok(envelope) = feed.try_recv() {
            // The log is signed as time passes, whatever else happens.
            if !matches!(envelope.event, Event::Checkpoint { .. }) {
                events.push(envelope.event.clone());
            }
        }
        events
    }
}

fn run_of(world: &World) -> RunId {
    world.ledger.state().sandboxes.values().next().unwrap().run().unwrap()
}

#[tokio::test]
async fn a_run_ends_when_its_supervisor_was_gone_for_the_whole_grace_and_not_before() {
    let world = World::new().await;
    let (name, run): (SandboxName, _) = ("demo".parse().unwrap(), run_of(&world));
    let mut feed = world.ledger.subscribe();
    let here = world.registry.start(&name, run).unwrap();
    world.watch();
    assert!(world.settled(&mut feed).await.is_empty());
    world.clock.advance(Duration::from_secs(3600));
    assert!(world.settled(&mut feed).await.is_empty(), "it is here");
    drop(here);
    assert!(world.settled(&mut feed).await.is_empty());
    world.clock.advance(Duration::from_secs(29));
    assert!(world.settled(&mut feed).await.is_empty());
    let back = world.registry.resume(&name, run);
    assert!(world.settled(&mut feed).await.is_empty());
    world.clock.advance(Duration::from_secs(3600));
    assert!(world.settled(&mut feed).await.is_empty(), "it came back: the patience begins anew");
    drop(back);
    assert!(world.settled(&mut feed).await.is_empty());
    world.clock.advance(Duration::from_secs(30));
    let events = world.settled(&mut feed).await;
    assert_eq!(events, [Event::RunEnded { run, reason: RunEnd::Lost }]);
}

#[tokio::test]
async fn after_a_restart_every_run_gets_the_whole_grace() {
    let world = World::new().await;
    world.clock.advance(Duration::from_secs(7200));
    let mut feed = world.ledger.subscribe();
    world.watch();
    assert!(world.settled(&mut feed).await.is_empty());
    world.clock.advance(Duration::from_secs(29));
    assert!(world.settled(&mut feed).await.is_empty());
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(world.settled(&mut feed).await.len(), 1);
}

#[tokio::test]
async fn a_lease_ends_at_its_time_even_when_the_clock_was_set_while_it_waited() {
    let world = World::new().await;
    let (name, run): (SandboxName, _) = ("demo".parse().unwrap(), run_of(&world));
    let _here = world.registry.start(&name, run).unwrap();
    let events = world.ledger.execute(asks("demo", 7)).await.unwrap();
    let id = events[0].event.proposal().unwrap();
    let state = world.ledger.state();
    let known = state.proposal(id).unwrap();
    let digest = Review::of(&state.sandboxes[&name], id, &known.draft, &known.evidence).digest;
    let decision = Decide { proposal: id, digest, reviewer: reviewer(), reason: String::new() };
    let lease: LeaseAsk = "60s".parse().unwrap();
    let stale = Decide { digest: openshell_domain::id::Digest([0; 32]), ..decision.clone() };
    assert!(world.ledger.execute(Command::Reject(stale, Answer::default())).await.is_err());
    world.ledger.execute(Command::Approve(decision, Some(lease))).await.unwrap();
    let mut feed = world.ledger.subscribe();
    world.watch();
    assert!(world.settled(&mut feed).await.is_empty());
    // The clock is set back by 40 s: the lease is over at its time of day, which comes later.
    world.clock.set_back(chrono::TimeDelta::seconds(40));
    world.clock.advance(Duration::from_secs(60));
    assert!(world.settled(&mut feed).await.is_empty());
    world.clock.advance(Duration::from_secs(40));
    let events = world.settled(&mut feed).await;
    assert!(
        matches!(events[..], [Event::GrantExpired { proposal }, Event::PolicyRevised { .. }] if proposal == id)
    );
}
