use std::sync::Mutex;

use arc_swap::ArcSwap;

use super::*;
use crate::testing::event;

/// A log in memory with a feed of two events, so that it is easy to fall behind.
#[derive(Clone)]
struct World {
    stored: Arc<Mutex<Vec<Envelope>>>,
    published: Published,
}

impl EventReader for World {
    fn read(&self, seq: Seq, limit: u32) -> Result<Vec<Envelope>, StoreError> {
        let stored = self.stored.lock().unwrap();
        let limit = usize::try_from(limit).unwrap();
        Ok(stored.iter().filter(|event| event.seq > seq).take(limit).cloned().collect())
    }
}

impl World {
    fn new() -> Self {
        let published = Published { state: Arc::new(ArcSwap::default()), events: broadcast::Sender::new(2) };
        Self { stored: Arc::default(), published }
    }

    fn append(&self, count: u64) {
        for _ in 0..count {
            let seq = self.published.state.load().seq + 1;
            self.stored.lock().unwrap().push((*event(seq)).clone());
            self.published.state.store(Arc::new(State { seq, ..State::default() }));
            let _ = self.published.events.send(event(seq));
        }
    }

    fn tail(&self) -> Tail {
        Tail::new(self.published.clone(), Arc::new(self.clone())).0
    }
}

async fn seqs(tail: &mut Tail, count: usize) -> Vec<Seq> {
    let mut seqs = Vec::new();
    for _ in 0..count {
        seqs.push(tail.next().await.unwrap().seq);
    }
    seqs
}

#[tokio::test]
async fn a_reader_that_falls_behind_misses_nothing() {
    let world = World::new();
    world.append(3);
    let mut tail = world.tail();
    world.append(1);
    assert_eq!(seqs(&mut tail, 1).await, [4], "live");
    world.append(500);
    assert_eq!(seqs(&mut tail, 500).await, (5..=504).collect::<Vec<_>>(), "over many pages of the log");
    world.append(2);
    assert_eq!(seqs(&mut tail, 2).await, [505, 506], "live again");
}

#[tokio::test]
async fn a_reader_that_resumes_gets_what_lies_between_and_then_what_comes() {
    let world = World::new();
    world.append(100);
    for from in [0, 1, 99, 100] {
        let mut tail = world.tail().from(from);
        world.append(1);
        let head = world.published.state.load().seq;
        let wanted: Vec<Seq> = (from + 1..=head).collect();
        assert_eq!(seqs(&mut tail, wanted.len()).await, wanted);
    }
}

#[tokio::test]
async fn giving_up_waiting_loses_nothing() {
    let world = World::new();
    world.append(100);
    let mut tail = world.tail().from(0);
    let mut seen = Vec::new();
    while seen.len() < 100 {
        // Polled once and dropped: what `select!` does to a branch that loses.
        tokio::select! {
            biased;
            event = tail.next() => seen.push(event.unwrap().seq),
            () = tokio::task::yield_now() => {}
        }
    }
    assert_eq!(seen, (1..=100).collect::<Vec<_>>());
}
