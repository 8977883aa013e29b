//! The inbox for a screen reader: a line for each event, and a prompt.
//!
//! No cursor moves, no colours, no escapes: lines go out, lines come in. `state` decides what is said and what is
//! sent, and is pure; here is the shell that reads, writes and asks the clock. Called by [`crate::compose`].

mod command;
mod decide;
mod lines;
mod state;
#[cfg(test)]
mod tests;
mod words;

use std::io::{self, IsTerminal as _, Write as _, stdin};
use std::path::{Path, PathBuf};

use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

use crate::client::{Client, ClientError, Decision, Recorded, watch};
use crate::clock::{self, Stopwatch};
use state::{Effect, Plain, What};

/// How many messages may wait: a gateway that is faster than the reader of lines waits for it.
const QUEUE: usize = 64;

/// What is written where a line is waited for, if a person may see it.
const PROMPT: &str = "> ";

/// Tells what happens and does what the lines on standard input say, until there are no more of them.
///
/// Comes back where it was when the gateway does. Needs no terminal.
///
/// # Errors
/// What standard output says.
pub async fn run(gateway: PathBuf) -> io::Result<()> {
    let (inlet, mut queue) = mpsc::channel(QUEUE);
    let watch = Stopwatch::start();
    lines::read(inlet.clone(), watch);
    let mut tasks = JoinSet::new();
    let watcher = tasks.spawn(watch::follow(gateway.clone(), inlet.clone()));
    let is_prompting = stdin().is_terminal();
    let mut shell = Shell {
        plain: Plain::default(),
        watch,
        gateway,
        inlet,
        tasks,
        watcher,
        is_prompting,
        is_prompted: false,
    };
    let mut batch = Vec::with_capacity(QUEUE);
    loop {
        tokio::select! {
            _ = queue.recv_many(&mut batch, QUEUE) => {}
            Some(_) = shell.tasks.join_next() => {}
        }
        for what in batch.drain(..) {
            if shell.take_in(what)? {
                return Ok(());
            }
        }
        shell.prompt()?;
    }
}

struct Shell {
    plain: Plain,
    watch: Stopwatch,
    gateway: PathBuf,
    inlet: mpsc::Sender<What>,
    /// Ends with the shell.
    tasks: JoinSet<()>,
    watcher: AbortHandle,
    is_prompting: bool,
    /// Whether the prompt is the last thing that was written.
    is_prompted: bool,
}

impl Shell {
    /// Takes in what has happened; whether that was the end.
    fn take_in(&mut self, what: What) -> io::Result<bool> {
        // The end of a line that was typed has ended the line of the prompt.
        self.is_prompted &= !matches!(what, What::Line(_));
        let told = self.plain.update(clock::now(), what);
        self.write(&told.lines)?;
        self.plain.printed(self.watch.elapsed());
        for effect in told.effects {
            match effect {
                Effect::Decide(decision) => {
                    self.tasks.spawn(decide(self.gateway.clone(), *decision, self.inlet.clone()));
                }
                Effect::Resync => {
                    self.watcher.abort();
                    let follow = watch::follow(self.gateway.clone(), self.inlet.clone());
                    self.watcher = self.tasks.spawn(follow);
                }
                Effect::Quit => return self.leave(),
            }
        }
        Ok(false)
    }

    /// All of it or an error: what was not written was not shown.
    fn write(&mut self, lines: &[String]) -> io::Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        let mut text = lines.join("\n") + "\n";
        if std::mem::take(&mut self.is_prompted) {
            text.insert(0, '\n');
        }
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()
    }

    /// Leaves no prompt behind on the line of whatever comes next.
    fn leave(&mut self) -> io::Result<bool> {
        if std::mem::take(&mut self.is_prompted) {
            io::stdout().write_all(b"\n")?;
        }
        Ok(true)
    }

    fn prompt(&mut self) -> io::Result<()> {
        if !self.is_prompting || self.is_prompted {
            return Ok(());
        }
        self.is_prompted = true;
        let mut out = io::stdout().lock();
        out.write_all(PROMPT.as_bytes())?;
        out.flush()
    }
}

async fn decide(gateway: PathBuf, decision: Decision, inlet: mpsc::Sender<What>) {
    let result = send(&gateway, &decision).await;
    inlet.send(What::Answer(decision.proposal, Box::new(result))).await.unwrap_or_default();
}

async fn send(gateway: &Path, decision: &Decision) -> Result<Recorded, ClientError> {
    Client::connect(gateway).await?.decide(decision).await
}
