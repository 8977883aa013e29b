//! The loop: one bounded queue in, effects out, a frame when something changed.
//!
//! Everything that can happen (keys, signals, the gateway, notices, answers) is a message on the one queue. The
//! only place of the screen that awaits, and the only one that reads the clock.

use std::io::{IsTerminal, stdin, stdout};
use std::path::{Path, PathBuf};
use std::time::Duration;

use openshell_domain::id::ProposalId;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::model::Model;
use super::msg::{Answer, Effect, Msg, What};
use super::terminal::Terminal;
use super::theme::{Surroundings, Theme};
use super::{Exit, Notice, ScreenError, ScreenOptions};
use super::{copy, edit};
use crate::client::asks::Wording;
use crate::client::{Client, Decision, watch};
use crate::clock::{self, Stopwatch};
use crate::wording::editor;
use background::Answer as Answered;

mod background;
mod input;
mod reads;
mod signals;

/// How many messages may wait: a gateway that is faster than the screen waits for it.
const QUEUE: usize = 256;

/// For how long nothing must be typed before it is asked what that would change.
const MOMENT: Duration = Duration::from_millis(150);

/// The shortest time between two frames.
const FRAME: Duration = Duration::from_millis(16);

/// What a terminal that went away ends with, whoever notices it first: the signal, the reader of keys or a frame.
const HUNG_UP: Exit = Exit::Signal(signals::HANG_UP);

/// Shows the inbox of a gateway until the reviewer quits or a signal comes.
///
/// Comes up whether or not the gateway answers, and keeps looking for it. Takes standard input and output; the
/// terminal is given back on every way out.
///
/// # Errors
/// [`ScreenError`] when there is no terminal, or it fails.
pub async fn run(options: ScreenOptions) -> Result<Exit, ScreenError> {
    if !stdin().is_terminal() || !stdout().is_terminal() {
        return Err(ScreenError::NoTerminal);
    }
    let (inlet, queue) = mpsc::channel(QUEUE);
    let on_panic = inlet.clone();
    let terminal = Terminal::take(move || {
        // A full queue is being read by somebody who will come to an end without this.
        on_panic.try_send(What::Signal(signals::ABORT)).unwrap_or_default();
    })?;
    let gateway = options.gateway.display().to_string();
    let mut model = Model::new(options.title, gateway, clock::zone(), clock::now());
    model.keys = options.keys;
    model.size = terminal.size()?;
    let surroundings = Surroundings::here();
    model.clipboard = copy::doubt(surroundings.term.as_deref());
    let asked =
        if options.look.needs_background(&surroundings) { background::ask()? } else { Answered::default() };
    let theme = options.look.theme(&surroundings, asked.background);
    let (mut tasks, watch) = (JoinSet::new(), Stopwatch::start());
    tasks.spawn(signals::watch(inlet.clone()));
    if let Some(notices) = options.notices {
        tasks.spawn(pass_on(notices, inlet.clone()));
    }
    let watcher = tasks.spawn(watch::follow(options.gateway.clone(), inlet.clone()));
    let mut keys = JoinSet::new();
    keys.spawn(input::read(inlet.clone(), asked, watch));
    let screen = Screen {
        model,
        theme,
        terminal,
        watch,
        inlet,
        tasks,
        keys,
        watcher,
        is_stopping: false,
        is_behind: false,
        preview: None,
        gateway: options.gateway,
    };
    screen.run(queue).await.or_else(|error| if error.is_gone() { Ok(HUNG_UP) } else { Err(error) })
}

struct Screen {
    model: Model,
    theme: Theme,
    terminal: Terminal,
    watch: Stopwatch,
    inlet: mpsc::Sender<What>,
    /// Ends with the screen.
    tasks: JoinSet<()>,
    /// Who reads the keys; nobody while somebody else has the terminal.
    keys: JoinSet<()>,
    watcher: AbortHandle,
    /// Whether it is to stop when all that has come was taken in.
    is_stopping: bool,
    /// Whether it goes on while the shell, or another program, has the terminal.
    is_behind: bool,
    /// What finds out what the latest wording would change.
    preview: Option<AbortHandle>,
    gateway: PathBuf,
}

impl Screen {
    async fn run(mut self, mut queue: mpsc::Receiver<What>) -> Result<Exit, ScreenError> {
        let mut seconds = interval(Duration::from_secs(1));
        seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut batch = Vec::with_capacity(QUEUE);
        let mut next = Duration::ZERO;
        loop {
            let is_due = self.model.is_dirty && !self.is_behind && !edit::is_away(&self.model);
            if is_due && self.watch.elapsed() >= next {
                self.model.is_dirty = false;
                let (model, theme) = (&self.model, &self.theme);
                self.terminal.draw(|frame| super::view::view(model, theme, frame))?;
                self.take_in(What::Drawn)?;
                next = self.watch.elapsed() + FRAME;
            }
            let is_due = self.model.is_dirty && !self.is_behind && !edit::is_away(&self.model);
            let pause = next.saturating_sub(self.watch.elapsed());
            let due = self.model.arming.due();
            let rest = due.map(|due| due.saturating_sub(self.watch.elapsed())).unwrap_or_default();
            tokio::select! {
                // Also between two frames: what comes in thousands must not hold up what comes behind it.
                _ = queue.recv_many(&mut batch, QUEUE) => {}
                () = sleep(pause), if is_due => {}
                _ = seconds.tick(), if self.is_behind || self.model.is_ticking() => batch.push(What::Tick),
                () = sleep(rest), if due.is_some() => batch.push(What::Armed),
                Some(_) = self.tasks.join_next() => {}
            }
            for what in batch.drain(..) {
                if let Some(exit) = self.take_in(what)? {
                    return Ok(exit);
                }
            }
            if std::mem::take(&mut self.is_stopping) {
                self.suspend().await?;
            } else if self.is_behind {
                self.retake()?;
            }
        }
    }

    fn take_in(&mut self, what: What) -> Result<Option<Exit>, ScreenError> {
        let (at, uptime) = (clock::now(), self.watch.elapsed());
        let effects = super::update::update(&mut self.model, Msg { at, uptime, what });
        for effect in effects {
            match effect {
                Effect::Decide(decision) => {
                    self.tasks.spawn(decide(self.gateway.clone(), decision, self.inlet.clone()));
                }
                Effect::DecideMany(decisions) => {
                    self.look_up(move |gateway: PathBuf| async move {
                        What::Answers(reads::decide_many(&gateway, decisions).await)
                    });
                }
                Effect::Resync => {
                    self.watcher.abort();
                    self.watcher = self.tasks.spawn(watch::follow(self.gateway.clone(), self.inlet.clone()));
                }
                Effect::ReadPolicy(sandbox) => {
                    self.look_up(move |gateway: PathBuf| async move {
                        let answer = reads::policy(&gateway, &sandbox).await;
                        What::Policy(sandbox, answer)
                    });
                }
                Effect::ReadLog(from) => {
                    self.look_up(move |gateway: PathBuf| async move {
                        What::Log(reads::log(&gateway, from).await)
                    });
                }
                Effect::VerifyLog => {
                    self.look_up(move |gateway: PathBuf| async move {
                        What::Proven(reads::prove(&gateway).await)
                    });
                }
                Effect::Explain(asked) => {
                    self.look_up(move |gateway: PathBuf| async move {
                        let answer = reads::explain(&gateway, &asked).await;
                        What::Explained(*asked, answer)
                    });
                }
                Effect::Preview(wording) => self.preview(*wording),
                Effect::Revise(wording) => {
                    self.look_up(move |gateway: PathBuf| async move {
                        What::Revised(wording.proposal, reads::revise(&gateway, &wording).await)
                    });
                }
                Effect::Edit(proposal, text) => self.lend(proposal, text),
                Effect::Reclaim => self.reclaim()?,
                Effect::Copy(text) => self.terminal.copy(&text)?,
                Effect::Alert(asks) => self.terminal.alert(asks)?,
                Effect::Repaint => self.terminal.spoil(),
                Effect::Redraw => self.retake()?,
                Effect::Suspend => self.is_stopping = true,
                Effect::Quit(exit) => return Ok(Some(exit)),
            }
        }
        Ok(None)
    }

    /// Takes the terminal and its keys back from whoever had them.
    fn reclaim(&mut self) -> Result<(), ScreenError> {
        self.retake()
    }

    /// Asks the gateway for something beside the inbox; the answer comes back as a message.
    fn look_up<F: Future<Output = What> + Send + 'static>(&mut self, ask: impl FnOnce(PathBuf) -> F) {
        let (answer, inlet) = (ask(self.gateway.clone()), self.inlet.clone());
        self.tasks.spawn(async move { inlet.send(answer.await).await.unwrap_or_default() });
    }

    /// Asks what a wording would change once nothing else was asked for a moment: whoever types is not waited for.
    fn preview(&mut self, wording: Wording) {
        let (gateway, inlet) = (self.gateway.clone(), self.inlet.clone());
        let ask = self.tasks.spawn(async move {
            sleep(MOMENT).await;
            let answer = reads::preview(&gateway, &wording).await;
            inlet.send(What::Previewed(Box::new(wording), answer)).await.unwrap_or_default();
        });
        if let Some(earlier) = self.preview.replace(ask) {
            earlier.abort();
        }
    }

    /// Gives the terminal and its keys to the reviewer's own editor.
    fn lend(&mut self, proposal: ProposalId, text: String) {
        let (mut keys, inlet) = (std::mem::take(&mut self.keys), self.inlet.clone());
        self.terminal.lend();
        self.tasks.spawn(async move {
            // Two who read the same keys would each get some of them.
            keys.shutdown().await;
            let written = editor::open(&text).await.map(|written| written.text);
            let answer = written.map_err(|error| error.to_string());
            inlet.send(What::Written(proposal, answer)).await.unwrap_or_default();
        });
    }

    async fn suspend(&mut self) -> Result<(), ScreenError> {
        // Whoever reads from a terminal that is another's is stopped for it, also when it was told to end.
        self.keys.shutdown().await;
        self.terminal.suspend()?;
        self.retake()
    }

    /// Takes the terminal, unless it is another program's still. It may have another size by now.
    fn retake(&mut self) -> Result<(), ScreenError> {
        self.is_behind = !self.terminal.retake()?;
        if self.is_behind {
            self.keys = JoinSet::new();
            return Ok(());
        }
        if self.keys.is_empty() {
            self.keys.spawn(input::read(self.inlet.clone(), Answered::default(), self.watch));
        }
        let (columns, lines) = self.terminal.size()?;
        // Nobody is told of the size while another program has the terminal.
        if (columns, lines) != self.model.size {
            self.take_in(What::Resize(columns, lines))?;
        }
        self.model.is_dirty = true;
        Ok(())
    }
}

/// Sends one decision, over a connection of its own: the watched one may be broken without knowing it.
async fn decide(gateway: PathBuf, decision: Decision, inlet: mpsc::Sender<What>) {
    let result = send(&gateway, &decision).await;
    inlet.send(What::Answer(Box::new(Answer { decision, result }))).await.unwrap_or_default();
}

async fn send(
    gateway: &Path,
    decision: &Decision,
) -> Result<crate::client::Recorded, crate::client::ClientError> {
    Client::connect(gateway).await?.decide(decision).await
}

async fn pass_on(mut notices: mpsc::Receiver<Notice>, inlet: mpsc::Sender<What>) {
    while let Some(notice) = notices.recv().await {
        if inlet.send(What::Notice(notice)).await.is_err() {
            return;
        }
    }
}
