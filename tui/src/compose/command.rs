//! The whole command line: the reviewer's verbs, and those that other crates do.

use clap::{Parser, Subcommand};
use clap_complete::Shell;
use openshell_gateway::ServeArgs;
use openshell_supervisor::RunArgs;

use crate::cli::{self, Options};
use crate::demo::{AgentArgs, DemoArgs};
use crate::screen::Look;

/// See what AI agents ask for, and decide.
#[derive(Debug, Parser)]
#[command(name = "openshell-inbox", version, about, after_help = cli::CODES)]
pub struct Cli {
    #[command(flatten)]
    pub(super) options: Options,
    #[command(flatten)]
    pub(super) look: Look,
    /// No screen: a line for each event and a prompt, for screen readers and dumb terminals.
    #[arg(long)]
    pub(super) plain: bool,
    /// End when this process, which must be the parent, does: for what the demo starts.
    #[arg(long, value_name = "PID", hide = true)]
    pub(super) with_parent: Option<i32>,
    /// Without one: the screen, or with --plain its lines.
    #[command(subcommand)]
    pub(super) verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    #[command(flatten)]
    Reviewer(cli::Verb),
    /// Policy files, and the policies in force.
    Policy {
        #[command(subcommand)]
        verb: cli::PolicyVerb,
    },
    /// Start a command behind the supervisor's proxy.
    Run(Box<RunArgs>),
    /// Say whether this machine can isolate a command.
    #[command(after_help = DOCTOR_CODES)]
    Doctor,
    /// Play the whole loop on this machine, with a scripted agent.
    Demo(DemoArgs),
    /// The gateway, as a part of this program.
    Gateway {
        #[command(subcommand)]
        verb: GatewayVerb,
    },
    /// Print the completions for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Print the man page.
    Man(cli::Man),
    #[command(name = "__demo-agent", hide = true)]
    DemoAgent(AgentArgs),
}

#[derive(Debug, Subcommand)]
pub(super) enum GatewayVerb {
    /// Serve reviewers on PATH and supervisors on PATH.sandbox.
    Serve(ServeArgs),
    /// Say how the gateway stands: process, log, who is there, what is pending.
    #[command(after_help = RUNNING_CODES)]
    Status,
    /// Stop the gateway and wait until it has ended. A second time, while it stops, makes it hurry.
    #[command(after_help = RUNNING_CODES)]
    Stop,
    /// The gateway's settings.
    Config {
        #[command(subcommand)]
        verb: ConfigVerb,
    },
}

/// Exit codes of `doctor`, as its help tells them.
const DOCTOR_CODES: &str = "Exit codes: 0 it can, 1 it cannot, 2 usage.";

/// Exit codes of `gateway status` and `gateway stop`, as their help tells them.
const RUNNING_CODES: &str = "Exit codes: 0 done, 1 not done, 2 usage, 3 none runs.";

#[derive(Debug, Subcommand)]
pub(super) enum ConfigVerb {
    /// Print every setting in force and where it came from, as a configuration file or JSON. Takes the flags of
    /// `serve`.
    Show(ServeArgs),
}
