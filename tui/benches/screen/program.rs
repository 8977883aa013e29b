//! The program itself, in a pty, before a gateway with many proposals.

use std::io::{Read, Write};
use std::process::Child;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use pty_process::Size;
use pty_process::blocking::{Command, Pty, open};

use crate::stage::{Stage, Supervisor};

/// How long anything may take before the benchmark gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often the program is started.
const STARTS: usize = 20;

/// How many events are followed while the start still goes on.
const EARLY: usize = 10;

/// How many events are followed to their frames.
const EVENTS: usize = 200;

/// The pause before each of them.
const REST: Duration = Duration::from_millis(40);

struct Screen {
    child: Child,
    pty: Arc<Pty>,
    shown: Arc<(Mutex<vt100::Parser>, Condvar)>,
    begun: Instant,
}

pub(crate) fn measure(count: usize) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (stage, mut supervisor) = runtime.block_on(fill(count));
    let (mut first, mut list) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let screen = Screen::start(&stage);
        first.push(screen.until(|text| text.contains("Pending")));
        list.push(screen.until(|text| text.contains(&format!("{count} pending"))));
        screen.end();
    }
    let hundred = Duration::from_millis(100);
    crate::report(&format!("start to the first frame, {count} pending"), first, hundred);
    crate::report(&format!("start to the list, {count} pending"), list, hundred);
    let screen = Screen::start(&stage);
    screen.until(|text| text.contains(&format!("{count} pending")));
    // Behind the list come the reviews of all its rows, and what happens then comes behind those.
    let mut follow = |n| screen.event(&runtime, &mut supervisor, count + n);
    let early = (1..=EARLY).map(&mut follow).collect();
    let events = (EARLY + 1..=EARLY + EVENTS).map(follow).collect();
    crate::report("the same, while the reviews still come", early, Duration::from_millis(20));
    crate::report("an ask is answered to the agent → its frame", events, Duration::from_millis(20));
    memory(&screen, count);
    screen.end();
    runtime.block_on(async move {
        drop(supervisor);
        let mut stage = stage;
        stage.stop().await;
    });
}

async fn fill(count: usize) -> (Stage, Supervisor) {
    let stage = Stage::without_limits().await;
    let mut supervisor = stage.supervisor().await;
    let paths: Vec<String> = (0..count).map(|n| format!("/v1/items/{n}")).collect();
    for some in paths.chunks(16) {
        supervisor.submit_all(some, "one of many").await;
    }
    (stage, supervisor)
}

fn memory(screen: &Screen, count: usize) {
    let status = std::fs::read_to_string(format!("/proc/{}/status", screen.child.id())).unwrap();
    let of = |key: &str| -> f64 {
        let line = status.lines().find(|line| line.starts_with(key)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
    };
    let (now, most) = (of("VmRSS:"), of("VmHWM:"));
    let is_met = if now <= 60.0 { "met" } else { "MISSED" };
    let own = of("RssAnon:");
    println!(
        "memory with {count} pending: {now:.1} MiB (most {most:.1}, {own:.1} without the program's own file)  \
         target 60 MiB: {is_met}"
    );
}

impl Screen {
    fn start(stage: &Stage) -> Self {
        let (pty, pts) = open().unwrap();
        pty.resize(Size::new(60, 200)).unwrap();
        let begun = Instant::now();
        let program = Command::new(env!("CARGO_BIN_EXE_openshell-inbox"));
        // A pty has nobody to say what its background is: not the time-out is to be measured.
        let program = program.arg("--theme").arg("dark").arg("--gateway").arg(stage.door());
        let child = program.env("TERM", "xterm-256color").spawn(pts).unwrap();
        let pty = Arc::new(pty);
        let shown = Arc::new((
            Mutex::new(vt100::Parser::new(60.try_into().unwrap(), 200.try_into().unwrap(), 0)),
            Condvar::new(),
        ));
        let (reader, sink) = (Arc::clone(&pty), Arc::clone(&shown));
        std::thread::spawn(move || {
            let mut bytes = [0; 65536];
            while let Ok(count @ 1..) = (&*reader).read(&mut bytes) {
                sink.0.lock().unwrap().process(&bytes[..count]);
                sink.1.notify_all();
            }
        });
        Self { child, pty, shown, begun }
    }

    /// How long after the start the screen is like this.
    fn until(&self, is_shown: impl Fn(&str) -> bool) -> Duration {
        let mut parser = self.shown.0.lock().unwrap();
        while !is_shown(&parser.screen().contents()) {
            let (next, waited) = self.shown.1.wait_timeout(parser, PATIENCE).unwrap();
            assert!(!waited.timed_out(), "{}", next.screen().contents());
            parser = next;
        }
        self.begun.elapsed()
    }

    /// From the gateway's answer to the agent, which comes with the event, to the frame that counts one more.
    fn event(
        &self,
        runtime: &tokio::runtime::Runtime,
        supervisor: &mut Supervisor,
        count: usize,
    ) -> Duration {
        // A screen at rest: one that has just drawn waits for its next frame, at most 16 ms.
        std::thread::sleep(REST);
        let path = [format!("/v1/items/{count}")];
        runtime.block_on(supervisor.submit_all(&path, "one more"));
        let answered = self.begun.elapsed();
        let shown = self.until(|text| text.contains(&format!("{count} pending")));
        shown.saturating_sub(answered)
    }

    fn end(mut self) {
        (&*self.pty).write_all(b"q").unwrap();
        self.child.wait().unwrap();
    }
}
