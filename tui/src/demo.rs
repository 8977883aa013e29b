//! The demo: the whole loop on one machine, with nothing to install.
//!
//! Owns the stage (a gateway, an origin, a supervisor with a scripted agent, each the real one) and the narration.
//! What it starts it ends, and its folder goes with it. Called by [`crate::compose`] alone.

pub mod agent;
pub mod mask;
mod narrate;
pub mod origin;
mod stage;
mod trace;

use std::io::IsTerminal as _;
use std::path::PathBuf;

use clap::Args;
use openshell_domain::id::ProposalId;
use openshell_domain::policy::address::always_blocked;
use openshell_domain::policy::host::Host;
use openshell_domain::policy::path;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use crate::client::{Client, ClientError, Decision, Verb};
use crate::screen::keys::Keymap;
use crate::screen::{self, Look, Notice, ScreenError, ScreenOptions};
use agent::step::StepKind;
use agent::{ClientKind, Step};
use narrate::Narrator;
use stage::Stage;

/// `demo`: play the loop.
#[derive(Debug, Clone, Args)]
pub struct DemoArgs {
    /// Approve by itself and narrate each step; what happens anyway when there is no terminal.
    #[arg(long)]
    pub auto: bool,
    /// The agent's HTTP client: `curl` or `builtin`. Default: curl where /usr/bin/curl is.
    #[arg(long, value_name = "CLIENT")]
    pub client: Option<ClientKind>,
    /// The host that the agent writes to; it is played on loopback.
    #[arg(long, value_name = "HOST", default_value = "api.github.com")]
    pub host: String,
    /// The path that it writes. Default: a file of this run in a made-up repository.
    #[arg(long, value_name = "PATH")]
    pub path: Option<String>,
    /// The method that it writes with: PUT, POST or PATCH.
    #[arg(long, value_name = "METHOD", default_value = "PUT")]
    pub method: String,
    /// What the screen looks like.
    #[command(flatten)]
    pub look: Look,
}

/// `__demo-agent`: the scripted agent, inside the sandbox.
#[derive(Debug, Clone, Args)]
pub struct AgentArgs {
    /// The HTTP client.
    #[arg(long)]
    pub client: ClientKind,
    /// The method to write with.
    #[arg(long)]
    pub method: String,
    /// Where to.
    #[arg(long)]
    pub url: String,
    /// What: a file.
    #[arg(long)]
    pub body: PathBuf,
}

/// How a demo ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The origin holds what the agent wrote.
    Written,
    /// The reviewer said no, and the origin holds nothing.
    Rejected,
    /// The reviewer left before deciding.
    Left,
}

/// Why a demo did not come to an end.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// A flag has a value with which there is nothing to play.
    #[error("{flag} {value:?}: {problem}")]
    Usage {
        /// The flag.
        flag: &'static str,
        /// What it was given.
        value: String,
        /// What it may be.
        problem: String,
    },
    /// Something could not be set up.
    #[error("setting the stage: {0}")]
    Stage(String),
    /// A signal with this number came.
    #[error("interrupted")]
    Interrupted(i32),
    /// The gateway did not do what was asked.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The screen failed.
    #[error(transparent)]
    Screen(#[from] ScreenError),
    /// The agent did not finish its story.
    #[error("the agent did not finish: {0}")]
    Agent(String),
    /// The origin does not hold what it should, or holds what it should not.
    #[error("the origin does not agree: {0}")]
    Origin(String),
}

impl DemoError {
    /// 2 for a wrong flag, 128 and its number for a signal, else 1.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage { .. } => 2,
            Self::Interrupted(number) => u8::try_from(*number).unwrap_or_default().saturating_add(128),
            _ => 1,
        }
    }
}

impl DemoArgs {
    /// Refuses what cannot be played before anything is started.
    fn check(&self) -> Result<(), DemoError> {
        let wrong = |flag, value: &str, problem: &str| {
            Err(DemoError::Usage { flag, value: value.to_owned(), problem: problem.to_owned() })
        };
        match Host::parse(&self.host) {
            Ok(Host::Name(name))
                if name == self.host && always_blocked(&Host::Name(name.clone())).is_none() => {}
            _ => {
                return wrong(
                    "--host",
                    &self.host,
                    "a host name in lower case is wanted, such as api.github.com",
                );
            }
        }
        if let Some(path) = &self.path {
            match path::canonical(path, false) {
                Ok(target) if target.path == *path && target.query.is_none() && path.len() > 1 => {}
                _ => {
                    return wrong(
                        "--path",
                        path,
                        "a path in canonical form is wanted, such as /files/a%20b.txt",
                    );
                }
            }
        }
        if !["PUT", "POST", "PATCH"].contains(&self.method.as_str()) {
            return wrong("--method", &self.method, "PUT, POST or PATCH is wanted");
        }
        Ok(())
    }
}

/// Plays the agent, inside the sandbox: 0 when the origin took the file, 1 when the proposal was rejected.
///
/// # Errors
/// In words; the last line on stdout says the same.
pub async fn play_agent(args: AgentArgs) -> Result<u8, String> {
    let body = std::fs::read(&args.body).map_err(|error| format!("{}: {error}", args.body.display()))?;
    let task = agent::Task::from_env(args.method, args.url, body).map_err(|error| error.to_string())?;
    match agent::run(task, args.client).await.map_err(|error| error.to_string())? {
        agent::Outcome::Done { .. } | agent::Outcome::AlreadyAllowed { .. } => Ok(0),
        agent::Outcome::Rejected { .. } => Ok(1),
    }
}

/// Plays the demo: with a reviewer at the terminal, or by itself.
///
/// # Errors
/// [`DemoError`]; what the failed run logged has been printed then, with its secrets masked.
pub async fn run(args: DemoArgs) -> Result<Ending, DemoError> {
    args.check()?;
    let has_terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let is_auto = args.auto || !has_terminal;
    let mut signals = Signals::listen().map_err(|error| DemoError::Stage(error.to_string()))?;
    let mut narrator = Narrator::default();
    let (mut stage, steps) = tokio::select! {
        set = Stage::set(&args) => set?,
        number = signals.next() => return Err(DemoError::Interrupted(number)),
    };
    narrator.preflight(&stage);
    let played = tokio::select! {
        played = async {
            if is_auto {
                alone(&stage, steps, &mut narrator).await
            } else {
                watched(&stage, args.look, steps, &mut narrator).await
            }
        } => played,
        number = signals.next() => Err(DemoError::Interrupted(number)),
    };
    let ending = match played {
        Ok(Ending::Left) => Ok(Ending::Left),
        Ok(_) => verify(&stage, &mut narrator),
        Err(error) => Err(error),
    };
    match &ending {
        Ok(Ending::Left) => narrator.left(),
        Ok(_) => narrator.trace(&trace::of(&stage.policy_log(), stage.method(), stage.path())),
        Err(DemoError::Interrupted(_)) => {}
        Err(_) => narrator.failed(&stage),
    }
    stage.strike().await;
    if let Ok(Ending::Written | Ending::Rejected) = ending {
        narrator.end();
    }
    ending
}

/// The signals that end a demo; listened for before there is anything to clean up.
struct Signals([(i32, Signal); 3]);

impl Signals {
    fn listen() -> std::io::Result<Self> {
        let listen = |kind: SignalKind| signal(kind).map(|signal| (kind.as_raw_value(), signal));
        Ok(Self([
            listen(SignalKind::interrupt())?,
            listen(SignalKind::terminate())?,
            listen(SignalKind::hangup())?,
        ]))
    }

    async fn next(&mut self) -> i32 {
        std::future::poll_fn(|cx| {
            let came = self
                .0
                .iter_mut()
                .find_map(|(number, signal)| signal.poll_recv(cx).is_ready().then_some(*number));
            came.map_or(std::task::Poll::Pending, std::task::Poll::Ready)
        })
        .await
    }
}

/// Approves whatever the agent asks for, as soon as it does.
async fn alone(
    stage: &Stage,
    mut steps: mpsc::Receiver<Step>,
    narrator: &mut Narrator,
) -> Result<Ending, DemoError> {
    let mut ending = None;
    while let Some(step) = steps.recv().await {
        narrator.step(&step);
        match step.kind {
            StepKind::Submitted => approve(stage, &step, narrator).await?,
            StepKind::Done => ending = Some(Ending::Written),
            StepKind::Failed => return Err(DemoError::Agent(step.text.unwrap_or_default())),
            _ => {}
        }
    }
    ending.ok_or_else(|| DemoError::Agent("it ended before the file was written".to_owned()))
}

async fn approve(stage: &Stage, submitted: &Step, narrator: &mut Narrator) -> Result<(), DemoError> {
    let id = submitted_id(submitted).ok_or_else(|| DemoError::Agent("no id was accepted".to_owned()))?;
    let mut client = Client::connect(stage.door()).await?;
    let shown = client.proposal(&id.to_string()).await?;
    narrator.proposal(&shown.proposal);
    let digest = shown.proposal.digest();
    let digest = digest.ok_or_else(|| DemoError::Agent("it was not looked at".to_owned()))?;
    let decision = Decision::new(id, digest, Verb::Approve, "demo: one file, one path".to_owned());
    let recorded = client.decide(&decision).await?;
    narrator.approved(&recorded);
    Ok(())
}

fn submitted_id(step: &Step) -> Option<ProposalId> {
    step.body.as_ref()?.get("accepted_chunk_ids")?.get(0)?.as_str()?.parse().ok()
}

/// Opens the inbox on the pending proposal and lets the reviewer decide.
async fn watched(
    stage: &Stage,
    look: Look,
    mut steps: mpsc::Receiver<Step>,
    narrator: &mut Narrator,
) -> Result<Ending, DemoError> {
    let mut told = Vec::new();
    // The inbox opens on something to decide: not before the agent has asked.
    while let Some(step) = steps.recv().await {
        let kind = step.kind;
        told.push(step);
        match kind {
            StepKind::Submitted => break,
            StepKind::Failed => return Err(agent_failed(&told)),
            _ => {}
        }
    }
    if told.last().is_none_or(|step| step.kind != StepKind::Submitted) {
        return Err(DemoError::Agent("it ended before it asked for anything".to_owned()));
    }
    let (notices, inbox) = mpsc::channel(16);
    let hint = "demo: an agent waits for you: a approves, r rejects, q leaves";
    // The channel is new and has room.
    notices.try_send(Notice(hint.to_owned())).unwrap_or_default();
    let options = ScreenOptions {
        gateway: stage.door().to_owned(),
        title: "openshell-inbox demo".to_owned(),
        look,
        // The hint names them.
        keys: Keymap::default(),
        notices: Some(inbox),
    };
    let listening = async {
        while let Some(step) = steps.recv().await {
            if let Some(text) = narrate::notice(&step) {
                // The screen may be gone by now: the story goes on without it.
                notices.send(Notice(text)).await.unwrap_or_default();
            }
            told.push(step);
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        exit = screen::run(options) => { exit?; }
        () = listening => {}
    }
    for step in &told {
        narrator.step(step);
    }
    match told.last().map(|step| step.kind) {
        Some(StepKind::Done) => Ok(Ending::Written),
        Some(StepKind::Decision) => Ok(Ending::Rejected),
        Some(StepKind::Failed) => Err(agent_failed(&told)),
        _ => Ok(Ending::Left),
    }
}

fn agent_failed(told: &[Step]) -> DemoError {
    DemoError::Agent(told.last().and_then(|step| step.text.clone()).unwrap_or_default())
}

/// Asks the origin, not the agent.
fn verify(stage: &Stage, narrator: &mut Narrator) -> Result<Ending, DemoError> {
    let writes = stage.origin().requests();
    let writes: Vec<_> = writes.iter().filter(|seen| seen.method == stage.method()).collect();
    match stage.origin().file(stage.path()) {
        Some(file) if file.content == stage.content() && writes.len() == 1 => {
            narrator.verified(stage, &file);
            Ok(Ending::Written)
        }
        Some(file) if file.content == stage.content() => Err(DemoError::Origin(format!(
            "it was asked {} times, the denied request must not reach it",
            writes.len()
        ))),
        Some(_) => Err(DemoError::Origin("it holds something else".to_owned())),
        None if writes.is_empty() => {
            narrator.refused();
            Ok(Ending::Rejected)
        }
        None => Err(DemoError::Origin("it was asked and holds nothing".to_owned())),
    }
}
