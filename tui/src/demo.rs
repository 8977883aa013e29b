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
use tokio::sync::mpsc;

use crate::client::{Client, ClientError, Decision, Verb};
use crate::screen::{self, Notice, ScreenError, ScreenOptions};
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
    /// Something could not be set up.
    #[error("setting the stage: {0}")]
    Stage(String),
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
    let has_terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let is_auto = args.auto || !has_terminal;
    let mut narrator = Narrator::default();
    let (mut stage, steps) = Stage::set(&args).await?;
    narrator.preflight(&stage);
    let played = tokio::select! {
        played = async {
            if is_auto { alone(&mut stage, steps, &mut narrator).await } else { watched(&mut stage, steps, &mut narrator).await }
        } => played,
        _ = tokio::signal::ctrl_c() => Err(DemoError::Agent("interrupted".to_owned())),
    };
    let ending = match played {
        Ok(Ending::Left) => Ok(Ending::Left),
        Ok(_) => verify(&stage, &mut narrator),
        Err(error) => Err(error),
    };
    match &ending {
        Ok(Ending::Left) => narrator.left(),
        Ok(_) => narrator.trace(&trace::of(&stage.policy_log(), stage.method(), stage.path())),
        Err(_) => narrator.failed(&stage),
    }
    stage.strike().await;
    if let Ok(Ending::Written | Ending::Rejected) = ending {
        narrator.end();
    }
    ending
}

/// Approves whatever the agent asks for, as soon as it does.
async fn alone(
    stage: &mut Stage,
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
    let decision = Decision {
        proposal: id,
        digest: shown.proposal.digest(),
        verb: Verb::Approve,
        reason: "demo: one file, one path".to_owned(),
    };
    let recorded = client.decide(&decision).await?;
    narrator.approved(&recorded);
    Ok(())
}

fn submitted_id(step: &Step) -> Option<ProposalId> {
    step.body.as_ref()?.get("accepted_chunk_ids")?.get(0)?.as_str()?.parse().ok()
}

/// Opens the inbox on the pending proposal and lets the reviewer decide.
async fn watched(
    stage: &mut Stage,
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
    let (notices, inbox) = mpsc::channel(16);
    let hint = "demo: an agent waits for you: a approves, r rejects, q leaves";
    // The channel is new and has room.
    notices.try_send(Notice(hint.to_owned())).unwrap_or_default();
    let options = ScreenOptions {
        gateway: stage.door().to_owned(),
        title: "openshell-inbox demo".to_owned(),
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
